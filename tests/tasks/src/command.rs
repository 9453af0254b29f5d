//! Running other programs: in goes a command, out comes its end, or a [`Failure`] that names it.
//!
//! This is the only file that prints.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A command that should change nothing says so if it takes longer than this.
const SILENCE: Duration = Duration::from_secs(3);

/// Why a task ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One line for a person: what failed, why, and what to do.
    pub line: String,
    /// The exit code of the task.
    pub code: u8,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.line)
    }
}

impl std::error::Error for Failure {}

impl From<String> for Failure {
    fn from(line: String) -> Self {
        Self { line, code: 1 }
    }
}

/// Tells the person at the terminal what is going on.
#[expect(clippy::print_stderr, reason = "the one place where the tasks speak")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

/// The cargo that runs this task, without what it set for this crate alone.
///
/// Build scripts watch some of these variables (ring's does), and would compile again each time a task starts cargo
/// instead of a person.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_this_crate = |name: &OsStr| {
        name.to_str().is_some_and(|name| {
            ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
        })
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| of_this_crate(name)) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// Runs to the end, with the terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let child = command.spawn().map_err(|error| not_started(command, &error))?;
    finish(child, command)
}

/// As [`run`], and says `doing` if it takes longer than a moment.
pub(crate) fn run_saying(command: &mut Command, doing: &'static str) -> Result<(), Failure> {
    let child = command.spawn().map_err(|error| not_started(command, &error))?;
    let (finished, wait) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if wait.recv_timeout(SILENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            say(doing);
        }
    });
    let done = finish(child, command);
    drop(finished);
    // A panic there costs a line of text at most.
    let _ = watch.join();
    done
}

/// What a command printed on stdout and stderr together; `None` if it is not there or failed.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Some(text)
}

/// Becomes the command. Comes back only with the reason why it could not.
pub(crate) fn replace(command: &mut Command) -> Failure {
    let error = command.exec();
    not_started(command, &error)
}

fn finish(mut child: Child, command: &Command) -> Result<(), Failure> {
    let status = child.wait().map_err(|error| not_started(command, &error))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failure { line: format!("`{}` failed: {status}", shown(command)), code })
}

fn not_started(command: &Command, error: &io::Error) -> Failure {
    format!("`{}` could not be run: {error}", shown(command)).into()
}

/// The command as a person would type it, with what it was given in the environment.
fn shown(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy())));
    let program = command.get_program().to_string_lossy();
    let program = program.strip_suffix("/cargo").map_or(program.as_ref(), |_| "cargo");
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let words: Vec<String> = variables.chain([program.to_owned()]).chain(arguments).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_ends_with_its_code_and_its_name() {
        let failure = run(Command::new("sh").args(["-c", "exit 7"]).env("A", "b")).unwrap_err();
        assert_eq!(failure.code, 7);
        assert_eq!(failure.line, "`A=b sh -c exit 7` failed: exit status: 7");
    }

    #[test]
    fn a_command_that_is_not_there_is_named() {
        let failure = run(&mut Command::new("liaison-no-such-program")).unwrap_err();
        assert_eq!(failure.code, 1);
        assert!(failure.line.starts_with("`liaison-no-such-program` could not be run: "), "{failure}");
    }

    #[test]
    fn cargo_starts_without_the_variables_of_this_crate() {
        // Set by cargo for every test.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let command = cargo(["build"]);
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).collect();
        assert!(removed.iter().any(|(name, _)| *name == "CARGO_MANIFEST_DIR"), "{removed:?}");
        assert!(removed.iter().all(|(name, _)| *name != "CARGO"), "{removed:?}");
    }
}
