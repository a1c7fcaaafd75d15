//! Taking over the state of older versions: what a changelog has restored of them, or what the stages that ran before have.
//!
//! What is taken over is a copy: where a plugin cannot do it, all is as before.

use std::sync::PoisonError;

use super::{Chain, ChainError, ChainFault, Stage};
use crate::{
    plugin::MigrateError,
    state::{Copied, Entries, Migrated, StageState},
};

/// More could not be made durable in one frame.
pub(crate) const MAX_BYTES: usize = 512 << 20;

impl Chain {
    /// Takes over what was restored of older versions. Gives all entries of the stages that have some now.
    pub fn take_over_restored(&mut self) -> Result<Vec<Migrated>, ChainError> {
        let mut all = Vec::new();
        for stage in self.stages_mut() {
            let older = stage.state().lock().unwrap_or_else(PoisonError::into_inner).take_older();
            if older.is_empty() {
                continue;
            }
            // The newest first: an entry that is there stays.
            for (version, state) in older.iter().rev() {
                take_over(stage, *version, &state.entries(), false)?;
            }
            all.push(migrated(stage)?);
        }
        Ok(all)
    }

    /// Copies a stage's entries, or those of one that is no more.
    pub fn copy(&self, stage: &str, entries: impl FnOnce(&StageState) -> Vec<Entries>) -> Option<Copied> {
        let copy =
            |state: &StageState| Copied { stage: stage.to_owned(), version: state.version(), entries: entries(state) };
        self.look_at_state(stage, copy)
    }

    /// Takes over entries that the chain before this one has kept under an older version, over those that were taken over
    /// before. That chain keeps its own.
    pub fn take_over(&mut self, copied: &[Copied]) -> Result<(), ChainError> {
        for Copied { stage, version, entries } in copied {
            if let Some(stage) = self.stages_mut().iter_mut().find(|known| known.name().as_ref() == stage.as_str()) {
                take_over(stage, *version, entries, true)?;
            }
        }
        Ok(())
    }

    /// All entries of these stages, to be made durable in place of those that they were taken over from.
    pub fn taken_over(&self, stages: &[String]) -> Result<Vec<Migrated>, ChainError> {
        let is_one = |stage: &&Stage| stages.iter().any(|name| name.as_str() == stage.name().as_ref());
        self.stages().iter().filter(is_one).map(migrated).collect()
    }

    /// Whether the plugin of that stage takes over state of that version at all.
    pub fn takes_over(&mut self, stage: &str, version: u32) -> Result<(), ChainError> {
        let Some(stage) = self.stages_mut().iter_mut().find(|known| known.name().as_ref() == stage) else {
            return Ok(());
        };
        if stage.descriptor().state_version == version {
            return Ok(());
        }
        let mut stores: Vec<String> = stage.state().lock().unwrap_or_else(PoisonError::into_inner).names().to_vec();
        stores.truncate(1);
        let asked: Vec<Entries> = stores.into_iter().map(|store| Entries { store, ..Entries::default() }).collect();
        take_over(stage, version, &asked, false)
    }
}

fn take_over(stage: &mut Stage, version: u32, entries: &[Entries], over: bool) -> Result<(), ChainError> {
    let to = stage.descriptor().state_version;
    let refused = |stage: &Stage, why| ChainError {
        stage: stage.name().to_string(),
        fault: ChainFault::Migrate { from: version, to, why },
    };
    for piece in entries {
        let declared = |state: &StageState| state.names().contains(&piece.store);
        if !declared(&stage.state().lock().unwrap_or_else(PoisonError::into_inner)) {
            // This version has no use for it.
            continue;
        }
        let values = match stage.migrate(version, piece) {
            Ok(values) => values,
            Err(why) => return Err(refused(stage, why)),
        };
        let (store, keys, at) = (piece.store.clone(), piece.keys.clone(), piece.at.clone());
        let piece = Entries { store, keys, values, at };
        stage.state().lock().unwrap_or_else(PoisonError::into_inner).import(&piece, over);
    }
    Ok(())
}

/// All that the stage has kept.
fn migrated(stage: &Stage) -> Result<Migrated, ChainError> {
    let (name, version) = (stage.name().to_string(), stage.descriptor().state_version);
    let entries = stage.state().lock().unwrap_or_else(PoisonError::into_inner).entries();
    let bytes: usize =
        entries.iter().map(|piece| piece.keys.bytes() + piece.values.bytes() + 16 * piece.at.len()).sum();
    if bytes > MAX_BYTES {
        let why = MigrateError::Refused(format!("{} MiB of state; {} are the most", bytes >> 20, MAX_BYTES >> 20));
        return Err(ChainError { stage: name, fault: ChainFault::Migrate { from: version, to: version, why } });
    }
    Ok(Migrated { stage: name, version, entries })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::{
        super::tests::{batch, kept},
        *,
    };
    use crate::{
        plugin::{Grants, Limits, Plugin, PluginEngine, StageName, build::build},
        transform::StageSpec,
    };

    fn chain(guest: &str, config: &str) -> Chain {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests").join(guest);
        let built = build(&folder, &mut |_| {}).unwrap();
        let plugin = Plugin::load(&PluginEngine::new().unwrap(), &built.wasm).unwrap();
        let name = StageName { pipeline: "p".into(), stage: "s".into() };
        let limits = Limits {
            memory: 32 << 20,
            timeout: Duration::from_millis(200),
            output: 512 << 10,
            grants: Grants::named(&["state"]),
            ..Limits::default()
        };
        Chain::new(vec![StageSpec { name, plugin, config: config.to_owned(), limits }]).unwrap()
    }

    fn copied(chain: &Chain) -> Vec<Copied> {
        chain.copy("s", StageState::entries).into_iter().collect()
    }

    #[test]
    fn a_newer_version_goes_on_with_what_the_older_one_has_kept_which_keeps_its_own() {
        let mut old = chain("counts", r#"{"state":1}"#);
        assert_eq!(kept(&old.run(batch(&["a", "b", "a"], 0)).unwrap()), ["a 1", "b 1", "a 2"]);
        let mut new = chain("counts", r#"{"state":2}"#);
        new.take_over(&copied(&old)).unwrap();
        let migrated = new.taken_over(&["s".to_owned()]).unwrap();
        assert_eq!((migrated.len(), migrated[0].version), (1, 2));
        new.adopt(&mut old);
        assert_eq!(kept(&new.run(batch(&["a", "c"], 3)).unwrap()), ["a 3", "c 1"]);
        old.adopt(&mut new);
        assert_eq!(kept(&old.run(batch(&["a", "c"], 3)).unwrap()), ["a 3", "c 1"], "its own state, as it was");
    }

    #[test]
    fn what_cannot_be_taken_over_is_refused_with_the_reason_and_the_older_version_goes_on() {
        let mut old = chain("counts", r#"{"state":1}"#);
        old.run(batch(&["a"], 0)).unwrap();
        let mut stubborn = chain("counts", r#"{"state":2,"stubborn":true}"#);
        let error = stubborn.take_over(&copied(&old)).unwrap_err().to_string();
        let said = "state of version 1 cannot be taken over by version 2: `seen` of version 1 is not for me";
        assert_eq!(error, format!("stage `s`: {said}"));
        assert!(stubborn.takes_over("s", 1).is_err() && chain("counts", r#"{"state":2}"#).takes_over("s", 1).is_ok());
        for (attack, said) in [
            ("migrate traps", "`migrate` failed: it trapped"),
            ("migrate never ends", "`migrate` failed: it ran for longer than 200ms"),
            ("migrate grows", "`migrate` failed: it needed more than 32 MiB of memory"),
            ("migrate loses entries", "its answer is wrong: 0 values for 1 entries"),
            ("migrate makes a giant", "its answer is wrong: 1048576 bytes; 524288 is the most"),
            ("migrate descends", "its answer is wrong: the ends do not ascend"),
            ("migrate looks into the state", "it trapped: store 0 is not declared"),
            ("migrate writes to the state", "it trapped: state: row 0 of a batch of 0"),
        ] {
            let mut hostile = chain("hostile", &format!("\"{attack}\""));
            let error = hostile.take_over(&copied(&old)).unwrap_err().to_string();
            assert!(error.contains(said), "{attack}: {error}");
        }
        assert_eq!(kept(&old.run(batch(&["a"], 1)).unwrap()), ["a 2"]);
    }

    #[test]
    fn what_was_restored_of_older_versions_is_taken_over_and_does_not_hide_what_is_newer() {
        let mut chain = chain("counts", r#"{"state":2}"#);
        chain.with_states(|states| {
            let state = states.get_mut("s").unwrap();
            state.older(1).restore(0, b"a", Some(b"5"), 1).unwrap();
            state.older(1).restore(0, b"b", Some(b"6"), 1).unwrap();
            state.restore(0, b"b", Some(b"n=9"), 2).unwrap();
        });
        let migrated = chain.take_over_restored().unwrap();
        assert_eq!(migrated[0].entries.iter().map(|piece| piece.at.len()).sum::<usize>(), 2);
        assert_eq!(kept(&chain.run(batch(&["a", "b"], 0)).unwrap()), ["a 6", "b 10"]);
        assert!(chain.take_over_restored().unwrap().is_empty(), "once");
    }
}
