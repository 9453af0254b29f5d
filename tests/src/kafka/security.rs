//! A broker with a port for each way to protect one, beside the plain one that the harness itself uses.
//!
//! The certificates of its ports are made anew for each broker.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::Kafka;
use crate::certificates::{Authority, Certified, LOOPBACK};
use crate::folder::Folder;
use crate::port;

/// A port of a [`SecuredKafka`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// TLS.
    Tls,
    /// TLS, and the client must show a certificate.
    Mutual,
    /// TLS, with a certificate of the year 2020.
    Expired,
    /// TLS, with the certificate of another host.
    Elsewhere,
    /// TLS and a user: SCRAM and PLAIN.
    Users,
    /// A user by PLAIN alone, in the clear.
    ClearUsers,
}

const PORTS: [Port; 6] =
    [Port::Tls, Port::Mutual, Port::Expired, Port::Elsewhere, Port::Users, Port::ClearUsers];

/// The user that every port for users knows by SCRAM, with its password.
pub const SCRAM_USER: (&str, &str) = ("alice", "scram-hush-7f3a");
/// The one that is known by PLAIN.
pub const PLAIN_USER: (&str, &str) = ("bob", "plain-hush-91c4");

impl Port {
    /// As the broker's settings call it.
    fn name(self) -> &'static str {
        match self {
            Port::Tls => "TLS",
            Port::Mutual => "MUTUAL",
            Port::Expired => "EXPIRED",
            Port::Elsewhere => "ELSEWHERE",
            Port::Users => "USERS",
            Port::ClearUsers => "CLEAR_USERS",
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Port::Tls | Port::Mutual | Port::Expired | Port::Elsewhere => "SSL",
            Port::Users => "SASL_SSL",
            Port::ClearUsers => "SASL_PLAINTEXT",
        }
    }

    fn mechanisms(self) -> &'static [&'static str] {
        match self {
            Port::Tls | Port::Mutual | Port::Expired | Port::Elsewhere => &[],
            Port::Users => &["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"],
            Port::ClearUsers => &["PLAIN"],
        }
    }

    fn certificate(self, authority: &Authority) -> anyhow::Result<Option<Certified>> {
        Ok(match self {
            Port::Tls | Port::Mutual | Port::Users => Some(authority.certify(&LOOPBACK)?),
            Port::Expired => Some(authority.certify_for_2020(&LOOPBACK)?),
            Port::Elsewhere => Some(authority.certify(&["elsewhere.example.gov"])?),
            Port::ClearUsers => None,
        })
    }
}

/// A running broker, who signed its certificates, and where its ports are.
#[derive(Debug)]
pub struct SecuredKafka {
    pub kafka: Kafka,
    pub authority: Authority,
    /// PEM of the authority.
    pub authority_file: PathBuf,
    ports: Vec<(Port, SocketAddr)>,
    folder: Folder,
}

/// What a broker's settings say beyond those of every broker of the tests, and its storage from the first.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Later lines win over earlier ones.
    pub(super) settings: String,
    /// `--add-scram` of the tool that writes the storage.
    pub(super) users: Vec<String>,
}

impl SecuredKafka {
    /// Starts it, and waits until it takes clients.
    pub fn start() -> anyhow::Result<Self> {
        let authority = Authority::new("kafka-authority")?;
        let folder = Folder::new("kafka-certificates")?;
        let authority_file = authority.write(&folder)?;
        let mut ports = Vec::new();
        for port in PORTS {
            ports.push((port, port::free()?));
        }
        let (broker, controller) = (port::free()?, port::free()?);
        let mut extra = listeners(broker, controller, &ports);
        for (port, _) in &ports {
            write!(extra, "{}", protect(*port, &authority, &authority_file, &folder)?)?;
        }
        let (name, password) = SCRAM_USER;
        let user = |mechanism| format!("{mechanism}=[name={name},password={password}]");
        let users = vec![user("SCRAM-SHA-256"), user("SCRAM-SHA-512")];
        let kafka = Kafka::start_at(broker, controller, &Extra { settings: extra, users })?;
        Ok(Self { kafka, authority, authority_file, ports, folder })
    }

    /// `127.0.0.1:PORT`
    pub fn bootstrap(&self, port: Port) -> String {
        let found = self.ports.iter().find(|(known, _)| *known == port);
        found.expect("every port is there").1.to_string()
    }

    /// Where further files of a test may be.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Gives the user of PLAIN another password than this one. The broker takes it when it is started again.
    pub fn change_password(&self, before: &str, after: &str) -> anyhow::Result<()> {
        let file = self.kafka.folder.path().join("server.properties");
        let text = std::fs::read_to_string(&file).context("the broker's settings cannot be read")?;
        ensure!(text.contains(before), "it has another password");
        self.kafka.folder.write("server.properties", &text.replace(before, after)).map(drop)
    }
}

fn listeners(broker: SocketAddr, controller: SocketAddr, ports: &[(Port, SocketAddr)]) -> String {
    let listeners: String =
        ports.iter().map(|(port, address)| format!(",{}://{address}", port.name())).collect();
    let protocols: String =
        ports.iter().map(|(port, _)| format!(",{}:{}", port.name(), port.protocol())).collect();
    format!(
        "listeners=PLAINTEXT://{broker},CONTROLLER://{controller}{listeners}
advertised.listeners=PLAINTEXT://{broker}{listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{protocols}
"
    )
}

/// The settings of one port, and its certificate in a file.
fn protect(port: Port, authority: &Authority, trusted: &Path, folder: &Folder) -> anyhow::Result<String> {
    let name = port.name().to_lowercase();
    let mut lines = String::new();
    if let Some(Certified { certificate, key }) = port.certificate(authority)? {
        let file = folder.write(&format!("port-{name}.pem"), &format!("{key}{certificate}"))?;
        writeln!(lines, "listener.name.{name}.ssl.keystore.type=PEM")?;
        writeln!(lines, "listener.name.{name}.ssl.keystore.location={}", file.display())?;
    }
    if port == Port::Mutual {
        writeln!(lines, "listener.name.{name}.ssl.client.auth=required")?;
        writeln!(lines, "listener.name.{name}.ssl.truststore.type=PEM")?;
        writeln!(lines, "listener.name.{name}.ssl.truststore.location={}", trusted.display())?;
    }
    if !port.mechanisms().is_empty() {
        writeln!(lines, "listener.name.{name}.sasl.enabled.mechanisms={}", port.mechanisms().join(","))?;
    }
    for mechanism in port.mechanisms() {
        let module = match *mechanism {
            "PLAIN" => {
                let (user, password) = PLAIN_USER;
                format!("plain.PlainLoginModule required user_{user}=\"{password}\";")
            }
            _ => "scram.ScramLoginModule required;".to_owned(),
        };
        let mechanism = mechanism.to_lowercase();
        writeln!(
            lines,
            "listener.name.{name}.{mechanism}.sasl.jaas.config=org.apache.kafka.common.security.{module}"
        )?;
    }
    Ok(lines)
}
