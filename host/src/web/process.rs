//! What the operating system says of this process. Known on Linux; elsewhere what is not known is left out.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Ticks per second of `/proc/self/stat`: the same on every architecture that this runs on.
const USER_HZ: f64 = 100.0;

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// Memory in use.
    pub resident_bytes: Option<u64>,
    /// Processor time so far.
    pub cpu_s: Option<f64>,
    /// Open files and connections.
    pub open_files: Option<u64>,
    /// When the host started, in Unix time.
    pub started_s: f64,
}

impl Process {
    /// As it is now.
    pub(super) fn now(started: Instant) -> Self {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self {
            resident_bytes: read("status").as_deref().and_then(resident_bytes),
            cpu_s: read("stat").as_deref().and_then(cpu_s),
            open_files: std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64),
            started_s: now_s - started.elapsed().as_secs_f64(),
        }
    }
}

fn read(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/{name}")).ok()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib << 10)
}

/// User and system time: the 12th and 13th field behind the program's name, which may hold anything.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / USER_HZ)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t3\n"), Some(2 << 20));
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 0 0 0";
        assert_eq!(cpu_s(stat), Some(2.0));
        assert_eq!(cpu_s(""), None);
    }
}
