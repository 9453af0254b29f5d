//! What a plugin tells the people who run the host.
//!
//! The host adds the plugin's and the connector's name, cuts long messages and stops listening after a number
//! of lines a call. Outside of WebAssembly the lines are kept for the test that runs: see
//! [`testing::logged`](crate::testing::logged).

use crate::raw::connector::wasi::logging::logging::Level;

/// For the one who looks for a mistake.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// Worth knowing.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Something is odd, and was dealt with.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// A person should look.
pub fn error(message: &str) {
    write(Level::Error, message);
}

#[cfg(target_family = "wasm")]
fn write(level: Level, message: &str) {
    crate::raw::connector::wasi::logging::logging::log(level, "", message);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, message: &str) {
    lines::LINES.with_borrow_mut(|lines| lines.push((level, message.to_owned())));
}

/// What was logged on this thread.
#[cfg(not(target_family = "wasm"))]
pub(crate) mod lines {
    use std::cell::RefCell;

    use super::Level;

    thread_local! {
        pub(crate) static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    }
}
