//! Probes that go on when their session has ended.
//!
//! ```text
//! /run/krsi-pins/        root's alone
//!   lock                 held while a pin is made or removed
//!   NAME/                a BPF file system of its own (mount.rs): links, maps, and the manifest (manifest.rs)
//! ```
//!
//! In: what an attached probe has in the kernel, or a pin's name. Out: the pin, there or not there as a whole. The links keep the
//! programs on their hooks; the maps are for whoever looks at the pin later; the manifest tells whose it is and where its words stand, so
//! that a pin of another version can be read and always be removed.
//!
//! What must never happen: that a part of a probe goes on without the rest, or that one goes on and nobody is shown it.

pub mod manifest;
mod mount;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use aya::{
    maps::{Map, MapData},
    util::nr_cpus,
};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use self::{manifest::Manifest, mount::Hidden};
use crate::{
    backend::check_pin_name,
    kernel::{
        KernelError, call,
        errno::chain,
        host,
        load::program::Link,
        maps::settings::Settings,
        sessions::{self, Keepers, Programs},
    },
    system::{clock, whole_file},
};

/// Where they are shown.
pub const PLACE: &str = "/run/krsi-pins";
const LOCK: &str = "lock";
const SETTINGS: &str = "map-krsi_settings";
const COUNTERS: &str = "map-krsi_counters";
/// Begins the files of links.
const LINK: &str = "link-";
/// The mode of a probe is the lowest byte of its word (`struct krsi_control` of the templates).
const OBSERVE: u64 = 0;
const SHADOW: u64 = 1;
const ENFORCES_FROM: u64 = 2;

/// Something of a probe's that is to be kept, and the name of its file.
pub type Kept<'k> = (String, BorrowedFd<'k>);

/// A pin that this process has made.
#[derive(Debug)]
pub struct Own {
    pub name: String,
    device: u64,
}

impl Own {
    /// Whether it is there still, and not another one under its name.
    pub fn is_there(&self) -> bool {
        let directory = directory(&self.name);
        let found = fs::symlink_metadata(&directory).is_ok_and(|found| found.dev() == self.device);
        // The manifest is asked for without opening it: a probe about that would see its own session.
        found && fs::symlink_metadata(directory.join(manifest::FILE)).is_ok()
    }

    /// Takes it away.
    ///
    /// # Errors
    /// If that cannot be done; then it is there still.
    pub fn take_away(&self) -> Result<(), KernelError> {
        let _lock = lock()?;
        if !self.is_there() {
            return Ok(());
        }
        mount::take_away(&directory(&self.name)).map_err(|error| failed(&self.name, &error))
    }
}

/// Keeps these things of a probe under a name: all of them, or (with an error) nothing.
///
/// # Errors
/// If there is a pin of this name, or the kernel does not keep something.
pub fn keep(name: &str, manifest: &Manifest, kept: &[Kept<'_>]) -> Result<Own, KernelError> {
    ready()?;
    let fail = |error: io::Error| failed(name, &error);
    let _lock = lock()?;
    let directory = directory(name);
    if mount::is_shown(&directory) {
        return Err(KernelError::Pin {
            name: name.to_owned(),
            reason: format!(
                "there is a pin of this name already\nfix: another name, or `krsi-sh pins show {name}` and `krsi-sh pins remove {name}`"
            ),
        });
    }
    let hidden = Hidden::new().map_err(fail)?;
    hidden.pin(manifest::write(manifest).map_err(fail)?.as_fd(), manifest::FILE).map_err(fail)?;
    for (file, object) in kept {
        hidden.pin(*object, file).map_err(fail)?;
    }
    // One that a process has left which was killed between this and the next step is as good.
    whole_file::private_directory(&directory).map_err(fail)?;
    match hidden.show(&directory) {
        Ok(device) => Ok(Own { name: name.to_owned(), device }),
        Err(error) => {
            let _ = fs::remove_dir(&directory);
            Err(fail(error))
        }
    }
}

/// Names the file of a link, of a program of this name; `number` tells several from each other.
pub fn link_file(program: &str, number: usize) -> String {
    if number == 0 { format!("{LINK}{program}") } else { format!("{LINK}{program}-{number}") }
}

/// Names the file of a map.
pub fn map_file(map: &str) -> String {
    format!("map-{map}")
}

/// One pin, as it is now.
pub struct Pin {
    pub name: String,
    /// What it says of itself, or why that is not known.
    pub manifest: Result<Manifest, String>,
    /// Links that it should have, and has not: somebody has removed their files.
    pub missing: Vec<String>,
    /// Ids of the programs that it keeps attached.
    pub programs: BTreeSet<u32>,
    settings: Option<Settings>,
}

/// Lists the pins by name. What is left of one that was never finished is none.
///
/// # Errors
/// Without the privilege to look, or from a mount namespace that does not show them.
pub fn list() -> Result<Vec<Pin>, KernelError> {
    ready()?;
    let entries = match fs::read_dir(PLACE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| host_error("list the pins", error))?,
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| check_pin_name(name).is_ok()).collect();
    names.sort();
    Ok(names.into_iter().filter_map(|name| read(&name, Links::Asked)).collect())
}

/// Opens one; `None` if there is none of this name.
///
/// # Errors
/// As [`list`].
pub fn find(name: &str) -> Result<Option<Pin>, KernelError> {
    ready()?;
    Ok(if check_pin_name(name).is_ok() { read(name, Links::Asked) } else { None })
}

/// The same without its programs: whoever opens a link holds it for that moment, and passes for a session that does.
///
/// # Errors
/// As [`list`].
pub fn glance(name: &str) -> Result<Option<Pin>, KernelError> {
    ready()?;
    Ok(if check_pin_name(name).is_ok() { read(name, Links::Left) } else { None })
}

/// Directories in which no pin is shown: what a process has left that was killed while it made or removed one. They keep nothing.
#[must_use]
pub fn leftovers() -> Vec<PathBuf> {
    let entries = fs::read_dir(PLACE).into_iter().flatten().flatten();
    let directories = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    directories.filter(|path| !mount::is_shown(path)).collect()
}

/// Removes those directories. Gives how many.
///
/// # Errors
/// If somebody makes or removes a pin for long.
pub fn clean() -> Result<usize, KernelError> {
    let _lock = lock()?;
    Ok(leftovers().iter().filter(|directory| fs::remove_dir(directory).is_ok()).count())
}

/// Whether links are opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Asked,
    Left,
}

fn read(name: &str, ask: Links) -> Option<Pin> {
    let directory = directory(name);
    if !mount::is_shown(&directory) {
        return None;
    }
    let unreadable = |error: &io::Error| format!("what it says of itself cannot be opened: {}", chain(error));
    let manifest = match mount::open(&directory.join(manifest::FILE)) {
        Ok(map) => manifest::read(&map),
        Err(error) => Err(unreadable(&error)),
    };
    let files = fs::read_dir(&directory).into_iter().flatten().flatten();
    let files: BTreeSet<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let links = files.iter().filter(|file| ask == Links::Asked && file.starts_with(LINK));
    let known = links.filter_map(|file| Link::of(&mount::open(&directory.join(file)).ok()?).ok());
    let programs = known.map(|link| link.program).collect();
    let wanted = manifest.as_ref().map(|manifest| &*manifest.links).unwrap_or_default();
    let missing = wanted.iter().filter(|file| !files.contains(*file)).cloned().collect();
    let size = manifest.as_ref().ok().map(|manifest| manifest.settings_size);
    let settings = settings(&directory, size);
    Some(Pin { name: name.to_owned(), manifest, missing, programs, settings })
}

/// Its words, mapped; those of another version by what its map says.
fn settings(directory: &Path, size: Option<usize>) -> Option<Settings> {
    let data = MapData::from_fd(mount::open(&directory.join(SETTINGS)).ok()?).ok()?;
    let whole = usize::try_from(data.info().ok()?.value_size()).ok()?;
    let size = size.unwrap_or(whole).min(whole);
    Settings::new(Map::from_map_data(data).ok()?, size).ok()
}

/// Whether it enforces, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Observes,
    Shadows,
    /// Nanoseconds that are left; `None`: for ever.
    Enforces(Option<u64>),
    /// Its lease has run out: it would enforce, and observes.
    Lapsed,
    /// Its breaker has tripped: the same.
    Tripped,
}

impl Pin {
    fn word(&self, word: impl Fn(&Manifest) -> usize) -> Option<u64> {
        let manifest = self.manifest.as_ref().ok()?;
        self.settings.as_ref()?.load(word(manifest)).ok()
    }

    /// What it does now; `None` if that cannot be told.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let mode = self.word(|manifest| manifest.control.mode)? & 0xff;
        if mode == OBSERVE {
            return Some(Standing::Observes);
        }
        if mode == SHADOW {
            return Some(Standing::Shadows);
        }
        let deadline = self.word(|manifest| manifest.control.lease_ns)?;
        let tripped = self.word(|manifest| manifest.control.tripped_ns)?;
        if tripped > self.word(|manifest| manifest.control.trip_from_ns)? {
            return Some(Standing::Tripped);
        }
        let now = clock::monotonic_ns().unsigned_abs();
        Some(match deadline {
            0 => Standing::Enforces(None),
            deadline if deadline > now => Standing::Enforces(Some(deadline - now)),
            _ => Standing::Lapsed,
        })
    }

    /// Makes it observe from the next decision on. Whoever holds the probe in a session notices, and lets it be.
    ///
    /// # Errors
    /// If its settings cannot be reached.
    pub fn observe(&self) -> Result<(), KernelError> {
        // Of every version the mode is the first word; `krsi-sh panic` relies on that, too.
        let at = self.manifest.as_ref().map_or(0, |manifest| manifest.control.mode);
        self.settings()?.store(at, OBSERVE)
    }

    /// Gives it the mode again that it was pinned in, and its lease from the beginning.
    ///
    /// # Errors
    /// If its settings cannot be reached, or what it says of itself cannot be read.
    pub fn resume(&self) -> Result<(), KernelError> {
        let manifest = self.known()?;
        if let Some(session) = self.sessions().keys().next() {
            return Err(KernelError::Pin {
                name: self.name.clone(),
                reason: format!(
                    "session {session} holds the probe as well, and puts back what others change\nfix: change its mode there, or end that session first"
                ),
            });
        }
        // Before the mode, so that it never enforces for longer than it may.
        self.renew()?;
        self.settings()?.store(manifest.control.trip_from_ns, clock::monotonic_ns().cast_unsigned())?;
        self.settings()?.store(manifest.control.mode, manifest.mode_word)
    }

    /// Begins its lease anew; nothing happens to one that needs none.
    ///
    /// # Errors
    /// As [`Self::resume`].
    pub fn renew(&self) -> Result<(), KernelError> {
        let manifest = self.known()?;
        let deadline = match manifest.lease.map(|lease| lease.lasts()) {
            None => return Ok(()),
            Some(None) => 0,
            Some(Some(lasts)) => {
                let lasts = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
                clock::monotonic_ns().unsigned_abs().saturating_add(lasts)
            }
        };
        self.settings()?.store(manifest.control.lease_ns, deadline)
    }

    /// The other sessions that have its programs attached as well.
    #[must_use]
    pub fn sessions(&self) -> Keepers {
        sessions::keepers(&self.programs.iter().map(|id| (*id, 0)).collect::<Programs>())
    }

    /// Whether it was pinned in a mode that enforces.
    #[must_use]
    pub fn was_pinned_enforcing(&self) -> bool {
        self.manifest.as_ref().is_ok_and(|manifest| manifest.mode_word & 0xff >= ENFORCES_FROM)
    }

    /// What it has counted, by name, as far as that can be read.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let counted = || {
            let manifest = self.manifest.as_ref().ok()?;
            let map = mount::open(&directory(&self.name).join(COUNTERS)).ok()?;
            let size = MapData::from_fd(map.try_clone().ok()?).ok()?.info().ok()?.value_size() as usize;
            let sums = sums(&map, size)?;
            let numbers = serde_json::to_value(manifest.counters).ok()?;
            let count = |name: &'static str| {
                let at = usize::try_from(numbers.get(name)?.as_u64()?).ok()?;
                Some((name, *sums.get(at)?))
            };
            Some(crate::template::CounterIndex::NAMES.iter().filter_map(|name| count(name)).collect())
        };
        counted().unwrap_or_default()
    }

    fn settings(&self) -> Result<&Settings, KernelError> {
        self.settings.as_ref().ok_or_else(|| KernelError::Pin {
            name: self.name.clone(),
            reason: "its settings cannot be reached: somebody has removed their file".into(),
        })
    }

    fn known(&self) -> Result<&Manifest, KernelError> {
        let refuse = |reason: &String| KernelError::Pin {
            name: self.name.clone(),
            reason: format!(
                "{reason}\nfix: the version that has pinned it, or `krsi-sh pins remove {}`",
                self.name
            ),
        };
        self.manifest.as_ref().map_err(refuse)
    }
}

/// The words of the one value of a per-CPU array, each summed over all processors.
fn sums(map: &OwnedFd, size: usize) -> Option<Vec<u64>> {
    let stride = size.next_multiple_of(8);
    let mut bytes = vec![0; stride * nr_cpus().ok()?];
    call::get(map, &0_u32.to_ne_bytes(), &mut bytes).ok()?;
    let mut sums = vec![0_u64; size / 8];
    for of_one in bytes.chunks_exact(stride) {
        for (sum, word) in sums.iter_mut().zip(of_one.chunks_exact(8)) {
            *sum = sum.wrapping_add(u64::from_ne_bytes(word.try_into().ok()?));
        }
    }
    Some(sums)
}

/// Removes a pin: it refuses nothing from here on, and leaves its hooks as soon as no session holds it. Gives the pin as it was; `None` if
/// there is none of this name.
///
/// # Errors
/// If the kernel does not take it away; then it is there, and only observes.
pub fn remove(name: &str) -> Result<Option<Pin>, KernelError> {
    ready()?;
    if check_pin_name(name).is_err() {
        return Ok(None);
    }
    // A process that is stopped in the midst of it keeps nobody from this.
    let _lock = lock();
    let Some(pin) = read(name, Links::Asked) else { return Ok(None) };
    // A session may hold it as well; then it only observes there. What cannot be reached goes all the same.
    let _ = pin.observe();
    mount::take_away(&directory(name)).map_err(|error| failed(name, &error))?;
    Ok(Some(pin))
}

fn directory(name: &str) -> PathBuf {
    Path::new(PLACE).join(name)
}

/// Held while a pin is made or removed. The kernel lets go of it however this process ends.
fn lock() -> Result<Flock<File>, KernelError> {
    const PATIENCE: Duration = Duration::from_secs(5);
    const PAUSE: Duration = Duration::from_millis(20);
    let begun = Instant::now();
    let place = Path::new(PLACE);
    let opened = whole_file::private_directory(place).and_then(|()| whole_file::open_own(&place.join(LOCK)));
    let mut file = opened.map_err(|error| host_error("open the directory of pins", error))?;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => return Ok(held),
            Err((again, Errno::EWOULDBLOCK)) if begun.elapsed() < PATIENCE => {
                file = again;
                thread::sleep(PAUSE);
            }
            Err((_, error)) => {
                return Err(host_error("wait for whoever makes or removes a pin", error.into()));
            }
        }
    }
}

/// Whether this process may look, and sees what there is.
fn ready() -> Result<(), KernelError> {
    host::check_privilege()?;
    check_mounts()?;
    clock::ask();
    Ok(())
}

/// A mount is shown in the mount namespaces that it was made for: a pin made in another one would end with that.
fn check_mounts() -> Result<(), KernelError> {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    match (of("self"), of("1")) {
        (Some(own), Some(first)) if own == first => Ok(()),
        _ => Err(KernelError::OtherMounts),
    }
}

fn failed(name: &str, error: &io::Error) -> KernelError {
    KernelError::Pin { name: name.to_owned(), reason: chain(error) }
}

fn host_error(what: &'static str, error: io::Error) -> KernelError {
    KernelError::Host { what: what.into(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_one_program_have_names_of_their_own() {
        assert_eq!(
            [link_file("exec_check", 0), link_file("exec_check", 2)],
            ["link-exec_check", "link-exec_check-2"]
        );
        assert_eq!(map_file("krsi_settings"), SETTINGS);
    }
}
