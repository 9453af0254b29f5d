//! Walks through a statement: of which kind is each part of it, and which tables does it name?
//!
//! A name that `with` gives is no table, but only where that name holds: not in the query that it stands for, nor in
//! those before, unless it is recursive. There the same word means a table, and must be granted.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Cte, Expr, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Visit as _, Visitor,
};

use super::names::{Name, compared};
use crate::config::{Access, Engine};

/// Functions that run statements of their own, which nobody has read, or change settings that outlive a transaction.
const REFUSED_FUNCTIONS: [&str; 16] = [
    "cursor_to_xml",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "dblink",
    "dblink_exec",
    "lo_export",
    "lo_import",
    "load_file",
    "pg_read_binary_file",
    "pg_read_file",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "schema_to_xml",
    "set_config",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
];

pub(super) struct Inspector<'a> {
    engine: Engine,
    access: Access,
    granted: &'a [Name],
    /// The names that `with` gives in the queries around, the outermost first.
    given: Vec<Vec<String>>,
}

impl<'a> Inspector<'a> {
    pub(super) fn new(engine: Engine, access: Access, granted: &'a [Name]) -> Self {
        Self { engine, access, granted, given: Vec::new() }
    }

    fn table(&self, name: &ObjectName) -> ControlFlow<String> {
        let Some(name) = Name::written(name, self.engine) else {
            return ControlFlow::Break(format!("names a table in a way that cannot be read: `{name}`"));
        };
        if self.granted.is_empty() || self.granted.contains(&name) {
            return ControlFlow::Continue(());
        }
        let granted: Vec<String> = self.granted.iter().map(Name::to_string).collect();
        ControlFlow::Break(format!("asks for `{name}`; granted tables: {}", granted.join(", ")))
    }

    fn function(&self, name: &ObjectName) -> ControlFlow<String> {
        let name = Name::written(name, self.engine);
        let Some(name) = name.filter(|name| REFUSED_FUNCTIONS.contains(&name.last())) else {
            return ControlFlow::Continue(());
        };
        ControlFlow::Break(format!("calls `{name}`, which does more than its statement says"))
    }

    /// Where the query of a `with` names itself or one that comes later, it means a table.
    fn given_later(&self, ctes: &[Cte]) -> ControlFlow<String> {
        for (position, cte) in ctes.iter().enumerate() {
            let later: Vec<String> =
                ctes[position..].iter().map(|cte| compared(&cte.alias.name, self.engine)).collect();
            let mut meant = Meant { inspector: self, names: &later };
            cte.query.visit(&mut meant)?;
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Inspector<'_> {
    type Break = String;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<String> {
        match (statement, self.access) {
            (Statement::Query(_), _) => ControlFlow::Continue(()),
            (
                Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_),
                Access::Write,
            ) => ControlFlow::Continue(()),
            (
                Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_),
                Access::Read,
            ) => ControlFlow::Break("changes rows; granted access: read".to_owned()),
            (other, _) => {
                let text = other.to_string();
                let word = text.split_whitespace().next().unwrap_or_default();
                ControlFlow::Break(format!(
                    "is of a kind that is never granted: `{word}`; a statement selects, inserts, updates, deletes or merges"
                ))
            }
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let mut names = Vec::new();
        if let Some(with) = &query.with {
            if !with.recursive {
                self.given_later(&with.cte_tables)?;
            }
            names = with.cte_tables.iter().map(|cte| compared(&cte.alias.name, self.engine)).collect();
        }
        self.given.push(names);
        if has_table_command(&query.body) {
            return ControlFlow::Break("says `table`; write `select * from` instead".to_owned());
        }
        if !query.locks.is_empty() && self.access == Access::Read {
            return ControlFlow::Break("locks rows; granted access: read".to_owned());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
        self.given.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        match select.into.is_some() {
            true => ControlFlow::Break("selects into something, which is never granted".to_owned()),
            false => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<String> {
        let name = Name::written(relation, self.engine);
        let is_given = |name: &str| self.given.iter().flatten().any(|given| given == name);
        match name.as_ref().and_then(Name::single).is_some_and(is_given) {
            true => ControlFlow::Continue(()),
            false => self.table(relation),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.function(name)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<String> {
        match expression {
            Expr::Function(function) => self.function(&function.name),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Looks for these names alone, and takes them for tables.
struct Meant<'a, 'b> {
    inspector: &'a Inspector<'b>,
    names: &'a [String],
}

impl Visitor for Meant<'_, '_> {
    type Break = String;

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<String> {
        let name = Name::written(relation, self.inspector.engine);
        let is_meant = |name: &str| self.names.iter().any(|meant| meant == name);
        match name.as_ref().and_then(Name::single).is_some_and(is_meant) {
            true => self.inspector.table(relation),
            false => ControlFlow::Continue(()),
        }
    }
}

/// PostgreSQL's and MySQL's `table records`: a name that the walk does not meet.
fn has_table_command(body: &SetExpr) -> bool {
    match body {
        SetExpr::Table(_) => true,
        SetExpr::SetOperation { left, right, .. } => has_table_command(left) || has_table_command(right),
        // Queries inside are met by themselves.
        SetExpr::Query(_)
        | SetExpr::Select(_)
        | SetExpr::Values(_)
        | SetExpr::Insert(_)
        | SetExpr::Update(_)
        | SetExpr::Delete(_)
        | SetExpr::Merge(_) => false,
    }
}
