//! One item after the other, of one key, within a time: the sequences that have begun, and are not whole yet.
//!
//! An item that fits the first step begins a partial sequence; one that fits the step which a partial sequence waits for
//! takes it on. Of one key each step keeps the newest few (one is enough where no condition looks at the items before:
//! whatever comes next fits that one if it fits an older one). So no key takes room from the others by repeating itself. An
//! item that makes several whole makes one match, the newest.
//!
//! ```text
//! expire ─▶ for each step of the item's kind, the last one first: waiting ─▶ whoever offers it asks ─▶ advance, or begin
//! ```

use std::collections::{BTreeMap, HashMap};

use super::{Key, LIMIT, MOST_BYTES};

/// How many steps a sequence may have.
pub const STEPS: std::ops::RangeInclusive<usize> = 2..=5;
/// Partial sequences of one key that wait for the same step, where conditions look at the items before.
pub const LOOKED_BACK: usize = 16;

/// The partial sequences of one rule. Times are nanoseconds of whatever clock the items have.
#[derive(Debug)]
pub struct Sequence<T> {
    steps: usize,
    window: u64,
    /// How many of one key may wait for the same step.
    depth: usize,
    limit: usize,
    /// By number: in the order in which they have begun.
    partials: BTreeMap<u64, Partial<T>>,
    /// Numbers of the partial sequences of each key.
    of_key: HashMap<Key, Vec<u64>>,
    last_number: u64,
    /// The latest time seen.
    now: u64,
    bytes: usize,
    counts: Counts,
}

#[derive(Debug)]
struct Partial<T> {
    key: Key,
    began: u64,
    last: u64,
    items: Vec<T>,
    bytes: usize,
}

/// What became of partial sequences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sequences that were whole.
    pub matched: u64,
    /// Partial ones whose time was over.
    pub expired: u64,
    /// Partial ones that a newer one of their key has taken the place of.
    pub replaced: u64,
    /// Partial ones that were let go because there were too many: what they would have become is not known.
    pub dropped: u64,
    /// Items that came after others that are later.
    pub late: u64,
}

/// A partial sequence that waits for an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<T> {
    pub number: u64,
    /// What it consists of so far.
    pub items: Vec<T>,
}

impl<T: Clone> Sequence<T> {
    /// Makes one of so many steps ([`STEPS`]), all of which happen within `window`.
    #[must_use]
    pub fn new(steps: usize, window: u64, looks_back: bool) -> Self {
        Sequence {
            steps,
            window,
            depth: if looks_back { LOOKED_BACK } else { 1 },
            limit: LIMIT,
            partials: BTreeMap::new(),
            of_key: HashMap::new(),
            last_number: 0,
            now: 0,
            bytes: 0,
            counts: Counts::default(),
        }
    }

    /// Sets how many partial sequences there may be; the oldest beyond that are dropped.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.make_room();
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns how many have begun and are not whole.
    #[must_use]
    pub fn partial(&self) -> usize {
        self.partials.len()
    }

    /// Lets all partial sequences go. What was counted stays.
    pub fn clear(&mut self) {
        self.partials.clear();
        self.of_key.clear();
        self.bytes = 0;
    }

    /// Hears of an item's time, before it is offered: what cannot become whole any more is let go.
    pub fn expire(&mut self, time: u64) {
        self.counts.late += u64::from(time < self.now);
        self.now = self.now.max(time);
        while let Some((number, partial)) = self.partials.first_key_value()
            && self.now.saturating_sub(partial.began) > self.window
        {
            let number = *number;
            self.remove(number);
            self.counts.expired += 1;
        }
    }

    /// Returns the partial sequences of this key whose next step is `step` (from 0), and that an item of this time may take
    /// on: it is later than all of theirs, and within the time. The newest first.
    #[must_use]
    pub fn waiting(&self, step: usize, key: &Key, time: u64) -> Vec<Waiting<T>> {
        let numbers = self.of_key.get(key).map_or(&[][..], Vec::as_slice);
        let waits = |number: &u64| {
            let partial = self.partials.get(number)?;
            let fits = partial.items.len() == step
                && partial.last < time
                && time.saturating_sub(partial.began) <= self.window;
            fits.then(|| Waiting { number: *number, items: partial.items.clone() })
        };
        numbers.iter().rev().filter_map(waits).collect()
    }

    /// Takes these partial sequences of one key on by an item of so many bytes. Returns the newest of those that are whole now.
    pub fn advance(&mut self, numbers: &[u64], time: u64, item: &T, bytes: usize) -> Option<Vec<T>> {
        let mut whole = None;
        let mut went_on = None;
        for number in numbers {
            // One may have been let go since it was returned.
            let Some(partial) = self.partials.get_mut(number) else { continue };
            partial.items.push(item.clone());
            partial.last = time;
            partial.bytes += bytes;
            self.bytes += bytes;
            if partial.items.len() < self.steps {
                went_on = Some((partial.key.clone(), partial.items.len()));
                continue;
            }
            let items = self.remove(*number).map(|partial| partial.items);
            match whole {
                None => whole = items,
                Some(_) => self.counts.replaced += 1,
            }
        }
        if let Some((key, step)) = went_on {
            self.keep_newest(&key, step);
        }
        self.counts.matched += u64::from(whole.is_some());
        self.make_room();
        whole
    }

    /// Begins a partial sequence with an item of so many bytes.
    pub fn begin(&mut self, key: &Key, time: u64, item: &T, bytes: usize) {
        self.last_number += 1;
        let number = self.last_number;
        let bytes = bytes + key.len();
        let partial =
            Partial { key: Key::clone(key), began: time, last: time, items: vec![item.clone()], bytes };
        self.partials.insert(number, partial);
        self.of_key.entry(Key::clone(key)).or_default().push(number);
        self.bytes += bytes;
        self.keep_newest(key, 1);
        self.make_room();
    }

    /// Lets those of a key go, of all that wait for this step, that are not among the newest.
    fn keep_newest(&mut self, key: &Key, step: usize) {
        let waits = |number: &&u64| self.partials.get(number).is_some_and(|p| p.items.len() == step);
        let numbers: Vec<u64> = self.of_key.get(key).into_iter().flatten().filter(waits).copied().collect();
        for number in numbers.iter().take(numbers.len().saturating_sub(self.depth)) {
            self.remove(*number);
            self.counts.replaced += 1;
        }
    }

    /// Lets the oldest go until there are as many as there may be.
    fn make_room(&mut self) {
        while self.partials.len() > self.limit || self.bytes > MOST_BYTES {
            let Some((number, _)) = self.partials.first_key_value() else { return };
            let number = *number;
            self.remove(number);
            self.counts.dropped += 1;
        }
    }

    fn remove(&mut self, number: u64) -> Option<Partial<T>> {
        let partial = self.partials.remove(&number)?;
        self.bytes -= partial.bytes;
        if let Some(numbers) = self.of_key.get_mut(&partial.key) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.of_key.remove(&partial.key);
            }
        }
        Some(partial)
    }
}

#[cfg(test)]
mod tests;
