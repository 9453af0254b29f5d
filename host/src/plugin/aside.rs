//! The thread beside a worker, for calls that would hold up the other connectors of that worker.
//!
//! In come inputs, which the worker keeps too; out go results. One thread beside each thread that needs one, made when it is
//! needed, which ends with it. Each plugin's user has one call under way there, and all take turns by slices, so that one that
//! never ends takes no more than its share there either. Who goes there is for [`super::account`] to say.

use std::cell::{Cell, RefCell};
use std::io;
use std::thread;

use futures_util::future::LocalBoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::pool::{Plan, Pool, Turns, World};
use crate::contract::Fault;

/// Work that is made on the thread that it stays on.
type Work = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

thread_local! {
    /// The way to the thread beside this one.
    static BESIDE: RefCell<Option<mpsc::UnboundedSender<Work>>> = const { RefCell::new(None) };
}

/// A place for the calls of one user of a plugin. Dropped, its instances go.
pub(super) struct Seat<W: World> {
    /// Never more than the caller has under way.
    calls: mpsc::UnboundedSender<Call<W>>,
    was_used: Cell<bool>,
}

struct Call<W: World> {
    inputs: Vec<W::Input>,
    answer: oneshot::Sender<Vec<Result<W::Output, Fault>>>,
}

impl<W: World> Seat<W> {
    pub(super) fn take(plan: &Plan<W>) -> io::Result<Self> {
        let (calls, asked) = mpsc::unbounded_channel();
        let plan = plan.clone();
        let work: Work = Box::new(move || Box::pin(serve(Pool::new(plan, Turns::InSlices), asked)));
        BESIDE.with_borrow_mut(|beside| {
            let unsent = match beside {
                Some(sender) => sender.send(work).err().map(|unsent| unsent.0),
                None => Some(work),
            };
            if let Some(work) = unsent {
                let sender = start()?;
                drop(sender.send(work));
                *beside = Some(sender);
            }
            io::Result::Ok(())
        })?;
        Ok(Self { calls, was_used: Cell::new(true) })
    }

    /// One result an input; `None` where the thread has failed.
    pub(super) async fn call(&self, inputs: &[W::Input]) -> Option<Vec<Result<W::Output, Fault>>> {
        self.was_used.set(true);
        let (answer, answered) = oneshot::channel();
        self.calls.send(Call { inputs: inputs.to_vec(), answer }).ok()?;
        answered.await.ok()
    }

    /// Whether there was a call since this was asked last.
    pub(super) fn was_used(&self) -> bool {
        self.was_used.replace(false)
    }
}

/// Makes the calls of one seat, one after another.
async fn serve<W: World>(pool: Pool<W>, mut asked: mpsc::UnboundedReceiver<Call<W>>) {
    while let Some(Call { inputs, mut answer }) = asked.recv().await {
        if answer.is_closed() {
            continue;
        }
        let outputs = tokio::select! {
            biased;
            // Nobody waits any more: the subscription has ended.
            () = answer.closed() => continue,
            outputs = pool.call_batch(&inputs) => outputs,
        };
        // What is shared is the caller's alone again when it is answered.
        drop(inputs);
        // Calls in slices outlast no turn.
        if let Ok(outputs) = outputs {
            drop(answer.send(outputs));
        }
        if asked.is_empty() {
            pool.tend().await;
        }
    }
}

fn start() -> io::Result<mpsc::UnboundedSender<Work>> {
    let (sender, mut works) = mpsc::unbounded_channel::<Work>();
    let name = thread::current().name().unwrap_or("worker").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name(format!("{name} aside")).spawn(move || {
        LocalSet::new().block_on(&runtime, async {
            while let Some(work) = works.recv().await {
                tokio::task::spawn_local(work());
            }
        });
    })?;
    Ok(sender)
}

impl<W: World> std::fmt::Debug for Seat<W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Seat").finish_non_exhaustive()
    }
}
