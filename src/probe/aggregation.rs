//! What a probe keeps count of in the kernel: `.count_by(["comm"])`, `.hist("size")` and their kin.
//!
//! An aggregation is checked against the template's fields once, here, and is then a list of places: where in the
//! event's struct a field lies, and where in the key of an entry it goes. The kernel side
//! (ebpf-templates/include/krsi_summaries.bpf.h) copies as the places say; what it has counted comes
//! back as a [`crate::event::Summary`].

use serde::{Deserialize, Serialize};

use crate::{
    template::{Field, FieldKind, Known, Template},
    values::nearest,
};

/// Aggregations of one probe, and fields that one groups by (`KRSI_SUMMARIES`, `KRSI_BY`).
pub const MOST: usize = 4;
pub const MOST_BY: usize = 4;
/// Bytes of a key that the groups' fields share (`KRSI_GROUP_SIZE`).
pub const GROUP_SIZE: usize = 240;
/// Buckets of a linear histogram, besides the two for what is below and above.
pub const MOST_BUCKETS: u64 = 1000;
/// Entries that a probe keeps, unless told otherwise.
pub const KEYS: u32 = 10_240;
/// The least and most that one may ask for.
pub const KEYS_RANGE: std::ops::RangeInclusive<u32> = 1..=1_000_000;

/// What is made of the events of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Count,
    Sum,
    Min,
    Max,
    Avg,
    /// By powers of two.
    Hist,
    /// By buckets of `step` from `first` on.
    Lhist {
        first: u64,
        step: u64,
        buckets: u64,
    },
    /// How many values there are, about.
    Distinct,
}

impl Kind {
    /// As scripts call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Count => "count",
            Kind::Sum => "sum",
            Kind::Min => "min",
            Kind::Max => "max",
            Kind::Avg => "avg",
            Kind::Hist => "hist",
            Kind::Lhist { .. } => "lhist",
            Kind::Distinct => "distinct",
        }
    }

    /// Whether the kernel keeps a sketch for it, and no total.
    #[must_use]
    pub fn is_sketch(self) -> bool {
        self == Kind::Distinct
    }
}

/// A field of the event, and where it goes in the key.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub field: Field,
    /// Byte offset in the key's group.
    pub to: usize,
    /// Room for it there; a longer text is cut.
    pub room: usize,
}

impl Taken {
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.field.kind == FieldKind::Text
    }
}

/// One aggregation, seen to be possible.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregation {
    pub kind: Kind,
    /// What is summed up; a count has none.
    pub field: Option<Field>,
    pub by: Vec<Taken>,
}

/// Why an aggregation is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AggregationError {
    #[error("an event of `{template}` has no field `{given}`{}; allowed: {allowed}", .nearest.as_ref().map_or_else(String::new, |n| format!(" (did you mean `{n}`?)")))]
    Unknown { template: String, given: String, nearest: Option<String>, allowed: String },
    #[error("`{kind}` wants a number, and `{field}` is {what}; numbers of `{template}`: {allowed}")]
    NoNumber { kind: &'static str, field: String, what: String, template: String, allowed: String },
    #[error(
        "`{field}` cannot be told apart in the kernel: {why}; count it in a callback: `.on_event(|e| …)`"
    )]
    NoKey { field: String, why: String },
    #[error("an aggregation groups by at most {MOST_BY} fields, not {given}")]
    TooManyBy { given: usize },
    #[error("`{field}` stands twice in what is grouped by")]
    Twice { field: String },
    #[error("this probe has a `{kind}` already; make another probe for a second one")]
    Again { kind: &'static str },
    #[error("a probe has at most {MOST} aggregations")]
    TooMany,
    #[error("`lhist` from {first} to {end} by {step}: {why}")]
    Buckets { first: i64, end: i64, step: i64, why: String },
    #[error(
        "`max_keys` takes {} to {}, not {given}; every key is kept in the kernel's memory",
        KEYS_RANGE.start(),
        KEYS_RANGE.end()
    )]
    Keys { given: i64 },
}

impl AggregationError {
    /// The word of the script that it is about.
    #[must_use]
    pub fn about(&self) -> Option<String> {
        match self {
            Self::Unknown { given, .. } => Some(given.clone()),
            Self::NoNumber { field, .. } | Self::NoKey { field, .. } | Self::Twice { field } => {
                Some(field.clone())
            }
            Self::Again { kind } => Some((*kind).to_owned()),
            Self::Buckets { .. } => Some("lhist".into()),
            Self::Keys { given } => Some(given.to_string()),
            Self::TooManyBy { .. } | Self::TooMany => None,
        }
    }
}

type Fallible<T> = Result<T, AggregationError>;

impl Aggregation {
    /// Checks what a script asked for.
    ///
    /// # Errors
    /// A field that the template does not have, or that cannot be used so.
    pub fn new(template: &Template, kind: Kind, field: Option<&str>, by: &[String]) -> Fallible<Self> {
        let field = field.map(|name| summed(template, kind, name)).transpose()?;
        if by.len() > MOST_BY {
            return Err(AggregationError::TooManyBy { given: by.len() });
        }
        let mut fields = Vec::new();
        for name in by {
            let field = find(template, name)?;
            key_of(template, field)?;
            if fields.contains(&field) {
                return Err(AggregationError::Twice { field: name.clone() });
            }
            fields.push(field);
        }
        Ok(Aggregation { kind, field, by: placed(&fields) })
    }

    /// A linear histogram's buckets: `step` wide, from `first` up to `end`.
    ///
    /// # Errors
    /// If there would be none, or too many.
    pub fn linear(first: i64, end: i64, step: i64) -> Fallible<Kind> {
        let refuse = |why: &str| Err(AggregationError::Buckets { first, end, step, why: why.into() });
        let (Ok(from), Ok(to), Ok(width)) = (u64::try_from(first), u64::try_from(end), u64::try_from(step))
        else {
            return refuse("numbers of events are not negative");
        };
        if width == 0 {
            return refuse("a bucket must be at least 1 wide");
        }
        if to <= from {
            return refuse("it ends before it begins");
        }
        let buckets = (to - from).div_ceil(width);
        if buckets > MOST_BUCKETS {
            return refuse(&format!("that is {buckets} buckets, and {MOST_BUCKETS} are the most"));
        }
        Ok(Kind::Lhist { first: from, step: width, buckets })
    }

    /// Bytes of the group in an entry's key, in whole words.
    #[must_use]
    pub fn group_size(&self) -> usize {
        self.by.iter().map(|taken| (taken.to + taken.room).next_multiple_of(8)).max().unwrap_or_default()
    }

    /// `count by comm, uid`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = self.kind.name().to_owned();
        if let Some(field) = &self.field {
            text.push_str(&format!(" of {}", field.name));
        }
        if !self.by.is_empty() {
            let by: Vec<_> = self.by.iter().map(|taken| taken.field.name.as_str()).collect();
            text.push_str(&format!(" by {}", by.join(", ")));
        }
        text
    }
}

/// # Errors
/// If the template's events have no such field.
pub fn find<'t>(template: &'t Template, name: &str) -> Fallible<&'t Field> {
    template.field(name).ok_or_else(|| {
        let names = || template.fields.iter().map(|f| f.name.as_str());
        AggregationError::Unknown {
            template: template.name.clone(),
            given: name.to_owned(),
            nearest: nearest(name, names()).map(str::to_owned),
            allowed: names().collect::<Vec<_>>().join(", "),
        }
    })
}

fn is_number(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Unsigned | FieldKind::Bool) && !is_unknown_yet(field)
}

/// What is summed up: a number, or, to be told apart, anything that has a key.
fn summed(template: &Template, kind: Kind, name: &str) -> Fallible<Field> {
    let field = find(template, name)?;
    if kind.is_sketch() {
        key_of(template, field)?;
    } else if !is_number(field) {
        let numbers = template.fields.iter().filter(|f| is_number(f)).map(|f| f.name.as_str());
        return Err(AggregationError::NoNumber {
            kind: kind.name(),
            field: name.to_owned(),
            what: field.kind.type_name(field.size),
            template: template.name.clone(),
            allowed: numbers.collect::<Vec<_>>().join(", "),
        });
    }
    Ok(field.clone())
}

/// Whether it is told only once the event leaves the kernel.
fn is_unknown_yet(field: &Field) -> bool {
    matches!(field.known, Known::Sent | Known::Read)
}

fn key_of(template: &Template, field: &Field) -> Fallible<()> {
    let refuse = |why: &str| Err(AggregationError::NoKey { field: field.name.clone(), why: why.into() });
    if is_unknown_yet(field) {
        return refuse("it is told only when an event leaves the kernel");
    }
    let at = template.fields.iter().position(|f| f.name == field.name).unwrap_or(usize::MAX);
    match &field.kind {
        FieldKind::List { .. } | FieldKind::Texts { .. } => refuse("it is a list"),
        // The first of the packed fields lies where its struct says, the others behind it somewhere.
        _ if at > template.layout.packed_from => refuse("it has no place of its own in the event"),
        _ => Ok(()),
    }
}

/// Numbers get a word each, short texts what they need; longer ones share the rest.
fn placed(fields: &[&Field]) -> Vec<Taken> {
    const WORD: usize = 8;
    const SHORT: usize = 16;
    let whole = |field: &Field| field.size.next_multiple_of(WORD);
    let is_long = |field: &Field| field.kind == FieldKind::Text && field.size > SHORT;
    let taken: usize = fields.iter().filter(|f| !is_long(f)).map(|f| whole(f)).sum();
    let long = fields.iter().filter(|f| is_long(f)).count().max(1);
    let share = GROUP_SIZE.saturating_sub(taken) / long / WORD * WORD;
    let mut to = 0;
    let mut places = Vec::new();
    for field in fields {
        let (room, next) = if is_long(field) {
            let room = whole(field).min(share);
            (room, room)
        } else {
            (field.size, whole(field))
        };
        places.push(Taken { field: (*field).clone(), to, room });
        to += next;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Catalogue;

    fn template(name: &str) -> std::sync::Arc<Template> {
        std::sync::Arc::clone(Catalogue::builtin().unwrap().get(name).unwrap())
    }

    fn by(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn what_is_grouped_by_lies_side_by_side_and_fits() {
        let all = [
            by(&["comm", "uid"]),
            by(&["exe", "path"]),
            by(&["path", "exe", "comm", "parent_comm"]),
            by(&["verdict"]),
        ];
        for names in all {
            let aggregation = Aggregation::new(&template("file_open"), Kind::Count, None, &names).unwrap();
            let mut end = 0;
            for taken in &aggregation.by {
                assert!(taken.to >= end && taken.to % 8 == 0, "{names:?}: {taken:?}");
                end = taken.to + taken.room;
                assert!(taken.room >= taken.field.size.min(16), "{names:?}: {taken:?}");
            }
            assert!(end <= GROUP_SIZE, "{names:?}: {end}");
        }
    }

    #[test]
    fn what_has_no_key_or_is_no_number_is_refused() {
        let exec = template("exec");
        let refused =
            |kind, field, names: &[&str]| Aggregation::new(&exec, kind, field, &by(names)).unwrap_err();
        assert!(matches!(refused(Kind::Count, None, &["seq"]), AggregationError::NoKey { .. }));
        assert!(matches!(refused(Kind::Count, None, &["argv"]), AggregationError::NoKey { .. }));
        assert!(matches!(refused(Kind::Count, None, &["uid", "uid"]), AggregationError::Twice { .. }));
        assert!(matches!(refused(Kind::Sum, Some("comm"), &[]), AggregationError::NoNumber { .. }));
        let error = refused(Kind::Count, None, &["com"]).to_string();
        assert!(error.contains("did you mean `comm`?"), "{error}");
    }

    #[test]
    fn buckets_are_checked() {
        assert_eq!(Aggregation::linear(0, 100, 10), Ok(Kind::Lhist { first: 0, step: 10, buckets: 10 }));
        assert_eq!(Aggregation::linear(5, 100, 10), Ok(Kind::Lhist { first: 5, step: 10, buckets: 10 }));
        for (first, end, step) in [(0, 0, 1), (10, 5, 1), (0, 10, 0), (0, 10, -1), (-5, 5, 1), (0, 5000, 1)] {
            assert!(Aggregation::linear(first, end, step).is_err(), "{first} {end} {step}");
        }
    }
}
