//! Compiled code and the places where it runs.
//!
//! There are two pools with the same code. An instance that hashes touches 19 MiB of memory: if
//! the pool gives these pages back to the system after every call, taking them again costs half
//! as much as the hash. Keeping them costs the cleaning of each slot that was used, so calls that
//! do not hash have a pool of their own that keeps next to nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};

use super::Limits;
use super::bounds::{INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};
use super::cache::Cache;
use super::call::Indices;
use super::state::State;
use crate::contract::Portcullis;
use crate::error::SetupError;

/// Bytes that a slot for hashing calls keeps between two calls: one argon2id of 19 MiB, the
/// default, and what else the component touches. Above it pages go back to the system.
const KEPT_HASHING: usize = 24 << 20;
/// The same for other calls: a stack and a few small documents.
const KEPT_PLAIN: usize = 256 << 10;
/// Bytes of a stack that are kept (cleaned); deeper ones go back to the system.
const KEPT_STACK: usize = 64 << 10;

/// Linked code and the engine that runs it.
pub(super) struct Pool {
    pub(super) engine: Engine,
    pub(super) code: InstancePre<State>,
    pub(super) exports: Arc<Indices>,
}

/// The two pools.
pub(super) struct Pools {
    pub(super) hashing: Pool,
    pub(super) plain: Pool,
}

impl Pools {
    /// Compile and link the component, with memory set aside if the machine allows it.
    /// Its code is kept in `folder`, and taken from there.
    pub(super) fn new(
        component: &[u8],
        limits: &Limits,
        folder: Option<&Path>,
    ) -> Result<Self, SetupError> {
        let (hashing, plain) = match pooling(limits) {
            Ok(engines) => engines,
            Err(reason) => {
                tracing::warn!(
                    %reason,
                    "no address space can be set aside for instances; each gets its memory when it starts"
                );
                on_demand(limits).map_err(broken)?
            }
        };
        let engines = [hashing, plain];
        let Some(folder) = folder else { return Self::compiled(component, &engines, None) };
        let cache = Cache::new(folder, component, &engines[0]);
        let kept = cache.read().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => None,
            _ => Some(error.to_string()),
        });
        let pools =
            kept.and_then(|code| Self::load(&code, &engines).map_err(|e| Some(e.to_string())));
        pools.or_else(|reason| {
            if let Some(reason) = reason {
                tracing::warn!(reason, "the compiled component that was kept is not used");
            }
            Self::compiled(component, &engines, Some(&cache))
        })
    }

    fn compiled(
        component: &[u8],
        engines: &[Engine; 2],
        cache: Option<&Cache<'_>>,
    ) -> Result<Self, SetupError> {
        let code = engines[0].precompile_component(component).map_err(broken)?;
        let pools = Self::load(&code, engines).map_err(broken)?;
        if let Some(Err(error)) = cache.map(|cache| cache.write(&code)) {
            tracing::warn!(%error, "the compiled component is not kept for the next start");
        }
        Ok(pools)
    }

    /// `code` must have been made by `precompile_component`.
    fn load(code: &[u8], [hashing, plain]: &[Engine; 2]) -> wasmtime::Result<Self> {
        let pool = |engine: &Engine| {
            // SAFETY: these bytes were made by this very wasmtime, in this process a moment ago, or in
            // one whose files nobody else can write; the cache has looked.
            let component = unsafe { Component::deserialize(engine, code)? };
            Pool::new(engine.clone(), &component)
        };
        Ok(Self { hashing: pool(hashing)?, plain: pool(plain)? })
    }
}

impl Pool {
    fn new(engine: Engine, component: &Component) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(&engine);
        Portcullis::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        let code = linker.instantiate_pre(component)?;
        let exports = Arc::new(Indices::new(&code)?);
        Ok(Self { engine, code, exports })
    }
}

/// Engines whose slots are set aside at once, so that an instance costs microseconds.
fn pooling(limits: &Limits) -> wasmtime::Result<(Engine, Engine)> {
    Ok((
        pool(limits.hashing + limits.spare(), limits.memory, KEPT_HASHING)?,
        pool(limits.plain, limits.memory_plain, KEPT_PLAIN)?,
    ))
}

fn pool(slots: usize, memory: usize, kept: usize) -> wasmtime::Result<Engine> {
    let slots = u32::try_from(slots)?;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(INSTANCES as u32))
        .total_memories(slots.saturating_mul(MEMORIES as u32))
        .total_tables(slots.saturating_mul(TABLES as u32))
        .total_stacks(slots)
        .max_core_instances_per_component(INSTANCES as u32)
        .max_memories_per_component(MEMORIES as u32)
        .max_tables_per_component(TABLES as u32)
        .max_memory_size(memory)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(kept)
        .table_keep_resident(TABLE_ELEMENTS * size_of::<usize>())
        .async_stack_keep_resident(KEPT_STACK)
        // Where Linux can tell which pages were written (6.7 and later), only they are cleaned.
        .pagemap_scan(Enabled::Auto);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// Engines for machines where address space is scarce (`ulimit -v`, 32 bits): exactly the memory
/// that a call may use is reserved when it starts, and its bounds are checked by instructions.
fn on_demand(limits: &Limits) -> wasmtime::Result<(Engine, Engine)> {
    let mut config = config();
    config
        .memory_reservation(limits.memory.max(limits.memory_plain) as u64)
        .memory_reservation_for_growth(0)
        .memory_guard_size(64 << 10);
    Ok((Engine::new(&config)?, Engine::new(&config)?))
}

/// What all engines have in common; it decides about the code.
fn config() -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        // A loop is left at the next tick of the clock; costs one percent.
        .epoch_interruption(true)
        // Stacks hold copies of what the component works on: none is handed on.
        .async_stack_zeroing(true)
        // What a Rust component needs stays on: SIMD, bulk memory, reference types. The rest would
        // only be more code that a hostile component can reach.
        .wasm_relaxed_simd(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        // The asynchronous component model; our imports are async on the host's side alone.
        .concurrency_support(false);
    config
}

fn broken(error: wasmtime::Error) -> SetupError {
    SetupError::Component(format!("{error:#}"))
}
