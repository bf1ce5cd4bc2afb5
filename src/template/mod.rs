//! Templates: what a probe can be made of.
//!
//! A template is one precompiled eBPF object that describes itself: the names,
//! types, units and docs of its params and event fields stand in the object's
//! own BTF, as struct layout plus `btf_decl_tag`s (`ebpf-templates/include/krsi.bpf.h`
//! has the vocabulary). Everything above this module (help, completion, the
//! decoder, the checks on a script's params) reads these types and nothing else,
//! so adding a template touches one C file.
//!
//! In: object bytes. Out: a [`Catalogue`] of [`Template`]s that cannot be wrong:
//! an object that describes itself badly is refused here, with the reason.
//! This module never talks to the kernel.

mod archive;
mod catalogue;
mod describe;
mod hash;
mod index;
mod layout;
#[cfg(test)]
pub(crate) mod shapes;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use archive::{archive_size, built_in_objects};
pub use catalogue::Catalogue;
pub use describe::DescribeError;
pub use index::write as write_index;
pub use layout::{Control, CounterIndex, EarlyField, Function, Layout, ObservedAt, Observer, SummaryKinds};

/// One template: its documentation, the shape of its events, and the object
/// that implements it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub name: String,
    /// One line.
    pub summary: String,
    /// MITRE ATT&CK technique ids, such as `T1059`.
    pub attack: Vec<String>,
    /// A script that is of use to somebody.
    pub example: String,
    /// What it cannot see, in sentences.
    pub not_seen: String,
    /// LSM hooks, in the order of the object: `bprm_check_security`, …
    pub hooks: Vec<String>,
    /// Whether every hook's return value is a verdict (void hooks have none).
    pub can_deny: bool,
    /// Its hooks are asked so often that a probe needs a scope, or has to say that every task is meant.
    pub scope_required: bool,
    /// Why its operations cannot be held until somebody has decided, if so: the end of a sentence.
    pub cannot_ask: Option<String>,
    pub params: Vec<Param>,
    /// The header's fields first, then those of the origin, then the template's own.
    pub fields: Vec<Field>,
    /// Size of the origin and the event struct together, in bytes. A record may be shorter: of the origin, which comes first,
    /// only the end is sent from the first field on that is told; of the path and what comes behind it only the used part
    /// (`Layout::packed_from`).
    pub event_size: usize,
    pub layout: Layout,
    /// What it names of the kernel.
    pub names: KernelNames,
    #[serde(skip)]
    pub(crate) object: Object,
}

/// What an object names of the kernel: by these names it is relocated and attached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelNames {
    /// Structs, unions, enums and typedefs.
    pub types: Vec<String>,
    /// The programs' sections, which say what these are attached to.
    pub sections: Vec<String>,
}

/// Where a template's object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    /// Of the archive of this binary, by its place there.
    BuiltIn(usize),
    Given(Arc<[u8]>),
}

impl Default for Object {
    fn default() -> Self {
        Object::BuiltIn(usize::MAX)
    }
}

impl Template {
    /// Returns by what its object is told from another version's.
    #[must_use]
    pub fn object_hash(&self) -> String {
        format!("{:016x}", hash::hash(self.object()))
    }

    /// Returns the ELF object; nothing if this binary's archive is broken.
    #[must_use]
    pub fn object(&self) -> &[u8] {
        match &self.object {
            Object::BuiltIn(place) => archive::archived(*place),
            Object::Given(bytes) => bytes,
        }
    }

    #[must_use]
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name == name)
    }

    /// The field that an event is about: the path, an address.
    #[must_use]
    pub fn subject(&self) -> Option<&Field> {
        self.fields.iter().find(|f| f.is_subject)
    }

    /// Returns the fields that stand behind the header.
    #[must_use]
    pub fn own_fields(&self) -> &[Field] {
        self.fields.get(self.layout.header..).unwrap_or_default()
    }

    /// Names the fields that are gathered at this cost.
    #[must_use]
    pub fn costing(&self, cost: Cost) -> Vec<&str> {
        self.fields.iter().filter(|f| f.costs == Some(cost)).map(|f| f.name.as_str()).collect()
    }

    /// Returns the fields of the origin.
    pub fn origin_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.is_of_origin())
    }

    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}

/// A named, typed setting of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Param {
    pub name: String,
    pub kind: ParamKind,
    pub doc: String,
    /// What holds while a script says nothing, in words.
    pub default: String,
    /// Byte offset of the param's word (`u64`) in the settings map's value.
    pub offset: usize,
    /// Which of the template's params it is, from 0: its names stand in the table behind this.
    pub number: u8,
    /// The hook in which the probe decides while this is set. Nothing can be refused any more
    /// there, and a denial is done by killing.
    pub late: Option<String>,
}

/// What a param holds, and so what a script may write for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParamKind {
    /// Exact absolute paths, matched by inode too where the file exists.
    Paths,
    /// Byte prefixes of paths.
    Prefixes,
    /// Byte suffixes of paths.
    Suffixes,
    /// Any of these named bits.
    Flags(Vec<NamedValue>),
    /// True or false.
    Flag,
    /// Names of environment variables.
    Variables,
    /// Networks of IP addresses, one of which has the address in it.
    Networks,
    /// Networks, none of which has.
    NotNetworks,
    /// Ports and ranges of them.
    Ports,
    /// Texts, compared whole.
    Names(NameRule),
    /// Byte prefixes of texts.
    NamePrefixes(NameRule),
    /// Texts that the filter asks about.
    Asked(Question),
}

/// What a param of texts asks of an event, of which one of its texts is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The list, of which one text is enough; or the text.
    pub of: String,
    pub test: Asks,
}

/// How a text is to be to one of a param's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asks {
    Equals,
    StartsWith,
    EndsWith,
    Contains,
    /// A pattern with `*` and `?`.
    Like,
}

impl Question {
    /// Reads the tag's text: `argv contains`.
    fn parse(text: &str) -> Option<Self> {
        let (of, test) = text.split_once(' ')?;
        let test = match test {
            "equals" => Asks::Equals,
            "starts_with" => Asks::StartsWith,
            "ends_with" => Asks::EndsWith,
            "contains" => Asks::Contains,
            "like" => Asks::Like,
            _ => return None,
        };
        Some(Question { of: of.to_owned(), test })
    }
}

/// Longest name that the table of names holds, in bytes: the kernel's LPM trie takes keys up to 256
/// (`LPM_DATA_SIZE_MAX`); the param's number stands before a name, one byte ends it, and another one tells it from a longer text.
pub const LONGEST_NAME: usize = 253;

/// What every text has in common that a param of names may be about: what breaks it never matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRule {
    /// It begins with one of these characters; none: with anything.
    pub begins: String,
    /// In bytes.
    pub longest: usize,
}

impl ParamKind {
    /// Whether a named set can stand for its value: what it names is in a table of the kernel's, and in no word of bits and no program.
    #[must_use]
    pub fn takes_sets(&self) -> bool {
        !matches!(self, ParamKind::Flags(_) | ParamKind::Flag | ParamKind::Variables | ParamKind::Asked(_))
    }

    /// The type as documentation prints it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            ParamKind::Paths => "set of paths",
            ParamKind::Prefixes => "set of path prefixes",
            ParamKind::Suffixes => "set of path suffixes",
            ParamKind::Flags(_) => "set of flags",
            ParamKind::Flag => "true or false",
            ParamKind::Variables => "set of environment variables",
            ParamKind::Networks | ParamKind::NotNetworks => "set of networks",
            ParamKind::Ports => "set of ports",
            ParamKind::Names(_) => "set of names",
            ParamKind::NamePrefixes(_) => "set of name prefixes",
            ParamKind::Asked(Question { test, .. }) => match test {
                Asks::Equals => "set of texts",
                Asks::StartsWith => "set of prefixes",
                Asks::EndsWith => "set of suffixes",
                Asks::Contains => "set of parts",
                Asks::Like => "set of patterns",
            },
        }
    }
}

/// What may be missing of a text, and where that is noted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Which of the header's notes says that it could not be read.
    pub unreadable: Option<String>,
    pub cut: Option<Cut>,
}

/// Where a longer text is cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cut {
    /// After so many bytes.
    After(usize),
    /// Where this field is true (texts of a list).
    Noted(String),
}

/// One field of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub kind: FieldKind,
    pub unit: Option<String>,
    pub doc: String,
    pub limits: Limits,
    pub known: Known,
    /// Why it is gathered only where it is used.
    pub costs: Option<Cost>,
    /// Whether it is what an event is about.
    pub is_subject: bool,
    /// Byte offset in the origin and the event struct behind it.
    pub offset: usize,
    /// Size in bytes; for text the capacity, terminating NUL included.
    pub size: usize,
}

impl Field {
    /// Whether it is told of where an operation comes from, and only where it is named.
    #[must_use]
    pub fn is_of_origin(&self) -> bool {
        matches!(self.costs, Some(Cost::Origin(_)))
    }
}

/// When a field has its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Known {
    /// Before the filter decides.
    #[default]
    Gathered,
    /// With the verdict.
    Decided,
    /// When the event leaves the kernel.
    Sent,
    /// When it has arrived here: the kernel's clock is moved to the wall's.
    Read,
}

/// What is gathered only where a field that needs it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cost {
    /// The executable of the task.
    Executable,
    /// The directory that the task is in.
    Directory,
    /// Owner and permissions of the hook's file, and the layer that it is on.
    File,
    /// A part of the origin, by its number (`enum krsi_origin_part` of the templates): told only where it is named.
    Origin(u32),
}

/// How a field's bytes are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldKind {
    Unsigned,
    Signed,
    Bool,
    /// NUL-terminated bytes from the kernel; may be anything, UTF-8 or not.
    Text,
    /// An unsigned number whose bits have names.
    Flags(Vec<NamedValue>),
    /// An unsigned number whose values have names.
    Enum(Vec<NamedValue>),
    /// A device number in the kernel's internal form (`MKDEV`: minor in the low 20 bits).
    Device,
    /// The number of a stack that was kept.
    Stack(Stack),
    /// An IP address: its version in 32 bits (0 if there is none), and 16 bytes, which of IPv4 are those of its
    /// IPv6 form.
    Address,
    /// Equal elements, of which the field `count` says how many are in use.
    List {
        element: Box<FieldKind>,
        element_size: usize,
        count: String,
    },
    /// NUL-terminated texts, one behind the other; the field `length` says how many bytes.
    Texts {
        length: String,
    },
}

/// Whose stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stack {
    Kernel,
    User,
}

impl Stack {
    /// The field that names it.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Stack::Kernel => "kstack",
            Stack::User => "ustack",
        }
    }
}

impl FieldKind {
    /// The type as documentation prints it: `u32`, `text`, `flags`, …
    #[must_use]
    pub fn type_name(&self, size: usize) -> String {
        match self {
            FieldKind::Unsigned => format!("u{}", size * 8),
            FieldKind::Signed => format!("i{}", size * 8),
            FieldKind::Bool => "bool".into(),
            FieldKind::Text => "text".into(),
            FieldKind::Flags(_) => "flags".into(),
            FieldKind::Enum(_) => "enum".into(),
            FieldKind::Device => "device".into(),
            FieldKind::Address => "address".into(),
            FieldKind::Stack(_) => "stack".into(),
            FieldKind::List { element, element_size, .. } => {
                format!("[{}]", element.type_name(*element_size))
            }
            FieldKind::Texts { .. } => "[text]".into(),
        }
    }
}

/// A name for a bit or a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedValue {
    pub name: String,
    pub value: u64,
}
