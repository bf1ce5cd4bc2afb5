//! The counter against one that looks at everything that has been, over random streams.

use proptest::prelude::*;

use super::*;

/// How many there are of each key, by going through all of them each time.
#[derive(Default)]
struct Naive {
    all: Vec<(u8, u64)>,
    /// Where counting begins for each key, in the list, and until when it rests.
    from: HashMap<u8, (usize, u64)>,
}

impl Naive {
    /// The times of what counts, if there are as many as are wanted.
    fn offer(&mut self, wanted: usize, window: u64, key: u8, time: u64) -> Option<Vec<u64>> {
        let (from, rests_until) = self.from.get(&key).copied().unwrap_or_default();
        self.all.push((key, time));
        if time < rests_until {
            self.from.insert(key, (self.all.len(), rests_until));
            return None;
        }
        let counts = |(other, then): &&(u8, u64)| *other == key && time - then <= window;
        let times: Vec<u64> = self.all[from..].iter().filter(counts).map(|(_, time)| *time).collect();
        (times.len() >= wanted).then(|| {
            self.from.insert(key, (self.all.len(), time + window));
            times
        })
    }
}

fn key(number: u8) -> Key {
    number.to_string().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn it_counts_as_one_who_looks_at_everything(
        wanted in 1..8_usize,
        window in 1..60_u64,
        items in prop::collection::vec((0..4_u8, 0..300_u64), 0..150),
    ) {
        let mut items = items;
        items.sort_by_key(|(_, time)| *time);
        let (mut threshold, mut naive) = (Threshold::new(wanted, window), Naive::default());
        for (number, time) in items {
            let found = threshold.offer(&key(number), time, time, 1);
            prop_assert_eq!(found, naive.offer(wanted, window, number, time));
        }
        // Nothing leaks.
        threshold.offer(&key(0), u64::MAX - 1000, 0, 1);
        prop_assert_eq!((threshold.keys(), threshold.order.len()), (1, 1));
        let counted = &threshold.keys[&key(0)];
        prop_assert_eq!(threshold.bytes, counted.bytes() + 1);
    }

    /// No more is kept than may be, whatever comes and in whatever order.
    #[test]
    fn it_stays_within_its_bounds(
        wanted in 1..8_usize,
        limit in 1..5_usize,
        items in prop::collection::vec((0..20_u8, 0..300_u64, 0..(MOST_BYTES / 3)), 0..150),
    ) {
        let mut threshold = Threshold::new(wanted, 50);
        threshold.set_limit(limit);
        for (number, time, bytes) in items {
            threshold.offer(&key(number), time, (), bytes);
            prop_assert!(threshold.keys() <= limit && threshold.bytes <= MOST_BYTES);
            prop_assert_eq!(threshold.keys(), threshold.order.len());
            let sum: usize = threshold.keys.iter().map(|(key, counted)| key.len() + counted.bytes()).sum();
            prop_assert_eq!(threshold.bytes, sum);
        }
    }
}

fn told(threshold: &mut Threshold<u64>, times: impl IntoIterator<Item = u64>) -> Vec<u64> {
    times.into_iter().filter(|time| threshold.offer(&key(1), *time, *time, 1).is_some()).collect()
}

#[test]
fn one_that_goes_on_is_told_once_in_a_while() {
    let mut threshold = Threshold::new(3, 10);
    // Told, then at rest for ten, then counted anew.
    assert_eq!(told(&mut threshold, 1..40), [3, 15, 27, 39]);
    assert_eq!(threshold.counts().resting, 27);
    assert_eq!(told(&mut Threshold::new(3, 10), [1, 2, 13, 14, 25]), [0; 0]);
}

#[test]
fn a_late_one_counts_where_it_belongs() {
    let mut threshold = Threshold::new(3, 10);
    assert_eq!(threshold.offer(&key(1), 20, 20, 1), None);
    assert_eq!(threshold.offer(&key(1), 15, 15, 1), None);
    assert_eq!(threshold.offer(&key(1), 5, 5, 1), None);
    assert_eq!(threshold.offer(&key(1), 22, 22, 1), Some(vec![15, 20, 22]));
    assert_eq!(threshold.counts().late, 2);
}

#[test]
fn of_many_the_newest_are_kept() {
    let mut threshold = Threshold::new(1000, 10_000);
    let whole = (1..=1000).find_map(|time| threshold.offer(&key(1), time, time, 1)).unwrap();
    assert_eq!(whole, (1001 - KEPT as u64..=1000).collect::<Vec<_>>());
}

#[test]
fn a_key_that_goes_on_is_not_the_one_that_makes_room() {
    let mut threshold = Threshold::new(50, 1000);
    threshold.set_limit(3);
    let found = (1..200_u64).find(|time| {
        threshold.offer(&key((time % 5 + 10) as u8), *time, *time, 1);
        threshold.offer(&key(1), *time, *time, 1).is_some()
    });
    assert_eq!(found, Some(50));
    assert!(threshold.counts().dropped > 0);
}
