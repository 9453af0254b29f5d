//! Strikes secrets out of a recording, and out of what a plugin says: everything that may hold what a reply echoed.

use bytes::Bytes;

use super::{Answer, AnswerBody, End, Recording, Round};
use crate::config::mask::Mask;
use crate::contract::{
    Body, Conflict, Effect, Failure, Fault, GrpcRequest, GrpcResponse, HttpRequest, Outcome, Receipt,
    Resolution, cut_reason,
};

/// Strikes secrets out of what came of an attempt, so that no log, alert or dead letter repeats them, and cuts a reason that is
/// too long. A fault is as long as the host makes it.
pub fn strike_result(result: &mut Result<Outcome, Fault>, mask: &Mask) {
    let _is_struck = match result {
        Ok(outcome) => outcome.strike(mask),
        Err(
            Fault::Trap(text)
            | Fault::Inconsistent(text)
            | Fault::Nonsense(text)
            | Fault::Changed(text)
            | Fault::Unwritten(text),
        ) => text.strike(mask),
        Err(
            Fault::CpuTime(_)
            | Fault::WallTime(_)
            | Fault::Stack(_)
            | Fault::Memory(_)
            | Fault::TableElements(_)
            | Fault::Handles(_)
            | Fault::HostCalls(_)
            | Fault::ResultSize(_)
            | Fault::Steps(_)
            | Fault::Effects { .. }
            | Fault::RequestHead { .. }
            | Fault::RequestBody { .. }
            | Fault::WrongLength { .. }
            | Fault::NoRoom,
        ) => false,
    };
}

/// Strikes secrets out of what a plugin says for a person, and cuts it then. Says whether there were any.
pub(crate) fn strike_reason(reason: &mut String, mask: &Mask) -> bool {
    let is_struck = mask.text(reason);
    cut_reason(reason);
    is_struck
}

/// Strikes secrets out of what was asked and answered.
pub(crate) fn strike_exchange(asked: &mut Effect, answered: &mut Answer, mask: &Mask) {
    let _is_struck = asked.strike(mask) | answered.strike(mask);
}

/// Something that may hold secrets.
pub(super) trait Strike {
    /// Strikes them out; says whether there were any.
    fn strike(&mut self, mask: &Mask) -> bool;
}

impl Strike for String {
    fn strike(&mut self, mask: &Mask) -> bool {
        mask.text(self)
    }
}

impl Strike for Bytes {
    fn strike(&mut self, mask: &Mask) -> bool {
        mask.bytes(self)
    }
}

impl<T: Strike> Strike for Option<T> {
    fn strike(&mut self, mask: &Mask) -> bool {
        self.as_mut().is_some_and(|value| value.strike(mask))
    }
}

impl<T: Strike> Strike for Vec<T> {
    fn strike(&mut self, mask: &Mask) -> bool {
        // Each of them, whatever the ones before were.
        self.iter_mut().fold(false, |is_struck, value| value.strike(mask) | is_struck)
    }
}

impl Strike for (String, String) {
    fn strike(&mut self, mask: &Mask) -> bool {
        self.1.strike(mask)
    }
}

impl Strike for Recording {
    /// The reshaped event is left: it was made of the original alone.
    fn strike(&mut self, mask: &Mask) -> bool {
        let end = match &mut self.end {
            End::Outcome(outcome) => outcome.strike(mask),
            End::Fault(text) => text.strike(mask),
        };
        self.rounds.strike(mask) | self.resolution.strike(mask) | end
    }
}

impl Strike for Round {
    fn strike(&mut self, mask: &Mask) -> bool {
        self.asked.strike(mask) | self.answered.strike(mask)
    }
}

impl Strike for Effect {
    fn strike(&mut self, mask: &Mask) -> bool {
        match self {
            Effect::Http(request) => {
                let HttpRequest { url, headers, body, .. } = &mut **request;
                url.strike(mask) | headers.strike(mask) | body.strike(mask)
            }
            Effect::Grpc(request) => {
                let GrpcRequest { metadata, message, .. } = &mut **request;
                metadata.strike(mask) | message.strike(mask)
            }
            Effect::Sql(request) => request.strike(mask),
        }
    }
}

impl Strike for Body {
    fn strike(&mut self, mask: &Mask) -> bool {
        match self {
            Body::Bytes(bytes) => bytes.strike(mask),
            Body::None | Body::EventData | Body::OfReply { .. } => false,
        }
    }
}

impl Strike for Answer {
    fn strike(&mut self, mask: &Mask) -> bool {
        match self {
            Answer::Http { headers, body: AnswerBody::Bytes(bytes), .. } => {
                headers.strike(mask) | bytes.strike(mask)
            }
            Answer::Http { headers, body: AnswerBody::Kept { .. }, .. } => headers.strike(mask),
            Answer::Grpc(GrpcResponse { status_message, metadata, message, .. }) => {
                status_message.strike(mask) | metadata.strike(mask) | message.strike(mask)
            }
            Answer::Sql(response) => response.strike(mask),
            Answer::Failed(
                Failure::NotAllowed(text)
                | Failure::Invalid(text)
                | Failure::Connection(text)
                | Failure::Unsupported(text)
                | Failure::Other(text),
            ) => text.strike(mask),
            Answer::Failed(Failure::TimedOut | Failure::TooLarge(_)) => false,
        }
    }
}

impl Strike for Resolution {
    fn strike(&mut self, mask: &Mask) -> bool {
        match self {
            Resolution::Overwrite(version) => version.strike(mask),
            Resolution::Merged { data, version } => data.strike(mask) | version.strike(mask),
        }
    }
}

impl Strike for Outcome {
    fn strike(&mut self, mask: &Mask) -> bool {
        match self {
            Outcome::Delivered(Receipt { external_id, version }) => {
                external_id.strike(mask) | version.strike(mask)
            }
            Outcome::Skipped(text) | Outcome::Denied(text) | Outcome::Rejected(text) => {
                strike_reason(text, mask)
            }
            Outcome::Retry(retry) | Outcome::Throttled(retry) => strike_reason(&mut retry.reason, mask),
            Outcome::Conflict(conflict) => {
                let Conflict { version, current, reason } = conflict;
                version.strike(mask) | current.strike(mask) | strike_reason(reason, mask)
            }
        }
    }
}
