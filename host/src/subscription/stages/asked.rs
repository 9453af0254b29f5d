//! Who an attempt asks for its steps: one version of a plugin, or a connector that is linked into the host.

use std::rc::Rc;

use super::joint::OnTrial;
use super::versions::{ConnectorCalls, Version};
use crate::config;
use crate::contract::{Delivery, Fault, Outcome, Step};
use crate::delivery::ask::Limits;
use crate::native::NativeConnector;

/// Who is asked for the steps of an attempt.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    /// And, where it is on trial, beside whom.
    Version(&'a Rc<Version<ConnectorCalls>>, Option<&'a OnTrial>),
    Native(&'a dyn NativeConnector),
}

impl Asked<'_> {
    pub(super) fn sha256(&self) -> Option<[u8; 32]> {
        match self {
            Asked::Version(version, _) => Some(version.blamed.sha256),
            Asked::Native(_) => None,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        match self {
            Asked::Version(version, _) => version.calls.limits,
            Asked::Native(_) => Limits::of(&config::Limits::default(), cfg!(debug_assertions)),
        }
    }

    pub(super) async fn step(
        &self,
        delivery: Box<Delivery>,
        is_suspect: bool,
    ) -> (Box<Delivery>, Result<Step, Fault>) {
        match self {
            Asked::Version(version, _) => version.calls.deliver.call(delivery, is_suspect).await,
            Asked::Native(native) => {
                let step = native.deliver(&delivery);
                (delivery, Ok(step))
            }
        }
    }

    /// Counts a fault that only the attempt could see.
    pub(super) fn count(&self, result: &Result<Outcome, Fault>) {
        if let (Err(fault), Asked::Version(version, _)) = (result, self)
            && !fault.is_of_a_call()
        {
            version.calls.deliver.count(fault);
        }
    }
}
