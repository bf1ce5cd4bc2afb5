//! What the object is told of a probe's aggregations before the load: which there are, and where each finds its field
//! and its group in an event.

use crate::{
    kernel::{KernelError, host},
    probe::{
        Spec,
        aggregation::{Aggregation, Kind, MOST_BY},
    },
    template::{FieldKind, SummaryKinds},
};

/// Whether this kernel, of that `KERNEL_VERSION`, can keep these.
///
/// # Errors
/// If one of them needs a lock, and there is none.
pub fn check(aggregations: &[Aggregation], version: u32) -> Result<(), KernelError> {
    const WITH_LOCKS: u32 = 6 << 16 | 1 << 8;
    let needs = |a: &&Aggregation| matches!(a.kind, Kind::Min | Kind::Max);
    match aggregations.iter().find(needs) {
        Some(found) if version < WITH_LOCKS => {
            Err(KernelError::NoLock { kind: found.kind.name(), release: host::release()? })
        }
        _ => Ok(()),
    }
}

/// `krsi_summaries` of the templates, or nothing if there is nothing to count.
#[must_use]
pub fn constant(aggregations: &[Aggregation], kinds: SummaryKinds) -> Vec<u8> {
    let mut bytes = Vec::new();
    for aggregation in aggregations {
        let kind = match aggregation.kind {
            Kind::Count => kinds.count,
            Kind::Sum | Kind::Min | Kind::Max | Kind::Avg => kinds.number,
            Kind::Hist => kinds.log2,
            Kind::Lhist { .. } => kinds.linear,
            Kind::Distinct => kinds.distinct,
        };
        bytes.extend(kind.to_ne_bytes());
        let field = aggregation.field.as_ref();
        let is_text = field.is_some_and(|f| f.kind == FieldKind::Text);
        place(&mut bytes, field.map_or((0, 0), |f| (f.offset, f.size)), is_text, 0);
        let (first, step, buckets) = match aggregation.kind {
            Kind::Lhist { first, step, buckets } => (first, step, buckets),
            _ => (0, 0, 0),
        };
        [first, step, buckets].iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
        for index in 0..MOST_BY {
            match aggregation.by.get(index) {
                Some(t) => place(&mut bytes, (t.field.offset, t.room), t.is_text(), t.to),
                None => place(&mut bytes, (0, 0), false, 0),
            }
        }
    }
    bytes
}

/// `krsi_first_by` of the templates, if what the probe counts needs no more than the task's own numbers and names: then it
/// is counted before memory is taken.
#[must_use]
pub fn first(spec: &Spec) -> Option<Vec<u8>> {
    let aggregation = spec.aggregations.first().filter(|_| spec.counts_at_once())?;
    let mut bytes = Vec::new();
    for taken in &aggregation.by {
        let early = spec.template.layout.early.iter().find(|early| early.name == taken.field.name)?;
        for number in [early.offset, taken.room, taken.to] {
            bytes.extend(u32::try_from(number).ok()?.to_ne_bytes());
        }
    }
    Some(bytes)
}

/// `struct krsi_taken`.
fn place(bytes: &mut Vec<u8>, (from, size): (usize, usize), is_text: bool, to: usize) {
    let word = |n: usize| u32::try_from(n).unwrap_or_default().to_ne_bytes();
    let half = |n: usize| u16::try_from(n).unwrap_or_default().to_ne_bytes();
    bytes.extend(word(from));
    bytes.extend(half(size));
    bytes.extend(half(usize::from(is_text)));
    bytes.extend(word(to));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::load::constants::SUMMARIES,
        probe::aggregation::MOST,
        template::{Catalogue, shapes::Shapes},
    };

    #[test]
    fn what_is_counted_lies_where_the_templates_have_it() {
        let shapes = Shapes::of("file_open");
        let catalogue = Catalogue::builtin().unwrap();
        let template = catalogue.get("file_open").unwrap();
        let one = Aggregation::new(template, Kind::Count, None, &["uid".to_owned()]).unwrap();
        let kinds = template.layout.summary_kinds;
        assert_eq!(constant(std::slice::from_ref(&one), kinds).len(), shapes.size("krsi_summary"));
        let most = constant(&vec![one; MOST], kinds);
        assert_eq!(most.len(), shapes.symbol(SUMMARIES));
        assert_eq!(MOST_BY, shapes.length("krsi_summary", "by"));
    }

    #[test]
    fn what_is_counted_first_lies_where_the_templates_have_it() {
        let shapes = Shapes::of("file_open");
        let catalogue = Catalogue::builtin().unwrap();
        let spec = |by: &[&str], kind: Kind| {
            let template = catalogue.get("file_open").unwrap();
            let mut spec = Spec::new(std::sync::Arc::clone(template), "p".into());
            let by: Vec<_> = by.iter().map(|name| (*name).to_owned()).collect();
            spec.aggregations.push(Aggregation::new(template, kind, None, &by).unwrap());
            spec
        };
        let first = |by: &[&str]| first(&spec(by, Kind::Count));
        let word = |number: usize| u32::try_from(number).unwrap().to_ne_bytes();
        let at = |member: &str| shapes.offset("krsi_early", member);
        let expected = [at("uid"), 4, 0, at("comm"), 16, 8].map(word).concat();
        assert_eq!(first(&["uid", "comm"]), Some(expected));
        assert_eq!(shapes.size("krsi_first_taken"), 12);
        assert_eq!(first(&[]), Some(Vec::new()), "one row for all");
        assert_eq!(first(&["path"]), None, "a path is no number of the task");
        assert_eq!(shapes.size("krsi_first_key"), 8 + 56);
        let mut two = spec(&["uid"], Kind::Count);
        two.aggregations.push(two.aggregations[0].clone());
        assert_eq!(super::first(&two), None, "two of them");
    }
}
