//! iCalendar (RFC 5545) as a tree of content lines that keeps what it does not know.
//!
//! A calendar is read, some of its lines are replaced, and it is written again: every other line, parameter and
//! component stays as it came, in its place. What a line means is for the modules above.

use std::fmt;

mod line;
mod text;

pub(crate) use line::Line;
pub(crate) use text::{escape, normal, split_list, unescape};

/// Octets of a line without its break (RFC 5545, 3.1).
const LINE_OCTETS: usize = 75;
/// Components within components: a calendar has three levels.
const MAX_DEPTH: usize = 8;

/// What stands between a `BEGIN` and its `END`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    /// Upper case.
    pub(crate) name: String,
    pub(crate) items: Vec<Item>,
}

/// A part of a component. Lines may stand behind components: some servers write them so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Line(Line),
    Component(Component),
}

impl Component {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), items: Vec::new() }
    }

    /// Reads one calendar: the first `VCALENDAR` of the text.
    ///
    /// Lines are unfolded as octets, because a fold may stand within a character.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = unfold(bytes)?;
        let mut open: Vec<Component> = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line = Line::parse(line.trim_start_matches('\u{feff}'))
                .ok_or_else(|| format!("the text's line {} has no colon", number + 1))?;
            if line.is("BEGIN") {
                open.push(Component::new(&line.value().trim().to_ascii_uppercase()));
                if open.len() > MAX_DEPTH {
                    return Err(format!("it has more than {MAX_DEPTH} components within each other"));
                }
            } else if line.is("END") {
                let ended =
                    open.pop().filter(|component| component.name.eq_ignore_ascii_case(line.value().trim()));
                let ended =
                    ended.ok_or_else(|| format!("`END:{}` ends nothing that has begun", line.value()))?;
                match open.last_mut() {
                    Some(parent) => parent.items.push(Item::Component(ended)),
                    None if ended.name == "VCALENDAR" => return Ok(ended),
                    None => return Err(format!("it is a {} and no VCALENDAR", ended.name)),
                }
            } else {
                let parent = open.last_mut().ok_or("it does not begin with BEGIN:VCALENDAR")?;
                parent.items.push(Item::Line(line));
            }
        }
        Err(match open.last() {
            Some(component) => format!("{} has no end", component.name),
            None => "it is empty".to_owned(),
        })
    }

    /// Its own lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.items.iter().filter_map(|item| match item {
            Item::Line(line) => Some(line),
            Item::Component(_) => None,
        })
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = &Component> {
        self.items.iter().filter_map(|item| match item {
            Item::Component(component) => Some(component),
            Item::Line(_) => None,
        })
    }

    pub(crate) fn components_mut(&mut self) -> impl Iterator<Item = &mut Component> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Component(component) => Some(component),
            Item::Line(_) => None,
        })
    }

    /// The first line of this name.
    pub(crate) fn line(&self, name: &str) -> Option<&Line> {
        self.lines().find(|line| line.is(name))
    }

    /// Puts these lines where the first of these names stood, or behind all lines that stand before any component;
    /// the others of these names are gone.
    pub(crate) fn replace(&mut self, names: &[&str], lines: Vec<Line>) {
        let is_one = |item: &Item| matches!(item, Item::Line(line) if names.iter().any(|name| line.is(name)));
        let end = self.items.iter().position(|item| matches!(item, Item::Component(_)));
        let place = self.items.iter().position(is_one).or(end).unwrap_or(self.items.len());
        self.items.retain(|item| !is_one(item));
        let place = place.min(self.items.len());
        self.items.splice(place..place, lines.into_iter().map(Item::Line));
    }

    /// The same with one line, which is the only one of its name then.
    pub(crate) fn set(&mut self, line: Line) {
        let name = line.name().to_owned();
        self.replace(&[&name], vec![line]);
    }
}

/// With folded lines and their breaks, as it goes over the wire.
impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BEGIN:{}\r\n", self.name)?;
        for item in &self.items {
            match item {
                Item::Line(line) => fold(line.as_str(), formatter)?,
                Item::Component(component) => fmt::Display::fmt(component, formatter)?,
            }
        }
        write!(formatter, "END:{}\r\n", self.name)
    }
}

fn unfold(bytes: &[u8]) -> Result<String, String> {
    let mut unfolded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'\r', [b'\n', b' ' | b'\t', folded @ ..]) | (b'\n', [b' ' | b'\t', folded @ ..]) => folded,
            _ => {
                unfolded.push(byte);
                after
            }
        };
    }
    String::from_utf8(unfolded).map_err(|_| "it is not UTF-8".to_owned())
}

/// Never within a character.
fn fold(line: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut octets = 0;
    for character in line.chars() {
        if octets + character.len_utf8() > LINE_OCTETS {
            formatter.write_str("\r\n ")?;
            octets = 1;
        }
        fmt::Write::write_char(formatter, character)?;
        octets += character.len_utf8();
    }
    formatter.write_str("\r\n")
}

#[cfg(test)]
mod tests;
