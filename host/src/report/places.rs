//! Which tables are reported on: those of a configuration, one at an address, or the one that the notebook makes, on the
//! hosts where the notebook looks for it.

use std::path::PathBuf;

use super::Failed;
use crate::config::{self, Config, SinkEndpoint};

/// Where the notebook looks, in its order: the service of the compose file, the container, this machine.
const USUAL_HOSTS: [&str; 3] = ["cassandra_db", "cassandra", "127.0.0.1"];
const USUAL_TABLE: &str = "spark_streams.created_users";

/// A table, and the pipelines whose records count with it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its address without secrets, and where it leads. Of several the first that answers is the one.
    pub tables: Vec<(String, SinkEndpoint)>,
    /// The pipelines of its configuration.
    pub pipelines: Vec<Pipeline>,
}

/// A pipeline whose totals are reported.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Where its changelog is; or the topic that has it.
    pub state: Result<PathBuf, String>,
}

/// The tables that the pipelines of a configuration write, each once.
pub fn places(config: &Config) -> Vec<Place> {
    let pipeline = |pipeline: &config::PipelineConfig| Pipeline {
        name: pipeline.name.clone(),
        state: match &pipeline.state {
            Some(topic) => Err(topic.display.clone()),
            None => Ok(config.host.data_dir.join("state").join(&pipeline.name)),
        },
    };
    let pipelines: Vec<Pipeline> = config.pipelines.iter().map(pipeline).collect();
    let mut places: Vec<Place> = Vec::new();
    for pipeline in &config.pipelines {
        let is_table = matches!(pipeline.sink.endpoint, SinkEndpoint::Cassandra(_) | SinkEndpoint::Sqlite(_));
        let table = (pipeline.sink.display.clone(), pipeline.sink.endpoint.clone());
        if is_table && !places.iter().any(|place| place.tables.iter().any(|(display, _)| *display == table.0)) {
            places.push(Place { tables: vec![table], pipelines: pipelines.clone() });
        }
    }
    places
}

/// The table at an address. `cassandra:keyspace.table`, without a host, is looked for on the usual hosts.
pub fn address(url: &str) -> Result<Place, Failed> {
    let hosts: Vec<String> = match url.strip_prefix("cassandra:") {
        Some(table) if !table.starts_with('/') => {
            USUAL_HOSTS.iter().map(|host| format!("cassandra://{host}/{table}")).collect()
        }
        _ => vec![url.to_owned()],
    };
    let table = |url: &String| {
        let sink = config::table_at(url).map_err(|(message, hint)| Failed { message, hint: Some(hint) })?;
        Ok((sink.display, sink.endpoint))
    };
    Ok(Place { tables: hosts.iter().map(table).collect::<Result<_, Failed>>()?, pipelines: Vec::new() })
}

/// The notebook's table, where nothing else is named.
pub fn usual_place() -> Result<Place, Failed> {
    address(&format!("cassandra:{USUAL_TABLE}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn displays(place: &Place) -> Vec<&str> {
        place.tables.iter().map(|(display, _)| display.as_str()).collect()
    }

    #[test]
    fn without_a_host_the_notebooks_are_tried_in_its_order() {
        let hosts = ["cassandra_db", "cassandra", "127.0.0.1"];
        let wanted = hosts.map(|host| format!("cassandra://{host}/spark_streams.created_users"));
        assert_eq!(displays(&usual_place().unwrap()), wanted);
    }

    #[test]
    fn an_address_names_one_table_and_hides_its_password() {
        let place = address("cassandra://me:secret@node:9043/ks.t").unwrap();
        assert_eq!(place.tables.len(), 1);
        assert!(!displays(&place)[0].contains("secret"), "{place:?}");
        assert_eq!(displays(&address("sqlite:a/b.db/t").unwrap()), ["sqlite:a/b.db/t"]);
        for no_table in ["kafka://a:1/t", "sqlite:b.db", "cassandra:1ks.t", "postgres://h/t", "discard:"] {
            assert!(address(no_table).unwrap_err().hint.is_some(), "{no_table}");
        }
    }

    #[test]
    fn a_table_that_two_pipelines_write_is_one_place_and_all_pipelines_count() {
        let pipeline = |name: &str, sink: &str| {
            format!(
                "[[pipeline]]\nname = \"{name}\"\nsource = {{ url = \"log:{name}\" }}\nsink = {{ url = \"{sink}\" }}\n"
            )
        };
        let text = ["log:x", "sqlite:a.db/t", "sqlite:a.db/t", "cassandra://h/k.t"];
        let text: String = (1..).zip(text).map(|(i, sink)| pipeline(&format!("p{i}"), sink)).collect();
        let loaded = config::parse(std::path::Path::new("pipeline.toml"), &text, &|_| None).unwrap();
        let places = places(&loaded.config);
        assert_eq!(places.iter().flat_map(displays).collect::<Vec<_>>(), ["sqlite:a.db/t", "cassandra://h/k.t"]);
        assert!(places.iter().all(|place| place.pipelines.len() == 4));
    }
}
