//! The command line: one file per verb. Only this module prints for people, and only this module ends the process.

mod admin;
mod check;
mod completions;
mod demo;
mod dlq;
mod exit;
mod explain;
mod junit;
mod logging;
mod plugin;
mod progress;
mod report;
mod run;
mod summary;
mod summary_json;
mod tap;
mod test;
mod top;

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
  millstream test                    its tests: records in, exact outcomes out
  millstream run                     run ./pipeline.toml until Ctrl-C
  millstream report                  what is in the table, and what did not get there
  millstream top                     watch a running host on the terminal
  millstream tap store/validate      records of a running stage, before and after it
  millstream plugin new my-filter    a plugin to begin with: sources, tests and samples
  millstream plugin build plugins/*  build plugin crates
  millstream dlq list                dead letters of all pipelines, counted

Exit codes:
  0  all pipelines ended in order (also after Ctrl-C or SIGTERM)
  1  a pipeline failed, a plugin did not build, or a table could not be read
  2  the command line or the configuration is wrong; nothing was started
  130  a second Ctrl-C ended the process at once; what was not committed is read again";

#[derive(Debug, Subcommand)]
enum Verb {
    Run(RunArgs),
    Check(CheckArgs),
    Test(TestArgs),
    Demo(DemoArgs),
    Report(ReportArgs),
    Top(TopArgs),
    Tap(TapArgs),
    /// Count, show and replay dead letters
    #[command(subcommand, after_help = "Example:\n  millstream dlq list --pipeline store")]
    Dlq(dlq::DlqVerb),
    /// Write plugins, build them, look into them, try and measure them
    #[command(
        subcommand,
        after_help = "Examples:\n  millstream plugin new my-filter\n  millstream plugin build plugins/validate\n  millstream plugin test plugins/dedup"
    )]
    Plugin(plugin::PluginVerb),
    /// Print the JSON Schema of pipeline.toml, for editors
    #[command(after_help = "\
Example:
  millstream schema > pipeline.schema.json

With this first line of pipeline.toml, an editor that knows TOML completes and checks it:
  #:schema ./pipeline.schema.json")]
    Schema,
    /// Explain a code of a fault, a warning or a dead letter
    #[command(after_help = "Examples:\n  millstream explain unknown-setting\n  millstream explain plugin_trap")]
    Explain {
        /// The code; without one, all are listed
        code: Option<String>,
    },
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
  millstream run --only ingest --until caught-up --for 5m
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
  millstream check --strict
  millstream check deploy/pipeline.toml --format json")]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// How faults are reported
    #[arg(long, default_value = "text")]
    format: check::Format,
    /// Take warnings for faults: end with 2 where there are any
    #[arg(long)]
    strict: bool,
}

/// Run the tests of a configuration: records through the real plugins, and the exact outcome of each
///
/// A test is written beside the pipelines:
///
///   [[test]]
///   name = "an address without @ is rejected"
///   pipeline = "store"
///
///   [[test.record]]
///   value = { id = "…", email = "x" }
///   rejected = "bad_email"
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  millstream test
  millstream test --only duplicate --watch
  millstream test deploy/pipeline.toml --junit report.xml

Exit codes:
  0  all tests passed
  1  a test failed
  2  the command line or the configuration is wrong, or there is no test"
)]
struct TestArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Run only tests whose name contains this; may be given several times
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Run them again whenever the configuration, a plugin or its sources change
    #[arg(long)]
    watch: bool,
    /// Also write a report as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
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

/// Watch a running host on the terminal: rates, lag, the conservation meter, stages and dead letters
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream top
  millstream top --admin 10.0.0.7:8642      with MILLSTREAM_ADMIN_TOKEN in the environment
  millstream top --once                     the figures as text, once

q ends it.")]
struct TopArgs {
    #[command(flatten)]
    at: AdminArgs,
    /// Print the figures once and end; so it is where the output is no terminal
    #[arg(long)]
    once: bool,
}

/// Show records of a running stage, before and after it, with what became of each
///
/// Of a fast stage a sample is shown, and how many were left out. The pipeline is not held up.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream tap validate
  millstream tap store/validate --before --limit 0
  millstream tap validate --filter /email=someone@example.com
  millstream tap dedup --filter example.com --format json")]
struct TapArgs {
    /// The stage, or PIPELINE/STAGE
    stage: String,
    #[command(flatten)]
    at: AdminArgs,
    /// Only values before the stage
    #[arg(long)]
    before: bool,
    /// Only values after it
    #[arg(long)]
    after: bool,
    /// Only records with this text in their value, or with this value at a JSON pointer
    #[arg(long, value_name = "TEXT|/POINTER=VALUE")]
    filter: Option<String>,
    /// End after so many records; 0 goes on until Ctrl-C
    #[arg(long, default_value_t = 10, value_name = "N")]
    limit: u64,
    /// How they are printed; `json` is an object per line
    #[arg(long, default_value = "text")]
    format: check::Format,
}

/// Where a running host answers.
#[derive(Debug, Args)]
struct AdminArgs {
    /// The `admin` address of the host
    #[arg(long, default_value = "127.0.0.1:8642", value_name = "ADDRESS")]
    admin: String,
    /// Its `admin_token`
    #[arg(long, env = "MILLSTREAM_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
}

#[derive(Debug, Args)]
struct ConfigArg {
    /// The configuration
    #[arg(value_name = "FILE", default_value = "pipeline.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct UntilArgs {
    /// End after this time; with `--until`, whatever has not got there by then has failed
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
        Verb::Test(args) => test::test(&args, &screen),
        Verb::Demo(args) => demo::demo(args, &screen),
        Verb::Report(args) => report::report(&args, &screen),
        Verb::Top(args) => top::top(&args),
        Verb::Tap(args) => tap::tap(&args),
        Verb::Plugin(verb) => plugin::plugin(verb, &screen),
        Verb::Dlq(verb) => dlq::dlq(verb, &screen),
        Verb::Schema => schema(),
        Verb::Explain { code } => explain::print(code.as_deref()),
        Verb::Completions { shell } => completions::print(shell),
    };
    exit.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Exit::Failed
    })
    .into()
}

/// Prints the schema.
fn schema() -> anyhow::Result<Exit> {
    println!("{}", serde_json::to_string_pretty(&crate::config::schema())?);
    Ok(Exit::Fine)
}
