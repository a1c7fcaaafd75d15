//! The binary `millstream` as a user drives it: what it prints, how it ends, what is stored afterwards.
//!
//! Each test starts real processes in a folder of its own. Nothing here uses the host's library.

mod admin;
mod bad_input;
mod browser;
mod cli;
mod completions;
mod demo;
mod dlq;
mod docs;
mod engines;
mod golden;
mod hostile;
mod independence;
mod kit;
mod migration;
mod new_plugin;
mod page;
mod page_report;
mod readme;
mod reload;
mod report;
mod report_page;
mod schedule;
mod server;
mod stopping;
mod top_and_tap;
