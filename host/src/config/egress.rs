//! What a connector may reach.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::{ClientCertificate, Credential, Database};

/// What a connector may reach, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    pub endpoint: Url,
    /// Set where the endpoint is a database.
    pub database: Option<Database>,
    pub credential: Option<Credential>,
    /// Shown to the endpoint's own origin, and to no other.
    pub client_certificate: Option<ClientCertificate>,
    /// What may be asked beside the endpoint's own origin; where that is among them, all that may be asked of it.
    pub allow: Vec<Grant>,
    /// Addresses that are reachable although they are not public.
    pub allow_networks: Vec<IpNet>,
    pub connect_timeout: Duration,
    /// Idle connections are closed after this.
    pub idle_timeout: Duration,
    pub max_reply_bytes: u64,
    /// Of a reply whose body stays with the host.
    pub max_kept_reply_bytes: u64,
    /// The header that carries the idempotency key; `None` sends none.
    pub idempotency_header: Option<http::HeaderName>,
    /// As a structured string (draft-ietf-httpapi-idempotency-key-header-07), else bare.
    pub idempotency_quoted: bool,
    /// PEM certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// What may be asked of one origin. Several of one origin add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub origin: url::Origin,
    /// Beginnings of paths, by whole segments, percent-encoded as they are asked; empty: every path.
    pub paths: Vec<String>,
    /// Empty: every method.
    pub methods: Vec<http::Method>,
}
