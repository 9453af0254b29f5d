//! What a guest may have and ask for beside its time: memory and tables of one instance, and calls of the host in one call.
//!
//! Pure: what is asked for comes in, whether it is given goes out, and what was refused is remembered, because a guest that
//! is refused may do anything then.

use wasmtime::ResourceLimiter;

use super::limits::Outlasted;
use super::pool::Turns;
use crate::config::Limits;

/// What a call that has one turn may add to the memory of its instance, in bytes. To touch as much for the first time takes
/// about as long as the turn, and what fills it may be one instruction, which nothing interrupts.
const GROWTH_A_TURN: usize = 8 << 20;

/// Counts how often a guest calls the host in one call. A function of ours refuses the one too many; WASI's cannot, and
/// the next tick of the epoch does.
pub(super) struct HostCalls {
    left: u32,
    a_call: u32,
    is_spent: bool,
}

impl HostCalls {
    pub(super) fn new(a_call: u32) -> Self {
        Self { left: a_call, a_call, is_spent: false }
    }

    pub(super) fn refill(&mut self) {
        self.left = self.a_call;
    }

    pub(super) fn count(&mut self) {
        self.is_spent |= self.left == 0;
        self.left = self.left.saturating_sub(1);
    }

    pub(super) fn take(&mut self) -> wasmtime::Result<()> {
        self.count();
        self.check()
    }

    /// Fails where there was one too many.
    pub(super) fn check(&self) -> wasmtime::Result<()> {
        if self.is_spent {
            wasmtime::bail!("no calls of the host are left");
        }
        Ok(())
    }
}

/// Sums what all memories and tables of a store take; wasmtime's own limits are per memory.
pub(super) struct MemoryLimit {
    limit_bytes: usize,
    used_bytes: usize,
    limit_elements: usize,
    used_elements: usize,
    /// What the present call may add yet, in bytes.
    growth_left: usize,
    growth_a_call: usize,
    /// The guest asked for more than it may have. What it does then is its own affair; most trap.
    pub(super) refused: Option<Refused>,
}

/// What a guest asked for more of than it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Memory,
    TableElements,
}

impl MemoryLimit {
    pub(super) fn new(limits: &Limits, turns: Turns) -> Self {
        let growth = match turns {
            Turns::One => GROWTH_A_TURN,
            Turns::InSlices => usize::MAX,
        };
        Self {
            limit_bytes: limits.memory_bytes,
            used_bytes: 0,
            limit_elements: limits.table_elements,
            used_elements: 0,
            growth_left: growth,
            growth_a_call: growth,
            refused: None,
        }
    }

    /// A new call begins.
    pub(super) fn begin(&mut self) {
        (self.growth_left, self.refused) = (self.growth_a_call, None);
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    fn grow(&mut self, by_bytes: usize, by_elements: usize) -> bool {
        let bytes = self.used_bytes.saturating_add(by_bytes);
        let elements = self.used_elements.saturating_add(by_elements);
        if elements > self.limit_elements {
            self.refused = Some(Refused::TableElements);
            return false;
        }
        if bytes > self.limit_bytes {
            self.refused = Some(Refused::Memory);
            return false;
        }
        (self.used_bytes, self.used_elements) = (bytes, elements);
        true
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = desired - current;
        let is_grown = self.grow(bytes, 0);
        // What a memory has at first is given by its component, and mapped as it is needed.
        if is_grown && current > 0 {
            self.growth_left = self.growth_left.checked_sub(bytes).ok_or(Outlasted)?;
        }
        Ok(is_grown)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let elements = desired - current;
        Ok(self.grow(elements.saturating_mul(size_of::<usize>()), elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grow(limit: &mut MemoryLimit, memory: usize, elements: usize) -> bool {
        limit.memory_growing(0, memory, None).unwrap() && limit.table_growing(0, elements, None).unwrap()
    }

    #[test]
    fn all_memories_and_all_tables_of_an_instance_are_summed() {
        let limits = Limits { memory_bytes: 1_000, table_elements: 10, ..Limits::default() };
        let mut limit = MemoryLimit::new(&limits, Turns::InSlices);
        // Each element is an address.
        assert!(grow(&mut limit, 500, 5) && grow(&mut limit, 400, 5));
        assert_eq!((limit.used_bytes(), limit.refused), (980, None));
        assert!(!grow(&mut limit, 0, 1));
        assert_eq!(limit.refused, Some(Refused::TableElements));
        assert!(!grow(&mut limit, 21, 0) && grow(&mut limit, 20, 0));
        assert_eq!((limit.used_bytes(), limit.refused), (1_000, Some(Refused::Memory)));
        let mut limit = MemoryLimit::new(&Limits { memory_bytes: 16, ..limits }, Turns::InSlices);
        assert!(!grow(&mut limit, 0, 3));
        assert_eq!(limit.refused, Some(Refused::Memory));
    }

    #[test]
    fn a_call_with_one_turn_is_given_up_before_it_touches_much_new_memory() {
        let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
        let mut limit = MemoryLimit::new(&limits, Turns::One);
        // What it has from the start is not counted.
        assert!(limit.memory_growing(0, 16 << 20, None).unwrap());
        let mut grow = |from: usize, by: usize| limit.memory_growing(from, from + by, None);
        assert!(grow(16 << 20, GROWTH_A_TURN).unwrap());
        assert!(grow(24 << 20, 1).unwrap_err().is::<Outlasted>());
        limit.begin();
        assert!(limit.memory_growing(24 << 20, (24 << 20) + 1, None).unwrap());
        // More than it may ever have is refused as before.
        assert!(!limit.memory_growing(24 << 20, 90 << 20, None).unwrap());
    }

    #[test]
    fn the_call_too_many_is_remembered_to_the_end_of_the_instance() {
        let mut calls = HostCalls::new(2);
        assert!(calls.take().is_ok() && calls.take().is_ok());
        calls.refill();
        calls.count();
        assert!(calls.take().is_ok());
        calls.count();
        assert!(calls.check().is_err() && calls.take().is_err());
        calls.refill();
        assert!(calls.check().is_err());
    }
}
