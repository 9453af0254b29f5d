//! Runs a connector's function as far as the recorded replies take it, and says what is next.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::http::{Fault, Http};
use crate::log;
use crate::outcome::{Check, Delivery, Ending, Outcome};
use crate::raw::connector::exports::liaison::plugin::connector::{CheckStep, Step};
use crate::raw::connector::liaison::plugin::effects::{Effect, Reply};

/// How far a function came.
pub(crate) enum Progress<T> {
    /// It waits for these.
    Asks(Vec<Effect>),
    /// Whether that was all that it asked before is still to be seen.
    Ended(T),
}

/// A batch, as the host gives it: each delivery goes its own way.
pub fn deliver<R: Into<Ending>>(
    deliveries: Vec<Delivery>,
    author: impl AsyncFn(&Delivery, &Http) -> R,
) -> Vec<Step> {
    let step = |delivery| {
        deliver_one(delivery, &author).unwrap_or_else(|fault| Step::Settle(Outcome::rejected(told(&fault))))
    };
    deliveries.into_iter().map(step).collect()
}

/// As the host asks whether the external system is usable.
pub fn check<R: Into<Check>>(
    now: u64,
    rounds: Vec<Vec<Reply>>,
    author: impl AsyncFn(&Http) -> R,
) -> CheckStep {
    check_one(now, rounds, &author).unwrap_or_else(|fault| CheckStep::Unusable(told(&fault)))
}

pub(crate) fn deliver_one<R: Into<Ending>>(
    mut delivery: Delivery,
    author: &impl AsyncFn(&Delivery, &Http) -> R,
) -> Result<Step, Fault> {
    let http = Http::new(std::mem::take(&mut delivery.rounds), delivery.now);
    Ok(match run(&http, author(&delivery, &http))? {
        Progress::Asks(mut effects) => match effects.pop() {
            Some(effect) if effects.is_empty() && http.rounds().is_settling() => Step::SettleBy(effect),
            last => Step::Perform(effects.into_iter().chain(last).collect()),
        },
        Progress::Ended(ending) => match ending.into() {
            Ending::Outcome(outcome) => {
                http.rounds().end()?;
                Step::Settle(outcome)
            }
            Ending::Settling(last) => last.step(&http)?,
        },
    })
}

pub(crate) fn check_one<R: Into<Check>>(
    now: u64,
    rounds: Vec<Vec<Reply>>,
    author: &impl AsyncFn(&Http) -> R,
) -> Result<CheckStep, Fault> {
    let http = Http::new(rounds, now);
    Ok(match run(&http, author(&http))? {
        Progress::Asks(effects) => CheckStep::Perform(effects),
        Progress::Ended(check) => {
            http.rounds().end()?;
            match check.into() {
                Check::Usable(how) => CheckStep::Usable(how),
                Check::Unusable(why) => CheckStep::Unusable(why),
            }
        }
    })
}

/// Polls in passes, one a round: see `http::rounds` for why.
fn run<T>(http: &Http, function: impl Future<Output = T>) -> Result<Progress<T>, Fault> {
    let mut function = pin!(function);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = function.as_mut().poll(&mut context) {
            return Ok(Progress::Ended(value));
        }
        if let Some(effects) = http.rounds().end_round()? {
            return Ok(Progress::Asks(effects));
        }
    }
}

/// A fault in words, after it was logged.
fn told(fault: &Fault) -> String {
    let message = fault.to_string();
    log::error(&message);
    message
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;
    use crate::failure::Failure;
    use crate::http::Settling;
    use crate::outcome::Receipt;
    use crate::raw::connector::liaison::plugin::effects::{HttpResponse, ResponseBody};
    use crate::{join, join_all, testing};

    async fn in_turn(http: &Http, first: &str, second: &str) -> Result<String, Failure> {
        let first = http.get(first).send().await?.text().into_owned();
        let second = http.get(format!("{second}/{first}")).send().await?.text().into_owned();
        Ok(second)
    }

    /// Two branches of two requests each, and a third that has one.
    async fn branches(_delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
        let pair = join(in_turn(http, "/a", "/b"), in_turn(http, "/c", "/d"));
        let (pair, single) = join(pair, http.get("/e").send()).await;
        single?;
        Ok(Outcome::skipped(format!("{}{}", pair.0?, pair.1?)))
    }

    #[test]
    fn joined_branches_keep_their_replies_however_often_they_run() {
        let run = testing::endpoint()
            .expect("GET /a", testing::reply(200).text("1"))
            .expect("GET /c", testing::reply(200).text("2"))
            .expect("GET /e", testing::reply(200))
            .expect("GET /b/1", testing::reply(200).text("left"))
            .expect("GET /d/2", testing::reply(200).text("right"))
            .deliver(branches, testing::event("t"));
        assert_eq!(run.rounds, [3, 2]);
        assert_eq!(run.outcome, Outcome::skipped("leftright"));
    }

    proptest! {
        /// Branches of any length get the replies to their own requests, in as many rounds as the longest has
        /// requests.
        #[test]
        fn every_branch_gets_its_own_replies(lengths in proptest::collection::vec(0_usize..5, 1..6)) {
            let branch = async |http: &Http, branch: usize, length: usize| {
                for number in 0..length {
                    let url = format!("/{branch}/{number}");
                    let reply = http.get(&url).send().await.expect("the endpoint answers");
                    assert_eq!(reply.text(), url);
                }
            };
            let deliver = async |_: &Delivery, http: &Http| {
                let branches = lengths.iter().enumerate().map(|(number, length)| branch(http, number, *length));
                join_all(branches).await;
                Outcome::delivered()
            };
            let mut rounds = Vec::new();
            let outcome = loop {
                let delivery = Delivery { rounds: rounds.clone(), ..testing::event("t").into() };
                match deliver_one(delivery, &deliver).unwrap() {
                    Step::Perform(effects) => rounds.push(effects.iter().map(echo).collect()),
                    Step::SettleBy(effect) => panic!("{effect:?}"),
                    Step::Settle(outcome) => break outcome,
                }
            };
            prop_assert_eq!(outcome, Outcome::delivered());
            prop_assert_eq!(rounds.len(), *lengths.iter().max().unwrap());
        }
    }

    /// Answers a request with its own URL.
    fn echo(effect: &Effect) -> Reply {
        let Effect::Http(request) = effect else { panic!("{effect:?}") };
        let body = ResponseBody::Bytes(request.url.clone().into_bytes());
        Reply::Http(HttpResponse { status: 200, headers: Vec::new(), body })
    }

    #[test]
    fn any_number_is_joined_in_order() {
        async fn deliver(_delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
            let replies = join_all((0..3).map(|number| http.get(format!("/{number}")).send())).await;
            let texts: Result<Vec<_>, _> =
                replies.into_iter().map(|reply| reply.map(|reply| reply.text().into_owned())).collect();
            Ok(Outcome::skipped(texts?.concat()))
        }
        let run = testing::endpoint()
            .expect("GET /0", testing::reply(200).text("a"))
            .expect("GET /1", testing::reply(200).text("b"))
            .expect("GET /2", testing::reply(200).text("c"))
            .deliver(deliver, testing::event("t"));
        assert_eq!((run.outcome, run.rounds), (Outcome::skipped("abc"), vec![3]));
    }

    #[test]
    fn a_body_kept_by_the_host_is_named_by_its_place() {
        use crate::raw::connector::liaison::plugin::effects::Body;
        async fn deliver(_delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
            let (_, report) = join(http.get("/a").send(), http.get("/report").keep_body().send()).await;
            let report = report?;
            let length = report.kept_body().map(|kept| kept.length);
            http.put("/copy").body_of(&report).send().await?;
            Ok(Outcome::skipped(format!("{length:?} {}", report.body().len())))
        }
        let run = testing::endpoint()
            .expect("GET /a", testing::reply(200))
            .expect("GET /report", testing::reply(200).text("long"))
            .expect("PUT /copy", testing::reply(204))
            .deliver(deliver, testing::event("t"));
        assert_eq!(run.outcome, Outcome::skipped("Some(4) 0"));
        assert_eq!(run.requests[2].body, Body::OfReply((0, 1)));
    }

    #[test]
    fn waiting_for_something_foreign_is_a_fault() {
        let deliver = async |_: &Delivery, _: &Http| -> Outcome { std::future::pending().await };
        let steps = super::deliver(vec![testing::event("t").into()], deliver);
        assert!(
            matches!(&steps[..], [Step::Settle(Outcome::Rejected(why))] if why.contains("awaits something")),
            "{steps:?}"
        );
        assert!(testing::logged()[0].starts_with("plugin fault"));
    }

    #[test]
    fn asking_for_another_number_of_requests_is_a_fault() {
        let runs = Cell::new(0);
        let deliver = async |_: &Delivery, http: &Http| {
            runs.set(runs.get() + 1);
            join_all((0..runs.get()).map(|_| http.get("/").send())).await;
            Outcome::delivered()
        };
        let first = deliver_one(testing::event("t").into(), &deliver).unwrap();
        assert!(matches!(first, Step::Perform(effects) if effects.len() == 1));
        let reply = || Reply::Failed(crate::failure::Unanswered::TimedOut);
        let delivery = |rounds| Delivery { rounds, ..testing::event("t").into() };
        let changed = Fault::Changed { round: 0, asked: 2, recorded: 1 };
        assert_eq!(deliver_one(delivery(vec![vec![reply()]]), &deliver), Err(changed));
    }

    #[test]
    fn ending_before_all_recorded_rounds_is_a_fault() {
        let deliver = async |_: &Delivery, _: &Http| Outcome::delivered();
        let rounds = vec![vec![Reply::Failed(crate::failure::Unanswered::TimedOut)]];
        let delivery = Delivery { rounds, ..testing::event("t").into() };
        let changed = Fault::Changed { round: 0, asked: 0, recorded: 1 };
        assert_eq!(deliver_one(delivery, &deliver), Err(changed));
    }

    async fn put(_delivery: &Delivery, http: &Http) -> Result<Settling, Failure> {
        let found = http.get("/a").send().await?;
        Ok(http.put("/a").event_data().settle_or(move |response| {
            Outcome::skipped(format!("{} before, then {}", found.status(), response.status()))
        }))
    }

    #[test]
    fn a_function_may_end_with_its_last_request() {
        let step = |rounds| deliver_one(Delivery { rounds, ..testing::event("t").into() }, &put);
        let http = |status| {
            let headers = ["etag", "location", "ETag", "location"].map(|name| (name.into(), name.into()));
            let body = ResponseBody::Bytes(Vec::new());
            Reply::Http(HttpResponse { status, headers: headers.into(), body })
        };
        let found = vec![http(404)];
        assert!(matches!(step(vec![]), Ok(Step::Perform(effects)) if effects.len() == 1));
        assert!(
            matches!(step(vec![found.clone()]), Ok(Step::SettleBy(Effect::Http(put))) if put.method == "PUT")
        );
        let receipt = Receipt { external_id: Some("location".into()), version: Some("etag".into()) };
        let timed_out = Reply::Failed(crate::failure::Unanswered::TimedOut);
        for (reply, outcome) in [
            (http(200), Outcome::Delivered(receipt.clone())),
            (http(299), Outcome::Delivered(receipt)),
            (http(300), Outcome::skipped("404 before, then 300")),
            (http(199), Outcome::skipped("404 before, then 199")),
            (timed_out, Outcome::retry("PUT /a timed out")),
        ] {
            assert_eq!(step(vec![found.clone(), vec![reply]]), Ok(Step::Settle(outcome)));
        }
        let two = vec![http(200), http(200)];
        let changed = |round, asked, recorded| Err(Fault::Changed { round, asked, recorded });
        assert_eq!(step(vec![found.clone(), two.clone()]), changed(1, 1, 2));
        assert_eq!(step(vec![found.clone(), vec![]]), changed(1, 1, 0));
        assert_eq!(step(vec![found, vec![http(200)], two]), changed(2, 0, 2));
    }

    #[test]
    fn a_last_request_whose_body_cannot_be_written_is_not_asked() {
        let deliver = async |_: &Delivery, http: &Http| {
            http.put("/a").json(&std::collections::BTreeMap::from([((1, 2), 3)])).settle()
        };
        let run = testing::endpoint().deliver(deliver, testing::event("t"));
        assert!(
            matches!(run.outcome, Outcome::Rejected(why) if why.starts_with("the body has no form in JSON"))
        );
    }

    #[test]
    fn a_check_without_requests_cannot_tell() {
        let run = testing::endpoint().check(crate::outcome::no_check);
        assert_eq!(run.outcome, Check::usable("this plugin has no check: it cannot tell"));
        assert!(run.requests.is_empty());
    }
}
