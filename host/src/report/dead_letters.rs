//! What became of the records of a configuration's pipelines, as their changelogs have it: read beside a host that may be
//! running.

use super::{Failed, places::Pipeline};
use crate::{
    pipeline::chain_of,
    state::{self, Totals},
};

/// What is known of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letters {
    /// The pipeline.
    pub pipeline: String,
    /// Its totals since it first ran, or why there are none here.
    pub known: Result<Totals, String>,
}

/// The totals of each pipeline.
pub fn letters(pipelines: &[Pipeline]) -> Result<Vec<Letters>, Failed> {
    let mut all = Vec::new();
    for Pipeline { name, state } in pipelines {
        let known = match state {
            Err(topic) => Err(format!("its state is kept in {topic}; ask a running host: `GET /pipelines`")),
            Ok(folder) => match state::peek(folder) {
                Ok(Some(peeked)) => Ok(peeked.totals),
                Ok(None) => Err("it has not run yet".to_owned()),
                Err(error) => return Err(Failed { message: chain_of(&error), hint: None }),
            },
        };
        all.push(Letters { pipeline: name.clone(), known });
    }
    Ok(all)
}
