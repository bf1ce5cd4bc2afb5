//! The tables that a probe's aggregations are counted in, read back.
//!
//! Entries carry the epoch they were counted in. To take a summary and begin anew, the epoch is moved on; then
//! every program that may still have read the previous one is waited for, and that one's entries are
//! read and removed. So no count is lost between reading and removing, and none is in two.

use std::{collections::BTreeMap, io};

use crate::{
    kernel::{
        KernelError,
        errno::chain,
        load::object::{Object, Size},
        maps::{bytes::ByteTable, grace, stacks::KeptStacks, take_used},
    },
    probe::{
        aggregation::{Aggregation, Kind},
        summary::{self, Amount, Bucket, Row, Summary, Total},
    },
};

/// The tables it is counted in.
const TOTALS: &str = "krsi_totals";
const SKETCHES: &str = "krsi_sketches";

/// What stands before the group in `struct krsi_summary_key`: epoch, which, bucket.
const KEY_HEAD: usize = 8;
/// Of which a probe's keys have as much as it groups by.
type Key = Vec<u8>;
/// `struct krsi_total`: lock, padding, count, two words of the sum, least, greatest.
type TotalValue = [u8; 48];
/// `struct krsi_sketch`: lock, padding, registers.
type SketchValue = [u8; 8 + 512];
const LOCK_SIZE: usize = 8;
/// The reader, too, takes the entry's lock (BPF_F_LOCK), so what it sees belongs together.
const LOCKED: u64 = 4;

/// The tables' sizes for a probe: the previous epoch's entries are still there while the next one's are counted.
#[must_use]
pub fn sizes(aggregations: &[Aggregation], keys: u32) -> [Size<'static>; 2] {
    let group = aggregations.iter().map(Aggregation::group_size).max().unwrap_or_default();
    let key = u32::try_from(KEY_HEAD + group).ok();
    let size = |map, any: bool| Size { map, entries: if any { keys.saturating_mul(2) } else { 1 }, key };
    let sketches = aggregations.iter().any(|a| a.kind.is_sketch());
    let totals = aggregations.iter().any(|a| !a.kind.is_sketch());
    [size(TOTALS, totals), size(SKETCHES, sketches)]
}

/// The tables of one probe.
pub struct Summaries {
    probe: String,
    aggregations: Vec<Aggregation>,
    totals: Option<ByteTable>,
    sketches: Option<ByteTable>,
    /// Being added to.
    epoch: u32,
    /// Overflow that has been told with a summary taken before.
    told_overflow: u64,
}

impl Summaries {
    /// `None` if nothing is counted.
    ///
    /// # Errors
    /// If the object has no such tables.
    pub fn open(
        object: &Object,
        probe: &str,
        aggregations: &[Aggregation],
    ) -> Result<Option<Self>, KernelError> {
        if aggregations.is_empty() {
            return Ok(None);
        }
        Ok(Some(Summaries {
            probe: probe.to_owned(),
            aggregations: aggregations.to_vec(),
            totals: open(object, TOTALS)?,
            sketches: open(object, SKETCHES)?,
            epoch: 0,
            told_overflow: 0,
        }))
    }

    /// What is counted by now. `overflow` is the probe's counter.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub fn read(&self, overflow: u64) -> Result<Vec<Summary>, KernelError> {
        let entries = Entries::of(self, self.epoch)?;
        Ok(self.summaries(&entries, overflow.saturating_sub(self.told_overflow)))
    }

    /// What is counted by now, and everything begins from zero. `advance` stores the next epoch where the
    /// kernel side reads it.
    ///
    /// # Errors
    /// If a table cannot be read, or this kernel gives no way to wait for its programs.
    pub fn take(
        &mut self,
        advance: impl FnOnce(u32) -> Result<(), KernelError>,
        overflow: impl FnOnce() -> Result<u64, KernelError>,
    ) -> Result<Vec<Summary>, KernelError> {
        let previous = self.epoch;
        advance(previous.wrapping_add(1))?;
        self.epoch = previous.wrapping_add(1);
        wait_for_programs()?;
        let entries = Entries::of(self, previous)?;
        let overflow = overflow()?;
        let summaries = self.summaries(&entries, overflow.saturating_sub(self.told_overflow));
        self.told_overflow = overflow;
        if let Some(totals) = &mut self.totals {
            for (key, _) in &entries.totals {
                totals.remove(key).map_err(|e| unreadable(TOTALS, &e))?;
            }
        }
        if let Some(sketches) = &mut self.sketches {
            for (key, _) in &entries.sketches {
                sketches.remove(key).map_err(|e| unreadable(SKETCHES, &e))?;
            }
        }
        Ok(summaries)
    }

    /// The same with stacks in the place of their numbers.
    #[must_use]
    pub fn resolved(&self, mut summaries: Vec<Summary>, stacks: Option<&KeptStacks>) -> Vec<Summary> {
        let Some(stacks) = stacks else { return summaries };
        for (summary, aggregation) in summaries.iter_mut().zip(&self.aggregations) {
            for row in &mut summary.rows {
                stacks.resolve(aggregation, &mut row.group);
            }
        }
        summaries
    }

    fn summaries(&self, entries: &Entries, overflow: u64) -> Vec<Summary> {
        let one = |(which, aggregation): (u16, &Aggregation)| {
            let rows = entries.rows(which, aggregation);
            Summary::new(&self.probe, aggregation, rows, overflow)
        };
        (0..).zip(&self.aggregations).map(one).collect()
    }
}

/// A table that is not used is not there.
fn open(object: &Object, table: &'static str) -> Result<Option<ByteTable>, KernelError> {
    let open = |map| ByteTable::new(map).map_err(|e| unreadable(table, &e));
    take_used(object, table)?.map(open).transpose()
}

/// One epoch's entries.
struct Entries {
    totals: Vec<(Key, Total)>,
    sketches: Vec<(Key, SketchValue)>,
}

impl Entries {
    fn of(tables: &Summaries, epoch: u32) -> Result<Self, KernelError> {
        Ok(Entries {
            totals: read(tables.totals.as_ref(), TOTALS, epoch)?
                .into_iter()
                .map(|(key, value)| (key, total(&value)))
                .collect(),
            sketches: read(tables.sketches.as_ref(), SKETCHES, epoch)?.into_iter().collect(),
        })
    }

    fn rows(&self, which: u16, aggregation: &Aggregation) -> Vec<Row> {
        if aggregation.kind.is_sketch() {
            let of = self.sketches.iter().filter(|(key, _)| summary_of(key) == which);
            let row = |(key, value): &(Key, SketchValue)| Row {
                group: Summary::group(aggregation, &key[KEY_HEAD..]),
                amount: Amount::About(summary::distinct(&value[LOCK_SIZE..])),
            };
            return of.map(row).collect();
        }
        let of = self.totals.iter().filter(|(key, _)| summary_of(key) == which);
        if !matches!(aggregation.kind, Kind::Hist | Kind::Lhist { .. }) {
            let row = |(key, total): &(Key, Total)| Row {
                group: Summary::group(aggregation, &key[KEY_HEAD..]),
                amount: total.amount(aggregation.kind),
            };
            return of.map(row).collect();
        }
        let mut groups: BTreeMap<&[u8], Vec<(u16, u64)>> = BTreeMap::new();
        for (key, total) in of {
            groups.entry(&key[KEY_HEAD..]).or_default().push((bucket_of(key), total.count));
        }
        let row = |(group, mut buckets): (&[u8], Vec<(u16, u64)>)| {
            buckets.sort_unstable();
            let ends = buckets.first().zip(buckets.last()).map_or(0..=0, |(first, last)| first.0..=last.0);
            // Those in between that nothing fell into are a part of the picture.
            let bucket = |number: u16| {
                let (from, to) = summary::bucket(aggregation.kind, number);
                let found = buckets.binary_search_by_key(&number, |(n, _)| *n).ok();
                Bucket { from, to, count: found.map_or(0, |at| buckets[at].1) }
            };
            Row {
                group: Summary::group(aggregation, group),
                amount: Amount::Histogram(ends.map(bucket).collect()),
            }
        };
        groups.into_iter().map(row).collect()
    }
}

fn epoch_of(key: &[u8]) -> u32 {
    u32::from_ne_bytes([key[0], key[1], key[2], key[3]])
}

fn summary_of(key: &[u8]) -> u16 {
    u16::from_ne_bytes([key[4], key[5]])
}

fn bucket_of(key: &[u8]) -> u16 {
    u16::from_ne_bytes([key[6], key[7]])
}

fn total(value: &TotalValue) -> Total {
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&value[at..at + 8]);
        u64::from_ne_bytes(bytes)
    };
    Total { count: word(8), sum_lower: word(16), sum_upper: word(24), least: word(32), greatest: word(40) }
}

/// By key: while entries are being added, the walk may come by one twice.
fn read<const N: usize>(
    table: Option<&ByteTable>,
    name: &'static str,
    epoch: u32,
) -> Result<BTreeMap<Key, [u8; N]>, KernelError> {
    let mut entries = BTreeMap::new();
    let Some(table) = table else { return Ok(entries) };
    for key in table.keys().map_err(|e| unreadable(name, &e))? {
        if epoch_of(&key) != epoch {
            continue;
        }
        // Nobody but this process removes entries, and it reads one at a time.
        let Some(value) = table.get(&key, LOCKED).map_err(|e| unreadable(name, &e))? else { continue };
        let value = value.try_into();
        let value = value.map_err(|_| unreadable(name, &io::Error::other("its values have another size")))?;
        entries.insert(key, value);
    }
    Ok(entries)
}

fn unreadable(table: &'static str, error: &(dyn std::error::Error + 'static)) -> KernelError {
    KernelError::Table { table, reason: chain(error) }
}

fn wait_for_programs() -> Result<(), KernelError> {
    grace::wait_for_programs().map_err(|error| KernelError::Table {
        table: TOTALS,
        reason: format!(
            "this kernel cannot wait for its programs ({error}), so nothing can be taken without a loss; \
             read without taking: `.counts()`"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{probe::aggregation::GROUP_SIZE, template::shapes::Shapes};

    #[test]
    fn what_was_counted_lies_where_the_templates_have_it() {
        let shapes = Shapes::of("file_open");
        assert_eq!(GROUP_SIZE, shapes.length("krsi_summary_key", "group"));
        assert_eq!(KEY_HEAD + GROUP_SIZE, shapes.size("krsi_summary_key"));
        let mut key = [0; KEY_HEAD + GROUP_SIZE];
        let at = |member: &str| shapes.offset("krsi_summary_key", member);
        (key[at("epoch")], key[at("summary")], key[at("bucket")]) = (1, 2, 3);
        assert_eq!((epoch_of(&key), summary_of(&key), bucket_of(&key)), (1, 2, 3));
        assert_eq!(at("group"), KEY_HEAD);

        assert_eq!(size_of::<TotalValue>(), shapes.size("krsi_total"));
        let mut value: TotalValue = [0; 48];
        for (number, member) in (1..).zip(["count", "sum_lower", "sum_upper", "least", "greatest"]) {
            value[shapes.offset("krsi_total", member)] = number;
        }
        let wanted = Total { count: 1, sum_lower: 2, sum_upper: 3, least: 4, greatest: 5 };
        assert_eq!(total(&value), wanted);

        assert_eq!(size_of::<SketchValue>(), shapes.size("krsi_sketch"));
        assert_eq!(LOCK_SIZE, shapes.offset("krsi_sketch", "registers"));
    }
}
