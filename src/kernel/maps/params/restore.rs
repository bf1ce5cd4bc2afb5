//! What another process has put into the tables of params, or taken out of them.

use std::collections::BTreeSet;

use aya::{
    Pod,
    maps::{HashMap, LpmTrie, MapData, MapError, lpm_trie::Key},
};

use super::{LAST_NAMES, Table, Tables, bits_key, fixed, key};
use crate::kernel::{KernelError, maps::full};

/// A table of the kernel's, and how many entries another process has put there and taken out.
pub type Restored = (&'static str, usize, usize);

/// How many entries of a table that were, if it could be told.
type Changed = Result<(usize, usize), MapError>;

/// A table of single entries, each there or not.
trait Members {
    type Member: Ord + Clone;
    fn found(&self) -> Result<BTreeSet<Self::Member>, MapError>;
    fn put(&mut self, member: &Self::Member) -> Result<(), MapError>;
    fn take(&mut self, member: &Self::Member) -> Result<(), MapError>;
}

impl<const N: usize> Members for HashMap<MapData, [u8; N], u8>
where
    [u8; N]: Pod,
{
    type Member = [u8; N];

    fn found(&self) -> Result<BTreeSet<[u8; N]>, MapError> {
        self.keys().collect()
    }

    fn put(&mut self, member: &[u8; N]) -> Result<(), MapError> {
        self.insert(member, 1, 0)
    }

    fn take(&mut self, member: &[u8; N]) -> Result<(), MapError> {
        self.remove(member)
    }
}

impl<const N: usize> Members for LpmTrie<MapData, [u8; N], u8>
where
    [u8; N]: Pod,
{
    type Member = (u32, [u8; N]);

    fn found(&self) -> Result<BTreeSet<Self::Member>, MapError> {
        self.keys().map(|key| key.map(|key| (key.prefix_len(), key.data()))).collect()
    }

    fn put(&mut self, (bits, data): &Self::Member) -> Result<(), MapError> {
        self.insert(&Key::new(*bits, *data), 1, 0)
    }

    fn take(&mut self, (bits, data): &Self::Member) -> Result<(), MapError> {
        self.remove(&Key::new(*bits, *data))
    }
}

/// Makes a table what it is to be.
fn restore<M: Members>(table: &mut M, wanted: &BTreeSet<M::Member>) -> Changed {
    let found = table.found()?;
    if found == *wanted {
        return Ok((0, 0));
    }
    let (put, taken): (Vec<_>, Vec<_>) =
        (found.difference(wanted).cloned().collect(), wanted.difference(&found).cloned().collect());
    for member in &taken {
        table.put(member)?;
    }
    for member in &put {
        // One that has gone meanwhile is what is wanted.
        let _ = table.take(member);
    }
    Ok((put.len(), taken.len()))
}

fn as_member<const N: usize>(key: &Key<[u8; N]>) -> (u32, [u8; N])
where
    [u8; N]: Pod,
{
    (key.prefix_len(), key.data())
}

impl Tables {
    /// Looks whether another process has changed them, and puts that back.
    ///
    /// # Errors
    /// If one cannot be read, or has no room.
    pub fn restore(&mut self) -> Result<Vec<Restored>, KernelError> {
        let by_param = &self.by_param;
        let members = |table: Table| {
            let all = by_param.values().flat_map(|entries| &entries.members);
            all.filter(move |(of, _)| *of == table).map(|(_, member)| member.as_slice())
        };
        let mut done: Vec<(Table, Changed)> = Vec::new();
        if let Some(table) = &mut self.inodes {
            done.push((Table::Inodes, restore(table, &members(Table::Inodes).map(fixed).collect())));
        }
        for (kind, table) in [
            (Table::Prefixes, &mut self.prefixes),
            (Table::Suffixes, &mut self.suffixes),
            (Table::Names, &mut self.names),
        ] {
            if let Some(table) = table {
                let wanted = members(kind).map(|member| as_member(&key(member))).collect();
                done.push((kind, restore(table, &wanted)));
            }
        }
        if let Some(table) = &mut self.networks {
            let wanted = members(Table::Networks).map(|member| as_member(&bits_key(member))).collect();
            done.push((Table::Networks, restore(table, &wanted)));
        }
        if let Some(table) = &mut self.ports {
            let wanted = members(Table::Ports).map(|member| as_member(&bits_key(member))).collect();
            done.push((Table::Ports, restore(table, &wanted)));
        }
        let mut restored = Vec::new();
        for (table, outcome) in done {
            let (put, taken) = outcome.map_err(|error| full(table.name(), &error))?;
            if put + taken > 0 {
                restored.push((table.name(), put, taken));
            }
        }
        if let Some(names) = &mut self.last_names {
            let changed = names.restore()?;
            if changed > 0 {
                restored.push((LAST_NAMES, changed, changed));
            }
        }
        if let Some(variables) = &mut self.variables {
            let changed = variables.restore()?;
            if changed > 0 {
                restored.push((Table::Variables.name(), changed, changed));
            }
        }
        Ok(restored)
    }
}
