//! Which alerts are news: a cause is told when it begins, by reminders while it lasts, and when it is over. Pure.
//!
//! Two alerts have one cause if kind, subscription, connector and `about` are the same. What happens in between is counted, and
//! the count is told with the next notice.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::words::Ending;
use super::{Alert, AlertKind};
use crate::config::{ConnectorName, SubscriptionName};
use crate::contract::TimestampMs;

/// Causes that may last at the same time.
const OPEN: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cause {
    kind: AlertKind,
    subscription: Option<SubscriptionName>,
    connector: Option<ConnectorName>,
    about: Option<String>,
}

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) state: State,
    pub(super) alert: Alert,
    /// When the cause began.
    pub(super) since_ms: TimestampMs,
    /// When there was something to tell.
    pub(super) at_ms: TimestampMs,
    /// How often it was raised since the notice before, this one's alert included.
    pub(super) count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Raised,
    Reminder,
    Recovered,
}

/// What becomes of one alert.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Tell(Box<Notice>),
    /// Told already, or not worth telling.
    Known,
    /// Too many causes last.
    NoRoom(Box<Alert>),
}

/// One moment on the two clocks: the one that only goes forward, and the one on the wall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) ms: TimestampMs,
}

#[derive(Debug)]
pub(super) struct Causes {
    open: BTreeMap<Cause, Open>,
    reminder: Duration,
    quiet: Duration,
}

#[derive(Debug)]
struct Open {
    since_ms: TimestampMs,
    latest: Alert,
    raised_at: Instant,
    told_at: Instant,
    untold: u64,
}

impl Causes {
    /// A cause that lasts is told again after each `reminder`; one that nobody says the end of is over after `quiet`.
    pub(super) fn new(reminder: Duration, quiet: Duration) -> Self {
        Self { open: BTreeMap::new(), reminder, quiet }
    }

    pub(super) fn raised(&mut self, alert: Alert, now: Now) -> News {
        let cause = alert.cause();
        if let Some(open) = self.open.get_mut(&cause) {
            open.latest = alert;
            open.raised_at = now.at;
            open.untold += 1;
            return News::Known;
        }
        if self.open.len() >= OPEN {
            return News::NoRoom(Box::new(alert));
        }
        let (since_ms, latest) = (alert.at_ms, alert.clone());
        let open = Open { since_ms, latest, raised_at: now.at, told_at: now.at, untold: 0 };
        self.open.insert(cause, open);
        News::Tell(Box::new(Notice { state: State::Raised, alert, since_ms, at_ms: now.ms, count: 1 }))
    }

    /// The cause of this alert is over, which it tells of.
    pub(super) fn over(&mut self, alert: Alert, now: Now) -> News {
        let Some(open) = self.open.remove(&alert.cause()) else { return News::Known };
        News::Tell(Box::new(Notice {
            state: State::Recovered,
            alert,
            since_ms: open.since_ms,
            at_ms: now.ms,
            count: open.untold,
        }))
    }

    /// The subscription is no more, nor is this connector: what was theirs is over, for nobody else would say so.
    pub(super) fn ended(
        &mut self,
        subscription: &SubscriptionName,
        connector: Option<&ConnectorName>,
        now: Now,
    ) -> Vec<Notice> {
        let is_theirs = |cause: &Cause| match &cause.subscription {
            Some(of) => of == subscription,
            None => cause.connector.is_some() && cause.connector.as_ref() == connector,
        };
        let open = std::mem::take(&mut self.open);
        let (over, rest) = open.into_iter().partition(|(cause, _)| is_theirs(cause));
        self.open = rest;
        let over: BTreeMap<Cause, Open> = over;
        over.into_values().map(|mut open| open.notice(State::Recovered, now)).collect()
    }

    /// Other times from now on.
    pub(super) fn change(&mut self, reminder: Duration, quiet: Duration) {
        (self.reminder, self.quiet) = (reminder, quiet);
    }

    /// What is to be told because time has passed.
    pub(super) fn due(&mut self, now: Now) -> Vec<Notice> {
        let (reminder, quiet) = (self.reminder, self.quiet);
        let mut notices = Vec::new();
        self.open.retain(|_, open| {
            let is_over = open.ends_at(quiet).is_some_and(|end| now.at >= end);
            let is_reminder = open.reminds_at(reminder).is_some_and(|at| now.at >= at);
            if is_over {
                notices.push(open.notice(State::Recovered, now));
            } else if is_reminder {
                notices.push(open.notice(State::Reminder, now));
            }
            !is_over
        });
        notices
    }

    /// When [`due`](Self::due) has something next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let times =
            self.open.values().flat_map(|open| [open.ends_at(self.quiet), open.reminds_at(self.reminder)]);
        times.flatten().min()
    }
}

impl Open {
    fn ends_at(&self, quiet: Duration) -> Option<Instant> {
        match self.latest.kind.ending() {
            Ending::Told => None,
            Ending::Quiet => Some(self.raised_at + quiet),
        }
    }

    /// What happens again and again is remembered only when it did.
    fn reminds_at(&self, reminder: Duration) -> Option<Instant> {
        match self.latest.kind.ending() {
            Ending::Quiet if self.untold == 0 => None,
            Ending::Told | Ending::Quiet => Some(self.told_at + reminder),
        }
    }

    fn notice(&mut self, state: State, now: Now) -> Notice {
        self.told_at = now.at;
        let count = std::mem::take(&mut self.untold);
        Notice { state, alert: self.latest.clone(), since_ms: self.since_ms, at_ms: now.ms, count }
    }
}

impl Alert {
    pub(super) fn cause(&self) -> Cause {
        Cause {
            kind: self.kind,
            subscription: self.subscription.clone(),
            connector: self.connector.clone(),
            about: self.about.clone(),
        }
    }
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Raised => "raised",
            State::Reminder => "reminder",
            State::Recovered => "recovered",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::alert;
    use super::*;

    const REMINDER: Duration = Duration::from_secs(600);
    const QUIET: Duration = Duration::from_secs(60);

    /// Causes with a clock that is put forward by hand.
    struct Clock {
        causes: Causes,
        begin: Instant,
    }

    impl Clock {
        fn new() -> Self {
            Self { causes: Causes::new(REMINDER, QUIET), begin: Instant::now() }
        }

        fn at(&self, second: u64) -> Now {
            Now { at: self.begin + Duration::from_secs(second), ms: second * 1000 }
        }

        fn raise(&mut self, kind: AlertKind, second: u64) -> Option<(State, u64)> {
            told(self.causes.raised(of(kind, second), self.at(second)))
        }

        fn over(&mut self, kind: AlertKind, second: u64) -> Option<(State, u64)> {
            told(self.causes.over(of(kind, second), self.at(second)))
        }

        fn due(&mut self, second: u64) -> Vec<(State, u64)> {
            self.causes.due(self.at(second)).into_iter().map(|notice| (notice.state, notice.count)).collect()
        }

        fn next(&self) -> Option<u64> {
            self.causes.next_due().map(|due| (due - self.begin).as_secs())
        }
    }

    fn of(kind: AlertKind, second: u64) -> Alert {
        Alert { kind, at_ms: second * 1000, ..alert("x") }
    }

    fn told(news: News) -> Option<(State, u64)> {
        match news {
            News::Tell(notice) => Some((notice.state, notice.count)),
            News::Known => None,
            News::NoRoom(alert) => panic!("no room for {alert:?}"),
        }
    }

    #[test]
    fn a_state_is_told_once_reminded_of_with_the_count_and_over_when_it_is_said() {
        let mut clock = Clock::new();
        assert_eq!(clock.raise(AlertKind::Denied, 0), Some((State::Raised, 1)));
        assert_eq!(clock.raise(AlertKind::Denied, 10), None);
        assert_eq!(clock.raise(AlertKind::Denied, 20), None);
        assert_eq!((clock.due(599), clock.next()), (vec![], Some(600)));
        assert_eq!(clock.due(600), [(State::Reminder, 2)]);
        assert_eq!(clock.due(1200), [(State::Reminder, 0)], "it still holds");
        assert_eq!(clock.raise(AlertKind::Denied, 1201), None);
        assert_eq!(clock.over(AlertKind::Denied, 1202), Some((State::Recovered, 1)));
        assert_eq!(clock.over(AlertKind::Denied, 1203), None);
        assert_eq!((clock.due(9999), clock.next()), (vec![], None));
        assert_eq!(clock.raise(AlertKind::Denied, 9999), Some((State::Raised, 1)));
    }

    #[test]
    fn what_happens_again_and_again_is_over_when_it_has_not_for_a_while() {
        let mut clock = Clock::new();
        assert_eq!(clock.raise(AlertKind::DeadLetter, 0), Some((State::Raised, 1)));
        for second in (50..=600).step_by(50) {
            assert_eq!(clock.raise(AlertKind::DeadLetter, second), None);
        }
        assert_eq!(clock.next(), Some(600));
        assert_eq!(clock.due(600), [(State::Reminder, 12)]);
        assert_eq!((clock.due(659), clock.next()), (vec![], Some(660)));
        assert_eq!(clock.due(660), [(State::Recovered, 0)]);
        assert_eq!(clock.next(), None);
    }

    #[test]
    fn causes_are_told_apart_by_kind_subscription_and_what_they_are_about() {
        let mut clock = Clock::new();
        let now = clock.at(0);
        let calendar = of(AlertKind::AtRisk, 0);
        let roster = Alert { subscription: Some(SubscriptionName::new("roster")), ..calendar.clone() };
        let policy = Alert { about: Some("policy.updated".to_owned()), ..calendar.clone() };
        let late = of(AlertKind::DeadlineMissed, 0);
        for alert in [&calendar, &roster, &policy, &late] {
            assert!(told(clock.causes.raised(alert.clone(), now)).is_some(), "{alert:?}");
        }
        let other_text = Alert { message: "another".to_owned(), event_id: None, ..policy };
        assert_eq!(told(clock.causes.raised(other_text, now)), None);
    }

    #[test]
    fn a_notice_says_when_it_began_and_its_latest_message() {
        let mut clock = Clock::new();
        clock.raise(AlertKind::BreakerOpened, 5);
        let again = Alert { message: "503 again".to_owned(), ..of(AlertKind::BreakerOpened, 9) };
        clock.causes.raised(again, clock.at(9));
        let notice = clock.causes.due(clock.at(700)).remove(0);
        assert_eq!((notice.since_ms, notice.at_ms), (5_000, 700_000));
        assert_eq!(notice.alert.message, "503 again");
    }

    #[test]
    fn what_was_raised_for_a_subscription_or_a_connector_that_is_no_more_is_over() {
        let mut clock = Clock::new();
        let names = |subscription: Option<&str>, connector: &str| Alert {
            subscription: subscription.map(SubscriptionName::new),
            connector: Some(ConnectorName::new(connector)),
            ..of(AlertKind::BreakerOpened, 0)
        };
        let now = clock.at(0);
        let raised = [names(Some("a"), "x"), names(Some("b"), "x"), names(None, "x"), names(None, "y")];
        for alert in &raised {
            assert_eq!(told(clock.causes.raised(alert.clone(), now)), Some((State::Raised, 1)), "{alert:?}");
        }
        let mut over = |subscription: &str, connector: Option<&str>| {
            let connector = connector.map(ConnectorName::new);
            let subscription = SubscriptionName::new(subscription);
            let notices = clock.causes.ended(&subscription, connector.as_ref(), now);
            notices.into_iter().map(|notice| (notice.state, notice.alert)).collect::<Vec<_>>()
        };
        let recovered = |alert: &Alert| (State::Recovered, alert.clone());
        assert_eq!(over("a", None), [recovered(&raised[0])]);
        assert_eq!(over("a", None), []);
        assert_eq!(over("b", Some("x")), [recovered(&raised[2]), recovered(&raised[1])]);
        assert_eq!(clock.next(), Some(600), "the other connector's lasts");
    }

    #[test]
    fn causes_are_bounded() {
        let mut clock = Clock::new();
        let about = |number: usize| Alert { about: Some(number.to_string()), ..of(AlertKind::Burning, 0) };
        let now = clock.at(0);
        for number in 0..OPEN {
            assert!(told(clock.causes.raised(about(number), now)).is_some());
        }
        assert_eq!(clock.causes.raised(about(OPEN), now), News::NoRoom(Box::new(about(OPEN))));
        assert!(told(clock.causes.over(about(0), now)).is_some());
        assert!(told(clock.causes.raised(about(OPEN), now)).is_some());
    }

    proptest! {
        /// Whatever happens: notices of a cause begin with `raised`, end with `recovered`, and lose no count.
        #[test]
        fn notices_alternate_and_count_everything(steps in prop::collection::vec((0..3u8, 1..400u64), 1..80)) {
            for kind in [AlertKind::Denied, AlertKind::DeadLetter] {
                let mut clock = Clock::new();
                let (mut second, mut raised, mut counted, mut is_open) = (0, 0, 0, false);
                for (what, passes) in &steps {
                    second += passes;
                    let notices = match what {
                        0 => {
                            raised += 1;
                            clock.raise(kind, second).into_iter().collect()
                        }
                        1 => clock.over(kind, second).into_iter().collect(),
                        _ => clock.due(second),
                    };
                    for (state, count) in notices {
                        counted += count;
                        prop_assert_eq!(is_open, state != State::Raised);
                        is_open = state != State::Recovered;
                    }
                }
                counted += clock.over(kind, second).map_or(0, |(_, count)| count);
                prop_assert_eq!(counted, raised);
            }
        }
    }
}
