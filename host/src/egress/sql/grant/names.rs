//! Names of tables as statements write them, and as they are granted.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::config::Engine;

/// A table's name in its parts, as the database compares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(Vec<String>);

impl Name {
    /// Of the configuration.
    pub(super) fn granted(text: &str, engine: Engine) -> Self {
        let part = |part: &str| match engine {
            Engine::Postgres => part.to_owned(),
            Engine::MySql | Engine::Sqlite => part.to_lowercase(),
        };
        Self(text.split('.').map(part).collect())
    }

    /// Of a statement; `None` where a part of it is no plain name.
    pub(super) fn written(name: &ObjectName, engine: Engine) -> Option<Self> {
        let part = |part: &ObjectNamePart| part.as_ident().map(|ident| compared(ident, engine));
        name.0.iter().map(part).collect::<Option<_>>().map(Self)
    }

    /// Where it has no schema before it.
    pub(super) fn single(&self) -> Option<&str> {
        match self.0.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }

    pub(super) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }
}

/// PostgreSQL folds what is not quoted; in MySQL the system decides whether case counts: it is taken not to.
pub(super) fn compared(ident: &Ident, engine: Engine) -> String {
    match (engine, ident.quote_style) {
        (Engine::Postgres, Some(_)) => ident.value.clone(),
        (Engine::Postgres | Engine::MySql | Engine::Sqlite, _) => ident.value.to_lowercase(),
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join("."))
    }
}
