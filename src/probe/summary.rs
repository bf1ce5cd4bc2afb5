//! What a probe has kept count of: an aggregation's groups, read from the kernel's tables.
//!
//! In: the entries' bytes. Out: a [`Summary`], a row for each group, the largest first. Texts are the
//! kernel's bytes still; they are made printable where they are shown.

use serde::{Deserialize, Serialize};

use crate::{
    event::{self, Value},
    probe::aggregation::{Aggregation, Kind},
    template::FieldKind,
};

/// One aggregation of one probe, as counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub probe: String,
    pub kind: Kind,
    /// What was summed up; a count has none.
    pub field: Option<String>,
    pub unit: Option<String>,
    /// What the rows are grouped by.
    pub by: Vec<String>,
    /// What each of them is.
    pub kinds: Vec<FieldKind>,
    pub rows: Vec<Row>,
    /// Events that found no room, of all aggregations of the probe.
    pub overflow: u64,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// In the order of [`Summary::by`].
    pub group: Vec<Value>,
    pub amount: Amount,
}

/// What a group has come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Amount {
    /// Written as text: JSON's readers have no numbers of this size.
    #[serde(with = "as_text")]
    Number(u128),
    /// A sum of more than fits where it was added up.
    TooLarge,
    /// An average.
    Mean(f64),
    /// Within some percent ([`distinct`]).
    About(u64),
    Histogram(Vec<Bucket>),
}

/// Values from `from` up to, but not including, `to`; `None`: there is no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    pub from: u64,
    pub to: Option<u64>,
    pub count: u64,
}

/// A number of more than 64 bits, as text.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Amount {
    /// Gives what rows are sorted by and summaries add up to, rounded where it is a mean.
    #[must_use]
    pub fn weight(&self) -> u128 {
        match self {
            Amount::Number(n) => *n,
            Amount::About(n) => u128::from(*n),
            Amount::TooLarge => u128::MAX,
            Amount::Mean(mean) => mean.round() as u128,
            Amount::Histogram(buckets) => buckets.iter().map(|b| u128::from(b.count)).sum(),
        }
    }

    /// Compares two amounts of one kind; means by their fractions, too.
    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Amount::Mean(a), Amount::Mean(b)) => a.total_cmp(b),
            (a, b) => a.weight().cmp(&b.weight()),
        }
    }
}

/// `struct krsi_total` of the templates, read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    pub count: u64,
    /// Sum of the numbers' lower 32 bits, and of their upper ones.
    pub sum_lower: u64,
    pub sum_upper: u64,
    pub least: u64,
    pub greatest: u64,
}

impl Total {
    /// The amount of a group that is one entry.
    #[must_use]
    pub fn amount(&self, kind: Kind) -> Amount {
        match kind {
            Kind::Sum => self.sum().map_or(Amount::TooLarge, Amount::Number),
            Kind::Min => Amount::Number(self.least.into()),
            Kind::Max => Amount::Number(self.greatest.into()),
            Kind::Avg => match self.sum() {
                Some(sum) => Amount::Mean(sum as f64 / self.count.max(1) as f64),
                None => Amount::TooLarge,
            },
            _ => Amount::Number(self.count.into()),
        }
    }

    /// Gives the sum, or `None` if a word of it may have overflowed: before Linux 6.1 nothing is carried from the
    /// lower one to the upper, and it has room for the first 2^32 numbers only.
    #[must_use]
    pub fn sum(&self) -> Option<u128> {
        let carried = self.sum_lower >> 32 == 0;
        (carried || self.count >> 32 == 0)
            .then(|| u128::from(self.sum_lower) + (u128::from(self.sum_upper) << 32))
    }
}

impl Summary {
    /// A summary of rows in any order.
    #[must_use]
    pub fn new(probe: &str, aggregation: &Aggregation, mut rows: Vec<Row>, overflow: u64) -> Self {
        let largest_first = |a: &Row, b: &Row| b.amount.compare(&a.amount);
        let by_group = |a: &Row, b: &Row| format!("{:?}", a.group).cmp(&format!("{:?}", b.group));
        rows.sort_by(|a, b| largest_first(a, b).then_with(|| by_group(a, b)));
        Summary {
            probe: probe.to_owned(),
            kind: aggregation.kind,
            field: aggregation.field.as_ref().map(|f| f.name.clone()),
            unit: aggregation.field.as_ref().and_then(|f| f.unit.clone()),
            by: aggregation.by.iter().map(|taken| taken.field.name.clone()).collect(),
            kinds: aggregation.by.iter().map(|taken| taken.field.kind.clone()).collect(),
            rows,
            overflow,
        }
    }

    /// The same with the first `most` rows only.
    #[must_use]
    pub fn first(mut self, most: usize) -> Self {
        self.rows.truncate(most);
        self
    }

    /// The values that a key's bytes stand for.
    #[must_use]
    pub fn group(aggregation: &Aggregation, key: &[u8]) -> Vec<Value> {
        let read = |taken: &crate::probe::aggregation::Taken| {
            let bytes = key.get(taken.to..taken.to + taken.room).unwrap_or_default();
            event::value(&taken.field.kind, bytes)
        };
        aggregation.by.iter().map(read).collect()
    }
}

/// The bucket that an entry's number stands for: `krsi_bucket` of the templates.
#[must_use]
pub fn bucket(kind: Kind, number: u16) -> (u64, Option<u64>) {
    let number = u64::from(number);
    match kind {
        Kind::Lhist { first, .. } if number == 0 => (0, Some(first)),
        Kind::Lhist { first, step, buckets } => {
            let from = first.saturating_add((number - 1).saturating_mul(step));
            (from, (number <= buckets).then(|| from.checked_add(step)).flatten())
        }
        // 0 has a bucket of its own, then each power of two.
        _ if number == 0 => (0, Some(1)),
        _ => (1 << (number - 1).min(63), 1_u64.checked_shl(u32::try_from(number).unwrap_or(64))),
    }
}

/// How many values a sketch has seen (HyperLogLog, with linear counting where there are few): the standard
/// error is 1.04/√m, 4.6 % for 512 registers.
#[must_use]
pub fn distinct(registers: &[u8]) -> u64 {
    let m = registers.len() as f64;
    let alpha = 0.7213 / (1.0 + 1.079 / m);
    let harmonic: f64 = registers.iter().map(|rank| 0.5_f64.powi(i32::from(*rank))).sum();
    let raw = alpha * m * m / harmonic;
    let blank = registers.iter().filter(|rank| **rank == 0).count();
    let estimate = if raw <= 2.5 * m && blank > 0 { m * (m / blank as f64).ln() } else { raw };
    estimate.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_meet_without_a_gap() {
        for kind in [Kind::Hist, Kind::Lhist { first: 5, step: 10, buckets: 4 }] {
            let last = if kind == Kind::Hist { 64 } else { 5 };
            let mut end = 0;
            for number in 0..=last {
                let (from, to) = bucket(kind, number);
                assert_eq!(from, end, "{kind:?} {number}");
                assert_eq!(to.is_none(), number == last, "{kind:?} {number}");
                end = to.unwrap_or_default();
            }
        }
    }

    #[test]
    fn a_sum_is_right_beyond_64_bits_or_said_to_be_too_large() {
        let most = u64::from(u32::MAX);
        // Three times the greatest number; carried, and as it is where nothing is.
        for (sum_lower, sum_upper) in
            [((3 * most) & most, 3 * most + ((3 * most) >> 32)), (3 * most, 3 * most)]
        {
            let total = Total { count: 3, sum_lower, sum_upper, least: 0, greatest: u64::MAX };
            assert_eq!(total.amount(Kind::Sum), Amount::Number(3 * u128::from(u64::MAX)));
            assert_eq!(total.amount(Kind::Avg), Amount::Mean(u64::MAX as f64));
            assert_eq!(total.amount(Kind::Max), Amount::Number(u64::MAX.into()));
        }
        let full = Total { count: 1 << 32, sum_lower: u64::MAX, ..Total::default() };
        assert_eq!((full.amount(Kind::Sum), full.amount(Kind::Avg)), (Amount::TooLarge, Amount::TooLarge));
        let carried = Total { count: 1 << 40, sum_lower: 7, sum_upper: 1 << 50, ..Total::default() };
        assert_eq!(carried.amount(Kind::Sum), Amount::Number((1 << 82) + 7));
    }

    #[test]
    fn numbers_that_doubles_cannot_tell_apart_are_sorted() {
        let row = |n: u128| Row { group: vec![], amount: Amount::Number(n) };
        assert!(row(1 << 60 | 1).amount.compare(&row(1 << 60).amount).is_gt());
        assert!(Amount::Mean(0.75).compare(&Amount::Mean(0.5)).is_gt());
    }

    #[test]
    fn the_widest_buckets_end() {
        let most = i64::MAX.cast_unsigned();
        let kind = Kind::Lhist { first: most - 1, step: most, buckets: 1 };
        assert_eq!(bucket(kind, 0), (0, Some(most - 1)));
        assert_eq!(bucket(kind, 1), (most - 1, Some(2 * most - 1)));
        assert_eq!(bucket(kind, 2), (2 * most - 1, None));
        assert_eq!(
            (bucket(Kind::Hist, 63), bucket(Kind::Hist, 64)),
            ((1 << 62, Some(1 << 63)), (1 << 63, None))
        );
    }

    #[test]
    fn a_sketch_is_right_within_its_error() {
        for many in [0_u64, 1, 10, 100, 1000, 100_000] {
            let mut registers = [0_u8; 512];
            for number in 0..many {
                // SplitMix64, as in the kernel.
                let mut z = number;
                z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^= z >> 31;
                let (index, rest) = ((z & 511) as usize, z >> 9);
                let rank = (rest.leading_zeros() - 9 + 1) as u8;
                registers[index] = registers[index].max(rank);
            }
            let error = (distinct(&registers) as f64 - many as f64).abs() / many.max(1) as f64;
            assert!(error < 3.0 * 0.046, "{many}: {} ({error})", distinct(&registers));
        }
    }
}
