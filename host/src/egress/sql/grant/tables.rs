//! Walks through a statement: of which kind is each part of it, and which tables does it name?
//!
//! A name that `with` gives is no table, but only where that name holds: not in the query that it stands for, nor in
//! those before, unless it is recursive. There the same word means a table, and must be granted.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FromTable, ObjectName, Query, Select, SetExpr, Statement, TableFactor, TableObject, Visit as _,
    Visitor, With,
};

use super::names::{Name, compared};
use crate::config::{Access, Engine};

/// Functions that run statements of their own, which nobody has read; that read what is no table; or that change what
/// outlives a transaction.
const REFUSED_FUNCTIONS: [&str; 44] = [
    "connectby",
    "crosstab",
    "crosstab2",
    "crosstab3",
    "crosstab4",
    "crosstabn",
    "cursor_to_xml",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "dblink",
    "dblink_connect",
    "dblink_connect_u",
    "dblink_exec",
    "dblink_fetch",
    "dblink_open",
    "dblink_send_query",
    "get_lock",
    "lo_export",
    "lo_from_bytea",
    "lo_get",
    "lo_import",
    "lo_put",
    "load_file",
    "loread",
    "lowrite",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_ls_dir",
    "pg_read_binary_file",
    "pg_read_file",
    "pg_stat_file",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "set_config",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "ts_rewrite",
    "ts_stat",
    "xpath_table",
];

/// Is it called what no statement may call?
pub(super) fn is_refused_function(name: &str) -> bool {
    REFUSED_FUNCTIONS.contains(&name)
}

pub(super) struct Inspector<'a> {
    engine: Engine,
    access: Access,
    granted: &'a [Name],
    /// The names that `with` gives in the queries around, the outermost first.
    given: Vec<Vec<String>>,
    /// The function whose rows are selected from, met just before its name is met as a table's.
    function: Option<ObjectName>,
}

impl<'a> Inspector<'a> {
    pub(super) fn new(engine: Engine, access: Access, granted: &'a [Name]) -> Self {
        Self { engine, access, granted, given: Vec::new(), function: None }
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
        let Some(name) = name.filter(|name| is_refused_function(name.last())) else {
            return ControlFlow::Continue(());
        };
        ControlFlow::Break(format!("calls `{name}`, which does more than its statement says"))
    }

    /// What a statement changes is a table, also where `with` gives the same name: PostgreSQL looks for no other. MySQL
    /// refuses to change what `with` gives, and its targets may be other names of tables.
    fn targets(&self, statement: &Statement) -> ControlFlow<String> {
        if self.engine != Engine::Postgres {
            return ControlFlow::Continue(());
        }
        let factors: Vec<&TableFactor> = match statement {
            Statement::Insert(insert) => match &insert.table {
                TableObject::TableName(name) => return self.table(name),
                _ => return ControlFlow::Break("inserts into what is no table".to_owned()),
            },
            Statement::Update(update) => vec![&update.table.relation],
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
                tables.iter().map(|table| &table.relation).collect()
            }
            Statement::Merge(merge) => vec![&merge.table],
            _ => Vec::new(),
        };
        for factor in factors {
            match factor {
                TableFactor::Table { name, .. } => self.table(name)?,
                _ => return ControlFlow::Break("changes what is no table".to_owned()),
            }
        }
        ControlFlow::Continue(())
    }

    /// Where the query of a `with` names one that comes later, it means a table; itself too, unless it is recursive.
    fn given_later(&self, with: &With) -> ControlFlow<String> {
        let own = usize::from(with.recursive);
        let ctes = &with.cte_tables;
        for (position, cte) in ctes.iter().enumerate() {
            let later: Vec<String> =
                ctes[position + own..].iter().map(|cte| compared(&cte.alias.name, self.engine)).collect();
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
            ) => self.targets(statement),
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
            // In PostgreSQL, all names of a recursive one hold in all its queries.
            if !with.recursive || self.engine == Engine::MySql {
                self.given_later(with)?;
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
        if self.function.take().is_some_and(|function| function == *relation) {
            return ControlFlow::Continue(());
        }
        let name = Name::written(relation, self.engine);
        let is_given = |name: &str| self.given.iter().flatten().any(|given| given == name);
        match name.as_ref().and_then(Name::single).is_some_and(is_given) {
            true => ControlFlow::Continue(()),
            false => self.table(relation),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } => {
                self.function = Some(name.clone());
                self.function(name)
            }
            TableFactor::Function { name, .. } => self.function(name),
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
