//! Secrets in texts, found by how they look and by what stands before them, so that they stay out of what is written.
//!
//! In: a text, or a list of texts (a program's arguments). Out: the same with [`MARKER`] where a secret stood; what it was the
//! secret of stays readable. A text without any word that may announce one is given back after a single walk over it
//! (`triggers`). What is found:
//!
//! ```text
//! keyed    a value behind a name: password=…, --token …, "api_key": "…", X-Vault-Token: …
//! tools    a value behind a short option of a program that is known: mysql -p…, curl -u name:…
//! shapes   what looks like nothing else: tokens of known services, JWTs, private keys, passwords of URLs
//! triggers which of these may be in a text at all
//! hit      a word that announces one
//! quotes   where a quoted text ends
//! ```
//!
//! The rules look at the real text; only what leaves the program is changed ([`crate::report::Reporter`], recordings).
//! What nothing announces is not found: a password that is an argument by itself (`login alice hunter2`).

mod hit;
mod keyed;
mod quotes;
mod shapes;
mod tools;
mod triggers;

use std::{
    borrow::Cow,
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

/// What is written in place of a secret.
pub const MARKER: &str = "<redacted>";
/// How what stands in place of a longer secret begins, where the length has to stay.
const OPENS: &[u8] = b"<redacted";

/// Whether secrets are written: one word of the command line for everything that this process writes.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// From here on secrets are written as they are.
pub fn show_secrets() {
    SHOWN.store(true, Ordering::Relaxed);
}

/// Whether secrets are written as they are.
#[must_use]
pub fn secrets_are_shown() -> bool {
    SHOWN.load(Ordering::Relaxed)
}

/// Where secrets stand in one text, in order, none overlapping.
type Spans = Vec<Range<usize>>;

/// Whether a text has any word that may announce a secret.
pub use self::triggers::is_any_in;

/// Whether this value, by its name, is a secret.
#[must_use]
pub fn is_secret_name(name: &str, value: &str) -> bool {
    keyed::is_secret(name.as_bytes()) && value != MARKER && keyed::is_value(value.as_bytes())
}

/// Returns a text without its secrets.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    match redacted_bytes(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        // A secret begins and ends beside ASCII, or at the text's ends, so nothing is lost here.
        Cow::Owned(bytes) => Cow::Owned(
            String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        ),
    }
}

/// Returns bytes without the secrets that stand in them as text.
#[must_use]
pub fn redacted_bytes(text: &[u8]) -> Cow<'_, [u8]> {
    if !triggers::is_any_in(text) {
        return Cow::Borrowed(text);
    }
    match redacted_list(&[text]) {
        Some(mut texts) => Cow::Owned(texts.pop().unwrap_or_default()),
        None => Cow::Borrowed(text),
    }
}

/// Returns a program's arguments, or its environment, without their secrets; `None` if they have none.
#[must_use]
pub fn redacted_list(texts: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let mut known: Option<Vec<Vec<u8>>> = None;
    for _ in 0..ROUNDS {
        let before: Vec<&[u8]> = match &known {
            Some(known) => known.iter().map(Vec::as_slice).collect(),
            None => texts.to_vec(),
        };
        let Some((masked, spans)) = settled(&before) else { break };
        let after: Vec<Vec<u8>> =
            masked.iter().zip(&spans).map(|(text, spans)| replaced(text, spans)).collect();
        if after == before {
            break;
        }
        known = Some(after);
    }
    known
}

/// Writes over the secrets of a list, of which each text stays as long as it is, and which reads [`redacted_list`] like the list
/// itself. Returns whether there were any.
pub fn mask_list(texts: &mut [&mut [u8]]) -> bool {
    let Some((masked, _)) = settled(&texts.iter().map(|text| &**text).collect::<Vec<_>>()) else {
        return false;
    };
    texts.iter_mut().zip(masked).for_each(|(text, masked)| text.copy_from_slice(&masked));
    true
}

/// What covers one secret may show another, or hide what it was known by: so often is looked again at most.
const ROUNDS: usize = 8;

/// Returns texts whose secrets are covered, and where they are; `None` if there are none.
fn settled(texts: &[&[u8]]) -> Option<(Vec<Vec<u8>>, Vec<Spans>)> {
    let mut spans = list_spans(texts)?;
    let mut masked: Vec<Vec<u8>> = texts.iter().map(|text| text.to_vec()).collect();
    for _ in 0..ROUNDS {
        let before = masked.clone();
        for (text, spans) in masked.iter_mut().zip(&spans) {
            spans.iter().for_each(|span| cover(&mut text[span.clone()]));
        }
        if masked == before {
            break;
        }
        spans = list_spans(&masked.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    }
    Some((masked, spans))
}

fn replaced(text: &[u8], spans: &[Range<usize>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + spans.len() * MARKER.len());
    let mut at = 0;
    for span in spans {
        out.extend_from_slice(&text[at..span.start]);
        out.extend_from_slice(MARKER.as_bytes());
        at = span.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// `<redacted***>`; where that has no room, stars. These are found again by what stands before them.
fn cover(secret: &mut [u8]) {
    secret.fill(b'*');
    if secret.len() >= MARKER.len() {
        secret[..OPENS.len()].copy_from_slice(OPENS);
        secret[OPENS.len()..].fill(b'*');
        if let Some(last) = secret.last_mut() {
            *last = b'>';
        }
    }
}

/// Finds the secrets of a text. If it is `whole`, what it begins with names all of it.
fn spans(text: &[u8], whole: bool) -> Spans {
    let mut spans = Spans::new();
    if let Some(hits) = triggers::hits(text) {
        let known_by = shapes::find(text, &hits, &mut spans);
        let mut others = Spans::new();
        keyed::find(text, &hits, whole, &mut others);
        tools::find(text, &hits, &mut others);
        // Where another rule covers a part of what a secret is known by, all of it goes: nothing would find the secret again.
        let is_torn =
            |known: &Range<usize>| others.iter().any(|span| span.start < known.end && known.start < span.end);
        spans.extend(known_by.into_iter().filter(is_torn));
        spans.append(&mut others);
    }
    ordered(spans)
}

/// Finds the secrets of a list; `None` if there are none.
fn list_spans(texts: &[&[u8]]) -> Option<Vec<Spans>> {
    // A text alone may be anything.
    let is_list = texts.len() > 1;
    let environment = is_list && keyed::is_environment(texts);
    let mut all: Vec<Spans> = texts.iter().map(|text| spans(text, environment)).collect();
    for (at, pair) in texts.windows(2).enumerate() {
        if keyed::announces(pair[0]) && keyed::is_value(pair[1]) {
            all[at + 1] = std::iter::once(0..pair[1].len()).collect();
        }
    }
    for (at, text) in texts.iter().enumerate() {
        if is_list && keyed::is_whole_option(text) {
            let value = text.iter().position(|byte| *byte == b'=').map_or(text.len(), |equals| equals + 1);
            all[at].push(value..text.len());
        }
    }
    for (at, span) in tools::find_in_list(if is_list { texts } else { &[] }) {
        all[at].push(span);
    }
    let all: Vec<Spans> = all.into_iter().map(ordered).collect();
    all.iter().any(|spans| !spans.is_empty()).then_some(all)
}

fn ordered(mut spans: Spans) -> Spans {
    if spans.len() > 1 {
        spans.sort_by_key(|span| span.start);
        spans.dedup_by(|next, before| {
            let overlaps = next.start < before.end;
            if overlaps {
                before.end = before.end.max(next.end);
            }
            overlaps
        });
    }
    spans.retain(|span| !span.is_empty());
    spans
}

#[cfg(test)]
mod tests;
