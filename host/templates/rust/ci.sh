#!/bin/sh
# Everything that must hold before a change is taken: what a CI service has to call. Needs Rust with its target
# wasm32-wasip2, the SDK at the path that Cargo.toml names, and `liaison`.
set -eu
cd "$(dirname "$0")"
cargo fmt --check
cargo clippy --all-targets -- -D warnings
cargo test
liaison plugin build
liaison plugin inspect {{file}}.wasm
liaison plugin test {{file}}.wasm cases
liaison plugin certify {{file}}.wasm --cases cases --certificate {{file}}.certificate.json
