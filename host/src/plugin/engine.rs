//! The WebAssembly engine that all plugins of a process share: how code is compiled, and the clock that ends calls that
//! take too long.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rayon_core::ThreadPool;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    component::{Component, Linker},
};

use super::{Plugin, bindings, cache::CodeCache, compiler, guest::Guest};
use crate::config::defaults as d;

/// How often the epoch advances: the precision of a call's deadline.
pub const TICK: Duration = Duration::from_millis(10);
/// Most linear memory that a stage's `memory` setting can allow.
pub const MAX_MEMORY: usize = d::MAX_STAGE_MEMORY as usize;
/// Instances alive at the same time in a process. Each reserves address space, not memory.
const MAX_INSTANCES: u32 = 1024;
/// Most table entries that a stage's `table` setting can allow.
const MAX_TABLE_ELEMENTS: usize = d::MAX_STAGE_TABLE as usize;

/// Compiles and runs plugins. Cheap to clone.
#[derive(Clone)]
pub struct PluginEngine {
    pub(super) engine: Engine,
    pub(super) linker: Arc<Linker<Guest>>,
    cache: Option<Arc<CodeCache>>,
    compiler: Arc<ThreadPool>,
    compilations: Arc<AtomicU64>,
}

impl PluginEngine {
    /// Makes an engine with the default stack that counts no fuel; see [`PluginEngine::with`].
    pub fn new() -> wasmtime::Result<Self> {
        Self::with(d::STACK, false)
    }

    /// Makes an engine whose guests may use so much stack, in bytes, and starts its clock, which ends with the last clone.
    /// Deep recursion is a trap, not a crash of the host. Counting what guests execute (see [`super::Instance::fuel_used`])
    /// slows them down.
    pub fn with(stack: usize, counts_fuel: bool) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(MAX_INSTANCES)
            .total_core_instances(MAX_INSTANCES * 4)
            .total_memories(MAX_INSTANCES)
            .total_tables(MAX_INSTANCES * 2)
            .max_memory_size(MAX_MEMORY)
            .table_elements(MAX_TABLE_ELEMENTS);
        let mut config = Config::new();
        config
            .cranelift_opt_level(OptLevel::Speed)
            .epoch_interruption(true)
            .consume_fuel(counts_fuel)
            .max_wasm_stack(stack)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        bindings::Plugin::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |guest| guest)?;
        let clock = engine.weak();
        std::thread::Builder::new().name("plugin-clock".to_owned()).spawn(move || {
            while let Some(engine) = clock.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
        let compiler = Arc::new(compiler::pool()?);
        Ok(Self { engine, linker: Arc::new(linker), cache: None, compiler, compilations: Arc::default() })
    }

    /// Looks for compiled code in that folder before it compiles; see [`PluginEngine::keep`].
    pub fn with_cache(self, folder: PathBuf) -> Self {
        Self { cache: Some(Arc::new(CodeCache::new(folder))), ..self }
    }

    /// Keeps the plugin's compiled code, where there is a cache, so that the next start finds it.
    pub fn keep(&self, plugin: &Plugin) {
        let Some(cache) = &self.cache else { return };
        let name = self.file_name(plugin.sha256());
        if !cache.is_new(&name) {
            return;
        }
        match plugin.component().serialize() {
            Ok(code) => cache.keep(&name, &code),
            Err(error) => tracing::warn!("compiled code is not kept: {error:#}"),
        }
    }

    /// How many components were compiled, rather than found in the cache.
    pub fn compilations(&self) -> u64 {
        self.compilations.load(Ordering::Relaxed)
    }

    /// The component of these bytes, whose SHA-256 is given: from the cache, or else compiled.
    pub(super) fn component(&self, sha256: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        let code = self.cache.as_ref().and_then(|cache| cache.load(&self.file_name(sha256)));
        if let Some(code) = code {
            // SAFETY: `deserialize` runs what it is given as machine code, so it must be given nothing but what `serialize` gave.
            // The cache hands out only bytes whose HMAC, under a key that only this user can read, it has checked in memory,
            // where nobody can change them any more; and `keep` is all that ever makes such an HMAC, of what `serialize` gave.
            // The HMAC covers the file's name, and with it the component's SHA-256, so it is the code of this very component.
            // Whether the code is of this version of the engine, its settings and this CPU, `deserialize` checks by itself.
            match unsafe { Component::deserialize(&self.engine, &code) } {
                Ok(component) => return Ok(component),
                Err(error) => tracing::warn!(sha256, "compiled code is ignored and made anew: {error:#}"),
            }
        }
        self.compilations.fetch_add(1, Ordering::Relaxed);
        self.compiler.install(|| Component::from_binary(&self.engine, bytes))
    }

    /// Names the component and what else decides about its code: the engine's version, its settings and the CPU.
    fn file_name(&self, sha256: &str) -> String {
        let mut settings = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut settings);
        format!("{sha256}-{:016x}", settings.finish())
    }
}

/// Epochs after which a call of that many milliseconds is surely over its time.
pub(super) fn ticks(timeout: Duration) -> u64 {
    (timeout.as_millis() / TICK.as_millis()) as u64 + 1
}
