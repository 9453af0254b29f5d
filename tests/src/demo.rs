//! The demo: liaison at work on one machine, in about ten seconds, without anything installed.
//!
//! ```text
//!  events ─▶ embedded broker ─▶ host, with plugins ─┬─▶ training calendar    refuses one event for good
//!  [play]    [stage]                                ├─▶ document repository  answers 503 for a while
//!                                                   └─▶ compliance database  asks to slow down
//! ```
//!
//! In comes whether to stay at the end, out come lines on stdout, and success only if exactly what should have arrived
//! at the systems did: `expected` says what should, `check` compares, and nothing is taken from the host's word.

mod alerts;
mod check;
mod configuration;
mod events;
mod expected;
mod levels;
mod own;
mod play;
mod report;

mod stage;
mod systems;

use std::cell::Cell;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::screen::{Screen, Tone};
use alerts::Alerts;
pub use own::{Kind, Own};
use stage::{Places, Stage, shown};
use systems::Subscriber;

const EVENTS: usize = 480;
/// The position of the event that the calendar refuses.
const REFUSED: usize = 210;
/// As a shell reports a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// What still blocks at the end is left behind after this.
const LEFT_BEHIND: Duration = Duration::from_millis(200);
const TITLE_COLUMNS: usize = 13;

/// How the demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All arrived as it should have.
    Proven,
    /// Something did not; it is on the screen.
    Disproven,
    Interrupted,
}

/// Runs the demo, with somebody's own plugin if there is one, and stays at its end until Ctrl-C if asked to.
pub fn run(stay: bool, own: Option<Own>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into(), None),
    };
    let places = match Places::find() {
        Ok(places) => places,
        Err(error) => return failed(&error, None),
    };
    let ended = runtime.block_on(demo(stay, own, &places));
    runtime.shutdown_timeout(LEFT_BEHIND);
    match ended {
        Ok(End::Proven) => ExitCode::SUCCESS,
        Ok(End::Disproven) => ExitCode::FAILURE,
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => failed(&error, Some(&places)),
    }
}

async fn demo(stay: bool, own: Option<Own>, places: &Places) -> anyhow::Result<End> {
    // Before anything else, so that Ctrl-C never ends the process at once.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupted = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let screen = Screen::of_stdout();
    let alerts = Alerts::new(&screen);
    places.log_to_file(alerts.clone())?;
    screen.show("liaison: events from Kafka, through sandboxed plugins, to three systems on this machine\n");
    screen.moment(Tone::Plain, "starting broker, systems and host; the host compiles each plugin once");
    let (stage, mut host) = tokio::select! {
        started = Stage::start(places, own) => started?,
        () = interrupted() => return Ok(End::Interrupted),
    };
    let at_the_end = Cell::new(None);
    let story = async {
        let ended = show(&stage, places, &screen, &alerts).await?;
        at_the_end.set(Some(ended));
        if stay {
            still_running(&stage, places, &screen);
        }
        try_next(stay, &stage, places, &screen);
        if stay {
            std::future::pending::<()>().await;
        }
        Ok(ended)
    };
    let ended = tokio::select! {
        ended = story => ended,
        error = host.ended() => Err(error),
        () = interrupted() => {
            screen.show("\nstopping");
            Ok(at_the_end.get().unwrap_or(End::Interrupted))
        }
    };
    let stopped = host.stop().await;
    let ended = ended?;
    stopped.map(|()| ended)
}

/// The whole demo on a running stage, from its addresses to the proof.
async fn show(stage: &Stage, places: &Places, screen: &Screen, alerts: &Alerts) -> anyhow::Result<End> {
    introduce(stage, places, screen);
    play::join(stage).await?;
    screen.moment(Tone::Plain, "the host has joined its consumer groups; here come the events");
    let played = play::play(stage, events::events(EVENTS, REFUSED)?, screen).await?;
    let accounts = report::accounts(stage).await?;
    let is_proven = report::show(screen, &played, &accounts, &alerts.heard());
    let is_own_whole = match &stage.own {
        Some(own) => own.show(EVENTS, stage, screen, alerts).await?,
        None => true,
    };
    Ok(if is_proven && is_own_whole { End::Proven } else { End::Disproven })
}

fn introduce(stage: &Stage, places: &Places, screen: &Screen) {
    screen.show("");
    addresses_of_systems(stage, screen);
    let (subscriptions, plugins) = (stage.config.subscriptions.len(), stage.config.plugins.len());
    let text = format!("{}, with {subscriptions} subscriptions and {plugins} plugins", shown(&places.config));
    screen.titled(Tone::Plain, "host", &text, TITLE_COLUMNS);
    screen.titled(Tone::Plain, "log", &shown(&places.log), TITLE_COLUMNS);
    screen.show("");
    screen.moment(Tone::Plain, "the host joins its consumer groups; a new group waits 3 s for members");
}

fn addresses_of_systems(stage: &Stage, screen: &Screen) {
    let broker = format!("{}, in this process; it keeps nothing", stage.broker.bootstrap());
    screen.titled(Tone::Plain, "Kafka", &broker, TITLE_COLUMNS);
    for subscriber in Subscriber::ALL {
        let text = format!("{}, the {}", stage.systems.of(subscriber).url(), subscriber.system());
        screen.titled(Tone::Plain, subscriber.name(), &text, TITLE_COLUMNS);
    }
    if let Some(own) = &stage.own {
        let text = format!("{}, for your plugin", own.url());
        screen.titled(Tone::Plain, own::NAME, &text, TITLE_COLUMNS);
    }
}

/// The addresses of all that keeps running.
fn still_running(stage: &Stage, places: &Places, screen: &Screen) {
    screen.heading("Still running; Ctrl-C stops it");
    addresses_of_systems(stage, screen);
    for (title, text) in [
        ("admin", format!("http://{}", stage.admin)),
        ("config", shown(&places.config)),
        ("log", shown(&places.log)),
    ] {
        screen.titled(Tone::Plain, title, &text, TITLE_COLUMNS);
    }
}

/// Commands that work now: on what keeps running, or after it.
fn try_next(stay: bool, stage: &Stage, places: &Places, screen: &Screen) {
    let (liaison, config) = (shown(&places.liaison), shown(&places.config));
    let commands = if stay {
        screen.heading("Try in another terminal");
        [
            (
                "the dead letter, with its attempts",
                format!("{liaison} dead-letters show calendar/0/0 --config {config}"),
            ),
            ("whether the systems are usable", format!("{liaison} check --live --config {config}")),
            ("the host's metrics", format!("curl -s http://{}/metrics", stage.admin)),
        ]
    } else {
        screen.heading("Try next");
        [
            ("the same, kept running to look into it", "cargo demo -- --stay".to_owned()),
            ("the configuration that was used", format!("{liaison} check --config {config}")),
            ("how to write a plugin, and see it deliver here", "less plugins/README.md".to_owned()),
        ]
    };
    for (what, command) in commands {
        screen.show(format!("  # {what}\n  {command}"));
    }
}

fn failed(error: &anyhow::Error, places: Option<&Places>) -> ExitCode {
    let log = places.map(|places| format!("; the log is {}", shown(&places.log))).unwrap_or_default();
    // Nobody reads it where stderr is closed.
    let _ = writeln!(std::io::stderr(), "the demo failed: {error:#}{log}");
    ExitCode::FAILURE
}
