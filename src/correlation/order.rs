//! Items in the order of their time, though they arrive in another.
//!
//! Each probe has a ring buffer of its own, and what is read from two of them arrives batch by batch. An item is held until
//! whoever collects them says up to which time all have arrived.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// See the module.
#[derive(Debug)]
pub struct Order<T> {
    held: BinaryHeap<Reverse<Held<T>>>,
    arrived: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Held<T> {
    time: u64,
    /// Of two at the same time the one that arrived first goes first.
    arrived: u64,
    item: T,
    bytes: usize,
}

/// Bytes that may be held: what arrives at once is bounded by the queue it comes from, and not by its size.
const MOST_BYTES: usize = 64 << 20;

impl<T> Default for Order<T> {
    fn default() -> Self {
        Order { held: BinaryHeap::new(), arrived: 0, bytes: 0 }
    }
}

impl<T> Order<T> {
    /// Holds an item of so many bytes. Returns whether there was room for it.
    pub fn hold(&mut self, time: u64, item: T, bytes: usize) -> bool {
        if self.bytes + bytes > MOST_BYTES {
            return false;
        }
        self.arrived += 1;
        self.bytes += bytes;
        self.held.push(Reverse(Held { time, arrived: self.arrived, item, bytes }));
        true
    }

    /// Returns the earliest item, if its time is not after `horizon`, up to which all have arrived.
    pub fn release(&mut self, horizon: u64) -> Option<T> {
        if self.held.peek()?.0.time > horizon {
            return None;
        }
        let Reverse(held) = self.held.pop()?;
        self.bytes -= held.bytes;
        Some(held.item)
    }

    /// Returns the time of the earliest item.
    #[must_use]
    pub fn earliest(&self) -> Option<u64> {
        self.held.peek().map(|held| held.0.time)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.held.clear();
        self.bytes = 0;
    }
}

impl<T> Held<T> {
    fn place(&self) -> (u64, u64) {
        (self.time, self.arrived)
    }
}

impl<T> PartialEq for Held<T> {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl<T> Eq for Held<T> {}

impl<T> PartialOrd for Held<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Held<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_complete_comes_by_time_and_the_rest_waits() {
        let mut order = Order::default();
        for (time, item) in [(30, 'c'), (10, 'a'), (20, 'b'), (10, 'A'), (40, 'd')] {
            assert!(order.hold(time, item, 1));
        }
        let released: String = std::iter::from_fn(|| order.release(30)).collect();
        assert_eq!(released, "aAbc");
        assert!(order.hold(35, 'x', 1) && !order.hold(36, 'y', MOST_BYTES));
        let rest: String = std::iter::from_fn(|| order.release(u64::MAX)).collect();
        assert_eq!(rest, "xd");
        assert!(order.is_empty() && order.hold(1, 'z', MOST_BYTES));
    }
}
