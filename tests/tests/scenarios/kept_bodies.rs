//! Documents that go from one system to another by way of the host, and not of its memory.

use bytes::Bytes;
use liaison::kafka::embedded::Embedded;
use liaison_tests::host::HostProcess;
use liaison_tests::port;
use liaison_tests::produce::produce;
use liaison_tests::system::{Answer, Behaviour, System};
use sha2::{Digest as _, Sha256};

use crate::fixture::{Config, DEAD_LETTERS, LIMIT, TOPIC, event, letters, with_header};

const DOCUMENT_BYTES: usize = 100_000_000;
/// What a document may add to the host's memory, whatever its size.
const MEMORY_BYTES: u64 = 16 << 20;

#[test]
fn a_document_of_100_mb_is_copied_within_16_mib_of_memory() -> anyhow::Result<()> {
    let document: Vec<u8> =
        (0..DOCUMENT_BYTES / 4).flat_map(|number| (number as u32).to_le_bytes()).collect();
    let document = Bytes::from(document);
    let sha256: String = Sha256::digest(&document).iter().map(|byte| format!("{byte:02x}")).collect();
    let served = document.clone();
    let archive = System::start(
        "archive",
        Behaviour::from_fn(move |request| {
            let small = Bytes::from_static(b"small");
            Answer::status(200).with_body(if request.path == "/small" { small } else { served.clone() })
        }),
    )?;
    let portal = System::start("portal", Behaviour::ok())?;
    let broker = Embedded::start(&[(TOPIC, 1), (DEAD_LETTERS, 1)])?;
    let admin = port::free()?;
    let start = |from: &str| {
        let connector = &format!(
            r#"allow = ["{archive}"]
            settings = {{ from = "{archive}/{from}", to = "/copy" }}"#,
            archive = archive.url(),
        );
        let tables = "[sla.default]\nattempt-timeout = \"60s\"";
        let config = Config { plugin: "errand", connector, tables, ..Config::default() };
        let text = config.text(broker.bootstrap(), &portal.url())?;
        let text = text.replace("address = false", &format!("address = \"{admin}\""));
        let mut host = HostProcess::start(&text, admin, &[])?;
        host.wait_ready(LIMIT)?;
        anyhow::Ok(host)
    };
    let copy = |id: &str| with_header(event(id, id), "ce_errand", "copy");

    // What it takes anyway, once the plugin is compiled.
    drop(start("small")?);
    let mut host = start("small")?;
    produce(broker.bootstrap(), vec![copy("small")])?;
    portal.wait_for(1, LIMIT)?;
    let usual = peak_bytes(host.id())?;
    assert!(host.terminate(LIMIT)?.success());

    let mut host = start("large")?;
    produce(broker.bootstrap(), vec![copy("large")])?;
    portal.wait_for(2, 2 * LIMIT)?;
    let peak = peak_bytes(host.id())?;
    let ledger = portal.ledger();
    let header = |name: &str| ledger[1].headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!((header("x-length"), header("x-sha256")), (Some("100000000"), Some(sha256.as_str())));
    assert!(ledger[1].body == document, "{} bytes arrived", ledger[1].body_bytes);
    let more = peak.saturating_sub(usual);
    assert!(more < MEMORY_BYTES, "{} KiB more than the usual {} KiB", more >> 10, usual >> 10);
    assert!(host.terminate(LIMIT)?.success());
    assert_eq!(letters(&broker)?.len(), 0);
    Ok(())
}

/// The most memory that a process has had at a time.
pub(crate) fn peak_bytes(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.ok_or_else(|| anyhow::anyhow!("it has no peak:\n{status}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}
