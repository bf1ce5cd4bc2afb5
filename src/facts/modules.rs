//! Loaded kernel modules: /proc/modules, and what /sys/module says of each.

use super::{FactError, Reader, error::if_there, record::record};

record! {
    /// One module.
    Module {
        /// Its name.
        name: String,
        /// Bytes in memory.
        size: u64,
        /// How many use it now; `()` for one that cannot be unloaded.
        users: Option<u64>,
        /// Modules that need it.
        used_by: Vec<String>,
        /// `live`, `loading` or `unloading`.
        state: String,
        /// Taint letters: `O` out of tree, `E` unsigned, `P` proprietary, `F` forced; empty for none.
        taint: String,
        /// Built outside of the kernel's sources.
        out_of_tree: bool,
        /// Without a valid signature.
        unsigned: bool,
    }
}

/// # Errors
/// If they cannot be read.
pub fn modules(reader: Reader<'_>) -> Result<Vec<Module>, FactError> {
    let path = "/proc/modules";
    match if_there(path, reader.root().text(path))? {
        Some(text) => Ok(text.lines().filter_map(|line| module(reader, line)).collect()),
        // A kernel without modules has no such file, but a system without /proc cannot tell.
        None if reader.root().has("/proc/sys") => Ok(Vec::new()),
        None => Err(FactError::system("cannot tell the loaded modules: /proc is not mounted")),
    }
}

/// `name size users used,by, State address (TAINT)`.
fn module(reader: Reader<'_>, line: &str) -> Option<Module> {
    let mut words = line.split_whitespace();
    let (name, size, users, used_by, state) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    // Before the address is known to all: what is in parentheses comes last, and /sys says it too.
    let shown = words.last().and_then(|last| last.strip_prefix('(')?.strip_suffix(')'));
    let taint = match shown {
        Some(letters) => letters.trim_end_matches(['+', '-']).to_owned(),
        None => reader.root().line(format!("/sys/module/{name}/taint")).unwrap_or_default(),
    };
    let by = used_by.split(',').filter(|name| !name.is_empty() && *name != "-" && !name.starts_with('['));
    Some(Module {
        name: name.to_owned(),
        size: size.parse().ok()?,
        users: users.parse().ok(),
        used_by: by.map(str::to_owned).collect(),
        state: state.to_lowercase(),
        out_of_tree: taint.contains('O'),
        unsigned: taint.contains('E'),
        taint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader},
    };

    #[test]
    fn modules_have_their_users_and_taints() {
        let made = MadeUp::new(&[
            (
                "/proc/modules",
                "nf_tables 303104 2 nft_ct,nft_log, Live 0x0000000000000000\nvbox 4096 - - Loading 0x0 (OE+)\nold 1 0 [permanent], Live 0x0\nbad\n",
            ),
            ("/sys/module/old/taint", "P\n"),
        ]);
        let found = modules(made.reader()).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].users, &*found[0].state), (Some(2), "live"));
        assert_eq!(found[0].used_by, ["nft_ct", "nft_log"]);
        assert_eq!(
            (found[1].users, &*found[1].taint, found[1].unsigned, found[1].out_of_tree),
            (None, "OE", true, true)
        );
        assert_eq!((&*found[2].taint, found[2].used_by.len()), ("P", 0));
    }

    #[test]
    fn no_modules_and_no_proc_are_different() {
        let facts = Facts::default();
        let here = std::fs::read_to_string("/proc/modules").unwrap_or_default();
        assert_eq!(modules(reader(&facts)).unwrap().len(), here.lines().count());
        let made = MadeUp::new(&[]);
        assert!(modules(made.reader()).unwrap_err().text.contains("/proc"));
        made.file("/proc/sys/kernel/osrelease", "x");
        assert!(modules(made.reader()).unwrap().is_empty());
    }
}
