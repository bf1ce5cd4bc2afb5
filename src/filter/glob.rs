//! A glob, as `like` takes it: `*` stands for any text, slashes too; everything else for itself.

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
