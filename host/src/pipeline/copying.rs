//! Copying a stage's entries for a newer version while the pipeline goes on: first all, then again and again what was written since,
//! and the last of it between two batches with nothing under way.
//!
//! Only entries that are durable are copied before that: they may be overwritten, and then come again, but are never undone.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    state::{Copied, Writes},
    transform::Chain,
};

/// The keys of a stage, by store.
type Keys = HashSet<(String, Box<[u8]>)>;

/// What was written since entries were copied, by stage.
#[derive(Default)]
pub(super) struct Copying(BTreeMap<String, Keys>);

impl Copying {
    /// Notes what a batch has written.
    pub fn note(&mut self, writes: &[(Arc<str>, Writes)]) {
        for (stage, writes) in writes {
            let Some(keys) = self.0.get_mut(stage.as_ref()) else { continue };
            for (i, write) in writes.ops.iter().enumerate() {
                let store = writes.stores.get(write.store as usize);
                keys.extend(store.map(|store| (store.clone(), writes.keys.get(i).into())));
            }
        }
    }

    /// Copies what was written since the last time, or else everything, but for what `under_way` has written: that comes the
    /// next time.
    pub fn copy<'a>(
        this: &mut Option<Self>,
        chain: &Chain,
        stages: &[String],
        under_way: impl Iterator<Item = &'a [(Arc<str>, Writes)]>,
    ) -> Vec<Copied> {
        let mut next = Self(stages.iter().map(|stage| (stage.clone(), Keys::new())).collect());
        under_way.for_each(|writes| next.note(writes));
        let nothing = Keys::new();
        let copied = stages.iter().filter_map(|stage| {
            let later = next.0.get(stage).unwrap_or(&nothing);
            let since = this.as_ref().and_then(|this| this.0.get(stage));
            chain.copy(stage, |state| match since {
                Some(written) => state.entries_of(written.iter().filter(|key| !later.contains(*key))),
                None if later.is_empty() => state.entries(),
                None => state.entries_but(|store, key| later.contains(&(store.to_owned(), key.into()))),
            })
        });
        let copied = copied.collect();
        *this = Some(next);
        copied
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        plugin::{Grants, Limits, Plugin, PluginEngine, StageName, build::build},
        record::{Batch, Headers, Record},
        transform::{Processed, StageSpec},
    };

    fn chain() -> Chain {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/counts");
        let built = build(&folder, &mut |_| {}).unwrap();
        let plugin = Plugin::load(&PluginEngine::new().unwrap(), &built.wasm).unwrap();
        let name = StageName { pipeline: "p".into(), stage: "s".into() };
        let limits = Limits { grants: Grants::named(&["state"]), ..Limits::default() };
        Chain::new(vec![StageSpec { name, plugin, config: "{\"state\":1}".to_owned(), limits }]).unwrap()
    }

    fn run(chain: &mut Chain, values: &[&str]) -> Processed {
        let mut batch = Batch::new("t".into());
        for (value, offset) in values.iter().zip(0..) {
            let (value, headers) = (Some(value.as_bytes()), Headers::default());
            batch.push(Record { key: None, value, headers, timestamp_ms: 1, partition: 0, offset });
        }
        chain.run(Arc::new(batch)).unwrap()
    }

    #[test]
    fn each_entry_is_copied_once_it_is_durable_and_again_once_it_was_written_again() {
        let mut chain = chain();
        let mut copying = None;
        let copy = |copying: &mut Option<Copying>, chain: &Chain, under_way: &[&Processed]| {
            let under_way = under_way.iter().map(|processed| processed.writes.as_slice());
            let copied = Copying::copy(copying, chain, &["s".to_owned()], under_way);
            assert_eq!((copied[0].stage.as_str(), copied[0].version), ("s", 1));
            let pairs = |piece: &crate::state::Entries| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                piece.keys.iter().zip(piece.values.iter()).map(|(k, v)| (text(k), text(v))).collect::<Vec<_>>()
            };
            let mut all: Vec<_> = copied[0].entries.iter().flat_map(pairs).collect();
            all.sort();
            all.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        run(&mut chain, &["a", "b"]);
        let under_way = run(&mut chain, &["b", "c"]);
        assert_eq!(copy(&mut copying, &chain, &[&under_way]), "a=1", "the rest may still be undone");
        let later = run(&mut chain, &["d"]);
        copying.as_mut().unwrap().note(&later.writes);
        // The sink refuses "c" for good; the batch behind it runs again.
        chain.undo(&later.writes, |_| true);
        chain.undo(&under_way.writes, |row| row == 1);
        let later = run(&mut chain, &["d"]);
        copying.as_mut().unwrap().note(&later.writes);
        assert_eq!(copy(&mut copying, &chain, &[&later]), "b=2");
        assert_eq!(copy(&mut copying, &chain, &[]), "d=1");
        assert_eq!(copy(&mut copying, &chain, &[]), "", "nothing since");
        let again = run(&mut chain, &["a"]);
        copying.as_mut().unwrap().note(&again.writes);
        assert_eq!(copy(&mut copying, &chain, &[]), "a=2");
        assert_eq!(copy(&mut None, &chain, &[]), "a=2 b=2 d=1");
    }
}
