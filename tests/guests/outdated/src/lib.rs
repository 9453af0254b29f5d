//! A connector as nobody builds it any more: its functions have the contract's names, and other types. What such a
//! component exports looks right until its functions are compared.

#![cfg_attr(target_family = "wasm", expect(unsafe_code, reason = "the exports that wit-bindgen generates"))]

wit_bindgen::generate!({
    inline: "
        package liaison:plugin@0.1.0;

        interface connector {
            deliver: func(events: list<string>) -> list<string>;
            check: func() -> bool;
        }

        world connector-plugin {
            export connector;
        }
    ",
});

struct Outdated;

impl exports::liaison::plugin::connector::Guest for Outdated {
    fn deliver(events: Vec<String>) -> Vec<String> {
        events
    }

    fn check() -> bool {
        true
    }
}

// The exports have names that only WebAssembly's linker takes; elsewhere this keeps them in use.
#[cfg(target_family = "wasm")]
export!(Outdated);
#[cfg(not(target_family = "wasm"))]
const _: fn() -> bool = <Outdated as exports::liaison::plugin::connector::Guest>::check;
