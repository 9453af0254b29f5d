//! A store with every limit of a call set, and what a call that failed in it was.
//!
//! In come the limits of a plugin and what belongs to one instance; out go a [`Store`], and a [`Fault`] for each error of
//! wasmtime's. Nothing is called here.

use std::time::Duration;

use wasmtime::component::ResourceTableError;
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::bounds::Refused;
use super::engine::EPOCH;
use super::output::Output;
use super::pool::Turns;
use super::sandbox::Guest;
use crate::config::Limits;
use crate::contract::Fault;

/// What wasmtime says where it has no type to tell it by.
const TOO_MUCH_HANDED_OVER: &str = "fuel allocated for hostcalls has been exhausted";
const TOO_MANY_HANDLES: &str = "store handle limit exceeded";

/// A call that has one turn has outlasted it. A plugin is a pure function, so it can be made again from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call would take longer than one turn")]
pub(super) struct Outlasted;

pub(super) fn store(engine: &Engine, guest: Guest, limits: &Limits, turns: Turns) -> Store<Guest> {
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(limits.result_bytes);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    let budget = ticks(limits.cpu_time);
    // Lets the neighbours run at each tick, or gives up, and stops the guest when its own ticks are used up: time in which
    // it waited for its turn does not count.
    store.epoch_deadline_callback(move |mut context| {
        let guest = context.data_mut();
        guest.ticks += 1;
        guest.host_calls.check()?;
        if guest.ticks > budget {
            return Ok(UpdateDeadline::Interrupt);
        }
        match turns {
            Turns::InSlices => Ok(UpdateDeadline::Yield(1)),
            Turns::One if guest.has_had_its_turn() => Err(Outlasted.into()),
            Turns::One => Ok(UpdateDeadline::Continue(1)),
        }
    });
    store
}

/// What a failed call was.
pub(super) fn fault(
    store: &Store<Guest>,
    error: &wasmtime::Error,
    limits: &Limits,
    stack_bytes: usize,
) -> Fault {
    let guest = store.data();
    let text = format!("{error:#}");
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => return Fault::CpuTime(limits.cpu_time),
        Some(Trap::StackOverflow) => return Fault::Stack(stack_bytes),
        Some(_) | None => {}
    }
    if guest.host_calls.check().is_err() {
        return Fault::HostCalls(limits.host_calls);
    }
    if text.contains(TOO_MUCH_HANDED_OVER) {
        return Fault::ResultSize(limits.result_bytes);
    }
    let is_table_full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
    if is_table_full || text.contains(TOO_MANY_HANDLES) {
        return Fault::Handles(limits.handles);
    }
    if let Some(refused) = guest.memory.refused {
        return match refused {
            Refused::Memory => Fault::Memory(limits.memory_bytes),
            Refused::TableElements => Fault::TableElements(limits.table_elements),
        };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Fault::NoRoom;
    }
    match guest.with_output(Output::last_words) {
        Some(last_words) => Fault::Trap(format!("{text}; the plugin said: {last_words}")),
        None => Fault::Trap(text),
    }
}

fn ticks(time: Duration) -> u32 {
    time.as_millis().div_ceil(EPOCH.as_millis()).try_into().unwrap_or(u32::MAX)
}
