//! What faultless files mean.

use std::time::Duration;

use super::*;

fn pipeline(text: &str) -> PipelineConfig {
    read(text).unwrap_or_else(|faults| panic!("{faults}")).config.pipelines.remove(0)
}

#[test]
fn the_shipped_file_is_the_notebooks_two_pipelines() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipeline.toml");
    let loaded = load(&path, &|_| None).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings.to_string(), "");
    let folder = path.parent().unwrap();
    let Config { host, pipelines, .. } = loaded.config;
    let durability = Durability::Commit;
    assert_eq!(
        host,
        HostConfig {
            data_dir: folder.join(".millstream"),
            admin: None,
            admin_token: None,
            durability,
            stack: 512 << 10,
            fuel: false,
        }
    );
    assert_eq!(pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect::<Vec<_>>(), ["ingest", "store"]);

    let ingest = &pipelines[0];
    let SourceEndpoint::Http(http) = &ingest.source.endpoint else { panic!("{ingest:?}") };
    assert_eq!(http.url, "https://randomuser.me/api/?results=10");
    assert_eq!((http.every, http.split.as_deref()), (Duration::from_secs(10), Some("/results")));
    assert_eq!(ingest.stages[0].name, "format-user");
    assert_eq!(ingest.stages[0].plugin, folder.join("plugins/format-user"));
    assert_eq!(ingest.sink.endpoint, SinkEndpoint::Log(LogSink { topic: "users_created".to_owned(), partitions: 4 }));
    assert_eq!(ingest.dead_letters.display, "log:users_created.dead_letters");

    let store = &pipelines[1];
    let log =
        LogSource { topic: "users_created".to_owned(), group: "millstream-store".to_owned(), start: Start::Earliest };
    assert_eq!(store.source.endpoint, SourceEndpoint::Log(log));
    assert_eq!(store.stages.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>(), ["validate", "dedup"]);
    assert_eq!(store.stages[1].config, serde_json::json!({ "key": "id", "format": "uuid", "ttl": "20m" }));
    assert_eq!(store.stages[0].config["rules"][1]["one_of"], serde_json::json!(["male", "female"]));
    let SinkEndpoint::Sqlite(sqlite) = &store.sink.endpoint else { panic!("{store:?}") };
    assert_eq!((&sqlite.path, sqlite.table.as_str()), (&folder.join(".millstream/spark_streams.db"), "created_users"));
    let create = sqlite.create.as_ref().unwrap();
    let columns: Vec<_> = create.columns.iter().map(|(name, _)| name.as_str()).collect();
    let order = ["id", "first_name", "last_name", "gender", "address", "post_code", "email", "username"];
    assert_eq!(columns[..8], order);
    assert_eq!(columns[8..], ["registered_date", "phone", "picture"]);
    assert_eq!((create.primary_key.as_str(), create.ttl), ("id", Some(Duration::from_secs(1200))));
}

#[test]
fn spans_point_at_plugin_and_config() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipeline.toml");
    let loaded = load(&path, &|_| None).unwrap();
    let text = &loaded.source.masked;
    let stages = &loaded.config.pipelines[1].stages;
    assert_eq!(&text[stages[0].span.clone()], "[[pipeline.stage]]");
    assert_eq!(&text[stages[1].plugin_span.clone()], "\"plugins/dedup\"");
    assert_eq!(&text[stages[0].config_span.clone()], "[pipeline.stage.config]");
    assert!(text[stages[1].config_span.clone()].starts_with("{ key = \"id\""));
}

#[test]
fn what_is_left_out_has_its_default() {
    let least =
        |sink: &str| pipeline(&format!("[[pipeline]]\nname = \"p\"\nsource.url = \"log:a\"\nsink.url = \"{sink}\"\n"));
    assert_eq!(least("discard:").source.batch_bytes, 320 << 10);
    assert_eq!(least("cassandra://h/ks.t").source.batch_bytes, 320 << 10);
    let pipeline = least("log:b");
    let SourceConfig { batch_records, batch_bytes, linger, trigger, .. } = pipeline.source;
    assert_eq!((batch_records, batch_bytes, linger, trigger), (4096, 2 << 20, Duration::from_millis(5), None));
    assert_eq!((pipeline.run_for, pipeline.until_caught_up), (None, false));
    assert_eq!(pipeline.commit_interval, Duration::from_millis(5));
    assert_eq!(pipeline.sink.timeout, Duration::from_secs(30));
    assert!(pipeline.stages.is_empty());
}

#[test]
fn what_is_written_is_taken() {
    let pipeline = pipeline(
        r#"
        [[pipeline]]
        name = "p"
        for = "1h 30m"
        until = "caught-up"
        [pipeline.source]
        url = "kafka://a,b:2/t"
        start = "latest"
        group = "g"
        batch_records = 0x10
        batch_bytes = "64 KiB"
        linger = "0s"
        trigger_records = 10
        options = { "fetch.min.bytes" = 1, "check.crcs" = true }
        [[pipeline.stage]]
        name = "s"
        plugin = "x.wasm"
        memory = 2097152
        timeout = "20ms"
        grant = ["clock", "state"]
        config = { n = 1, f = 1.5, d = 1979-05-27, t = "$$", l = [true, { a = "${COUNT}" }] }
        [pipeline.sink]
        url = "cassandra://h/ks.t"
        local_dc = "dc1"
        consistency = "quorum"
        concurrency = "${COUNT}"
        create = { columns = { z = "text", a = "map<text, int>" }, ttl = "1m", replication_factor = 3 }
        [pipeline.dead_letters]
        url = "stdout:"
        "#,
    );
    assert_eq!((pipeline.run_for, pipeline.until_caught_up), (Some(Duration::from_secs(5400)), true));
    let source = &pipeline.source;
    assert_eq!((source.batch_records, source.batch_bytes, source.linger), (16, 65536, Duration::ZERO));
    assert_eq!(source.trigger, Some(Trigger { records: Some(10), interval: Duration::from_secs(1) }));
    let SourceEndpoint::Kafka(kafka) = &source.endpoint else { panic!("{source:?}") };
    assert_eq!((kafka.brokers.as_str(), kafka.group.as_str(), kafka.start), ("a:9092,b:2", "g", Start::Latest));
    let options = [("fetch.min.bytes", "1"), ("check.crcs", "true")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(kafka.options, options);
    let stage = &pipeline.stages[0];
    assert_eq!((stage.memory, stage.timeout), (2 << 20, Duration::from_millis(20)));
    assert_eq!(stage.grant, ["clock", "state"]);
    let config = serde_json::json!({ "n": 1, "f": 1.5, "d": "1979-05-27", "t": "$", "l": [true, { "a": "7" }] });
    assert_eq!(stage.config, config);
    let SinkEndpoint::Cassandra(sink) = &pipeline.sink.endpoint else { panic!("{pipeline:?}") };
    assert_eq!((sink.concurrency, sink.consistency.as_str(), sink.local_dc.as_deref()), (7, "quorum", Some("dc1")));
    let create = sink.create.as_ref().unwrap();
    assert_eq!((create.primary_key.as_str(), create.replication_factor), ("z", 3));
    assert_eq!(pipeline.dead_letters.endpoint, SinkEndpoint::Stdout(Format::Envelope));
}

#[test]
fn dead_letters_go_beside_the_source_or_else_beside_the_sink() {
    for (source, sink, dead_letters) in [
        ("kafka://a:1/t", "log:u", "kafka://a:1/t.dead_letters"),
        ("log:t", "kafka://a:1/u", "log:t.dead_letters"),
        ("generator:users", "kafka://a:1/u", "kafka://a:1/u.dead_letters"),
        ("file:t", "log:u", "log:u.dead_letters"),
    ] {
        let text = format!("[[pipeline]]\nname = \"p\"\nsource.url = \"{source}\"\nsink.url = \"{sink}\"\n");
        assert_eq!(pipeline(&text).dead_letters.display, dead_letters);
    }
}

#[test]
fn a_variable_cannot_add_settings() {
    let loaded = read(
        "[[pipeline]]\nname = \"p\"\nsource.url = \"log:a\"\nsink.url = \"log:b\"\nstage = [{ plugin = \"${TRICKY}\", name = \"s\" }]\n",
    );
    let config = loaded.unwrap().config;
    assert_eq!(config.pipelines[0].stages[0].plugin, Path::new(&env("TRICKY").unwrap()));
    assert_eq!(config.host.data_dir, Path::new(".millstream"));
}

#[test]
fn relative_paths_start_at_the_files_folder() {
    let text = "[host]\ndata_dir = \"d\"\n[[pipeline]]\nname = \"p\"\nsource.url = \"file:in\"\nsink.url = \"file:/out\"\ndead_letters.url = \"file:x/bad\"\n";
    let config = parse(Path::new("/etc/millstream/p.toml"), text, &env).unwrap().config;
    assert_eq!(config.host.data_dir, Path::new("/etc/millstream/d"));
    let pipeline = &config.pipelines[0];
    let SourceEndpoint::File(source) = &pipeline.source.endpoint else { panic!("{pipeline:?}") };
    assert_eq!(source.path, Path::new("/etc/millstream/in"));
    let file = |path: &str, format| SinkEndpoint::File(FileSink { path: path.into(), format });
    assert_eq!(pipeline.sink.endpoint, file("/out", Format::Value));
    assert_eq!(pipeline.dead_letters.endpoint, file("/etc/millstream/x/bad", Format::Envelope));
}
