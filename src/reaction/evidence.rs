//! What a process is, kept in a directory before it is gone: its executable, maps, descriptors, status, and its environment without values.
//!
//! In: a process. Out: a directory that only this user can read. Everything is read through one descriptor of `/proc/PID`, which is never another
//! process's, and written by names of our own into a directory that is new: nothing that the process can redirect is followed. What it can make slow
//! (memory or files that it serves itself) is read by a thread of its own, which is not waited for beyond its time.

use std::{
    collections::BTreeMap,
    fs::{DirBuilder, File},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::DirBuilderExt,
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{
    AtFlags, Dir, FsWord, Mode, OFlags, fstat, fstatfs, mkdirat, open, openat, readlinkat, unlinkat,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::process::this_one;
use crate::raw;

/// Bytes that are kept of each text of /proc.
const MOST_TEXT: u64 = 8 << 20;
const MOST_DESCRIPTORS: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(500);
/// `FUSE_SUPER_MAGIC` of linux/magic.h: a file that some process serves, which may be the suspect.
const FUSE: FsWord = 0x6573_5546;
const TEXTS: [&str; 9] =
    ["status", "stat", "cmdline", "maps", "limits", "cgroup", "mountinfo", "io", "loginuid"];
/// Variables of the environment whose values tell nothing that is secret. Besides: those that begin with `LD_`.
const SHOWN: [&str; 17] = [
    "HOME",
    "HOSTNAME",
    "LANG",
    "LOGNAME",
    "OLDPWD",
    "PATH",
    "PWD",
    "SHELL",
    "SHLVL",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "SUDO_UID",
    "SUDO_USER",
    "TERM",
    "TZ",
    "USER",
];

/// What is to be kept.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub pid: i32,
    /// Nanoseconds since boot, as events have it; it must be the very one then.
    pub start_ns: Option<u64>,
    /// Where directories of evidence are made.
    pub base: PathBuf,
    /// The new directory's name.
    pub name: String,
    /// Bytes that are copied of the executable.
    pub most: u64,
}

/// One file of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub size: u64,
    pub sha256: String,
    /// There was more.
    pub is_cut: bool,
}

/// A directory of evidence.
#[derive(Debug)]
pub struct Evidence {
    pub directory: PathBuf,
    pub files: BTreeMap<String, Kept>,
    /// What could not be kept, a sentence each.
    pub troubles: Vec<String>,
    base: OwnedFd,
    opened: OwnedFd,
    name: String,
}

#[derive(Debug, Default)]
struct Found {
    files: BTreeMap<String, Kept>,
    troubles: Vec<String>,
}

/// Keeps what there is of a process; `None` if it is gone. `wait` is called now and then, for whoever must not be idle for long.
///
/// # Errors
/// If no directory can be made.
pub fn keep(wanted: &Wanted, wait: &dyn Fn()) -> Result<Option<Evidence>, String> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    // Held before it is looked at: what it shows is never another process's.
    let Ok(process) = open(format!("/proc/{}", wanted.pid), flags, Mode::empty()) else { return Ok(None) };
    if this_one(wanted.pid, wanted.start_ns).is_none() {
        return Ok(None);
    }
    let base = opened_base(&wanted.base)?;
    let making = |error: rustix::io::Errno| {
        format!("cannot make the directory {:?} in {}: {error}", wanted.name, wanted.base.display())
    };
    mkdirat(&base, &*wanted.name, Mode::RWXU).map_err(making)?;
    let opened = openat(&base, &*wanted.name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(making)?;
    let found = Arc::new(Mutex::new(Found::default()));
    let (tell, told) = mpsc::channel();
    let into = opened.try_clone().map_err(|error| error.to_string())?;
    let (shared, most) = (Arc::clone(&found), wanted.most);
    let gathering = move || {
        gather(process.as_fd(), into.as_fd(), most, &shared);
        let _ = tell.send(());
    };
    thread::Builder::new()
        .name("krsi-evidence".into())
        .spawn(gathering)
        .map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let mut troubles = Vec::new();
    while told.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
        wait();
        if begun.elapsed() > PATIENCE {
            troubles.push(format!(
                "not all was read within {} s: the process may serve its own memory or files",
                PATIENCE.as_secs()
            ));
            break;
        }
    }
    // What a thread that is late finds from here on is not part of it.
    let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    troubles.splice(0..0, found.troubles);
    let directory = wanted.base.join(&wanted.name);
    let mut evidence =
        Evidence { directory, files: found.files, troubles, base, opened, name: wanted.name.clone() };
    evidence.describe(wanted)?;
    Ok(Some(evidence))
}

/// Opens the directory for directories, made if it is not there: nobody else may have a say in it.
fn opened_base(base: &Path) -> Result<OwnedFd, String> {
    let shown = base.display();
    if !base.is_absolute() {
        return Err(format!("evidence is kept in a directory with a whole path, and {shown} is none"));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(base)
        .map_err(|error| format!("cannot make the directory {shown}: {error}"))?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let opened = open(base, flags, Mode::empty())
        .map_err(|error| format!("cannot open the directory {shown}: {error}"))?;
    let stat = fstat(&opened).map_err(|error| format!("cannot look at the directory {shown}: {error}"))?;
    if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & 0o077 != 0 {
        return Err(format!(
            "others can look into the directory {shown}, or it is theirs (user id {}, mode {:04o})\nfix: chmod 700 {shown}, or name another directory",
            stat.st_uid,
            stat.st_mode & 0o7777
        ));
    }
    Ok(opened)
}

/// Reads everything; what was found so far can be had at any time.
fn gather(
    process: rustix::fd::BorrowedFd<'_>,
    into: rustix::fd::BorrowedFd<'_>,
    most: u64,
    found: &Mutex<Found>,
) {
    let note = |name: &str, kept: io::Result<Kept>| {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        match kept {
            Ok(kept) => drop(found.files.insert(name.to_owned(), kept)),
            Err(error) => found.troubles.push(format!("{name}: {error}")),
        }
    };
    // What the process may hold up goes last.
    note(
        "descriptors",
        descriptors(process).and_then(|text| written(into, "descriptors", &mut &*text, MOST_TEXT)),
    );
    note("links", written(into, "links", &mut links(process).as_bytes(), MOST_TEXT));
    note("exe", executable(process).and_then(|mut file| written(into, "exe", &mut file, most)));
    for name in TEXTS.into_iter().filter(|name| *name != "cmdline") {
        note(name, read(process, name).and_then(|mut file| written(into, name, &mut file, MOST_TEXT)));
    }
    note(
        "cmdline",
        read(process, "cmdline").and_then(|mut file| written(into, "cmdline", &mut file, MOST_TEXT)),
    );
    note(
        "environment",
        environment(process).and_then(|text| written(into, "environment", &mut text.as_bytes(), MOST_TEXT)),
    );
}

fn read(process: rustix::fd::BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(openat(process, name, flags, Mode::empty())?.into())
}

/// The file that it executes, by the process and not by a path.
fn executable(process: rustix::fd::BorrowedFd<'_>) -> io::Result<File> {
    let file = read(process, "exe")?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if fstatfs(&file)?.f_type == FUSE {
        return Err(io::Error::other(
            "it is not read: a process serves it (FUSE), which may be the one in question",
        ));
    }
    Ok(file)
}

/// Writes a new file of the directory.
fn written(into: rustix::fd::BorrowedFd<'_>, name: &str, from: &mut dyn Read, most: u64) -> io::Result<Kept> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(into, name, flags, Mode::RUSR | Mode::WUSR)?);
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    let mut is_cut = false;
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A process that has ended meanwhile: what was read before counts.
            Err(_) if size > 0 => {
                is_cut = true;
                break;
            }
            Err(error) => return Err(error),
        };
        let room = usize::try_from(most - size).unwrap_or(usize::MAX).min(length);
        file.write_all(&buffer[..room])?;
        digest.update(&buffer[..room]);
        size += room as u64;
        if room < length {
            is_cut = true;
            break;
        }
    }
    let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Kept { size, sha256, is_cut })
}

/// Where its descriptors lead, a line each.
fn descriptors(process: rustix::fd::BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let all = openat(process, "fd", flags, Mode::empty())?;
    let mut text = String::new();
    let mut count = 0;
    for entry in Dir::read_from(&all)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        count += 1;
        if count > MOST_DESCRIPTORS {
            text.push_str("… and more\n");
            break;
        }
        let leads = readlinkat(&all, &*name, Vec::new());
        let leads = leads.map_or_else(|error| format!("({error})"), |path| one_line(path.as_bytes()));
        text.push_str(&format!("{name} -> {leads}\n"));
    }
    Ok(text.into_bytes())
}

/// Its executable, directories and namespaces, by name.
fn links(process: rustix::fd::BorrowedFd<'_>) -> String {
    let names = [
        "exe",
        "cwd",
        "root",
        "ns/cgroup",
        "ns/ipc",
        "ns/mnt",
        "ns/net",
        "ns/pid",
        "ns/time",
        "ns/user",
        "ns/uts",
    ];
    let line = |name: &str| {
        let leads = readlinkat(process, name, Vec::new());
        let leads = leads.map_or_else(|error| format!("({error})"), |path| one_line(path.as_bytes()));
        format!("{name} -> {leads}\n")
    };
    names.into_iter().map(line).collect()
}

/// Names may have anything in them.
fn one_line(bytes: &[u8]) -> String {
    crate::raw::literal(&raw::text(bytes))
}

/// Its environment as it was at its start: names, and values only of what is no secret.
fn environment(process: rustix::fd::BorrowedFd<'_>) -> io::Result<String> {
    let mut bytes = Vec::new();
    read(process, "environ")?.take(MOST_TEXT).read_to_end(&mut bytes)?;
    Ok(redacted(&bytes))
}

fn redacted(bytes: &[u8]) -> String {
    let line = |variable: &[u8]| match variable.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            let (name, value) = (raw::text(&variable[..at]), &variable[at + 1..]);
            let shown = SHOWN.contains(&&*name) || name.starts_with("LD_");
            let value = if shown { one_line(value) } else { format!("[{} bytes]", value.len()) };
            let name =
                if name.len() <= 256 { crate::raw::literal(&name) } else { "[a long name]".to_owned() };
            format!("{}={value}\n", name.trim_matches('"'))
        }
        None => format!("[{} bytes without a name]\n", variable.len()),
    };
    bytes.split(|byte| *byte == 0).filter(|variable| !variable.is_empty()).map(line).collect()
}

impl Evidence {
    /// Writes what the directory has, into it.
    fn describe(&mut self, wanted: &Wanted) -> Result<(), String> {
        let files: serde_json::Map<_, _> = self
            .files
            .iter()
            .map(|(name, kept)| {
                (name.clone(), json!({ "size": kept.size, "sha256": kept.sha256, "cut": kept.is_cut }))
            })
            .collect();
        let told = json!({
            "pid": wanted.pid,
            "start_ns": wanted.start_ns,
            "time": jiff::Timestamp::now().to_string(),
            "files": files,
            "troubles": self.troubles,
        });
        let text = format!("{told:#}\n");
        let kept = written(self.opened.as_fd(), "evidence.json", &mut text.as_bytes(), u64::MAX);
        let kept = kept.map_err(|error| format!("cannot write evidence.json: {error}"))?;
        self.files.insert("evidence.json".to_owned(), kept);
        Ok(())
    }

    /// Removes the directory with what was put into it, and nothing else.
    ///
    /// # Errors
    /// If it has something else in it, or cannot be removed.
    pub fn discard(&self) -> Result<(), String> {
        for name in self.files.keys() {
            match unlinkat(&self.opened, &**name, AtFlags::empty()) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => {
                    return Err(format!("cannot remove {name:?} of {}: {error}", self.directory.display()));
                }
            }
        }
        match unlinkat(&self.base, &*self.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(format!("cannot remove {}: {error}", self.directory.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, process::Command};

    use super::*;
    use crate::system::clock::TICK_NS;

    fn wanted(pid: i32, base: &Path) -> Wanted {
        Wanted { pid, start_ns: None, base: base.to_owned(), name: "one".into(), most: 64 << 20 }
    }

    #[test]
    fn what_is_kept_is_the_processs_and_for_nobody_else() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path().join("evidence");
        let mut child = Command::new("sleep")
            .arg("60")
            .env("TOKEN", "secret-word")
            .env("LD_DEBUG", "no")
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        thread::sleep(Duration::from_millis(100));
        let start = procfs::process::Process::new(pid).unwrap().stat().unwrap().starttime * TICK_NS;
        let other = Wanted { start_ns: Some(start + 9 * TICK_NS), ..wanted(pid, &base) };
        assert!(keep(&other, &|| {}).unwrap().is_none());
        let evidence =
            keep(&Wanted { start_ns: Some(start), ..wanted(pid, &base) }, &|| {}).unwrap().unwrap();
        let at = |name: &str| evidence.directory.join(name);
        assert_eq!(fs::read(at("exe")).unwrap(), fs::read(format!("/proc/{pid}/exe")).unwrap());
        let mut sum = Sha256::new();
        sum.update(fs::read(at("exe")).unwrap());
        let sum: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(evidence.files["exe"].sha256, sum);
        let environment = fs::read_to_string(at("environment")).unwrap();
        assert!(
            environment.contains("TOKEN=[11 bytes]") && environment.contains("LD_DEBUG=\"no\""),
            "{environment}"
        );
        assert!(!environment.contains("secret-word"));
        assert!(fs::read_to_string(at("maps")).unwrap().contains("sleep"));
        assert!(fs::read_to_string(at("descriptors")).unwrap().contains("0 -> "));
        assert!(fs::read_to_string(at("evidence.json")).unwrap().contains(&sum));
        for (path, mode) in [(base.clone(), 0o700), (evidence.directory.clone(), 0o700), (at("exe"), 0o600)] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
        }
        assert!(keep(&wanted(pid, &base), &|| {}).unwrap_err().contains("cannot make the directory"));
        evidence.discard().unwrap();
        assert!(!evidence.directory.exists());
        let small = Wanted { most: 10, ..wanted(pid, &base) };
        let evidence = keep(&small, &|| {}).unwrap().unwrap();
        assert_eq!((evidence.files["exe"].size, evidence.files["exe"].is_cut), (10, true));
        fs::write(evidence.directory.join("mine"), "").unwrap();
        assert!(evidence.discard().unwrap_err().contains("cannot remove"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(keep(&wanted(pid, &base), &|| {}).unwrap().is_none());
    }

    #[test]
    fn a_directory_of_others_is_refused() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let own = std::process::id().cast_signed();
        let why = keep(&wanted(own, place.path()), &|| {}).unwrap_err();
        assert!(why.contains("others can look into"), "{why}");
        let link = place.path().join("link");
        std::os::unix::fs::symlink("/", &link).unwrap();
        assert!(keep(&wanted(own, &link), &|| {}).is_err());
    }

    #[test]
    fn an_environment_tells_no_secret() {
        let text = redacted(b"A=1\0PATH=/bin\0nothing\0B=\x1b[2J\0LD_PRELOAD=/x\n\0");
        assert_eq!(
            text,
            "A=[1 bytes]\nPATH=\"/bin\"\n[7 bytes without a name]\nB=[4 bytes]\nLD_PRELOAD=\"/x\\n\"\n"
        );
    }
}
