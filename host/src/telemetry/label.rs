//! The labels of the metrics: closed sets of values, and handles that were looked up beforehand.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use crate::contract::{Fault, Outcome, SqlErrorKind, SqlResponse};

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

impl FaultKind {
    /// `None` for what is not the plugin's doing.
    pub fn of(fault: &Fault) -> Option<FaultKind> {
        match fault {
            Fault::Trap(_) => Some(FaultKind::Trap),
            Fault::CpuTime(_) => Some(FaultKind::CpuTime),
            Fault::WallTime(_) => Some(FaultKind::WallTime),
            Fault::Stack(_) => Some(FaultKind::Stack),
            Fault::Memory(_) => Some(FaultKind::Memory),
            Fault::TableElements(_) => Some(FaultKind::TableElements),
            Fault::Handles(_) => Some(FaultKind::Handles),
            Fault::HostCalls(_) => Some(FaultKind::HostCalls),
            Fault::ResultSize(_) => Some(FaultKind::ResultSize),
            Fault::Steps(_) => Some(FaultKind::Steps),
            Fault::Effects { .. } => Some(FaultKind::Effects),
            Fault::RequestHead { .. } => Some(FaultKind::RequestHead),
            Fault::RequestBody { .. } => Some(FaultKind::RequestBody),
            Fault::WrongLength { .. } => Some(FaultKind::WrongLength),
            Fault::Inconsistent(_) => Some(FaultKind::Inconsistent),
            Fault::Nonsense(_) => Some(FaultKind::Nonsense),
            Fault::Changed(_) => Some(FaultKind::Changed),
            Fault::NoRoom | Fault::Unwritten(_) => None,
        }
    }
}

impl AttemptOutcome {
    /// As [`Outcome::name`] names it.
    pub fn of(outcome: &Outcome) -> AttemptOutcome {
        match outcome {
            Outcome::Delivered(_) => AttemptOutcome::Delivered,
            Outcome::Skipped(_) => AttemptOutcome::Skipped,
            Outcome::Retry(_) => AttemptOutcome::Retry,
            Outcome::Throttled(_) => AttemptOutcome::Throttled,
            Outcome::Denied(_) => AttemptOutcome::Denied,
            Outcome::Conflict(_) => AttemptOutcome::Conflict,
            Outcome::Rejected(_) => AttemptOutcome::Rejected,
        }
    }
}

impl StatusClass {
    /// By the first digit; a status that HTTP does not know counts as failed.
    pub fn of(status: u16) -> StatusClass {
        match status / 100 {
            1 => StatusClass::Informational,
            2 => StatusClass::Successful,
            3 => StatusClass::Redirection,
            4 => StatusClass::ClientError,
            5 => StatusClass::ServerError,
            _ => StatusClass::Failed,
        }
    }

    /// OK is a success; UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS are the server's
    /// fault, all others the caller's.
    pub fn of_grpc(status: u32) -> StatusClass {
        match status {
            0 => StatusClass::Successful,
            2 | 4 | 12..=15 => StatusClass::ServerError,
            _ => StatusClass::ClientError,
        }
    }

    /// What a database cannot do now is its own fault, as is what nobody knows the kind of; all else is the caller's.
    pub fn of_sql(response: &SqlResponse) -> StatusClass {
        match response {
            SqlResponse::Done(_) => StatusClass::Successful,
            SqlResponse::Error(error) => match error.kind {
                SqlErrorKind::Unavailable | SqlErrorKind::Other => StatusClass::ServerError,
                SqlErrorKind::Constraint
                | SqlErrorKind::Data
                | SqlErrorKind::Serialization
                | SqlErrorKind::Statement
                | SqlErrorKind::Permission
                | SqlErrorKind::TooManyRows => StatusClass::ClientError,
            },
        }
    }
}

/// The state of a circuit breaker, as the value of a gauge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    HalfOpen,
    Open,
}

impl BreakerState {
    pub(super) fn code(self) -> i64 {
        match self {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        }
    }
}

/// One handle for each value of a label: `handles[Settlement::Delivered]` costs an index.
#[derive(Clone)]
pub struct ByLabel<L, M> {
    handles: Box<[M]>,
    label: PhantomData<L>,
}

impl<L: Label, M> ByLabel<L, M> {
    pub(super) fn new(handle: impl FnMut(L) -> M) -> ByLabel<L, M> {
        ByLabel { handles: L::ALL.iter().copied().map(handle).collect(), label: PhantomData }
    }
}

impl<L: Label, M> Index<L> for ByLabel<L, M> {
    type Output = M;

    fn index(&self, label: L) -> &M {
        &self.handles[label.position()]
    }
}

impl<L, M: fmt::Debug> fmt::Debug for ByLabel<L, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handles.fmt(formatter)
    }
}

/// What a series is about: the names that come from the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Names(Vec<(&'static str, String)>);

impl Names {
    pub(super) fn new<const COUNT: usize>(names: [(&'static str, &str); COUNT]) -> Names {
        Names(names.into_iter().map(|(label, name)| (label, name.to_owned())).collect())
    }

    /// The value of one of them.
    pub(super) fn get(&self, label: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == label).map(|(_, value)| value.as_str())
    }

    pub(super) fn alone(&self) -> Labels {
        Labels { names: self.0.clone(), label: None }
    }

    pub(super) fn with<L: Label>(&self, label: L) -> Labels {
        Labels { names: self.0.clone(), label: Some((L::NAME, label.value())) }
    }
}

/// All labels of one series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Labels {
    names: Vec<(&'static str, String)>,
    label: Option<(&'static str, &'static str)>,
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (label, name) in &self.names {
            (*label, name.as_str()).encode(encoder.encode_label())?;
        }
        match self.label {
            Some(label) => label.encode(encoder.encode_label()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Conflict, Receipt, Retry};

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

    #[test]
    fn an_outcome_is_counted_under_its_name() {
        let retry = Retry { after: None, reason: String::new() };
        let conflict = Conflict { version: None, current: None, reason: String::new() };
        for outcome in [
            Outcome::Delivered(Receipt::default()),
            Outcome::Skipped(String::new()),
            Outcome::Retry(retry.clone()),
            Outcome::Throttled(retry),
            Outcome::Denied(String::new()),
            Outcome::Conflict(conflict),
            Outcome::Rejected(String::new()),
        ] {
            assert_eq!(AttemptOutcome::of(&outcome).value(), outcome.name());
        }
    }

    #[test]
    fn a_status_is_classed_by_its_first_digit() {
        for (status, expected) in [
            (100, "1xx"),
            (204, "2xx"),
            (304, "3xx"),
            (429, "4xx"),
            (599, "5xx"),
            (0, "failed"),
            (600, "failed"),
        ] {
            assert_eq!(StatusClass::of(status).value(), expected);
        }
        for (status, expected) in [(0, "2xx"), (5, "4xx"), (14, "5xx"), (16, "4xx"), (99, "4xx")] {
            assert_eq!(StatusClass::of_grpc(status).value(), expected);
        }
    }
}
