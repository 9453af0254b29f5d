//! Gives the component a stack of 256 KiB: enough for deep JSON and XML. The linker's own megabyte lies below all data,
//! and the host clears only the first pages of a fresh instance quickly.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=262144");
    }
}
