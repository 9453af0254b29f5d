//! Who receives a host's alerts by Standard Webhooks, and trusts none whose signature is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use standardwebhooks::Webhook;

use crate::folder::Folder;
use crate::system::{Behaviour, Entry, System};

/// How long an alert may take.
const TOLD: Duration = Duration::from_secs(60);
const SECRET: &str = "whsec_bGlhaXNvbiBzY2VuYXJpb3Mgc2VjcmV0";

/// Who receives the alerts of a host.
#[derive(Debug)]
pub struct Receiver {
    pub system: System,
    folder: Folder,
}

impl Receiver {
    pub fn start() -> anyhow::Result<Self> {
        Ok(Self { system: System::start("alerts", Behaviour::status(204))?, folder: Folder::new("alerts")? })
    }

    /// The tables that send alerts here.
    pub fn tables(&self, more: &str) -> anyhow::Result<String> {
        self.tables_with("", more)
    }

    /// The same, with more of `[alerts]`.
    pub fn tables_with(&self, alerts: &str, more: &str) -> anyhow::Result<String> {
        let secret = self.folder.write("secret", SECRET)?;
        let (url, secret) = (self.system.url(), secret.display());
        Ok(format!(
            "[alerts]\nwebhook = {{ url = \"{url}/alerts\", secret = {{ file = \"{secret}\" }} }}\n{alerts}\n{more}"
        ))
    }

    pub fn wait_for(&self, count: usize) -> anyhow::Result<()> {
        self.system.wait_for(count, TOLD)
    }

    /// All alerts so far, in the order in which they came: `data` with the alert's kind as `type`.
    pub fn alerts(&self) -> anyhow::Result<Vec<Value>> {
        self.system.ledger().iter().map(alert).collect()
    }

    /// What was told of one kind, in order: `raised`, `reminder`, `recovered`.
    pub fn states(&self, kind: &str) -> anyhow::Result<Vec<String>> {
        let kind = format!("liaison.{kind}");
        let of_kind = self.alerts()?.into_iter().filter(|alert| alert["type"] == *kind);
        of_kind.map(|alert| Ok(alert["state"].as_str().context("a state")?.to_owned())).collect()
    }

    /// Waits until something of a kind is told.
    pub fn wait_for_state(&self, kind: &str, state: &str) -> anyhow::Result<()> {
        let name = format!("liaison.{kind}");
        let is_it = |alert: Value| alert["type"] == *name && alert["state"] == state;
        self.system.wait_until(&format!("{kind} {state}"), TOLD, |ledger| {
            ledger.iter().any(|entry| alert(entry).is_ok_and(is_it))
        })
    }

    /// How many of each kind.
    pub fn kinds(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let mut kinds = BTreeMap::new();
        for alert in self.alerts()? {
            *kinds.entry(alert["type"].as_str().context("a type")?.to_owned()).or_default() += 1;
        }
        Ok(kinds)
    }
}

/// One alert, its signature checked by another implementation than ours.
fn alert(entry: &Arc<Entry>) -> anyhow::Result<Value> {
    Webhook::new(SECRET)?.verify(&entry.body, &entry.headers)?;
    let mut body: Value = serde_json::from_slice(&entry.body)?;
    let mut data = body["data"].take();
    data["type"] = body["type"].take();
    Ok(data)
}
