//! What a certification says as a whole.

use super::*;

fn certification(good_cases: usize, failed: u32) -> Certification {
    let tried = Tried { name: "401", about: "", runs: 3, failed, findings: Vec::new(), omitted: 0 };
    Certification {
        sha256: [0; 32],
        is_connector: true,
        cases: 2,
        good_cases,
        trials: vec![tried],
        cost: Cost::default(),
        accepted: BTreeMap::new(),
    }
}

#[test]
fn an_ending_is_accepted_for_a_trial_that_there_is() {
    let case = |trial: &str| {
        let json = serde_json::json!({"event": {"type": "t"}, "accept": {trial: ["delivered"]}});
        vec![Case::from_json(json, "c").unwrap()]
    };
    let trials = Trial::all(true);
    check_accepted(&case("404"), &trials).unwrap();
    let error = check_accepted(&case("405"), &trials).unwrap_err();
    assert_eq!(error.to_string(), "the case `c` accepts endings of `405`, which is no trial");
    let right = with_accepted(vec![Ending::Retry], &case("404")[0], Trial::Reply(ReplyTrial::NotFound));
    assert_eq!(right, [Ending::Retry, Ending::Delivered]);
}

#[test]
fn a_plugin_that_was_tried_and_never_failed_has_passed() {
    assert!(certification(1, 0).is_passed());
    assert!(!certification(1, 1).is_passed());
    // Nothing was tried.
    assert!(!certification(0, 0).is_passed());
}
