//! `millstream report` as a user runs it: what it prints, writes and refuses.

use millstream_tests::process::{Folder, repository};
use rusqlite::Connection;
use serde_json::Value;

use crate::golden::assert_golden;

/// What a record may hold that wants to be more than a text.
const SCRIPT: &str = "</script><script>document.title='owned'</script>";
const IMAGE: &str = "x.example\"><img src=x onerror=\"document.title='owned'\">";

/// A table as a pipeline leaves it: 600 users, some of them odd, none of whom expires.
pub fn table(folder: &Folder) {
    let mut database = Connection::open(folder.path("users.db")).expect("opening a database");
    let create = "CREATE TABLE users (id uuid NOT NULL PRIMARY KEY, first_name text, gender text, email text, \
                  registered_date text, expires_at INTEGER, write_timestamp INTEGER NOT NULL)";
    database.execute_batch(create).expect("creating a table");
    let rows = database.transaction().expect("a transaction");
    for n in 0..600_i64 {
        let gender = [Some("female"), Some("male"), Some("female"), None, Some("\x1b[31mred")][n as usize % 5];
        let domain = ["example.com", "Example.com", "mail.example", "d.example", "e.example", IMAGE][n as usize % 6];
        let date = match n % 100 {
            0 => "not a date".to_owned(),
            1 => SCRIPT.to_owned(),
            _ => format!("20{:02}-{:02}-{:02}T{:02}:{:02}:07.000Z", n % 20, n % 12 + 1, n % 28 + 1, n % 24, n % 60),
        };
        let email = if n == 7 { SCRIPT.to_owned() } else { format!("u{n}@{domain}") };
        rows.execute(
            "INSERT INTO users VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6)",
            (n.to_string(), (n % 3 > 0).then_some("Ada"), gender, email, date, 1_700_000_000_000_000 + n * 7_000_000),
        )
        .expect("inserting a row");
    }
    // Expired, and so not there.
    rows.execute("INSERT INTO users VALUES ('x', 'x', 'x', 'x', 'x', 1, 1)", ()).expect("inserting a row");
    rows.commit().expect("committing");
}

#[test]
fn a_table_is_reported_on_as_it_was_looked_at() {
    let folder = Folder::with("");
    table(&folder);
    let ended = folder.run(&["report", "sqlite:users.db/users"]);
    ended.assert(0, &[]);
    assert_eq!(ended.stderr, "", "{}", ended.output());
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ended.stdout);
    assert_golden("report", &ended.stdout);
}

#[test]
fn a_limit_is_a_number_or_all() {
    let folder = Folder::with("");
    table(&folder);
    for (limit, rows, more) in [("10", 10, true), ("600", 600, false), ("599", 599, true), ("all", 600, false)] {
        let ended = folder.run(&["report", "sqlite:users.db/users", "--format", "json", "--limit", limit]);
        ended.assert(0, &[]);
        let report: Value = serde_json::from_str(&ended.stdout).expect("one JSON object and nothing else");
        let table = &report["tables"][0];
        assert_eq!((&table["rows"], &table["more"]), (&rows.into(), &more.into()), "{limit}");
        if limit == "10" {
            assert_eq!(table["arrival"]["users"]["first"], "2023-11-14T23:22:10.000Z", "not the latest ten");
        }
    }
    folder.run(&["report", "--limit", "0"]).assert(2, &["a number of rows, or `all`"]);
    folder.run(&["report", "--limit", "many"]).assert(2, &["a number of rows, or `all`"]);
}

#[test]
fn the_tables_of_a_configuration_are_reported_on_with_its_dead_letters() {
    let folder = Folder::with(
        "[[pipeline]]\nname = \"make\"\nsource = { url = \"generator:users\", records = 300 }\n\
         sink = { url = \"sqlite:made.db/people\", create = { columns = { email = \"text\", gender = \"text\", cell = \"int\" } } }\n\
         dead_letters = { url = \"file:dead.jsonl\" }\n\
         [[pipeline]]\nname = \"pass\"\nsource = { url = \"log:a\" }\nsink = { url = \"log:b\" }\n",
    );
    folder.run(&["report"]).assert(1, &["`sqlite:made.db/people`", "there is no file", "run the pipeline"]);
    folder.run(&["run", "--only", "make"]).assert(0, &["300 consumed"]);
    let ended = folder.run(&["report", "--format", "json"]);
    ended.assert(0, &[]);
    let report: Value = serde_json::from_str(&ended.stdout).expect("one JSON object and nothing else");
    let table = &report["tables"][0];
    let made = &table["pipelines"][0];
    let number = |value: &Value| value.as_u64().expect("a number");
    assert_eq!(made["consumed"], 300);
    assert_eq!(number(&made["dead_lettered"]) + number(&made["written"]), 300, "{report}");
    let by: u64 = made["dead_lettered_by"].as_array().expect("a list").iter().map(|by| number(&by["records"])).sum();
    assert!(by > 0 && by == number(&made["dead_lettered"]), "{report}");
    // Some have an email in common, which is the key.
    assert!((1..=number(&made["written"])).contains(&number(&table["rows"])), "{report}");
    assert!(table["pipelines"][1]["unknown"].as_str().expect("a reason").contains("has not run"), "{report}");
    let only = folder.run(&["report", "--only", "make"]);
    only.assert(0, &["sqlite:made.db/people"]);
    assert!(!only.stdout.contains("pass:"), "{}", only.stdout);
    folder.run(&["report", "--only", "nope"]).assert(2, &["there is no pipeline `nope`", "make, pass"]);
    folder.run(&["report", "pipeline.toml", "--only", "pass"]).assert(2, &["writes a table"]);
}

#[test]
fn what_cannot_be_reported_on_is_told_with_what_to_do() {
    let folder = Folder::with("");
    table(&folder);
    folder
        .write("text.db", "no database, and longer than a header of one would be, so that it is looked at".repeat(20));
    let refused: [(&str, i32, &[&str]); 7] = [
        ("sqlite:users.db/nobody", 1, &["there is no table `nobody`"]),
        ("sqlite:text.db/users", 1, &["is not an SQLite database"]),
        ("sqlite:users.db", 2, &["sqlite:path/table"]),
        ("kafka://127.0.0.1:1/topic", 2, &["is no table"]),
        ("postgres://h/t", 2, &["there is no `postgres:` sink"]),
        ("nowhere.toml", 2, &["nowhere.toml", "cannot read"]),
        ("cassandra://127.0.0.1:1/ks.t", 1, &["127.0.0.1:1", "check that the nodes are up"]),
    ];
    for (of, code, words) in refused {
        folder.run(&["report", of]).assert(code, words);
    }
    folder.run(&["report", "sqlite:users.db/users", "--html", "no/such/folder.html"]).assert(1, &["cannot write"]);
    folder.run(&["report", "sqlite:users.db/users", "--only", "x"]).assert(2, &["`--only` names a pipeline"]);
}

#[test]
fn huge_values_and_ten_thousand_reasons_make_no_huge_report() {
    let folder = Folder::with(
        "[[pipeline]]\nname = \"p\"\nuntil = \"caught-up\"\nsource = { url = \"file:in.txt\" }\n\
         sink = { url = \"sqlite:users.db/users\" }\ndead_letters = { url = \"file:dead.jsonl\" }\n\
         [[pipeline.stage]]\nplugin = \"misbehave.wasm\"\ngrant = [\"state\"]\n",
    );
    folder.build_plugin(repository().join("tests/guests/misbehave"), "misbehave.wasm");
    table(&folder);
    let lines: String = (0..10_000).map(|n| format!("reject {n}{SCRIPT}\n")).collect();
    folder.write("in.txt", lines);
    folder.run(&["run"]).assert(0, &["10,000 consumed = 0 written + 0 dropped + 10,000 dead-lettered"]);
    let database = Connection::open(folder.path("users.db")).expect("opening a database");
    let huge = SCRIPT.repeat((10 << 20) / SCRIPT.len());
    for column in ["gender", "email", "registered_date"] {
        let sql = format!("UPDATE users SET {column} = ?1 WHERE id = '1'");
        database.execute(&sql, [&format!("{huge}@{huge}")]).expect("updating a row");
    }
    let ended = folder.run(&["report", "--html", "report.html"]);
    ended.assert(0, &["600 rows", "9,900", "other reasons"]);
    assert!(ended.stdout.len() < 20_000, "{} bytes of text", ended.stdout.len());
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ended.stdout);
    let html = folder.read("report.html");
    assert!(html.len() < 2 << 20, "{} bytes of HTML", html.len());
    assert_eq!(html.matches(SCRIPT).count(), 0, "a script of a record is in the page");
    let json = folder.run(&["report", "--format", "json"]).stdout;
    assert!(json.len() < 100_000, "{} bytes of JSON", json.len());
    let report: Value = serde_json::from_str(&json).expect("one JSON object");
    let dead = report["tables"][0]["pipelines"][0]["dead_lettered_by"].as_array().expect("a list");
    let sum: u64 = dead.iter().map(|cause| cause["records"].as_u64().expect("a number")).sum();
    assert!(dead.len() <= 101 && sum == 10_000, "{} causes of {sum} records", dead.len());
}
