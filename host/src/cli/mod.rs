//! The command line: one file per verb. Only this module prints for people, and only this module ends the process.

mod build;
mod check;
mod completions;
mod demo;
mod exit;
mod logging;
mod progress;
mod report;
mod run;
mod summary;
mod summary_json;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};

pub use exit::Exit;

/// A stream processor whose every stage is a WebAssembly plugin.
#[derive(Debug, Parser)]
#[command(name = "millstream", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// What is logged, such as `debug` or `warn,millstream::sink=debug`
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        env = "MILLSTREAM_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    log: String,
    /// How it is logged; `auto` is text on a terminal and JSON elsewhere
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        env = "MILLSTREAM_LOG_FORMAT",
        default_value = "auto",
        value_name = "FORMAT"
    )]
    log_format: logging::Format,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Examples:
  millstream demo --for 30s          both pipelines on made-up users, nothing to install
  millstream check                   everything that is wrong with ./pipeline.toml, at once
  millstream run                     run ./pipeline.toml until Ctrl-C
  millstream report                  what is in the table, and what did not get there
  millstream plugin build plugins/*  build plugin crates

Exit codes:
  0  all pipelines ended in order (also after Ctrl-C or SIGTERM)
  1  a pipeline failed, a plugin did not build, or a table could not be read
  2  the command line or the configuration is wrong; nothing was started
  130  a second Ctrl-C ended the process at once; what was not committed is read again";

#[derive(Debug, Subcommand)]
enum Verb {
    Run(RunArgs),
    Check(CheckArgs),
    Demo(DemoArgs),
    Report(ReportArgs),
    /// Build plugins
    #[command(subcommand, after_help = "Example:\n  millstream plugin build plugins/validate")]
    Plugin(PluginVerb),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  millstream completions bash > /etc/bash_completion.d/millstream")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Run the pipelines of a configuration until they end or are stopped
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream run
  millstream run deploy/pipeline.toml --only store --until caught-up
  millstream run --for 30s
  millstream run --until caught-up --summary json")]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Run only this pipeline; may be given several times
    #[arg(long, value_name = "PIPELINE")]
    only: Vec<String>,
    #[command(flatten)]
    until: UntilArgs,
    /// Do not reload when the configuration, a plugin or its sources change; SIGHUP still does
    #[arg(long)]
    no_watch: bool,
    /// How it says in the end what became of the records
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    summary: check::Format,
}

/// Check a configuration and its plugins without starting anything
///
/// Reports every fault at once, with its place in the file and what to do. Plugins are built, loaded and handed their
/// configuration.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream check
  millstream check deploy/pipeline.toml --format json")]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// How faults are reported
    #[arg(long, default_value = "text")]
    format: check::Format,
}

/// Run both pipelines of ./pipeline.toml on made-up users from a server on this machine
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream demo --for 20s
  millstream demo --live             poll the real Random User API instead
  millstream demo --serve-only --listen 127.0.0.1:8000")]
struct DemoArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    run_for: Option<Duration>,
    /// Poll the real Random User API, as often as the configuration says
    #[arg(long, conflicts_with_all = ["serve_only", "seed"])]
    live: bool,
    /// The same seed makes the same users
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only serve users over HTTP, and run no pipeline
    #[arg(long)]
    serve_only: bool,
    /// Where the users are served; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: std::net::SocketAddr,
}

/// Report on a table: rows, missing values, dates, genders, domains, arrivals, dead letters, time to live
///
/// Without an argument it reports on the tables that ./pipeline.toml writes; where there is no such file, or no table in it, on
/// spark_streams.created_users of the first Cassandra that answers at cassandra_db, cassandra or 127.0.0.1. Dead letters
/// are known where a configuration is named.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream report
  millstream report deploy/pipeline.toml --limit all --html report.html
  millstream report cassandra://127.0.0.1:9042/spark_streams.created_users --format json
  millstream report sqlite:.millstream/spark_streams.db/created_users
  millstream report cassandra:spark_streams.created_users   on the first of the usual hosts

Exit codes:
  0  the report was made
  1  a table could not be read, or the HTML file not be written
  2  the command line or the configuration is wrong")]
struct ReportArgs {
    /// A configuration, or the address of a table
    #[arg(value_name = "FILE|URL")]
    of: Option<String>,
    /// Only the tables that this pipeline writes; may be given several times
    #[arg(long, value_name = "PIPELINE")]
    only: Vec<String>,
    /// Most rows to read, or `all`; however many there are, memory stays small
    #[arg(long, default_value = "2000", value_name = "ROWS")]
    limit: crate::report::Limit,
    /// How it is printed
    #[arg(long, default_value = "text")]
    format: check::Format,
    /// Also write it to this file, as a page that needs nothing else: to be sent to somebody
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum PluginVerb {
    Build(BuildArgs),
}

/// Build plugin crates into components
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream plugin build plugins/validate
  millstream plugin build plugins/validate --out validate.wasm")]
struct BuildArgs {
    /// Folders of plugin crates
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Copy the component to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ConfigArg {
    /// The configuration
    #[arg(value_name = "FILE", default_value = "pipeline.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct UntilArgs {
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    run_for: Option<Duration>,
    /// End once everything that was there has been handled
    #[arg(long, value_name = "WHEN", value_parser = ["caught-up"])]
    until: Option<String>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = progress::Screen::new();
    if let Err(message) = logging::init(&cli.log, cli.log_format, &screen) {
        eprintln!("error: {message}");
        return Exit::Usage.into();
    }
    let exit = match cli.verb {
        Verb::Run(args) => run::run(args, &screen),
        Verb::Check(args) => check::check(&args, &screen),
        Verb::Demo(args) => demo::demo(args, &screen),
        Verb::Report(args) => report::report(&args, &screen),
        Verb::Plugin(PluginVerb::Build(args)) => build::build(&args, &screen),
        Verb::Completions { shell } => completions::print(shell),
    };
    exit.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Exit::Failed
    })
    .into()
}
