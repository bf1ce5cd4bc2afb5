//! A glob, as `like` takes it: `*` stands for any text, slashes too, `?` for one byte; everything else for itself.

use crate::raw;

/// A parsed glob: texts and what stands between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// `?`
    One,
    /// `*`
    Any,
}

/// Signs that other globs know and this one does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{sign}` has no meaning in a glob here; `*` stands for any text, `?` for one byte, everything else for itself"
)]
pub struct GlobError {
    pub sign: char,
}

impl Glob {
    /// # Errors
    /// If it has one of `[ ] { } \` in it.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if let Some(sign) = text.chars().find(|c| "[]{}\\".contains(*c)) {
            return Err(GlobError { sign });
        }
        let mut pieces = Vec::new();
        for c in text.chars() {
            match (c, pieces.last_mut()) {
                ('*', Some(Piece::Any)) => {}
                ('*', _) => pieces.push(Piece::Any),
                ('?', _) => pieces.push(Piece::One),
                (c, Some(Piece::Text(before))) => before.push(c),
                (c, _) => pieces.push(Piece::Text(c.to_string())),
            }
        }
        Ok(Glob { pieces })
    }

    /// A text with another in the middle, and with what it begins and ends with.
    #[must_use]
    pub(super) fn around(prefix: &[u8], middle: &[u8], suffix: &[u8]) -> Self {
        let text = |part| Some(Piece::Text(raw::text(part))).filter(|_| !part.is_empty());
        let pieces = [text(prefix), Some(Piece::Any), text(middle), Some(Piece::Any), text(suffix)];
        Glob { pieces: pieces.into_iter().flatten().collect() }
    }

    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Its texts between the signs.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::One | Piece::Any => None,
        })
    }

    /// As it is written.
    #[must_use]
    pub(super) fn written(&self) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::One => "?",
            Piece::Any => "*",
        });
        pieces.collect()
    }

    /// Whether a text is like it. Bytes are compared ([`raw`]), as the kernel compares them.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text = raw::bytes(text);
        // How much of the text the pieces so far can stand for: after a `*` that is a beginning and all that follow.
        let mut rest: &[u8] = &text;
        let mut floats = false;
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Any => floats = true,
                Piece::One | Piece::Text(_) if floats => return floating(rest, &self.pieces[at..]),
                Piece::One => match rest.split_first() {
                    Some((_, behind)) => rest = behind,
                    None => return false,
                },
                Piece::Text(part) => match rest.strip_prefix(&*raw::bytes(part)) {
                    Some(behind) => rest = behind,
                    None => return false,
                },
            }
        }
        floats || rest.is_empty()
    }
}

/// Whether some end of the text is like these pieces. A run of pieces without `*` is best found as early as can be, and
/// the last run at the very end.
fn floating(text: &[u8], pieces: &[Piece]) -> bool {
    let mut rest = text;
    let mut runs = pieces.split(|piece| *piece == Piece::Any).peekable();
    while let Some(run) = runs.next() {
        let run = Run::of(run);
        if runs.peek().is_none() {
            return rest.len() >= run.0.len() && run.fits(&rest[rest.len() - run.0.len()..]);
        }
        let Some(at) = (0..=rest.len()).find(|at| run.fits(&rest[*at..])) else { return false };
        rest = &rest[at + run.0.len()..];
    }
    true
}

/// Bytes, and places where any byte may be.
struct Run(Vec<Option<u8>>);

impl Run {
    fn of(pieces: &[Piece]) -> Self {
        let mut run = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => run.extend(raw::bytes(text).iter().copied().map(Some)),
                Piece::One | Piece::Any => run.push(None),
            }
        }
        Run(run)
    }

    fn fits(&self, text: &[u8]) -> bool {
        let same = |(sought, byte): (&Option<u8>, &u8)| sought.is_none_or(|sought| sought == *byte);
        text.len() >= self.0.len() && self.0.iter().zip(text).all(same)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn a_star_is_any_text_and_parts_do_not_overlap() {
        let like = |text: &str, glob: &str| Glob::parse(glob).unwrap().matches(text);
        assert!(like("/tmp/a/b", "/tmp/*") && like("/tmp/", "/tmp/*") && !like("/tmp", "/tmp/*"));
        assert!(like("aba", "a*a") && !like("a", "a*a"));
        assert!(like("x-y-z", "*-*-*") && !like("x-y", "*-*-*"));
        assert!(like("", "*") && like("a*"[..1].into(), "a"));
        assert!(like("/tmp/a\u{efff}", "/tmp/*\u{efff}") && !like("/tmp/a\u{effe}", "/tmp/*\u{efff}"));
        // The last byte of `ä` is found in it, as the kernel finds it.
        assert!(like("/tmp/ä", "*\u{efa4}") && like("xäx", "*\u{efa4}*"));
        assert!(Glob::parse("a[b]").is_err());
    }

    #[test]
    fn a_question_mark_is_one_byte() {
        let like = |text: &str, glob: &str| Glob::parse(glob).unwrap().matches(text);
        assert!(like("abc", "a?c") && !like("ac", "a?c") && !like("abbc", "a?c"));
        assert!(like("ab", "*?") && !like("", "?*") && like("xab-ac", "*a?") && like("a1b2", "?1?*2"));
        assert!(like("/proc/12/mem", "/proc/*?/mem") && !like("/proc//mem", "/proc/*?/mem"));
        assert!(!like("ab", "a?b") && like("aab", "*a?b*") && !like("ab", "*a?b*"));
    }
}
