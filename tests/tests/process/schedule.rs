//! Pipelines that run at set times, and what the command line makes of them.

use millstream_tests::process::{Folder, PATIENCE, STOP, Signal};
use serde_json::Value;

/// A pipeline that copies a file at set times.
fn copying(schedule: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"copy\"\n{schedule}\nsource = {{ url = \"file:in.jsonl\" }}\n\
         sink = {{ url = \"file:out.jsonl\" }}\ndead_letters = {{ url = \"file:dead.jsonl\" }}\n"
    )
}

#[test]
fn a_pipeline_runs_at_its_times_and_each_run_takes_up_where_the_last_one_ended() {
    // Six fields: the first one is seconds.
    let folder = Folder::with(&copying("schedule = \"* * * * * *\"\nuntil = \"caught-up\""));
    folder.write("in.jsonl", "{\"n\":1}\n");
    let mut process = folder.start(&["run", "--summary", "json"]);
    process.until("first run", PATIENCE, || folder.read("out.jsonl").lines().count() == 1);
    folder.write("in.jsonl", "{\"n\":1}\n{\"n\":2}\n");
    process.until("second run", PATIENCE, || folder.read("out.jsonl").lines().count() == 2);
    let ended = process.stop(Signal::Terminate, STOP);
    ended.assert(0, &["run of ", " begins"]);
    let summary: Value = serde_json::from_str(&ended.stdout).expect("one JSON object and nothing else");
    let copy = &summary["pipelines"][0];
    assert!(copy["runs"]["begun"].as_u64() >= Some(2) && copy["runs"]["failed"] == 0, "{summary}");
    assert_eq!(copy["this_run"]["written"], 2, "{summary}");
    assert_eq!(folder.read("out.jsonl"), "{\"n\":1}\n{\"n\":2}\n");
}

#[test]
fn the_next_runs_are_shown_on_the_clocks_of_their_zone() {
    let folder = Folder::with(&copying("schedule = \"30 9 * * *\"\ntime_zone = \"Asia/Tokyo\"\nuntil = \"caught-up\""));
    let ended = folder.run(&["check"]);
    ended.assert(0, &["  schedule      30 9 * * * in Asia/Tokyo\n", "  next runs     2"]);
    assert_eq!(ended.stdout.matches(" 09:30:00 JST\n").count(), 3, "{}", ended.stdout);
}

#[test]
fn a_schedule_is_overruled_by_the_command_line_and_stopping_does_not_wait_for_it() {
    let folder = Folder::with(&copying("schedule = \"0 0 1 1 *\"\nuntil = \"caught-up\""));
    folder.write("in.jsonl", "{\"n\":1}\n");
    let process = folder.start(&["run"]);
    process.until_it_says(&["next run at "], PATIENCE);
    process.stop(Signal::Interrupt, STOP).assert(0, &["0 runs at 0 0 1 1 * in UTC"]);
    folder.run(&["run", "--until", "caught-up"]).assert(0, &["1 consumed = 1 written"]);
}

#[test]
fn what_has_not_caught_up_in_its_time_has_failed_and_says_what_it_waited_for() {
    let folder = Folder::with(
        "[[pipeline]]\nname = \"p\"\nsource = { url = \"kafka://127.0.0.1:9/t\" }\nsink = { url = \"file:o.jsonl\" }\n",
    );
    let ended = folder.run(&["run", "--until", "caught-up", "--for", "2s"]);
    ended.assert(1, &["has not caught up within 2s", "127.0.0.1:9"]);
    folder.run(&["run", "--for", "1s"]).assert(0, &[]);
}

#[test]
fn the_airflow_example_is_python_and_uses_what_there_is() {
    let dag = millstream_tests::process::repository().join("deploy/airflow/millstream_users.py");
    let text = std::fs::read_to_string(&dag).expect("reading the DAG");
    let help = Folder::with("").run(&["run", "--help"]).stdout;
    let flags = text.lines().filter_map(|line| line.trim().strip_prefix("\"--")?.strip_suffix("\","));
    let flags: Vec<&str> = flags.collect();
    assert!(flags.contains(&"until") && flags.contains(&"summary"), "{flags:?}");
    for flag in flags {
        assert!(help.contains(&format!("--{flag} ")) || help.contains(&format!("--{flag}\n")), "there is no --{flag}");
    }
    let compiles = "import ast, sys; ast.parse(open(sys.argv[1]).read())";
    match std::process::Command::new("python3").args(["-c", compiles]).arg(&dag).output() {
        Ok(parsed) => assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr)),
        Err(_) => millstream_tests::skip("there is no python3"),
    }
}
