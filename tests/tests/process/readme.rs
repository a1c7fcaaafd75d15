//! What the README tells a newcomer to type first is there, and is what the continuous integration runs.

use millstream_tests::process::repository;

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

/// The commands of the fenced blocks for a shell, without their comments.
fn commands(markdown: &str) -> Vec<String> {
    let mut fenced = false;
    let mut commands = Vec::new();
    for line in markdown.lines() {
        if let Some(language) = line.strip_prefix("```") {
            fenced = !fenced && ["", "sh", "bash", "console"].contains(&language.trim());
        } else if fenced {
            commands.extend(line.split('#').next().map(|command| command.trim().to_owned()));
        }
    }
    commands.retain(|command| !command.is_empty());
    commands
}

#[test]
fn the_first_two_commands_are_the_demo_and_the_tests() {
    let commands = commands(&read("README.md"));
    assert_eq!(commands.get(..2), Some(&["cargo run --release -- demo".to_owned(), "cargo xtask test".to_owned()][..]));
}

#[test]
fn the_continuous_integration_runs_the_same_tests() {
    assert!(read(".ci/run").lines().any(|line| line.trim().starts_with("cargo xtask test")));
    assert!(read(".cargo/config.toml").contains("xtask = "), "`cargo xtask` is no alias");
}

#[test]
fn the_demo_is_what_plain_cargo_run_runs() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("a manifest");
    assert_eq!(manifest["workspace"]["default-members"], toml::Value::from(vec!["host"]));
}

#[test]
fn every_setting_is_in_the_readme() {
    let table = read("host/src/config/settings.md");
    assert!(read("README.md").contains(table.trim()), "copy host/src/config/settings.md into README.md");
}

#[test]
fn every_metric_is_in_the_readme() {
    let table = read("host/src/web/metrics/metrics.md");
    assert!(read("README.md").contains(table.trim()), "copy host/src/web/metrics/metrics.md into README.md");
}
