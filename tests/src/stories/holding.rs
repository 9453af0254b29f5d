//! What a story says that it holds: shown as it is compared.

use std::fmt::Debug;

use anyhow::ensure;

use crate::screen::{Screen, Tone};

/// Shows what a system holds, if it is what the story says.
pub(super) fn holds<T: PartialEq + Debug>(
    screen: &Screen,
    system: &str,
    what: &str,
    held: &T,
    expected: &T,
) -> anyhow::Result<()> {
    ensure!(held == expected, "{system} should hold {what}: it holds {held:?}, not {expected:?}");
    screen.titled(Tone::Good, &format!("  {system}"), what, 17);
    Ok(())
}
