//! Which certificate stands for which component.

use super::*;
use crate::config::{Plugin, Runtime};
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

/// What the host says of a plugin with this file as its certificate.
fn judged(name: &str, text: &str, sha256: [u8; 32]) -> Result<(), CertificateError> {
    let path = std::env::temp_dir().join(format!("liaison-certificate-{name}-{}", std::process::id()));
    fs::write(&path, text).unwrap();
    let settings = Plugin { certificate: Some(path.clone()), ..Plugin::new("p.wasm") };
    let result = required(&PluginName::new("p"), &settings, &Runtime::default(), &sha256);
    fs::remove_file(path).unwrap();
    result
}

fn written(certificate: &Certificate) -> String {
    serde_json::to_string_pretty(certificate).unwrap()
}

#[test]
fn a_passed_certificate_stands_for_its_component_alone() {
    let certificate = Certificate::of(&certification(0));
    assert_eq!(serde_json::from_str::<Certificate>(&written(&certificate)).unwrap(), certificate);
    assert!(certificate.is_passed && !certificate.is_signed);
    judged("right", &written(&certificate), SHA256).unwrap();
    let error = judged("other", &written(&certificate), [8; 32]).unwrap_err();
    assert!(matches!(error, CertificateError::Other { .. }), "{error}");
}

#[test]
fn one_with_a_failed_trial_is_refused_whatever_it_says_of_itself() {
    let mut certificate = Certificate::of(&certification(1));
    assert!(!certificate.is_passed);
    certificate.is_passed = true;
    let error = judged("failed", &written(&certificate), SHA256).unwrap_err().to_string();
    assert!(error.ends_with("says that it failed: 401"), "{error}");
    let mut empty = Certificate::of(&certification(0));
    empty.trials.clear();
    let error = judged("empty", &written(&empty), SHA256).unwrap_err().to_string();
    assert!(error.ends_with("no trial was made"), "{error}");
}

#[test]
fn what_is_none_is_refused() {
    let mut later = Certificate::of(&certification(0));
    later.format = "liaison-certificate-2".to_owned();
    for (name, text) in [("format", written(&later)), ("json", "{}".to_owned()), ("text", "ok".to_owned())] {
        let error = judged(name, &text, SHA256).unwrap_err();
        assert!(matches!(error, CertificateError::Form { .. }), "{error}");
    }
}

#[test]
fn none_is_wanted_unless_the_configuration_says_so() {
    let (name, settings) = (PluginName::new("p"), Plugin::new("p.wasm"));
    required(&name, &settings, &Runtime::default(), &SHA256).unwrap();
    let strict = Runtime { require_certificate: true, ..Runtime::default() };
    let error = required(&name, &settings, &strict, &SHA256).unwrap_err();
    assert!(matches!(error, CertificateError::Missing { .. }), "{error}");
}
