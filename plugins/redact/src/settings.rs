//! The settings of a transformer that uses this plugin: read and checked once an instance.

use serde::{Deserialize, Deserializer};

use crate::hash::{HashBy, Hasher};
use crate::mask::Mask;
use crate::pattern::Pattern;
use crate::redaction::{Action, Rule, Rules, Writer};

/// What is shorter is guessed.
const MIN_SALT_CHARACTERS: usize = 16;

/// The settings as used. The README describes each.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) data: Rules,
    pub(crate) subject: SubjectAction,
    pub(crate) attributes: AttributeRules,
    pub(crate) other_data: OtherData,
    pub(crate) writer: Writer,
}

/// What becomes of an event whose data is no JSON object or array.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OtherData {
    #[default]
    Reject,
    Drop,
}

#[derive(Debug)]
pub(crate) struct SubjectAction(Action);

impl SubjectAction {
    pub(crate) fn text(&self, subject: String, writer: &Writer) -> Option<String> {
        writer.text(&self.0, subject)
    }
}

/// What becomes of attributes and headers.
#[derive(Debug)]
pub(crate) struct AttributeRules {
    /// By name; `*` is any.
    named: Vec<(String, Action)>,
    /// Of those that are not named.
    others: Action,
}

impl AttributeRules {
    pub(crate) fn apply(&self, attributes: Vec<(String, String)>, writer: &Writer) -> Vec<(String, String)> {
        let redacted = attributes.into_iter().filter_map(|(name, value)| {
            let value = writer.text(self.action(&name), value)?;
            Some((name, value))
        });
        redacted.collect()
    }

    /// A name before `*`, and of the same the strongest.
    fn action(&self, name: &str) -> &Action {
        let find = |wanted: &str| self.named.iter().find(|(known, _)| known == wanted);
        find(name).or_else(|| find("*")).map_or(&self.others, |(_, action)| action)
    }
}

/// The settings as written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    keep: Option<Vec<Pattern>>,
    #[serde(default)]
    drop: Vec<Pattern>,
    #[serde(default)]
    mask: Vec<WrittenMask>,
    #[serde(default)]
    hash: Vec<Pattern>,
    hash_by: Option<HashBy>,
    salt: Option<String>,
    subject: Option<WrittenSubject>,
    attributes: Option<WrittenAttributes>,
    #[serde(default)]
    other_data: OtherData,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a JSON pointer, or a table of `field` and any of `show-first`, `show-last` and `with`"
)]
enum WrittenMask {
    Field(Pattern),
    Table(MaskTable),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct MaskTable {
    field: Pattern,
    #[serde(default)]
    show_first: usize,
    #[serde(default)]
    show_last: usize,
    with: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenSubject {
    Keep,
    Drop,
    Mask,
    Hash,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct WrittenAttributes {
    keep: Option<Vec<String>>,
    drop: Vec<String>,
    mask: Vec<String>,
    hash: Vec<String>,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.checked().map_err(serde::de::Error::custom)
    }
}

impl Written {
    fn checked(self) -> Result<Settings, String> {
        if self.says_nothing() {
            return Err("nothing is redacted: name what to `keep`, `drop`, `mask` or `hash`".to_owned());
        }
        let writer = Writer { hasher: self.hasher()? };
        let is_strict = self.keep.is_some();
        let usual = if is_strict { Action::Drop } else { Action::Keep };
        let subject = match self.subject {
            None => usual.clone(),
            Some(WrittenSubject::Keep) => Action::Keep,
            Some(WrittenSubject::Drop) => Action::Drop,
            Some(WrittenSubject::Mask) => Action::Mask(Mask::default()),
            Some(WrittenSubject::Hash) => Action::Hash,
        };
        Ok(Settings {
            subject: SubjectAction(subject),
            attributes: self.attributes.unwrap_or_default().rules(usual),
            other_data: self.other_data,
            data: Rules { rules: rules(self.keep, self.drop, self.mask, self.hash)?, is_strict },
            writer,
        })
    }

    fn says_nothing(&self) -> bool {
        self.keep.is_none()
            && self.drop.is_empty()
            && self.mask.is_empty()
            && self.hash.is_empty()
            && matches!(self.subject, None | Some(WrittenSubject::Keep))
            && self.attributes.as_ref().is_none_or(WrittenAttributes::says_nothing)
    }

    /// Needed where anything is hashed, and a mistake elsewhere: it would look as if something were.
    fn hasher(&self) -> Result<Option<Hasher>, String> {
        let hashes = !self.hash.is_empty()
            || self.subject == Some(WrittenSubject::Hash)
            || self.attributes.as_ref().is_some_and(|attributes| !attributes.hash.is_empty());
        match (&self.salt, hashes) {
            (None, false) if self.hash_by.is_some() => Err("hash-by: nothing is hashed".to_owned()),
            (None, false) => Ok(None),
            (Some(_), false) => Err("salt: nothing is hashed".to_owned()),
            (None, true) => Err("missing field `salt`, which what is hashed needs".to_owned()),
            (Some(salt), true) if salt.chars().count() < MIN_SALT_CHARACTERS => {
                Err(format!("salt: must have at least {MIN_SALT_CHARACTERS} characters"))
            }
            (Some(salt), true) => {
                Ok(Some(Hasher { by: self.hash_by.unwrap_or_default(), salt: salt.clone() }))
            }
        }
    }
}

impl WrittenAttributes {
    fn says_nothing(&self) -> bool {
        self.keep.is_none() && self.drop.is_empty() && self.mask.is_empty() && self.hash.is_empty()
    }

    /// Where some are to be kept the others are gone, whatever the data's settings say.
    fn rules(self, usual: Action) -> AttributeRules {
        let others = if self.keep.is_some() { Action::Drop } else { usual };
        let mask = Action::Mask(Mask::default());
        // In the order of strength: the first that is found holds.
        let lists = [
            (self.drop, Action::Drop),
            (self.mask, mask),
            (self.hash, Action::Hash),
            (self.keep.unwrap_or_default(), Action::Keep),
        ];
        // Names of events are lower case, whatever headers were called: a rule in another case would let through.
        let named = lists.into_iter().flat_map(|(names, action)| {
            names.into_iter().map(move |name| (name.to_lowercase(), action.clone()))
        });
        AttributeRules { named: named.collect(), others }
    }
}

fn rules(
    keep: Option<Vec<Pattern>>,
    drop: Vec<Pattern>,
    mask: Vec<WrittenMask>,
    hash: Vec<Pattern>,
) -> Result<Vec<Rule>, String> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut add = |pattern: Pattern, action: Action| {
        if rules.iter().any(|rule| rule.pattern == pattern) {
            return Err(format!("`{pattern}` is named twice: say once what becomes of it"));
        }
        rules.push(Rule { pattern, action });
        Ok(())
    };
    drop.into_iter().try_for_each(|pattern| add(pattern, Action::Drop))?;
    for mask in mask {
        match mask {
            WrittenMask::Field(pattern) => add(pattern, Action::Mask(Mask::default()))?,
            WrittenMask::Table(MaskTable { field, show_first, show_last, with }) => {
                let with = with.unwrap_or_else(|| Mask::default().with);
                add(field, Action::Mask(Mask { show_first, show_last, with }))?;
            }
        }
    }
    hash.into_iter().try_for_each(|pattern| add(pattern, Action::Hash))?;
    keep.unwrap_or_default().into_iter().try_for_each(|pattern| add(pattern, Action::Keep))?;
    Ok(rules)
}
