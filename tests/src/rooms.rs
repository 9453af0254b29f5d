//! A real gRPC server for the plugin `grpc`: grpcio with its reflection, and rooms that are created, changed and deleted.
//! It can be killed and started again, and is read back by a client that knows the service by reflection alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use liaison_tasks::python;
use serde_json::Value;

use crate::folder::Folder;
use crate::port;
use crate::process::Process;

/// Starting takes a second on an idle machine.
const STARTED: Duration = Duration::from_secs(60);

/// A running or killed server. Dropped, it is gone.
#[derive(Debug)]
pub struct Rooms {
    process: Process,
    command: Command,
    client: PathBuf,
    home: PathBuf,
    address: SocketAddr,
    folder: Folder,
}

impl Rooms {
    /// Starts one and waits until it listens. Fetches grpcio if that was not done yet.
    pub fn start() -> anyhow::Result<Self> {
        let home = python::prepare(&python::GRPC)?;
        let folder = Folder::new("rooms")?;
        let script = folder.write("rooms.py", include_str!("grpc/rooms.py"))?;
        let client = folder.write("client.py", include_str!("grpc/client.py"))?;
        let address = port::free()?;
        let mut command = python::python(&home);
        let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/grpc");
        command.arg(script).arg(address.port().to_string()).arg(protos).arg(folder.path().join("rooms.json"));
        let process = Process::start("rooms", &command, folder.path())?;
        process.wait_for_line("ready", STARTED)?;
        Ok(Self { process, command, client, home, address, folder })
    }

    /// Kills it: whatever it held in memory alone is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Starts it again after [`Rooms::kill`], with the rooms that it kept.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = Process::start("rooms", &self.command, self.folder.path())?;
        self.process.wait_for_line("ready", STARTED)?;
        Ok(())
    }

    /// `http://127.0.0.1:PORT`, where it speaks HTTP/2 without TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The descriptor set of its service, as protoc has just made it.
    pub fn descriptor_set(&self) -> PathBuf {
        self.folder.path().join("rooms.binpb")
    }

    /// Calls a method as somebody else would. A failure is `{ "status": …, "message": … }`.
    pub fn call(&self, method: &str, request: &Value) -> anyhow::Result<Value> {
        let mut client = python::python(&self.home);
        client.arg(&self.client).arg(self.address.to_string()).arg(method).arg(request.to_string());
        let output = client.output().context("the client could not be run")?;
        let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{method}: {log}");
        serde_json::from_str(&out).with_context(|| format!("{method} printed {out}"))
    }

    /// What it printed of its calls since it was started, whoever made them.
    pub fn calls(&self) -> Vec<String> {
        self.process.lines().into_iter().filter(|line| line.starts_with("call ")).collect()
    }
}
