//! Logs: text for people on a terminal, JSON lines for programs elsewhere. Always on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::progress::Screen;

/// How log events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere
    Auto,
    /// For people
    Text,
    /// A JSON object per line
    Json,
}

/// Libraries whose own complaints repeat what our errors say better.
const QUIET: [&str; 4] = ["librdkafka=off", "rdkafka=off", "scylla=off", "scylla_cql=off"];

/// Begins logging. Events go around the progress lines of the screen.
pub fn init(filter: &str, format: Format, screen: &Screen) -> Result<(), String> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| format!("`--log {filter}` is no log filter: {error}"))?;
    let named = |quiet: &str| quiet.split('=').next().is_some_and(|name| filter.contains(name));
    let filter = QUIET.iter().filter(|quiet| !named(quiet)).filter_map(|quiet| quiet.parse().ok());
    let filter = filter.fold(parsed, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(screen.writer());
    let terminal = std::io::stderr().is_terminal();
    if format == Format::Json || (format == Format::Auto && !terminal) {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    } else {
        builder.with_ansi(terminal).with_target(false).init();
    }
    Ok(())
}
