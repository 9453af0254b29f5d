//! The last commit of partitions that are given up: what it does not say comes again elsewhere.
//!
//! It waits for its answer. While the group rebalances, or its coordinator moves, Kafka refuses every commit; that
//! passes, so it is tried again for as long as there is time and the partitions are still ours.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaErrorCode;

use super::rebalance::Context;
use crate::kafka::partition::{Position, offsets};

/// Between two tries.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// How it went: what was to be committed in the end, and why it was not.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) positions: Vec<Position>,
    pub(super) error: Option<String>,
}

/// Tries until `limit` is over. `pause` lets a moment pass after a refusal, and leaves out what is no longer ours.
pub(super) fn commit_last(
    consumer: &BaseConsumer<Context>,
    positions: Vec<Position>,
    limit: Duration,
    pause: impl FnMut(Vec<Position>) -> Vec<Position>,
) -> Last {
    let commit = |positions: &[Position]| consumer.commit(&offsets(positions), CommitMode::Sync);
    try_again(positions, Instant::now() + limit, commit, pause)
}

fn try_again(
    mut positions: Vec<Position>,
    until: Instant,
    mut commit: impl FnMut(&[Position]) -> KafkaResult<()>,
    mut pause: impl FnMut(Vec<Position>) -> Vec<Position>,
) -> Last {
    while !positions.is_empty() {
        let Err(error) = commit(&positions) else { break };
        let passes = error.rdkafka_error_code().is_some_and(is_passing);
        if !passes || Instant::now() >= until {
            return Last { positions, error: Some(error.to_string()) };
        }
        tracing::debug!(%error, "the last commit was refused: trying again");
        positions = pause(positions);
    }
    Last { positions, error: None }
}

/// Where nothing can be done meanwhile.
pub(super) fn only_wait(positions: Vec<Position>) -> Vec<Position> {
    thread::park_timeout(PAUSE);
    positions
}

/// The refusals of a group that rebalances or of a coordinator that moves. A member that Kafka does not know any more,
/// or that missed a generation, has lost its partitions: to commit them would take back what others did.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    [
        RDKafkaErrorCode::RebalanceInProgress,
        RDKafkaErrorCode::CoordinatorLoadInProgress,
        RDKafkaErrorCode::CoordinatorNotAvailable,
        RDKafkaErrorCode::NotCoordinator,
        RDKafkaErrorCode::WaitingForCoordinator,
        RDKafkaErrorCode::BrokerTransportFailure,
        RDKafkaErrorCode::RequestTimedOut,
        RDKafkaErrorCode::OperationTimedOut,
    ]
    .contains(&code)
}

#[cfg(test)]
mod tests {
    use rdkafka::error::KafkaError;

    use super::*;
    use crate::kafka::partition::Partition;

    fn positions(numbers: &[i32]) -> Vec<Position> {
        let position = |number: &i32| Position {
            partition: Partition { topic: "events".into(), number: *number },
            offset: 7,
            metadata: String::new(),
        };
        numbers.iter().map(position).collect()
    }

    /// What was asked for, and how it ended, where Kafka refuses so and each pause takes the highest partition away.
    fn committed(refusals: &[RDKafkaErrorCode], limit: Duration) -> (Vec<usize>, Last) {
        let (mut asked, mut refusals) = (Vec::new(), refusals.iter());
        let last = try_again(
            positions(&[0, 1, 2]),
            Instant::now() + limit,
            |positions| {
                asked.push(positions.len());
                refusals.next().map_or(Ok(()), |code| Err(KafkaError::ConsumerCommit(*code)))
            },
            |mut positions| {
                positions.pop();
                positions
            },
        );
        (asked, last)
    }

    #[test]
    fn a_refusal_that_passes_is_tried_again_with_what_is_still_ours() {
        use RDKafkaErrorCode::{NotCoordinator, RebalanceInProgress};
        let limit = Duration::from_secs(60);
        for (refusals, asked, left) in [
            (&[][..], vec![3], vec![0, 1, 2]),
            (&[RebalanceInProgress, NotCoordinator], vec![3, 2, 1], vec![0]),
            (&[RebalanceInProgress; 3], vec![3, 2, 1], vec![]),
        ] {
            let (tries, last) = committed(refusals, limit);
            assert_eq!((tries, last.positions, last.error), (asked, positions(&left), None));
        }
    }

    #[test]
    fn a_refusal_that_stays_or_outlasts_the_limit_is_said() {
        use RDKafkaErrorCode::{IllegalGeneration, RebalanceInProgress, UnknownMemberId};
        for (code, limit) in [
            (IllegalGeneration, Duration::from_secs(60)),
            (UnknownMemberId, Duration::from_secs(60)),
            (RebalanceInProgress, Duration::ZERO),
        ] {
            let (tries, last) = committed(&[code], limit);
            assert_eq!((tries, last.positions.len()), (vec![3], 3));
            assert!(last.error.is_some_and(|error| error.contains(&format!("{code:?}"))), "{code:?}");
        }
    }
}
