//! The bindings that wasmtime generates from `wit/`, one module a world. `words` translates between them and the host.
//!
//! Arguments are borrowed, so that an event is written into a guest straight from the bytes that Kafka gave.

pub(super) mod connector {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "connector-plugin",
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

/// What goes in comes out here, and so all of it is owned.
pub(super) mod joiner {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "joiner-plugin",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "wasi:logging/logging": crate::plugin::bindings::connector::wasi::logging::logging,
            "wasi:config/store": crate::plugin::bindings::connector::wasi::config::store,
        },
    });
}
