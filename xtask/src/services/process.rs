//! One background process, found again by later runs: a folder goes in, the process's id and its signals come out.
//!
//! The id is kept in `<folder>/pid`. It counts only while the process's command line names that folder, so that an id
//! used again by the system is never signalled. A process here outlives the task that started it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell;

/// How long a process may take to end by itself before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at a process or a port; a look costs next to nothing.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// End in good order.
    Term,
    /// End now; nothing is flushed.
    Kill,
    /// Stand still, with every connection left open.
    Stop,
    /// Go on after [`Signal::Stop`].
    Cont,
}

/// The process whose state is below one folder.
pub(super) struct Background {
    folder: PathBuf,
}

impl Background {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    /// Where its output goes.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("out.log")
    }

    /// The process's id while it lives. One that ended but was not waited for does not count.
    pub(super) fn pid(&self) -> Option<u32> {
        let pid = fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        command_line(pid)?.contains(&*self.folder.to_string_lossy()).then_some(pid)
    }

    /// Starts a command that names this folder in one of its arguments.
    pub(super) fn spawn(&self, mut command: Command) -> Result<u32> {
        let log = File::create(self.log()).with_context(|| format!("cannot write {}", self.log().display()))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.process_group(0); // Ctrl-C on the task's terminal is not meant for the engine
        let mut child = command.spawn().with_context(|| format!("cannot start `{}`", shell::shown(&command)))?;
        let pid = child.id();
        fs::write(self.pid_file(), format!("{pid}\n"))?;
        // For a moment after the start the system shows no command line, and the process would count as gone.
        while self.pid().is_none() && child.try_wait()?.is_none() {
            std::thread::yield_now();
        }
        // Collects the exit status while this task lives; afterwards the system does.
        std::thread::spawn(move || child.wait());
        Ok(pid)
    }

    /// Sends a signal; without a process to send it to, an error.
    pub(super) fn signal(&self, signal: Signal) -> Result<u32> {
        let Some(pid) = self.pid() else {
            bail!("cannot signal a process that is not running (by {})", self.pid_file().display());
        };
        send(pid, signal)?;
        Ok(pid)
    }

    /// Ends the process in good order, or by force once the deadline is over. Hands back the id it had.
    pub(super) fn stop(&self) -> Result<Option<u32>> {
        let Some(pid) = self.pid() else { return Ok(None) };
        // A paused process would sit on the second signal; and either finds nobody if it ends by itself meanwhile.
        for signal in [Signal::Cont, Signal::Term] {
            if let Err(error) = send(pid, signal)
                && self.pid().is_some()
            {
                return Err(error);
            }
        }
        if !self.ends_within(STOP_DEADLINE) {
            eprintln!("process {pid} did not end in {} s; killing it", STOP_DEADLINE.as_secs());
            self.kill()?;
        }
        Ok(Some(pid))
    }

    /// Ends the process at once and waits until it is gone.
    pub(super) fn kill(&self) -> Result<u32> {
        let pid = self.signal(Signal::Kill)?;
        if !self.ends_within(STOP_DEADLINE) {
            bail!("process {pid} survived SIGKILL for {} s", STOP_DEADLINE.as_secs());
        }
        Ok(pid)
    }

    fn ends_within(&self, deadline: Duration) -> bool {
        let begun = Instant::now();
        while self.pid().is_some() {
            if begun.elapsed() > deadline {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        true
    }

    /// The end of its output, for the message about its death.
    pub(super) fn last_words(&self) -> String {
        let text = fs::read(self.log()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(30);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

/// `kill` is a program that small images lack, but every shell knows it.
fn send(pid: u32, signal: Signal) -> Result<()> {
    let name = match signal {
        Signal::Term => "TERM",
        Signal::Kill => "KILL",
        Signal::Stop => "STOP",
        Signal::Cont => "CONT",
    };
    shell::read(Command::new("sh").args(["-c", &format!("kill -{name} {pid}")])).map(drop)
}

/// The arguments of a living process, joined by spaces; none for one that has ended.
fn command_line(pid: u32) -> Option<String> {
    let text = if Path::new("/proc/self").exists() {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    } else {
        shell::read(Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()])).ok()?
    };
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A process that lives until it is told to end and names its folder in an argument.
    fn sleeper(folder: &Path) -> (Background, u32) {
        let background = Background::in_folder(folder);
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do sleep 1; done"]).arg(folder);
        let pid = background.spawn(command).unwrap();
        (background, pid)
    }

    #[test]
    fn a_later_run_finds_and_stops_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let (_, pid) = sleeper(folder.path());
        let later = Background::in_folder(folder.path());
        assert_eq!(later.pid(), Some(pid));
        assert_eq!(later.stop().unwrap(), Some(pid));
        assert_eq!(later.pid(), None);
        assert_eq!(later.stop().unwrap(), None);
    }

    #[test]
    fn a_paused_process_can_still_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let (background, pid) = sleeper(folder.path());
        background.signal(Signal::Stop).unwrap();
        assert_eq!(background.stop().unwrap(), Some(pid));
    }

    #[test]
    fn an_id_that_belongs_to_another_process_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pid"), std::process::id().to_string()).unwrap();
        let background = Background::in_folder(folder.path());
        assert_eq!(background.pid(), None);
        assert_eq!(background.stop().unwrap(), None);
        assert!(background.kill().is_err());
    }
}
