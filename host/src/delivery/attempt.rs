//! One attempt: the rounds of steps and effects from the first call of a connector to its outcome.
//!
//! In comes a delivery with no rounds, out goes an [`Attempt`]. How a step is asked for, how an effect is performed and
//! where rounds are kept come in as functions, so that this is the same for plugins, for connectors in this process and
//! for tests. What a journal holds is not performed again. It decides nothing about what follows.

use std::cell::Cell;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::ask::{Asks, Limits, asks};
use super::breaker::FailureKind;
use crate::contract::{Delivery, Effect, Failure, Fault, Outcome, Reply, SqlErrorKind, SqlResponse, Step};
use crate::journal::rounds::{Recorded, recall};

/// How much of a step is shown in a fault, in characters.
const MAX_STEP_TEXT: usize = 300;

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) result: Result<Outcome, Fault>,
    /// The last round says that the connector's own system is not well. Nothing does before [`Attempt::see_trouble`].
    pub(crate) trouble: Option<FailureKind>,
    /// The delivery as it was after its last round.
    pub(crate) delivery: Box<Delivery>,
    /// What was performed, a list a round: what `delivery.rounds` are the replies to.
    pub(crate) asked: Vec<Vec<Effect>>,
}

impl Attempt {
    /// It was done with others', before its connector was asked what it needs.
    pub(crate) fn settled(delivery: Box<Delivery>, outcome: Outcome) -> Self {
        end(delivery, Vec::new(), Ok(outcome))
    }

    /// Looks for trouble in what the connector's own system answered last. What another one did, from which something was
    /// fetched on the way, is this attempt's failure and says nothing of the deliveries beside it.
    pub(crate) fn see_trouble(&mut self, is_own: impl Fn(&Effect) -> bool) {
        let last = self.asked.last().zip(self.delivery.rounds.last());
        let mut each = last.into_iter().flat_map(|(effects, replies)| effects.iter().zip(replies));
        self.trouble = each.find_map(|(effect, reply)| trouble(reply).filter(|_| is_own(effect)));
    }
}

/// What an attempt need not ask for.
pub(crate) enum Known<'a> {
    Nothing,
    /// What a journal holds.
    Recorded(&'a Recorded),
    /// The reply to what settles the delivery in its first round: it was done with others' before this one was asked for it.
    Done(Reply),
}

impl<'a> From<Option<&'a Recorded>> for Known<'a> {
    fn from(recorded: Option<&'a Recorded>) -> Self {
        recorded.map_or(Self::Nothing, Self::Recorded)
    }
}

/// Which effect of an attempt one is: both from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) round: usize,
    pub(crate) position: usize,
}

/// Runs an attempt to its outcome. After `until` effects are answered as timed out, and the connector has the last word;
/// `perform` moves it where an effect had to wait for its turn, is told whether the effect settles the delivery, and gives
/// each back.
///
/// What is `known` is answered from there. `keep` is told before each round that performs anything what was asked and
/// answered before it, and may end the attempt.
pub(crate) async fn attempt(
    mut delivery: Box<Delivery>,
    known: Known<'_>,
    limits: &Limits,
    until: &Cell<Instant>,
    step: impl AsyncFn(Box<Delivery>) -> (Box<Delivery>, Result<Step, Fault>),
    perform: impl AsyncFn(&Delivery, Effect, Place, bool) -> (Effect, Reply),
    keep: impl AsyncFn(&Delivery, &[Vec<Effect>]) -> Result<(), Fault>,
) -> Attempt {
    let (mut recorded, mut done) = match known {
        Known::Nothing => (None, None),
        Known::Recorded(recorded) => (Some(recorded), None),
        Known::Done(reply) => (None, Some(reply)),
    };
    let mut asked = Vec::new();
    for _ in 0..limits.steps {
        let result;
        (delivery, result) = step(delivery).await;
        let (effects, settles) = match result.and_then(|step| asks(step, limits)) {
            Ok(Asks::Effects { effects, settles }) if settles || done.is_none() => (effects, settles),
            Ok(Asks::Nothing(outcome)) if done.is_none() => return end(delivery, asked, Ok(outcome)),
            Ok(_) => {
                let fault =
                    Fault::Nonsense("it joins a delivery that it does not settle by one effect".into());
                return end(delivery, asked, Err(fault));
            }
            Err(fault) => return end(delivery, asked, Err(fault)),
        };
        let known = match done.take() {
            Some(reply) => vec![Some(reply)],
            None => match recall(&mut recorded, &delivery, &effects) {
                Ok(known) => known,
                Err(fault) => return end(delivery, asked, Err(fault)),
            },
        };
        let is_news = known.iter().flatten().count() < effects.len() && Instant::now() < until.get();
        if is_news && let Err(fault) = keep(&delivery, &asked).await {
            return end(delivery, asked, Err(fault));
        }
        let round = delivery.rounds.len();
        let one = async |effect: Effect, position| {
            perform(&delivery, effect, Place { round, position }, settles).await
        };
        let (effects, replies) = perform_round(effects, &known, until, one).await;
        let settled = replies.first().filter(|_| settles).and_then(Outcome::delivered_by);
        delivery.rounds.push(replies);
        asked.push(effects);
        if let Some(outcome) = settled {
            if !limits.call_twice {
                return end(delivery, asked, Ok(outcome));
            }
            let (delivery, again) = step(delivery).await;
            return end(delivery, asked, kept_to(outcome, again));
        }
    }
    end(delivery, asked, Err(Fault::Steps(limits.steps)))
}

/// A connector that settles by a request must say of its success what the host says.
fn kept_to(outcome: Outcome, again: Result<Step, Fault>) -> Result<Outcome, Fault> {
    match again? {
        Step::Settle(said) if said == outcome => Ok(outcome),
        other => {
            let text = format!("{other:?}").chars().take(MAX_STEP_TEXT).collect::<String>();
            Err(Fault::Nonsense(format!("it settles by a request, and of its success it says {text}")))
        }
    }
}

/// All effects of a step at the same time, but for those whose reply is known; effects and replies in their order. `perform`
/// is given each effect and its place in the step.
pub(crate) async fn perform_round(
    mut effects: Vec<Effect>,
    known: &[Option<Reply>],
    until: &Cell<Instant>,
    perform: impl AsyncFn(Effect, usize) -> (Effect, Reply),
) -> (Vec<Effect>, Vec<Reply>) {
    let is_over = Instant::now() >= until.get();
    let without_asking = |position: usize| match known.get(position) {
        Some(Some(reply)) => Some(reply.clone()),
        Some(None) | None => is_over.then_some(Reply::Failed(Failure::TimedOut)),
    };
    if effects.len() == 1
        && let Some(effect) = effects.pop()
    {
        let (effect, reply) = match without_asking(0) {
            Some(reply) => (effect, reply),
            None => perform(effect, 0).await,
        };
        effects.push(effect);
        return (effects, vec![reply]);
    }
    let one = async |position: usize, effect: Effect| match without_asking(position) {
        Some(reply) => (effect, reply),
        None => perform(effect, position).await,
    };
    let several = effects.into_iter().enumerate().map(|(position, effect)| one(position, effect));
    join_all(several).await.into_iter().unzip()
}

fn end(delivery: Box<Delivery>, asked: Vec<Vec<Effect>>, result: Result<Outcome, Fault>) -> Attempt {
    Attempt { result, trouble: None, delivery, asked }
}

/// What a reply says of the health of the system that gave it. 429 is here too: it is not well, only politer.
pub(crate) fn trouble(reply: &Reply) -> Option<FailureKind> {
    match reply {
        Reply::Http(response) if response.status == 429 || response.status >= 500 => {
            Some(FailureKind::Unavailable)
        }
        Reply::Http(_) => None,
        // DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL and UNAVAILABLE. UNKNOWN is what a server makes of any fault
        // of its code, and says nothing of others.
        Reply::Grpc(response) => {
            matches!(response.status, 4 | 8 | 13 | 14).then_some(FailureKind::Unavailable)
        }
        Reply::Sql(SqlResponse::Error(error)) => {
            (error.kind == SqlErrorKind::Unavailable).then_some(FailureKind::Unavailable)
        }
        Reply::Sql(SqlResponse::Done(_)) => None,
        Reply::Failed(Failure::Connection(_) | Failure::TimedOut) => Some(FailureKind::Connection),
        Reply::Failed(
            Failure::NotAllowed(_)
            | Failure::Invalid(_)
            | Failure::TooLarge(_)
            | Failure::Unsupported(_)
            | Failure::Other(_),
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::config;
    use crate::contract::{
        Body, GrpcResponse, HttpRequest, HttpResponse, Receipt, Retry, SqlError, SqlRequest, SqlResult,
    };
    use crate::event::{Event, Origin};
    use crate::journal::rounds::tests::effect;
    use crate::journal::rounds::{Arguments, so_far};

    fn nothing() -> SqlRequest {
        SqlRequest { statements: Vec::new(), timeout: None }
    }

    fn limits(call_twice: bool) -> Limits {
        Limits::of(&config::Limits { steps: 3, effects: 2, ..config::Limits::default() }, call_twice)
    }

    /// Of an event without data.
    fn delivery() -> Box<Delivery> {
        let event = Event {
            id: "1".into(),
            source: "/tests".into(),
            kind: "t".into(),
            subject: None,
            time: None,
            key: None,
            content_type: None,
            data: None,
            attributes: Vec::new(),
            origin: Origin { topic: "t".into(), partition: 0, offset: 0 },
        };
        Box::new(Delivery {
            event: Arc::new(event),
            attempt: 1,
            now: 0,
            seed: 0,
            deadline: None,
            idempotency_key: "key".into(),
            resolution: None,
            rounds: Vec::new(),
        })
    }

    fn get(url: &str) -> Effect {
        Effect::from(HttpRequest {
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            body: Body::None,
            timeout: None,
            keep_body: false,
        })
    }

    fn answer(status: u16) -> Reply {
        let headers = http::HeaderMap::new();
        Reply::from(HttpResponse { status, headers, body: Bytes::new(), kept: None })
    }

    /// Plays a script: what to answer after each number of rounds.
    async fn play(script: Vec<Result<Step, Fault>>, status: u16, until: Instant) -> (Attempt, Vec<String>) {
        play_on(Known::Nothing, usize::MAX, script, status, until).await
    }

    /// The same, going on from a journal that takes less than `room` rounds.
    async fn play_on(
        known: Known<'_>,
        room: usize,
        script: Vec<Result<Step, Fault>>,
        status: u16,
        until: Instant,
    ) -> (Attempt, Vec<String>) {
        let asked = RefCell::new(Vec::new());
        let step = async |delivery: Box<Delivery>| {
            let result = script[delivery.rounds.len()].clone();
            (delivery, result)
        };
        let perform = async |_: &Delivery, effect: Effect, place: Place, _: bool| {
            let reply = match &effect {
                Effect::Http(request) => {
                    let Place { round, position } = place;
                    asked.borrow_mut().push(format!("{round}.{position} {}", request.url));
                    answer(status)
                }
                Effect::Grpc(_) | Effect::Sql(_) => Reply::Failed(Failure::Unsupported("SQL".into())),
            };
            (effect, reply)
        };
        let keep = async |_: &Delivery, before: &[Vec<Effect>]| match before.len() < room {
            true => Ok(()),
            false => Err(Fault::Unwritten("no room".into())),
        };
        let mut attempt =
            attempt(delivery(), known, &limits(false), &Cell::new(until), step, perform, keep).await;
        attempt.see_trouble(|effect| matches!(effect, Effect::Http(request) if request.url.starts_with('/')));
        (attempt, asked.into_inner())
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn rounds_are_performed_in_order_until_the_outcome() {
        let done = Outcome::Delivered(Receipt::default());
        let script = vec![
            Ok(Step::Perform(vec![get("/a"), get("/b")])),
            Ok(Step::Perform(vec![get("/c")])),
            Ok(Step::Settle(done.clone())),
        ];
        let (attempt, asked) = play(script, 200, later()).await;
        assert_eq!(attempt.result, Ok(done));
        assert_eq!(asked, ["0.0 /a", "0.1 /b", "1.0 /c"]);
        assert_eq!(attempt.delivery.rounds.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(attempt.asked, [vec![get("/a"), get("/b")], vec![get("/c")]]);
        assert_eq!(attempt.trouble, None);
    }

    #[tokio::test]
    async fn what_breaks_a_limit_ends_the_attempt() {
        let endless = vec![Ok(Step::Perform(vec![get("/a")])); 4];
        let empty = vec![Ok(Step::Perform(Vec::new()))];
        let many = vec![Ok(Step::Perform(vec![get("/a"), get("/b"), get("/c")]))];
        let nothing = Fault::Nonsense("a step that performs nothing".into());
        for (script, fault, performed) in [
            (endless, Fault::Steps(3), 3),
            (empty, nothing, 0),
            (many, Fault::Effects { count: 3, limit: 2 }, 0),
        ] {
            let (attempt, asked) = play(script, 200, later()).await;
            assert_eq!((attempt.result, asked.len()), (Err(fault), performed));
        }
    }

    #[tokio::test]
    async fn after_its_time_nothing_is_performed_and_the_connector_has_the_last_word() {
        let rejected = Outcome::Rejected("too late".into());
        let script = vec![Ok(Step::Perform(vec![get("/a")])), Ok(Step::Settle(rejected.clone()))];
        let (attempt, asked) = play(script, 200, Instant::now()).await;
        assert_eq!((attempt.result, attempt.trouble), (Ok(rejected), Some(FailureKind::Connection)));
        assert!(asked.is_empty());
        assert!(matches!(attempt.delivery.rounds[0][0], Reply::Failed(Failure::TimedOut)));
    }

    #[tokio::test]
    async fn what_is_not_supported_is_a_reply_and_a_5xx_is_trouble() {
        let skipped = Outcome::Skipped("x".into());
        let script =
            vec![Ok(Step::Perform(vec![Effect::Sql(nothing()), get("/a")])), Ok(Step::Settle(skipped))];
        let (attempt, _) = play(script, 503, later()).await;
        assert_eq!(attempt.trouble, Some(FailureKind::Unavailable));
        assert!(matches!(attempt.delivery.rounds[0][0], Reply::Failed(Failure::Unsupported(_))));
    }

    #[tokio::test]
    async fn the_trouble_of_another_system_is_none_of_the_connectors_own() {
        let other = get("https://documents.example/a");
        for (round, expected) in [
            (vec![other.clone()], None),
            (vec![other.clone(), get("/a")], Some(FailureKind::Unavailable)),
            (vec![get("/a"), other.clone()], Some(FailureKind::Unavailable)),
        ] {
            let retry = Outcome::Retry(Retry { after: None, reason: "503".into() });
            let script = vec![Ok(Step::Perform(round.clone())), Ok(Step::Settle(retry))];
            let (attempt, asked) = play(script, 503, later()).await;
            assert_eq!((attempt.trouble, asked.len()), (expected, round.len()), "{asked:?}");
        }
        // Of the rounds before only the last counts.
        let script = vec![
            Ok(Step::Perform(vec![get("/a")])),
            Ok(Step::Perform(vec![other])),
            Ok(Step::Settle(Outcome::Skipped("x".into()))),
        ];
        assert_eq!(play(script, 503, later()).await.0.trouble, None);
    }

    #[tokio::test]
    async fn a_success_settles_without_another_call() {
        let put = get("/put");
        let by = |rest: Vec<Result<Step, Fault>>| {
            let steps = [Ok(Step::Perform(vec![get("/a")])), Ok(Step::SettleBy(put.clone()))];
            steps.into_iter().chain(rest).collect::<Vec<_>>()
        };
        let trap = || vec![Err(Fault::Trap("called again".into()))];
        let (attempt, asked) = play(by(trap()), 204, later()).await;
        assert_eq!(attempt.result, Ok(Outcome::Delivered(Receipt::default())));
        assert_eq!(asked, ["0.0 /a", "1.0 /put"]);
        assert_eq!((attempt.asked.len(), attempt.delivery.rounds.len()), (2, 2));

        for status in [199, 300, 503] {
            let rejected = Outcome::Rejected("no".into());
            let (attempt, asked) = play(by(vec![Ok(Step::Settle(rejected.clone()))]), status, later()).await;
            assert_eq!((attempt.result, asked.len()), (Ok(rejected), 2), "{status}");
        }
        let (attempt, _) = play(by(trap()), 204, Instant::now()).await;
        assert!(matches!(attempt.result, Err(Fault::Trap(_))), "{:?}", attempt.result);
    }

    #[test]
    fn a_transaction_settles_where_each_statement_changed_a_row_and_gave_none() {
        let result =
            |affected, rows: usize| SqlResult { affected, columns: Vec::new(), rows: vec![Vec::new(); rows] };
        for (results, settles) in [
            (vec![result(1, 0)], true),
            (vec![result(1, 0), result(2, 0)], true),
            (vec![result(1, 0), result(0, 0)], false),
            (vec![result(1, 1)], false),
            (vec![], false),
        ] {
            let delivered = settles.then(|| Outcome::Delivered(Receipt::default()));
            assert_eq!(Outcome::delivered_by(&Reply::Sql(SqlResponse::Done(results))), delivered);
        }
    }

    #[tokio::test]
    async fn where_calls_are_compared_a_success_must_be_what_the_host_makes_of_it() {
        let delivered = Outcome::Delivered(Receipt::default());
        for (says, is_kept) in [
            (Ok(Step::Settle(delivered.clone())), true),
            (Ok(Step::Settle(Outcome::Skipped("x".into()))), false),
            (Ok(Step::SettleBy(get("/b"))), false),
            (Err(Fault::Trap("x".into())), false),
        ] {
            let script = [Ok(Step::SettleBy(get("/a"))), says.clone()];
            let step = async |delivery: Box<Delivery>| {
                let result = script[delivery.rounds.len()].clone();
                (delivery, result)
            };
            let perform = async |_: &Delivery, effect: Effect, _: Place, _: bool| (effect, answer(200));
            let keep = async |_: &Delivery, _: &[Vec<Effect>]| Ok(());
            let limits = limits(true);
            let until = Cell::new(later());
            let attempt = attempt(delivery(), Known::Nothing, &limits, &until, step, perform, keep).await;
            assert_eq!(attempt.result == Ok(delivered.clone()), is_kept, "{says:?}: {:?}", attempt.result);
            assert_eq!((attempt.asked.len(), attempt.delivery.rounds.len()), (1, 1));
        }
    }

    #[tokio::test]
    async fn what_was_done_with_others_is_answered_and_not_performed_however_late() {
        let skipped = Outcome::Skipped("newer".into());
        let play = async |first: Step, until| {
            let script = vec![Ok(first), Ok(Step::Settle(skipped.clone()))];
            play_on(Known::Done(answer(409)), 1, script, 200, until).await
        };
        for until in [later(), Instant::now()] {
            let (attempt, asked) = play(Step::SettleBy(get("/a")), until).await;
            assert_eq!((attempt.result, asked.len()), (Ok(skipped.clone()), 0));
            assert_eq!(attempt.asked, [vec![get("/a")]]);
            assert!(
                matches!(&attempt.delivery.rounds[0][..], [Reply::Http(reply)] if reply.status == 409),
                "{:?}",
                attempt.delivery.rounds
            );
        }
        for other in [Step::Perform(vec![get("/a")]), Step::Settle(Outcome::Rejected("no".into()))] {
            let (attempt, asked) = play(other, later()).await;
            assert!(matches!(attempt.result, Err(Fault::Nonsense(_))), "{:?}", attempt.result);
            assert_eq!(asked.len(), 0);
        }
    }

    #[tokio::test]
    async fn what_a_journal_holds_is_not_performed_again() {
        let done = Outcome::Delivered(Receipt::default());
        let rounds = [vec![effect("POST /a"), get("/b")], vec![effect("POST /c")]];
        let script: Vec<_> = rounds
            .clone()
            .map(Step::Perform)
            .into_iter()
            .chain([Step::Settle(done.clone())])
            .map(Ok)
            .collect();
        let recorded = |replies: &[Vec<Reply>]| Recorded {
            idempotency_key: "key".into(),
            arguments: Arguments::of(&delivery()),
            rounds: so_far(&rounds, replies),
        };
        let one = recorded(&[vec![answer(201), answer(404)]]);
        let (attempt, asked) = play_on(Known::Recorded(&one), usize::MAX, script.clone(), 200, later()).await;
        assert_eq!((attempt.result, asked), (Ok(done.clone()), vec!["1.0 /c".to_owned()]));
        assert!(matches!(&attempt.delivery.rounds[0][1], Reply::Http(response) if response.status == 404));

        let both = recorded(&[vec![answer(201), answer(404)], vec![answer(202)]]);
        let (attempt, asked) = play_on(Known::Recorded(&both), 0, script, 200, Instant::now()).await;
        assert_eq!((attempt.result, asked.len()), (Ok(done), 0));

        let other = vec![Ok(Step::Perform(vec![get("/a"), get("/b")]))];
        let (attempt, asked) = play_on(Known::Recorded(&both), usize::MAX, other, 200, later()).await;
        assert!(matches!(attempt.result, Err(Fault::Changed(_))), "{:?}", attempt.result);
        assert_eq!(asked.len(), 0);
    }

    #[test]
    fn a_grpc_status_says_how_well_the_system_is() {
        for status in 0..17 {
            let response =
                GrpcResponse { status, status_message: String::new(), metadata: vec![], message: None };
            let expected = [4, 8, 13, 14].contains(&status).then_some(FailureKind::Unavailable);
            assert_eq!(trouble(&response.into()), expected, "{status}");
        }
    }

    #[test]
    fn a_database_that_cannot_now_is_not_well_and_one_that_refuses_is() {
        let error = |kind| {
            let (code, message) = (String::new(), String::new());
            Reply::Sql(SqlResponse::Error(SqlError {
                kind,
                statement: None,
                code,
                message,
                constraint: None,
            }))
        };
        assert_eq!(trouble(&error(SqlErrorKind::Unavailable)), Some(FailureKind::Unavailable));
        for kind in [SqlErrorKind::Constraint, SqlErrorKind::Serialization, SqlErrorKind::Permission] {
            assert_eq!(trouble(&error(kind)), None, "{kind}");
        }
        assert_eq!(trouble(&Reply::Sql(SqlResponse::Done(Vec::new()))), None);
    }

    #[tokio::test]
    async fn what_cannot_be_kept_ends_the_attempt_before_the_next_round() {
        let script = vec![Ok(Step::Perform(vec![get("/a")])); 3];
        let (attempt, asked) = play_on(Known::Nothing, 2, script, 200, later()).await;
        assert!(matches!(attempt.result, Err(Fault::Unwritten(_))), "{:?}", attempt.result);
        assert_eq!((asked, attempt.asked.len()), (vec!["0.0 /a".to_owned(), "1.0 /a".to_owned()], 2));
    }
}
