//! An engine's jars from Maven Central: a kind goes in, the folder with every jar it needs comes out.
//!
//! Fetched once per version and kept; a fetch that was cut off leaves nothing behind that counts as complete. Looks for
//! Java and Maven, and says which one is missing. Installs neither.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::kind::Kind;
use crate::shell;

const POM: &str = include_str!("conf/pom.xml");

/// The `java` to start engines with: `$JAVA_HOME`'s, or the one in the path.
pub(super) fn java() -> PathBuf {
    let of_home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin").join("java"));
    of_home.filter(|java| java.is_file()).unwrap_or_else(|| "java".into())
}

/// What is missing for starting engines from jars, in words; none if nothing is.
pub(super) fn missing() -> Option<String> {
    let no_java = !shell::succeeds(Command::new(java()).arg("-version"));
    let no_maven = !shell::succeeds(Command::new("mvn").arg("-version"));
    match (no_java, no_maven) {
        (true, true) => Some("neither `java` nor `mvn` is installed".into()),
        (true, false) => Some("`java` is not installed".into()),
        (false, true) => Some("`mvn` (Apache Maven) is not installed".into()),
        (false, false) => None,
    }
}

/// Refuses a Java that the engine is known to fail on.
pub(super) fn check_java(kind: Kind) -> Result<()> {
    let java = java();
    let output = Command::new(&java).arg("-version").output().context("cannot start `java -version`")?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let (oldest, newest) = kind.java_versions();
    match major_version(&text) {
        Some(version) if !(oldest..=newest).contains(&version) => bail!(
            "cannot start {kind}: it runs on Java {oldest} to {newest}, but {} is Java {version}; \
             set JAVA_HOME to a Java 17",
            java.display()
        ),
        _ => Ok(()),
    }
}

/// The number in `openjdk version "17.0.15" …`; before Java 9 it was written `1.8`.
fn major_version(text: &str) -> Option<u32> {
    let quoted = text.split('"').nth(1)?;
    let mut numbers = quoted.split(['.', '-', '_', '+']).map_while(|part| part.parse().ok());
    match numbers.next()? {
        1 => numbers.next(),
        major => Some(major),
    }
}

/// The folder with the engine's jars, fetched first if they are not there yet.
pub(super) fn fetch(kind: Kind, root: &Path) -> Result<PathBuf> {
    let version = kind.artifacts().first().map_or("", |(_, _, version)| *version);
    let folder = root.join("jars").join(format!("{kind}-{version}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let begun = Instant::now();
    println!("{kind}: fetching the jars of version {version} from Maven Central (once)");
    let unfinished = folder.with_extension("part");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("cannot clear {}", unfinished.display()))?;
    }
    fs::create_dir_all(&unfinished).with_context(|| format!("cannot make {}", unfinished.display()))?;
    let pom = root.join("jars").join(format!("{kind}-pom.xml"));
    fs::write(&pom, render_pom(kind)).with_context(|| format!("cannot write {}", pom.display()))?;
    shell::read(
        Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", unfinished.display())),
    )
    .with_context(|| format!("cannot fetch the jars of {kind} from Maven Central"))?;
    // The rename is what makes them complete: only whole sets ever carry the final name.
    fs::rename(&unfinished, &folder).with_context(|| format!("cannot make {}", folder.display()))?;
    println!("{kind}: jars fetched in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(folder)
}

fn render_pom(kind: Kind) -> String {
    let mut dependencies = String::new();
    for (group, artifact, version) in kind.artifacts() {
        dependencies.push_str(&format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>\n"
        ));
    }
    POM.replace("{{name}}", kind.name()).replace("{{dependencies}}", &dependencies)
}

/// The jar in `folder` whose name begins with `prefix`.
pub(super) fn find(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    bail!("no {prefix}*.jar in {}; delete that folder to fetch the jars again", folder.display())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_old_and_new_java_version_numbers() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(major_version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major_version("java version \"1.8.0_412\""), Some(8));
        assert_eq!(major_version("openjdk version \"26-ea\" 2026-03-17"), Some(26));
        assert_eq!(major_version("no java here"), None);
    }

    #[test]
    fn the_pom_names_every_artifact() {
        let pom = render_pom(Kind::Kafka);
        for (group, artifact, version) in Kind::Kafka.artifacts() {
            assert!(pom.contains(&format!("<groupId>{group}</groupId><artifactId>{artifact}</artifactId>")), "{pom}");
            assert!(pom.contains(&format!("<version>{version}</version>")), "{pom}");
        }
        assert!(!pom.contains("{{"), "{pom}");
    }
}
