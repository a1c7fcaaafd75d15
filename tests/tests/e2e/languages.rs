//! The same filter in Rust, Python and JavaScript, as `millstream plugin new` writes it: built by the tools of its language, it says the same of
//! every record. `MILLSTREAM_LANGUAGES_RECORDS` sets how many that are; what each costs is printed.
//!
//! The tools are installed by the commands that the host itself names for it, once, in the target folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use millstream::{
    plugin::{
        Limits, Plugin, PluginEngine, StageName,
        build::{BuildError, build},
    },
    record::{Batch, Headers, Record},
    samples::{Fate, Samples, fates},
    transform::{Chain, StageSpec},
};
use millstream_tests::{
    process::{binary, repository},
    skip,
};
use xtask::dataset;

const LANGUAGES: [&str; 3] = ["rust", "python", "javascript"];
/// Enough to meet every kind of fault many times over; the tools' interpreters are slow.
const RECORDS: u64 = 20_000;
const BATCH_RECORDS: usize = 1024;
const CONFIG: &str = r#"{"since":"2012-06","block":["example.org","exämple.com"]}"#;

/// Where projects, their tools and their compiled code stay from run to run.
fn root() -> PathBuf {
    binary().ancestors().nth(2).expect("it is in <target>/<profile>").join("languages")
}

/// The filter in this language, written anew; what is the same as before is left alone, so that it need not be built again.
fn project(lang: &str) -> PathBuf {
    let (temp, name) = (tempfile::tempdir().expect("a folder"), format!("{lang}-filter"));
    let folder = root().join(&name);
    let written =
        Command::new(binary()).current_dir(temp.path()).args(["plugin", "new", &name, "--lang", lang]).output();
    let written = written.expect("running the host");
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    update(&temp.path().join(&name), &folder);
    // The workspace around the target folder does not know it.
    if lang == "rust" {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest");
        if !manifest.contains("[workspace]") {
            fs::write(folder.join("Cargo.toml"), manifest + "\n[workspace]\n").expect("writing the manifest");
        }
        fs::copy(repository().join("Cargo.lock"), folder.join("Cargo.lock")).expect("copying the lock");
    }
    folder
}

fn update(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("making a folder");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            update(&source, &copy);
        } else if fs::read(&source).ok() != fs::read(&copy).ok() {
            fs::copy(&source, &copy).expect("copying a file");
        }
    }
}

/// Builds it; its tool is installed first where it is missing, by the command that the host names. `None` where that fails.
fn built(lang: &str) -> Option<PathBuf> {
    let folder = project(lang);
    let install = match build(&folder, &mut |_| {}) {
        Ok(built) => return Some(built.wasm),
        Err(BuildError::NoScriptTool { install, .. }) => install,
        Err(error) => panic!("{error}"),
    };
    // Around all projects, so that those written later find it.
    let real = folder.canonicalize().expect("the folder");
    let root = real.parent().expect("it is below the root").to_owned();
    if lang == "javascript" {
        fs::copy(folder.join("package.json"), root.join("package.json")).expect("copying the manifest");
    }
    let install = install.replace(&real.display().to_string(), &root.display().to_string());
    let installed = Command::new("sh").args(["-c", &install]).output().expect("running a shell");
    if !installed.status.success() {
        skip(&format!("`{install}` failed: {}", String::from_utf8_lossy(&installed.stderr).trim()));
        return None;
    }
    Some(build(&folder, &mut |_| {}).unwrap_or_else(|error| panic!("{error}")).wasm)
}

fn spec(engine: &PluginEngine, wasm: &Path) -> StageSpec {
    StageSpec {
        name: StageName { pipeline: "languages".into(), stage: "filter".into() },
        plugin: Plugin::load(engine, wasm).unwrap_or_else(|error| panic!("{error}")),
        config: CONFIG.to_owned(),
        limits: Limits { memory: 256 << 20, timeout: Duration::from_secs(60), ..Limits::default() },
    }
}

/// Users of the seeded data set, and now and then a record that no data set has.
fn values() -> Vec<String> {
    let records =
        std::env::var("MILLSTREAM_LANGUAGES_RECORDS").ok().map_or(RECORDS, |text| text.parse().expect("a number"));
    let odd = [
        "",
        "{",
        "[]",
        "7",
        "null",
        r#"{"registered_date": "2019"} x"#,
        r#"{"email": "a@b"}"#,
        r#"{"registered_date": null}"#,
        r#"{"registered_date": 2019}"#,
        r#"{"registered_date": true, "email": 1}"#,
        r#"{"registered_date": "2012-06", "email": null}"#,
        r#"{"registered_date": "2012-05-31T23:59:59Z", "email": []}"#,
        r#"{"registered_date": "2012-06-01", "email": {}}"#,
        r#"{"registered_date": "2019", "email": "zoë@exämple.com"}"#,
        r#"{"registered_date": "2019", "email": "a@b@example.org"}"#,
        r#"{"registered_date": "2019", "email": "example.org"}"#,
        r#"{"registered_date": "2019", "email": "a@"}"#,
        r#"{"registered_date": "", "email": "x\u0000@example.org"}"#,
        r#"{"registered_date": "é", "email": "\ud83d\ude00@example.org"}"#,
        r#"{"registered_date": "2019", "registered_date": "2001"}"#,
    ];
    let users = dataset::records(records, 20_260_101).enumerate();
    users.map(|(n, (line, _))| if n % 97 == 0 { odd[n / 97 % odd.len()].to_owned() } else { line }).collect()
}

/// What becomes of each record, and how long one takes.
fn judged(spec: StageSpec, values: &[String]) -> (Vec<Fate>, Duration) {
    let mut chain = Chain::new(vec![spec]).unwrap_or_else(|error| panic!("{error}"));
    let (mut found, mut took) = (Vec::new(), Duration::ZERO);
    for (number, some) in values.chunks(BATCH_RECORDS).enumerate() {
        let mut batch = Batch::new("users".into());
        for (row, value) in some.iter().enumerate() {
            let offset = (number * BATCH_RECORDS + row) as i64;
            let (headers, value) = (Headers::default(), Some(value.as_bytes()));
            batch.push(Record { key: None, value, headers, timestamp_ms: -1, partition: 0, offset });
        }
        let batch = Arc::new(batch);
        let began = Instant::now();
        let processed = chain.run(batch).unwrap_or_else(|error| panic!("{error}"));
        took += began.elapsed();
        found.extend(fates(&processed));
    }
    (found, took / values.len() as u32)
}

#[test]
fn the_same_filter_in_each_language_says_the_same_of_every_record() {
    let engine = PluginEngine::new().expect("an engine").with_cache(root().join("cache"));
    let values = values();
    let mut of_rust = None;
    for lang in LANGUAGES {
        let Some(wasm) = built(lang) else { return };
        let began = Instant::now();
        let spec = spec(&engine, &wasm);
        let compiled = began.elapsed();
        engine.keep(&spec.plugin);
        let samples = Samples::of(&root().join(format!("{lang}-filter"))).expect("samples").expect("samples");
        let tried = samples.run(&spec).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(samples.faults(&tried), None, "{lang}");
        let (fates, each) = judged(spec, &values);
        let size = fs::metadata(&wasm).expect("the component").len();
        let ready = compiled.as_secs_f64();
        println!("{lang}: {} records, {each:?} each; {} KiB, ready in {ready:.1} s", fates.len(), size >> 10);
        let of_rust = of_rust.get_or_insert_with(|| fates.clone());
        for ((value, expected), found) in values.iter().zip(of_rust.iter()).zip(&fates) {
            assert!(expected == found, "{lang} says of {value:?}: {found}, and Rust: {expected}");
        }
        assert_eq!(fates.len(), values.len());
    }
    // What is the same everywhere is not all one thing.
    let of_rust = of_rust.expect("there is a filter in Rust");
    let count = |is: &dyn Fn(&Fate) -> bool| of_rust.iter().filter(|fate| is(fate)).count();
    let [kept, dropped, rejected] = [
        count(&|fate| !fate.written.is_empty()),
        count(&|fate| !fate.dropped.is_empty()),
        count(&|fate| !fate.rejected.is_empty()),
    ];
    assert!(kept > 100 && dropped > 100 && rejected > 100, "{kept} kept, {dropped} dropped, {rejected} rejected");
    println!("{kept} kept, {dropped} dropped, {rejected} rejected");
}
