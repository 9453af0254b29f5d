//! The text of a configuration as a tree that knows where each key stands.
//!
//! TOML text in; out come the settings, every mistake of form, and the place of any key for the checks that follow.
//! A value that does not fit is reported, taken out and reading goes on, so that one mistake never hides another.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::errors::Mistake;
use super::explain::explain;
use super::settings::Settings;

/// A place in the text, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Where a value stands in the tree, such as `sla."policy.updated".deadline`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

/// The text with its tree.
#[derive(Debug)]
pub(super) struct Document<'text> {
    text: &'text str,
    root: DeTable<'text>,
    /// Lines that are not TOML: whatever else is found there is a consequence.
    broken_lines: BTreeSet<usize>,
    /// False if a broken line may have swallowed others: what seems missing may well be there.
    is_whole: bool,
}

impl<'text> Document<'text> {
    /// Reads as much as can be read.
    pub(super) fn read(text: &'text str) -> (Self, Settings, Vec<Mistake>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        let (root, broken_lines) = (root.into_inner(), BTreeSet::new());
        let mut document = Self { text, root, broken_lines, is_whole: true };
        let mut mistakes = Vec::new();
        for error in errors {
            let span = error.span().unwrap_or_default();
            let position = document.position(span.start);
            let is_duplicate = error.message() == "duplicate key";
            document.is_whole &= is_duplicate;
            if document.broken_lines.insert(position.line) {
                let key = text.get(span).unwrap_or_default();
                let text = if is_duplicate {
                    format!("`{key}` stands here twice; leave one out")
                } else {
                    error.message().to_owned()
                };
                mistakes.push(Mistake::new(Some(position), &KeyPath::default(), text));
            }
        }
        let settings = document.settings(&mut mistakes);
        (document, settings, mistakes)
    }

    /// Deserializes; whatever does not fit is reported and left out.
    fn settings(&self, mistakes: &mut Vec<Mistake>) -> Settings {
        let mut tree = self.root.clone();
        let mut reported: Vec<KeyPath> = Vec::new();
        loop {
            let root = Spanned::new(0..self.text.len(), tree.clone());
            let error = match Settings::deserialize(Deserializer::from(root)) {
                Ok(settings) => return settings,
                Err(error) => error,
            };
            let found = error.span().and_then(|span| Some((path_to(&self.root, &span)?, span)));
            let Some((path, span)) = found else {
                mistakes.push(Mistake::new(None, &KeyPath::default(), error.message()));
                return Settings::default();
            };
            let position = self.position(span.start);
            // What holds a value that was left out may be wrong for that reason alone.
            let is_consequence = reported.iter().any(|below| below.0.starts_with(&path.0));
            if !is_consequence && !self.is_broken(Some(position)) {
                let is_list = self.value(&path).is_some_and(DeValue::is_array);
                let text = match error.message() {
                    message if is_list && message.starts_with("invalid type: map") => {
                        "is one table and not a list; write it in single brackets".to_owned()
                    }
                    message => explain(message),
                };
                mistakes.push(Mistake::new(Some(position), &path, text));
            }
            reported.push(path);
            if !take_out(&mut tree, &span) {
                return Settings::default();
            }
        }
    }

    /// Where a key stands, or the nearest table above one that is missing.
    pub(super) fn locate(&self, path: &KeyPath) -> Option<Position> {
        let (first, rest) = path.0.split_first()?;
        let Segment::Key(name) = first else { return None };
        let (key, mut value) = self.root.get_key_value(name.as_str())?;
        let mut offset = key.span().start;
        for segment in rest {
            let next = match (segment, value.get_ref()) {
                (Segment::Key(name), DeValue::Table(table)) => {
                    table.get_key_value(name.as_str()).map(|(key, value)| (key.span(), value))
                }
                (Segment::Index(index), DeValue::Array(array)) => {
                    array.get(*index).map(|value| (value.span(), value))
                }
                (Segment::Key(_) | Segment::Index(_), _) => None,
            };
            let Some((span, below)) = next else { break };
            (offset, value) = (span.start, below);
        }
        Some(self.position(offset))
    }

    /// Whether this line was not TOML, and is reported already.
    pub(super) fn is_broken(&self, position: Option<Position>) -> bool {
        position.is_some_and(|position| self.broken_lines.contains(&position.line))
    }

    /// Whether what is not found is really missing.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether the text gives this key, readable or not.
    pub(super) fn has(&self, path: &KeyPath) -> bool {
        self.value(path).is_some()
    }

    /// Whether the text gives a list here that holds nothing.
    pub(super) fn has_empty_list(&self, path: &KeyPath) -> bool {
        self.value(path).and_then(DeValue::as_array).is_some_and(|list| list.is_empty())
    }

    /// The names of the top-level tables.
    pub(super) fn tables(&self) -> impl Iterator<Item = &str> {
        self.root.keys().map(|key| key.get_ref().as_ref())
    }

    /// The keys of a top-level table, readable or not.
    pub(super) fn names(&self, section: &str) -> Vec<&str> {
        let table = self.value(&KeyPath::of(&[section])).and_then(DeValue::as_table);
        table.into_iter().flat_map(DeTable::keys).map(|key| key.get_ref().as_ref()).collect()
    }

    fn value(&self, path: &KeyPath) -> Option<&DeValue<'text>> {
        let mut segments = path.0.iter();
        let Some(Segment::Key(first)) = segments.next() else {
            return None;
        };
        let root = self.root.get(first.as_str())?;
        let value = segments.try_fold(root, |value, segment| match segment {
            Segment::Key(key) => value.get_ref().get(key),
            Segment::Index(index) => value.get_ref().get(*index),
        });
        value.map(Spanned::get_ref)
    }

    fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

impl KeyPath {
    pub(super) fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// Every table on the way with the key that is followed there.
    pub(super) fn steps(&self) -> impl Iterator<Item = (Self, String)> + '_ {
        let steps = self.0.iter().enumerate();
        steps
            .map(|(depth, segment)| (Self(self.0[..depth].to_vec()), Self(vec![segment.clone()]).to_string()))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(formatter, "[{index}]")?,
                Segment::Key(key) => {
                    let dot = if index > 0 { "." } else { "" };
                    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
                    if !key.is_empty() && key.bytes().all(is_bare) {
                        write!(formatter, "{dot}{key}")?;
                    } else {
                        write!(formatter, "{dot}{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The path of the entry whose key or value covers exactly this span.
fn path_to(table: &DeTable<'_>, span: &Range<usize>) -> Option<KeyPath> {
    fn in_value(value: &Spanned<DeValue<'_>>, path: &KeyPath, span: &Range<usize>) -> Option<KeyPath> {
        if value.span() == *span {
            return Some(path.clone());
        }
        match value.get_ref() {
            DeValue::Table(table) => in_table(table, path, span),
            DeValue::Array(array) => {
                array.iter().enumerate().find_map(|(index, value)| in_value(value, &path.index(index), span))
            }
            _ => None,
        }
    }
    fn in_table(table: &DeTable<'_>, path: &KeyPath, span: &Range<usize>) -> Option<KeyPath> {
        table.iter().find_map(|(key, value)| {
            let path = path.key(key.get_ref());
            if key.span() == *span { Some(path) } else { in_value(value, &path, span) }
        })
    }
    in_table(table, &KeyPath::default(), span)
}

/// Takes the entry out whose key or value covers exactly this span; false if there is none.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    fn within(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
        match value {
            DeValue::Table(table) => take_out(table, span),
            DeValue::Array(array) if array.iter().any(|value| value.span() == *span) => {
                *array = array.clone().into_iter().filter(|value| value.span() != *span).collect();
                true
            }
            DeValue::Array(array) => array.iter_mut().any(|value| within(value.get_mut(), span)),
            _ => false,
        }
    }
    let found = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span);
    match found.map(|(key, _)| key.get_ref().to_string()) {
        Some(key) => table.remove(key.as_str()).is_some(),
        None => table.iter_mut().any(|(_, value)| within(value.get_mut(), span)),
    }
}
