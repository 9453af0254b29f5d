//! A child process that cannot outlive this one, with its output as lines.
//!
//! In goes a command, out comes a [`Process`]: its signals, its end, what it printed. It knows nothing of what it runs.

mod lines;

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::wait;
use lines::Lines;

/// Starts a guard, then becomes the program. The guard reads the pipe that only the test process holds: where it closes
/// without a word, the test process is dead, however it died, and the guard kills the program and removes its folder.
const GUARDED: &str = r#"
folder=$1; shift; program=$$
exec 3<&0
( read -r _ <&3 || { kill -KILL "$program"; sleep 1; rm -rf "$folder"; } ) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// How long a killed process may take to be gone.
const KILLED: Duration = Duration::from_secs(10);

/// A running or ended child process. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    /// Held until the child has ended.
    guard: Option<ChildStdin>,
    lines: Lines,
    ended: Option<ExitStatus>,
}

/// What can be sent to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Please end.
    Terminate,
    /// Please read what you are configured by again.
    HangUp,
    /// Stand still, keeping everything.
    Stop,
    /// Go on.
    Continue,
}

impl Process {
    /// Starts the command: its program, arguments, environment and folder count, its standard streams do not. If this
    /// process dies, `folder` is removed too.
    pub fn start(name: &str, command: &Command, folder: &Path) -> anyhow::Result<Self> {
        let mut guarded = Command::new("sh");
        guarded.args(["-c", GUARDED, name]).arg(folder).arg(command.get_program()).args(command.get_args());
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(variable, value),
                None => guarded.env_remove(variable),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        guarded.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = guarded.spawn().with_context(|| format!("{name} could not be started"))?;
        let guard = child.stdin.take();
        let lines = Lines::of(name, &mut child)?;
        Ok(Self { name: name.to_owned(), child, guard, lines, ended: None })
    }

    /// The number that the system knows it by.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.ended = Some(status);
            self.dismiss_guard();
        }
        self.ended
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait::until_some(limit, &what, || self.status())
    }

    /// Sends a signal. Fails if it has ended.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(status) = self.status() {
            bail!("{} has ended already ({status}); its last lines:\n{}", self.name, self.last_lines());
        }
        let name = match signal {
            Signal::Terminate => "TERM",
            Signal::HangUp => "HUP",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
        };
        // `unsafe` is denied, and the standard library sends SIGKILL alone.
        let send = format!("kill -{name} {}", self.id());
        let sent = Command::new("sh").args(["-c", &send]).status().context("sh could not be run")?;
        if !sent.success() {
            bail!("`{send}` failed for {}: {sent}", self.name);
        }
        Ok(())
    }

    /// Kills it as `kill -9` does, and waits until it is gone. Nothing happens if it has ended.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if self.status().is_none() {
            self.child.kill().with_context(|| format!("{} could not be killed", self.name))?;
            self.wait(KILLED)?;
        }
        Ok(())
    }

    /// What it printed on stdout and stderr: the latest 10,000 lines.
    pub fn lines(&self) -> Vec<String> {
        self.lines.all()
    }

    /// Waits for a line that contains `text`, and gives it. Fails at once if the process ends without one.
    pub fn wait_for_line(&self, text: &str, limit: Duration) -> anyhow::Result<String> {
        self.lines.wait_for(text, limit).with_context(|| {
            format!("{} did not print {text:?}; its last lines:\n{}", self.name, self.last_lines())
        })
    }

    /// The end of what it printed, for a person.
    pub fn last_lines(&self) -> String {
        let lines = self.lines.all();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Everything it printed (the latest 10,000 lines), once it has ended and its output has been read to the end.
    pub fn into_lines(mut self) -> anyhow::Result<Vec<String>> {
        self.kill()?;
        self.lines.wait_for_end(KILLED)?;
        Ok(self.lines.all())
    }

    fn dismiss_guard(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            // A guard that is gone needs no word.
            let _ = guard.write_all(b"ended\n");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // If it cannot be killed, the guard tries again when the pipe closes.
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::folder::Folder;

    const LIMIT: Duration = Duration::from_secs(10);

    fn shell(script: &str, folder: &Folder) -> Process {
        Process::start("a script", Command::new("sh").args(["-c", script]), folder.path()).unwrap()
    }

    fn is_alive(process: u32) -> bool {
        // A killed process that nobody has waited for yet is a zombie: dead.
        let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    }

    #[test]
    fn both_streams_and_the_exit_status_are_seen() {
        let folder = Folder::new("process").unwrap();
        let mut process = shell("echo out; echo error >&2; exit 3", &folder);
        process.wait_for_line("out", LIMIT).unwrap();
        process.wait_for_line("error", LIMIT).unwrap();
        assert_eq!(process.wait(LIMIT).unwrap().code(), Some(3));
        assert!(folder.path().exists(), "only the death of the test process removes it");
    }

    #[test]
    fn a_line_that_cannot_come_any_more_is_not_waited_for() {
        let folder = Folder::new("process").unwrap();
        let process = shell("echo something else", &folder);
        let error = process.wait_for_line("ready", Duration::from_secs(3600)).unwrap_err();
        assert!(format!("{error:#}").contains("something else"), "{error:#}");
    }

    #[test]
    fn environment_and_folder_are_passed_on() {
        let folder = Folder::new("process").unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo \"$WORD in $(pwd)\""]).env("WORD", "hello").current_dir(folder.path());
        let process = Process::start("a script", &command, folder.path()).unwrap();
        let line = process.wait_for_line("hello", LIMIT).unwrap();
        assert_eq!(line, format!("hello in {}", folder.path().canonicalize().unwrap().display()));
    }

    #[test]
    fn a_process_can_be_asked_to_end() {
        let folder = Folder::new("process").unwrap();
        let mut process = shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done", &folder);
        process.wait_for_line("ready", LIMIT).unwrap();
        process.signal(Signal::Stop).unwrap();
        process.signal(Signal::Terminate).unwrap();
        process.signal(Signal::Continue).unwrap();
        assert_eq!(process.wait(LIMIT).unwrap().code(), Some(5));
        assert!(process.signal(Signal::Terminate).is_err());
    }

    #[test]
    fn a_dropped_process_is_dead() {
        let folder = Folder::new("process").unwrap();
        let process = shell("exec sleep 1000", &folder);
        let id = process.id();
        assert!(is_alive(id));
        drop(process);
        assert!(!is_alive(id));
    }

    /// What the system does to the pipe of a test process that is killed: it closes.
    #[test]
    fn a_process_dies_with_the_test_process_and_leaves_no_folder() {
        let folder = Folder::new("process").unwrap();
        let path: PathBuf = folder.path().to_owned();
        let mut process = shell("echo ready; exec sleep 1000", &folder);
        process.wait_for_line("ready", LIMIT).unwrap();
        drop(process.guard.take());
        assert!(!process.wait(LIMIT).unwrap().success());
        wait::until(LIMIT, "the folder to be gone", || !path.exists()).unwrap();
    }
}
