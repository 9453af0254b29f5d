//! The event types that a subscription is for, as globs.

use globset::{Glob, GlobSet, GlobSetBuilder};

/// Globs over the types of events. Two are the same if their globs are, in their order.
#[derive(Debug, Clone)]
pub struct EventTypes {
    globs: Vec<String>,
    set: GlobSet,
}

impl EventTypes {
    /// What any of these matches; without one every type.
    ///
    /// # Errors
    /// When they are too much to match.
    pub fn new(globs: &[Glob]) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(glob.clone());
        }
        let set = set.build()?;
        Ok(Self { globs: globs.iter().map(|glob| glob.glob().to_owned()).collect(), set })
    }

    pub fn set(&self) -> &GlobSet {
        &self.set
    }

    /// Is this type among them?
    pub fn have(&self, kind: &str) -> bool {
        self.set.is_empty() || self.set.is_match(kind)
    }
}

impl Default for EventTypes {
    /// Every type.
    fn default() -> Self {
        let every = Glob::new("*").expect("a lone star is a glob");
        Self::new(&[every]).expect("one glob makes a set")
    }
}

impl PartialEq for EventTypes {
    fn eq(&self, other: &Self) -> bool {
        self.globs == other.globs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_same_if_their_globs_are() {
        let types = |globs: &[&str]| {
            let globs: Vec<_> = globs.iter().map(|glob| Glob::new(glob).unwrap()).collect();
            EventTypes::new(&globs).unwrap()
        };
        assert_eq!(types(&["policy.*", "a"]), types(&["policy.*", "a"]));
        assert_eq!(types(&["*"]), EventTypes::default());
        for other in [&["policy.*"][..], &["a", "policy.*"], &["policy.?", "a"], &[]] {
            assert_ne!(types(&["policy.*", "a"]), types(other));
        }
        assert!(types(&["policy.*"]).have("policy.updated") && !types(&["policy.*"]).have("other"));
        assert!(types(&[]).have("other") && EventTypes::default().have("other"));
    }
}
