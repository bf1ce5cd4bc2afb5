//! A probe's books: the kernel's per-CPU counters, summed, and the reader's own two.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aya::maps::{Map, MapData, PerCpuArray};

use crate::{
    kernel::{KernelError, errno::chain},
    probe::Counters,
    template::{CounterIndex, Layout},
};

/// Counted on this side of the ring buffer.
#[derive(Debug, Default)]
pub struct Delivery {
    pub delivered: AtomicU64,
    pub lost_queue: AtomicU64,
    /// Records that could not be decoded; they count as lost in the queue too.
    pub malformed: AtomicU64,
}

impl Delivery {
    /// Counts what became of some records.
    pub fn count(&self, delivered: usize, lost_queue: usize, malformed: usize) {
        let add = |counter: &AtomicU64, records: usize| counter.fetch_add(records as u64, Ordering::AcqRel);
        add(&self.malformed, malformed);
        add(&self.delivered, delivered);
        add(&self.lost_queue, lost_queue);
    }

    /// Records taken from the ring buffer so far.
    pub fn received(&self) -> u64 {
        self.delivered.load(Ordering::Acquire) + self.lost_queue.load(Ordering::Acquire)
    }
}

pub struct Books {
    counters: PerCpuArray<MapData, u64>,
    index: CounterIndex,
    delivery: Arc<Delivery>,
}

impl Books {
    pub fn new(map: Map, layout: &Layout, delivery: Arc<Delivery>) -> Result<Self, KernelError> {
        let counters = PerCpuArray::try_from(map).map_err(|e| unreadable(&e))?;
        Ok(Books { counters, index: layout.counters, delivery })
    }

    /// All counts so far. While a decision is under way they may not balance yet.
    pub fn read(&self) -> Result<Counters, KernelError> {
        let delivered = self.delivery.delivered.load(Ordering::Acquire);
        let lost_queue = self.delivery.lost_queue.load(Ordering::Acquire);
        let index = self.index;
        Ok(Counters {
            seen: self.counter(index.seen)?,
            out_of_scope: self.counter(index.out_of_scope)?,
            filtered: self.counter(index.filtered)?,
            matched: self.counter(index.matched)?,
            allow: self.counter(index.allow)?,
            would_deny: self.counter(index.would_deny)?,
            deny: self.counter(index.deny)?,
            kill: self.counter(index.kill)?,
            emitted: self.counter(index.emitted)?,
            suppressed: self.counter(index.suppressed)?,
            lost_ring: self.counter(index.lost_ring)?,
            delivered,
            lost_queue,
            errors: self.counter(index.errors)? + self.delivery.malformed.load(Ordering::Acquire),
            lapsed: self.counter(index.lapsed)?,
            guarded: self.counter(index.guarded)?,
            overflow: self.counter(index.overflow)?,
        })
    }

    fn counter(&self, index: u32) -> Result<u64, KernelError> {
        let values = self.counters.get(&index, 0).map_err(|e| unreadable(&e))?;
        Ok(values.iter().sum())
    }
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> KernelError {
    KernelError::Table { table: "krsi_counters", reason: chain(error) }
}
