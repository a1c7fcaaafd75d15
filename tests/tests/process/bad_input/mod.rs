//! Whatever is wrong from outside ends in a clear message with a documented exit code, in a retry that says so, or in
//! dead letters. Never in a panic: every process is watched for one.

mod answers;
mod brokers;
mod config;
mod places;
mod plugins;
mod state;
mod tables;

/// A pipeline `p` that makes users, up to its sink; rejected records go to `dead.jsonl`.
const FROM_GENERATOR: &str = r#"
[[pipeline]]
name = "p"
dead_letters = { url = "file:dead.jsonl" }
source = { url = "generator:users", records = 300 }
"#;

/// The same from a file `in.jsonl`.
const FROM_FILE: &str = r#"
[[pipeline]]
name = "p"
dead_letters = { url = "file:dead.jsonl" }
source = { url = "file:in.jsonl" }
"#;
