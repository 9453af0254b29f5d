//! What a certificate says.

use super::*;
use crate::rehearsal::certify::{Cost, Rule, Tried};

const SHA256: [u8; 32] = [7; 32];

fn certification(failed: u32) -> Certification {
    let finding = Finding { rule: Rule::Outcome, case: "c".into(), at: None, text: "it ends".into() };
    let findings = if failed > 0 { vec![finding] } else { vec![] };
    Certification {
        sha256: SHA256,
        is_connector: true,
        cases: 3,
        good_cases: 1,
        trials: vec![Tried { name: "401", about: "refused", runs: 2, failed, findings, omitted: 0 }],
        cost: Cost::default(),
        accepted: BTreeMap::from([("404".to_owned(), vec![Ending::Skipped])]),
    }
}

#[test]
fn a_certificate_reads_back_as_it_was_written() {
    for (failed, is_passed) in [(0, true), (1, false)] {
        let certificate = Certificate::of(&certification(failed));
        let json = serde_json::to_string_pretty(&certificate).unwrap();
        assert_eq!(serde_json::from_str::<Certificate>(&json).unwrap(), certificate);
        assert_eq!((certificate.is_passed, certificate.is_signed), (is_passed, false));
        assert_eq!(certificate.plugin_sha256, "07".repeat(32));
    }
}
