//! Who of a connector's subscriptions may have one more delivery at work: a limit for all, and a fair share for each.
//!
//! Pure. Half of the limit is kept in equal parts for each subscription, also while it has nothing to do: what one of
//! them is stuck with can never take another's part. The other half goes to whoever wants it, the one with the fewest
//! at work first.

/// The slots of one connector.
#[derive(Debug, Clone)]
pub struct Slots {
    /// By index; one that has left keeps its place for the next that joins.
    users: Vec<User>,
    /// Of them, those that are here.
    count: usize,
    /// The highest limit there is.
    ceiling: usize,
    at_work: usize,
    /// Rises with each start.
    starts: u64,
}

/// A subscription.
#[derive(Debug, Clone, Default)]
struct User {
    is_here: bool,
    at_work: usize,
    is_waiting: bool,
    /// The latest of its starts.
    last_start: u64,
}

impl Slots {
    pub fn new(users: usize, ceiling: usize) -> Slots {
        let mut slots = Slots { users: Vec::new(), count: 0, ceiling, at_work: 0, starts: 0 };
        for _ in 0..users {
            slots.join();
        }
        slots
    }

    /// One more subscription: its index. The parts of the others are smaller from now on.
    pub fn join(&mut self) -> usize {
        let free = self.users.iter().position(|user| !user.is_here);
        let index = free.unwrap_or(self.users.len());
        if free.is_none() {
            self.users.push(User::default());
        }
        self.users[index] = User { is_here: true, ..User::default() };
        self.count += 1;
        index
    }

    /// A subscription that is no more. What it had at work has ended with it, and its part is the others'.
    pub fn leave(&mut self, index: usize) {
        let user = std::mem::take(&mut self.users[index]);
        self.at_work -= user.at_work;
        self.count -= usize::from(user.is_here);
    }

    /// May this one start another delivery, while the limit is this?
    pub fn may_start(&self, index: usize, limit: usize) -> bool {
        let user = &self.users[index];
        if self.count == 1 {
            return self.at_work < limit;
        }
        let kept = limit / (2 * self.count);
        if self.at_work >= limit {
            // The limit has fallen below what others are stuck with: what is this one's is its own all the same.
            return user.at_work < kept.max(1) && self.at_work < self.ceiling;
        }
        if user.at_work < kept {
            return true;
        }
        let owed: usize = self.others(index).map(|other| kept.saturating_sub(other.at_work)).sum();
        self.at_work + owed < limit && self.is_next(index)
    }

    /// Is it this one's turn, of all that want to start?
    pub fn is_next(&self, index: usize) -> bool {
        let user = &self.users[index];
        !self.others(index).any(|other| other.is_waiting && other.goes_before(user))
    }

    pub fn start(&mut self, index: usize) {
        self.starts += 1;
        self.at_work += 1;
        let user = &mut self.users[index];
        user.at_work += 1;
        user.is_waiting = false;
        user.last_start = self.starts;
    }

    pub fn end(&mut self, index: usize) {
        self.at_work -= 1;
        self.users[index].at_work -= 1;
    }

    /// Whether it wants to start one more: from when it asks until it starts, or has nothing to start.
    pub fn set_waiting(&mut self, index: usize, is_waiting: bool) {
        self.users[index].is_waiting = is_waiting;
    }

    /// One that wants to start and may.
    pub fn next(&self, limit: usize) -> Option<usize> {
        let mut waiting = (0..self.users.len()).filter(|index| self.users[*index].is_waiting);
        waiting.find(|index| self.may_start(*index, limit))
    }

    pub fn of(&self, index: usize) -> usize {
        self.users[index].at_work
    }

    fn others(&self, index: usize) -> impl Iterator<Item = &User> {
        let others =
            self.users.iter().enumerate().filter(move |(other, user)| *other != index && user.is_here);
        others.map(|(_, user)| user)
    }
}

impl User {
    fn goes_before(&self, other: &User) -> bool {
        (self.at_work, self.last_start) < (other.at_work, other.last_start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Starts what this one wants as far as it may; how many it has then.
    fn fill(slots: &mut Slots, index: usize, limit: usize, wanted: usize) -> usize {
        while slots.of(index) < wanted && slots.may_start(index, limit) {
            slots.start(index);
        }
        slots.set_waiting(index, slots.of(index) < wanted);
        slots.of(index)
    }

    #[test]
    fn one_alone_has_all() {
        let mut slots = Slots::new(1, 64);
        assert_eq!(fill(&mut slots, 0, 64, 100), 64);
        slots.end(0);
        assert!(slots.may_start(0, 64) && !slots.may_start(0, 63));
    }

    #[test]
    fn what_one_is_stuck_with_leaves_the_others_their_part() {
        let mut slots = Slots::new(3, 60);
        // 60 of which 10 are kept for each.
        assert_eq!(fill(&mut slots, 0, 60, 100), 40);
        assert_eq!(fill(&mut slots, 1, 60, 100), 10);
        assert_eq!(fill(&mut slots, 2, 60, 3), 3);
        assert_eq!(fill(&mut slots, 2, 60, 100), 10);
    }

    #[test]
    fn a_free_slot_goes_to_the_one_with_the_fewest() {
        let mut slots = Slots::new(2, 8);
        assert_eq!((fill(&mut slots, 0, 8, 100), fill(&mut slots, 1, 8, 100)), (6, 2));
        slots.end(0);
        assert!(!slots.may_start(0, 8));
        assert_eq!(slots.next(8), Some(1));
        assert_eq!(fill(&mut slots, 1, 8, 3), 3);
        slots.end(0);
        assert_eq!((slots.next(8), slots.may_start(0, 8)), (Some(0), true));
    }

    #[test]
    fn a_limit_that_falls_below_what_one_is_stuck_with_leaves_the_other_its_part() {
        let mut slots = Slots::new(2, 64);
        assert_eq!(fill(&mut slots, 0, 64, 100), 48);
        for (limit, expected) in [(4, 1), (2, 1), (20, 5)] {
            assert_eq!(fill(&mut slots, 1, limit, 100), expected, "{limit}");
            (0..expected).for_each(|_| slots.end(1));
        }
        assert!(!slots.may_start(0, 4));
    }

    #[test]
    fn one_that_joins_has_its_part_and_one_that_leaves_gives_its_own_back() {
        let mut slots = Slots::new(1, 8);
        assert_eq!(fill(&mut slots, 0, 8, 100), 8);
        let second = slots.join();
        assert_eq!(fill(&mut slots, second, 8, 100), 0, "all are at work");
        (0..3).for_each(|_| slots.end(0));
        assert_eq!((slots.may_start(0, 8), fill(&mut slots, second, 8, 100)), (false, 3));
        let third = slots.join();
        assert_eq!((second, third), (1, 2));
        slots.leave(second);
        assert_eq!((slots.of(second), fill(&mut slots, third, 8, 100)), (0, 3));
        slots.leave(0);
        assert_eq!(fill(&mut slots, third, 8, 100), 8, "it is alone");
        assert_eq!(slots.join(), 0, "a place is used again");
    }

    #[test]
    fn with_one_slot_they_take_turns() {
        let mut slots = Slots::new(2, 1);
        let mut order = Vec::new();
        for _ in 0..4 {
            for index in 0..2 {
                slots.set_waiting(index, true);
            }
            let next = slots.next(1).unwrap();
            slots.start(next);
            order.push(next);
            slots.end(next);
        }
        assert_eq!(order, [0, 1, 0, 1]);
    }

    proptest! {
        #[test]
        fn the_limit_holds_each_has_its_part_and_somebody_may_always_go_on(
            users in 1_usize..5,
            limit in 1_usize..40,
            acts in proptest::collection::vec((0_usize..5, 0_u8..4), 0..300),
        ) {
            let mut slots = Slots::new(users, limit);
            for (index, act) in acts {
                let index = index % users;
                match act {
                    0 | 1 if slots.may_start(index, limit) => slots.start(index),
                    0 | 1 => slots.set_waiting(index, true),
                    2 if slots.of(index) > 0 => slots.end(index),
                    _ => slots.set_waiting(index, false),
                }
                let at_work: usize = (0..users).map(|index| slots.of(index)).sum();
                prop_assert!(at_work <= limit);
                for index in 0..users {
                    let is_owed = users > 1 && slots.of(index) < limit / (2 * users);
                    prop_assert!(!is_owed || slots.may_start(index, limit), "{} of {:?}", index, slots);
                }
                let wants = (0..users).any(|index| slots.users[index].is_waiting);
                let is_free = at_work == 0 || (users == 1 && at_work < limit);
                prop_assert!(!wants || !is_free || slots.next(limit).is_some(), "{:?}", slots);
            }
        }

        #[test]
        fn those_who_always_want_more_end_up_equal(users in 2_usize..5, limit in 8_usize..64) {
            let mut slots = Slots::new(users, limit);
            fill(&mut slots, 0, limit, limit);
            for round in 0..limit * 4 {
                for index in 0..users {
                    fill(&mut slots, index, limit, limit);
                }
                let busiest = (0..users).max_by_key(|index| slots.of(*index)).unwrap_or(round);
                slots.end(busiest);
                if let Some(next) = slots.next(limit) {
                    slots.start(next);
                }
            }
            let counts: Vec<usize> = (0..users).map(|index| slots.of(index)).collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", counts);
        }
    }
}
