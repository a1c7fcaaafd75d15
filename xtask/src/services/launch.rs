//! The command that starts an engine from its jars: an instance's folder and ports go in, a ready command comes out.
//!
//! Writes the instance's configuration (from the templates in `conf/`) at every start, so that nothing stale is left,
//! and formats Kafka's storage the first time. Leaves the engine's data alone.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::jars;
use super::kind::Kind;
use crate::shell;

/// 16 bytes in base64, as Kafka wants a cluster's id; these spell `millstream-local`.
const KAFKA_CLUSTER: &str = "bWlsbHN0cmVhbS1sb2NhbA";

/// One instance on disk: where it lives, where its jars are, and on which ports it listens.
pub(super) struct Instance<'a> {
    pub(super) folder: &'a Path,
    pub(super) jars: &'a Path,
    pub(super) port: u16,
    /// Kafka's controller, or Cassandra's port for its peers.
    pub(super) peer_port: u16,
    /// Whether Cassandra syncs its commit log before it acknowledges.
    pub(super) synced: bool,
}

/// How Cassandra's commit log is synced: in the background, as it is by default, or before each acknowledgement.
const PERIODIC: &str = "commitlog_sync: periodic\ncommitlog_sync_period: 10s";
const BATCH: &str = "commitlog_sync: batch";

/// Writes the configuration and hands back the command.
pub(super) fn prepare(kind: Kind, instance: &Instance<'_>) -> Result<Command> {
    match kind {
        Kind::Kafka => kafka(instance),
        Kind::Cassandra => cassandra(instance),
    }
}

fn kafka(instance: &Instance<'_>) -> Result<Command> {
    let properties = instance.write("kafka.properties", include_str!("conf/kafka.properties"))?;
    let logging = instance.write("log4j2.xml", include_str!("conf/kafka-log4j2.xml"))?;
    if !instance.folder.join("data").join("meta.properties").is_file() {
        let mut format = java(instance.jars);
        format.args(["-Xmx128m", "-XX:TieredStopAtLevel=1", &logging_option("log4j2.configurationFile", &logging)]);
        format.args(["kafka.tools.StorageTool", "format", "--config", &properties, "--cluster-id", KAFKA_CLUSTER]);
        shell::read(&mut format).context("cannot format the storage of kafka")?;
    }
    let mut command = java(instance.jars);
    command.args(["-Xms256m", "-Xmx768m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]);
    command.args(["-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true"]);
    command.arg(logging_option("log4j2.configurationFile", &logging));
    command.args(["kafka.Kafka", &properties]);
    Ok(command)
}

fn cassandra(instance: &Instance<'_>) -> Result<Command> {
    let config = instance.write("cassandra.yaml", include_str!("conf/cassandra.yaml"))?;
    let logging = instance.write("logback.xml", include_str!("conf/cassandra-logback.xml"))?;
    let folder = instance.folder.display();
    let options = instance.write("cassandra.jvm", include_str!("conf/cassandra.jvm"))?;
    let mut command = java(instance.jars);
    command.args(["-Xms512m", "-Xmx1536m"]);
    command.arg(format!("-javaagent:{}", jars::find(instance.jars, "jamm-")?.display()));
    command.arg(format!("@{options}"));
    command.arg(format!("-Dcassandra.config=file:{config}"));
    command.arg(format!("-Dcassandra.storagedir={folder}"));
    command.arg(format!("-Dcassandra.logdir={folder}"));
    command.arg(logging_option("logback.configurationFile", &logging));
    command.arg("org.apache.cassandra.service.CassandraDaemon");
    Ok(command)
}

fn java(jars: &Path) -> Command {
    let mut command = Command::new(jars::java());
    command.arg("-cp").arg(jars.join("*"));
    command
}

fn logging_option(property: &str, file: &str) -> String {
    format!("-D{property}=file:{file}")
}

impl Instance<'_> {
    /// Writes a template with its blanks filled in; hands back the file's path.
    fn write(&self, name: &str, template: &str) -> Result<String> {
        let path = self.folder.join(name);
        let text = template
            .replace("{{dir}}", &self.folder.to_string_lossy())
            .replace("{{commitlog_sync}}", if self.synced { BATCH } else { PERIODIC })
            .replace("{{peer_port}}", &self.peer_port.to_string())
            .replace("{{port}}", &self.port.to_string());
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_instances_share_no_port_and_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let instance =
            Instance { folder: folder.path(), jars: folder.path(), port: 31000, peer_port: 31001, synced: true };
        for (template, name) in [
            (include_str!("conf/kafka.properties"), "kafka.properties"),
            (include_str!("conf/cassandra.yaml"), "cassandra.yaml"),
        ] {
            let text = fs::read_to_string(instance.write(name, template).unwrap()).unwrap();
            assert!(!text.contains("{{"), "{text}");
            assert!(text.contains("31000") && text.contains("31001"), "{text}");
            assert!(text.contains(&format!("{}/data", folder.path().display())), "{text}");
        }
    }

    #[test]
    fn a_cluster_id_is_sixteen_bytes_of_base64() {
        assert_eq!(KAFKA_CLUSTER.len(), 22);
        assert!(KAFKA_CLUSTER.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    }
}
