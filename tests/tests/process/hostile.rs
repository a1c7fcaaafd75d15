//! Twenty hostile guests at once, each in a pipeline of its own: the host survives them all, only culprits are dead-lettered, and
//! the pipeline beside them keeps its speed.

use std::time::{Duration, Instant};

use millstream_tests::process::{Folder, PATIENCE, Process, STOP, Signal, plugin};

use crate::admin::ask;

/// What each guest does to its host on a record that says `culprit`, and whether that costs the record; a flood may take too long or not.
const ATTACKS: [(&str, Option<bool>); 22] = [
    ("trap", Some(true)),
    ("never ends", Some(true)),
    ("recursion", Some(true)),
    ("grows", Some(true)),
    ("huge output", Some(true)),
    ("descending ends", Some(true)),
    ("ends beyond the data", Some(true)),
    ("codes out of range", Some(true)),
    ("too many verdicts", Some(true)),
    ("too few verdicts", Some(true)),
    ("too few reasons", Some(true)),
    ("a split into billions", Some(true)),
    ("keys for nothing", Some(true)),
    ("log flood", None),
    ("a log level that is none", Some(false)),
    ("logs and traps", Some(true)),
    ("an undeclared store", Some(true)),
    ("a foreign row", Some(true)),
    ("more rows than keys", Some(true)),
    ("wrong ends to the host", Some(true)),
    ("a key of a megabyte", Some(true)),
    ("keys without values", Some(true)),
];
/// What the pipeline beside them is given; far below what it could do alone, so that its speed is its own to keep.
const RATE: u64 = 500;
/// How long its speed is measured, before and during.
const WINDOW: Duration = Duration::from_secs(4);
/// Culprits for each guest, one after the other.
const CULPRITS: usize = 12;

fn config(with_guests: bool) -> String {
    let mut text = format!(
        "[host]\nadmin = \"127.0.0.1:0\"\n[[pipeline]]\nname = \"beside\"\n\
         source = {{ url = \"generator:users\", rate = {RATE}, batch_records = 50 }}\n\
         sink = {{ url = \"file:beside.out\" }}\ndead_letters = {{ url = \"file:beside.dead\" }}\n\
         [[pipeline.stage]]\nplugin = \"format.wasm\"\ngrant = [\"random\"]\n"
    );
    for (n, (attack, _)) in ATTACKS.iter().enumerate().filter(|_| with_guests) {
        text += &format!(
            "[[pipeline]]\nname = \"h{n}\"\nsource = {{ url = \"file:in\", batch_records = 3 }}\n\
             sink = {{ url = \"file:h{n}.out\" }}\ndead_letters = {{ url = \"file:h{n}.dead\", format = \"envelope\" }}\n\
             [[pipeline.stage]]\nplugin = \"hostile.wasm\"\ngrant = [\"state\"]\nmemory = \"32MiB\"\n\
             timeout = \"300ms\"\nconfig = {{ attack = \"{attack}\" }}\n"
        );
    }
    text
}

/// Records that the pipeline beside has written.
fn written(folder: &Folder) -> u64 {
    std::fs::read_to_string(folder.path("beside.out")).unwrap_or_default().lines().count() as u64
}

/// Records per second that it writes from now on, for a while.
fn speed(folder: &Folder, process: &mut Process) -> f64 {
    let (begun, before) = (Instant::now(), written(folder));
    process.until("end of a window", PATIENCE, || begun.elapsed() >= WINDOW);
    (written(folder) - before) as f64 / begun.elapsed().as_secs_f64()
}

#[test]
fn twenty_hostile_guests_cost_their_culprits_and_nobody_else_anything() {
    let folder = Folder::with(&config(false));
    let hostile = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/hostile").display().to_string();
    folder.run(&["plugin", "build", &hostile, "--out", "hostile.wasm"]).assert(0, &[]);
    folder.run(&["plugin", "build", &plugin("format-user"), "--out", "format.wasm"]).assert(0, &[]);
    folder.write("in", "before\nculprit\nafter\n".repeat(CULPRITS));
    let mut process = folder.start(&["run"]);
    process.until("first row", PATIENCE, || written(&folder) > 0);
    let alone = speed(&folder, &mut process);
    folder.write("pipeline.toml", config(true));
    let beside = speed(&folder, &mut process);
    for (n, (attack, costs)) in ATTACKS.iter().enumerate() {
        let (out_file, dead_file) = (format!("h{n}.out"), format!("h{n}.dead"));
        process.until(attack, 2 * PATIENCE, || {
            lines(&folder, &out_file).len() + lines(&folder, &dead_file).len() == 3 * CULPRITS
        });
        let (out, letters) = (lines(&folder, &out_file), lines(&folder, &dead_file));
        if let Some(costs) = costs {
            assert_eq!(letters.len(), if *costs { CULPRITS } else { 0 }, "{attack}");
        }
        assert!(letters.iter().all(|letter| letter.contains("\"value\":\"culprit\"")), "{attack}");
        assert_eq!(out.iter().filter(|line| *line != "culprit").count(), 2 * CULPRITS, "{attack}");
    }
    println!("{alone:.0} records/s alone, {beside:.0} beside {} hostile guests", ATTACKS.len());
    assert!(beside > alone * 0.7, "{alone:.0} records/s alone, {beside:.0} beside hostile guests");
    let meter = ask(&process, "GET /pipelines");
    assert_eq!(meter.matches("\"unaccounted_for\":0").count(), ATTACKS.len() + 1, "{meter}");
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}

fn lines(folder: &Folder, file: &str) -> Vec<String> {
    std::fs::read_to_string(folder.path(file)).unwrap_or_default().lines().map(str::to_owned).collect()
}
