//! What the transformers of a subscription make of an event: each is given what the one before emitted.

use std::rc::Rc;
use std::sync::Arc;

use super::served::Tally;
use super::verdict::{fault_of, transform_failure};
use super::versions::{Chosen, Past, Version, Versions};
use super::{Done, Stages, Stopped};
use crate::contract::{Fault, Reshaped, Transformed, cut_reason};
use crate::event::Event;
use crate::plugin::{Calls, Transformers};

/// Events that one event may become.
const MAX_PARTS: usize = 1_000;

impl Stages {
    /// Passes an event through all transformers: each is given what the one before emitted. With `by_live` none is asked that
    /// is on trial. Where one fails on what others on trial have emitted, all of it is made anew by the live versions.
    pub(super) async fn transform(&self, event: Arc<Event>, is_suspect: bool, by_live: bool) -> Done {
        let mut tried = Vec::new();
        let done = self.transform_by(event.clone(), is_suspect, by_live, &mut tried).await;
        let why = match done {
            Done::Transformed { parts, .. } => return Done::Transformed { parts, tried },
            Done::TransformRejected { ref why, .. } => Some(format!("rejected: {why}")),
            Done::TransformFault { ref fault, .. } => fault_of(fault),
            Done::Dropped(_) | Done::NotUsable(_) | Done::Attempted { .. } => {
                tried.iter().for_each(|tally| tally.passed());
                return done;
            }
        };
        let Some(why) = why.filter(|_| !tried.is_empty()) else { return done };
        let again = self.transform_by(event, is_suspect, true, &mut Vec::new()).await;
        let is_better = matches!(again, Done::Transformed { .. } | Done::Dropped(_));
        for tally in tried {
            if is_better {
                tally.failed(&format!("another transformer failed on what it emitted: {why}"));
            } else {
                tally.passed();
            }
        }
        again
    }

    /// Notes whom of those on trial it is made by.
    async fn transform_by(
        &self,
        event: Arc<Event>,
        is_suspect: bool,
        by_live: bool,
        tried: &mut Vec<Arc<Tally>>,
    ) -> Done {
        let mut events = vec![event];
        for (name, versions) in &self.transformers {
            let mut emitted = Vec::new();
            let mut dropped = None;
            for event in events {
                let past = if by_live { Past::Tried } else { Past::None };
                let made = by_version(versions, event, &past, is_suspect, emitted.len()).await;
                let Made { version, event, result, tally } = made;
                tried.extend(tally.filter(|tally| !tried.iter().any(|known| Arc::ptr_eq(known, tally))));
                let stopped =
                    |given| Stopped { transformer: name.clone(), blamed: version.blamed.clone(), given };
                match result {
                    Ok(Transformed::Emit(parts)) => {
                        emitted.extend(parts.into_iter().map(|part| Arc::new(reshape(&event, part))));
                    }
                    Ok(Transformed::Drop(mut why)) => {
                        cut_reason(&mut why);
                        dropped = Some(why);
                    }
                    Ok(Transformed::Reject(mut why)) => {
                        cut_reason(&mut why);
                        return Done::TransformRejected { stopped: stopped(event), why };
                    }
                    Err(fault) => return Done::TransformFault { stopped: stopped(event), fault },
                }
            }
            if let (true, Some(why)) = (emitted.is_empty(), dropped) {
                return Done::Dropped(why);
            }
            events = emitted;
        }
        let parts = events.into_iter().map(Arc::unwrap_or_clone).collect();
        Done::Transformed { parts, tried: Vec::new() }
    }
}

/// What came of one event and one transformer.
struct Made {
    version: Rc<Version<Calls<Transformers>>>,
    event: Arc<Event>,
    result: Result<Transformed, Fault>,
    /// Of a version on trial that has emitted something: it is judged by what becomes of that.
    tally: Option<Arc<Tally>>,
}

/// One event through the version of a transformer that is its own, and where that is on trial and fails, through the live
/// one.
async fn by_version(
    versions: &Versions<Calls<Transformers>>,
    event: Arc<Event>,
    past: &Past<'_>,
    is_suspect: bool,
    emitted: usize,
) -> Made {
    let Chosen { version, trial, shadow } = versions.choose(&event, past);
    let (event, result) = transform_one(&version.calls, event, is_suspect, emitted).await;
    if let Some(shadow) = shadow {
        shadow.transform(versions.user(), &event, &result);
    }
    let Some((live, tally)) = trial else { return Made { version, event, result, tally: None } };
    let Some(why) = transform_failure(&result) else {
        let is_emitted = matches!(result, Ok(Transformed::Emit(_)));
        if result.is_ok() && !is_emitted {
            tally.passed();
        }
        return Made { version, event, result, tally: is_emitted.then_some(tally) };
    };
    let (event, again) = transform_one(&live.calls, event, is_suspect, emitted).await;
    match transform_failure(&again) {
        None if again.is_ok() => tally.failed(&why),
        // The host had no room to ask.
        None => {}
        Some(_) => tally.passed(),
    }
    Made { version: live, event, result: again, tally: None }
}

/// One event through one transformer that has made so many of others already. An answer that makes no sense is a fault.
pub(crate) async fn transform_one(
    calls: &Calls<Transformers>,
    event: Arc<Event>,
    is_suspect: bool,
    emitted: usize,
) -> (Arc<Event>, Result<Transformed, Fault>) {
    let (event, result) = calls.call(event, is_suspect).await;
    let nonsense = match &result {
        Ok(Transformed::Emit(parts)) if parts.is_empty() => "emit without an event: use drop".to_owned(),
        Ok(Transformed::Emit(parts)) if emitted + parts.len() > MAX_PARTS => {
            format!("more than {MAX_PARTS} events from one")
        }
        Ok(_) | Err(_) => return (event, result),
    };
    let fault = Fault::Nonsense(nonsense);
    calls.count(&fault);
    (event, Err(fault))
}

/// What the transformer gave replaces what the event had; identity, time, key and origin stay.
fn reshape(event: &Event, reshaped: Reshaped) -> Event {
    Event {
        kind: reshaped.kind,
        subject: reshaped.subject,
        content_type: reshaped.content_type,
        data: reshaped.data,
        attributes: reshaped.attributes,
        id: event.id.clone(),
        source: event.source.clone(),
        time: event.time,
        key: event.key.clone(),
        origin: event.origin.clone(),
    }
}
