//! What a process has used so far, as Linux counts it in `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// Ticks a second in `/proc/PID/stat`: the kernel's USER_HZ, 100 on every architecture that Rust has.
const TICK: Duration = Duration::from_millis(10);

/// Where `utime` is among the fields after the program's name (proc_pid_stat(5): field 14, and the name is field 2).
const USER_TIME: usize = 11;

/// Processor time so far, of all threads, in user and kernel mode. Counted in steps of 10 ms.
pub fn cpu_time(process: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    read_cpu_time(&text).with_context(|| format!("{path} is not as expected: {text}"))
}

/// The most memory that it ever had resident, in bytes.
pub fn peak_memory(process: u32) -> anyhow::Result<u64> {
    memory(process, "VmHWM")
}

/// The memory that it has resident now, in bytes.
pub fn memory_now(process: u32) -> anyhow::Result<u64> {
    memory(process, "VmRSS")
}

fn memory(process: u32, name: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    read_memory(&text, name).with_context(|| format!("{path} has no {name}"))
}

fn read_cpu_time(stat: &str) -> Option<Duration> {
    // The name may hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(USER_TIME);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (ticks()? + ticks()?))
}

fn read_memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 3 0 99 1 2";
        assert_eq!(read_cpu_time(stat), Some(Duration::from_millis(1_750)));
        assert_eq!(read_cpu_time("7 (a) S 1"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        let status = "VmPeak:\t 9 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(read_memory(status, "VmHWM"), Some(2 << 20));
        assert_eq!(read_memory(status, "VmRSS"), Some(1024));
        assert_eq!(read_memory("VmPeak:\t 9 kB\n", "VmHWM"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let now = memory_now(std::process::id()).unwrap();
        assert!(now > 100_000 && peak_memory(std::process::id()).unwrap() >= now);
        assert!(cpu_time(std::process::id()).is_ok());
    }
}
