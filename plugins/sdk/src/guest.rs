//! Between the exported functions and the plugin: keeps the one value that an instance has.

use std::cell::RefCell;

use crate::{Batch, Plugin, Setup, Slices, bindings, setup::Plan};

/// Holds a plugin from `init` on.
pub struct Slot<P> {
    running: RefCell<Option<(P, Plan)>>,
}

impl<P: Plugin> Slot<P> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { running: RefCell::new(None) }
    }

    /// Makes the plugin and says what it needs.
    pub fn init(&self, config: &str, name: &str, version: &str) -> Result<bindings::Descriptor, String> {
        // without this a panic is a bare trap: the author would never learn what was wrong
        #[cfg(target_family = "wasm")]
        std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));

        let mut setup = Setup::new(config, name, version);
        let plugin = P::new(&mut setup)?;
        let (descriptor, plan) = setup.finish()?;
        self.running.replace(Some((plugin, plan)));
        Ok(descriptor)
    }

    /// Has the plugin decide about a batch.
    pub fn process(&self, batch: &bindings::Batch) -> Result<bindings::Outcome, String> {
        let mut running = self.running.borrow_mut();
        let (plugin, plan) = running.as_mut().ok_or("`process` was called before `init`")?;
        let batch = Batch::new(batch, plan);
        plugin.batch(&batch)?.finish(&batch)
    }

    /// Has the plugin take over entries of an older version.
    pub fn migrate(&self, from: u32, store: &str, keys: &Slices, values: &Slices) -> Result<Slices, String> {
        let mut running = self.running.borrow_mut();
        let (plugin, _) = running.as_mut().ok_or("`migrate` was called before `init`")?;
        plugin.migrate(from, store, keys, values)
    }
}

impl<P: Plugin> Default for Slot<P> {
    fn default() -> Self {
        Self::new()
    }
}
