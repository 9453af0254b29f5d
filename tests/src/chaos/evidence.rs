//! What a failed run leaves for whoever looks for the cause: report, logs of every life of every host, logs of Kafka,
//! and what arrived and was committed, line by line.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::clock;
use super::member::Life;
use super::report::Run;
use super::trail::Trail;
use crate::host::liaison_binary;
use crate::kafka::{Cluster, NODES};

/// Writes the logs into a new folder below the build's own, and gives its path.
pub(super) fn keep_logs(seed: u64, lives: &[Vec<Life>], cluster: &Cluster) -> anyhow::Result<PathBuf> {
    let binary = liaison_binary()?;
    let target =
        binary.ancestors().nth(2).context("a program is in a profile's folder in a target folder")?;
    let folder = target.join("chaos").join(format!("seed-{seed}-{}", clock::now_ms()));
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for (host, lives) in lives.iter().enumerate() {
        for (number, life) in lives.iter().enumerate() {
            write(&folder, &format!("host-{host}-life-{number}.log"), &life.log.join("\n"))?;
        }
    }
    for node in 0..NODES {
        write(&folder, &format!("kafka-{}.log", node + 1), &cluster.log(node).join("\n"))?;
    }
    Ok(folder)
}

/// Writes what is known beside the logs.
pub(super) fn keep(folder: &Path, run: &Run<'_>, trails: &[Trail]) -> anyhow::Result<()> {
    write(folder, "report.txt", &run.text())?;
    write(folder, "faults.txt", &faults(run))?;
    trails.iter().try_for_each(|trail| write_trail(folder, trail))
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn faults(run: &Run<'_>) -> String {
    run.incidents.iter().map(|incident| format!("{incident:?}\n")).collect()
}

fn write_trail(folder: &Path, trail: &Trail) -> anyhow::Result<()> {
    let (mut events, mut repeats, mut commits) = (String::new(), String::new(), String::new());
    for event in &trail.events {
        let settled = trail.settled(event.place);
        writeln!(events, "{:?} {:?} {:?} {settled:?}", event.place, event.identifier, event.written_ms)?;
    }
    for repeat in trail.repeats() {
        writeln!(repeats, "{repeat:?}")?;
    }
    let mut partitions: Vec<i32> = trail.events.iter().map(|event| event.place.partition).collect();
    partitions.dedup();
    for commit in partitions.into_iter().flat_map(|partition| trail.commits(partition)) {
        writeln!(commits, "{} {} {:?} at {}", commit.partition, commit.offset, commit.settled, commit.at_ms)?;
    }
    for (what, text) in [("events", events), ("repeats", repeats), ("commits", commits)] {
        write(folder, &format!("{}-{what}.txt", trail.subscription.name()), &text)?;
    }
    Ok(())
}
