//! The log: what the library traces, on stderr. For people with the time in front, or a JSON object a line.
//!
//! What is logged is said by `--log`, else by `RUST_LOG`: `info`, and of librdkafka warnings alone, where neither is
//! given. Lines of the `log` crate are taken too.

use std::fmt;
use std::io::IsTerminal;

use chrono::{SecondsFormat, Utc};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::failure::Failure;

const DEFAULT: &str = "info,librdkafka=warn";

/// How the log looks: for people, or one JSON object a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Starts the log; once a process.
pub(super) fn start(format: LogFormat, option: Option<&str>) -> Result<(), Failure> {
    let variable = std::env::var("RUST_LOG").ok();
    let filter = filter(option, variable.as_deref()).map_err(Failure::Usage)?;
    // Where stderr is closed, a line that cannot be written is lost; to complain about that on stderr would panic.
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_timer(UtcMillis);
    let layer = match format {
        LogFormat::Text => layer.compact().with_target(false).with_ansi(is_coloured()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_ansi(false).boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(layer).try_init();
    started.map_err(|error| Failure::Failed(format!("the log cannot be started: {error}")))
}

/// What is logged: the option, else the variable where it holds something, else the default.
fn filter(option: Option<&str>, variable: Option<&str>) -> Result<EnvFilter, String> {
    let variable = variable.filter(|text| !text.trim().is_empty());
    let (name, text) = match (option, variable) {
        (Some(text), _) => ("--log", text),
        (None, Some(text)) => ("RUST_LOG", text),
        (None, None) => ("the default", DEFAULT),
    };
    EnvFilter::builder().parse(text).map_err(|error| {
        format!("{name} says `{text}` ({error}); write a level or TARGET=LEVEL, such as {DEFAULT}")
    })
}

/// On a terminal, unless <https://no-color.org> is asked for.
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// RFC 3339 in UTC, in milliseconds.
struct UtcMillis;

impl FormatTime for UtcMillis {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_wins_over_the_variable_and_both_over_the_default() {
        for (option, variable, expected) in [
            (None, None, "librdkafka=warn,info"),
            (None, Some(" "), "librdkafka=warn,info"),
            (None, Some("debug"), "debug"),
            (Some("warn"), Some("debug"), "warn"),
        ] {
            assert_eq!(filter(option, variable).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_filter_that_says_nothing_is_refused() {
        let error = filter(Some("liaison=loud"), None).unwrap_err();
        assert!(error.starts_with("--log says `liaison=loud`"), "{error}");
        assert!(filter(None, Some("a=b=c")).unwrap_err().starts_with("RUST_LOG says"));
    }
}
