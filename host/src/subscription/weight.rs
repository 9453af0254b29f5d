//! What deliveries hold beside their records, all together: it comes and goes with them. Pure.

use std::cell::Cell;
use std::rc::Rc;

/// Knows how much it is. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scales(Rc<Cell<usize>>);

/// What one delivery holds, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Weight {
    bytes: usize,
    all: Scales,
}

impl Scales {
    /// The memory that all of it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.get()
    }

    /// Of a delivery that holds nothing yet.
    pub(crate) fn weight(&self) -> Weight {
        Weight { bytes: 0, all: self.clone() }
    }
}

impl Weight {
    /// So much it is now.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.all.0.update(|all| all - self.bytes + bytes);
        self.bytes = bytes;
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_counts_until_it_is_let_go() {
        let scales = Scales::default();
        let (mut one, mut other) = (scales.weight(), scales.weight());
        one.set(7);
        other.set(5);
        one.set(3);
        assert_eq!(scales.bytes(), 8);
        drop(one);
        assert_eq!(scales.bytes(), 5);
        other.set(0);
        assert_eq!(scales.bytes(), 0);
    }
}
