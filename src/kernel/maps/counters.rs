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

/// `KRSI_COUNTERS` of the templates.
const COUNTERS: usize = CounterIndex::NAMES.len();

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
    counters: PerCpuArray<MapData, [u64; COUNTERS]>,
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
        let counts = self.counts()?;
        let count = |index: u32| counts.get(index as usize).copied().unwrap_or_default();
        let (out_of_scope, filtered) = (count(index.out_of_scope), count(index.filtered));
        let [allow, would_deny, deny, kill] =
            [index.allow, index.would_deny, index.deny, index.kill].map(count);
        let [would_ask, asked] = [index.would_ask, index.asked].map(count);
        let matched = allow + would_deny + deny + kill + would_ask + asked;
        Ok(Counters {
            seen: out_of_scope + filtered + matched,
            out_of_scope,
            filtered,
            matched,
            allow,
            would_deny,
            deny,
            kill,
            would_ask,
            asked,
            answered: count(index.answered),
            timed_out: count(index.timed_out),
            withdrawn: count(index.withdrawn),
            held: 0,
            otherwise: count(index.otherwise),
            emitted: count(index.emitted),
            suppressed: count(index.suppressed),
            limited: count(index.limited),
            sampled_out: count(index.sampled_out),
            lost_ring: count(index.lost_ring),
            delivered,
            lost_queue,
            errors: count(index.errors) + self.delivery.malformed.load(Ordering::Acquire),
            lapsed: count(index.lapsed),
            guarded: count(index.guarded),
            overflow: count(index.overflow),
            missed: 0,
        })
    }

    /// Each counter's sum over all processors.
    fn counts(&self) -> Result<[u64; COUNTERS], KernelError> {
        let mut sums = [0; COUNTERS];
        for counts in self.counters.get(&0, 0).map_err(|e| unreadable(&e))?.iter() {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        Ok(sums)
    }
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> KernelError {
    KernelError::Table { table: "krsi_counters", reason: chain(error) }
}
