//! The tables that params and scope fill: hashes and tries shared by all the
//! probe's hooks.
//!
//! A param is replaced by adding what is new and then removing what is gone, so
//! at no moment is there less than old and new have in common.

mod restore;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use aya::maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, lpm_trie::Key};

use crate::{
    backend::Followed,
    kernel::{
        KernelError,
        errno::chain,
        load::object::Object,
        maps::{full, full_of, take, take_used},
        names::{
            files::{Change, NamedFile, was_moved},
            identity,
            iterators::Iterators,
            links::{prefix_with_links_followed, with_links_followed},
        },
    },
    probe::ParamValue,
    raw,
    template::{Param, ParamKind},
    values::{Network, Ports},
};

/// `LPM_DATA_SIZE_MAX` of the kernel (kernel/bpf/lpm_trie.c).
const KEY_SIZE: usize = 256;

type Inode = [u8; 16];
type Text = [u8; KEY_SIZE];
/// `struct variable_name` of the template.
type Variable = [u8; 48];
/// `struct krsi_network` of the templates, behind its `bits`.
type NetworkKey = [u8; 20];
/// `struct krsi_port` of the templates, behind its `bits`.
type PortKey = [u8; 4];

/// Of files, whose size depends on the probe.
pub const INODES: &str = "krsi_inodes";

/// A table of the kernel's that params fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Inodes,
    Prefixes,
    Suffixes,
    Variables,
    Networks,
    Ports,
    Names,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Table::Inodes => INODES,
            Table::Prefixes => "krsi_prefixes_table",
            Table::Suffixes => "krsi_suffixes_table",
            Table::Variables => "krsi_variables_table",
            Table::Networks => "krsi_networks_table",
            Table::Ports => "krsi_ports_table",
            Table::Names => "krsi_names_table",
        }
    }
}

/// What a param has put into the tables.
#[derive(Default)]
struct Entries {
    members: BTreeSet<(Table, Vec<u8>)>,
    /// What the members are made of, where a name may lead elsewhere later.
    named: Named,
}

/// Names whose meaning is looked at again and again.
#[derive(Default)]
enum Named {
    #[default]
    None,
    /// Their descriptors keep the inodes from being freed and their numbers from being reused.
    Files(Vec<NamedFile>),
    Prefixes(Vec<String>),
}

impl Named {
    fn members(&self) -> BTreeSet<(Table, Vec<u8>)> {
        match self {
            Named::None => BTreeSet::new(),
            Named::Files(files) => files.iter().flat_map(members_of_file).collect(),
            Named::Prefixes(prefixes) => {
                let followed = prefixes.iter().filter_map(|p| prefix_with_links_followed(p));
                let all = prefixes.iter().cloned().chain(followed.filter(|p| p.len() <= KEY_SIZE));
                all.map(|prefix| (Table::Prefixes, raw::bytes(&prefix).into_owned())).collect()
            }
        }
    }
}

/// The inodes behind the path, and what the kernel will call it.
fn members_of_file(file: &NamedFile) -> Vec<(Table, Vec<u8>)> {
    let identities = file.now.iter().chain(&file.previous);
    let mut members: Vec<_> = identities
        .map(|identity| (Table::Inodes, inode_key(identity.inode, identity.device).to_vec()))
        .collect();
    let followed = match &file.now {
        Some(identity) => Some(identity.resolved.clone()),
        None => with_links_followed(&file.path),
    };
    let paths = [Some(PathBuf::from(raw::os(&file.path))), followed];
    let whole = paths.iter().flatten().map(|path| whole(path.as_os_str().as_bytes()));
    members.extend(whole.filter(|path| path.len() <= KEY_SIZE).map(|path| (Table::Prefixes, path)));
    members
}

impl Entries {
    fn of(members: impl Iterator<Item = (Table, Vec<u8>)>) -> Self {
        Entries { members: members.collect(), named: Named::None }
    }

    fn named(named: Named) -> Self {
        Entries { members: named.members(), named }
    }
}

/// The tables of one probe; a template that has no param of a kind has no table of it.
pub struct Tables {
    inodes: Option<HashMap<MapData, Inode, u8>>,
    /// How many it has room for.
    inode_room: u32,
    prefixes: Option<LpmTrie<MapData, Text, u8>>,
    suffixes: Option<LpmTrie<MapData, Text, u8>>,
    variables: Option<Variables>,
    networks: Option<LpmTrie<MapData, NetworkKey, u8>>,
    ports: Option<LpmTrie<MapData, PortKey, u8>>,
    /// Texts, each behind the number of its param.
    names: Option<LpmTrie<MapData, Text, u8>>,
    last_names: Option<LastNames>,
    by_param: BTreeMap<String, Entries>,
}

impl Tables {
    pub fn new(object: &Object) -> Result<Self, KernelError> {
        Ok(Tables {
            inodes: open(object, Table::Inodes)?,
            inode_room: object.entries(INODES),
            prefixes: open(object, Table::Prefixes)?,
            suffixes: open(object, Table::Suffixes)?,
            variables: Variables::open(object)?,
            networks: open(object, Table::Networks)?,
            ports: open(object, Table::Ports)?,
            names: open(object, Table::Names)?,
            last_names: LastNames::open(object)?,
            by_param: BTreeMap::new(),
        })
    }

    /// Puts a param's value into the tables and takes its previous value out.
    /// Gives the word that says what is in force.
    ///
    /// # Errors
    /// If a path cannot be looked up or a table is full; the previous value then still holds.
    pub fn set(
        &mut self,
        param: &Param,
        value: Option<&ParamValue>,
        iterators: &Iterators,
    ) -> Result<u64, KernelError> {
        let (entries, word) = match value {
            None => (Entries::default(), 0),
            Some(ParamValue::Bits(bits)) => (Entries::default(), *bits),
            Some(ParamValue::Flag(flag)) => (Entries::default(), u64::from(*flag)),
            Some(ParamValue::Texts(texts)) => (entries(param, texts, iterators)?, word(&param.kind, texts)),
            Some(ParamValue::Networks(networks)) => {
                let members = networks.iter().map(|n| (Table::Networks, network_key(&param.kind, n)));
                (Entries::of(members), 1)
            }
            Some(ParamValue::Ports(ports)) => {
                let prefixes = ports.iter().flat_map(Ports::prefixes);
                (Entries::of(prefixes.map(|prefix| (Table::Ports, port_key(prefix)))), 1)
            }
        };
        self.tell_names(&entries.members)?;
        // What is there already stays: of thousands one may be new.
        let known = self.by_param.get(&param.name).map(|previous| &previous.members);
        let is_new = |member: &&(Table, Vec<u8>)| known.is_none_or(|known| !known.contains(*member));
        let fresh: Vec<_> = entries.members.iter().filter(is_new).cloned().collect();
        for (table, member) in &fresh {
            if let Err(error) = self.insert(*table, member) {
                self.remove_unheld(&entries);
                self.tell_names(&BTreeSet::new())?;
                return Err(error);
            }
        }
        let previous = self.by_param.insert(param.name.clone(), entries);
        if let Some(previous) = previous {
            self.remove_unheld(&previous);
        }
        self.tell_names(&BTreeSet::new())?;
        Ok(word)
    }

    /// Looks whether the names mean something else now, and if so has the tables say it: what is new is added
    /// before what is gone is taken out. Gives what has changed, a sentence each.
    ///
    /// # Errors
    /// If a file cannot be looked at, or a table is full.
    pub fn follow(&mut self, iterators: &Iterators) -> Result<Vec<Followed>, KernelError> {
        let mut events = Vec::new();
        let params: Vec<String> = self.by_param.keys().cloned().collect();
        for param in params {
            let Some(mut entries) = self.by_param.remove(&param) else { continue };
            let seen = match &mut entries.named {
                Named::None => Ok(Vec::new()),
                Named::Prefixes(_) => Ok(Vec::new()),
                Named::Files(files) => follow_files(files, &param, iterators),
            };
            let wanted = entries.named.members();
            let settled = if matches!(entries.named, Named::None) || wanted == entries.members {
                Ok(())
            } else {
                self.exchange(&mut entries, wanted)
            };
            self.by_param.insert(param, entries);
            events.extend(seen?);
            settled?;
        }
        Ok(events)
    }

    /// Puts these members into the tables, and takes out those that were there before and are not among them.
    fn exchange(
        &mut self,
        entries: &mut Entries,
        wanted: BTreeSet<(Table, Vec<u8>)>,
    ) -> Result<(), KernelError> {
        // More than what is meant does no harm: what has such a name is looked at.
        self.tell_names(&wanted.union(&entries.members).cloned().collect())?;
        for (table, member) in wanted.difference(&entries.members) {
            self.insert(*table, member)?;
        }
        let gone: Vec<_> = entries.members.difference(&wanted).cloned().collect();
        entries.members = wanted;
        self.remove_unheld(&Entries::of(gone.into_iter()));
        Ok(())
    }

    /// Tells the kernel's side the last names of all whole paths, those of `also` included.
    fn tell_names(&mut self, also: &BTreeSet<(Table, Vec<u8>)>) -> Result<(), KernelError> {
        let Some(names) = &mut self.last_names else { return Ok(()) };
        let members = self.by_param.values().flat_map(|entries| &entries.members).chain(also);
        let paths = members.filter(|(table, _)| *table == Table::Prefixes).map(|(_, member)| &**member);
        names.tell(paths.filter_map(|member| member.strip_suffix(&[0])))
    }

    /// Whether there are names among the params.
    pub fn follows(&self) -> bool {
        self.by_param.values().any(|entries| !matches!(entries.named, Named::None))
    }

    /// What a name of these params means here that its text does not say: a sentence each.
    pub fn remarks(&self, about: impl Fn(&str) -> bool) -> Vec<String> {
        let of = |(param, entries): (&String, &Entries)| match &entries.named {
            Named::None => Vec::new(),
            Named::Files(files) => {
                files.iter().filter_map(|file| remark(param, file)).take(MOST_REMARKS).collect()
            }
            Named::Prefixes(prefixes) => {
                prefixes.iter().filter_map(|p| prefix_remark(param, p)).take(MOST_REMARKS).collect()
            }
        };
        self.by_param.iter().filter(|(param, _)| about(param)).flat_map(of).collect()
    }

    fn insert(&mut self, table: Table, member: &[u8]) -> Result<(), KernelError> {
        if table == Table::Variables {
            return self.variables.as_mut().map_or_else(|| Err(none(table)), |v| v.insert(member));
        }
        let done = match table {
            Table::Variables => None,
            Table::Inodes => self.inodes.as_mut().map(|t| t.insert(fixed(member), 1, 0)),
            Table::Prefixes => self.prefixes.as_mut().map(|t| t.insert(&key(member), 1, 0)),
            Table::Suffixes => self.suffixes.as_mut().map(|t| t.insert(&key(member), 1, 0)),
            Table::Networks => self.networks.as_mut().map(|t| t.insert(&bits_key(member), 1, 0)),
            Table::Ports => self.ports.as_mut().map(|t| t.insert(&bits_key(member), 1, 0)),
            Table::Names => self.names.as_mut().map(|t| t.insert(&key(member), 1, 0)),
        };
        match (done, table) {
            (Some(result), Table::Inodes) => result.map_err(|e| full_of(table.name(), &e, self.inode_room)),
            (Some(result), _) => result.map_err(|e| full(table.name(), &e)),
            (None, _) => Err(none(table)),
        }
    }

    /// Removes those of `gone` that no param holds. An entry that is not there any more is as good.
    fn remove_unheld(&mut self, gone: &Entries) {
        let held = |member: &_| self.by_param.values().any(|e| e.members.contains(member));
        let unheld: Vec<_> = gone.members.iter().filter(|m| !held(m)).collect();
        for (table, member) in unheld {
            let _ = match table {
                Table::Variables => {
                    if let Some(variables) = &mut self.variables {
                        variables.remove(member);
                    }
                    None
                }
                Table::Inodes => self.inodes.as_mut().map(|t| t.remove(&fixed(member))),
                Table::Prefixes => self.prefixes.as_mut().map(|t| t.remove(&key(member))),
                Table::Suffixes => self.suffixes.as_mut().map(|t| t.remove(&key(member))),
                Table::Networks => self.networks.as_mut().map(|t| t.remove(&bits_key(member))),
                Table::Ports => self.ports.as_mut().map(|t| t.remove(&bits_key(member))),
                Table::Names => self.names.as_mut().map(|t| t.remove(&key(member))),
            };
        }
    }
}

/// Of one param; a set may have thousands of members.
const MOST_REMARKS: usize = 5;
/// What a shell would take for a pattern.
const GLOB: [char; 3] = ['*', '?', '['];

fn remark(param: &str, file: &NamedFile) -> Option<String> {
    let path = &file.path;
    let Some(identity) = &file.now else {
        return Some(if path.contains(GLOB) {
            format!(
                "param `{param}`: there is no file {path:?}, and `*`, `?` and `[` stand for themselves here: use path_prefix, path_suffix, or `.when(|e| e.path.like({path:?}))`"
            )
        } else {
            format!(
                "param `{param}`: there is no file {path:?}, so it matches nothing; it is matched once it is made"
            )
        });
    };
    if identity.is_directory() {
        let below = format!("{}/", path.trim_end_matches('/'));
        return Some(format!(
            "param `{param}`: {path:?} is a directory, and means the directory itself and not what is in it: for that, path_prefix: {below:?}"
        ));
    }
    let resolved = identity.resolved.as_os_str();
    (resolved != path.as_str()).then(|| {
        format!("param `{param}`: {path:?} leads to {resolved:?} now, which is meant; a change is followed")
    })
}

fn prefix_remark(param: &str, prefix: &str) -> Option<String> {
    match prefix_with_links_followed(prefix) {
        Some(followed) if followed == prefix && prefix.contains(GLOB) => Some(format!(
            "param `{param}`: `*`, `?` and `[` stand for themselves in {prefix:?}: use `.when(|e| e.path.like(…))`"
        )),
        Some(followed) if followed == prefix => None,
        Some(followed) => Some(format!(
            "param `{param}`: the kernel calls {prefix:?} {followed:?}, which is meant; a change is followed"
        )),
        None => Some(format!(
            "param `{param}`: there is no directory for {prefix:?}, so it matches nothing; it is matched once there is one"
        )),
    }
}

fn follow_files(
    files: &mut [NamedFile],
    param: &str,
    iterators: &Iterators,
) -> Result<Vec<Followed>, KernelError> {
    for file in files.iter_mut() {
        file.retain_previous(was_moved);
    }
    let mut changed: Vec<_> = files.iter_mut().filter(|file| file.has_changed()).collect();
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<String> = changed.iter().map(|file| file.path.clone()).collect();
    let mut events = Vec::new();
    for (file, now) in changed.iter_mut().zip(identity::of_each(iterators, &paths)?) {
        let Some(change) = file.turn_to(now) else { continue };
        file.retain_previous(was_moved);
        let kept =
            if file.previous.is_empty() { "" } else { "; the former file is meant too, by whatever name" };
        let what = match change {
            Change::Gone => format!("is gone{kept}; the path is matched if it is created again"),
            Change::Made => "is there now, and is meant".to_owned(),
            Change::Replaced => format!("was replaced; the new file is meant{kept}"),
            Change::LeadsTo(path) => format!("leads to {path:?} now, which is meant{kept}"),
            Change::Forgotten => {
                "was replaced too often; the first of its former files is forgotten".to_owned()
            }
        };
        events.push(Followed::Follows(format!("param `{param}`: {:?} {what}", file.path)));
    }
    Ok(events)
}

/// Last names of the paths that `path` has, as bits of their hashes: what has none of these names is not looked at further.
struct LastNames {
    table: Array<MapData, u64>,
    /// What stands there.
    words: Vec<u64>,
}

impl LastNames {
    fn open(object: &Object) -> Result<Option<Self>, KernelError> {
        let Some(table) = take_used(object, LAST_NAMES)? else { return Ok(None) };
        let table = Array::try_from(table).map_err(|e| full(LAST_NAMES, &e))?;
        Ok(Some(LastNames { words: vec![0; NAME_WORDS], table }))
    }

    fn tell<'p>(&mut self, paths: impl Iterator<Item = &'p [u8]>) -> Result<(), KernelError> {
        let mut words = vec![0; NAME_WORDS];
        for path in paths {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let hash = name_hash(name) as usize;
            words[hash >> 6 & (NAME_WORDS - 1)] |= 1_u64 << (hash & 63);
        }
        for (index, (word, was)) in (0..).zip(words.iter().zip(&mut self.words)) {
            if word != was {
                self.table.set(index, *word, 0).map_err(|e| full(LAST_NAMES, &e))?;
                *was = *word;
            }
        }
        Ok(())
    }
}

impl LastNames {
    /// Puts back what another process has changed; gives how many words that were.
    fn restore(&mut self) -> Result<usize, KernelError> {
        let mut changed = 0;
        for (index, word) in (0..).zip(&self.words) {
            if self.table.get(&index, 0).map_err(|e| full(LAST_NAMES, &e))? != *word {
                self.table.set(index, *word, 0).map_err(|e| full(LAST_NAMES, &e))?;
                changed += 1;
            }
        }
        Ok(changed)
    }
}

const LAST_NAMES: &str = "krsi_path_names";
/// `KRSI_NAME_WORDS` of the templates.
const NAME_WORDS: usize = 512;

/// `krsi_name_hash` of the templates: of the length and the first 8 bytes.
fn name_hash(name: &[u8]) -> u32 {
    let mut first = [0; 8];
    let length = name.len().min(8);
    first[..length].copy_from_slice(&name[..length]);
    let mut hash = u64::from_le_bytes(first) ^ (name.len() as u64) << 56;
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ hash >> 31) as u32
}

/// The names of environment variables that are looked for, and which of the kernel's slots each has.
struct Variables {
    table: HashMap<MapData, Variable, u32>,
    names: Array<MapData, Variable>,
    slots: BTreeMap<Vec<u8>, u32>,
}

impl Variables {
    fn open(object: &Object) -> Result<Option<Self>, KernelError> {
        const NAMES: &str = "krsi_variable_names";
        let Some(table) = open(object, Table::Variables)? else { return Ok(None) };
        let names = take(object, NAMES)?;
        let names =
            Array::try_from(names).map_err(|e| KernelError::Table { table: NAMES, reason: chain(&e) })?;
        Ok(Some(Variables { table, names, slots: BTreeMap::new() }))
    }

    fn insert(&mut self, name: &[u8]) -> Result<(), KernelError> {
        let table = Table::Variables.name();
        if self.slots.contains_key(name) {
            return Ok(());
        }
        let limit = self.names.len();
        let slot = (0..limit)
            .find(|slot| !self.slots.values().any(|taken| taken == slot))
            .ok_or(KernelError::TableFull { table, limit })?;
        // Found before it is told: or an execution in between would call it unset.
        self.table.insert(fixed(name), slot, 0).map_err(|e| full(table, &e))?;
        self.names.set(slot, fixed(name), 0).map_err(|e| full(table, &e))?;
        self.slots.insert(name.to_vec(), slot);
        Ok(())
    }

    /// Puts back what another process has changed; gives how many entries that were.
    fn restore(&mut self) -> Result<usize, KernelError> {
        let table = Table::Variables.name();
        let unreadable = |e: MapError| full(table, &e);
        let wanted: BTreeMap<Variable, u32> =
            self.slots.iter().map(|(name, slot)| (fixed(name), *slot)).collect();
        let found = self.table.iter().collect::<Result<BTreeMap<_, _>, _>>().map_err(unreadable)?;
        let mut changed = 0;
        for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
            let _ = self.table.remove(name);
            changed += 1;
        }
        for (name, slot) in wanted.iter().filter(|(name, slot)| found.get(*name) != Some(slot)) {
            self.table.insert(name, slot, 0).map_err(unreadable)?;
            changed += 1;
        }
        for slot in 0..self.names.len() {
            let name = wanted.iter().find(|(_, taken)| **taken == slot).map_or(fixed(&[]), |(name, _)| *name);
            if self.names.get(&slot, 0).map_err(unreadable)? != name {
                self.names.set(slot, name, 0).map_err(unreadable)?;
                changed += 1;
            }
        }
        Ok(changed)
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(slot) = self.slots.remove(name) {
            let _ = self.names.set(slot, fixed(&[]), 0);
            let _ = self.table.remove(&fixed(name));
        }
    }
}

fn none(table: Table) -> KernelError {
    KernelError::Table { table: table.name(), reason: "the object has none".into() }
}

/// What says that a set is in force: of variables the first bytes of their names, so that most of an
/// environment need not be looked up.
pub fn word(kind: &ParamKind, texts: &[String]) -> u64 {
    match kind {
        ParamKind::Variables => texts
            .iter()
            .filter_map(|t| raw::bytes(t).first().copied())
            .fold(0, |word, byte| word | 1 << (byte & 63)),
        _ => 1,
    }
}

fn open<T: TryFrom<Map, Error = MapError>>(object: &Object, table: Table) -> Result<Option<T>, KernelError> {
    let open =
        |map| T::try_from(map).map_err(|e| KernelError::Table { table: table.name(), reason: chain(&e) });
    take_used(object, table.name())?.map(open).transpose()
}

fn entries(param: &Param, texts: &[String], iterators: &Iterators) -> Result<Entries, KernelError> {
    let bytes = || texts.iter().map(|text| raw::bytes(text));
    let name = |text: &[u8]| (Table::Names, [&[param.number], text].concat());
    let mut entries = Entries::default();
    match &param.kind {
        // A symbolic link's target is what the hook will call the file.
        ParamKind::Paths => {
            return Ok(Entries::named(Named::Files(NamedFile::of(iterators, texts)?)));
        }
        ParamKind::Prefixes => return Ok(Entries::named(Named::Prefixes(texts.to_vec()))),
        ParamKind::Suffixes => {
            let reversed = |text: Cow<'_, [u8]>| (Table::Suffixes, text.iter().rev().copied().collect());
            entries.members = bytes().map(reversed).collect();
        }
        ParamKind::Variables => {
            entries.members = bytes().map(|name| (Table::Variables, name.into_owned())).collect();
        }
        ParamKind::Names(_) => entries.members = bytes().map(|text| name(&whole(&text))).collect(),
        ParamKind::NamePrefixes(_) => entries.members = bytes().map(|text| name(&text)).collect(),
        // None of texts, or the filter has them.
        ParamKind::Asked(_)
        | ParamKind::Flags(_)
        | ParamKind::Flag
        | ParamKind::Networks
        | ParamKind::NotNetworks
        | ParamKind::Ports => {}
    }
    Ok(entries)
}

/// A whole text ends with its NUL, which no prefix has: both live in one trie.
fn whole(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    bytes.push(0);
    bytes
}

/// As a key of this width: zeros behind what is shorter.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    let length = bytes.len().min(N);
    key[..length].copy_from_slice(&bytes[..length]);
    key
}

/// `struct krsi_inode` of the templates.
fn inode_key(inode: u64, device: u32) -> Inode {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&inode.to_ne_bytes());
    key[8..12].copy_from_slice(&device.to_ne_bytes());
    key
}

/// How many bits of the key count, and the key.
fn network_key(kind: &ParamKind, network: &Network) -> Vec<u8> {
    const BEFORE: u8 = 32;
    let negated = u8::from(*kind == ParamKind::NotNetworks);
    let mut key = vec![BEFORE + network.common_bits(), negated, network.version(), 0, 0];
    key.extend(network.octets());
    key
}

/// The same of a prefix of ports.
fn port_key((port, bits): (u16, u8)) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    vec![bits, high, low, 0, 0]
}

/// What [`network_key`] and [`port_key`] have made.
fn bits_key<const N: usize>(member: &[u8]) -> Key<[u8; N]> {
    let (bits, bytes) = member.split_first().unwrap_or((&0, &[]));
    Key::new(u32::from(*bits), fixed(bytes))
}

fn key(text: &[u8]) -> Key<Text> {
    // At most 256 bytes, so it fits.
    Key::new(text.len().min(KEY_SIZE) as u32 * 8, fixed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_lengths_or_beginnings_have_other_hashes() {
        let hashes: BTreeSet<u32> = ["a", "aa", "passwd", "passwd-", "shadow", "12345678", "123456789", ""]
            .map(str::as_bytes)
            .map(name_hash)
            .into();
        assert_eq!(hashes.len(), 8);
        assert_eq!(
            name_hash(b"12345678x"),
            name_hash(b"12345678y"),
            "no more than the beginning is looked at"
        );
    }
    use crate::{
        probe::param::{LONGEST_TEXT, LONGEST_VARIABLE, MOST_VARIABLES},
        template::LONGEST_NAME,
        template::shapes::Shapes,
    };

    #[test]
    fn keys_lie_where_the_templates_have_them() {
        let shapes = Shapes::of("exec");
        assert_eq!(KEY_SIZE, shapes.length("krsi_key", "text"));
        assert_eq!(LONGEST_TEXT + 1, KEY_SIZE);
        assert_eq!(LONGEST_NAME + 3, KEY_SIZE);
        assert_eq!(size_of::<Variable>(), shapes.size("variable_name"));
        assert_eq!(LONGEST_VARIABLE + 1, size_of::<Variable>());
        assert_eq!(MOST_VARIABLES, shapes.length("search", "variables"));
        assert_eq!(size_of::<Inode>(), shapes.size("krsi_inode"));
        let key = inode_key(1, 2);
        assert_eq!(key[shapes.offset("krsi_inode", "inode")], 1);
        assert_eq!(key[shapes.offset("krsi_inode", "device")], 2);
    }

    /// An LPM trie's key begins with the number of bits, which aya writes.
    #[test]
    fn keys_of_networks_and_ports_lie_where_the_template_has_them() {
        const BITS: usize = 4;
        let shapes = Shapes::of("connect");
        let key = network_key(&ParamKind::NotNetworks, &Network::parse("10.0.0.0/8").unwrap());
        let at = |member: &str| key[1 + shapes.offset("krsi_network", member) - BITS];
        assert_eq!((at("negated"), at("version")), (1, 4));
        let address = 1 + shapes.offset("krsi_network", "address") - BITS;
        assert_eq!(key[address..].len(), shapes.length("krsi_network", "address"));
        assert_eq!(usize::from(key[0]), 8 * (shapes.offset("krsi_network", "address") - BITS + 12 + 1));
        assert_eq!(size_of::<NetworkKey>(), shapes.size("krsi_network") - BITS);

        let key = port_key((443, 16));
        let port = 1 + shapes.offset("krsi_port", "port") - BITS;
        assert_eq!(key[port..port + 2], [1, 187]);
        assert_eq!(size_of::<PortKey>(), shapes.size("krsi_port") - BITS);
    }
}
