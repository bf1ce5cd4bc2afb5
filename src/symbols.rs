//! Names of addresses: where in the kernel, or in which file of a process, and in which function.
//!
//! The kernel's own are in /proc/kallsyms. A process's are found in two steps, since it may be gone by the
//! time somebody reads its stack: which file an address belongs to is looked up at once, while the process is
//! likely to be there (`locate`); the file's symbols are read when the name is asked for. This is the
//! only module that names the symboliser.

use std::{
    cell::RefCell,
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use blazesym::{
    MaybeDefault,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Elf, Kernel, Source},
    },
};
use procfs::process::{MMapPath, Process};

use crate::raw;

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
    let maps = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok()?.maps().ok());
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

struct Symbols {
    symbolizer: Symbolizer,
    kernel: HashMap<u64, String>,
}

impl Symbols {
    fn new() -> Self {
        let symbolizer = Symbolizer::builder().enable_code_info(false).enable_inlined_fns(false).build();
        Symbols { symbolizer, kernel: HashMap::new() }
    }

    /// `function+0x1f`, or nothing if it has no name.
    fn name(&self, source: &Source<'_>, input: Input<&[u64]>) -> Option<String> {
        match self.symbolizer.symbolize(source, input).ok()?.into_iter().next()? {
            Symbolized::Sym(symbol) => Some(format!("{}+{:#x}", symbol.name, symbol.offset)),
            Symbolized::Unknown(_) => None,
        }
    }

    fn kernel(&mut self, address: u64) -> String {
        if let Some(name) = self.kernel.get(&address) {
            return name.clone();
        }
        let source =
            Source::Kernel(Kernel { vmlinux: MaybeDefault::None, debug_syms: false, ..Kernel::default() });
        let name = self.name(&source, Input::AbsAddr(&[address])).unwrap_or_else(|| format!("{address:#x}"));
        self.kernel.insert(address, name.clone());
        name
    }

    fn user(&self, address: &UserAddress) -> String {
        let Some((path, offset)) = &address.file else { return format!("{:#x}", address.address) };
        let source = Source::Elf(Elf::new(&**path));
        match self.name(&source, Input::FileOffset(&[*offset])) {
            Some(name) => format!("{name} ({})", raw::from_os(&**path)),
            None => format!("{offset:#x} ({})", raw::from_os(&**path)),
        }
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
    SYMBOLS.with_borrow(|symbols| addresses.iter().map(|address| symbols.user(address)).collect())
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
