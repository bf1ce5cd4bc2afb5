//! Names of addresses: where in the kernel, or in which file of a process, and in which function.
//!
//! The kernel's own are in /proc/kallsyms. A process's are found in two steps, since it may be gone by the
//! time somebody reads its stack: which file an address belongs to is looked up at once, while the process is
//! likely to be there (`locate`); the file's symbols are read when the name is asked for. This is the
//! only module that names the symboliser, which is given copies only ([`copy`]).

mod copy;
mod reader;

use std::{
    cell::RefCell,
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use blazesym::{
    MaybeDefault,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Elf, Kernel, Source},
    },
};
use procfs::process::{MMapPath, Process};

use self::{
    copy::{Copy, Identity},
    reader::{Answer, Reader},
};
use crate::{raw, system::namespaces};

/// An address in a process, and what was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAddress {
    pub address: u64,
    /// The mapped file, and the offset in it. None: memory of no file, or the process was gone.
    pub file: Option<(Arc<Path>, u64)>,
}

/// What the addresses of a process belong to, as long as it is there.
#[must_use]
pub fn locate(pid: u32, addresses: &[u64]) -> Vec<UserAddress> {
    // In a pid namespace of this shell's own another process has that id.
    let pid = i32::try_from(pid).ok().filter(|_| namespaces::process_ids().is_ok());
    let maps = pid.and_then(|pid| Process::new(pid).ok()?.maps().ok());
    let maps: Vec<_> = maps.into_iter().flatten().collect();
    let mut paths: HashMap<PathBuf, Arc<Path>> = HashMap::new();
    let mut file = |address: u64| {
        let map = maps.iter().find(|map| (map.address.0..map.address.1).contains(&address))?;
        let MMapPath::Path(path) = &map.pathname else { return None };
        let path = paths.entry(path.clone()).or_insert_with(|| path.as_path().into());
        Some((Arc::clone(path), address - map.address.0 + map.offset))
    };
    addresses.iter().map(|address| UserAddress { address: *address, file: file(*address) }).collect()
}

thread_local! {
    /// Whatever has been read once; it is not for several threads.
    static SYMBOLS: RefCell<Symbols> = RefCell::new(Symbols::new());
}

/// Copies that are kept; beyond that all are dropped, and those still in use are created again.
const KEPT: u64 = 128 << 20;
/// How long a path is taken to lead to the same file.
const FRESH: Duration = Duration::from_secs(1);

struct Symbols {
    symbolizer: Symbolizer,
    kernel: HashMap<u64, String>,
    libraries: HashMap<Arc<Path>, Library>,
    reader: Reader,
}

/// A file that addresses belong to.
struct Library {
    looked: Instant,
    /// What it was then; none if there is nothing to read names from.
    names: Option<Names>,
    /// It could not be read in time, and is not tried again.
    hopeless: bool,
}

struct Names {
    identity: Identity,
    copy: Copy,
    /// Its own, so that what it has parsed goes with it.
    symbolizer: Symbolizer,
}

fn symbolizer() -> Symbolizer {
    Symbolizer::builder().enable_code_info(false).enable_inlined_fns(false).build()
}

impl Library {
    fn looked_at(&mut self, path: &Path, reader: &mut Reader) {
        self.looked = Instant::now();
        match reader.read(path, self.names.as_ref().map(|names| names.identity)) {
            Answer::Same => {}
            Answer::New(identity, copy) => {
                self.names = Some(Names { identity, copy, symbolizer: symbolizer() });
            }
            Answer::Nothing => self.names = None,
            Answer::TooLate => (self.names, self.hopeless) = (None, true),
        }
    }

    fn name(&self, offset: u64) -> Option<String> {
        let names = self.names.as_ref()?;
        let mut elf = Elf::new(names.copy.path());
        elf.debug_syms = false;
        name(&names.symbolizer, &Source::Elf(elf), Input::FileOffset(&[offset]))
    }
}

/// `function+0x1f`, or nothing if it has no name.
fn name(symbolizer: &Symbolizer, source: &Source<'_>, input: Input<&[u64]>) -> Option<String> {
    match symbolizer.symbolize(source, input).ok()?.into_iter().next()? {
        Symbolized::Sym(symbol) => Some(format!("{}+{:#x}", symbol.name, symbol.offset)),
        Symbolized::Unknown(_) => None,
    }
}

impl Symbols {
    fn new() -> Self {
        Symbols {
            symbolizer: symbolizer(),
            kernel: HashMap::new(),
            libraries: HashMap::new(),
            reader: Reader::default(),
        }
    }

    fn kernel(&mut self, address: u64) -> String {
        if let Some(name) = self.kernel.get(&address) {
            return name.clone();
        }
        let source =
            Source::Kernel(Kernel { vmlinux: MaybeDefault::None, debug_syms: false, ..Kernel::default() });
        let name = name(&self.symbolizer, &source, Input::AbsAddr(&[address]))
            .unwrap_or_else(|| format!("{address:#x}"));
        self.kernel.insert(address, name.clone());
        name
    }

    fn user(&mut self, address: &UserAddress) -> String {
        let Some((path, offset)) = &address.file else { return format!("{:#x}", address.address) };
        match self.library(path).name(*offset) {
            Some(name) => format!("{name} ({})", raw::from_os(&**path)),
            None => format!("{offset:#x} ({})", raw::from_os(&**path)),
        }
    }

    fn library(&mut self, path: &Arc<Path>) -> &Library {
        let kept = |library: &Library| library.names.as_ref().map_or(0, |names| names.copy.bytes);
        if !self.libraries.contains_key(path)
            && (self.libraries.values().map(kept).sum::<u64>() > KEPT || self.libraries.len() > 4096)
        {
            self.libraries.retain(|_, library| library.hopeless);
        }
        let old = self.libraries.get(path).is_none_or(|it| !it.hopeless && it.looked.elapsed() > FRESH);
        let library = self.libraries.entry(Arc::clone(path)).or_insert_with(|| Library {
            looked: Instant::now(),
            names: None,
            hopeless: false,
        });
        if old {
            library.looked_at(path, &mut self.reader);
        }
        library
    }
}

/// A stack of the kernel's, innermost first, without the frames of the probe that took it.
///
/// Each is `function+0xOFFSET`, or an address if it has no name (or names are kept from this process).
#[must_use]
pub fn kernel(addresses: &[u64]) -> Vec<String> {
    let named: Vec<_> = SYMBOLS.with_borrow_mut(|symbols| {
        let live = addresses.iter().filter(|address| **address != 0);
        live.map(|address| symbols.kernel(*address)).collect()
    });
    // The program and its trampoline have names only if the kernel was told to give them some.
    let own = |name: &String| ["bpf_", "0x"].iter().any(|start| name.starts_with(start));
    let first = named.iter().position(|name| !own(name)).unwrap_or_default();
    named.into_iter().skip(first).collect()
}

/// A stack of a process's, innermost first; files are in the form of [`raw`].
///
/// Each is `function+0xOFFSET (FILE)`, `0xOFFSET (FILE)` where the file has no name for it, or an address.
#[must_use]
pub fn user(addresses: &[UserAddress]) -> Vec<String> {
    SYMBOLS.with_borrow_mut(|symbols| addresses.iter().map(|address| symbols.user(address)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::{
        process::{Child, Command},
        time::{Duration, Instant},
    };

    use object::{Object, ObjectSegment, ObjectSymbol};

    /// A process with a C library that tells its names, until this is dropped.
    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Where the library's code lies in the process, its offset in the file, and the file.
    fn library(pid: u32) -> (u64, u64, PathBuf) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let maps = Process::new(pid.cast_signed()).unwrap().maps().unwrap();
            for map in maps {
                if let MMapPath::Path(path) = &map.pathname
                    && path.to_string_lossy().contains("/libc.so")
                    && map.perms.contains(procfs::process::MMPermissions::EXECUTE)
                {
                    return (map.address.0, map.offset, path.clone());
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("`sleep` has no C library");
    }

    #[test]
    fn a_function_of_another_process_is_found_by_its_address() {
        let sleeper = Sleeper(Command::new("sleep").arg("60").spawn().unwrap());
        let pid = sleeper.0.id();
        let (start, mapped_from, path) = library(pid);
        let bytes = std::fs::read(&path).unwrap();
        let elf = object::File::parse(&*bytes).unwrap();
        let getpid = elf.dynamic_symbols().find(|symbol| symbol.name() == Ok("getpid")).unwrap().address();
        let segment = |s: &object::Segment<'_, '_>| (s.address()..s.address() + s.size()).contains(&getpid);
        let segment = elf.segments().find(segment).unwrap();
        let offset = getpid - segment.address() + segment.file_range().0;

        let located = locate(pid, &[start + (offset - mapped_from) + 1, 1]);
        assert_eq!(located[0].file, Some((path.as_path().into(), offset + 1)));
        assert_eq!(located[1].file, None);
        let names = user(&located);
        assert!(names[0].ends_with(&format!("getpid+0x1 ({})", path.display())), "{names:?}");
        assert_eq!(names[1], "0x1");
    }

    #[test]
    fn what_has_no_name_is_an_address() {
        assert_eq!(kernel(&[0x11, 0x12, 0, 0]), ["0x11", "0x12"]);
    }
}
