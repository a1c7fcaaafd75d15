//! The admin address: metrics that scrapers read, health, and who may ask.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
};

use millstream_tests::process::{Folder, PATIENCE, Process, STOP, Signal, plugin, repository};

use crate::{
    engines::locked,
    reload::{another_version, replace},
    server::{Answer, Server},
};

/// Where the host answers, as it says itself.
pub fn address(process: &Process) -> String {
    process.until_it_says(&["admin address: http://"], PATIENCE);
    let output = process.output();
    let address = output.split("admin address: http://").nth(1).and_then(|rest| rest.split_whitespace().next());
    address.expect("an address").to_owned()
}

/// Asks the host at its admin address; the answer's head and body.
pub fn ask(process: &Process, request: &str) -> String {
    ask_with(process, request, "host: localhost\r\n")
}

fn ask_with(process: &Process, request: &str, headers: &str) -> String {
    let port = address(process).rsplit(':').next().expect("a port").to_owned();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("connecting");
    write!(stream, "{request} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: 0\r\n\r\n").expect("asking");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The body of a GET that succeeds. Long answers come in chunks, so they are asked for by the older protocol.
pub fn body(process: &Process, path: &str) -> String {
    let address = address(process);
    crate::server::get(address.parse().expect("an address"), path)
}

/// All samples: name and labels, and value.
fn samples(metrics: &str) -> BTreeMap<String, f64> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    let split =
        |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().expect("a number")));
    lines.filter_map(split).collect()
}

/// The metric that a sample belongs to.
fn metric<'a>(sample: &str, known: &'a BTreeSet<String>) -> &'a str {
    let name = sample.split('{').next().unwrap_or_default();
    let bare = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let found = known.get(name).or_else(|| known.get(bare.unwrap_or_default()));
    found.unwrap_or_else(|| panic!("`{sample}` is not in the README"))
}

/// Every metric that the README names.
fn named() -> BTreeSet<String> {
    let table = std::fs::read_to_string(repository().join("host/src/web/metrics/metrics.md")).expect("the table");
    table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect()
}

/// Whether a tool is here that checks metrics and rules.
fn promtool(arguments: &[&str], input: &str) -> bool {
    let command = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = command else {
        millstream_tests::skip("there is no promtool; install the package `prometheus`");
        return false;
    };
    tool.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("handing over");
    let done = tool.wait_with_output().expect("waiting");
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "promtool {arguments:?}: {said}");
    true
}

/// `p`: a file of requests to a plugin that does what they say. `q`: users, slowly. `r`: into a table that somebody has locked.
fn config(rule: &str) -> String {
    format!(
        "[host]\nadmin = \"127.0.0.1:0\"\nfuel = true\n\
         [[pipeline]]\nname = \"p\"\nsource = {{ url = \"file:in.txt\", follow = true, batch_records = 100 }}\n\
         sink = {{ url = \"file:out.txt\" }}\ndead_letters = {{ url = \"file:dead.jsonl\" }}\n\
         [[pipeline.stage]]\nplugin = \"misbehave.wasm\"\ngrant = [\"state\"]\n\
         [[pipeline]]\nname = \"q\"\nsource = {{ url = \"generator:users\", records = 1000000, rate = 2000, batch_records = 50 }}\n\
         sink = {{ url = \"discard:\" }}\ndead_letters = {{ url = \"file:q.jsonl\" }}\n\
         probation = {{ records = 200, time = \"2s\" }}\n\
         [[pipeline.stage]]\nplugin = \"validate.wasm\"\nconfig = {{ required = [\"email\"], rules = [{rule}] }}\n\
         [[pipeline]]\nname = \"r\"\nuntil = \"caught-up\"\nsource = {{ url = \"generator:users\", records = 500 }}\n\
         sink = {{ url = \"sqlite:t.db/t\", timeout = \"500ms\", create = {{ columns = {{ email = \"text\" }} }} }}\n\
         dead_letters = {{ url = \"file:r.jsonl\" }}\n"
    )
}

/// A folder with that configuration and its plugins.
fn folder(config: &str) -> Folder {
    let folder = Folder::with(config);
    folder.build_plugin(repository().join("tests/guests/misbehave"), "misbehave.wasm");
    folder.build_plugin(plugin("validate"), "validate.wasm");
    folder
}

/// Lines for the plugin of `p`.
pub fn hand_over(folder: &Folder, lines: &str) {
    use std::fs::OpenOptions;
    let mut file = OpenOptions::new().create(true).append(true).open(folder.path("in.txt")).expect("opening");
    file.write_all(lines.as_bytes()).expect("writing");
}

#[test]
fn every_metric_in_the_readme_exists_and_moves_and_scrapers_can_read_it() {
    let folder = folder(&config(""));
    hand_over(&folder, "a\n");
    let database = locked(&folder.path("t.db"));
    let mut process = folder.start(&["run"]);
    let known = named();
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut scrape = |process: &Process| {
        let now = samples(&body(process, "/metrics"));
        let mut groups: BTreeMap<&str, String> = BTreeMap::new();
        for (sample, value) in &now {
            let _ = writeln!(groups.entry(metric(sample, &known)).or_default(), "{sample} {value}");
        }
        // One that is not there yet is a value, too: the counts of a reason begin with its first record.
        for name in &known {
            seen.entry(name).or_default().insert(groups.remove(name.as_str()).unwrap_or_default());
        }
        now
    };
    let mut until = |process: &mut Process, what: &str, sample: &str, least: f64| {
        let port = address(process);
        let ask = || samples(&crate::server::get(port.parse().expect("an address"), "/metrics"));
        process.until(what, PATIENCE, || ask().get(sample).is_some_and(|value| *value >= least));
        scrape(process)
    };
    until(&mut process, "a record", "millstream_records_written_total{pipeline=\"p\"}", 1.0);
    hand_over(&folder, "a\nb\nsplit\npanic\nreject bad\\ \"news\": 1\n");
    until(
        &mut process,
        "a drop",
        "millstream_records_dropped_total{pipeline=\"p\",stage=\"misbehave\",reason=\"seen\"}",
        1.0,
    );
    until(&mut process, "a retry", "millstream_retries_total{pipeline=\"r\"}", 1.0);
    database.execute_batch("ROLLBACK").expect("unlocking the database");
    let port = address(&process);
    let running = || {
        let metrics = samples(&crate::server::get(port.parse().expect("an address"), "/metrics"));
        metrics.get("millstream_pipeline_running{pipeline=\"r\"}") == Some(&1.0)
    };
    process.until("end of the pipeline that stores all there is", PATIENCE, || !running());

    let component = std::fs::read(folder.path("misbehave.wasm")).expect("the component");
    replace(&folder, "misbehave.wasm", &another_version(&component, 1));
    until(&mut process, "a swap", "millstream_swaps_total{pipeline=\"p\"}", 1.0);
    // Large enough that the plugin needs more memory for it.
    hand_over(&folder, &format!("reject large: {}\n", "x".repeat(2 << 20)));
    let large = "millstream_records_dead_lettered_total{pipeline=\"p\",stage=\"misbehave\",reason=\"large\"}";
    until(&mut process, "a record by it", large, 1.0);
    let never = config("{ field = \"email\", pattern = \"^never$\" }");
    folder.write("pipeline.toml", &never);
    until(&mut process, "a rollback", "millstream_rollbacks_total{pipeline=\"q\"}", 1.0);
    folder.write("pipeline.toml", "nonsense");
    until(&mut process, "a refused reload", "millstream_reloads_total{outcome=\"refused\"}", 1.0);
    folder.write("pipeline.toml", format!("{never}\n"));
    until(&mut process, "a refusal", "millstream_refusals_total{pipeline=\"q\"}", 1.0);

    hand_over(&folder, "reject more: 1\n");
    let more = "millstream_records_dead_lettered_total{pipeline=\"p\",stage=\"misbehave\",reason=\"more\"}";
    until(&mut process, "one more dead letter", more, 1.0);
    hand_over(&folder, &"panic\n".repeat(200));
    let open = "millstream_circuit_open{pipeline=\"p\",stage=\"misbehave\"}";
    let last = until(&mut process, "an open circuit", open, 1.0);
    assert!(last["millstream_records_under_way{pipeline=\"p\"}"] >= 64.0, "{last:?}");
    assert!(ask(&process, "GET /readyz").starts_with("HTTP/1.1 503"), "a paused pipeline is not ready");
    folder.run(&["health", "--admin", &address(&process)]).assert(1, &["503", "paused"]);
    folder.run(&["health", "--live", "--admin", &address(&process)]).assert(0, &["ok"]);

    assert_eq!(last["millstream_records_split_total{pipeline=\"p\"}"], 1.0);
    let reason =
        "millstream_records_dead_lettered_total{pipeline=\"p\",stage=\"misbehave\",reason=\"bad\\\\ \\\"news\\\"\"}";
    assert_eq!(last.get(reason), Some(&1.0), "{last:?}");
    let constant = ["millstream_build_info", "millstream_records_unaccounted", "process_start_time_seconds"];
    for name in &known {
        let values = &seen[name.as_str()];
        assert!(values.iter().any(|all| !all.is_empty()), "{name} does not exist");
        assert!(values.len() > 1 || constant.contains(&name.as_str()), "{name} does not move: {values:?}");
    }
    assert!(last.iter().all(|(name, value)| !name.starts_with("millstream_records_unaccounted") || *value == 0.0));
    // Not stopped in order: that its plugin panicked, which it was asked to, is in the log.
    let metrics = body(&process, "/metrics");
    promtool(&["check", "metrics"], &metrics);
}

#[test]
fn the_alert_rules_and_the_example_of_a_scraper_are_right() {
    let file = |name: &str| repository().join("deploy/prometheus").join(name).display().to_string();
    if promtool(&["check", "rules", &file("millstream.rules.yml")], "") {
        promtool(&["check", "config", &file("prometheus.yml")], "");
    }
    let rules = std::fs::read_to_string(file("millstream.rules.yml")).expect("reading");
    let known = named();
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for name in words.filter(|word| word.starts_with("millstream_")) {
        assert!(known.contains(name), "the rules name `{name}`, which is no metric");
    }
}

#[test]
fn ten_thousand_reasons_are_a_hundred_labels_and_nothing_is_lost() {
    let folder = folder(&config(""));
    let lines: String = (0..10_000).map(|n| format!("reject reason_{n}\n")).collect();
    hand_over(&folder, &lines);
    let mut process = folder.start(&["run", "--only", "p"]);
    process.until("10,000 dead letters", PATIENCE, || folder.json_lines("dead.jsonl").len() == 10_000);
    let of = |metrics: &BTreeMap<String, f64>| -> Vec<f64> {
        let dead = metrics.iter().filter(|(name, _)| name.starts_with("millstream_records_dead_lettered_total"));
        dead.map(|(_, value)| *value).collect()
    };
    let port = address(&process);
    let ask = || of(&samples(&crate::server::get(port.parse().expect("an address"), "/metrics")));
    process.until("all of them counted", PATIENCE, || ask().iter().sum::<f64>() == 10_000.0);
    assert!(ask().len() <= 101, "{} labels", ask().len());
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost: 10,000 consumed"]);
}

#[test]
fn others_can_reach_it_only_with_a_token_which_is_never_printed() {
    const TOKEN: &str = "a-token-nobody-guesses";
    let pipeline = "[[pipeline]]\nname = \"p\"\nsource = { url = \"generator:users\", rate = 10 }\n\
                    sink = { url = \"discard:\" }\ndead_letters = { url = \"file:d\" }\n";
    let folder = Folder::with(&format!("[host]\nadmin = \"0.0.0.0:0\"\n{pipeline}"));
    folder.run(&["run"]).assert(2, &["pipeline.toml:2:9: error[open-admin]", "admin_token"]);

    folder.write("pipeline.toml", format!("[host]\nadmin = \"0.0.0.0:0\"\nadmin_token = \"{TOKEN}\"\n{pipeline}"));
    let process = folder.start(&["run"]);
    let head = |answer: String| answer.lines().next().unwrap_or_default().to_owned();
    for path in ["/", "/events", "/status", "/metrics", "/pipelines", "/versions", "/report/p"] {
        let answer = ask(&process, &format!("GET {path}"));
        assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
        assert!(answer.to_lowercase().contains("content-security-policy: default-src 'none'"), "{answer}");
    }
    assert_eq!(head(ask(&process, "POST /reload")), "HTTP/1.1 401 Unauthorized");
    assert_eq!(head(ask(&process, "GET /healthz")), "HTTP/1.1 200 OK");
    assert_eq!(head(ask(&process, &format!("GET /?token={TOKEN}"))), "HTTP/1.1 200 OK");
    assert_eq!(head(ask(&process, "GET /?token=another-one-that-is-wrong")), "HTTP/1.1 401 Unauthorized");
    let bearer = format!("host: any\r\nauthorization: Bearer {TOKEN}\r\n");
    assert_eq!(head(ask_with(&process, "GET /pipelines", &bearer)), "HTTP/1.1 200 OK");
    assert_eq!(head(ask_with(&process, "POST /reload", &bearer)), "HTTP/1.1 200 OK");
    let ended = process.stop(Signal::Terminate, STOP);
    ended.assert(0, &["asks for the `admin_token`"]);
    assert!(!ended.output().contains(TOKEN), "{}", ended.output());
}

#[test]
fn without_a_token_pages_of_other_sites_are_refused() {
    let folder = Folder::with(
        "[host]\nadmin = \"127.0.0.1:0\"\n[[pipeline]]\nname = \"p\"\nsource = { url = \"generator:users\", rate = 10 }\n\
         sink = { url = \"discard:\" }\ndead_letters = { url = \"file:d\" }\n",
    );
    let process = folder.start(&["run"]);
    assert!(ask_with(&process, "GET /status", "host: evil.example\r\n").starts_with("HTTP/1.1 403"));
    let forged = "host: localhost\r\norigin: http://evil.example\r\n";
    assert!(ask_with(&process, "POST /reload", forged).starts_with("HTTP/1.1 403"));
    assert!(ask(&process, "POST /reload").starts_with("HTTP/1.1 200"));
    process.stop(Signal::Terminate, STOP).assert(0, &[]);
}

#[test]
fn a_failed_poll_is_a_repeated_attempt_and_what_the_pipeline_waits_for() {
    let busy = Answer { status: "503 Service Unavailable", headers: "Retry-After: 2\r\n", body: "<b>busy</b>" };
    let server = Server::start(vec![busy, Answer::json(r#"{"results":[]}"#)]);
    let folder = Folder::with(&format!(
        "[host]\nadmin = \"127.0.0.1:0\"\n[[pipeline]]\nname = \"p\"\n\
         source = {{ url = \"{}\", split = \"/results\", every = \"1h\" }}\n\
         sink = {{ url = \"discard:\" }}\ndead_letters = {{ url = \"file:d\" }}\n",
        server.url
    ));
    let mut process = folder.start(&["run"]);
    let port = address(&process);
    let get = |path| crate::server::get(port.parse().expect("an address"), path);
    let is_waiting = || samples(&get("/metrics"))["millstream_waiting{pipeline=\"p\"}"] == 1.0;
    process.until("it waits", PATIENCE, is_waiting);
    assert_eq!(samples(&get("/metrics"))["millstream_retries_total{pipeline=\"p\"}"], 1.0);
    for path in ["/status", "/pipelines"] {
        assert!(get(path).contains("answered 503"), "{}", get(path));
    }
    // An answer without records ends the waiting as well as one with some.
    process.until("it waits no more", PATIENCE, || !is_waiting());
    assert!(get("/status").contains("\"state\":\"running\",\"why\":null"), "{}", get("/status"));
    folder.run(&["health", "--admin", &port]).assert(0, &["ready"]);
    process.stop(Signal::Terminate, STOP).assert(0, &["1 attempts were repeated", "nothing lost"]);
    folder.run(&["health", "--admin", &port]).assert(1, &["cannot reach a host"]);
}
