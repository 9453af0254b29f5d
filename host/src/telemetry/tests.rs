//! What is counted is what is read, under the names that are promised.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

fn telemetry() -> (Telemetry, SubscriptionMetrics) {
    let telemetry = Telemetry::new();
    let subscription =
        telemetry.subscription(&SubscriptionName::new("calendar"), &ConnectorName::new("training"));
    (telemetry, subscription)
}

#[test]
fn what_is_counted_is_what_is_read() {
    let (telemetry, subscription) = telemetry();
    subscription.received.inc_by(3);
    subscription.settled[Settlement::DeadLettered].inc();
    subscription.attempts[AttemptOutcome::Throttled].inc();
    subscription.attempt_duration.observe(Duration::from_millis(3));
    subscription.unsettled_bytes.set(1024);
    subscription.oldest_unsettled_age.set(1.5);
    telemetry.plugin(&PluginName::new("rest")).faults[FaultKind::CpuTime].inc();
    let connector = telemetry.connector(&ConnectorName::new("training"));
    connector.request_duration[StatusClass::of(503)].observe(Duration::from_secs(2));
    connector.set_breaker_state(BreakerState::Open);
    connector.unusable.set(1);
    telemetry.alerts().raised.inc();
    telemetry.alerts().failed[AlertReceiver::Email].inc();
    telemetry.reloads().reloads[ReloadResult::Refused].inc();
    telemetry.reloads().loaded_at.set(1.5);
    let sla = telemetry.sla(&SubscriptionName::new("calendar"), &ConnectorName::new("training"), "a.b");
    sla.events[SlaResult::Missed].inc();
    sla.burn_rate[BurnWindow::FastShort].set(14.5);
    let calendar = SubscriptionName::new("calendar");
    let conflicts = telemetry.conflicts(&calendar, &ConnectorName::new("training"), "merge");
    conflicts.decisions[ConflictDecision::AlreadyThere].inc();
    let encoded = telemetry.encode();
    let of = r#"subscription="calendar",connector="training""#;
    for line in [
        format!("liaison_events_received_total{{{of}}} 3"),
        format!("liaison_events_settled_total{{{of},kind=\"dead-lettered\"}} 1"),
        format!("liaison_events_settled_total{{{of},kind=\"delivered\"}} 0"),
        format!("liaison_attempts_total{{{of},outcome=\"throttled\"}} 1"),
        format!("liaison_attempt_duration_seconds_bucket{{le=\"0.0025\",{of}}} 0"),
        format!("liaison_attempt_duration_seconds_bucket{{le=\"0.005\",{of}}} 1"),
        format!("liaison_attempt_duration_seconds_sum{{{of}}} 0.003"),
        format!("liaison_unsettled_bytes{{{of}}} 1024"),
        format!("liaison_oldest_unsettled_age_seconds{{{of}}} 1.5"),
        format!("liaison_conflicts_total{{{of},policy=\"merge\",decision=\"already-there\"}} 1"),
        "liaison_breaker_state{connector=\"training\"} 2".to_owned(),
        "liaison_connector_unusable{connector=\"training\"} 1".to_owned(),
        "liaison_plugin_faults_total{plugin=\"rest\",kind=\"cpu-time\"} 1".to_owned(),
        "liaison_http_request_duration_seconds_sum{connector=\"training\",status=\"5xx\"} 2.0".to_owned(),
        "liaison_alerts_raised_total 1".to_owned(),
        "liaison_alerts_failed_total{receiver=\"email\"} 1".to_owned(),
        "liaison_config_reloads_total{result=\"refused\"} 1".to_owned(),
        "liaison_config_loaded_timestamp_seconds 1.5".to_owned(),
        format!("liaison_sla_events_total{{{of},type=\"a.b\",result=\"missed\"}} 1"),
        format!("liaison_sla_burn_rate{{{of},type=\"a.b\",window=\"fast-short\"}} 14.5"),
    ] {
        assert!(encoded.lines().any(|found| found == line), "{line}\n{encoded}");
    }
}

#[test]
fn handles_of_one_subscription_share_their_series() {
    let (telemetry, first) = telemetry();
    let second = telemetry.subscription(&SubscriptionName::new("calendar"), &ConnectorName::new("training"));
    first.received.inc();
    second.received.inc();
    assert_eq!(first.received.get(), 2);
}

#[test]
fn every_metric_has_the_prefix_a_help_and_the_ending_of_its_kind() {
    let (telemetry, _subscription) = telemetry();
    telemetry.sla(&SubscriptionName::new("calendar"), &ConnectorName::new("training"), "default");
    telemetry.plugin(&PluginName::new("rest"));
    telemetry.versions(&PluginName::new("rest")).show("abc", None);
    let connector = ConnectorName::new("training");
    telemetry.connector(&connector);
    telemetry.parked(&SubscriptionName::new("calendar"), &connector, "1m");
    telemetry.conflicts(&SubscriptionName::new("calendar"), &connector, "merge");
    telemetry.intake_events(&ClientName::new("portal"));
    let encoded = telemetry.encode();
    let described = |word: &str| -> BTreeMap<&str, &str> {
        encoded.lines().filter_map(|line| line.strip_prefix(word)?.split_once(' ')).collect()
    };
    let (helps, types) = (described("# HELP "), described("# TYPE "));
    assert_eq!(types.len(), 57);
    for (name, kind) in &types {
        assert!(name.starts_with("liaison_"), "{name}");
        assert!(helps[name].len() > 10, "{name} has no help");
        let sample = encoded.lines().find(|line| line.starts_with(name)).unwrap();
        match *kind {
            "counter" => assert!(sample.starts_with(&format!("{name}_total")), "{sample}"),
            "histogram" => assert!(name.ends_with("_seconds"), "{name}"),
            "gauge" => assert!(!name.ends_with("_total"), "{name}"),
            other => panic!("{name} is a {other}"),
        }
        for unit in ["bytes", "seconds"] {
            let says_unit = encoded.contains(&format!("# UNIT {name} {unit}\n"));
            assert_eq!(name.ends_with(&format!("_{unit}")), says_unit, "{name}");
        }
    }
    assert!(encoded.ends_with("# EOF\n"));
}
