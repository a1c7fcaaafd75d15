//! Nothing that the configuration prints shows a secret.

use super::*;

const SECRET: &str = "hunter2";

fn printed(faults: &Faults) -> String {
    let json = serde_json::to_string(faults).unwrap();
    format!("{faults}\n{faults:?}\n{json}\n{}\n{}", faults.graphical(false, 200), faults.graphical(true, 40))
}

#[test]
fn no_fault_shows_a_secret() {
    for (name, faults) in golden_cases().iter().filter(|(name, _)| name.starts_with("secrets")) {
        assert!(!faults.is_empty());
        assert!(!printed(faults).contains(SECRET), "{name}: {}", faults.graphical(false, 100));
    }
}

#[test]
fn no_fault_shows_what_came_from_the_environment() {
    for line in [
        "url = \"${PASSWORD}\"",
        "url = \"kafka://${PASSWORD}/t\"",
        "url = \"log:${PASSWORD}\"",
        "url = \"cassandra://u:${PASSWORD}/ks.t\"",
        "url = \"cassandra://h/${PASSWORD}.t\"",
        "url = \"log:b\"\ntimeout = \"${PASSWORD}\"",
        "url = \"log:b\"\npartitions = \"${PASSWORD}\"",
        "url = \"stdout:\"\nformat = \"${PASSWORD}\"",
        "url = \"sqlite:x.db/t\"\ncreate = { primary_key = \"${PASSWORD}\", columns = { id = \"${PASSWORD}\" } }",
    ] {
        let text = format!("[[pipeline]]\nname = \"p\"\nsource.url = \"log:a\"\n[pipeline.sink]\n{line}\n");
        let faults = read(&text).expect_err(line);
        assert!(!printed(&faults).contains(SECRET), "{line}: {faults}");
    }
}

#[test]
fn a_faultless_configuration_prints_no_secret() {
    let loaded = read(
        r#"
        [[pipeline]]
        name = "a"
        source = { url = "https://u:hunter2@h/?token=hunter2", headers = { Authorization = "hunter2" } }
        sink = { url = "cassandra://u:${PASSWORD}@h/ks.t" }
        dead_letters = { url = "kafka://h/t", options = { "sasl.password" = "hunter2" } }
        [[pipeline.stage]]
        plugin = "x"
        [[pipeline]]
        name = "b"
        source = { url = "kafka://h/t", options = { "sasl.password" = "hunter2" } }
        sink = { url = "stdout:" }
        "#,
    )
    .unwrap();
    assert!(!format!("{loaded:?}").contains(SECRET));
    let pipeline = &loaded.config.pipelines[0];
    assert_eq!(pipeline.source.display, "https://u:***@h/?token=***");
    assert_eq!(pipeline.sink.display, "cassandra://u:***@h/ks.t");
    // and yet it is there for those who need it
    let SinkEndpoint::Cassandra(sink) = &pipeline.sink.endpoint else { panic!("{pipeline:?}") };
    assert_eq!((sink.user.as_deref(), sink.password.as_deref()), (Some("u"), Some("hunter2/@:")));
    let SinkEndpoint::Kafka(sink) = &pipeline.dead_letters.endpoint else { panic!("{pipeline:?}") };
    assert_eq!(sink.options, [("sasl.password".to_owned(), "hunter2".to_owned())]);
    let SinkEndpoint::Kafka(sink) = &loaded.config.pipelines[1].dead_letters.endpoint else { panic!("{loaded:?}") };
    assert_eq!(sink.options, [("sasl.password".to_owned(), "hunter2".to_owned())]);
}
