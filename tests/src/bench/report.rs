//! From figures to what a person reads: medians of several runs, targets, a table or JSON. Pure.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::judge::Faults;
use super::run::Figures;
use super::workload::{Mode, Workload};

/// What is said above the table.
pub const HEAD: &str = "\
CPU and memory are the host's alone; its plugins were compiled beforehand. Backlogs were produced before the host
started; the window of the times and of the CPU is from the first arrival at the sink to the last. p50 and p99 are from
before an event was sent to its arrival.";

/// All runs of one workload in one mode.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub workload: Workload,
    pub mode: Mode,
    /// The median of each figure by itself.
    pub median: Figures,
    pub runs: Vec<Figures>,
    pub targets: Vec<Target>,
}

/// What a figure should be, and whether it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Target {
    pub text: String,
    pub is_met: bool,
}

impl Row {
    /// `None` without a run.
    pub fn of(workload: Workload, mode: Mode, runs: Vec<Figures>) -> Option<Self> {
        let median = median(&runs)?;
        Some(Self { workload, mode, median, runs, targets: Vec::new() })
    }

    fn faults(&self) -> Faults {
        self.runs.iter().fold(Faults::default(), |sum, run| sum.and(run.faults))
    }
}

/// Whether any run of any row broke a promise.
pub fn any_faults(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.faults().any())
}

/// Writes the targets beside the rows: those of the host as it ships, at the full size of a workload.
pub fn set_targets(rows: &mut [Row], is_full_size: bool) {
    let natives: Vec<(Workload, Figures)> = rows
        .iter()
        .filter(|row| row.mode == Mode::Native)
        .map(|row| (row.workload, row.median.clone()))
        .collect();
    for row in rows.iter_mut().filter(|row| row.mode == Mode::Fresh && is_full_size) {
        let native = natives.iter().find(|(workload, _)| *workload == row.workload);
        row.targets = targets(row.workload, &row.median, native.map(|(_, figures)| figures));
    }
}

fn targets(workload: Workload, figures: &Figures, native: Option<&Figures>) -> Vec<Target> {
    let at_least = |figure: f64, target: f64, text: String| Target { text, is_met: figure >= target };
    let at_most = |figure: f64, target: f64, text: String| Target { text, is_met: figure <= target };
    let rate = |target: f64| at_least(figures.events_per_second, target, format!("≥ {target} /s"));
    let seconds = |target: f64| at_most(figures.seconds, target, format!("≤ {target} s"));
    let share_of = |native: &Figures, target: f64, whose: &str| {
        let share = figures.events_per_second / native.events_per_second * 100.0;
        at_least(share, target, format!("{share:.0} % of {whose}, ≥ {target} %"))
    };
    match workload {
        Workload::Throughput => {
            let share = native.map(|native| share_of(native, 85.0, "native"));
            let cpu = at_most(figures.cpu_us_per_event, 45.0, "≤ 45 µs CPU".to_owned());
            let memory = at_most(figures.peak_mib, 100.0, "≤ 100 MiB".to_owned());
            [rate(22_000.0), cpu, memory].into_iter().chain(share).collect()
        }
        Workload::Warehouse | Workload::Database => {
            native.map(|native| share_of(native, 80.0, "a loop written by hand")).into_iter().collect()
        }
        Workload::Latency5ms => vec![rate(14_000.0)],
        Workload::Keys1 => {
            let ratio = figures.waits_ratio.unwrap_or(f64::INFINITY);
            vec![at_most(ratio, 1.05, format!("{ratio:.3} of its own waits, ≤ 1.05"))]
        }
        Workload::Keys10 => vec![seconds(4.0)],
        Workload::Keys1000 => vec![seconds(1.0)],
        Workload::Poison => vec![seconds(3.0)],
        Workload::Paced => {
            let milliseconds = |figure: Option<f64>, target: f64, name: &str| {
                at_most(figure.unwrap_or(f64::INFINITY), target, format!("{name} ≤ {target} ms"))
            };
            vec![milliseconds(figures.p50_ms, 2.0, "p50"), milliseconds(figures.p99_ms, 8.0, "p99")]
        }
    }
}

/// The table, a row a workload and mode.
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "workload",
        "mode",
        "events",
        "s",
        "events/s",
        "p50 ms",
        "p99 ms",
        "CPU s",
        "CPU µs/event",
        "peak MiB",
        "lost, dup., disorder",
        "target of the shipped host",
    ]);
    for row in rows {
        let figures = &row.median;
        let optional = |figure: Option<f64>| figure.map_or("–".to_owned(), |figure| format!("{figure:.2}"));
        table.add_row([
            row.workload.name().to_owned(),
            row.mode.name().to_owned(),
            figures.events.to_string(),
            format!("{:.2}", figures.seconds),
            format!("{:.0}", figures.events_per_second),
            optional(figures.p50_ms),
            optional(figures.p99_ms),
            format!("{:.2}", figures.cpu_seconds),
            format!("{:.1}", figures.cpu_us_per_event),
            format!("{:.0}", figures.peak_mib),
            promises(row.faults()),
            row.targets.iter().map(spelled).collect::<Vec<_>>().join("\n"),
        ]);
    }
    for column in table.column_iter_mut().skip(2).take(8) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn promises(faults: Faults) -> String {
    let Faults { lost, duplicates, out_of_order, strangers } = faults;
    match strangers {
        0 => format!("{lost}, {duplicates}, {out_of_order}"),
        _ => format!("{lost}, {duplicates}, {out_of_order}; {strangers} strange requests"),
    }
}

fn spelled(target: &Target) -> String {
    format!("{}: {}", target.text, if target.is_met { "met" } else { "missed" })
}

/// The median of each figure by itself; of an even number of runs the lower middle one. Faults are summed.
fn median(runs: &[Figures]) -> Option<Figures> {
    let of = |figure: fn(&Figures) -> f64| middle(runs.iter().map(figure).collect());
    let of_some = |figure: fn(&Figures) -> Option<f64>| middle(runs.iter().filter_map(figure).collect());
    Some(Figures {
        events: runs.iter().map(|run| run.events).min()?,
        seconds: of(|run| run.seconds)?,
        events_per_second: of(|run| run.events_per_second)?,
        p50_ms: of_some(|run| run.p50_ms),
        p99_ms: of_some(|run| run.p99_ms),
        cpu_seconds: of(|run| run.cpu_seconds)?,
        cpu_us_per_event: of(|run| run.cpu_us_per_event)?,
        peak_mib: of(|run| run.peak_mib)?,
        waits_ratio: of_some(|run| run.waits_ratio),
        faults: runs.iter().fold(Faults::default(), |sum, run| sum.and(run.faults)),
    })
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(events_per_second: f64) -> Figures {
        Figures {
            events: 10,
            seconds: 3.5,
            events_per_second,
            p50_ms: Some(1.5),
            p99_ms: Some(9.0),
            cpu_seconds: 1.0,
            cpu_us_per_event: 46.0,
            peak_mib: 80.0,
            waits_ratio: Some(1.04),
            faults: Faults { lost: 1, ..Faults::default() },
        }
    }

    #[test]
    fn the_median_is_of_each_figure_and_the_sum_of_the_faults() {
        let runs = vec![figures(3.0), figures(1.0), figures(2.0)];
        let row = Row::of(Workload::Throughput, Mode::Fresh, runs).unwrap();
        assert_eq!(row.median.events_per_second, 2.0);
        assert_eq!(row.median.faults.lost, 3);
        assert!(any_faults(&[row]));
        assert!(Row::of(Workload::Throughput, Mode::Fresh, Vec::new()).is_none());
    }

    #[test]
    fn targets_are_met_or_missed() {
        let native = figures(24_000.0);
        for (workload, expected) in [
            (
                Workload::Throughput,
                &[
                    ("≥ 22000 /s", true),
                    ("≤ 45 µs CPU", false),
                    ("≤ 100 MiB", true),
                    ("96 % of native, ≥ 85 %", true),
                ][..],
            ),
            (Workload::Warehouse, &[("96 % of a loop written by hand, ≥ 80 %", true)]),
            (Workload::Latency5ms, &[("≥ 14000 /s", true)]),
            (Workload::Keys1, &[("1.040 of its own waits, ≤ 1.05", true)]),
            (Workload::Keys10, &[("≤ 4 s", true)]),
            (Workload::Keys1000, &[("≤ 1 s", false)]),
            (Workload::Poison, &[("≤ 3 s", false)]),
            (Workload::Paced, &[("p50 ≤ 2 ms", true), ("p99 ≤ 8 ms", false)]),
        ] {
            let found = targets(workload, &figures(23_000.0), Some(&native));
            let found: Vec<_> = found.iter().map(|target| (target.text.as_str(), target.is_met)).collect();
            assert_eq!(found, expected, "{}", workload.name());
        }
    }

    #[test]
    fn the_shipped_host_alone_has_targets_and_at_full_size_alone() {
        let row = |mode| Row::of(Workload::Throughput, mode, vec![figures(20_000.0)]).unwrap();
        let mut rows = [row(Mode::Native), row(Mode::Fresh)];
        set_targets(&mut rows, false);
        assert!(rows.iter().all(|row| row.targets.is_empty()));
        set_targets(&mut rows, true);
        assert_eq!((rows[0].targets.len(), rows[1].targets.len()), (0, 4));
        assert!(table(&rows).contains("≥ 22000 /s: missed"));
    }
}
