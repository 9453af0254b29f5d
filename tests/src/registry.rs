//! A real registry of images for the tests: Debian's `docker-registry` on loopback, and what pushes to it.
//!
//! It has no referrers API, so what refers to an image goes by the fallback's tag. `cargo verify` installs it.

mod push;
mod token;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::folder::Folder;
use crate::port;
use crate::process::Process;
use crate::wait;

pub use push::{BUNDLE_TYPE, Image, LAYER_TYPE, MANIFEST_TYPE, digest};
pub use token::TokenService;

/// Starting takes a moment on an idle machine.
const STARTED: Duration = Duration::from_secs(30);

/// The user and the password that [`Access::Password`] wants, and a line of the latter for the registry (bcrypt).
pub const USERNAME: &str = "liaison";
pub const PASSWORD: &str = "open-sesame";
const HTPASSWD: &str = "liaison:$2b$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO\n";

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody anything.
    Open,
    /// Who knows the password.
    Password,
    /// Who has a token of the service at this address, which signs with the key of this certificate.
    Token { realm: String, certificate: String },
    /// Everybody anything, over TLS with this certificate and key.
    Tls { certificate: String, key: String },
}

/// A running registry. Dropped, it is gone with all that was pushed.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    address: SocketAddr,
    folder: Folder,
}

impl Registry {
    /// Starts an empty one that lets everybody in.
    pub fn start() -> anyhow::Result<Self> {
        let folder = Folder::new("registry")?;
        let address = port::free()?;
        let process = serve(&folder, address, &Access::Open)?;
        Ok(Self { process, address, folder })
    }

    /// Starts it again at the same address, with what it has, letting in others.
    pub fn start_again(&mut self, access: &Access) -> anyhow::Result<()> {
        self.stop()?;
        self.process = serve(&self.folder, self.address, access)?;
        Ok(())
    }

    /// Ends it. What was pushed stays for [`Registry::start_again`].
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What it printed.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }
}

fn serve(folder: &Folder, address: SocketAddr, access: &Access) -> anyhow::Result<Process> {
    let auth = auth(folder.path(), access)?;
    let storage = folder.path().join("storage");
    let config = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{auth}",
        storage.display()
    );
    let file = folder.write("registry.yml", &config)?;
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(file);
    let mut process = Process::start("docker-registry", &command, folder.path())?;
    let is_up = || process.status().is_some() || std::net::TcpStream::connect(address).is_ok();
    wait::until(STARTED, "the registry", is_up)?;
    anyhow::ensure!(
        process.status().is_none(),
        "docker-registry ended: {}; it is installed by `cargo verify` (on Debian: apt-get install docker-registry)",
        process.last_lines()
    );
    Ok(process)
}

fn auth(folder: &Path, access: &Access) -> anyhow::Result<String> {
    let write = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::write(&path, content).with_context(|| path.display().to_string())?;
        anyhow::Ok(path)
    };
    Ok(match access {
        Access::Open => String::new(),
        Access::Password => {
            let file = write("htpasswd", HTPASSWD)?;
            format!("auth:\n  htpasswd:\n    realm: tests\n    path: {}\n", file.display())
        }
        Access::Token { realm, certificate } => {
            let file = write("token.pem", certificate)?;
            format!(
                "auth:\n  token:\n    realm: {realm}\n    service: tests\n    issuer: tests\n    rootcertbundle: {}\n",
                file.display()
            )
        }
        Access::Tls { certificate, key } => {
            let (certificate, key) = (write("tls.pem", certificate)?, write("tls-key.pem", key)?);
            // A part of the table `http`, which is the last one.
            format!("  tls:\n    certificate: {}\n    key: {}\n", certificate.display(), key.display())
        }
    })
}
