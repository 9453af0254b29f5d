//! Shows a replay: step by step what the plugin asks now and what it was answered, or what a transformer makes now, and
//! whether that is as recorded.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::printable;
use crate::contract::{Body, Effect, GrpcResponse, HttpRequest, Reshaped};
use crate::dead_letter::header::hex_text;
use crate::dead_letter::recording::{Answer, AnswerBody, End, Recording, Round, TransformEnd};
use crate::dead_letter::replayed::{ReplayEnd, Replayed, Rerun};

/// For a person.
pub fn replay_text(replayed: &Replayed) -> String {
    let whose = if replayed.is_same_plugin() { "the plugin that gave up" } else { "another than gave up" };
    let what = match &replayed.rerun {
        Rerun::Attempt { recorded, .. } => format!("attempt {}", recorded.attempt),
        Rerun::Transform { recorded, .. } => format!("transformer {}", printable(&recorded.transformer)),
    };
    let (id, sha256) = (&replayed.id, replayed.short_sha256());
    let mut text = format!("replay of {id}: {what} in plugin {sha256}, {whose}\n");
    match &replayed.rerun {
        Rerun::Attempt { recorded, rounds, end } => text.push_str(&steps_text(recorded, rounds, end)),
        Rerun::Transform { recorded, end } => {
            let (now, before) = (transform_text(end), transform_text(&recorded.end));
            let _ = writeln!(text, "\nit {now}\n\nrecorded: it {before}");
        }
    }
    let _ = writeln!(text, "{}", verdict(replayed));
    text
}

fn steps_text(recorded: &Recording, rounds: &[Round], end: &ReplayEnd) -> String {
    let mut text = String::new();
    for (number, round) in (1..).zip(rounds) {
        let _ = writeln!(text, "\nstep {number} asks");
        for (effect, answer) in round.asked.iter().zip(&round.answered) {
            let _ = writeln!(text, "  {}\n    answered {}", effect_text(effect), answer_text(answer));
        }
    }
    let number = rounds.len() + 1;
    match end {
        ReplayEnd::Ended(end) => {
            let _ = writeln!(text, "\nstep {number} {}", outcome_text(end));
        }
        ReplayEnd::NotRecorded(effects) => {
            let _ = writeln!(text, "\nstep {number} asks for what was not recorded, so here it ends");
            for effect in effects {
                let _ = writeln!(text, "  {}", effect_text(effect));
            }
        }
    }
    let _ = writeln!(text, "\nrecorded: step {} {}", recorded.rounds.len() + 1, outcome_text(&recorded.end));
    text
}

/// For a program.
pub fn replay_json(replayed: &Replayed) -> Value {
    let mut json = json!({
        "id": replayed.id.to_string(),
        "plugin_sha256": hex_text(&replayed.sha256),
        "recorded_plugin_sha256": replayed.recorded_sha256.map(|sha256| hex_text(&sha256)),
        "is_same_plugin": replayed.is_same_plugin(),
        "is_same": replayed.is_same(),
        "is_struck": replayed.is_struck(),
        "verdict": verdict(replayed),
    });
    match &replayed.rerun {
        Rerun::Attempt { recorded, rounds, end } => {
            let (end, not_recorded) = match end {
                ReplayEnd::Ended(end) => (json!(end), Value::Null),
                ReplayEnd::NotRecorded(effects) => (Value::Null, json!(effects)),
            };
            json["attempt"] = json!(recorded.attempt);
            json["rounds"] = json!(rounds);
            json["end"] = end;
            json["not_recorded"] = not_recorded;
            json["recorded"] = json!({"rounds": recorded.rounds, "end": recorded.end});
        }
        Rerun::Transform { recorded, end } => {
            json["transformer"] = json!(recorded.transformer);
            json["end"] = json!(end);
            json["recorded"] = json!({"end": recorded.end});
        }
    }
    json
}

fn verdict(replayed: &Replayed) -> &'static str {
    match (replayed.is_same(), replayed.is_same_plugin(), replayed.is_struck()) {
        (true, _, _) => "the same steps and the same end as recorded, byte by byte",
        (false, false, _) => {
            "another end than recorded, or by other steps: this is what this plugin would do"
        }
        (false, true, true) => {
            "not as recorded: a reply had echoed a secret, which was struck out, and the plugin looks at it"
        }
        (false, true, false) => {
            "not as recorded, though it is the same plugin: it depends on something else than its arguments, or its \
             settings are others now"
        }
    }
}

pub(crate) fn effect_text(effect: &Effect) -> String {
    let HttpRequest { method, url, body, .. } = match effect {
        Effect::Http(request) => &**request,
        Effect::Grpc(call) => {
            return format!("gRPC {} with {} bytes", printable(&call.method), call.message.len());
        }
        Effect::Sql(request) => return printable(&request.to_string()),
    };
    let body = match body {
        Body::None => "no body".to_owned(),
        Body::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Body::EventData => "the event's data".to_owned(),
        Body::OfReply { round, position } => format!("the body of reply {position} of step {}", round + 1),
    };
    format!("{} {} with {body}", printable(method), printable(url))
}

fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Http { status, body: AnswerBody::Bytes(bytes), .. } => {
            format!("{status}, {} bytes", bytes.len())
        }
        Answer::Http { status, body: AnswerBody::Kept { length, .. }, .. } => {
            format!("{status}, {length} bytes kept")
        }
        Answer::Grpc(GrpcResponse { status, message, .. }) => {
            format!("gRPC status {status}, {} bytes", message.as_ref().map_or(0, |message| message.len()))
        }
        Answer::Sql(response) => printable(&response.to_string()),
        Answer::Failed(failure) => format!("nothing: {}", printable(&failure.to_string())),
    }
}

/// How an attempt ended, on one line.
pub(crate) fn outcome_text(end: &End) -> String {
    use crate::contract::Outcome;
    let (name, said) = match end {
        End::Fault(text) => return format!("fails: {}", printable(text)),
        End::Outcome(outcome) => match outcome {
            Outcome::Delivered(_) => (outcome.name(), ""),
            Outcome::Skipped(why) | Outcome::Denied(why) | Outcome::Rejected(why) => {
                (outcome.name(), why.as_str())
            }
            Outcome::Retry(retry) | Outcome::Throttled(retry) => (outcome.name(), retry.reason.as_str()),
            Outcome::Conflict(conflict) => (outcome.name(), conflict.reason.as_str()),
        },
    };
    let said = if said.is_empty() { String::new() } else { format!(": {}", printable(said)) };
    format!("ends: {name}{said}")
}

fn transform_text(end: &TransformEnd) -> String {
    match end {
        TransformEnd::Emitted(parts) => {
            let mut text = format!("makes {} of it", count_text(parts.len()));
            for Reshaped { kind, data, .. } in parts {
                let data = data.as_ref().map_or("no data".to_owned(), |data| format!("{} bytes", data.len()));
                let _ = write!(text, "\n  {} with {data}", printable(kind));
            }
            text
        }
        TransformEnd::Dropped(why) => format!("drops it: {}", printable(why)),
        TransformEnd::Rejected(why) => format!("rejects it: {}", printable(why)),
        TransformEnd::Fault(text) => format!("fails: {}", printable(text)),
    }
}

fn count_text(events: usize) -> String {
    if events == 1 { "1 event".to_owned() } else { format!("{events} events") }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::contract::{Outcome, Receipt};
    use crate::dead_letter::recording::TransformRecording;

    fn put(url: &str) -> Effect {
        let (method, url) = ("PUT".to_owned(), url.to_owned());
        Effect::from(HttpRequest {
            method,
            url,
            headers: vec![],
            body: Body::EventData,
            timeout: None,
            keep_body: false,
        })
    }

    fn replayed(sha256: u8, end: ReplayEnd) -> Replayed {
        let body = AnswerBody::Bytes(Bytes::from_static(b"no such room"));
        let round = Round {
            asked: vec![put("/events/e-1")],
            answered: vec![Answer::Http { status: 400, headers: vec![], body }],
        };
        let recorded = Recording {
            attempt: 2,
            now_ms: 5,
            seed: 7,
            deadline_ms: None,
            idempotency_key: "key-1".to_owned(),
            resolution: None,
            reshaped: None,
            rounds: vec![round.clone()],
            end: End::Outcome(Outcome::Rejected("400".to_owned())),
            is_struck: false,
        };
        of(sha256, Rerun::Attempt { recorded: recorded.into(), rounds: vec![round], end })
    }

    fn of(sha256: u8, rerun: Rerun) -> Replayed {
        let id = "calendar/0/9".parse().unwrap();
        Replayed { id, recorded_sha256: Some([1; 32]), sha256: [sha256; 32], rerun }
    }

    #[test]
    fn what_a_transformer_makes_now_is_shown_beside_what_it_said() {
        let recorded = TransformRecording {
            transformer: "split".to_owned(),
            given: None,
            end: TransformEnd::Rejected("no title".to_owned()),
        };
        let same = of(1, Rerun::Transform { recorded: recorded.clone(), end: recorded.end.clone() });
        assert_eq!(
            replay_text(&same),
            "replay of calendar/0/9: transformer split in plugin 010101010101, the plugin that gave up\n\nit rejects \
             it: no title\n\nrecorded: it rejects it: no title\nthe same steps and the same end as recorded, byte by \
             byte\n"
        );
        let part = Reshaped {
            kind: "item".to_owned(),
            subject: None,
            content_type: None,
            data: Some(Bytes::from_static(b"{}")),
            attributes: Vec::new(),
        };
        let end = TransformEnd::Emitted(vec![part]);
        let mended = of(2, Rerun::Transform { recorded, end });
        let text = replay_text(&mended);
        assert!(text.contains("\nit makes 1 event of it\n  item with 2 bytes\n"), "{text}");
        let json = replay_json(&mended);
        assert_eq!((&json["is_same"], &json["transformer"]), (&json!(false), &json!("split")));
        assert_eq!(json["end"]["emitted"][0]["kind"], "item");
        assert_eq!(json["recorded"]["end"], json!({"rejected": "no title"}));
    }

    #[test]
    fn the_same_is_called_the_same() {
        let same = replayed(1, ReplayEnd::Ended(End::Outcome(Outcome::Rejected("400".to_owned()))));
        assert!(same.is_same() && same.is_same_plugin());
        assert_eq!(
            replay_text(&same),
            "replay of calendar/0/9: attempt 2 in plugin 010101010101, the plugin that gave up\n\nstep 1 asks\n  \
             PUT /events/e-1 with the event's data\n    answered 400, 12 bytes\n\nstep 2 ends: rejected: 400\n\n\
             recorded: step 2 ends: rejected: 400\nthe same steps and the same end as recorded, byte by byte\n"
        );
        assert_eq!(replay_json(&same)["is_same"], true);
    }

    #[test]
    fn what_differs_is_said_and_whose_fault_it_is() {
        let delivered = || ReplayEnd::Ended(End::Outcome(Outcome::Delivered(Receipt::default())));
        let unknown = ReplayEnd::NotRecorded(vec![put("/other")]);
        let mut struck = replayed(1, delivered());
        let Rerun::Attempt { recorded, .. } = &mut struck.rerun else { panic!("an attempt") };
        recorded.is_struck = true;
        for (replayed, expected) in [
            (replayed(1, delivered()), "not as recorded, though it is the same plugin"),
            (struck, "not as recorded: a reply had echoed a secret"),
            (replayed(2, delivered()), "this is what this plugin would do"),
            (replayed(2, unknown), "step 2 asks for what was not recorded, so here it ends\n  PUT /other"),
        ] {
            let text = replay_text(&replayed);
            assert!(!replayed.is_same() && text.contains(expected), "{text}");
        }
    }
}
