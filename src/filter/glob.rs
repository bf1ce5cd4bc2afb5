//! A glob, as `like` takes it: `*` stands for any text, slashes too; everything else for itself.

use super::ir::Test;
use crate::raw;

/// A parsed glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Glob {
    /// Without a star.
    Exact(String),
    /// Begins, contains in this order, ends; without overlap.
    Parts { prefix: String, middle: Vec<String>, suffix: String },
}

/// Signs that other globs know and this one does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{sign}` has no meaning in a glob here; `*` stands for any text, everything else for itself")]
pub struct GlobError {
    pub sign: char,
}

impl Glob {
    /// # Errors
    /// If it has one of `? [ ] { } \` in it.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if let Some(sign) = text.chars().find(|c| "?[]{}\\".contains(*c)) {
            return Err(GlobError { sign });
        }
        let Some((prefix, rest)) = text.split_once('*') else { return Ok(Glob::Exact(text.to_owned())) };
        let (between, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle = between.split('*').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Ok(Glob::Parts { prefix: prefix.to_owned(), middle, suffix: suffix.to_owned() })
    }

    /// Its texts between the stars.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        let (first, rest) = match self {
            Glob::Exact(whole) => (whole, None),
            Glob::Parts { prefix, middle, suffix } => (prefix, Some(middle.iter().chain([suffix]))),
        };
        [first].into_iter().chain(rest.into_iter().flatten()).map(String::as_str)
    }

    /// The glob as tests of which all must hold, in this order; `None` if it has more than one part between stars.
    #[must_use]
    pub fn tests(&self) -> Option<Vec<Test>> {
        let bytes = |text: &str| raw::bytes(text).into_owned();
        let (prefix, middle, suffix) = match self {
            Glob::Exact(whole) => return Some(vec![Test::Equals(bytes(whole))]),
            Glob::Parts { prefix, middle, suffix } => (prefix, middle, suffix),
        };
        if middle.len() > 1 {
            return None;
        }
        let (from, until) = (raw::bytes(prefix).len(), raw::bytes(suffix).len());
        let mut tests = vec![Test::StartsWith(bytes(prefix))];
        if until > 0 {
            if from > 0 {
                tests.push(Test::Reaches(from + until));
            }
            tests.push(Test::EndsWith(bytes(suffix)));
        }
        if let Some(part) = middle.first() {
            tests.push(Test::containing(bytes(part), from, until));
        }
        if tests.len() > 1 && from == 0 {
            tests.remove(0);
        }
        Some(tests)
    }

    /// Whether a text is like it. Bytes are compared ([`raw`]), as the kernel compares them.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text = raw::bytes(text);
        let (prefix, middle, suffix) = match self {
            Glob::Exact(whole) => return *text == *raw::bytes(whole),
            Glob::Parts { prefix, middle, suffix } => (raw::bytes(prefix), middle, raw::bytes(suffix)),
        };
        let Some(rest) = text.strip_prefix(&*prefix) else { return false };
        let Some(mut rest) = rest.strip_suffix(&*suffix) else { return false };
        for part in middle {
            let part = raw::bytes(part);
            let Some(found) = raw::find(rest, &part) else { return false };
            rest = &rest[found + part.len()..];
        }
        true
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
        assert!(Glob::parse("a?").is_err());
    }
}
