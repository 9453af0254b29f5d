//! The request whose answer is the outcome: the last thing that a connector's function does.

use std::fmt;

use super::rounds::Last;
use super::{Fault, Http, Request, Response, answered};
use crate::failure::Failure;
use crate::outcome::{Outcome, OutcomeKind};
use crate::raw::connector::exports::liaison::plugin::connector::Step;
use crate::raw::connector::liaison::plugin::effects::{Effect, HttpRequest};

/// A request that delivers the event: what it is answered is what came of the attempt. See [`Request::settle`].
#[must_use = "it is asked when the connector's function returns it"]
pub struct Settling {
    request: HttpRequest,
    mistake: Option<String>,
    judge: Box<dyn FnOnce(&Response) -> Outcome>,
}

impl Request<'_> {
    /// Makes it the last thing that the connector's function does: return it. A 2xx delivers the event, and anything
    /// else is what [`Outcome::from_response`] says of it.
    ///
    /// It comes to the same as `Outcome::from_response(&request.send().await?)`, and spares the host a second call of
    /// the plugin where the answer is a 2xx, which is most of the time.
    ///
    /// ```
    /// use liaison_sdk::prelude::*;
    ///
    /// async fn deliver(delivery: &Delivery, http: &Http) -> Result<Settling, Failure> {
    ///     let url = format!("/events/{}", encode_segment(&delivery.event.id));
    ///     Ok(http.put(url).event_data().settle())
    /// }
    /// ```
    pub fn settle(self) -> Settling {
        self.settle_or(Outcome::from_response)
    }

    /// As [`Request::settle`], for a system that uses its statuses in its own way: `judge` says what an answer other
    /// than a 2xx means. Where even a 2xx need not mean that the event is delivered, send it and look at the answer.
    pub fn settle_or(self, judge: impl FnOnce(&Response) -> Outcome + 'static) -> Settling {
        Settling { request: self.effect, mistake: self.mistake, judge: Box::new(judge) }
    }
}

impl Settling {
    /// Asks, where it was not answered before; else ends the attempt with what was answered.
    pub(crate) fn step(self, http: &Http) -> Result<Step, Fault> {
        if let Some(mistake) = self.mistake {
            http.rounds().end()?;
            return Ok(Step::Settle(Failure::Event(mistake).into()));
        }
        let last = http.rounds().last(Effect::Http(self.request))?;
        let response = match last {
            Last::Asked(effect) => return Ok(Step::SettleBy(effect)),
            Last::Answered(effect, reply, place) => answered((effect, reply, place), http.now_ms),
        };
        Ok(Step::Settle(match response {
            Ok(response) if response.is_success() => Outcome::of_kind(OutcomeKind::Delivered, &response),
            Ok(response) => (self.judge)(&response),
            Err(failure) => failure.into(),
        }))
    }
}

impl fmt::Debug for Settling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settling").field("request", &self.request).finish_non_exhaustive()
    }
}
