//! What may happen to the task, at random.

use proptest::prelude::*;

use super::{KEYS, PARTITIONS};

#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Produce {
        partition: usize,
        key: usize,
    },
    /// `due` has a bit for each record: what was parked may come early.
    Receive {
        partition: usize,
        count: usize,
        due: u8,
    },
    Start,
    End {
        turn: usize,
        how: How,
    },
    Acknowledge {
        letter: usize,
    },
    Park {
        parcel: usize,
        is_refused: bool,
    },
    Answer {
        commit: usize,
    },
    FailCommits {
        are_failing: bool,
    },
    Assign {
        partition: usize,
    },
    Revoke {
        partition: usize,
    },
    Lose {
        partition: usize,
        is_back: bool,
    },
    Crash {
        is_parked: bool,
    },
    Pass {
        ms: u64,
    },
}

/// How a turn ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Delivered,
    Fails,
    SystemFails,
    Throttled,
    Denied,
    Rejected,
    Traps,
    FindsNoRoom,
}

/// One in so many is delivered, and one fails in each of the other ways, or by itself in so many.
fn how(delivered: u32, failing: u32) -> impl Strategy<Value = How> {
    prop_oneof![
        delivered => Just(How::Delivered),
        failing => Just(How::Fails),
        1 => Just(How::SystemFails),
        1 => Just(How::Throttled),
        1 => Just(How::Denied),
        2 => Just(How::Rejected),
        2 => Just(How::Traps),
        1 => Just(How::FindsNoRoom),
    ]
}

/// Mostly what goes well, or mostly what fails.
pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let of = |delivered, failing| prop::collection::vec(act(delivered, failing), 0..300);
    prop_oneof![of(6, 2), of(2, 20)]
}

fn act(delivered: u32, failing: u32) -> impl Strategy<Value = Act> {
    let (one, partition) = (0_usize..64, 0..=PARTITIONS);
    prop_oneof![
        6 => (0..=PARTITIONS, 0..KEYS).prop_map(|(partition, key)| Act::Produce { partition, key }),
        8 => (partition.clone(), 1_usize..5, any::<u8>())
            .prop_map(|(partition, count, due)| Act::Receive { partition, count, due }),
        10 => Just(Act::Start),
        10 => (one.clone(), how(delivered, failing)).prop_map(|(turn, how)| Act::End { turn, how }),
        4 => one.clone().prop_map(|letter| Act::Acknowledge { letter }),
        4 => (one.clone(), prop::bool::weighted(0.2))
            .prop_map(|(parcel, is_refused)| Act::Park { parcel, is_refused }),
        2 => one.prop_map(|commit| Act::Answer { commit }),
        1 => any::<bool>().prop_map(|are_failing| Act::FailCommits { are_failing }),
        5 => partition.clone().prop_map(|partition| Act::Assign { partition }),
        1 => partition.clone().prop_map(|partition| Act::Revoke { partition }),
        2 => (partition, any::<bool>()).prop_map(|(partition, is_back)| Act::Lose { partition, is_back }),
        1 => any::<bool>().prop_map(|is_parked| Act::Crash { is_parked }),
        6 => prop_oneof![3 => Just(100_u64), 1 => Just(1_500), 1 => Just(12_000), 1 => Just(70_000)].prop_map(|ms| Act::Pass { ms }),
    ]
}
