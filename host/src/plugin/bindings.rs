//! The bindings that wasmtime generates from `wit/`, one module a kind of plugin. `words` translates between them and the
//! host.
//!
//! Arguments are borrowed, so that an event is written into a guest straight from the bytes that Kafka gave. What goes both
//! ways has two types: one that is borrowed, and one that is owned.

/// A connector, and what it may export beside. Each of its exports is looked for by itself.
pub(super) mod connector {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "joining-connector-plugin",
        ownership: Borrowing { duplicate_if_necessary: true },
        imports: { default: trappable },
        exports: { default: async },
    });
}

pub(super) mod transformer {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "transformer-plugin",
        ownership: Borrowing { duplicate_if_necessary: true },
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "liaison:plugin/types": crate::plugin::bindings::connector::liaison::plugin::types,
            "wasi:logging/logging": crate::plugin::bindings::connector::wasi::logging::logging,
            "wasi:config/store": crate::plugin::bindings::connector::wasi::config::store,
        },
    });
}
