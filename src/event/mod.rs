//! Events: one record from the kernel each, typed by its template.
//!
//! In: the bytes of one ring-buffer record and the template they belong to.
//! Out: an [`Event`], whose fields are read by name through the template's
//! layout. Decoding checks lengths and never trusts the text: bytes are kept as
//! they came, and made printable only where they are shown
//! ([`crate::report::printable`]).

mod decode;
pub mod origin;
pub mod queue;
mod texts;

use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{symbols::UserAddress, template::Template};

pub use decode::{DecodeError, address, value};

/// Bytes of an IP address in a record.
pub const ADDRESS_SIZE: usize = 20;

/// The list of a program's arguments, in the templates that have one; and what scripts and filters call them as one text.
pub const ARGV: &str = "argv";
pub const CMDLINE: &str = "cmdline";
pub const CMDLINE_DOC: &str = "The arguments as one text, a blank between two.";

/// Whether events of the template have arguments, and so a command line, which is no field of its own.
#[must_use]
pub fn has_cmdline(template: &Template) -> bool {
    template.field(ARGV).is_some() && template.field(CMDLINE).is_none()
}

/// One record from the kernel.
#[derive(Debug, Clone)]
pub struct Event {
    source: Arc<Source>,
    /// As the kernel wrote them; the tail of the last text field may be missing.
    bytes: Box<[u8]>,
    /// `CLOCK_REALTIME - CLOCK_MONOTONIC` in nanoseconds when the record was read.
    wall_offset_ns: i64,
    /// Where the operation came from, if the probe wants to know.
    stacks: Option<Box<Stacks>>,
    /// Fields that read otherwise than the record has them, by their names.
    instead: Option<Box<[(String, Value)]>>,
}

/// What all events of a probe have in common.
#[derive(Debug)]
pub struct Source {
    pub template: Arc<Template>,
    /// Name of the probe, as the script gave it (`exec-1` if it gave none).
    pub probe: Arc<str>,
    pub told: Told,
    /// Bytes of the shortest record there can be, and of the longest.
    sizes: RangeInclusive<usize>,
    /// Where a record has its number.
    number: Option<usize>,
    /// How many bytes of the origin's beginning are not sent.
    skipped: usize,
}

/// What a probe's events tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Everything but where the operation comes from, of which they tell these fields.
    All(Arc<[String]>),
    /// These fields.
    Only(Arc<[String]>),
}

impl Told {
    /// Whether they tell a field.
    #[must_use]
    pub fn tells(&self, template: &Template, name: &str) -> bool {
        let is_in = |names: &[String]| names.iter().any(|known| known == name);
        match self {
            Told::All(origin) => {
                is_in(origin) || template.field(name).is_none_or(|field| !field.is_of_origin())
            }
            Told::Only(told) => is_in(told),
        }
    }

    /// Names the fields, if not everything is told.
    #[must_use]
    pub fn only(&self) -> Option<&[String]> {
        match self {
            Told::All(_) => None,
            Told::Only(told) => Some(told),
        }
    }

    /// How much of the origin's beginning is not sent, in bytes: it is sent from the first field on that is told.
    #[must_use]
    pub fn skipped(&self, template: &Template) -> usize {
        let told = template.origin_fields().filter(|field| self.tells(template, &field.name));
        let first = told.map(|field| field.offset).min().unwrap_or(template.layout.origin_size);
        // As the ring buffer has its records.
        first / 8 * 8
    }
}

/// The stacks that an event names by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stacks {
    /// Addresses, innermost first.
    pub kernel: Option<Vec<u64>>,
    pub user: Option<Vec<UserAddress>>,
}

/// A field's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    Unsigned(u64),
    Signed(i64),
    Bool(bool),
    /// Bytes up to the first NUL; control bytes and invalid UTF-8 are still in it.
    Text(Vec<u8>),
    /// The names of the bits that are set (bits without a name as `0x…`).
    Flags(Vec<String>),
    /// The value's name, or its number where it has none.
    Name(String),
    /// `major:minor`.
    Device {
        major: u32,
        minor: u32,
    },
    /// None: what the event is about has no IP address.
    Address(Option<IpAddr>),
    List(Vec<Value>),
}
