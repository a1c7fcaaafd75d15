//! The report's charts and the next runs on the live page, in a real browser.

use millstream_tests::{
    browser::{Browser, View},
    process::{Folder, PATIENCE, STOP, Signal, plugin},
};
use rusqlite::Connection;
use serde_json::Value;

use crate::admin::{address, body};

const EVIL: &str = "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>";

/// `users`: 2,000 of them into a table. `copy`: once a day.
fn folder() -> Folder {
    let folder = Folder::with(
        "[host]\nadmin = \"127.0.0.1:0\"\n[[pipeline]]\nname = \"users\"\n\
         source = { url = \"generator:users\", records = 2000, batch_records = 500 }\n\
         dead_letters = { url = \"file:dead.jsonl\" }\n\
         sink = { url = \"sqlite:t.db/users\", create = { columns = { id = \"uuid\", gender = \"text\", email = \"text\", registered_date = \"text\" } } }\n\
         [[pipeline.stage]]\nplugin = \"format.wasm\"\ngrant = [\"random\"]\n\
         [[pipeline]]\nname = \"copy\"\nschedule = \"30 9 * * *\"\ntime_zone = \"Asia/Tokyo\"\nuntil = \"caught-up\"\n\
         source = { url = \"file:in.jsonl\" }\nsink = { url = \"file:out.jsonl\" }\ndead_letters = { url = \"file:copy.jsonl\" }\n",
    );
    folder.build_plugin(plugin("format-user"), "format.wasm");
    folder
}

/// The lines of a list of the report: name, and count with share.
fn ranks(browser: &mut Browser, of: &str) -> Vec<(String, String)> {
    let list = format!(
        "[...document.querySelectorAll('[data-pipeline=users] [data-of={of}] li')].map(li => [...li.children].slice(0, 2).map(part => part.textContent))"
    );
    serde_json::from_value(browser.value(&list)).expect("pairs of texts")
}

#[test]
fn the_reports_charts_are_those_of_the_report_and_move_with_the_table() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = folder();
    let mut process = folder.start(&["run"]);
    let own = format!("http://{}/", address(&process));
    process.until("end of the users", PATIENCE, || {
        let all: Vec<Value> =
            serde_json::from_str(&crate::server::get(own[7..own.len() - 1].parse().unwrap(), "/pipelines")).unwrap();
        all[0]["consumed"] == 2000
    });
    let report = folder.run(&["report", "sqlite:t.db/users", "--format", "json", "--limit", "all"]);
    let report: Value = serde_json::from_str(&report.stdout).expect("a report");
    let report = &report["tables"][0];
    let rows = report["rows"].as_u64().expect("a number");

    browser.open(&own, View::laptop(false));
    let shown = |rows: u64| {
        let rows = if rows < 1000 { rows.to_string() } else { format!("{},{:03}", rows / 1000, rows % 1000) };
        format!("document.querySelector('[data-pipeline=users] .report .of span')?.textContent === '{rows} rows'")
    };
    browser.until("the rows are shown", &shown(rows));
    for (of, column) in [("genders", "gender"), ("domains", "email_domains")] {
        let wanted = report[column]["top"].as_array().expect("a list");
        let shown = ranks(&mut browser, of);
        for (shown, wanted) in shown.iter().take(8).zip(wanted) {
            let count = shown.1.split_whitespace().next().expect("a count").replace(',', "");
            assert_eq!((shown.0.as_str(), count), (wanted["value"].as_str().unwrap(), wanted["rows"].to_string()));
        }
        assert_eq!(shown.iter().filter(|(name, _)| name != "all others").count(), wanted.len().min(8), "{shown:?}");
    }
    for of in ["arrived", "registered"] {
        let all = format!(
            "millstream.views.get('users').report.columns.{of}.series.points.reduce((sum, [, n]) => sum + n, 0)"
        );
        assert_eq!(browser.value(&all), rows);
    }

    // The next answer has what has come since, and what it holds is text.
    let database = Connection::open(folder.path("t.db")).expect("opening");
    let insert = "INSERT INTO users (id, gender, write_timestamp) VALUES ('x', ?1, 1700000000000000)";
    database.execute(insert, [EVIL]).expect("inserting");
    browser.until("the new row is shown", &shown(rows + 1));
    assert!(ranks(&mut browser, "genders").iter().any(|(name, _)| name == EVIL));
    assert_eq!(browser.value("window.pwned"), Value::Null);
    assert_eq!(browser.value("document.querySelectorAll('main img, main script').length"), 0);

    for view in View::ALL {
        browser.look(view);
        browser.until(
            "it is drawn at this width",
            "[...document.querySelectorAll('[data-pipeline=users] .report .plot')].every(plot => plot.querySelector('.uplot').clientWidth === plot.clientWidth)",
        );
        assert!(!browser.is_too_wide(), "{view:?}");
        let picture = browser.picture();
        picture.assert_shows_something();
        picture.keep(&format!("page-report-{}", view.name()));
    }
    assert_eq!(browser.complaints(), [""; 0]);
    assert!(browser.requests().iter().all(|url| url.starts_with(&own)));
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}

#[test]
fn next_runs_are_on_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = folder();
    let process = folder.start(&["run", "--only", "copy"]);
    browser.open(&format!("http://{}/", address(&process)), View::telephone(false));
    browser.until(
        "it is shown",
        "document.querySelector('[data-pipeline=copy] .pill')?.textContent === 'waits for its time'",
    );
    let shown = browser.text("[data-pipeline=copy] .runs");
    assert!(
        shown.starts_with("30 9 * * * in Asia/Tokyo: next runs ")
            && shown.ends_with("0 begun, 0 failed, 0 times skipped"),
        "{shown}"
    );
    assert_eq!(shown.matches(" 09:30:00 JST").count(), 3, "{shown}");
    let status: Value = serde_json::from_str(&body(&process, "/status")).expect("JSON");
    let next = status["pipelines"][0]["schedule"]["next"][0].as_str().expect("a time");
    assert!(shown.contains(next), "{shown}");
    // Waiting for its time is not waiting for something that fails.
    assert!(body(&process, "/metrics").contains("millstream_waiting{pipeline=\"copy\"} 0"));
    assert!(!browser.is_too_wide());
    process.stop(Signal::Terminate, STOP).assert(0, &[]);
}
