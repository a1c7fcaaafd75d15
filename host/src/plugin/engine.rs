//! The WebAssembly engine that all plugins of a process share: how code is compiled, and the clock that ends calls that
//! take too long.

use std::{sync::Arc, time::Duration};

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, component::Linker};

use super::{bindings, guest::Guest};

/// How often the epoch advances: the precision of a call's deadline.
pub const TICK: Duration = Duration::from_millis(10);
/// Most linear memory that a stage's `memory` setting can allow.
pub const MAX_MEMORY: usize = 1 << 30;
/// Instances alive at the same time in a process. Each reserves address space, not memory.
const MAX_INSTANCES: u32 = 256;
/// A table entry is a pointer of the host's; guests of the SDK need a few hundred.
const MAX_TABLE_ELEMENTS: usize = 100_000;
/// Guest stack. Deep recursion is a trap, not a crash of the host.
const MAX_STACK: usize = 512 << 10;

/// Compiles and runs plugins. Cheap to clone.
#[derive(Clone)]
pub struct PluginEngine {
    pub(super) engine: Engine,
    pub(super) linker: Arc<Linker<Guest>>,
}

impl PluginEngine {
    /// Makes an engine and starts its clock, which ends with the last clone.
    pub fn new() -> wasmtime::Result<Self> {
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
            .max_wasm_stack(MAX_STACK)
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
        Ok(Self { engine, linker: Arc::new(linker) })
    }
}

/// Epochs after which a call of that many milliseconds is surely over its time.
pub(super) fn ticks(timeout: Duration) -> u64 {
    (timeout.as_millis() / TICK.as_millis()) as u64 + 1
}
