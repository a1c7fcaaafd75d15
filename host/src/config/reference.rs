//! `docs/configuration.md` and `docs/errors.md`: the settings and the codes as pages, from the tables that the host goes by.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::Write as _;

use super::{
    CODES, explanations,
    quantity::show_bytes,
    setting::{Place, Setting, Type},
    settings::SETTINGS,
    tests::read,
    url::{Role, forms},
};
use crate::docs::{assert_page, filled, notice};

const TEMPLATE: &str = include_str!("reference.md");

/// The tables of the file in the order of the page, with what each is about.
const TABLES: &[(Place, &str)] = &[
    (Place::File, "What it holds at its top."),
    (Place::Host, "Settings of the process. They hold for all pipelines, and may be left out."),
    (Place::Pipeline, "One for each pipeline: a source, stages, a sink."),
    (Place::Source, "Where a pipeline's records come from."),
    (Place::Stage, "One for each stage, in order: which plugin, with which settings, within which limits."),
    (Place::Sink, "Where the records go. `[pipeline.dead_letters]` has the same settings."),
    (
        Place::Create,
        "What is made where the table is missing. An existing table is never changed; one that lacks a column is refused.",
    ),
    (
        Place::State,
        "Keeps state and positions in a topic instead of files, so that several hosts can share the partitions of a `kafka:` source.",
    ),
    (Place::Probation, "When a version that was swapped in is put back."),
    (Place::Test, "What must become of records: `millstream test` runs them through the real plugins."),
    (Place::TestRecord, "A record of a test, and exactly one thing that must become of it."),
];

#[test]
fn the_page_of_the_settings_is_what_the_parser_goes_by() {
    let headings = TABLES.iter().map(|(place, _)| heading(*place));
    let contents: String = headings.map(|heading| format!("- [{heading}](#{})\n", anchor(&heading))).collect();
    let tables: String = TABLES.iter().map(|(place, about)| section(*place, about)).collect();
    let listed = |setting: &&Setting| TABLES.iter().any(|(place, _)| *place == setting.place);
    assert_eq!(SETTINGS.iter().filter(listed).count(), SETTINGS.len(), "a table is missing on the page");
    let page = filled(TEMPLATE, &[("contents", contents), ("addresses", addresses()), ("tables", tables)]);
    for example in page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let loaded = read(example).unwrap_or_else(|faults| panic!("an example of the page is wrong:\n{faults}"));
        assert_eq!(loaded.warnings.iter().count(), 0, "{}", loaded.warnings);
    }
    let from = "`host/src/config/settings.rs` and `host/src/config/reference.md`";
    assert_page("configuration.md", &(notice(from) + &page));
}

fn section(place: Place, about: &str) -> String {
    let mut section = format!("## {}\n\n{about}\n\n", heading(place));
    section.push_str("| setting | value | default | meaning |\n|---|---|---|---|\n");
    for setting in SETTINGS.iter().filter(|setting| setting.place == place) {
        let of = if setting.kinds.is_empty() { String::new() } else { format!(" ({})", setting.kinds.join(", ")) };
        let (value, limits) = (&setting.kind_of_value, limits(&setting.kind_of_value));
        let _ = writeln!(
            section,
            "| `{}`{of} | {value}{limits} | {} | {} |",
            setting.name, setting.default, setting.meaning
        );
    }
    section + "\n"
}

fn heading(place: Place) -> String {
    match place {
        Place::File => "The file".to_owned(),
        place => format!("`{}`", place.header()),
    }
}

fn limits(of: &Type) -> String {
    let time = |time| humantime::format_duration(time).to_string();
    match of {
        Type::Time(least, most) => format!(", {} to {}", time(*least), time(*most)),
        Type::Bytes(least, most) => format!(", {} to {}", show_bytes(*least), show_bytes(*most)),
        Type::Count(_, least, u64::MAX) => format!(", {least} or more"),
        Type::Count(_, least, most) => format!(", {least} to {most}"),
        _ => String::new(),
    }
}

fn addresses() -> String {
    let mut table = String::from("| kind | address | source | sink |\n|---|---|---|---|\n");
    let (sources, sinks) = (forms(Role::Source), forms(Role::Sink));
    let mut all = sources.clone();
    all.extend(sinks.iter().filter(|form| !sources.contains(form)));
    for form in all {
        let has = |forms: &[(&str, &str)]| if forms.contains(&form) { "yes" } else { "" };
        let _ = writeln!(table, "| {} | `{}` | {} | {} |", form.0, form.1, has(&sources), has(&sinks));
    }
    table
}

/// As a heading's address is made of its text.
fn anchor(header: &str) -> String {
    let kept = header.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn the_page_of_the_codes_has_every_one() {
    let mut page = notice("`host/src/config/codes.md` and `host/src/config/fault.rs`");
    page.push_str(
        "# Codes\n\nEvery message about `pipeline.toml`, every warning and every dead letter has a code. `millstream explain CODE` \
         prints what is said here. Codes are\nstable: scripts may rely on them. A plugin's own codes are explained by the plugin; \
         what to do when a pipeline waits or fails is in the\n[operations guide](operations.md#what-it-says-and-what-to-do).\n\n",
    );
    let kind = |code: &str, text: &str| match CODES.iter().find(|(known, _)| *known == code) {
        Some((_, about)) if about.starts_with("a warning: ") => "warnings",
        Some(_) => "faults of the file",
        None if text.starts_with("A dead letter's reason") || text.starts_with("A reason to drop") => {
            "reasons of records"
        }
        None => "faults of plugins",
    };
    let mut table: Vec<(&str, Vec<String>)> = Vec::new();
    for explanation in explanations() {
        let (kind, link) = (kind(explanation.code, explanation.text), format!("[`{0}`](#{0})", explanation.code));
        match table.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, links)) => links.push(link),
            None => table.push((kind, vec![link])),
        }
    }
    page.push_str("| | codes |\n|---|---|\n");
    for (kind, links) in table {
        let _ = writeln!(page, "| {kind} | {} |", links.join(", "));
    }
    for explanation in explanations() {
        let _ = write!(page, "\n## {}\n\n{}\n", explanation.code, explanation.text);
    }
    assert_page("errors.md", &page);
}
