//! Tables that cannot take the rows, and rows that a table cannot take.

use millstream_tests::{
    process::{Folder, PATIENCE},
    service,
};

use super::{FROM_FILE, FROM_GENERATOR};
use crate::engines::{locked, unique};

/// The rows of the table `t` in `t.db`, as texts joined by blanks.
fn rows(folder: &Folder, columns: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(folder.path("t.db")).expect("opening the database");
    let sql = format!("SELECT concat_ws(' ', {columns}) FROM t ORDER BY 1");
    let mut rows = database.prepare(&sql).expect("a table");
    rows.query_map([], |row| row.get(0)).expect("rows").map(|row| row.expect("a row")).collect()
}

/// Reasons and values of the dead letters.
fn dead(folder: &Folder) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let letters = folder.json_lines("dead.jsonl");
    letters.iter().map(|letter| (text(&letter["headers"]["millstream.reason"]), text(&letter["value"]))).collect()
}

#[test]
fn a_missing_column_of_sqlite_is_named_with_the_statement_that_adds_it() {
    let sink = "sink = { url = \"sqlite:t.db/t\", create = { columns = { email = \"text\", gender = \"text\" } } }";
    let folder = Folder::with(&format!("{FROM_GENERATOR}{sink}"));
    let database = rusqlite::Connection::open(folder.path("t.db")).expect("opening the database");
    let table = "CREATE TABLE t (email text PRIMARY KEY, expires_at integer, write_timestamp integer NOT NULL)";
    database.execute(table, []).expect("creating a table");
    let ended = folder.run(&["run"]);
    ended.assert(
        1,
        &["sqlite:t.db/t", "column `gender` (text) is missing", "ALTER TABLE \"t\" ADD COLUMN \"gender\" text"],
    );
}

#[test]
fn a_missing_column_of_cassandra_is_named_with_the_statement_that_adds_it() {
    let Some(node) = service("cassandra") else { return };
    let url = format!("cassandra://{node}/millstream_process.{}", unique("missing"));
    let sink =
        |columns| format!("{FROM_GENERATOR}sink = {{ url = \"{url}\", create = {{ columns = {{ {columns} }} }} }}");
    let before = Folder::with(&sink("email = \"text\""));
    before.run(&["run"]).assert(0, &["nothing lost: 300 consumed = 300 written"]);
    let after = Folder::with(&sink("email = \"text\", gender = \"text\""));
    after.run(&["run"]).assert(1, &["column `gender`", "missing", "ALTER TABLE", "gender"]);
}

#[test]
fn a_table_that_is_not_there_is_named_where_nothing_says_what_it_should_be() {
    let folder = Folder::with(&format!("{FROM_GENERATOR}sink = {{ url = \"sqlite:t.db/t\" }}"));
    folder.run(&["run"]).assert(1, &["there is no table `t` in `t.db`", "add `create`"]);
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let folder = Folder::with(&format!("{FROM_GENERATOR}sink = {{ url = \"sqlite:t.db/t\" }}"));
    folder.write("t.db", "this is a letter to a friend, long enough to be taken for a database by nobody\n".repeat(99));
    folder.run(&["run"]).assert(1, &["t.db", "not a database"]);
}

#[test]
fn what_does_not_fit_its_column_is_a_dead_letter_and_the_others_are_stored() {
    let columns = "create = { columns = { id = \"uuid\", n = \"int\" } }";
    let folder = Folder::with(&format!("{FROM_FILE}sink = {{ url = \"sqlite:t.db/t\", {columns} }}"));
    let id = |n: u32| format!("00000000-0000-4000-8000-00000000000{n}");
    let good = [format!("{{\"id\":\"{}\",\"n\":1}}", id(1)), format!("{{\"id\":\"{}\",\"n\":\"2\"}}", id(2))];
    let bad = ["{\"id\":\"nope\",\"n\":3}".to_owned(), format!("{{\"id\":\"{}\",\"n\":\"four\"}}", id(4))];
    folder.write("in.jsonl", [&bad[0], &good[0], &bad[1], &good[1], ""].join("\n"));
    let ended = folder.run(&["run"]);
    ended.assert(
        0,
        &["p: 2 dead-lettered by sink: bad_value", "nothing lost: 4 consumed = 2 written + 0 dropped + 2 dead-"],
    );
    assert_eq!(rows(&folder, "id, n"), [format!("{} 1", id(1)), format!("{} 2", id(2))]);
    assert_eq!(dead(&folder), bad.map(|value| ("bad_value".to_owned(), value)));
}

#[test]
fn what_is_no_json_is_a_dead_letter_and_the_others_are_stored() {
    let sink = "sink = { url = \"sqlite:t.db/t\", create = { columns = { id = \"int\" } } }";
    let folder = Folder::with(&format!("{FROM_FILE}{sink}"));
    folder.write("in.jsonl", "not json\n{\"id\":1}\n\n[1]\n{\"id\":null}\n{\"id\":2}\n");
    folder.run(&["run"]).assert(0, &["nothing lost: 6 consumed = 2 written + 0 dropped + 4 dead-lettered"]);
    assert_eq!(rows(&folder, "id"), ["1", "2"]);
    let values: Vec<String> = dead(&folder).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["not json", "", "[1]", "{\"id\":null}"]);
}

#[test]
fn a_locked_database_is_waited_for_and_complained_of() {
    let columns = "create = { columns = { email = \"text\" } }";
    let folder =
        Folder::with(&format!("{FROM_GENERATOR}sink = {{ url = \"sqlite:t.db/t\", timeout = \"200ms\", {columns} }}"));
    let database = locked(&folder.path("t.db"));
    let process = folder.start(&["run"]);
    process.until_it_says(&["locked", "trying again"], PATIENCE);
    database.execute_batch("ROLLBACK").expect("unlocking the database");
    process.wait(PATIENCE).assert(0, &["nothing lost: 300 consumed = 300 written"]);
}
