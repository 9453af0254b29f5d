//! The labels of the metrics: closed sets of values. What belongs to which of them is in `class`.

use super::series::{Labels, Names};

/// A label with few values, all of them known.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// All values, each at its own position.
    const ALL: &'static [Self];

    fn value(self) -> &'static str;
    fn position(self) -> usize;
}

macro_rules! labels {
    ($($(#[$doc:meta])* $label:ident($name:literal) { $($(#[$variant_doc:meta])* $variant:ident = $value:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $label {
            $($(#[$variant_doc])* $variant,)*
        }

        impl Label for $label {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$($label::$variant,)*];

            fn value(self) -> &'static str {
                match self {
                    $($label::$variant => $value,)*
                }
            }

            fn position(self) -> usize {
                self as usize
            }
        }
    )*

        impl Names {
            /// All series that there can be with these names.
            pub(super) fn series(&self) -> Vec<Labels> {
                let mut all = vec![self.alone()];
                $(all.extend($label::ALL.iter().map(|label| self.with(*label)));)*
                all
            }
        }
    };
}

labels! {
    /// How a delivery ended.
    Settlement("kind") {
        Delivered = "delivered",
        Filtered = "filtered",
        Superseded = "superseded",
        DeadLettered = "dead-lettered",
    }

    /// What came of an attempt: the plugin's outcome, or its fault.
    AttemptOutcome("outcome") {
        Delivered = "delivered",
        Skipped = "skipped",
        Retry = "retry",
        Throttled = "throttled",
        Denied = "denied",
        Conflict = "conflict",
        Rejected = "rejected",
        Fault = "fault",
    }

    /// Why an event became a dead letter.
    DeadLetterReason("reason") {
        /// The record is no event.
        Undecodable = "undecodable",
        /// The filter's expression could not tell.
        FilterFailed = "filter-failed",
        /// A transformer rejected it.
        TransformRejected = "transform-rejected",
        /// The connector rejected it.
        Rejected = "rejected",
        AttemptsSpent = "attempts-spent",
        GaveUp = "gave-up",
        /// The conflict policy leaves it to a person.
        Conflict = "conflict",
        PluginFault = "plugin-fault",
    }

    /// What was decided of a conflict.
    ConflictDecision("decision") {
        /// The event is written over what the external system holds.
        Overwrite = "overwrite",
        /// What was made of both is written.
        Merged = "merged",
        /// The external system keeps what it holds.
        Superseded = "superseded",
        /// Both say the same.
        AlreadyThere = "already-there",
        /// A person decides.
        Manual = "manual",
        /// A person decides, because the external system changed at every try.
        Endless = "endless",
    }

    CommitResult("result") {
        Succeeded = "succeeded",
        Failed = "failed",
    }

    /// The function of a plugin that was called.
    PluginFunction("function") {
        Transform = "transform",
        Deliver = "deliver",
        Check = "check",
        /// And `split`.
        Join = "join",
    }

    /// What came of a request that did what several deliveries asked for.
    JointResult("result") {
        Done = "done",
        /// By the external system: each half was asked for by itself.
        Refused = "refused",
        /// The external system is not well, or lets nobody in.
        Failed = "failed",
    }

    /// What a plugin did wrong.
    FaultKind("kind") {
        Trap = "trap",
        CpuTime = "cpu-time",
        WallTime = "wall-time",
        Stack = "stack",
        Memory = "memory",
        TableElements = "table-elements",
        Handles = "handles",
        HostCalls = "host-calls",
        ResultSize = "result-size",
        Steps = "steps",
        Effects = "effects",
        RequestHead = "request-head",
        RequestBody = "request-body",
        /// Not one result an event.
        WrongLength = "wrong-length",
        /// Two answers to the same arguments.
        Inconsistent = "inconsistent",
        /// An answer that breaks the contract in another way.
        Nonsense = "nonsense",
        /// It asks for something else than what is journalled.
        Changed = "changed",
    }

    /// What became of a new version of a plugin.
    SwapResult("result") {
        /// It is live.
        Accepted = "accepted",
        /// Too many of its events failed.
        RolledBack = "rolled-back",
        /// It did not load, or is not what is allowed.
        Refused = "refused",
        /// Another one came before it was accepted.
        Replaced = "replaced",
    }

    /// What a version that shadows would have done, beside what was done.
    ShadowResult("result") {
        Same = "same",
        Different = "different",
        /// Not compared: too many others waited.
        Dropped = "dropped",
    }

    /// What a version of a plugin is now.
    VersionState("state") {
        Live = "live",
        Trial = "trial",
    }

    /// The limit of a plugin's log that dropped a line.
    LogLimit("limit") {
        /// Lines of one call.
        Lines = "log-lines",
        /// Bytes of one call.
        Bytes = "log-bytes",
        /// Lines of one second.
        Rate = "log-rate",
    }

    /// Did an event meet the deadline of its SLA?
    SlaResult("result") {
        Met = "met",
        Missed = "missed",
    }

    /// A window over which the error budget's burning is measured.
    BurnWindow("window") {
        Fast = "fast",
        FastShort = "fast-short",
        Slow = "slow",
        SlowShort = "slow-short",
    }

    /// Who is told of alerts.
    AlertReceiver("receiver") {
        Log = "log",
        Webhook = "webhook",
        Email = "email",
    }

    /// What came of a reload of the configuration.
    ReloadResult("result") {
        Applied = "applied",
        /// The host goes on as it was.
        Refused = "refused",
    }

    /// What came of asking the schema registry.
    RegistryResult("result") {
        Found = "found",
        /// It knows no such schema.
        Unknown = "unknown",
        /// It did not answer, or not as a registry.
        Failed = "failed",
    }

    /// What a request to the intake was answered.
    IntakeAnswer("answer") {
        Done = "done",
        /// It is no event, or in no form that is taken.
        Malformed = "malformed",
        /// By its token, or its client.
        Denied = "denied",
        NotFound = "not-found",
        TimedOut = "timed-out",
        TooLarge = "too-large",
        /// Not as its type's schema says, or of a type without a topic.
        Invalid = "invalid",
        Busy = "busy",
        /// Kafka did not take all of it.
        Unavailable = "unavailable",
    }

    /// What a request was answered with: the class of an HTTP status, and what is nearest to it of gRPC's.
    StatusClass("status") {
        Informational = "1xx",
        Successful = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
        /// Not at all.
        Failed = "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;
    use crate::telemetry::series::ByLabel;

    #[test]
    fn each_value_stands_at_its_own_position() {
        fn check<L: Label + fmt::Debug + PartialEq>() {
            let handles: ByLabel<L, L> = ByLabel::new(|label| label);
            for label in L::ALL {
                assert_eq!(handles[*label], *label);
            }
        }
        check::<Settlement>();
        check::<AttemptOutcome>();
        check::<DeadLetterReason>();
        check::<ConflictDecision>();
        check::<FaultKind>();
        check::<LogLimit>();
        check::<BurnWindow>();
        check::<AlertReceiver>();
        check::<SwapResult>();
        check::<ShadowResult>();
        check::<VersionState>();
        check::<StatusClass>();
    }
}
