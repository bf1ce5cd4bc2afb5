//! What a probe's aggregations would have come to, counted here from the events that it would have had.
//!
//! As the kernel counts, but for `distinct`, of which the kernel keeps a sketch: here it is exact.

use std::collections::{BTreeMap, HashMap, HashSet, hash_map::Entry};

use crate::{
    event::{Event, Value},
    probe::{
        Summary,
        aggregation::{Aggregation, Kind},
        summary::{Amount, Bucket, Row, bucket},
    },
};

/// The groups of one aggregation.
#[derive(Debug, Default)]
struct Groups(HashMap<Vec<Value>, Group>);

#[derive(Debug, Default)]
struct Group {
    count: u64,
    sum: u128,
    least: u64,
    greatest: u64,
    buckets: BTreeMap<u16, u64>,
    distinct: HashSet<Value>,
}

/// What all aggregations of a probe have come to.
#[derive(Debug)]
pub struct Tally {
    aggregations: Vec<(Aggregation, Groups)>,
    /// Groups that there may be, all together.
    most: usize,
    overflow: u64,
}

impl Tally {
    pub fn new(aggregations: &[Aggregation], most: u32) -> Self {
        let aggregations = aggregations.iter().map(|one| (one.clone(), Groups::default())).collect();
        Tally { aggregations, most: most as usize, overflow: 0 }
    }

    pub fn add(&mut self, event: &Event) {
        let mut groups: usize = self.aggregations.iter().map(|(_, groups)| groups.0.len()).sum();
        for (aggregation, known) in &mut self.aggregations {
            let field = |name: &str| event.get(name).unwrap_or(Value::Unsigned(0));
            let values: Vec<Value> = aggregation.by.iter().map(|taken| field(&taken.field.name)).collect();
            let group = match known.0.entry(values) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(_) if groups >= self.most => {
                    self.overflow += 1;
                    continue;
                }
                Entry::Vacant(room) => {
                    groups += 1;
                    room.insert(Group { least: u64::MAX, ..Group::default() })
                }
            };
            let value = aggregation.field.as_ref().map(|field| (&field.name, event.number(&field.name)));
            group.add(aggregation.kind, value.map(|(_, number)| number).unwrap_or_default());
            if let (Kind::Distinct, Some((name, _))) = (aggregation.kind, value) {
                group.distinct.insert(field(name));
            }
        }
    }

    pub fn summaries(&self, probe: &str) -> Vec<Summary> {
        let summary = |(aggregation, groups): &(Aggregation, Groups)| {
            let row = |(values, group): (&Vec<Value>, &Group)| Row {
                group: values.clone(),
                amount: group.amount(aggregation.kind),
            };
            Summary::new(probe, aggregation, groups.0.iter().map(row).collect(), self.overflow)
        };
        self.aggregations.iter().map(summary).collect()
    }

    /// Begins from zero.
    pub fn clear(&mut self) {
        self.aggregations.iter_mut().for_each(|(_, groups)| groups.0.clear());
        self.overflow = 0;
    }
}

impl Group {
    fn add(&mut self, kind: Kind, number: u64) {
        self.count += 1;
        self.sum += u128::from(number);
        self.least = self.least.min(number);
        self.greatest = self.greatest.max(number);
        if matches!(kind, Kind::Hist | Kind::Lhist { .. }) {
            *self.buckets.entry(bucket_of(kind, number)).or_default() += 1;
        }
    }

    fn amount(&self, kind: Kind) -> Amount {
        match kind {
            Kind::Count => Amount::Number(self.count.into()),
            Kind::Sum => Amount::Number(self.sum),
            Kind::Min => Amount::Number(self.least.into()),
            Kind::Max => Amount::Number(self.greatest.into()),
            Kind::Avg => Amount::Mean(self.sum as f64 / self.count.max(1) as f64),
            Kind::Distinct => Amount::About(self.distinct.len() as u64),
            Kind::Hist | Kind::Lhist { .. } => {
                let whole = |(number, count): (&u16, &u64)| {
                    let (from, to) = bucket(kind, *number);
                    Bucket { from, to, count: *count }
                };
                Amount::Histogram(self.buckets.iter().map(whole).collect())
            }
        }
    }
}

/// The number of a value's bucket: `krsi_bucket` of the templates.
fn bucket_of(kind: Kind, value: u64) -> u16 {
    let number = match kind {
        Kind::Lhist { first, .. } if value < first => 0,
        Kind::Lhist { first, step, buckets } => ((value - first) / step.max(1) + 1).min(buckets + 1),
        _ => u64::from(u64::BITS - value.leading_zeros()),
    };
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_its_bucket() {
        for kind in [Kind::Hist, Kind::Lhist { first: 5, step: 10, buckets: 4 }] {
            for value in [0, 1, 2, 3, 4, 5, 14, 15, 44, 45, 46, 1 << 40, u64::MAX] {
                let (from, to) = bucket(kind, bucket_of(kind, value));
                assert!(from <= value && to.is_none_or(|to| value < to), "{kind:?} {value}");
            }
        }
    }
}
