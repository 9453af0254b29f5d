//! The topics of a subscription that are the host's own, and how they are named.

use std::time::Duration;

use super::{Ordering, Subscription};

/// Stands between the group and the delay in the name of a delay topic.
const DELAY: &str = ".delay.";

impl Subscription {
    /// The topics that events are parked in, shortest delay first.
    pub fn delay_topics(&self) -> Vec<(String, Duration)> {
        match self.ordering {
            Ordering::Key => Vec::new(),
            Ordering::None => {
                let topic = |delay: &Duration| (delay_topic(&self.group, *delay), *delay);
                self.parking.delays.iter().map(topic).collect()
            }
        }
    }

    /// The delay of a topic that events of this subscription were parked in, now or by an earlier configuration.
    pub fn delay_of(&self, topic: &str) -> Option<Duration> {
        let text = topic.strip_prefix(&self.group)?.strip_prefix(DELAY)?;
        let delay = humantime::parse_duration(text).ok()?;
        (delay_topic(&self.group, delay) == topic).then_some(delay)
    }

    /// The topics that are the host's own: made where they are missing, and to be read by nobody else.
    pub fn own_topics(&self) -> impl Iterator<Item = String> {
        let delays = self.delay_topics().into_iter().map(|(topic, _)| topic);
        [self.dead_letter_topic.clone()].into_iter().chain(self.journal.clone()).chain(delays)
    }
}

/// `GROUP.delay.10m`
fn delay_topic(group: &str, delay: Duration) -> String {
    // A topic's name has no spaces.
    format!("{group}{DELAY}{}", humantime::format_duration(delay).to_string().replace(' ', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConnectorName, SubscriptionName};

    #[test]
    fn a_delay_topic_is_known_by_its_name() {
        let name = SubscriptionName::new("calendar");
        let mut subscription = Subscription::new(&name, ConnectorName::new("c"), Vec::new());
        assert_eq!(subscription.delay_topics(), []);
        subscription.ordering = Ordering::None;
        let seconds = Duration::from_secs;
        for (delay, topic) in [(60, "1m"), (90, "1m30s"), (3600, "1h"), (86_400, "1day")] {
            let topic = format!("liaison.calendar.delay.{topic}");
            subscription.parking.delays = vec![seconds(delay)];
            assert_eq!(subscription.delay_topics(), [(topic.clone(), seconds(delay))]);
            assert_eq!(subscription.delay_of(&topic), Some(seconds(delay)));
        }
        for other in ["liaison.calendar.journal", "liaison.calendar2.delay.1m", "liaison.calendar.delay.60s"]
        {
            assert_eq!(subscription.delay_of(other), None, "{other}");
        }
    }
}
