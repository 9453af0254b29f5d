//! Which dead letters a person means, as arguments.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use globset::{Glob, GlobMatcher};

use liaison::contract::TimestampMs;
use liaison::dead_letter::Reason;
use liaison::dead_letter::header::time_of;
use liaison::dead_letter::selection::Selection;
use liaison::dead_letter::store::LetterId;

use super::super::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Of events of this type alone, such as policy.*
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    kind: Option<GlobMatcher>,
    /// Of records with this key alone
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Given up then or later: a time (RFC 3339), or how long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<TimestampMs>,
    /// Given up before then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<TimestampMs>,
}

impl Filter {
    pub(super) fn selection(&self, id: Option<LetterId>, reason: Option<Reason>) -> Selection {
        Selection {
            id,
            reason,
            kind: self.kind.clone(),
            key: self.key.clone().map(Bytes::from),
            since: self.since,
            until: self.until,
        }
    }
}

/// Refuses to take everything where nobody has said so.
pub(super) fn deliberate(selection: &Selection, all: bool) -> Result<(), Failure> {
    let text = match (selection.is_everything(), all) {
        (true, false) => "name one by its ID, give a filter such as --type, or say --all",
        (false, true) => "--all takes all of them; leave it out, or what limits it",
        (true, true) | (false, false) => return Ok(()),
    };
    Err(Failure::Usage(text.to_owned()))
}

pub(super) fn reason() -> impl TypedValueParser<Value = Reason> {
    PossibleValuesParser::new(Reason::ALL.map(Reason::name))
        .try_map(|name| Reason::named(&name).ok_or("there is no such reason"))
}

/// A pattern as in a subscription's `types`.
fn kind(text: &str) -> Result<GlobMatcher, globset::Error> {
    Glob::new(text).map(|glob| glob.compile_matcher())
}

fn time(text: &str) -> Result<TimestampMs, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    time_at(text, now)
}

fn time_at(text: &str, now: Duration) -> Result<TimestampMs, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(u64::try_from(now.saturating_sub(ago).as_millis()).unwrap_or(u64::MAX));
    }
    time_of(text)
        .ok_or_else(|| "write such as 2026-11-24T09:00:00Z, or such as 2h for two hours ago".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_point_or_so_long_ago() {
        let now = Duration::from_secs(1_700_000_000);
        for (text, expected) in [
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("2023-11-14T23:13:20+01:00", Some(1_700_000_000_000)),
            ("2h", Some(1_699_992_800_000)),
            ("1h 30m", Some(1_699_994_600_000)),
            ("yesterday", None),
        ] {
            assert_eq!(time_at(text, now).ok(), expected, "{text}");
        }
    }

    #[test]
    fn everything_is_taken_only_where_that_is_said() {
        let everything = Selection::default();
        let some = Selection { key: Some(Bytes::from_static(b"k")), ..Selection::default() };
        for (selection, all, is_fine) in [
            (&everything, true, true),
            (&everything, false, false),
            (&some, false, true),
            (&some, true, false),
        ] {
            assert_eq!(deliberate(selection, all).is_ok(), is_fine, "{selection:?} {all}");
        }
    }
}
