//! State in a topic goes over to a newer version of a plugin while it runs, and to whichever host restores it next.

use std::{io::Write, path::Path};

use crate::engines::unique;
use millstream_tests::{
    process::{Folder, PATIENCE, STOP, Signal},
    service,
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

/// Counts the values of a topic; what was counted is in another topic.
struct Counting {
    broker: String,
    name: String,
}

impl Counting {
    /// Over a new topic of one partition, as values are counted by partition; none where there is no Kafka.
    fn begin() -> Option<Self> {
        let (broker, name) = (service("kafka")?, unique("migration"));
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &broker).create().expect("a client");
        let topic = NewTopic::new(&name, 1, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let created = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).expect("an answer");
        assert!(created.iter().all(Result::is_ok), "{created:?}");
        Some(Self { broker, name })
    }

    fn config(&self, stage: &str) -> String {
        let Self { broker, name } = self;
        format!(
            "[[pipeline]]\nname = \"p\"\nsource = {{ url = \"kafka://{broker}/{name}\", group = \"{name}\" }}\n\
             sink = {{ url = \"file:out\" }}\ndead_letters = {{ url = \"file:dead\" }}\nprobation = {{ records = 2 }}\n\
             state = {{ url = \"kafka://{broker}/{name}-state\", replication_factor = 1 }}\n\
             [[pipeline.stage]]\nplugin = \"counts.wasm\"\ngrant = [\"state\"]\nconfig = {{ {stage} }}\n"
        )
    }

    /// A folder that no host has worked in: all that it will know of the state comes from the topic.
    fn folder(&self, stage: &str) -> Folder {
        let folder = Folder::with(&self.config(stage));
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/counts");
        folder.run(&["plugin", "build", &guest.display().to_string(), "--out", "counts.wasm"]).assert(0, &[]);
        folder
    }

    /// Writes values to the topic.
    fn publish(&self, lines: &str) {
        let Self { broker, name } = self;
        let folder = Folder::with(&format!(
            "[[pipeline]]\nname = \"w\"\nsource = {{ url = \"file:in\" }}\ndead_letters = {{ url = \"file:dead\" }}\n\
             sink = {{ url = \"kafka://{broker}/{name}\" }}\n"
        ));
        let mut file = std::fs::File::create(folder.path("in")).expect("a file");
        file.write_all(lines.as_bytes()).expect("writing");
        folder.run(&["run", "--no-watch"]).assert(0, &["nothing lost"]);
    }
}

fn written(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path("out")).unwrap_or_default()
}

#[test]
fn state_in_a_topic_goes_over_to_a_newer_version_and_no_host_with_an_older_one_takes_it() {
    let Some(counting) = Counting::begin() else { return };
    counting.publish("a\nb\na\n");

    let first = counting.folder("state = 1");
    let mut process = first.start(&["run"]);
    process.until("first rows", PATIENCE, || written(&first) == "a 1\nb 1\na 2\n");
    first.write("pipeline.toml", counting.config("state = 2"));
    process.until_it_says(&["new version live"], PATIENCE);
    counting.publish("a\nb\n");
    process.until("rows by the new version", PATIENCE, || written(&first).ends_with("a 3\nb 2\n"));
    process.stop(Signal::Kill, STOP);

    // Another host, with nothing but the topic: of the new version, all of it; of the old one, nothing.
    let older = counting.folder("state = 1");
    let refused = older.run(&["run", "--for", "20s", "--no-watch"]);
    refused.assert(1, &["stage `counts` has kept state of version 2, and its plugin is made for version 1"]);
    let second = counting.folder("state = 2");
    let mut process = second.start(&["run"]);
    counting.publish("a\nc\n");
    process.until("rows by another host", PATIENCE, || written(&second).ends_with("a 4\nc 1\n"));
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}

#[test]
fn state_that_a_topic_has_of_an_older_version_is_taken_over_as_it_is_restored() {
    let Some(counting) = Counting::begin() else { return };
    counting.publish("a\na\n");
    let first = counting.folder("state = 1");
    let mut process = first.start(&["run"]);
    process.until("first rows", PATIENCE, || written(&first) == "a 1\na 2\n");
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);

    let second = counting.folder("state = 2");
    let mut process = second.start(&["run"]);
    counting.publish("a\n");
    process.until("row by the newer version", PATIENCE, || written(&second) == "a 3\n");
    process.stop(Signal::Kill, STOP);
    let third = counting.folder("state = 2");
    let mut process = third.start(&["run"]);
    counting.publish("a\n");
    process.until("row after a kill", PATIENCE, || written(&third).ends_with("a 4\n"));
    process.stop(Signal::Terminate, STOP).assert(0, &["nothing lost"]);
}
