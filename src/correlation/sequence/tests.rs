//! The matcher against one that keeps everything in a list, over random streams; and what can be said of its matches
//! without any of the two.

use proptest::prelude::*;

use super::*;
use crate::correlation::order::Order;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Item {
    time: u64,
    key: u8,
    /// Which probe it is from.
    kind: u8,
    value: u8,
}

/// What a step asks of an item, besides its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Nothing,
    AtLeast(u8),
    /// These two look at the items before.
    SameAsFirst,
    NotAsLast,
}

#[derive(Debug, Clone)]
struct Rule {
    steps: Vec<(u8, Asks)>,
    window: u64,
    limit: usize,
}

impl Rule {
    fn looks_back(&self) -> bool {
        self.steps.iter().any(|(_, asks)| matches!(asks, Asks::SameAsFirst | Asks::NotAsLast))
    }

    fn fits(&self, step: usize, item: Item, before: &[Item]) -> bool {
        let (kind, asks) = self.steps[step];
        kind == item.kind
            && match asks {
                Asks::Nothing => true,
                Asks::AtLeast(least) => item.value >= least,
                Asks::SameAsFirst => before.first().is_none_or(|first| first.value == item.value),
                Asks::NotAsLast => before.last().is_none_or(|last| last.value != item.value),
            }
    }

    fn sequence(&self) -> Sequence<Item> {
        let mut sequence = Sequence::new(self.steps.len(), self.window, self.looks_back());
        sequence.set_limit(self.limit);
        sequence
    }
}

const BYTES: usize = 100;

/// As whoever has a sequence offers it an item.
fn offer(sequence: &mut Sequence<Item>, rule: &Rule, item: Item) -> Option<Vec<Item>> {
    let key: Key = item.key.to_string().into();
    let mut whole = None;
    sequence.expire(item.time);
    for step in (1..rule.steps.len()).rev() {
        let waiting = sequence.waiting(step, &key, item.time);
        let fits = waiting.into_iter().filter(|waiting| rule.fits(step, item, &waiting.items));
        let numbers: Vec<u64> = fits.map(|waiting| waiting.number).collect();
        whole = whole.or(sequence.advance(&numbers, item.time, &item, BYTES));
    }
    if rule.fits(0, item, &[]) {
        sequence.begin(&key, item.time, &item, BYTES);
    }
    whole
}

/// The same, in a list.
#[derive(Default)]
struct Naive {
    partials: Vec<Vec<Item>>,
    matches: Vec<Vec<Item>>,
    expired: u64,
    replaced: u64,
    dropped: u64,
}

impl Naive {
    fn offer(&mut self, rule: &Rule, item: Item) {
        let had = self.partials.len();
        self.partials.retain(|partial| partial[0].time + rule.window >= item.time);
        self.expired += (had - self.partials.len()) as u64;
        for step in (0..rule.steps.len()).rev() {
            let mut whole = Vec::new();
            for partial in &mut self.partials {
                let waits = partial.len() == step && partial[0].key == item.key;
                if step > 0 && waits && partial[step - 1].time < item.time && rule.fits(step, item, partial) {
                    partial.push(item);
                }
            }
            self.partials.retain(|partial| {
                let is_whole = partial.len() == rule.steps.len();
                if is_whole {
                    whole.push(partial.clone());
                }
                !is_whole
            });
            self.replaced += whole.len().saturating_sub(1) as u64;
            self.matches.extend(whole.pop());
            if step == 0 && rule.fits(0, item, &[]) {
                self.partials.push(vec![item]);
            }
            self.keep_newest(rule, item.key, step + 1);
        }
        while self.partials.len() > rule.limit {
            self.partials.remove(0);
            self.dropped += 1;
        }
    }

    fn keep_newest(&mut self, rule: &Rule, key: u8, length: usize) {
        let depth = if rule.looks_back() { LOOKED_BACK } else { 1 };
        let same = |partial: &Vec<Item>| partial[0].key == key && partial.len() == length;
        while self.partials.iter().filter(|partial| same(partial)).count() > depth {
            let oldest = self.partials.iter().position(same).unwrap();
            self.partials.remove(oldest);
            self.replaced += 1;
        }
    }
}

fn by_time(items: &[Item]) -> Vec<Item> {
    let mut sorted = items.to_vec();
    sorted.sort_by_key(|item| item.time);
    sorted
}

fn asks() -> impl Strategy<Value = Asks> {
    prop_oneof![
        3 => Just(Asks::Nothing),
        2 => (0..4_u8).prop_map(Asks::AtLeast),
        1 => Just(Asks::SameAsFirst),
        1 => Just(Asks::NotAsLast),
    ]
}

fn rules() -> impl Strategy<Value = Rule> {
    let steps = prop::collection::vec((0..3_u8, asks()), STEPS);
    (steps, 1..60_u64, prop_oneof![Just(1_usize), 2..6_usize, Just(1000)])
        .prop_map(|(steps, window, limit)| Rule { steps, window, limit })
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = (0..200_u64, 0..4_u8, 0..3_u8, 0..4_u8);
    let item = item.prop_map(|(time, key, kind, value)| Item { time, key, kind, value });
    prop::collection::vec(item, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn it_matches_what_a_list_would(rule in rules(), items in items()) {
        let (mut sequence, mut naive) = (rule.sequence(), Naive::default());
        let mut matches = Vec::new();
        for item in by_time(&items) {
            matches.extend(offer(&mut sequence, &rule, item));
            naive.offer(&rule, item);
            prop_assert_eq!(sequence.partial(), naive.partials.len());
            prop_assert!(sequence.partial() <= rule.limit);
        }
        prop_assert_eq!(&matches, &naive.matches);
        let expected = Counts {
            matched: naive.matches.len() as u64,
            expired: naive.expired,
            replaced: naive.replaced,
            dropped: naive.dropped,
            late: 0,
        };
        prop_assert_eq!(sequence.counts(), expected);
        // Nothing leaks.
        sequence.expire(u64::MAX);
        prop_assert_eq!((sequence.partial(), sequence.of_key.len(), sequence.bytes), (0, 0, 0));
    }

    /// Whatever the order in which items arrive, if none comes after its horizon.
    #[test]
    fn the_order_of_arrival_does_not_matter(
        rule in rules(),
        items in items(),
        delays in prop::collection::vec(0..40_u64, 120),
    ) {
        let mut arrivals: Vec<(u64, Item)> =
            items.iter().zip(&delays).map(|(item, delay)| (item.time + delay, *item)).collect();
        arrivals.sort_by_key(|(at, _)| *at);
        let arrivals: Vec<Item> = arrivals.into_iter().map(|(_, item)| item).collect();
        let (mut sequence, mut order) = (rule.sequence(), Order::default());
        let mut matches = Vec::new();
        for (index, item) in arrivals.iter().enumerate() {
            prop_assert!(order.hold(item.time, *item, 1));
            let to_come = arrivals[index + 1..].iter().map(|item| item.time).min();
            let horizon = to_come.map_or(u64::MAX, |time| time.saturating_sub(1));
            while let Some(item) = order.release(horizon) {
                matches.extend(offer(&mut sequence, &rule, item));
            }
        }
        let mut naive = Naive::default();
        by_time(&arrivals).into_iter().for_each(|item| naive.offer(&rule, item));
        prop_assert_eq!(matches, naive.matches);
        prop_assert_eq!(sequence.counts().late, 0);
    }

    /// Even of a stream that is out of order every match is one.
    #[test]
    fn what_matches_is_a_sequence(rule in rules(), items in items()) {
        let mut sequence = rule.sequence();
        for item in items {
            let Some(whole) = offer(&mut sequence, &rule, item) else { continue };
            prop_assert_eq!(whole.len(), rule.steps.len());
            prop_assert_eq!(*whole.last().unwrap(), item);
            prop_assert!(whole.windows(2).all(|two| two[0].time < two[1].time && two[0].key == two[1].key));
            prop_assert!(item.time - whole[0].time <= rule.window);
            for (step, item) in whole.iter().enumerate() {
                prop_assert!(rule.fits(step, *item, &whole[..step]));
            }
        }
    }

    /// Of two kinds: an item of the second matches the last of the first, unless another has before.
    #[test]
    fn two_steps_are_as_they_are_said(window in 1..60_u64, items in items()) {
        let rule = Rule { steps: vec![(0, Asks::Nothing), (1, Asks::Nothing)], window, limit: 1000 };
        let mut sequence = rule.sequence();
        let items = by_time(&items);
        for (index, item) in items.iter().enumerate() {
            let before = || items[..index].iter().rev().filter(|other| other.key == item.key);
            let first = before().find(|other| other.kind == 0);
            let expected = first.filter(|first| {
                let taken = before().any(|other| other.kind == 1 && other.time > first.time);
                item.kind == 1 && !taken && first.time < item.time && item.time - first.time <= window
            });
            let times = |two: Vec<Item>| (two[0].time, two[1].time);
            let found = offer(&mut sequence, &rule, *item).map(times);
            prop_assert_eq!(found, expected.map(|first| (first.time, item.time)));
        }
    }
}

fn item(time: u64, kind: u8) -> Item {
    Item { time, key: 1, kind, value: 0 }
}

fn run(rule: &Rule, items: &[Item]) -> Vec<Vec<u64>> {
    let mut sequence = rule.sequence();
    let matches = items.iter().filter_map(|item| offer(&mut sequence, rule, *item));
    matches.map(|whole| whole.iter().map(|item| item.time).collect()).collect()
}

#[test]
fn one_probe_may_be_several_steps_and_one_item_is_never_two() {
    let twice = Rule { steps: vec![(0, Asks::Nothing); 2], window: 10, limit: 100 };
    assert_eq!(run(&twice, &[item(1, 0)]), [[0_u64; 0]; 0]);
    assert_eq!(run(&twice, &[item(1, 0), item(2, 0), item(3, 0)]), [[1, 2], [2, 3]]);
    // What happens at the same time is no sequence.
    assert_eq!(run(&twice, &[item(1, 0), item(1, 0)]), [[0_u64; 0]; 0]);
}

#[test]
fn the_window_is_from_the_first_to_the_last_and_includes_its_end() {
    let rule = Rule { steps: vec![(0, Asks::Nothing), (1, Asks::Nothing)], window: 10, limit: 100 };
    assert_eq!(run(&rule, &[item(1, 0), item(11, 1)]), [[1, 11]]);
    assert!(run(&rule, &[item(1, 0), item(12, 1)]).is_empty());
    // A step that comes too early is none.
    assert!(run(&rule, &[item(5, 1), item(6, 0)]).is_empty());
}

#[test]
fn large_items_are_let_go_before_they_are_too_many() {
    let mut sequence = Sequence::new(2, 1000, false);
    for number in 0..100_u64 {
        sequence.begin(&number.to_string().into(), number, &number, MOST_BYTES / 10);
    }
    assert!(sequence.partial() < 10);
    assert_eq!(sequence.partial() as u64 + sequence.counts().dropped, 100);
    // One that is too large by itself is not kept either.
    sequence.begin(&"x".into(), 100, &0, 2 * MOST_BYTES);
    assert_eq!(sequence.partial(), 0);
}

#[test]
fn a_key_that_repeats_itself_takes_no_room_from_others() {
    let rule = Rule { steps: vec![(0, Asks::Nothing), (1, Asks::Nothing)], window: 1000, limit: 3 };
    let mut sequence = rule.sequence();
    offer(&mut sequence, &rule, Item { time: 1, key: 2, kind: 0, value: 0 });
    (2..500).for_each(|time| drop(offer(&mut sequence, &rule, item(time, 0))));
    assert!(offer(&mut sequence, &rule, Item { time: 500, key: 2, kind: 1, value: 0 }).is_some());
    assert_eq!((sequence.counts().dropped, sequence.counts().replaced), (0, 497));
}
