//! What the commands print, and how they end.

use millstream_tests::process::{Ended, Folder, PATIENCE, Process, plugin, repository};

use crate::golden::assert_golden;

/// A cold build of the plugins takes minutes on a small machine.
const BUILDING: std::time::Duration = PATIENCE.saturating_mul(10);
const WIDEST: usize = 100;

fn millstream(arguments: &[&str]) -> Ended {
    Folder::with("").run(arguments)
}

/// All verbs with theirs, as the help itself lists them.
fn verbs_below(verb: &[String], found: &mut Vec<Vec<String>>) {
    let arguments: Vec<&str> = verb.iter().map(String::as_str).chain(["--help"]).collect();
    let help = millstream(&arguments).stdout;
    found.push(verb.to_vec());
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // The first column; a description that is continued stands further in.
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty());
    for name in names.filter(|name| *name != "help") {
        verbs_below(&[verb, &[name.to_owned()]].concat(), found);
    }
}

#[test]
fn the_help_of_every_verb_is_as_it_was_looked_at_has_an_example_and_fits_a_terminal() {
    let mut verbs = Vec::new();
    verbs_below(&[], &mut verbs);
    assert!(verbs.len() >= 21, "{verbs:?}");
    for verb in &verbs {
        let arguments: Vec<&str> = verb.iter().map(String::as_str).chain(["--help"]).collect();
        let ended = millstream(&arguments);
        ended.assert(0, &["Usage: millstream", "Example"]);
        assert_eq!(ended.stderr, "", "{}", ended.output());
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= WIDEST, "wider than {WIDEST}: {line}");
        }
        let lines: Vec<&str> = ended.stdout.lines().map(str::trim_end).collect();
        assert_golden(&[&["help".to_owned()], &verb[..]].concat().join("_"), &(lines.join("\n") + "\n"));
    }
}

#[test]
fn a_program_can_read_what_became_of_the_records() {
    let folder = Folder::with(
        "[[pipeline]]\nname = \"p\"\ndead_letters = { url = \"file:dead.jsonl\" }\n\
         source = { url = \"generator:users\", records = 3000 }\nsink = { url = \"discard:\" }\n",
    );
    for run in [3000, 0] {
        let ended = folder.run(&["run", "--summary", "json"]);
        ended.assert(0, &[]);
        let summary: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one JSON object and nothing else");
        let pipeline = &summary["pipelines"][0];
        assert_eq!((&pipeline["name"], &pipeline["ended"]), (&"p".into(), &"drained".into()), "{summary}");
        assert_eq!(
            (&pipeline["unaccounted_for"], &pipeline["why"]),
            (&0.into(), &serde_json::Value::Null),
            "{summary}"
        );
        assert_eq!(pipeline["this_run"]["consumed"], run, "{summary}");
        assert_eq!(pipeline["since_first_start"]["consumed"], 3000, "{summary}");
        assert_eq!(pipeline["since_first_start"]["written"], 3000, "{summary}");
    }
}

/// The way of the data, with what differs from machine to machine left out: folders, sums, this run's folder.
fn masked(text: &str) -> String {
    let mask = |line: &str| match line.split_once(" (").zip(line.split_once(", sha256 ")) {
        Some(((stage, place), (_, sum))) => {
            let file = place.split(", sha256").next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
            let sum = sum.trim_end_matches(')');
            assert!(sum.len() == 12 && sum.chars().all(|digit| digit.is_ascii_hexdigit()), "{line}");
            format!("{stage} (<target>/{file}, sha256 <sum>)\n")
        }
        None => format!("{}\n", line.replace(&repository().display().to_string(), "<root>")),
    };
    text.lines().map(mask).collect()
}

#[test]
fn the_shipped_configuration_is_right() {
    let ended = Process::start(&repository(), &["check"]).wait(BUILDING);
    ended.assert(0, &["pipeline.toml is right"]);
    assert_golden("check_shipped", &masked(&ended.stdout));
}

#[test]
fn a_check_is_json_where_that_is_asked_for() {
    let right = "[[pipeline]]\nname = \"p\"\nsource = { url = \"log:users\" }\nsink = { url = \"discard:\" }\n";
    let json = |config: &str, code| {
        let ended = Folder::with(config).run(&["check", "--format", "json"]);
        ended.assert(code, &[]);
        serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.output()))
    };
    let (right, wrong) = (json(right, 0), json(&right.replace("url", "ulr"), 2));
    assert!(wrong.to_string().contains("unknown-setting"), "{wrong}");
    assert!(!right.to_string().contains("unknown-setting"), "{right}");
}

#[test]
fn a_wrong_command_line_ends_with_two() {
    millstream(&["rum"]).assert(2, &["rum", "run"]);
    millstream(&[]).assert(2, &["Usage: millstream"]);
    millstream(&["run", "--for", "soon"]).assert(2, &["soon", "--for"]);
    millstream(&["run", "--log", "a=b=c"]).assert(2, &["a=b=c"]);
    millstream(&["demo", "--live", "--serve-only"]).assert(2, &["--live", "--serve-only"]);
}

#[test]
fn the_version_is_printed() {
    let ended = millstream(&["--version"]);
    ended.assert(0, &[]);
    assert_eq!(ended.stdout, format!("millstream {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_pipeline_that_is_not_there_is_told_with_those_that_are() {
    let one = |name| {
        format!("[[pipeline]]\nname = \"{name}\"\nsource = {{ url = \"log:a\" }}\nsink = {{ url = \"discard:\" }}\n")
    };
    let folder = Folder::with(&(one("first") + &one("second")));
    folder.run(&["run", "--only", "nope"]).assert(2, &["there is no pipeline `nope`", "first, second"]);
    assert!(!folder.path(".millstream").exists(), "something was started");
}

#[test]
fn only_the_pipelines_that_are_asked_for_are_run() {
    let one = |name| {
        format!(
            "[[pipeline]]\nname = \"{name}\"\nsource = {{ url = \"generator:users\", records = 3 }}\n\
             sink = {{ url = \"file:{name}.jsonl\" }}\ndead_letters = {{ url = \"discard:\" }}\n"
        )
    };
    let folder = Folder::with(&(one("first") + &one("second")));
    folder.run(&["run", "--only", "second"]).assert(0, &["second", "nothing lost: 3 consumed = 3 written"]);
    assert!(!folder.path("first.jsonl").exists() && folder.path("second.jsonl").exists());
}

#[test]
fn records_on_standard_output_are_not_mixed_with_the_log() {
    let folder = Folder::with(
        "[[pipeline]]\nname = \"p\"\nsource = { url = \"generator:users\", records = 3 }\n\
         sink = { url = \"stdout:\" }\ndead_letters = { url = \"discard:\" }\n",
    );
    let ended = folder.run(&["run"]);
    ended.assert(0, &[]);
    let json = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert_eq!(ended.stdout.lines().take(3).filter(json).count(), 3, "{}", ended.output());
    assert!(!ended.stdout.contains("INFO") && !ended.stdout.contains("loading"), "{}", ended.stdout);
}

#[test]
fn a_plugin_is_built_and_copied() {
    let folder = Folder::with("");
    let ended = folder.start(&["plugin", "build", &plugin("validate"), "--out", "copy.wasm"]).wait(BUILDING);
    ended.assert(0, &["copy.wasm", "KiB", "sha256 "]);
    assert!(std::fs::read(folder.path("copy.wasm")).expect("reading the copy").starts_with(b"\0asm"));
    folder.run(&["plugin", "build", "nowhere"]).assert(1, &["`nowhere`", "`Cargo.toml`"]);
    folder
        .run(&["plugin", "build", "a", "b", "--out", "c.wasm"])
        .assert(2, &["`--out` takes one plugin; 2 were given"]);
}
