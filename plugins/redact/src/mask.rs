//! Hides a value behind a text that is the same for all, so that not even its length is told.

/// What stands in the place of a value.
const USUAL: &str = "***";

/// How a field is hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mask {
    /// How many characters stay at the beginning.
    pub(crate) show_first: usize,
    /// How many characters stay at the end.
    pub(crate) show_last: usize,
    /// What stands in the place of the others.
    pub(crate) with: String,
}

impl Default for Mask {
    fn default() -> Self {
        Self { show_first: 0, show_last: 0, with: USUAL.to_owned() }
    }
}

impl Mask {
    /// The text that is shown instead. Of what is shorter than twice what would be shown, nothing is.
    pub(crate) fn hide(&self, value: &str) -> String {
        let shown = self.show_first.saturating_add(self.show_last);
        let length = value.chars().count();
        if shown == 0 || length < shown.saturating_mul(2) {
            return self.with.clone();
        }
        let mut text: String = value.chars().take(self.show_first).collect();
        text.push_str(&self.with);
        text.extend(value.chars().skip(length - self.show_last));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_half_of_a_value_is_shown() {
        for (first, last, value, expected) in [
            (0, 0, "secret", "***"),
            (0, 0, "", "***"),
            (0, 4, "DE89370400440532013000", "***3000"),
            (2, 2, "DE893704", "DE***04"),
            (2, 2, "DE89370", "***"),
            (1, 0, "übel", "ü***"),
            (usize::MAX, usize::MAX, "secret", "***"),
        ] {
            let mask = Mask { show_first: first, show_last: last, ..Mask::default() };
            assert_eq!(mask.hide(value), expected, "{first} {last} {value}");
        }
    }
}
