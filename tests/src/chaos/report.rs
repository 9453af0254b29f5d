//! What a person reads of a run: a line for each fault as it is got over, and a table at the end. Pure.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::Plan;
use super::events::Refused;
use super::incident::Incident;
use super::judge::{Broken, Verdict};
use super::member::Life;

/// All that is said of a run.
#[derive(Debug)]
pub struct Run<'a> {
    pub plan: &'a Plan,
    pub incidents: &'a [Incident],
    pub verdict: &'a Verdict,
    /// Of each host.
    pub lives: &'a [Vec<Life>],
    /// Why the run did not come to its end as planned.
    pub trouble: Option<String>,
    /// Events that Kafka said it has, and those of which it did not.
    pub acknowledged: usize,
    pub refused: Refused,
}

/// What is said when a fault is got over, or is not.
pub fn line(number: usize, incident: &Incident) -> String {
    let (name, on) = (incident.fault.kind.name(), on(incident));
    match &incident.recovered_ms {
        Ok(recovered_ms) => format!(
            "{number}: {name}{on}: {:.1} s, recovered {:.1} s after",
            seconds(incident.began_ms, incident.over_ms),
            seconds(incident.over_ms, *recovered_ms)
        ),
        Err(why) => format!("{number}: {name}{on}: not recovered: {why}"),
    }
}

fn on(incident: &Incident) -> String {
    if incident.fault.kind.is_of_a_host() {
        format!(" (host {})", incident.fault.host)
    } else {
        String::new()
    }
}

fn seconds(from_ms: u64, to_ms: u64) -> f64 {
    to_ms.saturating_sub(from_ms) as f64 / 1_000.0
}

impl Run<'_> {
    /// Whether every promise was kept, to the end.
    pub fn is_kept(&self) -> bool {
        self.trouble.is_none()
            && self.verdict.is_kept()
            && self.incidents.iter().all(|incident| incident.recovered_ms.is_ok())
            && self.verdict.produced >= self.acknowledged
            && self.acknowledged >= self.enough()
    }

    /// A run that produced much less than it was asked for proves nothing.
    fn enough(&self) -> usize {
        self.plan.events - self.plan.events / 20
    }

    /// The whole of it.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.table());
        let verdict = self.verdict;
        let mut say = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<45} {value}");
        };
        say("seed", self.plan.seed.to_string());
        say("produced", format!("{}, {} acknowledged", verdict.produced, self.acknowledged));
        if self.refused.count > 0 {
            say("not acknowledged", format!("{}, the first: {}", self.refused.count, self.refused.why));
        }
        say("delivered", verdict.delivered.to_string());
        say("dead-lettered", verdict.dead_lettered.to_string());
        let duplicates: usize = verdict.repeated.iter().map(|repeated| repeated.duplicates).sum();
        say("duplicates", duplicates.to_string());
        for (name, broken) in broken(verdict) {
            say(name, broken.count.to_string());
        }
        say("commits that were looked at", verdict.commits.to_string());
        for (host, lives) in self.lives.iter().enumerate() {
            let peak = lives.iter().filter_map(|life| life.peak_bytes).max().unwrap_or_default();
            say(&format!("peak memory of host {host}"), format!("{} MiB, {} lives", peak >> 20, lives.len()));
        }
        for (name, broken) in broken(verdict).into_iter().filter(|(_, broken)| broken.count > 0) {
            let _ = writeln!(text, "\n{name}:\n  {}", broken.named.join("\n  "));
        }
        if let Some(trouble) = &self.trouble {
            let _ = writeln!(text, "\ntrouble: {trouble}");
        }
        let kept = if self.is_kept() { "every promise was kept" } else { "A PROMISE WAS BROKEN" };
        let _ = write!(text, "\n{kept}");
        text
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["", "fault", "lasted s", "recovered s", "duplicates", "allowed", "because"]);
        for (number, incident) in self.incidents.iter().enumerate() {
            let recovered = match &incident.recovered_ms {
                Ok(at_ms) => format!("{:.1}", seconds(incident.over_ms, *at_ms)),
                Err(_) => "NOT".to_owned(),
            };
            let repeated = self.verdict.repeated.get(number);
            let duplicates = repeated.map_or(0, |repeated| repeated.duplicates);
            let (allowed, because) = repeated
                .map_or((0, ""), |repeated| (repeated.bound.duplicates, repeated.bound.because.as_str()));
            table.add_row([
                (number + 1).to_string(),
                format!("{}{}", incident.fault.kind.name(), on(incident)),
                format!("{:.1}", seconds(incident.began_ms, incident.over_ms)),
                recovered,
                format!("{duplicates}{}", if duplicates > allowed { " !" } else { "" }),
                allowed.to_string(),
                because.to_owned(),
            ]);
        }
        for column in [0, 2, 3, 4, 5] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

/// What must be 0.
fn broken(verdict: &Verdict) -> [(&'static str, &Broken); 6] {
    [
        ("lost", &verdict.lost),
        ("dead letters that should not be, or are not", &verdict.misjudged),
        ("first deliveries out of order", &verdict.out_of_order),
        ("commits past an unsettled event", &verdict.committed_early),
        ("sent again although committed", &verdict.again_although_committed),
        ("duplicates before any fault", &verdict.unprovoked),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::bounds::Bound;
    use super::super::fault::{Fault, Kind};
    use super::super::incident::MayRepeat;
    use super::super::judge::Repeated;
    use super::*;

    const PLAN: Plan = Plan { seed: 7, duration: Duration::from_secs(60), faults: 1, events: 10, hosts: 2 };

    fn incident(recovered_ms: Result<u64, String>) -> Incident {
        let fault = Fault { kind: Kind::Terminate, host: 1, node: 0 };
        let may_repeat = MayRepeat::Nothing;
        Incident { fault, began_ms: 1_000, over_ms: 2_500, recovered_ms, may_repeat }
    }

    fn verdict(duplicates: usize, lost: usize) -> Verdict {
        let bound = Bound { duplicates: 1, because: "one in flight".to_owned() };
        let named = vec!["chaos.calendar/0/1".to_owned(); lost];
        Verdict {
            produced: 10,
            repeated: vec![Repeated { duplicates, bound }],
            lost: Broken { count: lost, named },
            ..Verdict::default()
        }
    }

    fn run<'a>(incidents: &'a [Incident], verdict: &'a Verdict) -> Run<'a> {
        Run {
            plan: &PLAN,
            incidents,
            verdict,
            lives: &[],
            trouble: None,
            acknowledged: 10,
            refused: Refused::default(),
        }
    }

    #[test]
    fn a_run_is_kept_where_nothing_is_broken() {
        let (good, bad) = ([incident(Ok(3_000))], [incident(Err("stuck".to_owned()))]);
        for (incidents, verdict, acknowledged, is_kept) in [
            (&good, verdict(1, 0), 10, true),
            (&good, verdict(2, 0), 10, false),
            (&good, verdict(0, 1), 10, false),
            (&bad, verdict(0, 0), 10, false),
            (&good, verdict(0, 0), 11, false),
            (&good, Verdict { produced: 10, ..verdict(0, 0) }, 9, false),
        ] {
            let run = Run { acknowledged, ..run(incidents, &verdict) };
            assert_eq!(run.is_kept(), is_kept, "{}", run.text());
            assert_eq!(run.text().ends_with("every promise was kept"), is_kept);
        }
    }

    #[test]
    fn the_report_names_seed_times_and_what_is_broken() {
        let (incidents, verdict) = ([incident(Ok(3_000))], verdict(2, 1));
        let text = run(&incidents, &verdict).text();
        for expected in [
            "SIGTERM, start again (host 1)",
            " 1.5 ",
            " 0.5 ",
            " 2 ! ",
            "one in flight",
            "chaos.calendar/0/1",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
        assert!(text.lines().any(|line| line.starts_with("seed ") && line.ends_with(" 7")), "{text}");
        assert_eq!(line(3, &incidents[0]), "3: SIGTERM, start again (host 1): 1.5 s, recovered 0.5 s after");
    }
}
