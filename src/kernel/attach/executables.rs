//! A scope by how the path of an executable begins or ends.
//!
//! Two tries, one of beginnings and one of ends (these last byte first), have the members of all such conditions. A lookup
//! finds the longest entry alone, so each entry also says what those say that it begins with.

use std::collections::{BTreeMap, BTreeSet};

use aya::maps::{LpmTrie, MapData, lpm_trie::Key};

use crate::{
    kernel::{
        KernelError,
        errno::chain,
        load::object::Object,
        maps::{full_of, take_used},
    },
    probe::scope::{Condition, Member, Scope},
    raw,
};

const PREFIXES: &str = "krsi_exe_prefixes";
const SUFFIXES: &str = "krsi_exe_suffixes";
/// Entries that each has room for, as the templates have it.
const ROOM: u32 = 16384;

/// `struct krsi_exe_key` of the templates, behind its `bits`.
type Text = [u8; 256];
type Table = LpmTrie<MapData, Text, u8>;

/// What the tables have, and which bits (`enum krsi_exe_of` of the templates) each entry has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entries(BTreeMap<(Side, Vec<u8>), u8>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Prefixes,
    Suffixes,
}

/// The parts of paths that a scope names.
#[derive(Default)]
pub struct Parts {
    members: BTreeSet<(Side, Vec<u8>, u8)>,
    written: Entries,
    prefixes: Option<Table>,
    suffixes: Option<Table>,
}

/// A condition's bit.
fn bit(condition: Condition) -> u8 {
    let own = if condition.kind.is_of_parents_path() { 4 } else { 1 };
    if condition.negated { 2 * own } else { own }
}

fn members(scope: &Scope) -> BTreeSet<(Side, Vec<u8>, u8)> {
    let asked = scope.conditions().filter(|(condition, _)| condition.kind.is_of_path());
    let all = asked.flat_map(|(condition, members)| {
        members.iter().filter_map(move |member| {
            let Member::Part(text) = member else { return None };
            let mut text = raw::bytes(text).into_owned();
            let side = if condition.kind.is_prefix() { Side::Prefixes } else { Side::Suffixes };
            if side == Side::Suffixes {
                text.reverse();
            }
            Some((side, text, bit(condition)))
        })
    });
    all.collect()
}

impl Entries {
    fn of<'m>(members: impl IntoIterator<Item = &'m (Side, Vec<u8>, u8)>) -> Self {
        let mut alone: BTreeMap<(Side, Vec<u8>), u8> = BTreeMap::new();
        for (side, text, bit) in members {
            *alone.entry((*side, text.clone())).or_default() |= bit;
        }
        let with_shorter = |(side, text): &(Side, Vec<u8>)| {
            let shorter = (1..=text.len()).map(|length| (*side, text[..length].to_vec()));
            shorter.filter_map(|one| alone.get(&one)).fold(0, |all, bits| all | bits)
        };
        Entries(alone.keys().map(|entry| (entry.clone(), with_shorter(entry))).collect())
    }
}

impl Parts {
    /// Takes them from a scope; nothing is in a table yet.
    pub fn new(scope: &Scope) -> Self {
        Parts { members: members(scope), ..Parts::default() }
    }

    /// Fills the tables.
    ///
    /// # Errors
    /// If there is none, or it has no room.
    pub fn apply(&mut self, object: &Object) -> Result<(), KernelError> {
        if self.members.is_empty() {
            return Ok(());
        }
        self.prefixes = open(object, PREFIXES)?;
        self.suffixes = open(object, SUFFIXES)?;
        self.write(Entries::of(&self.members))
    }

    /// Has the tables say what this scope names instead: what is new is added before what is gone is taken out.
    ///
    /// # Errors
    /// If a table has no room; then it says what it did before.
    pub fn replace(&mut self, scope: &Scope) -> Result<(), KernelError> {
        let wanted = members(scope);
        let former = self.written.clone();
        let both = Entries::of(self.members.union(&wanted));
        if let Err(error) = self.write(both) {
            // There was room for these.
            let _ = self.write(former);
            return Err(error);
        }
        self.write(Entries::of(&wanted))?;
        self.members = wanted;
        Ok(())
    }

    /// Looks whether another process has changed the tables, and puts that back; gives how many entries were put there, and how many
    /// taken out.
    ///
    /// # Errors
    /// If one cannot be read, or has no room.
    pub fn restore(&mut self) -> Result<(usize, usize), KernelError> {
        let (mut put, mut taken) = (0, 0);
        for (side, name, table) in
            [(Side::Prefixes, PREFIXES, &mut self.prefixes), (Side::Suffixes, SUFFIXES, &mut self.suffixes)]
        {
            let Some(table) = table else { continue };
            let unreadable = |error| full_of(name, &error, ROOM);
            let of_side = self.written.0.iter().filter(|((of, _), _)| *of == side);
            let wanted: BTreeMap<(u32, Text), u8> =
                of_side.map(|((_, text), bits)| (as_member(&key(text)), *bits)).collect();
            let mut found = BTreeMap::new();
            for entry in table.iter() {
                let (key, bits) = entry.map_err(unreadable)?;
                found.insert(as_member(&key), bits);
            }
            for ((bits, text), of) in wanted.iter().filter(|(member, of)| found.get(*member) != Some(*of)) {
                table.insert(&Key::new(*bits, *text), *of, 0).map_err(unreadable)?;
                taken += 1;
            }
            for (bits, text) in found.keys().filter(|member| !wanted.contains_key(*member)) {
                let _ = table.remove(&Key::new(*bits, *text));
                put += 1;
            }
        }
        Ok((put, taken))
    }

    /// Has the tables say this and nothing else. What was written is known also if that fails.
    fn write(&mut self, wanted: Entries) -> Result<(), KernelError> {
        for (entry, bits) in &wanted.0 {
            if self.written.0.get(entry) == Some(bits) {
                continue;
            }
            let (name, table) = self.table(entry.0)?;
            table.insert(&key(&entry.1), *bits, 0).map_err(|error| full_of(name, &error, ROOM))?;
            self.written.0.insert(entry.clone(), *bits);
        }
        let gone: Vec<_> =
            self.written.0.keys().filter(|entry| !wanted.0.contains_key(*entry)).cloned().collect();
        for entry in gone {
            let (name, table) = self.table(entry.0)?;
            table
                .remove(&key(&entry.1))
                .map_err(|error| KernelError::Table { table: name, reason: chain(&error) })?;
            self.written.0.remove(&entry);
        }
        Ok(())
    }

    fn table(&mut self, side: Side) -> Result<(&'static str, &mut Table), KernelError> {
        let (name, table) = match side {
            Side::Prefixes => (PREFIXES, &mut self.prefixes),
            Side::Suffixes => (SUFFIXES, &mut self.suffixes),
        };
        let none = || KernelError::Table { table: name, reason: "no program of the object uses it".into() };
        Ok((name, table.as_mut().ok_or_else(none)?))
    }
}

fn open(object: &Object, name: &'static str) -> Result<Option<Table>, KernelError> {
    let table = take_used(object, name)?.map(Table::try_from).transpose();
    table.map_err(|error| KernelError::Table { table: name, reason: chain(&error) })
}

fn as_member(key: &Key<Text>) -> (u32, Text) {
    (key.prefix_len(), key.data())
}

/// Longer texts than the table takes are none of a scope's.
fn key(text: &[u8]) -> Key<Text> {
    let mut data = [0; 256];
    let length = text.len().min(data.len());
    data[..length].copy_from_slice(&text[..length]);
    Key::new(u32::try_from(8 * length).unwrap_or(u32::MAX), data)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{probe::scope::Kind, template::shapes::Shapes};

    fn scope(value: serde_json::Value) -> Scope {
        Scope::parse(value.as_object().unwrap()).unwrap()
    }

    #[test]
    fn bits_and_keys_are_the_templates_own() {
        let shapes = Shapes::of("file_open");
        let of = |kind, negated| u64::from(bit(Condition { kind, negated }));
        let number = |name| shapes.number("krsi_exe_of", name);
        assert_eq!(of(Kind::ExePrefix, false), number("KRSI_EXE_OWN"));
        assert_eq!(of(Kind::ExeSuffix, true), number("KRSI_EXE_NOT_OWN"));
        assert_eq!(of(Kind::ParentExeSuffix, false), number("KRSI_EXE_PARENT"));
        assert_eq!(of(Kind::ParentExePrefix, true), number("KRSI_EXE_NOT_PARENT"));
        assert_eq!(size_of::<Text>() + 4, shapes.size("krsi_exe_key"));
    }

    #[test]
    fn an_entry_says_what_those_say_that_it_begins_with() {
        let scope = scope(json!({
            "exe_prefix": ["/usr/", "/opt/"], "not_exe_prefix": "/usr/bin/", "parent_exe_prefix": "/usr/bin/s",
            "exe_suffix": "sh", "not_exe_suffix": "/bash",
        }));
        let found = Entries::of(&members(&scope)).0;
        let entry = |side, text: &str| found[&(side, text.as_bytes().to_vec())];
        assert_eq!(entry(Side::Prefixes, "/usr/"), 1);
        assert_eq!(entry(Side::Prefixes, "/opt/"), 1);
        assert_eq!(entry(Side::Prefixes, "/usr/bin/"), 1 | 2);
        assert_eq!(entry(Side::Prefixes, "/usr/bin/s"), 1 | 2 | 4);
        assert_eq!(entry(Side::Suffixes, "hs"), 1);
        assert_eq!(entry(Side::Suffixes, "hsab/"), 1 | 2);
        assert_eq!(found.len(), 6);
    }
}
