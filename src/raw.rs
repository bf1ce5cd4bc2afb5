//! Texts that need not be UTF-8: the kernel's bytes as text, and the same bytes back.
//!
//! The kernel's names are bytes; scripts, NDJSON and summaries have Unicode texts. What is UTF-8 is the same in
//! both. Each other byte is one character, U+EF00 plus the byte: 0xff is U+EFFF, which a script and JSON both write
//! `"\uefff"`. These characters (U+EF80 to U+EFFF, of the private use area) stand for bytes and for nothing else:
//! where a name has one itself, its three bytes are written so. So no two names are one text, and [`bytes`] finds
//! each name again. MirBSD's OPTU-8 and the ConScript registry use the same block for this.
//!
//! A name that the kernel has cut in the middle of a character ends with such bytes, too.

use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// A byte's character is this far from it.
const BASE: u32 = 0xef00;

/// Returns the byte that a character stands for, if it is one of those that stand for bytes.
#[must_use]
pub fn byte(c: char) -> Option<u8> {
    let byte = u8::try_from(u32::from(c).checked_sub(BASE)?).ok()?;
    (byte >= 0x80).then_some(byte)
}

fn character(byte: u8) -> char {
    // Of the private use area, so it is a character.
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Returns the bytes as text, none lost.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    if let Some(text) = plain(bytes) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if byte(c).is_some() {
                out.extend(c.encode_utf8(&mut [0; 4]).bytes().map(character));
            } else {
                out.push(c);
            }
        }
        out.extend(chunk.invalid().iter().copied().map(character));
    }
    out
}

/// Returns the text that the bytes are by themselves, if every character of it stands for itself.
#[must_use]
pub fn plain(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| is_plain(text))
}

/// Whether every character of a text stands for itself.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    // All that do not begin with this byte.
    !text.as_bytes().contains(&0xee) || text.chars().all(|c| byte(c).is_none())
}

/// Returns the bytes that a text stands for.
#[must_use]
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    if is_plain(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte(c) {
            Some(byte) => out.push(byte),
            None => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Cow::Owned(out)
}

/// Returns where the one is found in the other.
#[must_use]
pub fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    match sought {
        [] => Some(0),
        _ => bytes.windows(sought.len()).position(|window| window == sought),
    }
}

/// Returns what the system is given for a text: a path, an argument.
#[must_use]
pub fn os(text: &str) -> OsString {
    OsString::from_vec(bytes(text).into_owned())
}

/// Returns a text of the system's: a path, an argument.
#[must_use]
pub fn from_os(text: impl AsRef<OsStr>) -> String {
    self::text(text.as_ref().as_bytes())
}

/// Returns a text as a script writes it, in double quotes; what cannot be seen is written by its number.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\'' => out.push(c),
            '\n' | '\t' | '\r' | '"' | '\\' => out.extend(c.escape_default()),
            _ if c.escape_debug().len() == 1 => out.push(c),
            '\0'..='\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn utf_8_is_itself_and_each_other_byte_a_character() {
        assert_eq!(text("/tmp/ä日本\u{fffd}".as_bytes()), "/tmp/ä日本\u{fffd}");
        assert_eq!(text(b"/tmp/a\xff"), "/tmp/a\u{efff}");
        assert_eq!(text(b"\x80\xc3"), "\u{ef80}\u{efc3}");
        // A name that was cut inside of a character, and one that has a byte's character itself.
        assert_eq!(text(&"x€".as_bytes()[..3]), "x\u{efe2}\u{ef82}");
        assert_eq!(text("\u{efff}".as_bytes()), "\u{efee}\u{efbf}\u{efbf}");
        assert_eq!(text("\u{ef7f}\u{f000}".as_bytes()), "\u{ef7f}\u{f000}");
    }

    #[test]
    fn a_literal_is_the_language_s_own() {
        assert_eq!(literal("/tmp/a\u{efff}"), r#""/tmp/a\uefff""#);
        assert_eq!(literal("ä '\"\\\n\x1b\u{202e}\u{f0001}"), r#""ä '\"\\\n\u001b\u202e\U000f0001""#);
    }

    proptest! {
        #[test]
        fn a_literal_is_read_as_the_text(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let engine = rhai::Engine::new();
            for text in [text, self::text(&bytes)] {
                prop_assert_eq!(engine.eval::<String>(&literal(&text)).unwrap(), text);
            }
        }

        #[test]
        fn every_name_is_found_again(
            parts in prop::collection::vec(prop_oneof![
                any::<Vec<u8>>(),
                any::<String>().prop_map(String::into_bytes),
                "[\u{ef70}-\u{f010}]{0,3}".prop_map(String::into_bytes),
            ], 0..4),
        ) {
            let name = parts.concat();
            let text = text(&name);
            prop_assert_eq!(&*bytes(&text), &name[..]);
            prop_assert_eq!(plain(&name).is_some(), is_plain(&text));
        }
    }
}
