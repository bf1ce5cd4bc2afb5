//! The JSON document: valid, and with what the run has.

use krsi_sh::{check::samples, report::Document};
use serde_json::Value;

use crate::written;

#[test]
fn the_document_is_json_in_lines() {
    let run = samples::run();
    let text = written(Document::Json, &run);
    assert!(text.lines().count() > run.finished.len(), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["results"], serde_json::to_value(&run.finished).unwrap());
}
