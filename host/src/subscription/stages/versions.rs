//! The versions of one plugin as one user of it calls them: the live one, one on trial, and those whose last calls end.
//!
//! Lives on one worker thread. A turn takes a version when it begins and keeps it to its end; what the host changes is
//! looked at between turns. Who is served what is the host's decision ([`super::served`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::watch;

use super::either;
use super::served::{Line, Part, Served, Tally};
use super::shadow::{Shadow, User};
use crate::config::PluginName;
use crate::dead_letter::Blamed;
use crate::delivery::ask;
use crate::event::Event;
use crate::plugin::{Calls, Checks, Connectors, Joins, Plugin, PluginError, Transformers};

/// The callers of one version.
pub(super) trait Callers {
    fn poll(&self, context: &mut Context<'_>) -> Poll<()>;
    fn rest(&self);
    fn waiting_with_room(&self) -> usize;
    /// Makes instances before they are wanted; [`is_ready`](Self::is_ready) says when they are there.
    fn prepare(&self);
    fn is_ready(&self) -> bool;
    fn set_on_trial(&self, is_on_trial: bool);
}

/// A connector's.
#[derive(Debug)]
pub(super) struct ConnectorCalls {
    pub(super) deliver: Calls<Connectors>,
    pub(super) check: Calls<Checks>,
    /// Where the connector has a batch.
    pub(super) joins: Option<Calls<Joins>>,
    pub(super) limits: ask::Limits,
}

/// One version.
#[derive(Debug)]
pub(super) struct Version<C> {
    pub(super) calls: C,
    pub(super) blamed: Rc<Blamed>,
    plugin: Arc<Plugin>,
}

pub(super) struct Versions<C> {
    served: RefCell<watch::Receiver<Served>>,
    user: Arc<User>,
    make: Make<C>,
    live: RefCell<Rc<Version<C>>>,
    trial: RefCell<Option<OnTrial<C>>>,
    /// No turn begins with these any more.
    leaving: RefCell<Vec<Rc<Version<C>>>>,
}

/// What makes the callers of a version.
type Make<C> = Box<dyn Fn(&Plugin) -> Result<C, PluginError>>;

struct OnTrial<C> {
    version: Rc<Version<C>>,
    part: Cell<Part>,
    shadow: RefCell<Option<Shadow>>,
    tally: Arc<Tally>,
    /// Its instances are made.
    is_ready: Cell<bool>,
}

/// What came of a delivery before this turn.
pub(super) enum Past<'a> {
    None,
    /// It was attempted, or is a probe: what is doubtful already is not tried with a version that is doubtful too.
    Tried,
    /// It goes on with what a version has asked for: by the sha256 of its plugin, if this process knows it.
    Asked(Option<&'a [u8; 32]>),
}

/// What one turn calls.
pub(super) struct Chosen<C> {
    pub(super) version: Rc<Version<C>>,
    /// Where the version is on trial: who has the last word, and where it is counted.
    pub(super) trial: Option<(Rc<Version<C>>, Arc<Tally>)>,
    /// Where it is live: who is to see what it did.
    pub(super) shadow: Option<Shadow>,
}

impl<C> Chosen<C> {
    /// A version on trial has a part in it.
    pub(super) fn is_watched(&self) -> bool {
        self.trial.is_some() || self.shadow.is_some()
    }
}

impl<C: Callers> Versions<C> {
    pub(super) fn new(
        line: &Line,
        user: User,
        make: impl Fn(&Plugin) -> Result<C, PluginError> + 'static,
    ) -> Result<Self, PluginError> {
        let mut served = line.subscribe();
        let plugin = served.borrow_and_update().live.clone();
        let live = version(plugin, &make)?;
        // A trial is joined with the first look.
        served.mark_changed();
        Ok(Self {
            served: RefCell::new(served),
            user: Arc::new(user),
            make: Box::new(make),
            live: RefCell::new(live),
            trial: RefCell::default(),
            leaving: RefCell::default(),
        })
    }

    /// Looks whether the host has changed what is served. Costs a load where it has not.
    pub(super) fn refresh(&self) {
        let mut served = self.served.borrow_mut();
        // Without a host that changes anything, there is no sender, and this is an error.
        if served.has_changed().unwrap_or(false) {
            let now = served.borrow_and_update().clone();
            drop(served);
            if let Err(error) = self.take(&now) {
                tracing::error!(%error, "a version of a plugin cannot be called here; the one before goes on");
            }
        }
    }

    fn take(&self, served: &Served) -> Result<(), PluginError> {
        let (mut live, mut trial) = (self.live.borrow_mut(), self.trial.borrow_mut());
        let mut leaving = self.leaving.borrow_mut();
        if !Arc::ptr_eq(&live.plugin, &served.live) {
            let proven = trial.take_if(|trial| Arc::ptr_eq(&trial.version.plugin, &served.live));
            let next = match proven {
                Some(proven) => proven.version,
                None => version(served.live.clone(), &self.make)?,
            };
            next.calls.set_on_trial(false);
            leaving.push(std::mem::replace(&mut *live, next));
        }
        let is_known = |known: &OnTrial<C>| {
            served.trial.as_ref().is_some_and(|trial| Arc::ptr_eq(&trial.plugin, &known.version.plugin))
        };
        if let Some(gone) = trial.take_if(|trial| !is_known(trial)) {
            leaving.push(gone.version);
        }
        match (&served.trial, &*trial) {
            (Some(now), Some(known)) => {
                known.part.set(now.part);
                known.shadow.replace(now.shadow.clone());
            }
            (Some(now), None) => {
                let version = version(now.plugin.clone(), &self.make)?;
                version.calls.set_on_trial(true);
                version.calls.prepare();
                let (part, shadow) = (Cell::new(now.part), RefCell::new(now.shadow.clone()));
                let (tally, is_ready) = (now.tally.clone(), Cell::new(false));
                *trial = Some(OnTrial { version, part, shadow, tally, is_ready });
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// The version for a turn of this event.
    pub(super) fn choose(&self, event: &Event, past: &Past<'_>) -> Chosen<C> {
        let live = self.live();
        let trial = self.trial.borrow();
        let Some(trial) = trial.as_ref().filter(|trial| trial.is_ready()) else {
            return Chosen { version: live, trial: None, shadow: None };
        };
        let takes = match past {
            Past::None => trial.part.get().takes(event),
            Past::Tried => false,
            Past::Asked(by) => *by == Some(&trial.version.blamed.sha256),
        };
        if takes {
            let version = trial.version.clone();
            return Chosen { version, trial: Some((live, trial.tally.clone())), shadow: None };
        }
        Chosen { version: live, trial: None, shadow: trial.shadow.borrow().clone() }
    }

    /// Who calls them.
    pub(super) fn user(&self) -> &Arc<User> {
        &self.user
    }

    pub(super) fn live(&self) -> Rc<Version<C>> {
        self.live.borrow().clone()
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        self.each().fold(Poll::Pending, |answered, version| either(answered, version.calls.poll(context)))
    }

    /// Lets go of instances that nobody has needed for a while, and of versions that no turn holds.
    pub(super) fn rest(&self) {
        self.leaving.borrow_mut().retain(|version| Rc::strong_count(version) > 1);
        self.each().for_each(|version| version.calls.rest());
    }

    pub(super) fn waiting_with_room(&self) -> usize {
        self.each().map(|version| version.calls.waiting_with_room()).sum()
    }

    /// All versions that are called. Nearly always there is one.
    fn each(&self) -> impl Iterator<Item = Rc<Version<C>>> {
        let trial = self.trial.borrow().as_ref().map(|trial| trial.version.clone());
        let leaving = self.leaving.borrow();
        let leaving = if leaving.is_empty() { Vec::new() } else { leaving.clone() };
        std::iter::once(self.live()).chain(trial).chain(leaving)
    }
}

impl<C: Callers> OnTrial<C> {
    fn is_ready(&self) -> bool {
        if !self.is_ready.get() {
            self.is_ready.set(self.version.calls.is_ready());
        }
        self.is_ready.get()
    }
}

fn version<C>(
    plugin: Arc<Plugin>,
    make: impl Fn(&Plugin) -> Result<C, PluginError>,
) -> Result<Rc<Version<C>>, PluginError> {
    let calls = make(&plugin)?;
    let blamed = Rc::new(Blamed { plugin: plugin.name.clone(), sha256: plugin.sha256 });
    Ok(Rc::new(Version { calls, blamed, plugin }))
}

impl Callers for ConnectorCalls {
    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let answered = either(self.check.poll(context), self.deliver.poll(context));
        self.joins.as_ref().map_or(answered, |joins| either(answered, joins.poll(context)))
    }

    fn rest(&self) {
        self.deliver.rest();
        self.check.rest();
        self.joins.iter().for_each(Calls::rest);
    }

    fn waiting_with_room(&self) -> usize {
        self.deliver.waiting_with_room()
    }

    /// Its check is asked rarely.
    fn prepare(&self) {
        self.deliver.prepare();
    }

    fn is_ready(&self) -> bool {
        self.deliver.is_ready()
    }

    fn set_on_trial(&self, is_on_trial: bool) {
        self.deliver.set_on_trial(is_on_trial);
        self.joins.iter().for_each(|joins| joins.set_on_trial(is_on_trial));
    }
}

impl Callers for Calls<Transformers> {
    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll(context)
    }

    fn rest(&self) {
        self.rest();
    }

    fn waiting_with_room(&self) -> usize {
        self.waiting_with_room()
    }

    fn prepare(&self) {
        self.prepare();
    }

    fn is_ready(&self) -> bool {
        self.is_ready()
    }

    fn set_on_trial(&self, is_on_trial: bool) {
        self.set_on_trial(is_on_trial);
    }
}

impl<C> std::fmt::Debug for Versions<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name: PluginName = self.live.borrow().blamed.plugin.clone();
        formatter.debug_struct("Versions").field("plugin", &name).finish_non_exhaustive()
    }
}
