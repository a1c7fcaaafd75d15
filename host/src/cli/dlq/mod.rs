//! `millstream dlq`: dead letters counted, shown, and put through their pipeline again.

mod list;
mod remote;
mod replay;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigArg, Exit, check::Format, progress::Screen, run};
use crate::{
    config::{Loaded, PipelineConfig},
    dead_letters::Which,
    report::thousands,
};

/// Count, show and replay dead letters
#[derive(Debug, Subcommand)]
pub(super) enum DlqVerb {
    List(ListArgs),
    Show(ShowArgs),
    Replay(ReplayArgs),
}

/// Count dead letters by reason, stage, version and age
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream dlq list
  millstream dlq list deploy/pipeline.toml --pipeline store --format json")]
pub(super) struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Only letters of this pipeline
    #[arg(long)]
    pipeline: Option<String>,
    #[command(flatten)]
    which: WhichArgs,
    /// How they are reported
    #[arg(long, default_value = "text")]
    format: Format,
}

/// Show dead letters with what is known of them, the latest ones first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream dlq show --limit 3
  millstream dlq show --pipeline store --reason bad_email --format json")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Only letters of this pipeline
    #[arg(long)]
    pipeline: Option<String>,
    #[command(flatten)]
    which: WhichArgs,
    /// Most letters of a pipeline
    #[arg(long, default_value_t = 10)]
    limit: usize,
    /// How they are shown; `json` is a line for each
    #[arg(long, default_value = "text")]
    format: Format,
}

/// Put dead letters through their pipeline again and say what became of each
///
/// The original records go through the stages of the pipeline and into its sink, beside what it reads; what still fails
/// becomes a dead letter anew. A host that runs the pipeline does it, asked at its `admin` address; where none runs, this
/// process does. Letters that were replayed are remembered with the pipeline's state: a second replay writes nothing twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream dlq replay --pipeline store
  millstream dlq replay --pipeline store --reason bad_email --dry-run
  millstream dlq replay --pipeline store --stage validate --plugin plugins/validate

Exit codes:
  0  the ledger balances and nothing is missing (letters may still fail: see `dlq list`)
  1  it ended early; replay again for the rest
  2  the command line or the configuration is wrong, or no host can be asked; nothing was replayed")]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The pipeline; may be left out where there is only one
    #[arg(long)]
    pipeline: Option<String>,
    #[command(flatten)]
    which: WhichArgs,
    /// Run this plugin instead of the stage's own: a `.wasm` file or a crate folder
    #[arg(long, value_name = "PLUGIN")]
    plugin: Option<PathBuf>,
    /// Say only what would happen (duplicates among the letters themselves are found within a batch of 1,024)
    #[arg(long)]
    dry_run: bool,
    /// Where the host answers [default: `admin` in `[host]`]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<std::net::SocketAddr>,
    /// How the ledger is reported
    #[arg(long, default_value = "text")]
    format: Format,
}

/// Which letters are meant.
#[derive(Debug, Args)]
struct WhichArgs {
    /// Only letters with this reason
    #[arg(long)]
    reason: Option<String>,
    /// Only letters of this stage; `sink` for what the sink refused
    #[arg(long)]
    stage: Option<String>,
    /// Only letters of this version of the plugin
    #[arg(long)]
    version: Option<String>,
}

impl WhichArgs {
    fn which(&self) -> Which {
        Which { reason: self.reason.clone(), stage: self.stage.clone(), version: self.version.clone() }
    }
}

/// Runs one of them.
pub(super) fn dlq(verb: DlqVerb, screen: &Screen) -> anyhow::Result<Exit> {
    match verb {
        DlqVerb::List(args) => list::list(&args, screen),
        DlqVerb::Show(args) => show::show(&args, screen),
        DlqVerb::Replay(args) => replay::replay(&args, screen),
    }
}

/// The pipelines of a configuration, or the one that is asked for; prints what is wrong where there is none.
fn pipelines<'a>(loaded: &'a Loaded, wanted: Option<&str>) -> Option<Vec<&'a PipelineConfig>> {
    let all = &loaded.config.pipelines;
    let found: Vec<_> = all.iter().filter(|pipeline| wanted.is_none_or(|wanted| wanted == pipeline.name)).collect();
    if found.is_empty() {
        eprintln!("error: there is no pipeline `{}`; there are: {}", wanted.unwrap_or_default(), names(loaded));
        return None;
    }
    Some(found)
}

fn names(loaded: &Loaded) -> String {
    let names: Vec<_> = loaded.config.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
    names.join(", ")
}

fn load(config: &ConfigArg, screen: &Screen) -> anyhow::Result<Option<Loaded>> {
    run::load(&config.config, screen)
}

/// So many of them.
fn letters(count: u64) -> String {
    format!("{} dead letter{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// How long ago a time is, in the two largest units.
fn ago(time_ms: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let since = now.as_secs().saturating_sub(u64::try_from(time_ms / 1_000).unwrap_or(0));
    let text = humantime::format_duration(std::time::Duration::from_secs(since)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
