//! A state that is looked at again and again, and does not change back and forth at each look. Pure.

#[derive(Debug, Default)]
pub(super) struct Steady {
    is_on: bool,
    /// Looks in a row that said otherwise.
    otherwise: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Began,
    Ended,
}

impl Steady {
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// It begins with `begin` looks in a row that find it, and ends with `end` in a row that do not.
    pub(super) fn look(&mut self, is_found: bool, begin: u32, end: u32) -> Option<Change> {
        if is_found == self.is_on {
            self.otherwise = 0;
            return None;
        }
        self.otherwise += 1;
        if self.otherwise < if self.is_on { end } else { begin } {
            return None;
        }
        *self = Self { is_on: is_found, otherwise: 0 };
        Some(if is_found { Change::Began } else { Change::Ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_several_looks_in_a_row_to_change_it() {
        let mut steady = Steady::default();
        let looks = [1, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1].map(|look| steady.look(look == 1, 3, 2));
        let changes: Vec<_> =
            looks.into_iter().enumerate().filter_map(|(at, change)| Some((at, change?))).collect();
        assert_eq!(changes, [(5, Change::Began), (9, Change::Ended)]);
    }
}
