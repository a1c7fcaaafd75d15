//! What a process uses: a command goes in; CPU time, peak memory, time, and what it printed come out.
//!
//! The system itself counts (`wait4`), threads and all. Its figure of peak memory is never less than what this process
//! had when it started the other one; so this one stays small, and a figure that it may have spoiled is left out.

use std::{
    fs::File,
    io::Read,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use xtask::shell;

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What a process has used from its start to its end.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// User and system time of all its threads.
    pub cpu: Duration,
    pub wall: Duration,
    /// `None` where this process had as much when it started the other one.
    pub peak_kib: Option<u64>,
    /// The share of the machine's CPU time that anybody used meanwhile, from 0 to 1.
    pub machine_busy: f64,
}

/// Runs a command to its end, which must be exit code 0 and come in time. Gives what it printed, too.
pub fn run(command: Command, within: Duration) -> Result<(Used, String)> {
    Running::start(command)?.finish(within)
}

/// A process that is being measured. Killed when dropped.
pub struct Running {
    child: Child,
    ended: bool,
    shown: String,
    begun: Instant,
    machine: Machine,
    own_peak_kib: u64,
}

impl Running {
    pub fn start(mut command: Command) -> Result<Self> {
        let shown = shell::shown(&command);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let own_peak_kib = own_peak_kib()?;
        let (machine, begun) = (Machine::now()?, Instant::now());
        let child = command.spawn().with_context(|| format!("cannot start `{shown}`"))?;
        Ok(Self { child, ended: false, shown, begun, machine, own_peak_kib })
    }

    /// When it was started.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Its standard output, to be read by the caller instead of by `finish`.
    pub fn stdout(&mut self) -> Result<std::process::ChildStdout> {
        self.child.stdout.take().context("its output is being read already")
    }

    /// Fails if it has ended.
    pub fn must_run(&mut self) -> Result<()> {
        match look(self.child.id())? {
            None => Ok(()),
            Some((status, _)) => {
                self.ended = true;
                bail!("`{}` ended by itself (status {status})", self.shown)
            }
        }
    }

    /// Asks it to stop in order.
    pub fn terminate(&self) -> Result<()> {
        // SAFETY: it sends a signal, to a child that has not been waited for, so its id is nobody else's.
        let failed = unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        if failed != 0 { Err(std::io::Error::last_os_error()).context("cannot signal the process") } else { Ok(()) }
    }

    /// Waits for its end, which must be in order.
    pub fn finish(self, within: Duration) -> Result<(Used, String)> {
        let shown = self.shown.clone();
        match self.finish_however(within)? {
            (used, printed, 0) => Ok((used, printed)),
            (.., status) => bail!("`{shown}` failed (status {status})"),
        }
    }

    /// Waits for its end, and gives its status, too.
    pub fn finish_however(mut self, within: Duration) -> Result<(Used, String, i32)> {
        let reader = self.child.stdout.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut text = String::new();
                pipe.read_to_string(&mut text).map(|_| text)
            })
        });
        let (status, usage) = loop {
            if let Some(ended) = look(self.child.id())? {
                break ended;
            }
            if self.begun.elapsed() > within {
                bail!("`{}` has not ended within {within:?}", self.shown);
            }
            std::thread::sleep(LOOK_EVERY);
        };
        self.ended = true;
        let wall = self.begun.elapsed();
        let peak_kib = Some(usage.ru_maxrss as u64).filter(|peak| *peak > self.own_peak_kib);
        let cpu = time(usage.ru_utime) + time(usage.ru_stime);
        let machine_busy = self.machine.busy_since()?;
        let text = match reader.map(std::thread::JoinHandle::join) {
            Some(Ok(text)) => text.context("its output is not text")?,
            Some(Err(_)) => bail!("the thread that reads its output broke"),
            None => String::new(),
        };
        Ok((Used { cpu, wall, peak_kib, machine_busy }, text, status))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            // One that has ended is not there any more, and that is well.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Whether a child has ended, and then its status and what it has used.
fn look(pid: u32) -> Result<Option<(i32, libc::rusage)>> {
    let mut status = 0;
    // SAFETY: all zeros are a valid `rusage`, which is made of numbers alone.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values of this function, and the call keeps neither.
    match unsafe { libc::wait4(pid as libc::pid_t, &raw mut status, libc::WNOHANG, &raw mut usage) } {
        0 => Ok(None),
        -1 => Err(std::io::Error::last_os_error()).context("cannot wait for the process"),
        _ => Ok(Some((status, usage))),
    }
}

fn time(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}

fn own_peak_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("Linux alone tells what a process used")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).context("no VmHWM in /proc/self/status")
}

/// The machine's CPU time so far, in ticks.
struct Machine {
    busy: u64,
    all: u64,
}

impl Machine {
    fn now() -> Result<Self> {
        let mut text = String::new();
        File::open("/proc/stat")?.take(4096).read_to_string(&mut text)?;
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|tick| tick.parse().ok()).collect();
        let all = ticks.iter().sum();
        // Idle, and waiting for a disk.
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Ok(Self { busy: all - idle, all })
    }

    fn busy_since(&self) -> Result<f64> {
        let now = Self::now()?;
        Ok((now.busy - self.busy) as f64 / (now.all - self.all).max(1) as f64)
    }
}
