//! What an instance may take of the host's memory.

use wasmtime::{Error, ResourceLimiter};

/// Core instances in one component: the module itself and the two that the component's encoder
/// adds for the imports, with room for a later encoder.
pub(super) const INSTANCES: usize = 8;
/// Tables in one component: the module's own and the encoder's.
pub(super) const TABLES: usize = 4;
/// Elements of a table. The functions of the component that are called through pointers, a few
/// hundred, with ample room.
pub(super) const TABLE_ELEMENTS: usize = 10_000;
/// Linear memories in one component.
pub(super) const MEMORIES: usize = 1;

/// The bounds of one instance.
///
/// A growth that is refused stops the component: it could do nothing else itself, and this way
/// the reason is known.
pub(super) struct Bounds {
    /// Bytes of linear memory.
    memory: usize,
}

impl Bounds {
    pub(super) fn new(memory: usize) -> Self {
        Self { memory }
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.memory {
            return Err(Error::msg(format!("it needed more than {} bytes of memory", self.memory)));
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: Error) -> wasmtime::Result<()> {
        Err(error.context("the machine has no more memory"))
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(Error::msg(format!("it needed a table of more than {TABLE_ELEMENTS}")));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
