//! The kernel's types, as far as they are asked for.
//!
//! In: `/sys/kernel/btf/vmlinux`, some 150 000 types in 5 MB, and the objects to be loaded. Out: a small section
//! with the types that the objects name, under numbers of its own (aya looks at every type
//! for each that an object relocates against, which costs hundreds of milliseconds on a slow machine); and the
//! kernel's numbers of what programs are attached to, since the kernel is told by them.
//!
//! What an object can name: structs, unions, enums and typedefs by its own types' names, and what its sections are
//! attached to. A wanted type brings along what it contains, but not what it points to: a
//! relocation never looks behind a pointer. (A relocation that asks for a type's number itself, `bpf_core_type_id_kernel`,
//! would get a wrong one; no template has any.)
//!
//! The format is Documentation/bpf/btf.rst. Whatever is not as it says there (a kind of a later
//! kernel, say) gives `None`, and the whole is used.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use object::{Object, ObjectSection};

use super::target::{Prototype, Target, asking_function};

/// What some objects name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Wanted {
    types: HashSet<Vec<u8>>,
    functions: HashSet<String>,
    tracepoints: HashSet<String>,
}

impl Wanted {
    /// Adds what an object names; nothing if it is none.
    pub fn add(&mut self, object: &[u8]) {
        let Ok(elf) = object::File::parse(object) else { return };
        for section in elf.sections() {
            let Ok(name) = section.name() else { continue };
            self.add_section(name);
            if name == ".BTF"
                && let Ok(data) = section.data()
                && let Some(types) = Types::parse(data)
            {
                let named = types.entries().filter(|entry| entry.is_named_type());
                self.types
                    .extend(named.filter_map(|entry| Some(flavourless(types.name(entry.name())?).to_vec())));
            }
        }
    }

    /// Adds functions that programs are to be attached to.
    pub fn add_functions<'f>(&mut self, names: impl IntoIterator<Item = &'f str>) {
        self.functions.extend(names.into_iter().map(str::to_owned));
    }

    /// Adds what templates name, as they say: types, and their programs' sections.
    pub fn add_names(&mut self, types: &BTreeSet<String>, sections: &BTreeSet<String>) {
        sections.iter().for_each(|section| self.add_section(section));
        let types = types.iter().map(|name| flavourless(name.as_bytes()).to_vec());
        self.types.extend(types);
    }

    fn add_section(&mut self, name: &str) {
        let Some((kind, target)) = name.split_once('/') else { return };
        match kind {
            "lsm" | "lsm.s" => {
                self.functions.insert(format!("bpf_lsm_{target}"));
                self.functions.insert(asking_function(target));
            }
            "iter" | "iter.s" => drop(self.functions.insert(format!("bpf_iter_{target}"))),
            "fentry" | "fexit" | "fmod_ret" => drop(self.functions.insert(target.into())),
            "tp_btf" => drop(self.tracepoints.insert(format!("btf_trace_{target}"))),
            _ => {}
        }
    }

    /// The kernel's functions that programs are attached to.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(String::as_str)
    }

    /// The types of the tracepoints that programs are attached to.
    pub fn tracepoints(&self) -> impl Iterator<Item = &str> {
        self.tracepoints.iter().map(String::as_str)
    }
}

/// Types named `struct file___5_11` are `struct file` of some kernels.
fn flavourless(name: &[u8]) -> &[u8] {
    name.windows(3).position(|window| window == b"___").map_or(name, |end| &name[..end])
}

/// All of the kernel's types.
pub struct Whole<'a> {
    types: Types<'a>,
    entries: Vec<Entry<'a>>,
}

impl<'a> Whole<'a> {
    /// `None` if they are not as the format says.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let types = Types::parse(data)?;
        let entries = types.all()?;
        Some(Whole { types, entries })
    }

    /// The types that objects name, and what these consist of, under numbers of their own; `None` if one is not as the
    /// format says.
    pub fn named(&self, wanted: &Wanted) -> Option<Vec<u8>> {
        let Whole { types, entries } = self;
        let mut kept = vec![false; entries.len() + 1];
        let mut waiting: Vec<u32> = Vec::new();
        let starts: Starts = wanted.types.iter().map(Vec::as_slice).collect();
        for (id, entry) in (1..).zip(entries) {
            if entry.is_named_type()
                && starts.may_have(types.string(entry.name())?)
                && wanted.types.contains(flavourless(types.name(entry.name())?))
            {
                waiting.push(id);
            }
        }
        while let Some(id) = waiting.pop() {
            let seen = kept.get_mut(usize::try_from(id).ok()?)?;
            // 0 is void.
            if id != 0 && !std::mem::replace(seen, true) {
                waiting.extend(entries.get(usize::try_from(id).ok()? - 1)?.contains());
            }
        }
        // Behind a pointer there is the blank one, which comes first.
        let (void, blank) = (0, 1);
        let numbers: HashMap<u32, u32> =
            (1..).zip(&kept[1..]).filter(|(_, kept)| **kept).map(|(id, _)| id).zip(blank + 1..).collect();
        let number = |id: u32| if id == 0 { void } else { numbers.get(&id).copied().unwrap_or(blank) };
        let mut copy = Copy::new(types);
        copy.types.extend(BLANK);
        for (entry, _) in entries.iter().zip(&kept[1..]).filter(|(_, kept)| **kept) {
            copy.entry(entry, number)?;
        }
        copy.finish()
    }

    /// The number of a function.
    pub fn function(&self, name: &str) -> Option<u32> {
        let is =
            |entry: &Entry<'_>| entry.kind() == kind::FUNC && self.types.is(entry.name(), name.as_bytes());
        (1..).zip(&self.entries).find(|(_, entry)| is(entry)).map(|(id, _)| id)
    }

    /// The numbers of structs, of each the first that has members.
    pub fn structs<const N: usize>(&self, names: &[&str; N]) -> [Option<u32>; N] {
        let mut found = [None; N];
        for (id, entry) in (1..).zip(&self.entries) {
            if entry.kind() != kind::STRUCT || entry.count() == 0 {
                continue;
            }
            if let Some(at) = names.iter().position(|name| self.types.is(entry.name(), name.as_bytes())) {
                found[at].get_or_insert(id);
            }
        }
        found
    }

    /// What programs are attached to, by name; `None` if a type is not as the format says.
    pub fn targets(&self, wanted: &Wanted) -> Option<HashMap<String, Target>> {
        let mut targets = HashMap::new();
        let names = wanted.functions.iter().chain(&wanted.tracepoints);
        let starts: Starts = names.map(String::as_bytes).collect();
        for (id, entry) in (1..).zip(&self.entries) {
            let list = match entry.kind() {
                kind::FUNC => &wanted.functions,
                kind::TYPEDEF => &wanted.tracepoints,
                _ => continue,
            };
            if !starts.may_have(self.types.string(entry.name())?) {
                continue;
            }
            let Ok(name) = std::str::from_utf8(self.types.name(entry.name())?) else { continue };
            if list.contains(name) {
                let target = || Target { number: id, prototype: self.prototype(entry) };
                targets.entry(name.to_owned()).or_insert_with(target);
            }
        }
        Some(targets)
    }

    /// What a function takes and gives; `None` of another type.
    fn prototype(&self, function: &Entry<'_>) -> Option<Prototype> {
        if function.kind() != kind::FUNC {
            return None;
        }
        let at = usize::try_from(function.number(8)).ok()?.checked_sub(1)?;
        let prototype = self.entries.get(at).filter(|entry| entry.kind() == kind::FUNC_PROTO)?;
        let arguments = u16::try_from(prototype.count()).ok()?;
        Some(Prototype { arguments, is_void: prototype.number(8) == 0 })
    }
}

/// How some names begin. Of the kernel's names, which are a hundred thousand, nearly all are told from these by that alone.
struct Starts(Vec<u64>);

impl Starts {
    const BITS: u32 = 16;

    /// Whether one of the names may stand at the beginning of these bytes, in which a name ends with a zero.
    fn may_have(&self, string: &[u8]) -> bool {
        let (word, bit) = Self::place(string);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn place(string: &[u8]) -> (usize, u64) {
        let start = string.iter().take(4).take_while(|byte| **byte != 0);
        let start = start.fold(0_u32, |start, byte| start << 8 | u32::from(*byte));
        // Fibonacci hashing: the golden ratio's share of 2^32.
        let place = start.wrapping_mul(0x9e37_79b9) >> (u32::BITS - Self::BITS);
        (place as usize / 64, 1 << (place % 64))
    }
}

impl<'n> FromIterator<&'n [u8]> for Starts {
    fn from_iter<T: IntoIterator<Item = &'n [u8]>>(names: T) -> Self {
        let mut bits = vec![0; (1 << Self::BITS) / 64];
        for name in names {
            let (word, bit) = Self::place(name);
            bits[word] |= bit;
        }
        Starts(bits)
    }
}

/// A forward declaration of a struct without a name.
const BLANK: [u8; Entry::HEAD] = {
    let mut blank = [0; Entry::HEAD];
    let info = (kind::FWD << 24).to_ne_bytes();
    (blank[4], blank[5], blank[6], blank[7]) = (info[0], info[1], info[2], info[3]);
    blank
};

mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// A section with a type more for each of these lengths: so many bytes, as a map's key. Gives the types' numbers, too; `None`
/// if the section is not as the format says.
pub fn with_byte_arrays(section: &[u8], lengths: &BTreeSet<u32>) -> Option<(Vec<u8>, BTreeMap<u32, u32>)> {
    if lengths.is_empty() {
        return Some((section.to_vec(), BTreeMap::new()));
    }
    let whole = Whole::parse(section)?;
    let int = |name: &str| {
        let is = |entry: &Entry<'_>| {
            entry.kind() == kind::INT && whole.types.name(entry.name()) == Some(name.as_bytes())
        };
        (1_u32..).zip(&whole.entries).find(|(_, entry)| is(entry)).map(|(id, _)| id)
    };
    let (byte, index) = (int("unsigned char")?, int("unsigned int")?);
    let mut types = whole.types.types.to_vec();
    let mut numbers = BTreeMap::new();
    for (number, length) in (u32::try_from(whole.entries.len()).ok()? + 1..).zip(lengths) {
        for word in [0, kind::ARRAY << 24, 0, byte, index, *length] {
            types.extend(word.to_ne_bytes());
        }
        numbers.insert(*length, number);
    }
    Some((joined(&types, whole.types.strings)?, numbers))
}

/// A section of these types and strings.
fn joined(types: &[u8], strings: &[u8]) -> Option<Vec<u8>> {
    let [types_length, strings_length] =
        [u32::try_from(types.len()).ok()?, u32::try_from(strings.len()).ok()?];
    let mut whole = Vec::with_capacity(HEADER + types.len() + strings.len());
    whole.extend(MAGIC.to_ne_bytes());
    whole.extend([1, 0]); // version, flags
    for word in [u32::try_from(HEADER).ok()?, 0, types_length, types_length, strings_length] {
        whole.extend(word.to_ne_bytes());
    }
    whole.extend(types);
    whole.extend(strings);
    Some(whole)
}

/// The two parts of a `.BTF` section.
struct Types<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;

impl<'a> Types<'a> {
    fn parse(data: &'a [u8]) -> Option<Self> {
        if data.get(..2)? != MAGIC.to_ne_bytes() {
            return None;
        }
        let header = word(data, 4)?;
        let part = |offset: usize, length: usize| {
            let start = header.checked_add(word(data, offset)?)?;
            data.get(start..start.checked_add(word(data, length)?)?)
        };
        Some(Types { types: part(8, 12)?, strings: part(16, 20)? })
    }

    /// All of them; `None` if one is not as the format says.
    fn all(&self) -> Option<Vec<Entry<'a>>> {
        let entries: Vec<_> = self.entries().collect();
        let read: usize = entries.iter().map(|entry| entry.bytes.len()).sum();
        (read == self.types.len()).then_some(entries)
    }

    /// Up to the first that is not as the format says.
    fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let mut rest = self.types;
        std::iter::from_fn(move || {
            let size = Entry { bytes: rest.get(..Entry::HEAD)? }.size()?;
            let (bytes, behind) = rest.split_at_checked(size)?;
            rest = behind;
            Some(Entry { bytes })
        })
    }

    fn name(&self, offset: u32) -> Option<&'a [u8]> {
        self.string(offset)?.split(|byte| *byte == 0).next()
    }

    /// A name, and all that stands behind it.
    fn string(&self, offset: u32) -> Option<&'a [u8]> {
        self.strings.get(usize::try_from(offset).ok()?..)
    }

    fn is(&self, offset: u32, name: &[u8]) -> bool {
        let rest = self.string(offset).and_then(|string| string.strip_prefix(name));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    }
}

fn word(data: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number(data, at)?).ok()
}

fn number(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// One type: its head, and what its kind has behind that.
struct Entry<'a> {
    bytes: &'a [u8],
}

impl Entry<'_> {
    const HEAD: usize = 12;

    fn number(&self, at: usize) -> u32 {
        number(self.bytes, at).unwrap_or_default()
    }

    fn name(&self) -> u32 {
        self.number(0)
    }

    fn kind(&self) -> u32 {
        self.number(4) >> 24 & 0x1f
    }

    fn count(&self) -> usize {
        usize::try_from(self.number(4) & 0xffff).unwrap_or_default()
    }

    /// Whether objects ask for such a type by its name.
    fn is_named_type(&self) -> bool {
        let kinds = [kind::STRUCT, kind::UNION, kind::ENUM, kind::ENUM64, kind::TYPEDEF];
        self.name() != 0 && kinds.contains(&self.kind())
    }

    /// How long each thing behind the head is, and how many there are.
    fn behind(&self) -> Option<(usize, usize)> {
        Some(match self.kind() {
            kind::INT | kind::VAR | kind::DECL_TAG => (4, 1),
            kind::ARRAY => (12, 1),
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => (12, self.count()),
            kind::ENUM | kind::FUNC_PROTO => (8, self.count()),
            kind::PTR
            | kind::FWD
            | kind::TYPEDEF
            | kind::VOLATILE
            | kind::CONST
            | kind::RESTRICT
            | kind::FUNC
            | kind::FLOAT
            | kind::TYPE_TAG => (0, 0),
            _ => return None,
        })
    }

    fn size(&self) -> Option<usize> {
        let (each, count) = self.behind()?;
        Some(Self::HEAD + each * count)
    }

    /// The types it consists of: all that it refers to, but what is behind a pointer or passed to a function.
    fn contains(&self) -> Vec<u32> {
        match self.kind() {
            kind::PTR | kind::FUNC_PROTO => Vec::new(),
            _ => self.references().into_iter().map(|at| self.number(at)).collect(),
        }
    }

    /// Where the numbers of other types stand, in those that are copied.
    fn references(&self) -> Vec<usize> {
        let each = |first: usize, size: usize| (0..self.count()).map(move |index| first + size * index);
        match self.kind() {
            kind::PTR
            | kind::TYPEDEF
            | kind::VOLATILE
            | kind::CONST
            | kind::RESTRICT
            | kind::FUNC
            | kind::TYPE_TAG => vec![8],
            kind::ARRAY => vec![Self::HEAD, Self::HEAD + 4],
            kind::STRUCT | kind::UNION => each(Self::HEAD + 4, 12).collect(),
            kind::FUNC_PROTO => std::iter::once(8).chain(each(Self::HEAD + 4, 8)).collect(),
            _ => Vec::new(),
        }
    }

    /// Where names stand besides that in the head.
    fn inner_names(&self) -> Vec<usize> {
        match self.kind() {
            kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 | kind::FUNC_PROTO => {
                let each = self.behind().map_or(12, |(each, _)| each);
                (0..self.count()).map(|index| Self::HEAD + each * index).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A section being made, with the strings in use only.
struct Copy<'a> {
    strings: Vec<u8>,
    /// Where each string was, and is.
    names: HashMap<u32, u32>,
    types: Vec<u8>,
    from: &'a Types<'a>,
}

impl<'a> Copy<'a> {
    fn new(from: &'a Types<'a>) -> Self {
        Copy { strings: vec![0], names: HashMap::from([(0, 0)]), types: Vec::new(), from }
    }

    /// Adds one, with `number` as what it refers to by a number.
    fn entry(&mut self, entry: &Entry<'_>, number: impl Fn(u32) -> u32) -> Option<()> {
        let start = self.types.len();
        self.types.extend_from_slice(entry.bytes);
        for at in entry.references() {
            self.put(start + at, number(entry.number(at)));
        }
        for at in std::iter::once(0).chain(entry.inner_names()) {
            let name = self.name(entry.number(at))?;
            self.put(start + at, name);
        }
        Some(())
    }

    fn put(&mut self, at: usize, word: u32) {
        self.types[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }

    fn name(&mut self, offset: u32) -> Option<u32> {
        if let Some(known) = self.names.get(&offset) {
            return Some(*known);
        }
        let place = u32::try_from(self.strings.len()).ok()?;
        self.strings.extend_from_slice(self.from.name(offset)?);
        self.strings.push(0);
        self.names.insert(offset, place);
        Some(place)
    }

    fn finish(self) -> Option<Vec<u8>> {
        joined(&self.types, &self.strings)
    }
}

#[cfg(test)]
mod tests {
    use aya_obj::{
        Object as Program,
        btf::{Btf, BtfKind},
    };

    use super::*;
    use crate::{kernel::load::sections, template::Catalogue};

    /// The instructions of all of an object's functions, relocated.
    fn relocated(object: &[u8], types: &[u8]) -> Vec<Vec<[u8; 8]>> {
        let mut program = Program::parse(&sections::as_aya_knows(object)).unwrap();
        let btf = Btf::parse(types, Default::default()).unwrap();
        program.relocate_btf(&btf).unwrap();
        let bytes = |instruction: &aya_obj::generated::bpf_insn| {
            let mut bytes = [instruction.code, 0, 0, 0, 0, 0, 0, 0];
            bytes[2..4].copy_from_slice(&instruction.off.to_le_bytes());
            bytes[4..].copy_from_slice(&instruction.imm.to_le_bytes());
            bytes
        };
        program.functions.values().map(|f| f.instructions.iter().map(bytes).collect()).collect()
    }

    #[test]
    fn an_object_is_relocated_alike_with_all_types_and_with_those_it_names() {
        let Ok(whole) = crate::kernel::host::vmlinux::types() else {
            eprintln!("skipped: no kernel BTF here");
            return;
        };
        let catalogue = Catalogue::builtin().unwrap();
        let mut wanted = Wanted::default();
        wanted.add(crate::kernel::names::iterators::OBJECT);
        let (types, sections) = catalogue.kernel_names();
        wanted.add_names(types, sections);
        let parsed = Whole::parse(&whole).unwrap();
        let some = parsed.named(&wanted).unwrap();
        assert!(some.len() < whole.len() / 10, "{} of {} bytes", some.len(), whole.len());
        for template in catalogue.iter() {
            let by_whole = relocated(template.object(), &whole);
            assert_eq!(relocated(template.object(), &some), by_whole, "{}", template.name);
            let mut own = Wanted::default();
            own.add(template.object());
            let few = Whole::parse(&some).unwrap().named(&own).unwrap();
            assert_eq!(relocated(template.object(), &few), by_whole, "{}, with its own alone", template.name);
        }
        let targets = parsed.targets(&wanted).unwrap();
        let all = Btf::parse(&whole, Default::default()).unwrap();
        for (name, kind) in [
            ("bpf_lsm_file_open", BtfKind::Func),
            ("bpf_iter_task_file", BtfKind::Func),
            ("btf_trace_sched_process_exec", BtfKind::Typedef),
        ] {
            let number = targets.get(name).map(|target| target.number);
            assert_eq!(number, all.id_by_type_name_kind(name, kind).ok(), "{name}");
        }
        assert!(!targets.contains_key("bpf_lsm_d_instantiate"), "nobody wants it");
        let prototype = |name: &str| targets.get(name).and_then(|target| target.prototype);
        let takes = |arguments, is_void| Some(Prototype { arguments, is_void });
        assert_eq!(prototype("security_file_open"), takes(1, false));
        assert_eq!(prototype("security_bprm_committed_creds"), takes(1, true));
        assert_eq!(prototype("btf_trace_sched_process_exec"), None);
    }

    #[test]
    fn what_is_no_btf_is_not_reduced() {
        assert!(Whole::parse(b"").is_none());
        assert!(Whole::parse(&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0]).is_none());
    }
}
