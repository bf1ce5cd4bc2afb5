//! How many rules can be said: counted, printed, and compared with what is recorded.

use super::rules::{COLLECTIONS, Collection, Share, collections};

/// Rules that can be said in full, and those that can be said in part, of each collection. They may only rise: a rule of
/// the second kind that comes to the first one is no loss.
const RECORDED: [(&str, usize, usize); COLLECTIONS.len()] = [
    ("falco", 66, 25),
    ("tetragon", 58, 17),
    ("tracee", 26, 3),
    ("kunai", 20, 1),
    ("bpftrace", 5, 6),
    ("bcc", 3, 10),
];

/// What is known of one collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    pub said: usize,
    pub partly: usize,
    pub cannot: usize,
}

impl Counted {
    /// Counts a collection's rules.
    pub fn of(collection: &Collection) -> Self {
        let count = |share| collection.rules.iter().filter(|rule| rule.share() == share).count();
        Counted { said: count(Share::Said), partly: count(Share::Partly), cannot: count(Share::Cannot) }
    }

    pub fn all(self) -> usize {
        self.said + self.partly + self.cannot
    }

    pub fn plus(self, other: Self) -> Self {
        Counted {
            said: self.said + other.said,
            partly: self.partly + other.partly,
            cannot: self.cannot + other.cannot,
        }
    }

    /// Of a hundred rules, how many can be said in full.
    pub fn percent(self) -> usize {
        (100 * self.said + self.all() / 2) / self.all()
    }
}

#[test]
fn what_can_be_said_only_rises() {
    let mut sum = Counted::default();
    for (collection, (name, said, partly)) in collections().iter().zip(RECORDED) {
        let now = Counted::of(collection);
        sum = sum.plus(now);
        assert_eq!(collection.name, name);
        eprintln!(
            "{name}: {} said ({} %), {} partly, {} cannot",
            now.said,
            now.percent(),
            now.partly,
            now.cannot
        );
        assert!(now.said >= said, "{name}: {} rules can be said, and {said} could", now.said);
        assert!(
            now.said + now.partly >= said + partly,
            "{name}: of {} rules something can be said, and of {} it could",
            now.said + now.partly,
            said + partly
        );
        assert!(now.said == said && now.partly == partly, "{name}: more can be said; record it: {now:?}");
    }
    eprintln!(
        "in all: {} said ({} %), {} partly, {} cannot",
        sum.said,
        sum.percent(),
        sum.partly,
        sum.cannot
    );
}
