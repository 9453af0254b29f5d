//! A real gRPC server for the tests: grpcio with its health service, and a service of rooms on loopback.
//!
//! grpcio comes by [`liaison_tasks::python`]; the server ends with the value.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use liaison_tasks::python;

use crate::folder::Folder;
use crate::process::Process;

/// Starting takes a second on an idle machine.
const STARTED: Duration = Duration::from_secs(60);

/// A running server. Dropped, it is gone.
#[derive(Debug)]
pub struct GrpcServer {
    process: Process,
    address: SocketAddr,
    _folder: Folder,
}

impl GrpcServer {
    /// Starts one and waits until it listens. Fetches grpcio if that was not done yet.
    pub fn start() -> anyhow::Result<Self> {
        let home = python::prepare(&python::GRPC)?;
        let folder = Folder::new("grpc")?;
        let script = folder.write("server.py", include_str!("grpc/server.py"))?;
        let mut command = python::python(&home);
        command.arg(script);
        let process = Process::start("grpc", &command, folder.path())?;
        let line = process.wait_for_line("port ", STARTED)?;
        let port = line.rsplit(' ').next().and_then(|port| port.parse().ok());
        let address =
            SocketAddr::from(([127, 0, 0, 1], port.with_context(|| format!("no port in `{line}`"))?));
        Ok(Self { process, address, _folder: folder })
    }

    /// `http://127.0.0.1:PORT`, where it speaks HTTP/2 without TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it printed of its calls.
    pub fn calls(&self) -> Vec<String> {
        self.process.lines().into_iter().filter(|line| line.starts_with("call ")).collect()
    }

    /// Waits for a line of its that contains `text`.
    pub fn wait_for_line(&self, text: &str, limit: Duration) -> anyhow::Result<String> {
        self.process.wait_for_line(text, limit)
    }
}
