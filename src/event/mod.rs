//! Events: one record from the kernel each, typed by its template.
//!
//! In: the bytes of one ring-buffer record and the template they belong to.
//! Out: an [`Event`], whose fields are read by name through the template's
//! layout. Decoding checks lengths and never trusts the text: bytes are kept as
//! they came, and made printable only where they are shown
//! ([`crate::report::printable`]).

mod decode;
pub mod queue;

use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

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
}

/// What all events of a probe have in common.
#[derive(Debug)]
pub struct Source {
    pub template: Arc<Template>,
    /// Name of the probe, as the script gave it (`exec-1` if it gave none).
    pub probe: Arc<str>,
    /// What its events tell, if not everything.
    pub told: Option<Arc<[String]>>,
    /// Bytes of the shortest record there can be, and of the longest.
    sizes: RangeInclusive<usize>,
    /// Where a record has its number.
    number: Option<usize>,
}

/// The stacks that an event names by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stacks {
    /// Addresses, innermost first.
    pub kernel: Option<Vec<u64>>,
    pub user: Option<Vec<UserAddress>>,
}

/// A field's value.
#[derive(Debug, Clone, PartialEq)]
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
