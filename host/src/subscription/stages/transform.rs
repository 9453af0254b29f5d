//! What the transformers of a subscription make of an event: each is given what the one before emitted.

use std::rc::Rc;

use super::verdict::transform_failure;
use super::versions::{Chosen, Past, Version, Versions};
use super::{Done, Stages, Stopped};
use crate::contract::{Fault, Reshaped, Transformed};
use crate::event::Event;
use crate::plugin::{Calls, Transformers};

/// Events that one event may become.
const MAX_PARTS: usize = 1_000;

impl Stages {
    /// Passes an event through all transformers: each is given what the one before emitted.
    pub(super) async fn transform(&self, event: Rc<Event>, is_suspect: bool) -> Done {
        let mut events = vec![event];
        for (name, versions) in &self.transformers {
            let mut emitted = Vec::new();
            let mut dropped = None;
            for event in events {
                let (version, event, result) = by_version(versions, event, is_suspect, emitted.len()).await;
                let stopped =
                    |given| Stopped { transformer: name.clone(), blamed: version.blamed.clone(), given };
                match result {
                    Ok(Transformed::Emit(parts)) => {
                        emitted.extend(parts.into_iter().map(|part| Rc::new(reshape(&event, part))));
                    }
                    Ok(Transformed::Drop(why)) => dropped = Some(why),
                    Ok(Transformed::Reject(why)) => {
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
        Done::Transformed(events.into_iter().map(Rc::unwrap_or_clone).collect())
    }
}

/// One event through the version of a transformer that is its own, and where that is on trial and fails, through the live
/// one.
async fn by_version(
    versions: &Versions<Calls<Transformers>>,
    event: Rc<Event>,
    is_suspect: bool,
    emitted: usize,
) -> (Rc<Version<Calls<Transformers>>>, Rc<Event>, Result<Transformed, Fault>) {
    let Chosen { version, trial, shadow } = versions.choose(&event, &Past::None);
    let (event, result) = transform_one(&version.calls, event, is_suspect, emitted).await;
    if let Some(shadow) = shadow {
        shadow.transform(versions.user(), &event, &result);
    }
    let Some((live, tally)) = trial else { return (version, event, result) };
    let Some(why) = transform_failure(&result) else {
        if result.is_ok() {
            tally.passed();
        }
        return (version, event, result);
    };
    let (event, again) = transform_one(&live.calls, event, is_suspect, emitted).await;
    match transform_failure(&again) {
        None if again.is_ok() => tally.failed(&why),
        // The host had no room to ask.
        None => {}
        Some(_) => tally.passed(),
    }
    (live, event, again)
}

/// One event through one transformer that has made so many of others already. An answer that makes no sense is a fault.
pub(crate) async fn transform_one(
    calls: &Calls<Transformers>,
    event: Rc<Event>,
    is_suspect: bool,
    emitted: usize,
) -> (Rc<Event>, Result<Transformed, Fault>) {
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
