//! Gives the component a stack of 64 KiB: the linker's own megabyte lies below all data, and would be spread over more pages
//! than are used. And 4 MiB of memory from the start, of which no page is there before it is used: memory that grows is
//! mapped anew for each instance.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=65536");
        println!("cargo::rustc-link-arg-cdylib=--initial-memory=4194304");
    }
}
