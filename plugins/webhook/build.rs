//! Gives the component a stack of 64 KiB. The linker's own megabyte lies below all
//! data, and the host clears only the first pages of a fresh instance quickly: a third of the price of an event.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=65536");
    }
}
