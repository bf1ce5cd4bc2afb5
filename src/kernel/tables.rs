//! The tables that params and scope fill: hashes and tries shared by all the
//! probe's hooks.
//!
//! A param is replaced by adding what is new and then removing what is gone, so
//! at no moment is there less than old and new have in common.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt,
};

use aya::{
    Btf, Pod,
    maps::{HashMap, LpmTrie, Map, MapData, MapError, lpm_trie::Key},
};

use super::{
    KernelError,
    identity::{Identities, Identity},
    load::chain,
};
use crate::{
    probe::ParamValue,
    template::{Param, ParamKind},
};

/// `LPM_DATA_SIZE_MAX` of the kernel (kernel/bpf/lpm_trie.c).
const KEY_SIZE: usize = 256;

type Inode = [u8; 16];
type Text = [u8; KEY_SIZE];

/// What a param has put into the tables.
#[derive(Default)]
struct Entries {
    inodes: BTreeSet<Inode>,
    prefixes: BTreeSet<Vec<u8>>,
    suffixes: BTreeSet<Vec<u8>>,
    /// Keeps the inodes from being freed and their numbers from being reused.
    _open: Vec<Identity>,
}

pub struct Tables {
    inodes: HashMap<MapData, Inode, u8>,
    prefixes: LpmTrie<MapData, Text, u8>,
    suffixes: LpmTrie<MapData, Text, u8>,
    by_param: BTreeMap<String, Entries>,
}

impl Tables {
    pub fn new(inodes: Map, prefixes: Map, suffixes: Map) -> Result<Self, KernelError> {
        let refuse = |table, e: &MapError| KernelError::Table { table, reason: chain(e) };
        Ok(Tables {
            inodes: HashMap::try_from(inodes).map_err(|e| refuse("krsi_inodes", &e))?,
            prefixes: LpmTrie::try_from(prefixes).map_err(|e| refuse("krsi_prefixes_table", &e))?,
            suffixes: LpmTrie::try_from(suffixes).map_err(|e| refuse("krsi_suffixes_table", &e))?,
            by_param: BTreeMap::new(),
        })
    }

    /// Puts a param's value into the tables and takes its former value out.
    /// Gives the word that says what is in force.
    ///
    /// # Errors
    /// If a path cannot be looked up or a table is full; the former value then still holds.
    pub fn set(
        &mut self,
        param: &Param,
        value: Option<&ParamValue>,
        identities: &Identities,
        btf: &Btf,
    ) -> Result<u64, KernelError> {
        let (entries, word) = match value {
            None => (Entries::default(), 0),
            Some(ParamValue::Bits(bits)) => (Entries::default(), *bits),
            Some(ParamValue::Flag(flag)) => (Entries::default(), u64::from(*flag)),
            Some(ParamValue::Texts(texts)) => (entries(&param.kind, texts, identities, btf)?, 1),
        };
        if let Err(error) = self.insert(&entries) {
            self.remove_unheld(&entries);
            return Err(error);
        }
        let former = self.by_param.insert(param.name.clone(), entries);
        if let Some(former) = former {
            self.remove_unheld(&former);
        }
        Ok(word)
    }

    fn insert(&mut self, entries: &Entries) -> Result<(), KernelError> {
        for inode in &entries.inodes {
            self.inodes.insert(inode, 1, 0).map_err(|e| full("krsi_inodes", &e))?;
        }
        for text in &entries.prefixes {
            self.prefixes.insert(&key(text), 1, 0).map_err(|e| full("krsi_prefixes_table", &e))?;
        }
        for text in &entries.suffixes {
            self.suffixes.insert(&key(text), 1, 0).map_err(|e| full("krsi_suffixes_table", &e))?;
        }
        Ok(())
    }

    /// Removes those of `gone` that no param holds. An entry that is not there any more is as good.
    fn remove_unheld(&mut self, gone: &Entries) {
        let held = |has: &dyn Fn(&Entries) -> bool| self.by_param.values().any(has);
        let inodes: Vec<_> = gone.inodes.iter().filter(|i| !held(&|e| e.inodes.contains(*i))).collect();
        let prefixes: Vec<_> = gone.prefixes.iter().filter(|t| !held(&|e| e.prefixes.contains(*t))).collect();
        let suffixes: Vec<_> = gone.suffixes.iter().filter(|t| !held(&|e| e.suffixes.contains(*t))).collect();
        for inode in inodes {
            let _ = self.inodes.remove(inode);
        }
        for text in prefixes {
            let _ = self.prefixes.remove(&key(text));
        }
        for text in suffixes {
            let _ = self.suffixes.remove(&key(text));
        }
    }
}

fn entries(
    kind: &ParamKind,
    texts: &[String],
    identities: &Identities,
    btf: &Btf,
) -> Result<Entries, KernelError> {
    let mut entries = Entries::default();
    match kind {
        ParamKind::Paths => {
            let found = identities.of(btf, texts)?;
            entries.inodes = found.iter().map(inode_key).collect();
            entries.prefixes = texts.iter().map(|t| whole_path(t.as_bytes())).collect();
            // A symbolic link's target is what the hook will call the file.
            let resolved = found.iter().map(|i| whole_path(i.resolved.as_os_str().as_bytes()));
            entries.prefixes.extend(resolved.filter(|path| path.len() <= KEY_SIZE));
            entries._open = found;
        }
        ParamKind::Prefixes => entries.prefixes = texts.iter().map(|t| t.as_bytes().to_vec()).collect(),
        ParamKind::Suffixes => {
            entries.suffixes = texts.iter().map(|t| t.bytes().rev().collect()).collect();
        }
        ParamKind::Flags(_) | ParamKind::Flag => {}
    }
    Ok(entries)
}

/// A whole path ends with its NUL, which no prefix has: both live in one trie.
fn whole_path(path: &[u8]) -> Vec<u8> {
    let mut bytes = path.to_vec();
    bytes.push(0);
    bytes
}

/// `struct krsi_inode` of the templates.
fn inode_key(identity: &Identity) -> Inode {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&identity.inode.to_ne_bytes());
    key[8..12].copy_from_slice(&identity.device.to_ne_bytes());
    key
}

fn key(text: &[u8]) -> Key<Text> {
    let mut data = [0; KEY_SIZE];
    let length = text.len().min(KEY_SIZE);
    data[..length].copy_from_slice(&text[..length]);
    // At most 256 bytes, so it fits.
    Key::new(length as u32 * 8, data)
}

pub fn full(table: &'static str, error: &MapError) -> KernelError {
    const LIMIT: u32 = 65536;
    let no_room = [nix::libc::ENOSPC, nix::libc::E2BIG];
    match error {
        MapError::SyscallError(failed)
            if failed.io_error.raw_os_error().is_some_and(|e| no_room.contains(&e)) =>
        {
            KernelError::TableFull { table, limit: LIMIT }
        }
        other => KernelError::Table { table, reason: chain(other) },
    }
}

/// Fills a plain set, such as the user ids of a scope.
///
/// # Errors
/// If the set is full.
pub fn fill<K: Pod>(
    map: Map,
    table: &'static str,
    members: impl IntoIterator<Item = K>,
) -> Result<(), KernelError> {
    let mut set: HashMap<MapData, K, u8> =
        HashMap::try_from(map).map_err(|e| KernelError::Table { table, reason: chain(&e) })?;
    for member in members {
        set.insert(member, 1, 0).map_err(|e| full(table, &e))?;
    }
    Ok(())
}
