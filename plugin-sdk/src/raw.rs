//! The bindings of `wit/`, as generated: for tools and tests that must say what the rest of the crate never
//! would, such as too few steps. A plugin needs none of it.
//!
//! `deliver`, `check`, `Join` and `transform` are what the macros put behind the exports: a call of the contract,
//! made of calls of an author's function. A tool can wrap them.
//!
//! All worlds share one set of types: what a transformer is given is the same `Event` that a connector is.

pub use crate::joint::Join;
pub use crate::outcome::no_check;
pub use crate::steps::{check, deliver};
pub use crate::transform::transform;

/// The world `connector-plugin`.
pub mod connector {
    wit_bindgen::generate!({
        path: "../wit",
        world: "connector-plugin",
        pub_export_macro: true,
        export_macro_name: "export_connector",
        default_bindings_module: "liaison_sdk::raw::connector",
        additional_derives: [PartialEq],
        generate_all,
    });
}

/// The world `transformer-plugin`.
pub mod transformer {
    wit_bindgen::generate!({
        path: "../wit",
        world: "transformer-plugin",
        pub_export_macro: true,
        export_macro_name: "export_transformer",
        default_bindings_module: "liaison_sdk::raw::transformer",
        additional_derives: [PartialEq],
        with: {
            "liaison:plugin/types@0.1.0": crate::raw::connector::liaison::plugin::types,
            "wasi:logging/logging@0.1.0-draft": crate::raw::connector::wasi::logging::logging,
            "wasi:config/store@0.2.0-rc.1": crate::raw::connector::wasi::config::store,
        },
    });
}

/// The world `joiner-plugin`, which a connector may be of beside its own.
pub mod joiner {
    wit_bindgen::generate!({
        path: "../wit",
        world: "joiner-plugin",
        pub_export_macro: true,
        export_macro_name: "export_joiner",
        default_bindings_module: "liaison_sdk::raw::joiner",
        additional_derives: [PartialEq],
        with: {
            "liaison:plugin/types@0.1.0": crate::raw::connector::liaison::plugin::types,
            "liaison:plugin/effects@0.1.0": crate::raw::connector::liaison::plugin::effects,
            "liaison:plugin/deliveries@0.1.0": crate::raw::connector::liaison::plugin::deliveries,
            "wasi:logging/logging@0.1.0-draft": crate::raw::connector::wasi::logging::logging,
            "wasi:config/store@0.2.0-rc.1": crate::raw::connector::wasi::config::store,
        },
    });
}
