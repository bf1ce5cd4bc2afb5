//! The texts of a record, one by one, for whoever has to change what they tell.

use std::ops::Range;

use super::{Event, Value};
use crate::template::{Field, FieldKind};

impl Event {
    /// Returns each field that is a text, or a list of texts, and where its texts lie in the record.
    pub fn texts(&self) -> impl Iterator<Item = (&Field, Vec<Range<usize>>)> {
        self.template().fields.iter().filter_map(|field| {
            let place = self.place_of(field);
            let bytes = self.record().get(place.clone())?;
            let until_nul = |bytes: &[u8]| bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            let texts: Vec<Range<usize>> = match &field.kind {
                FieldKind::Text => std::iter::once(0..until_nul(bytes)).collect(),
                FieldKind::Texts { .. } if bytes.is_empty() => Vec::new(),
                FieldKind::Texts { .. } => {
                    let mut at = 0;
                    let text = |text: &[u8]| {
                        let begin = at;
                        at += text.len() + 1;
                        begin..begin + text.len()
                    };
                    bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|byte| *byte == 0).map(text).collect()
                }
                FieldKind::List { element, element_size, count } if **element == FieldKind::Text => {
                    let count = usize::try_from(self.number(count)).unwrap_or(usize::MAX);
                    let size = (*element_size).max(1);
                    let elements = bytes.chunks_exact(size).take(count).enumerate();
                    elements.map(|(at, text)| at * size..at * size + until_nul(text)).collect()
                }
                _ => return None,
            };
            let moved = |text: Range<usize>| place.start + text.start..place.start + text.end;
            Some((field, texts.into_iter().map(moved).collect()))
        })
    }

    /// The same, of which these fields, by name, have other values.
    #[must_use]
    pub fn with_instead(&self, values: Vec<(String, Value)>) -> Event {
        Event { instead: Some(values.into_boxed_slice()), ..self.clone() }
    }
}
