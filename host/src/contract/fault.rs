//! What goes wrong inside a plugin, as a value: whose doing it is, and which limit it met.

use std::time::Duration;

/// What went wrong inside a plugin. The host tries again in a fresh instance; the third fault of an event ends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the plugin trapped: {0}")]
    Trap(String),
    #[error("the plugin used up its {0:?} of CPU time (limits.cpu-time)")]
    CpuTime(Duration),
    #[error("the plugin's call took longer than {0:?} (limits.wall-time)")]
    WallTime(Duration),
    #[error("the plugin's functions call each other too deeply for a stack of {0} bytes (runtime.stack)")]
    Stack(usize),
    #[error("the plugin wanted more than its {0} bytes of memory (limits.memory)")]
    Memory(usize),
    #[error("the plugin wanted more than {0} elements in its tables (limits.table-elements)")]
    TableElements(usize),
    #[error("the plugin wanted to hold more than {0} resources at once (limits.handles)")]
    Handles(usize),
    #[error("the plugin called the host more than {0} times in one call (limits.host-calls)")]
    HostCalls(u32),
    #[error("the plugin's answer is larger than {0} bytes (limits.result)")]
    ResultSize(usize),
    #[error("the plugin came to no outcome after {0} steps (limits.steps)")]
    Steps(u32),
    #[error("the plugin wanted a step that performs {count} effects, more than {limit} (limits.effects)")]
    Effects { count: usize, limit: usize },
    #[error(
        "the plugin wanted a request with {bytes} bytes of address and headers, more than {limit} (limits.request-head)"
    )]
    RequestHead { bytes: usize, limit: usize },
    #[error(
        "the plugin wanted a request with a body of {bytes} bytes, more than {limit} (limits.request-body)"
    )]
    RequestBody { bytes: usize, limit: usize },
    #[error("the plugin answered {got} results for {expected} events")]
    WrongLength { expected: usize, got: usize },
    #[error("the plugin gave two answers to the same arguments: {0}")]
    Inconsistent(String),
    #[error("the plugin's answer makes no sense: {0}")]
    Nonsense(String),
    #[error("the plugin has changed while the event was half delivered: {0}")]
    Changed(String),
    /// Not the plugin's doing: all instances of the pool are taken.
    #[error("no plugin instance is free (runtime.instances)")]
    NoRoom,
    /// Not the plugin's doing either: what it was answered cannot be kept, so nothing more may be done.
    #[error("the journal cannot be written: {0}")]
    Unwritten(String),
}

impl Fault {
    /// It ended a call, and was seen there: not in what the call answered.
    pub(crate) fn is_of_a_call(&self) -> bool {
        match self {
            Fault::Trap(_)
            | Fault::CpuTime(_)
            | Fault::WallTime(_)
            | Fault::Stack(_)
            | Fault::Memory(_)
            | Fault::TableElements(_)
            | Fault::Handles(_)
            | Fault::HostCalls(_)
            | Fault::ResultSize(_)
            | Fault::WrongLength { .. }
            | Fault::Inconsistent(_)
            | Fault::NoRoom => true,
            Fault::Steps(_)
            | Fault::Effects { .. }
            | Fault::RequestHead { .. }
            | Fault::RequestBody { .. }
            | Fault::Nonsense(_)
            | Fault::Changed(_)
            | Fault::Unwritten(_) => false,
        }
    }
}
