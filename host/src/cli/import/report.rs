//! What became of each member of the older files, for people and for programs.

use std::fmt::Write as _;

use liaison::dead_letter::report::printable;
use serde_json::{Value, json};

/// All that there is to say, in the order in which it was met.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
    secrets: Vec<SecretLine>,
}

#[derive(Debug)]
struct Line {
    kind: Kind,
    /// File, connector or event type, and member.
    from: String,
    /// The key it became; empty where it became none.
    to: String,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mapped,
    /// Mapped or made up, and to be looked at.
    Look,
    Unmapped,
}

/// A secret that was not copied.
#[derive(Debug)]
struct SecretLine {
    from: String,
    to: String,
    variable: String,
    /// The older file named the variable too.
    is_there: bool,
}

impl Report {
    pub(super) fn mapped(&mut self, from: &str, to: &str) {
        self.line(Kind::Mapped, from, to, "");
    }

    pub(super) fn look(&mut self, from: &str, to: &str, text: &str) {
        self.line(Kind::Look, from, to, text);
    }

    pub(super) fn unmapped_member(&mut self, from: &str, text: &str) {
        self.line(Kind::Unmapped, from, "", text);
    }

    pub(super) fn secret(&mut self, from: &str, to: &str, variable: &str, is_there: bool) {
        let owned = str::to_owned;
        self.secrets.push(SecretLine {
            from: owned(from),
            to: owned(to),
            variable: owned(variable),
            is_there,
        });
    }

    pub(super) fn has_unmapped(&self) -> bool {
        self.lines.iter().any(|line| line.kind == Kind::Unmapped)
    }

    /// What could not be mapped, a line each.
    pub(super) fn unmapped(&self) -> impl Iterator<Item = String> {
        let lines = self.lines.iter().filter(|line| line.kind == Kind::Unmapped);
        lines.map(|line| one_line(&format!("{}: {}", line.from, line.text)))
    }

    fn line(&mut self, kind: Kind, from: &str, to: &str, text: &str) {
        self.lines.push(Line { kind, from: from.to_owned(), to: to.to_owned(), text: text.to_owned() });
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (kind, word) in
            [(Kind::Mapped, "mapped"), (Kind::Look, "look at"), (Kind::Unmapped, "not mapped")]
        {
            for Line { from, to, text: why, .. } in self.lines.iter().filter(|line| line.kind == kind) {
                let arrow = if to.is_empty() { String::new() } else { format!(" -> {to}") };
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                let _ = writeln!(text, "{word:<11} {}", one_line(&format!("{from}{arrow}{why}")));
            }
        }
        for SecretLine { from, to, variable, is_there } in &self.secrets {
            let what = if *is_there {
                format!("{from} -> {to}: the environment variable {variable}, as before")
            } else {
                format!("{from} -> {to}: put its value into the environment variable {variable}")
            };
            let _ = writeln!(text, "{:<11} {}", "secret", one_line(&what));
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let lines = |kind: Kind| -> Vec<Value> {
            let lines = self.lines.iter().filter(|line| line.kind == kind);
            lines.map(|line| json!({"from": line.from, "to": line.to, "text": line.text})).collect()
        };
        let secrets = self.secrets.iter().map(|secret| {
            let SecretLine { from, to, variable, is_there } = secret;
            json!({"from": from, "to": to, "variable": variable, "to_be_set": !is_there})
        });
        json!({
            "mapped": lines(Kind::Mapped),
            "look_at": lines(Kind::Look),
            "not_mapped": lines(Kind::Unmapped),
            "secrets": secrets.collect::<Vec<_>>(),
        })
    }
}

/// Names are whatever JSON allows: none may break a line or drive a terminal.
fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}
