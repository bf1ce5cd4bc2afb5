//! A template's object in this process: relocated to the running kernel, with only what its programs use.
//!
//! In: an object's bytes, already this probe's own. Out: programs that can be loaded one by one, and the maps that they
//! name, each of which is made when a program that names it is loaded.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ffi::CString,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use aya::maps::{Map, MapData, MapError};
use aya_obj::{
    EbpfSectionKind, ParseError, ProgramSection,
    btf::{BtfError, BtfFeatures, BtfRelocationError},
    generated::{bpf_attr, bpf_cmd},
    relocation::EbpfRelocationError,
};

use nix::fcntl::{FcntlArg, fcntl};

use crate::kernel::{
    call::{bpf, create_map, descriptor, freeze, put},
    load::{
        casts,
        fold::{self, Code, Function, Stray},
        instruction::{Instruction, pseudo},
        kernel_types::KernelTypes,
        numbered,
        program::{self, Link, Refused, Request, Sort},
        refused, sections,
        target::{self, Target},
        types,
    },
};

/// Why an object, or what it is made of, cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("{0}")]
    Parse(#[from] ParseError),
    #[error("its types: {0}")]
    Types(#[from] BtfError),
    #[error("relocating it to this kernel's types: {0}")]
    Relocation(#[from] BtfRelocationError),
    #[error("joining its functions: {0}")]
    Linking(#[from] EbpfRelocationError),
    #[error("program `{name}`: {error}")]
    Code { name: String, error: Stray },
    #[error("it has no program `{0}`")]
    NoProgram(String),
    #[error("`{0}` is of a kind that no template has")]
    Sort(String),
    /// The kernel has no such hook, tracepoint, function or iterator.
    #[error("this kernel has no {0}")]
    NoTarget(String),
    #[error("what `{0}` takes cannot be told from this kernel's types")]
    NoPrototype(String),
    #[error("the kernel takes its types no more: {0}")]
    TypesRefused(io::Error),
    #[error("making the map `{name}`: {error}")]
    Map { name: String, error: io::Error },
    /// By the verifier, which then says why; or before it was asked.
    #[error("loading `{name}`: {}", refused.error)]
    Program { name: String, refused: Refused },
}

impl ObjectError {
    /// The kernel's own error, if it is one.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            ObjectError::TypesRefused(error) | ObjectError::Map { error, .. } => Some(error),
            ObjectError::Program { refused, .. } => Some(&refused.error),
            _ => None,
        }
    }
}

/// What one of the object's maps is to be, where that is not as the object says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size<'s> {
    pub map: &'s str,
    pub entries: u32,
    /// Bytes of a key; `None`: as the object says.
    pub key: Option<u32>,
}

/// What a program is to be attached to.
#[derive(Debug, Clone, Copy)]
struct Place<'p> {
    sort: Sort,
    target: Target,
    /// The program that it is attached to, if it is one.
    of_program: Option<BorrowedFd<'p>>,
    /// By which what is attached there is told from the same elsewhere.
    number: u32,
}

/// Another program, at whose exit one is to be attached.
#[derive(Debug, Clone, Copy)]
pub struct OtherProgram<'p> {
    pub program: BorrowedFd<'p>,
    pub target: Target,
}

/// The number by which the first of a filter's maps stands in a program; the object's own come before.
pub const FIRST_SET: i32 = 1 << 20;

/// See the module.
pub struct Object {
    programs: BTreeMap<String, Program>,
    maps: Vec<MapEntry>,
    /// Maps of the filter.
    sets: Vec<OwnedFd>,
    license: CString,
    /// Its types, as the kernel has them.
    types: OwnedFd,
}

struct Program {
    sort: Sort,
    sleepable: bool,
    /// Each map stands in it by its number in the object.
    code: Code,
    loaded: Option<OwnedFd>,
    link: Option<OwnedFd>,
    /// Which link that is, and to which program.
    known: Option<Link>,
    /// More of it, each with its link.
    copies: Vec<(OwnedFd, OwnedFd)>,
}

struct MapEntry {
    name: String,
    definition: aya_obj::Map,
    /// Of a key that is not as the definition says: its bytes, and its type's number.
    key: Option<(u32, u32)>,
    made: Option<OwnedFd>,
}

impl MapEntry {
    /// Constants are a generation's own.
    fn is_shared(&self) -> bool {
        !self.name.starts_with('.')
    }
}

impl Object {
    /// Reads an object and relocates it. `sets`: the maps of its filter. `sizes`: what a map is to be, where that is not
    /// as the object says.
    ///
    /// # Errors
    /// If it is no object of a template, or the kernel does not take its types.
    pub fn new(
        bytes: &[u8],
        sets: Vec<OwnedFd>,
        kernel: &KernelTypes,
        sizes: &[Size<'_>],
    ) -> Result<Self, ObjectError> {
        let mut object = aya_obj::Object::parse(&sections::as_aya_knows(bytes))?;
        if object.fixup_and_sanitize_btf(&features(kernel.version))?.is_none() {
            return Err(ObjectError::Parse(ParseError::NoBTF));
        }
        let lengths: BTreeSet<u32> = sizes.iter().filter_map(|size| size.key).collect();
        let types = object.btf.as_ref().map(aya_obj::btf::Btf::to_bytes);
        let types = types.and_then(|types| types::with_byte_arrays(&types, &lengths));
        let (types, keys) = types.ok_or(ObjectError::Parse(ParseError::NoBTF))?;
        let types = load_types(&types).map_err(ObjectError::TypesRefused)?;
        kernel.with_named(bytes, |named| object.relocate_btf(named).map_err(ObjectError::from))?;
        let mut maps: Vec<_> = object.maps.drain().collect();
        maps.sort_by(|(one, _), (other, _)| one.cmp(other));
        let code_sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let numbers = (0..).zip(&maps).map(|(number, (name, map))| (name.as_str(), number, map));
        object.relocate_maps(numbers, &code_sections)?;
        object.relocate_calls(&code_sections)?;
        let mut programs = BTreeMap::new();
        for (name, program) in &object.programs {
            let function = object.functions.get(&program.function_key());
            let function = function.ok_or_else(|| ObjectError::NoProgram(name.clone()))?;
            let (sort, sleepable) =
                sort_of(&program.section).ok_or_else(|| ObjectError::Sort(name.clone()))?;
            let code = Code {
                instructions: function.instructions.iter().map(Instruction::from).collect(),
                functions: function
                    .func_info
                    .func_info
                    .iter()
                    .map(|info| Function { start: info.insn_off as usize, type_id: info.type_id })
                    .collect(),
            };
            programs.insert(
                name.clone(),
                Program { sort, sleepable, code, loaded: None, link: None, known: None, copies: Vec::new() },
            );
        }
        let maps = maps.into_iter().map(|(name, mut definition)| {
            let size = sizes.iter().find(|size| size.map == name);
            if let Some(size) = size {
                definition.set_max_entries(size.entries);
            }
            let key = size.and_then(|size| size.key).and_then(|bytes| Some((bytes, *keys.get(&bytes)?)));
            MapEntry { name, definition, key, made: None }
        });
        Ok(Object { programs, maps: maps.collect(), sets, license: object.license, types })
    }

    /// The same over the maps that another object has made already.
    ///
    /// # Errors
    /// As for `new`, or if this process has no descriptor left.
    pub fn over(
        bytes: &[u8],
        sets: Vec<OwnedFd>,
        kernel: &KernelTypes,
        sizes: &[Size<'_>],
        other: &Object,
    ) -> Result<Self, ObjectError> {
        let mut object = Self::new(bytes, sets, kernel, sizes)?;
        for entry in object.maps.iter_mut().filter(|entry| entry.is_shared()) {
            let same = other.maps.iter().find(|known| known.name == entry.name);
            if let Some(made) = same.and_then(|known| known.made.as_ref()) {
                let clone = made.try_clone();
                entry.made =
                    Some(clone.map_err(|error| ObjectError::Map { name: entry.name.clone(), error })?);
            }
        }
        Ok(object)
    }

    /// Takes this map for that of this name, instead of making one.
    pub fn share(&mut self, name: &str, map: OwnedFd) {
        if let Some(entry) = self.maps.iter_mut().find(|entry| entry.name == name) {
            entry.made = Some(map);
        }
    }

    /// The descriptor of a map that a loaded program names.
    ///
    /// # Errors
    /// If none does, or this process has no descriptor left.
    pub fn descriptor(&self, name: &str) -> io::Result<OwnedFd> {
        let made = self.maps.iter().find(|entry| entry.name == name).and_then(|entry| entry.made.as_ref());
        made.ok_or_else(|| io::Error::other(format!("the object has no map `{name}`")))?.try_clone()
    }

    /// Has the kernel verify a program that is to be attached to `target`, and makes the maps that it names.
    ///
    /// # Errors
    /// If the kernel has no such target, or refuses the program or a map.
    pub fn load(&mut self, name: &str, target: &str, kernel: &KernelTypes) -> Result<(), ObjectError> {
        let program = self.programs.get(name).ok_or_else(|| ObjectError::NoProgram(name.to_owned()))?;
        self.load_as(name, program.sort, target, kernel)
    }

    /// The same for a program that is to be of another sort than its section says: an LSM program by another door.
    ///
    /// # Errors
    /// As for `load`, or if the program is of a sort that cannot be taken for this one.
    pub fn load_as(
        &mut self,
        name: &str,
        sort: Sort,
        target: &str,
        kernel: &KernelTypes,
    ) -> Result<(), ObjectError> {
        let loaded = self.verified(name, self.place(name, sort, target, kernel)?, kernel)?;
        if let Some(program) = self.programs.get_mut(name) {
            program.loaded = Some(loaded);
        }
        Ok(())
    }

    /// Loads a program so many times more and attaches each, until this is dropped or the program is detached.
    ///
    /// # Errors
    /// As for `load`, or if the kernel has no room for it.
    pub fn attach_copies(
        &mut self,
        name: &str,
        target: &str,
        kernel: &KernelTypes,
        count: usize,
    ) -> Result<(), ObjectError> {
        (0..count).try_for_each(|_| self.attach_copy(name, target, kernel))
    }

    fn attach_copy(&mut self, name: &str, target: &str, kernel: &KernelTypes) -> Result<(), ObjectError> {
        let program = self.programs.get(name).ok_or_else(|| ObjectError::NoProgram(name.to_owned()))?;
        let place = self.place(name, program.sort, target, kernel)?;
        self.attach_at(name, place, kernel)
    }

    /// Loads a program once more, for the exit of a function, with a number of its own, and attaches it.
    ///
    /// # Errors
    /// If the kernel has no such function, or refuses the program.
    pub fn attach_at_exit(
        &mut self,
        name: &str,
        function: &str,
        number: u32,
        kernel: &KernelTypes,
    ) -> Result<(), ObjectError> {
        let place = self.place(name, Sort::Exit, function, kernel)?;
        self.attach_at(name, Place { number, ..place }, kernel)
    }

    /// The same for the exit of another program.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn attach_at_program(
        &mut self,
        name: &str,
        other: OtherProgram<'_>,
        number: u32,
        kernel: &KernelTypes,
    ) -> Result<(), ObjectError> {
        let OtherProgram { program, target } = other;
        let place = Place { sort: Sort::Exit, target, of_program: Some(program), number };
        self.attach_at(name, place, kernel)
    }

    fn attach_at(&mut self, name: &str, place: Place<'_>, kernel: &KernelTypes) -> Result<(), ObjectError> {
        let loaded = self.verified(name, place, kernel)?;
        let refused = |error| ObjectError::Program {
            name: name.to_owned(),
            refused: Refused { error, log: String::new() },
        };
        let link = program::attach(&loaded).map_err(refused)?;
        if let Some(program) = self.programs.get_mut(name) {
            program.copies.push((loaded, link));
        }
        Ok(())
    }

    /// What a program of the object's is attached to as this.
    fn place(
        &self,
        name: &str,
        sort: Sort,
        target: &str,
        kernel: &KernelTypes,
    ) -> Result<Place<'static>, ObjectError> {
        let program = self.programs.get(name).ok_or_else(|| ObjectError::NoProgram(name.to_owned()))?;
        let other_door = matches!(sort, Sort::ModifyReturn | Sort::Function | Sort::Exit);
        if program.sort != sort && !(other_door && matches!(program.sort, Sort::Lsm | Sort::ModifyReturn)) {
            return Err(ObjectError::Sort(name.to_owned()));
        }
        let sought = target::type_name(sort, target);
        let target = kernel.target(&sought).ok_or(ObjectError::NoTarget(sought))?;
        Ok(Place { sort, target, of_program: None, number: 0 })
    }

    /// A program that the kernel has verified.
    fn verified(
        &mut self,
        name: &str,
        place: Place<'_>,
        kernel: &KernelTypes,
    ) -> Result<OwnedFd, ObjectError> {
        let Place { sort, target, of_program, number } = place;
        let program = self.programs.get(name).ok_or_else(|| ObjectError::NoProgram(name.to_owned()))?;
        let mut code = fold::fold(&program.code, |map, at, width| constant(&self.maps, map, at, width))
            .map_err(|error| ObjectError::Code { name: name.to_owned(), error })?;
        if let Some(casts) = &kernel.casts {
            casts::resolve(&mut code.instructions, casts);
        }
        if refused::is_asked(&code.instructions) {
            let prototype = target.prototype.ok_or_else(|| ObjectError::NoPrototype(name.to_owned()))?;
            refused::resolve(&mut code.instructions, prototype.arguments);
        }
        numbered::resolve(&mut code.instructions, number);
        for one in &mut code.instructions {
            if one.is_wide() && matches!(one.src, pseudo::MAP | pseudo::MAP_VALUE) {
                one.immediate = self.made(one.immediate)?;
            }
        }
        let program = self.programs.get(name).ok_or_else(|| ObjectError::NoProgram(name.to_owned()))?;
        let request = Request {
            name,
            sort,
            // Of other functions than hooks the kernel lists those in which a program may wait.
            sleepable: program.sleepable && sort == program.sort,
            target: target.number,
            of_program,
            license: &self.license,
            types: Some(&self.types),
        };
        program::load(&request, &code)
            .map_err(|refused| ObjectError::Program { name: name.to_owned(), refused })
    }

    /// The descriptor of a map, which is made if it has none.
    fn made(&mut self, number: i32) -> Result<i32, ObjectError> {
        if let Some(set) = number.checked_sub(FIRST_SET).and_then(|set| usize::try_from(set).ok()) {
            let set = self.sets.get(set).ok_or_else(|| ObjectError::Sort(format!("map {number}")))?;
            return Ok(set.as_raw_fd());
        }
        let entry = usize::try_from(number).ok().and_then(|number| self.maps.get_mut(number));
        let entry = entry.ok_or_else(|| ObjectError::Sort(format!("map {number}")))?;
        if entry.made.is_none() {
            let made = make(entry, &self.types);
            entry.made = Some(made.map_err(|error| ObjectError::Map { name: entry.name.clone(), error })?);
        }
        Ok(entry.made.as_ref().map_or(-1, AsRawFd::as_raw_fd))
    }

    /// Attaches a program that is loaded, until this is dropped.
    ///
    /// # Errors
    /// If it is not loaded, or the kernel has no room for it.
    pub fn attach(&mut self, name: &str) -> io::Result<()> {
        let program = self.programs.get_mut(name);
        let program = program.ok_or_else(|| io::Error::other(format!("the object has no `{name}`")))?;
        let loaded = program.loaded.as_ref();
        let loaded = loaded.ok_or_else(|| io::Error::other(format!("`{name}` is not loaded")))?;
        let link = program::attach(loaded)?;
        program.known = Some(Link::of(&link)?);
        program.link = Some(link);
        Ok(())
    }

    /// Looks whether each program that was attached still is, and attaches it again if not. Gives those that were not, each with
    /// whether it is now. Without `asking` the kernel about each link, only what was closed is found.
    pub fn attach_lost(&mut self, asking: bool) -> Vec<(String, io::Result<()>)> {
        let mut lost = Vec::new();
        for (name, program) in &mut self.programs {
            let (Some(link), Some(known)) = (&program.link, program.known) else { continue };
            let is_there = match asking {
                true => Link::of(link).is_ok_and(|now| now == known),
                false => fcntl(link, FcntlArg::F_GETFD).is_ok(),
            };
            if is_there {
                continue;
            }
            // What the number stands for now is not ours to close.
            if let Some(link) = program.link.take() {
                std::mem::forget(link);
            }
            program.known = None;
            let again = program.loaded.as_ref().map(|loaded| {
                let link = program::attach(loaded)?;
                let now = Link::of(&link)?;
                // The program's own number may stand for something else as well.
                if now.program != known.program {
                    return Err(io::Error::other("its program is gone, too"));
                }
                Ok((link, now))
            });
            let again = again.unwrap_or_else(|| Err(io::Error::other("its program is gone, too")));
            let done = again.map(|(link, now)| (program.link, program.known) = (Some(link), Some(now)));
            lost.push((name.clone(), done));
        }
        lost
    }

    /// How often the kernel has passed a program over; of none that is not loaded.
    pub fn missed(&self, name: &str) -> u64 {
        let loaded = self.programs.get(name).and_then(|program| program.loaded.as_ref());
        // Of a kernel that does not count, none is known.
        loaded.and_then(|program| program::missed(program).ok()).unwrap_or_default()
    }

    /// Takes a program out of the kernel.
    pub fn detach(&mut self, name: &str) {
        if let Some(program) = self.programs.get_mut(name) {
            program.link = None;
            program.known = None;
            program.loaded = None;
            program.copies.clear();
        }
    }

    /// What sort of program it is, if there is one.
    pub fn sort(&self, name: &str) -> Option<Sort> {
        self.programs.get(name).map(|program| program.sort)
    }

    /// Every link, with the name of its program, which copies of one have as well.
    pub fn links(&self) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        self.programs.iter().flat_map(|(name, program)| {
            let copies = program.copies.iter().map(|(_, link)| link);
            program.link.iter().chain(copies).map(|link| (name.as_str(), link.as_fd()))
        })
    }

    /// The maps that programs share and that were made, but for those of constants.
    pub fn made_maps(&self) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        let shared = self.maps.iter().filter(|entry| entry.is_shared());
        shared.filter_map(|entry| Some((entry.name.as_str(), entry.made.as_ref()?.as_fd())))
    }

    /// The programs that are loaded.
    pub fn loaded(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.programs.values().filter_map(|program| program.loaded.as_ref()).map(AsFd::as_fd)
    }

    pub fn is_loaded(&self, name: &str) -> bool {
        self.programs.get(name).is_some_and(|program| program.loaded.is_some())
    }

    /// Runs an iterator that is loaded: all it writes.
    ///
    /// # Errors
    /// If it is none, or cannot be read.
    pub fn output(&self, name: &str) -> io::Result<Vec<u8>> {
        let program = self.programs.get(name).and_then(|program| program.loaded.as_ref());
        let program = program.ok_or_else(|| io::Error::other(format!("`{name}` is not loaded")))?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut program::open_iterator(program)?, &mut bytes)?;
        Ok(bytes)
    }

    /// For how many entries a map has room, or would have.
    pub fn entries(&self, name: &str) -> u32 {
        let found = self.maps.iter().find(|entry| entry.name == name);
        found.map_or(0, |entry| entry.definition.max_entries())
    }

    /// A map that a loaded program names; `None` if none does.
    ///
    /// # Errors
    /// If the kernel does not tell what map it is.
    pub fn map(&self, name: &str) -> Result<Option<Map>, MapError> {
        let made = self.maps.iter().find(|entry| entry.name == name).and_then(|entry| entry.made.as_ref());
        let Some(made) = made else { return Ok(None) };
        let own = made.as_fd().try_clone_to_owned().map_err(MapError::IoError)?;
        Map::from_map_data(MapData::from_fd(own)?).map(Some)
    }
}

fn sort_of(section: &ProgramSection) -> Option<(Sort, bool)> {
    match section {
        ProgramSection::Lsm { sleepable } => Some((Sort::Lsm, *sleepable)),
        ProgramSection::BtfTracePoint => Some((Sort::Tracepoint, false)),
        ProgramSection::FEntry { sleepable } => Some((Sort::Function, *sleepable)),
        ProgramSection::FExit { sleepable } => Some((Sort::ModifyReturn, *sleepable)),
        ProgramSection::Iter { sleepable } => Some((Sort::Iterator, *sleepable)),
        _ => None,
    }
}

/// The bytes of a map that nobody writes to, as a number.
fn constant(maps: &[MapEntry], map: i32, at: i64, width: usize) -> Option<u64> {
    let entry = maps.get(usize::try_from(map).ok()?)?;
    if entry.definition.section_kind() != EbpfSectionKind::Rodata {
        return None;
    }
    let at = usize::try_from(at).ok()?;
    let bytes = entry.definition.data().get(at..at.checked_add(width)?)?;
    let mut number = [0; 8];
    number[..width].copy_from_slice(bytes);
    // Little-endian machines alone have these objects.
    Some(u64::from_le_bytes(number))
}

/// What the kernel knows of the types of types, by its version: a kernel that knows more is not harmed by less.
fn features(version: u32) -> BtfFeatures {
    let from = |major: u32, minor: u32| version >= major << 16 | minor << 8;
    BtfFeatures::new(true, true, true, false, from(5, 13), from(5, 16), from(5, 17), from(6, 0))
}

fn load_types(types: &[u8]) -> io::Result<OwnedFd> {
    // SAFETY: all zero is a valid value of this union of plain numbers.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_BTF_LOAD reads this variant.
    let load = unsafe { &mut attributes.__bindgen_anon_7 };
    load.btf = types.as_ptr() as u64;
    load.btf_size = u32::try_from(types.len()).map_err(io::Error::other)?;
    descriptor(bpf(bpf_cmd::BPF_BTF_LOAD, &mut attributes))
}

fn make(entry: &MapEntry, types: &OwnedFd) -> io::Result<OwnedFd> {
    let MapEntry { name, definition, key, .. } = entry;
    use aya_obj::generated::bpf_map_type::{
        BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_RINGBUF, BPF_MAP_TYPE_STACK_TRACE,
    };
    let made = create_map(|map| {
        map.map_type = definition.map_type();
        map.key_size = definition.key_size();
        map.value_size = definition.value_size();
        map.max_entries = definition.max_entries();
        map.map_flags = definition.map_flags();
        // These take no types of key and value.
        let untyped =
            [BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_RINGBUF, BPF_MAP_TYPE_STACK_TRACE].map(|kind| kind as u32);
        if let aya_obj::Map::Btf(described) = definition
            && !untyped.contains(&map.map_type)
        {
            map.btf_fd = types.as_raw_fd().cast_unsigned();
            map.btf_key_type_id = described.def.btf_key_type_id;
            map.btf_value_type_id = described.def.btf_value_type_id;
        }
        if let Some((size, number)) = key {
            (map.key_size, map.btf_key_type_id) = (*size, *number);
        }
        let room = map.map_name.len() - 1;
        // The kernel wants letters, digits, `_` and `.`.
        for (to, from) in map.map_name[..room].iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
    })?;
    if !definition.data().is_empty() {
        put(&made, &0_u32.to_ne_bytes(), definition.data())?;
        if definition.section_kind() == EbpfSectionKind::Rodata {
            freeze(&made)?;
        }
    }
    Ok(made)
}
