//! Writes data anew with what the rules let through.
//!
//! What stays keeps its bytes: the order of members and the digits of numbers are as the producer wrote them. A part is
//! looked into only where a rule leads deeper.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::hash::Hasher;
use crate::mask::Mask;
use crate::pattern::Pattern;

/// What becomes of a field. Of several that meet, the first in this order holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Drop,
    Mask(Mask),
    Hash,
    Keep,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) pattern: Pattern,
    pub(crate) action: Action,
}

/// What is let through of an event's data.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) rules: Vec<Rule>,
    /// What no rule names is gone.
    pub(crate) is_strict: bool,
}

/// Writes what stands in the place of a value.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Set where anything is hashed.
    pub(crate) hasher: Option<Hasher>,
}

/// Why data cannot be redacted. Neither says what the data hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotRedacted {
    /// They are neither a JSON object nor an array.
    OtherData(String),
    /// A value cannot be hashed.
    Value(String),
}

impl Rules {
    /// The data with what the rules let through; of an object or array at least `{}` or `[]`.
    pub(crate) fn apply(&self, data: &[u8], writer: &Writer) -> Result<Vec<u8>, NotRedacted> {
        let document: &RawValue = serde_json::from_slice(data).map_err(not_json)?;
        if !matches!(document.get().as_bytes().first(), Some(b'{' | b'[')) {
            let why =
                "the event's data is neither a JSON object nor an array, so no field of it can be redacted";
            return Err(NotRedacted::OtherData(why.to_owned()));
        }
        let active: Vec<Active<'_>> = self.rules.iter().map(|rule| Active { rule, depth: 0 }).collect();
        let mut out = Vec::with_capacity(data.len());
        Walk { writer, out: &mut out }.inside(document, &active, !self.is_strict)?;
        Ok(out)
    }
}

impl Writer {
    /// What stands in the place of a value, as JSON; nothing where the value goes. `text` is nothing for a `null`.
    fn replaced(&self, action: &Action, text: Option<&str>) -> Option<String> {
        match (action, text) {
            (Action::Drop, _) => None,
            (Action::Mask(mask), text) => Some(mask.hide(text.unwrap_or_default())),
            (Action::Hash, text) => text.map(|text| self.hash(text)),
            (Action::Keep, text) => text.map(str::to_owned),
        }
    }

    /// A text outside the data, such as a subject, by this action.
    pub(crate) fn text(&self, action: &Action, text: String) -> Option<String> {
        match action {
            Action::Keep => Some(text),
            Action::Drop | Action::Mask(_) | Action::Hash => self.replaced(action, Some(&text)),
        }
    }

    fn hash(&self, text: &str) -> String {
        let hasher = self.hasher.as_ref().expect("settings that hash have a salt");
        hasher.hash(text)
    }
}

/// A rule on its way down: so many of its tokens have been followed.
#[derive(Clone, Copy)]
struct Active<'rules> {
    rule: &'rules Rule,
    depth: usize,
}

impl<'rules> Active<'rules> {
    fn is_at_its_end(&self) -> bool {
        self.depth == self.rule.pattern.tokens.len()
    }
}

/// One pass over a document.
struct Walk<'walk> {
    writer: &'walk Writer,
    out: &'walk mut Vec<u8>,
}

impl Walk<'_> {
    /// Writes what is let through of one value. False where that is nothing, and then nothing is written.
    fn value(&mut self, part: &RawValue, active: &[Active<'_>], is_kept: bool) -> Result<bool, NotRedacted> {
        let ended = active.iter().filter(|active| active.is_at_its_end());
        let strongest = ended.min_by_key(|active| active.rule.action.rank());
        match strongest.map(|active| active.rule) {
            Some(Rule { action: Action::Keep, .. }) => self.below(part, active, true),
            Some(rule) => self.replace(part, rule),
            None => self.below(part, active, is_kept),
        }
    }

    /// What no rule ends at.
    fn below(&mut self, part: &RawValue, active: &[Active<'_>], is_kept: bool) -> Result<bool, NotRedacted> {
        let leads_deeper = active.iter().any(|active| !active.is_at_its_end());
        let is_container = matches!(part.get().as_bytes().first(), Some(b'{' | b'['));
        if leads_deeper && is_container {
            let begin = self.out.len();
            let has_any = self.inside(part, active, is_kept)?;
            if !has_any && !is_kept {
                self.out.truncate(begin);
                return Ok(false);
            }
            return Ok(true);
        }
        if is_kept {
            self.out.extend_from_slice(part.get().as_bytes());
        }
        Ok(is_kept)
    }

    /// Writes an object or array with what is let through of each child. False where that is nothing.
    fn inside(&mut self, part: &RawValue, active: &[Active<'_>], is_kept: bool) -> Result<bool, NotRedacted> {
        let mut has_any = false;
        let mut deeper = Vec::with_capacity(active.len());
        if part.get().starts_with('{') {
            let Members(members) = serde_json::from_str(part.get()).map_err(not_json)?;
            self.out.push(b'{');
            for (name, value) in members {
                follow(active, &mut deeper, |active| {
                    active.rule.pattern.tokens[active.depth].is_member(&name)
                });
                let begin = self.out.len();
                self.separate(has_any);
                self.text(&name);
                self.out.push(b':');
                let is_written = self.value(value, &deeper, is_kept)?;
                has_any |= is_written;
                self.take_back(is_written, begin);
            }
            self.out.push(b'}');
        } else {
            let elements: Vec<&RawValue> = serde_json::from_str(part.get()).map_err(not_json)?;
            self.out.push(b'[');
            for (place, value) in elements.into_iter().enumerate() {
                follow(active, &mut deeper, |active| {
                    active.rule.pattern.tokens[active.depth].is_element(place)
                });
                let begin = self.out.len();
                self.separate(has_any);
                let is_written = self.value(value, &deeper, is_kept)?;
                has_any |= is_written;
                self.take_back(is_written, begin);
            }
            self.out.push(b']');
        }
        Ok(has_any)
    }

    fn replace(&mut self, part: &RawValue, rule: &Rule) -> Result<bool, NotRedacted> {
        let text = match (part.get().as_bytes().first(), &rule.action) {
            (Some(b'{' | b'['), Action::Hash) => {
                return Err(NotRedacted::Value(format!(
                    "at `{}` the event's data has an object or array, and only a text, number or boolean can be hashed",
                    rule.pattern
                )));
            }
            (Some(b'n'), _) => None,
            (Some(b'"'), _) => Some(serde_json::from_str::<String>(part.get()).map_err(not_json)?),
            _ => Some(part.get().to_owned()),
        };
        match (self.writer.replaced(&rule.action, text.as_deref()), &rule.action) {
            (Some(text), _) => self.text(&text),
            (None, Action::Hash) => self.out.extend_from_slice(b"null"),
            (None, _) => return Ok(false),
        }
        Ok(true)
    }

    fn separate(&mut self, is_needed: bool) {
        if is_needed {
            self.out.push(b',');
        }
    }

    fn take_back(&mut self, is_written: bool, begin: usize) {
        if !is_written {
            self.out.truncate(begin);
        }
    }

    fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut *self.out, text).expect("a text has a form in JSON, and memory takes it");
    }
}

impl Action {
    fn rank(&self) -> u8 {
        match self {
            Action::Drop => 0,
            Action::Mask(_) => 1,
            Action::Hash => 2,
            Action::Keep => 3,
        }
    }
}

/// Those that hold for a child, one token further.
fn follow<'rules>(
    active: &[Active<'rules>],
    deeper: &mut Vec<Active<'rules>>,
    is_there: impl Fn(&Active<'rules>) -> bool,
) {
    deeper.clear();
    let followed = active.iter().filter(|active| !active.is_at_its_end() && is_there(active));
    deeper.extend(followed.map(|active| Active { depth: active.depth + 1, ..*active }));
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn not_json(error: serde_json::Error) -> NotRedacted {
    // Its text alone would quote what it did not expect.
    let (line, column) = (error.line(), error.column());
    NotRedacted::OtherData(format!("the event's data is not JSON (line {line}, column {column})"))
}

/// The members of an object in their order, also those that come twice.
struct Members<'data>(Vec<(String, &'data RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
