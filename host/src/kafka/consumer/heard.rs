//! When a broker answered last, from librdkafka's statistics. Pure.
//!
//! A connection counts while it is up, and from its latest reply on: one to a broker that is frozen, or behind a
//! network that swallows everything, stays up for long. A member of a group is answered every few seconds, by the
//! heartbeats, whether there is anything to read or not.

use std::time::Duration;

use rdkafka::statistics::{Broker, Statistics};

/// For how long no broker has answered; `None` if no connection is up.
pub(super) fn silence(statistics: &Statistics) -> Option<Duration> {
    statistics.brokers.values().filter_map(silence_of).min()
}

fn silence_of(broker: &Broker) -> Option<Duration> {
    let is_up = matches!(broker.state.as_str(), "UP" | "UPDATE");
    // -1 where nothing was received since it came up.
    let since_us = u64::try_from(broker.rxidle).ok()?;
    is_up.then(|| Duration::from_micros(since_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(brokers: &[(&str, i64)]) -> Statistics {
        let broker = |(number, (state, rxidle)): (usize, &(&str, i64))| {
            let broker = Broker { state: (*state).to_owned(), rxidle: *rxidle, ..Broker::default() };
            (number.to_string(), broker)
        };
        Statistics { brokers: brokers.iter().enumerate().map(broker).collect(), ..Statistics::default() }
    }

    #[test]
    fn the_latest_reply_over_any_connection_that_is_up_counts() {
        let second = 1_000_000;
        for (brokers, expected) in [
            (&[][..], None),
            (&[("DOWN", 3 * second), ("INIT", -1), ("CONNECT", second)], None),
            (&[("UP", 3 * second), ("DOWN", second)], Some(3)),
            (&[("UP", 3 * second), ("UPDATE", 2 * second)], Some(2)),
            (&[("UP", -1)], None),
        ] {
            assert_eq!(silence(&statistics(brokers)), expected.map(Duration::from_secs), "{brokers:?}");
        }
    }
}
