//! The interfaces of `wit/` that a component may export: each is found once a component, and loaded once an instance.

use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Engine, Store};

use super::bindings::{connector, transformer};
use super::sandbox::Guest;

/// One of them.
pub(crate) trait Interface: Sized + 'static {
    /// Where its functions are in the component.
    type Indices: Clone + Send + Sync + 'static;

    fn find(pre: &InstancePre<Guest>) -> wasmtime::Result<Self::Indices>;

    /// Fails where its functions are of other types than the contract says.
    fn load(indices: &Self::Indices, store: &mut Store<Guest>, instance: &Instance)
    -> wasmtime::Result<Self>;
}

/// A component that exports one of them: what instances are made of.
pub(crate) struct Exporter<I: Interface> {
    pre: InstancePre<Guest>,
    indices: I::Indices,
}

impl<I: Interface> Exporter<I> {
    pub(super) fn new(pre: &InstancePre<Guest>) -> wasmtime::Result<Self> {
        Ok(Self { pre: pre.clone(), indices: I::find(pre)? })
    }

    pub(super) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    pub(super) async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<I> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        I::load(&self.indices, store, &instance)
    }
}

impl<I: Interface> Clone for Exporter<I> {
    fn clone(&self) -> Self {
        Self { pre: self.pre.clone(), indices: self.indices.clone() }
    }
}

/// Of the bindings of one interface.
macro_rules! interface {
    ($($module:ident)::+) => {
        impl Interface for $($module)::+::Guest {
            type Indices = $($module)::+::GuestIndices;

            fn find(pre: &InstancePre<Guest>) -> wasmtime::Result<Self::Indices> {
                Self::Indices::new(pre)
            }

            fn load(
                indices: &Self::Indices,
                store: &mut Store<Guest>,
                instance: &Instance,
            ) -> wasmtime::Result<Self> {
                indices.load(store, instance)
            }
        }
    };
}

interface!(connector::exports::liaison::plugin::connector);
interface!(connector::exports::liaison::plugin::joiner);
interface!(transformer::exports::liaison::plugin::transformer);
