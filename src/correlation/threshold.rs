//! So many items of one key within a time.
//!
//! What has counted together is told once; then the key rests for the same time, and after that is counted anew: one that
//! goes on and on is told of once in a while, and not with each item.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::{Key, LIMIT, MOST_BYTES};

/// How many items a threshold may want.
pub const WANTED: std::ops::RangeInclusive<usize> = 1..=100_000;
/// Items of a key that are kept; of what is counted beyond that only the time is.
pub const KEPT: usize = 32;

/// The keys that are being counted by one rule. Times are nanoseconds of whatever clock the items have.
#[derive(Debug)]
pub struct Threshold<T> {
    wanted: usize,
    window: u64,
    limit: usize,
    keys: HashMap<Key, Counted<T>>,
    /// Keys by when they were seen last, the one longest ago first.
    order: BTreeMap<u64, Key>,
    seen: u64,
    /// The latest time seen.
    now: u64,
    bytes: usize,
    counts: Counts,
}

#[derive(Debug)]
struct Counted<T> {
    /// Its place in the order.
    seen: u64,
    /// The latest of its times.
    last: u64,
    /// Of what counts now, the earliest first.
    times: VecDeque<u64>,
    /// The newest of these items, and their bytes.
    items: VecDeque<(T, usize)>,
    /// Before this time nothing counts.
    rests_until: u64,
}

/// What became of items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often a key had as many as are wanted.
    pub matched: u64,
    /// Items of keys that were at rest.
    pub resting: u64,
    /// Keys that were let go because there were too many: what they would have come to is not known.
    pub dropped: u64,
    /// Items that came after others that are later.
    pub late: u64,
}

/// Bytes that a time takes.
const TIME: usize = size_of::<u64>();

impl<T> Threshold<T> {
    /// Makes one that wants so many ([`WANTED`]) within `window`.
    #[must_use]
    pub fn new(wanted: usize, window: u64) -> Self {
        Threshold {
            wanted,
            window,
            limit: LIMIT,
            keys: HashMap::new(),
            order: BTreeMap::new(),
            seen: 0,
            now: 0,
            bytes: 0,
            counts: Counts::default(),
        }
    }

    /// Sets how many keys there may be; those seen longest ago are dropped beyond that.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.make_room();
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns how many keys are being counted, or are at rest.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Forgets all keys. What was counted of them stays.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.order.clear();
        self.bytes = 0;
    }

    /// Counts an item of so many bytes. Returns the items (of many the newest [`KEPT`]) if there are as many as are wanted.
    pub fn offer(&mut self, key: &Key, time: u64, item: T, bytes: usize) -> Option<Vec<T>> {
        self.counts.late += u64::from(time < self.now);
        self.now = self.now.max(time);
        self.expire();
        self.seen += 1;
        let (seen, window, wanted) = (self.seen, self.window, self.wanted);
        let counted = match self.keys.get_mut(key) {
            Some(counted) => {
                self.order.remove(&counted.seen);
                counted
            }
            None => {
                self.bytes += key.len();
                self.keys.entry(Key::clone(key)).or_insert_with(Counted::new)
            }
        };
        self.order.insert(seen, Key::clone(key));
        counted.seen = seen;
        counted.last = counted.last.max(time);
        if time < counted.rests_until {
            self.counts.resting += 1;
            return None;
        }
        let before = counted.bytes();
        counted.count(time, item, bytes, window);
        let whole = (counted.times.len() >= wanted).then(|| {
            counted.rests_until = counted.last.saturating_add(window);
            counted.times.clear();
            counted.items.drain(..).map(|(item, _)| item).collect()
        });
        self.bytes = self.bytes - before + counted.bytes();
        self.counts.matched += u64::from(whole.is_some());
        self.make_room();
        whole
    }

    /// Forgets keys of which nothing counts any more. They are in the order of their last item, but for a late one, whose
    /// turn comes when those before it are gone.
    fn expire(&mut self) {
        while let Some((_, key)) = self.order.first_key_value()
            && let Some(counted) = self.keys.get(key)
            && self.now.saturating_sub(counted.last) > self.window
            && counted.rests_until <= self.now
        {
            self.forget_first();
        }
    }

    fn make_room(&mut self) {
        while (self.keys.len() > self.limit || self.bytes > MOST_BYTES) && !self.order.is_empty() {
            self.forget_first();
            self.counts.dropped += 1;
        }
    }

    fn forget_first(&mut self) {
        let Some((_, key)) = self.order.pop_first() else { return };
        if let Some(counted) = self.keys.remove(&key) {
            self.bytes -= counted.bytes() + key.len();
        }
    }
}

impl<T> Counted<T> {
    fn new() -> Self {
        Counted { seen: 0, last: 0, times: VecDeque::new(), items: VecDeque::new(), rests_until: 0 }
    }

    fn bytes(&self) -> usize {
        self.times.len() * TIME + self.items.iter().map(|(_, bytes)| bytes).sum::<usize>()
    }

    fn count(&mut self, time: u64, item: T, bytes: usize, window: u64) {
        // A late one goes where it belongs.
        let at = self.times.partition_point(|other| *other <= time);
        let behind = self.times.len() - at;
        self.times.insert(at, time);
        self.items.insert(self.items.len().saturating_sub(behind), (item, bytes));
        let last = self.last;
        let over = self.times.partition_point(|time| last.saturating_sub(*time) > window);
        self.times.drain(..over);
        let most = self.times.len().min(KEPT);
        self.items.drain(..self.items.len().saturating_sub(most));
    }
}

#[cfg(test)]
mod tests;
