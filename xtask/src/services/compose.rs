//! Engines in containers, where a Docker engine answers: one compose service per kind.
//!
//! Comes in: a kind and its port. Goes out: `docker compose` commands against the workspace's `docker-compose.yml`. The
//! port names the project, so instances on other ports are containers of their own.

use std::process::Command;

use anyhow::Result;

use super::kind::Kind;
use crate::shell;

/// The project that a plain `docker compose up` makes, too.
const PROJECT: &str = "millstream";

/// Whether a Docker engine (not only its client) answers, and its client knows `compose`.
pub(super) fn available() -> bool {
    shell::succeeds(Command::new("docker").arg("info"))
        && shell::succeeds(Command::new("docker").args(["compose", "version"]))
}

/// One compose service on one port.
pub(super) struct Container {
    pub(super) kind: Kind,
    pub(super) port: u16,
}

impl Container {
    fn project(&self) -> String {
        if self.port == self.kind.default_port() { PROJECT.to_owned() } else { format!("{PROJECT}-{}", self.port) }
    }

    /// `docker compose <arguments> <service>` within the project.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = shell::program("docker");
        command.args(["compose", "--project-name", &self.project()]).args(arguments).arg(self.kind.name());
        command.env(self.kind.port_variable(), self.port.to_string());
        command
    }

    /// Starts it, in the background.
    pub(super) fn up(&self) -> Result<()> {
        shell::run(&mut self.command(&["up", "--detach"]))
    }

    /// `stop`, `kill`, `pause` or `unpause`.
    pub(super) fn tell(&self, verb: &str) -> Result<()> {
        shell::run(&mut self.command(&[verb]))
    }

    /// Removes the container and the volume with its data.
    pub(super) fn wipe(&self) -> Result<()> {
        shell::run(&mut self.command(&["rm", "--force", "--stop"]))?;
        let volume = format!("{}_{}-data", self.project(), self.kind);
        if shell::succeeds(Command::new("docker").args(["volume", "inspect", &volume])) {
            shell::read(Command::new("docker").args(["volume", "rm", &volume]))?;
        }
        Ok(())
    }

    /// The engine's process as this machine sees it, while the container runs (paused or not).
    pub(super) fn pid(&self) -> Option<u32> {
        let id = shell::read(&mut self.command(&["ps", "--quiet"])).ok()?;
        let id = id.lines().next()?.trim();
        let pid = shell::read(Command::new("docker").args(["inspect", "--format", "{{.State.Pid}}", id])).ok()?;
        pid.trim().parse().ok().filter(|pid| *pid != 0)
    }

    /// The end of its output, for the message about its death.
    pub(super) fn last_words(&self) -> String {
        shell::read(&mut self.command(&["logs", "--tail", "30"])).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_port_is_another_project() {
        let usual = Container { kind: Kind::Kafka, port: 29092 };
        let other = Container { kind: Kind::Kafka, port: 31000 };
        assert_eq!(
            shell::shown(&usual.command(&["up", "--detach"])),
            "docker compose --project-name millstream up --detach kafka"
        );
        assert_eq!(
            shell::shown(&other.command(&["kill"])),
            "docker compose --project-name millstream-31000 kill kafka"
        );
    }
}
