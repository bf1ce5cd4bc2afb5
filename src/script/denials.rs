//! What a command was refused and why, in a file that the command can read: a person sees an alert, and the program that was refused only
//! an errno.
//!
//! In: events of probes that are about the command and nobody else. Out: a line for each that was refused, NDJSON, in a file whose path is in
//! the command's environment ([`VARIABLE`]). The file is bounded, the newest lines stay; what cannot be written is given up,
//! and nothing waits for a reader. It is read-only by its mode, and where the command is root it is the jail that keeps it from being written to.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use crate::{
    event::Event,
    probe::{Scope, scope},
    report::{event_json, line_json},
    system::places::Places,
    values::Errno,
};

/// What the path of the file is called in the command's environment.
pub const VARIABLE: &str = "KRSI_DENIALS";
/// Bytes that the file has at the most.
const MOST: usize = 1 << 20;
/// Bytes of the newest lines that stay when there are more.
const KEPT: usize = MOST / 2;
/// Others find a file by its name only, which they cannot list: it tells what somebody's command has tried.
const OF_DIRECTORY: u32 = 0o711;
const OF_FILE: u32 = 0o444;
/// Letters of a name that nobody guesses.
const LETTERS: usize = 24;
/// What the kernel may answer that is a refusal.
const REFUSALS: [&str; 2] = ["deny", "kill"];

/// The file, which goes with the session.
#[derive(Debug)]
pub struct Denials {
    file: NamedTempFile,
    lines: RefCell<Lines>,
    /// What the script says of the event that it is given now.
    said: RefCell<Said>,
    listens: Cell<bool>,
}

#[derive(Debug, Default)]
struct Said {
    why: Option<String>,
    fix: Option<String>,
}

/// What the file has.
#[derive(Debug, Default)]
struct Lines {
    newest: VecDeque<String>,
    bytes: usize,
    /// Lines that are not in it any more.
    gone: u64,
    /// Lines that could not be written, or not whole.
    torn: bool,
}

impl Denials {
    /// Makes the file, in the directory that the system has for it.
    ///
    /// # Errors
    /// If it cannot be made, or the directory is another user's.
    pub fn create() -> io::Result<Self> {
        Self::create_in(&Places::of_this_user().denials)
    }

    fn create_in(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(OF_DIRECTORY).create(directory)?;
        let found = fs::symlink_metadata(directory)?;
        let is_ours = found.uid() == nix::unistd::geteuid().as_raw();
        if !found.is_dir() || !is_ours || found.mode() & 0o022 != 0 {
            let text = format!("{} belongs to another user, or others may write to it", directory.display());
            return Err(io::Error::other(text));
        }
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix("").suffix(".ndjson").rand_bytes(LETTERS).tempfile_in(directory)?;
        file.as_file().set_permissions(Permissions::from_mode(OF_FILE))?;
        Ok(Denials { file, lines: RefCell::default(), said: RefCell::default(), listens: Cell::new(false) })
    }

    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.file.path().to_owned()
    }

    /// Whether an event is a refusal of what this process, or one that it has started, asked for.
    pub(super) fn concern(event: &Event, scope: &Scope, target: i32) -> bool {
        REFUSALS.contains(&event.text("verdict").as_str())
            && scope.conditions().any(|(condition, members)| {
                condition.kind == scope::Kind::Pid
                    && !condition.negated
                    && members.len() == 1
                    && members.contains(&scope::Member::Number(target.unsigned_abs()))
            })
    }

    /// From here on the script says something about one refusal.
    pub(super) fn listen(&self) {
        self.said.take();
        self.listens.set(true);
    }

    /// Hears why it was refused: the first that is said of it.
    pub(super) fn why(&self, text: &str) {
        if self.listens.get() {
            self.said.borrow_mut().why.get_or_insert_with(|| text.to_owned());
        }
    }

    /// Hears what can be done about it.
    pub(super) fn fix(&self, text: &str) {
        if self.listens.get() {
            self.said.borrow_mut().fix.get_or_insert_with(|| text.to_owned());
        }
    }

    /// Writes the line of the refusal that was spoken of.
    pub(super) fn tell(&self, rule: &str, event: &Event) {
        self.listens.set(false);
        let said = self.said.take();
        let line = line_json("denial", &fields(rule, event, said));
        let lines = &mut *self.lines.borrow_mut();
        // Nobody is left to tell if this fails, and the kernel's answer stands whatever becomes of it.
        let _ = lines.add(line + "\n", self.file.as_file());
    }
}

impl Lines {
    fn add(&mut self, line: String, mut file: &File) -> io::Result<()> {
        self.bytes += line.len();
        self.newest.push_back(line);
        if self.bytes <= MOST && !self.torn {
            let line = self.newest.back().map_or("", String::as_str);
            let written = file.write_all(line.as_bytes());
            self.torn = written.is_err();
            return written;
        }
        while self.bytes > KEPT
            && let Some(oldest) = self.newest.pop_front()
        {
            self.bytes -= oldest.len();
            self.gone += 1;
        }
        let mut fields = Map::new();
        fields.insert("lines".into(), self.gone.into());
        let mut text = line_json("denials_gone", &fields) + "\n";
        self.newest.iter().for_each(|line| text.push_str(line));
        self.torn = true;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        self.torn = false;
        Ok(())
    }
}

fn fields(rule: &str, event: &Event, Said { why, fix }: Said) -> Map<String, Value> {
    let mut all = event_json(event);
    let mut fields = Map::new();
    let mut take = |from: &str, to: &str| {
        if let Some(value) = all.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    };
    take("time", "time");
    take("probe", "probe");
    for (from, to) in [("template", "operation"), ("verdict", "verdict"), ("pid", "pid"), ("comm", "comm")] {
        take(from, to);
    }
    let subject = event.template().subject().map_or("", |field| field.name.as_str());
    take(subject, "object");
    take("port", "port");
    let errno = event.number("errno").cast_signed();
    let name = Errno::from_number(errno).map_or_else(|_| errno.to_string(), |errno| errno.to_string());
    if errno != 0 {
        fields.insert("errno".into(), name.into());
    }
    fields.insert("rule".into(), rule.into());
    let why = why.unwrap_or_else(|| format!("probe `{}` of {rule} refuses it", event.probe()));
    fields.insert("why".into(), why.into());
    let fix = fix.unwrap_or_else(|| format!("leave it out, or ask the person who runs {rule} to allow it"));
    fields.insert("fix".into(), fix.into());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(denials: &Denials) -> String {
        fs::read_to_string(denials.path()).unwrap()
    }

    #[test]
    fn the_file_is_read_only_and_found_by_its_name_alone() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("a/denials");
        let denials = Denials::create_in(&place).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&place), mode(&denials.path())), (OF_DIRECTORY, OF_FILE));
        let path = denials.path();
        drop(denials);
        assert!(!path.exists());
        fs::set_permissions(&place, Permissions::from_mode(0o777)).unwrap();
        assert!(Denials::create_in(&place).unwrap_err().to_string().contains("others may write"));
    }

    #[test]
    fn it_is_bounded_and_the_newest_lines_stay_whole() {
        let directory = tempfile::tempdir().unwrap();
        let denials = Denials::create_in(directory.path()).unwrap();
        let line = |n: usize| format!("{{\"n\":{n},\"{}\":0}}\n", "x".repeat(1000));
        let count = 3 * MOST / line(0).len();
        for n in 0..count {
            denials.lines.borrow_mut().add(line(n), denials.file.as_file()).unwrap();
            assert!(fs::metadata(denials.path()).unwrap().len() <= MOST as u64 + 100, "{n}");
        }
        let text = text(&denials);
        let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(all[0]["type"], "denials_gone");
        let gone = all[0]["lines"].as_u64().unwrap();
        let kept: Vec<u64> = all[1..].iter().map(|line| line["n"].as_u64().unwrap()).collect();
        assert_eq!(kept, (gone..count as u64).collect::<Vec<_>>());
    }

    #[test]
    fn a_disk_that_is_full_tears_no_line_once_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let denials = Denials::create_in(directory.path()).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut lines = denials.lines.borrow_mut();
        assert!(lines.add("{\"n\":1}\n".into(), &full).is_err());
        lines.add("{\"n\":2}\n".into(), denials.file.as_file()).unwrap();
        let text = text(&denials);
        assert!(text.ends_with("{\"n\":1}\n{\"n\":2}\n"), "{text}");
    }
}
