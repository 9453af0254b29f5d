//! The liaison binary as a process: started with a configuration, watched, stopped and killed.
//!
//! What it says of itself is read from its log and its admin pages; what it did is for [`crate::system`]'s ledger to
//! say.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::folder::Folder;
use crate::metrics::Metrics;
use crate::process::{Process, Signal};
use crate::wait;

/// How long an admin page may take.
const PAGE: Duration = Duration::from_secs(5);
/// How long an operation may take.
const OPERATION: Duration = Duration::from_secs(60);
/// In the folder of a host.
const CONFIGURATION: &str = "liaison.toml";

/// A running or ended host. Dropped, it is killed.
#[derive(Debug)]
pub struct HostProcess {
    command: Command,
    admin: SocketAddr,
    process: Process,
    folder: Folder,
}

impl HostProcess {
    /// Starts `liaison run` with the text of a configuration, which must serve its admin pages at `admin` (see
    /// [`crate::port::free`]). Secrets come by `environment`. Does not wait: see [`HostProcess::wait_ready`].
    pub fn start(config: &str, admin: SocketAddr, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::launch(Command::new(liaison_binary()?), config, admin, environment)
    }

    /// The same with a disk at `full` that has no room for a compiled plugin. Only the process sees it, and it is gone
    /// with the process. Needs root, or a system that lets users have namespaces of their own.
    pub fn start_with_full_disk(
        config: &str,
        admin: SocketAddr,
        environment: &[(&str, &str)],
        full: &Path,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(full)?;
        let mount = r#"mount -t tmpfs -o size=64k,mode=0700 tmpfs "$0" && exec "$@""#;
        Self::launch(apart(mount, full)?, config, admin, environment)
    }

    /// The same with this file in the place of the machine's `/etc/hosts`, for the process alone: what is written into it
    /// later is what names are looked up by from then on. Needs what a full disk does.
    pub fn start_with_names(
        config: &str,
        admin: SocketAddr,
        environment: &[(&str, &str)],
        names: &Path,
    ) -> anyhow::Result<Self> {
        let mount = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
        Self::launch(apart(mount, names)?, config, admin, environment)
    }

    fn launch(
        mut command: Command,
        config: &str,
        admin: SocketAddr,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let folder = Folder::new("host")?;
        let file = folder.write(CONFIGURATION, config)?;
        command.arg("run").arg("--config").arg(file).current_dir(folder.path());
        command.envs(environment.iter().copied());
        let process = Process::start("liaison", &command, folder.path())?;
        Ok(Self { command, admin, process, folder })
    }

    /// Starts it again with the configuration it had, killing it first if it runs. Its earlier log is gone.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = Process::start("liaison", &self.command, self.folder.path())?;
        Ok(())
    }

    /// Waits until it says that it is ready. Fails at once if it ends instead.
    pub fn wait_ready(&mut self, limit: Duration) -> anyhow::Result<()> {
        let is_up = || self.process.status().is_some() || is_ok(self.admin, "/readyz");
        let waited = wait::until(limit, "readiness of liaison", is_up);
        let waited = waited.with_context(|| format!("its last lines:\n{}", self.process.last_lines()));
        if let Some(status) = self.process.status() {
            bail!(
                "liaison ended ({status}) before it was ready; its last lines:\n{}",
                self.process.last_lines()
            );
        }
        waited
    }

    /// Whether it says now that it is ready.
    pub fn is_ready(&self) -> bool {
        is_ok(self.admin, "/readyz")
    }

    /// Status and body of an admin page.
    pub fn page(&self, path: &str) -> anyhow::Result<(u16, String)> {
        get(self.admin, path)
    }

    /// Status and body of what is answered to a `POST` with these headers and this body.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<(u16, String)> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let rest = format!("{headers}content-length: {}\r\n\r\n{body}", body.len());
        ask(self.admin, "POST", path, &rest, OPERATION)
    }

    /// Writes another configuration in the place of the one it was started with. It takes notice when it is told to.
    pub fn configure(&self, config: &str) -> anyhow::Result<()> {
        // As a whole: it may be read at any moment.
        let new = self.folder.write("liaison.toml.new", config)?;
        Ok(fs::rename(new, self.folder.path().join(CONFIGURATION))?)
    }

    /// Tells it to read its configuration again (SIGHUP).
    pub fn hang_up(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::HangUp)
    }

    /// Its metrics now.
    pub fn metrics(&self) -> anyhow::Result<Metrics> {
        let (status, text) = self.page("/metrics")?;
        ensure!(status == 200, "/metrics answered {status}: {text}");
        Metrics::parse(&text)
    }

    /// What it printed: the latest 10,000 lines.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    /// What it printed, to the end; kills it if it runs.
    pub fn into_log(self) -> anyhow::Result<Vec<String>> {
        self.process.into_lines()
    }

    /// Waits for a line of its log that contains `text`, and gives it.
    pub fn wait_for_log(&self, text: &str, limit: Duration) -> anyhow::Result<String> {
        self.process.wait_for_line(text, limit)
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub fn terminate(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.process.signal(Signal::Terminate)?;
        self.process.wait(limit)
    }

    /// Kills it (SIGKILL): it cannot do anything about it.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Freezes it (SIGSTOP), with its connections open.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Stop)
    }

    /// Lets it go on (SIGCONT).
    pub fn cont(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Continue)
    }

    /// Its exit status, if it has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.process.status()
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.process.wait(limit)
    }

    /// The number that the system knows it by.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The folder that holds its configuration, and is its working directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The host's binary, built with the same profile as this one.
pub fn liaison_binary() -> anyhow::Result<PathBuf> {
    let path = profile_folder()?.join("liaison");
    ensure!(path.exists(), "{} is not there: run `cargo build --workspace --bins`", path.display());
    Ok(path)
}

/// The host with mounts of its own: `mount` is a shell's word that mounts at, or from, `$0` and becomes `$@`.
fn apart(mount: &str, path: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if fs::metadata("/proc/self")?.uid() != 0 {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-c", mount]).arg(path).arg(liaison_binary()?);
    Ok(command)
}

/// The component of this plugin: one of `plugins/`, or a guest of the tests.
pub fn plugin(name: &str) -> anyhow::Result<PathBuf> {
    let profile = profile_folder()?;
    let target = profile.parent().context("a profile's folder is in a target folder")?;
    let path = target.join("wasm32-wasip2/plugin").join(format!("{}.wasm", name.replace('-', "_")));
    ensure!(
        path.exists(),
        "{} is not there: `cargo verify` builds all plugins, and `cargo build-plugins` those in Rust",
        path.display()
    );
    Ok(path)
}

/// `target/debug`, `target/release`: programs are in it, tests one folder below.
fn profile_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program is in a folder")?;
    let is_below = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    let profile = if is_below { folder.parent() } else { Some(folder) };
    Ok(profile.context("this program is not in a target folder: run it with cargo")?.to_owned())
}

fn is_ok(address: SocketAddr, path: &str) -> bool {
    get(address, path).is_ok_and(|(status, _)| status == 200)
}

fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    ask(address, "GET", path, "\r\n", PAGE)
}

/// One request over a connection of its own. HTTP/1.0, so that the end of the connection is the end of the body. `rest`
/// is all that stands below the host's name.
pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    rest: &str,
    limit: Duration,
) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PAGE)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(PAGE))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: {address}\r\n{rest}")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let (head, body) = reply.split_once("\r\n\r\n").context("the reply has no end of its head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.context("the reply has no status")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{Answer, Behaviour, System};

    #[test]
    fn a_page_is_read_with_its_status() {
        let answers =
            Behaviour::from_fn(|request| Answer::status(503).with_body(format!("{} down\n", request.path)));
        let system = System::start("admin", answers).unwrap();
        assert_eq!(get(system.address(), "/readyz").unwrap(), (503, "/readyz down\n".to_owned()));
        assert!(!is_ok(system.address(), "/readyz"));
        system.behave(Behaviour::ok());
        assert!(is_ok(system.address(), "/readyz"));
        system.refuse_connections().unwrap();
        assert!(!is_ok(system.address(), "/readyz"));
    }

    #[test]
    fn the_profile_folder_is_the_one_of_this_test() {
        let folder = profile_folder().unwrap();
        assert!(folder.join("deps").is_dir(), "{}", folder.display());
    }

    #[test]
    fn a_plugin_that_is_not_built_is_named_with_the_command_that_builds_it() {
        let error = plugin("no-such-plugin").unwrap_err().to_string();
        assert!(error.contains("no_such_plugin.wasm is not there"), "{error}");
        assert!(error.contains("`cargo build-plugins`"), "{error}");
    }
}
