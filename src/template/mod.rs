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

mod catalogue;
mod describe;

use std::borrow::Cow;

pub use catalogue::Catalogue;
pub use describe::DescribeError;

/// One template: its documentation, the shape of its events, and the object
/// that implements it.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub name: String,
    /// One line.
    pub summary: String,
    /// MITRE ATT&CK technique ids, such as `T1059`.
    pub attack: Vec<String>,
    /// LSM hooks, in the order of the object: `bprm_check_security`, …
    pub hooks: Vec<String>,
    /// Whether every hook's return value is a verdict (void hooks have none).
    pub can_deny: bool,
    pub params: Vec<Param>,
    /// The header's fields first, then the template's own.
    pub fields: Vec<Field>,
    /// Size of the whole event struct in bytes. A record may be shorter: of the path and
    /// what comes behind it only the used part is sent (`Layout::packed_from`).
    pub event_size: usize,
    pub layout: Layout,
    /// The ELF object.
    pub object: Cow<'static, [u8]>,
}

impl Template {
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name == name)
    }

    /// The field that an event is about: an address, the path, or whatever comes last.
    #[must_use]
    pub fn subject(&self) -> Option<&Field> {
        let address = self.fields.iter().find(|f| f.kind == FieldKind::Address);
        address.or(self.fields.get(self.layout.packed_from)).or(self.fields.last())
    }

    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}

/// Where the control words lie that the kernel side reads on every decision,
/// which counter is which, and which program belongs to which hook. Read from the object, so that neither side can
/// drift from the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    /// Byte offset of each control word (all `u64`) in the settings map's value.
    pub control: Vec<(String, usize)>,
    /// Size of the settings map's value in bytes.
    pub settings_size: usize,
    /// Index of each counter in the counters map.
    pub counters: Vec<(String, u32)>,
    /// Number of each kind of scope: its bit in the control word, and its mark on a member.
    pub scope_kinds: Vec<(String, u32)>,
    /// What a filter's first stage can be told.
    pub early: Vec<EarlyField>,
    /// Number of each way to aggregate.
    pub summary_kinds: Vec<(String, u32)>,
    /// LSM hook and the name of the program for it, in the order of the object.
    pub programs: Vec<(String, String)>,
    /// Tracepoint and program of what the template watches beside its hooks, to know what
    /// they ask for.
    pub trackers: Vec<(String, String)>,
    /// Tables with at most one entry for each task.
    pub by_task: Vec<String>,
    /// Iterator and program of what a tracker would have seen before the attach.
    pub seeds: Vec<(String, String)>,
    /// Index of the field from which on only what is in use is sent, one packed behind the other.
    pub packed_from: usize,
    /// What observes where LSM programs cannot be had.
    pub observers: Vec<Observer>,
}

/// A field of the header that is known before anything is gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlyField {
    pub name: String,
    /// Which bit of the constant asks for it.
    pub bit: u32,
    /// Byte offset in `struct krsi_early`.
    pub offset: usize,
}

/// A program that sees what a hook would, and has no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observer {
    pub at: ObservedAt,
    pub program: String,
}

/// Where an observer is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedAt {
    /// A tracepoint with BTF types (`tp_btf/…`).
    Tracepoint(String),
    /// The entry of a kernel function (`fentry/…`).
    Function(String),
}

impl std::fmt::Display for ObservedAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ObservedAt::Tracepoint(name) => write!(f, "tracepoint {name}"),
            ObservedAt::Function(name) => write!(f, "function {name}"),
        }
    }
}

/// A named, typed setting of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    pub name: String,
    pub kind: ParamKind,
    pub doc: String,
    /// What holds while a script says nothing, in words.
    pub default: String,
    /// Byte offset of the param's word (`u64`) in the settings map's value.
    pub offset: usize,
    /// The hook in which the probe decides while this is set. Nothing can be refused any more
    /// there, and a denial is done by killing.
    pub late: Option<String>,
}

/// What a param holds, and so what a script may write for it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Whole names of unix sockets.
    Names,
    /// Byte prefixes of such names.
    NamePrefixes,
}

impl ParamKind {
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
            ParamKind::Names => "set of socket names",
            ParamKind::NamePrefixes => "set of name prefixes",
        }
    }
}

/// One field of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub kind: FieldKind,
    pub unit: Option<String>,
    pub doc: String,
    /// Byte offset in the event struct.
    pub offset: usize,
    /// Size in bytes; for text the capacity, terminating NUL included.
    pub size: usize,
}

/// How a field's bytes are read.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedValue {
    pub name: String,
    pub value: u64,
}
