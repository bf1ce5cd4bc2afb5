//! Files by a pattern, one at a time: a tree of any size is walked, and never held.
//!
//! A pattern is parted at its slashes. `*`, `?`, `[…]` and `{…,…}` stand for what they stand for in a shell, within one name;
//! `**` is any number of directories. Names that begin with a dot are like others. Links are not followed below the part of
//! the pattern that is plain.

use std::{
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use walkdir::{DirEntry, IntoIter, WalkDir};

use super::{
    FactError, Reader,
    error::is_missing,
    file::File,
    root::{Links, Root},
};
use crate::raw;

/// How a walk is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// It stays on the file system on which it begins.
    pub one_file_system: bool,
    /// What cannot be read is passed over, and is not an error.
    pub skip_unreadable: bool,
}

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The plain part at its beginning.
    base: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Glob(Vec<u8>),
    /// `**`.
    AnyDepth,
}

/// Places of a pattern at which a path may be, a bit each.
type Places = u64;
const MOST_PARTS: usize = 62;

impl Pattern {
    /// # Errors
    /// If it does not begin with `/`, or cannot be understood.
    pub fn parse(text: &str) -> Result<Self, FactError> {
        let refused = |why: &str| {
            let fault = format!(
                "`files`: the pattern {text:?} {why}; allowed: `/etc/**/*.conf`, with `*`, `?`, `[a-z]`, `{{a,b}}` in a name, and `**` for any directories"
            );
            FactError::script(fault, text)
        };
        if !text.starts_with('/') {
            return Err(refused("does not begin with `/`"));
        }
        if text.contains('\0') {
            return Err(refused("has a NUL byte in it"));
        }
        let mut pattern = Pattern { base: String::new(), parts: Vec::new() };
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part == ".." {
                return Err(refused("goes up by `..`"));
            }
            let is_plain = !part.contains(['*', '?', '[', '{', '\\']);
            if is_plain && pattern.parts.is_empty() {
                pattern.base.push('/');
                pattern.base.push_str(part);
                continue;
            }
            match part {
                // Two in a row are as good as one.
                "**" if pattern.parts.last() == Some(&Part::AnyDepth) => {}
                "**" => pattern.parts.push(Part::AnyDepth),
                _ if part.contains("**") => return Err(refused("has `**` in a name")),
                _ if !is_balanced(part) => {
                    return Err(refused("has a bracket that is not closed in its name"));
                }
                _ => {
                    // At the beginning of a pattern it would mean the opposite.
                    let escaped = part.strip_prefix('!').map(|rest| format!("\\!{rest}"));
                    pattern
                        .parts
                        .push(Part::Glob(raw::bytes(escaped.as_deref().unwrap_or(part)).into_owned()));
                }
            }
        }
        match pattern.parts.len() {
            ..=MOST_PARTS => Ok(pattern),
            _ => Err(refused("has more than 62 parts")),
        }
    }

    fn is_plain(&self) -> bool {
        self.parts.is_empty()
    }

    fn start(&self) -> Places {
        self.closed(1)
    }

    /// With the places behind each `**`, which may be nothing.
    fn closed(&self, places: Places) -> Places {
        let mut places = places;
        for (at, part) in self.parts.iter().enumerate() {
            if *part == Part::AnyDepth && places & 1 << at != 0 {
                places |= 1 << (at + 1);
            }
        }
        places
    }

    /// The places behind this name.
    fn after(&self, before: Places, name: &[u8]) -> Places {
        let mut places = 0;
        for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| before & 1 << at != 0) {
            places |= match part {
                Part::AnyDepth => 1 << at,
                Part::Glob(glob) if fast_glob::glob_match(glob, name) => 1 << (at + 1),
                Part::Glob(_) => 0,
            };
        }
        self.closed(places)
    }

    fn end(&self) -> Places {
        1 << self.parts.len()
    }
}

fn is_balanced(part: &str) -> bool {
    let (mut square, mut curly, mut escaped) = (false, 0_u32, false);
    for c in part.chars() {
        match c {
            _ if escaped => {
                escaped = false;
                continue;
            }
            '\\' => escaped = true,
            '[' => square = true,
            ']' => square = false,
            '{' if !square => curly += 1,
            '}' if !square => match curly.checked_sub(1) {
                Some(less) => curly = less,
                None => return false,
            },
            _ => {}
        }
    }
    !square && curly == 0 && !escaped
}

/// A walk that is under way.
pub struct Walk {
    pattern: Pattern,
    options: Options,
    /// `None` once it is over.
    entries: Option<IntoIter>,
    /// Where the plain part is on the running system.
    base: PathBuf,
    is_system: bool,
    /// Places behind the entries above, by depth.
    above: Vec<Places>,
}

impl Walk {
    /// Begins a walk.
    ///
    /// # Errors
    /// If the plain part of the pattern cannot be looked at.
    pub fn begin(root: &Root, pattern: Pattern, options: Options) -> Result<Self, FactError> {
        let base = if pattern.base.is_empty() { "/" } else { &pattern.base };
        // A pattern without signs is one file, and a link is one, too.
        let links = if pattern.is_plain() { Links::Kept } else { Links::Followed };
        let place = match root.locate(raw::os(base), links) {
            Ok(place) => place,
            Err(error) if is_missing(&error) => raw::os(base).into(),
            Err(error) => return Err(FactError::read(raw::os(base), &error)),
        };
        let depth = if pattern.is_plain() { 0 } else { usize::MAX };
        let entries = WalkDir::new(&place)
            .max_depth(depth)
            .follow_root_links(!pattern.is_plain())
            .same_file_system(options.one_file_system)
            .into_iter();
        let above = vec![pattern.start()];
        Ok(Walk { pattern, options, entries: Some(entries), base: place, is_system: root.is_system(), above })
    }

    /// Looks at one more entry: `None` at the end, `Some(Ok(None))` for one that does not fit.
    pub fn step(&mut self) -> Option<Result<Option<File>, FactError>> {
        match self.entries.as_mut()?.next() {
            Some(Ok(entry)) => Some(self.entry(&entry)),
            Some(Err(error)) => Some(self.error(&error).map(|()| None)),
            None => {
                self.entries = None;
                None
            }
        }
    }

    fn entry(&mut self, entry: &DirEntry) -> Result<Option<File>, FactError> {
        let depth = entry.depth();
        if depth > 0 {
            self.above.truncate(depth);
            let before = self.above.last().copied().unwrap_or_default();
            let places = self.pattern.after(before, entry.file_name().as_bytes());
            let leads_on = places & (self.pattern.end() - 1) != 0;
            if entry.file_type().is_dir()
                && !leads_on
                && let Some(entries) = &mut self.entries
            {
                entries.skip_current_dir();
            }
            self.above.push(places);
            if places & self.pattern.end() == 0 {
                return Ok(None);
            }
        } else if !self.pattern.is_plain() {
            return Ok(None);
        }
        // `metadata` of an entry that is a link at the root of the walk would follow it.
        match std::fs::symlink_metadata(entry.path()) {
            Ok(meta) => {
                let place = (!self.is_system).then(|| entry.path().to_owned());
                Ok(Some(File::new(self.shown(entry), place, meta)))
            }
            Err(error) => self.failed(entry.path(), &error).map(|()| None),
        }
    }

    /// Its path as the script knows it.
    fn shown(&self, entry: &DirEntry) -> String {
        let below = entry.path().strip_prefix(&self.base).unwrap_or(entry.path()).as_os_str();
        let base = &self.pattern.base;
        match below.is_empty() {
            true if base.is_empty() => "/".to_owned(),
            true => base.clone(),
            false => format!("{base}/{}", raw::text(&below.to_owned().into_vec())),
        }
    }

    fn error(&self, error: &walkdir::Error) -> Result<(), FactError> {
        match (error.io_error(), error.path()) {
            (Some(cause), path) => self.failed(path.unwrap_or(&self.base), cause),
            // A circle of links, and none is followed.
            (None, _) => Ok(()),
        }
    }

    fn failed(&self, path: &std::path::Path, error: &std::io::Error) -> Result<(), FactError> {
        // What is removed meanwhile is not there.
        if is_missing(error) || self.options.skip_unreadable {
            return Ok(());
        }
        let fault = FactError::read(path, error);
        Err(fault.advice("`files(pattern, #{ unreadable: \"skip\" })` passes over what cannot be read"))
    }
}

/// Returns the paths that fit a pattern, sorted: for the few of an `Include`.
///
/// # Errors
/// As the walk.
pub fn paths(reader: Reader<'_>, pattern: &str) -> Result<Vec<String>, FactError> {
    let mut walk = Walk::begin(reader.root(), Pattern::parse(pattern)?, Options::default())?;
    let mut found = Vec::new();
    while let Some(step) = walk.step() {
        reader.check()?;
        found.extend(step?.map(|file| file.path().to_owned()));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    fn made() -> MadeUp {
        let made = MadeUp::new(&[
            ("/a/one.conf", ""),
            ("/a/two.txt", ""),
            ("/a/.hidden.conf", ""),
            ("/a/b/three.conf", ""),
            ("/a/b/c/four.conf", ""),
            ("/a/b/c/!x", ""),
            ("/z/five.conf", ""),
            ("/a/b/na\nme.conf", ""),
        ]);
        made.link("/a/circle", "..");
        made.link("/a/z", "/z");
        made
    }

    #[test]
    fn patterns_find_what_they_say() {
        let made = made();
        let of = |pattern: &str| paths(made.reader(), pattern).unwrap();
        assert_eq!(of("/a/*.conf"), ["/a/.hidden.conf", "/a/one.conf"]);
        assert_eq!(
            of("/a/**/*.conf"),
            ["/a/.hidden.conf", "/a/b/c/four.conf", "/a/b/na\nme.conf", "/a/b/three.conf", "/a/one.conf"]
        );
        assert_eq!(of("/*/*/{three,four}.conf"), ["/a/b/three.conf"]);
        assert_eq!(of("/**/c/*"), ["/a/b/c/!x", "/a/b/c/four.conf"]);
        assert_eq!(of("/a/b/c/!*"), ["/a/b/c/!x"]);
        assert_eq!(of("/a/[ot]*.???"), ["/a/two.txt"]);
        assert_eq!(of("/a/one.conf"), ["/a/one.conf"]);
        assert_eq!(of("/a/circle"), ["/a/circle"]);
        assert_eq!(of("/a/z/*"), ["/a/z/five.conf"], "the plain part is followed");
        assert_eq!(of("/a/*/five.conf"), [""; 0], "links below are not");
        assert_eq!(of("/nowhere/**"), [""; 0]);
        assert_eq!(of("/a/one.conf/*"), [""; 0]);
        // Itself is not below itself.
        assert_eq!(of("/z/**"), ["/z/five.conf"]);
        assert_eq!(of("/**/**/five.conf"), ["/z/five.conf"]);
        for bad in ["a/*", "", "/a/[b", "/a/{b", "/a/*b}", "/a**", "/a/../b", "/\\"] {
            assert!(Pattern::parse(bad).unwrap_err().text.contains("allowed"), "{bad}");
        }
        assert!(Pattern::parse(&"/*".repeat(63)).is_err() && Pattern::parse(&"/*".repeat(62)).is_ok());
    }

    #[test]
    fn names_that_are_no_utf_8_and_deep_trees_are_walked() {
        let made = made();
        let mut deep = made.at("/deep");
        for _ in 0..300 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join(raw::os("x\u{efff}")), "").unwrap();
        assert_eq!(paths(made.reader(), "/deep/**").unwrap().len(), 301);
        assert!(paths(made.reader(), "/deep/**/x*").unwrap()[0].ends_with("/x\u{efff}"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_unless_it_is_to_be_passed_over() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root to become another user");
            return;
        }
        // As an ordinary user, in a process of its own: this one's user is every thread's.
        let made = made();
        fs::set_permissions(made.directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        fs::set_permissions(made.at("/a/b"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let root = made.facts.root.clone();
        let walked = move |options: Options| -> Result<usize, FactError> {
            let mut walk = Walk::begin(&root, Pattern::parse("/a/**")?, options)?;
            let mut count = 0;
            while let Some(step) = walk.step() {
                count += usize::from(step?.is_some());
            }
            Ok(count)
        };
        let (strict, lenient) = std::thread::spawn(move || {
            // SAFETY: the raw system call changes this thread alone, which ends here.
            let changed = unsafe { nix::libc::syscall(nix::libc::SYS_setresuid, 65534, 65534, 65534) };
            assert_eq!(changed, 0);
            (walked(Options::default()), walked(Options { skip_unreadable: true, ..Options::default() }))
        })
        .join()
        .unwrap();
        let error = strict.unwrap_err();
        assert!(error.text.contains("/a/b") && error.text.contains("may not read"), "{error:?}");
        assert!(error.advice.unwrap().contains("skip"));
        assert!(lenient.unwrap() >= 5);
    }

    #[test]
    fn what_is_found_is_what_find_finds() {
        let facts = Facts::default();
        let Some(said) = told("find", &["/usr/bin", "/usr/sbin", "-perm", "-4000", "-type", "f"]) else {
            return;
        };
        let mut said: Vec<_> = said.lines().collect();
        let mut walk =
            Walk::begin(&facts.root, Pattern::parse("/usr/{bin,sbin}/**").unwrap(), Options::default())
                .unwrap();
        let mut found = Vec::new();
        while let Some(step) = walk.step() {
            found.extend(
                step.unwrap()
                    .filter(|f| f.kind() == "file" && f.mode() & 0o4000 != 0)
                    .map(|f| f.path().to_owned()),
            );
        }
        said.sort_unstable();
        found.sort();
        assert_eq!(found, said);
        let all = told("find", &["/etc", "-name", "*.conf"]).unwrap();
        assert_eq!(paths(reader(&facts), "/etc/**/*.conf").unwrap().len(), all.lines().count());
    }

    #[test]
    fn a_walk_stays_on_its_file_system_if_it_is_told_to() {
        let facts = Facts::default();
        let count = |options: Options| {
            let mut walk = Walk::begin(&facts.root, Pattern::parse("/*/*").unwrap(), options).unwrap();
            std::iter::from_fn(|| walk.step())
                .filter(|step| {
                    step.as_ref()
                        .is_ok_and(|file| file.as_ref().is_some_and(|f| f.path().starts_with("/proc/")))
                })
                .count()
        };
        let skip = Options { skip_unreadable: true, ..Options::default() };
        assert_eq!(count(Options { one_file_system: true, ..skip }), 0);
        assert!(count(skip) > 0);
    }
}
