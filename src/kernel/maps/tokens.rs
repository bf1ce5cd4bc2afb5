//! What a breaker may still refuse: the tokens of `krsi_breaker.bpf.h` of the templates, one for each refusal that may count.

use aya::maps::{Map, MapData, MapError, Queue};

use crate::kernel::{KernelError, errno::chain};

/// The map's name.
pub const TABLE: &str = "krsi_tokens";

/// The tokens of one probe.
pub struct Tokens(Queue<MapData, u64>);

impl Tokens {
    /// # Errors
    /// If the map is no queue.
    pub fn new(map: Map) -> Result<Self, KernelError> {
        Ok(Tokens(Queue::try_from(map).map_err(|error| unusable(&error))?))
    }

    /// Puts so many there: room for more there is none.
    ///
    /// # Errors
    /// If the kernel does not take them.
    pub fn fill(&mut self, count: u32) -> Result<(), KernelError> {
        (0..count).try_for_each(|_| self.0.push(0, 0).map_err(|error| unusable(&error)))
    }
}

fn unusable(error: &MapError) -> KernelError {
    KernelError::Table { table: TABLE, reason: chain(error) }
}
