//! What a probe has kept count of, as a record.

use serde_json::{Map, Value, json};

use crate::{
    event,
    probe::summary::{Amount, Bucket, Row, Summary},
    report::format::TOO_LARGE,
};

/// A group as an object: its fields by name, and what it has come to under the name of the aggregation.
#[must_use]
pub fn row(summary: &Summary, row: &Row) -> Map<String, Value> {
    object(summary, row, |object, name, value| drop(object.insert(name.to_owned(), super::value(value))))
}

/// The same, with the bytes of what is not UTF-8 besides.
fn record_row(summary: &Summary, row: &Row) -> Value {
    Value::Object(object(summary, row, super::insert))
}

fn object(
    summary: &Summary,
    row: &Row,
    insert: impl Fn(&mut Map<String, Value>, &str, event::Value),
) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in summary.by.iter().zip(&row.group) {
        insert(&mut object, name, value.clone());
    }
    let (name, amount) = match &row.amount {
        Amount::Number(n) => (summary.kind.name(), whole(*n)),
        Amount::TooLarge => (summary.kind.name(), json!(TOO_LARGE)),
        Amount::About(n) => (summary.kind.name(), json!(n)),
        Amount::Mean(mean) => (summary.kind.name(), json!(mean)),
        Amount::Histogram(buckets) => {
            let bucket = |b: &Bucket| json!({ "from": b.from, "to": b.to, "count": b.count });
            ("buckets", buckets.iter().map(bucket).collect())
        }
    };
    object.insert(name.into(), amount);
    object
}

/// A number as JSON; beyond 64 bits to the 16 digits that its readers keep.
fn whole(number: u128) -> Value {
    u64::try_from(number).map_or_else(|_| json!(number as f64), |number| json!(number))
}

/// All of it as a record.
pub(super) fn record(summary: &Summary) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("probe".into(), summary.probe.as_str().into());
    fields.insert("kind".into(), summary.kind.name().into());
    fields.insert("field".into(), summary.field.as_deref().into());
    fields.insert("unit".into(), summary.unit.as_deref().into());
    fields.insert("by".into(), summary.by.as_slice().into());
    fields.insert("rows".into(), summary.rows.iter().map(|row| record_row(summary, row)).collect());
    fields.insert("overflow".into(), summary.overflow.into());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::aggregation::Kind;
    use crate::report::format::summary_of_sizes as summary;

    #[test]
    fn a_record_has_the_numbers() {
        let row = |uid, amount| Row { group: vec![event::Value::Unsigned(uid)], amount };
        let nobody = u64::from(u32::MAX - 7);
        let rows = vec![row(0, Amount::Number(4200)), row(nobody, Amount::Number(12))];
        let summary = Summary { by: vec!["uid".into()], ..summary(Kind::Sum, rows) };
        assert_eq!(
            record(&summary)["rows"],
            json!([{ "uid": 0, "sum": 4200 }, { "uid": nobody, "sum": 12 }])
        );
    }

    #[test]
    fn rows_that_differ_in_a_byte_differ() {
        let row =
            |path: &[u8]| Row { group: vec![event::Value::Text(path.to_vec())], amount: Amount::Number(1) };
        let rows = vec![row(b"/a\xff"), row(b"/a b")];
        let summary = Summary { by: vec!["path".into()], ..summary(Kind::Count, rows) };
        let record = record(&summary);
        assert_eq!(record["rows"][0], json!({ "path_hex": "2f61ff", "path": "/a\u{efff}", "count": 1 }));
        assert_eq!(record["rows"][1], json!({ "path": "/a b", "count": 1 }));
    }

    #[test]
    fn sums_beyond_64_bits_are_told() {
        let sum = 3 * u128::from(i64::MAX.cast_unsigned());
        let row = |amount| Row { group: vec![event::Value::Text(b"cat".to_vec())], amount };
        let summary = summary(Kind::Sum, vec![row(Amount::Number(sum)), row(Amount::TooLarge)]);
        assert_eq!(record(&summary)["rows"][0]["sum"], json!(sum as f64));
        assert_eq!(record(&summary)["rows"][1]["sum"], json!("too large"));
    }

    #[test]
    fn a_record_names_what_it_counts() {
        let row = Row { group: vec![event::Value::Text(b"cat".to_vec())], amount: Amount::Number(3) };
        let record = record(&summary(Kind::Sum, vec![row]));
        assert_eq!(record["rows"], json!([{ "comm": "cat", "sum": 3 }]));
        assert_eq!(record["by"], json!(["comm"]));
    }
}
