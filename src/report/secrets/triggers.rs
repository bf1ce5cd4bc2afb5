//! Which kinds of secrets may be in a text at all: one walk over it for all words that announce one.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

use super::{
    hit::{Announces, Hit},
    shapes::SHAPES,
    tools::TOOLS,
};

/// Words of which one is in each name that is a secret's. A capital letter is a small one here.
const KEYS: &[&str] = &["pass", "pwd", "secret", "token", "key", "cred", "psk", "auth"];
const HEADERS: &[&str] = &["authorization", "cookie"];

static WORDS: LazyLock<Vec<(&'static str, Announces)>> = LazyLock::new(|| {
    let keys = KEYS.iter().map(|word| (*word, Announces::Key));
    let headers = HEADERS.iter().map(|word| (*word, Announces::Header));
    let tools = TOOLS.iter().enumerate().map(|(number, tool)| (tool.name, Announces::Tool(number)));
    let shapes = SHAPES
        .iter()
        .enumerate()
        .flat_map(|(number, shape)| shape.triggers.iter().map(move |word| (*word, Announces::Shape(number))));
    keys.chain(headers).chain(tools).chain(shapes).collect()
});

/// `None` if it cannot be made, which the tests would show.
static SOUGHT: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = WORDS.iter().map(|(word, _)| *word);
    AhoCorasickBuilder::new().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(words).ok()
});

/// Whether a text has any word that announces something.
pub fn is_any_in(text: &[u8]) -> bool {
    SOUGHT.as_ref().is_some_and(|sought| sought.is_match(text))
}

/// Returns all words that announce something, in the order of their ends; `None` if there is none.
pub fn hits(text: &[u8]) -> Option<Vec<Hit>> {
    let sought = SOUGHT.as_ref()?;
    if !sought.is_match(text) {
        return None;
    }
    let mut shapes = 0_u128;
    let mut hits = Vec::new();
    for found in sought.find_overlapping_iter(text) {
        let announces = WORDS[found.pattern().as_usize()].1;
        // A shape is sought in the whole text.
        if let Announces::Shape(number) = announces {
            if shapes & 1 << number != 0 {
                continue;
            }
            shapes |= 1 << number;
        }
        hits.push(Hit { announces, start: found.start() });
    }
    Some(hits)
}
