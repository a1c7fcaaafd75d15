//! The live page as a reader sees it, in a real browser.

use millstream_tests::{
    browser::{Browser, View},
    process::{Folder, PATIENCE, Process, STOP, Signal, plugin, repository},
};
use serde_json::Value;

use crate::admin::{address, body, hand_over};

/// Users until 3,000 are formatted and checked; then there is nothing more to come, and the figures stand still.
fn users() -> Folder {
    let folder = Folder::with(
        "[host]\nadmin = \"127.0.0.1:0\"\n[[pipeline]]\nname = \"users\"\n\
         source = { url = \"generator:users\", records = 3000, rate = 1500, batch_records = 100 }\n\
         sink = { url = \"file:out.jsonl\" }\ndead_letters = { url = \"file:dead.jsonl\" }\n\
         [[pipeline.stage]]\nplugin = \"format.wasm\"\ngrant = [\"random\"]\n\
         [[pipeline.stage]]\nplugin = \"validate.wasm\"\n\
         config = { required = [\"id\"], rules = [{ field = \"gender\", one_of = [\"male\"] }] }\n\
         [[pipeline]]\nname = \"more\"\nsource = { url = \"file:in.txt\", follow = true }\n\
         sink = { url = \"discard:\" }\ndead_letters = { url = \"file:more.jsonl\" }\n",
    );
    for (name, file) in [("format-user", "format.wasm"), ("validate", "validate.wasm")] {
        folder.build_plugin(plugin(name), file);
    }
    folder.write("in.txt", "");
    folder
}

/// A figure of a pipeline's card, as a number.
fn figure(browser: &mut Browser, pipeline: &str, name: &str) -> u64 {
    let shown = browser.text(&format!("[data-pipeline={pipeline}] [data-figure={name}]"));
    shown.replace(',', "").parse().unwrap_or_else(|_| panic!("{name} is {shown:?}"))
}

fn pipeline(process: &Process, name: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(&body(process, "/pipelines")).expect("JSON");
    all.into_iter().find(|pipeline| pipeline["pipeline"] == name).expect("the pipeline")
}

#[test]
fn the_page_shows_the_figures_of_the_host_at_each_width_in_light_and_dark() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = users();
    let process = folder.start(&["run"]);
    let own = format!("http://{}/", address(&process));
    browser.open(&own, View::laptop(false));
    browser.until(
        "all users are shown",
        "document.querySelector('[data-pipeline=users] [data-figure=consumed]')?.textContent === '3,000'",
    );
    let truth = pipeline(&process, "users");
    let sum = |causes: &Value| {
        causes.as_array().expect("a list").iter().map(|cause| cause["records"].as_u64().unwrap()).sum::<u64>()
    };
    for view in View::ALL {
        browser.look(view);
        browser.until(
            "it is drawn at this width",
            "document.querySelector('.flow').viewBox.baseVal.width === document.querySelector('.flow').clientWidth",
        );
        assert_eq!(figure(&mut browser, "users", "consumed"), truth["consumed"].as_u64().unwrap());
        assert_eq!(figure(&mut browser, "users", "written"), truth["written"].as_u64().unwrap());
        assert_eq!(figure(&mut browser, "users", "dropped"), sum(&truth["dropped"]));
        assert_eq!(figure(&mut browser, "users", "dead"), sum(&truth["dead_lettered"]));
        assert!(figure(&mut browser, "users", "dead") > 1000, "half of them");
        assert!(browser.text("[data-pipeline=users] .verdict").contains("Nothing lost"));
        let flow = browser.value("document.querySelector('[data-pipeline=users] .flow').textContent");
        for part in ["generator", "format", "version 0.1.0", "validate", "dead letters", "file"] {
            assert!(flow.as_str().unwrap().contains(part), "{part} is not in the graph: {flow}");
        }
        assert!(browser.text("[data-pipeline=users] .reasons").contains("bad_gender"));
        assert!(!browser.is_too_wide(), "{view:?}");
        let picture = browser.picture();
        picture.assert_shows_something();
        assert_eq!(picture.brightness() < 128.0, view.dark, "{view:?}");
        picture.keep(&format!("page-{}", view.name()));
    }
    assert_eq!(browser.complaints(), [""; 0]);
    let elsewhere: Vec<String> = browser.requests().into_iter().filter(|url| !url.starts_with(&own)).collect();
    assert_eq!(elsewhere, [""; 0]);
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}

#[test]
fn markup_huge_values_and_ten_thousand_reasons_do_nothing_to_the_page() {
    const EVIL: &str = "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>";
    let Some(mut browser) = Browser::start() else { return };
    let folder = Folder::with(
        "[host]\nadmin = \"127.0.0.1:0\"\n[[pipeline]]\nname = \"p\"\nsource = { url = \"file:in.txt\", follow = true }\n\
         sink = { url = \"discard:\" }\ndead_letters = { url = \"file:dead.jsonl\" }\n\
         [[pipeline.stage]]\nplugin = \"misbehave.wasm\"\ngrant = [\"state\"]\n",
    );
    folder.build_plugin(repository().join("tests/guests/misbehave"), "misbehave.wasm");
    folder.write("in.txt", "");
    let mut process = folder.start(&["run"]);
    browser.open(&format!("http://{}/", address(&process)), View::laptop(false));
    browser
        .until("the pipeline is shown", "document.querySelector('[data-pipeline=p] .pill')?.textContent === 'running'");

    hand_over(
        &folder,
        &format!("reject {EVIL}\nreject {EVIL}: {EVIL}\nreject huge: {}\n", EVIL.repeat((10 << 20) / EVIL.len())),
    );
    browser
        .until("the sample is shown as text", "document.querySelector('.samples')?.textContent.includes('<img src=x')");
    let reasons: String = (0..10_000).map(|n| format!("reject {n}{EVIL}\n")).collect();
    hand_over(&folder, &reasons);
    browser.until("all are shown", "document.querySelector('[data-figure=dead]').textContent === '10,003'");

    assert_eq!(browser.value("window.pwned"), Value::Null);
    assert_eq!(browser.value("document.querySelectorAll('main img, main script, main iframe').length"), 0);
    assert!(
        browser.value("document.querySelectorAll('*').length").as_u64().unwrap() < 800,
        "the page grows with the reasons"
    );
    assert!(
        browser.value("document.body.textContent.length").as_u64().unwrap() < 100_000,
        "the page grows with the values"
    );
    let status = body(&process, "/status");
    assert!(status.len() < 200_000, "{} bytes", status.len());
    browser.look(View::telephone(true));
    browser.until("it is drawn at this width", "document.querySelector('.flow').clientWidth < 390");
    assert!(!browser.is_too_wide());
    browser.picture().keep("page-evil");
    assert_eq!(browser.complaints(), [""; 0]);
    process.until("10,003 dead letters", PATIENCE, || folder.json_lines("dead.jsonl").len() == 10_003);
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}

/// Hands the page an hour of statuses, a second apart; each is like the last one of the host, with more of everything.
const HOUR: &str = "(async () => {
  const status = await (await fetch('/status')).json();
  for (let second = 1; second <= SECONDS; second++) {
    status.time_ms += 1000;
    for (const pipeline of status.pipelines) {
      pipeline.consumed += 1000; pipeline.written += 980; pipeline.commits += 10;
      pipeline.dead_lettered = [{ stage: 's', reason: 'r' + second % 200, records: second }];
      pipeline.latency.counts = pipeline.latency.counts.map((n, i) => n + i);
      pipeline.marks = second % 5 ? [] : [{ time_ms: status.time_ms, event: 'swapped', words: 'x'.repeat(300) }];
      pipeline.samples = [{ number: second, time_ms: status.time_ms, stage: 's', reason: 'r', partition: 0, offset: second, key: 'k', value: 'v'.repeat(1000), bytes: 1000 }];
    }
    millstream.take(structuredClone(status));
    const series = { per: 'minute', step_ms: 60000, points: Array.from({ length: 120 }, (_, i) => [60000 * (second + i), second % 7 + i]) };
    const top = Array.from({ length: 8 }, (_, i) => ['t' + second + i, second + i]);
    millstream.views.get('p').report.take({ rows: second, more: true, registered: series, arrived: series, genders: { top, others: 1 }, domains: { top, others: 0 } });
    if (second % 50 === 0) await new Promise(done => setTimeout(done));
  }
  return true;
})()";

#[test]
fn a_page_left_open_does_not_grow_and_closing_it_leaves_nothing_in_the_host() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = Folder::with(
        "[host]\nadmin = \"127.0.0.1:0\"\n[[pipeline]]\nname = \"p\"\nsource = { url = \"generator:users\", rate = 100 }\n\
         sink = { url = \"discard:\" }\ndead_letters = { url = \"file:dead.jsonl\" }\n",
    );
    let mut process = folder.start(&["run"]);
    process.until_it_says(&["admin address"], PATIENCE);
    let port = address(&process);
    let files = || {
        let metrics = crate::server::get(port.parse().expect("an address"), "/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix("process_open_fds ")).expect("the metric");
        line.parse::<u64>().expect("a number")
    };
    process.until("the pipeline's files", PATIENCE, || body_has(&port, "\"state\":\"running\""));
    let before = files();
    browser.open(&format!("http://{port}/"), View::laptop(false));
    browser.until("it is live", "document.querySelector('#link').dataset.link === 'live'");
    assert!(files() > before, "the page holds a connection");

    // A quarter of an hour fills what is kept; from then on nothing may grow.
    assert_eq!(browser.value(&HOUR.replace("SECONDS", "1000")), true);
    let (heap, nodes) = browser.memory();
    assert_eq!(browser.value(&HOUR.replace("SECONDS", "3600")), true);
    let (heap_later, nodes_later) = browser.memory();
    assert!(heap_later < heap + (2 << 20), "an hour of it: from {heap} to {heap_later} bytes");
    assert!(nodes_later < nodes + 500, "an hour of it: from {nodes} to {nodes_later} nodes");
    assert_eq!(browser.complaints(), [""; 0]);

    drop(browser);
    process.until("end of the page's connection", PATIENCE, || files() <= before);
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}

fn body_has(address: &str, words: &str) -> bool {
    crate::server::get(address.parse().expect("an address"), "/status").contains(words)
}
