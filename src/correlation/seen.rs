//! When each key was seen last.

use std::collections::{BTreeSet, HashMap};

use super::Key;

/// Keys that are remembered; those seen longest ago make room.
pub const MOST_KEYS: usize = 50_000;
/// Bytes of all of them together.
const MOST_BYTES: usize = 8 << 20;

/// See the module. Times are milliseconds since 1970.
#[derive(Debug, Default)]
pub struct Seen {
    sights: HashMap<Key, i64>,
    order: BTreeSet<(i64, Key)>,
    bytes: usize,
    dropped: u64,
}

impl Seen {
    /// Sees a key now. Returns when it was seen before, as far as that is remembered.
    pub fn see(&mut self, key: &Key, now: i64) -> Option<i64> {
        let before = self.sights.get(key).copied();
        // A clock that was set back makes nothing older.
        let now = before.map_or(now, |before| before.max(now));
        match before {
            Some(before) => drop(self.order.remove(&(before, Key::clone(key)))),
            None => self.bytes += key.len(),
        }
        self.sights.insert(Key::clone(key), now);
        self.order.insert((now, Key::clone(key)));
        while self.sights.len() > MOST_KEYS || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.sights.remove(&oldest);
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
        before
    }

    /// Sees a key now. Returns whether it was not seen within so many milliseconds before.
    pub fn first(&mut self, key: &Key, now: i64, within: i64) -> bool {
        self.see(key, now).is_none_or(|before| now.saturating_sub(before) > within)
    }

    /// Returns whether a key is remembered.
    #[must_use]
    pub fn remembers(&self, key: &str) -> bool {
        self.sights.contains_key(key)
    }

    /// Forgets a key. Returns whether it was remembered.
    pub fn forget(&mut self, key: &str) -> bool {
        let Some((key, time)) = self.sights.remove_entry(key) else { return false };
        self.bytes -= key.len();
        self.order.remove(&(time, key))
    }

    /// Returns how many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sights.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sights.is_empty()
    }

    /// Returns how many keys have made room for others.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Every key and when it was seen last, the one longest ago first.
    pub fn sights(&self) -> impl Iterator<Item = (&str, i64)> {
        self.order.iter().map(|(time, key)| (&**key, *time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        text.into()
    }

    #[test]
    fn a_key_is_new_once_and_again_when_it_was_long_away() {
        let mut seen = Seen::default();
        assert!(seen.first(&key("a"), 1000, 50));
        assert!(!seen.first(&key("a"), 1050, 50));
        assert!(seen.first(&key("b"), 1050, 50));
        // Counted from the last time, not from the first.
        assert!(!seen.first(&key("a"), 1100, 50));
        assert!(seen.first(&key("a"), 1151, 50));
        assert!(seen.forget("a") && !seen.forget("a"));
        assert!(seen.first(&key("a"), 1151, 50));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_new() {
        let mut seen = Seen::default();
        assert!(seen.first(&key("a"), 1_000_000, 50));
        assert!(!seen.first(&key("a"), 10, 50));
        assert!(!seen.first(&key("a"), 1_000_040, 50));
    }

    #[test]
    fn those_seen_longest_ago_make_room_and_are_counted() {
        let mut seen = Seen::default();
        for number in 0..MOST_KEYS as i64 {
            seen.see(&key(&number.to_string()), number);
        }
        seen.see(&key("0"), MOST_KEYS as i64);
        seen.see(&key("new"), MOST_KEYS as i64 + 1);
        assert_eq!((seen.len(), seen.dropped()), (MOST_KEYS, 1));
        assert!(!seen.forget("1") && seen.forget("0"));
        let long = "x".repeat(MOST_BYTES / 2);
        seen.see(&key(&format!("1{long}")), i64::MAX);
        seen.see(&key(&format!("2{long}")), i64::MAX);
        assert_eq!(seen.len(), 1);
    }
}
