//! From a record's bytes to named, typed values, by the template's layout.

use std::{
    net::{IpAddr, Ipv6Addr},
    ops::Range,
    sync::Arc,
};

use super::{Event, Source, Stacks, Told, Value};
use crate::{
    raw, symbols,
    template::{Cut, Field, FieldKind, Known, NamedValue, Stack, Template},
};

/// A record that cannot be what the template says it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a record of {actual} bytes from template `{template}`, which sends {least} to {most}")]
    Length { template: String, actual: usize, least: usize, most: usize },
}

impl Source {
    #[must_use]
    pub fn new(template: Arc<Template>, probe: Arc<str>, told: Told) -> Self {
        let skipped = told.skipped(&template);
        let least =
            template.fields.get(template.layout.packed_from).map_or(template.event_size, |f| f.offset);
        let sizes = least.saturating_sub(skipped)..=template.event_size.saturating_sub(skipped);
        let number = template.field("seq").map(|field| field.offset.saturating_sub(skipped));
        Source { template, probe, told, sizes, number, skipped }
    }

    /// Of records that were made to tell `recorded`, of which `told` is wanted.
    #[must_use]
    pub fn of_recorded(template: Arc<Template>, probe: Arc<str>, told: Told, recorded: Told) -> Self {
        Source { told, ..Self::new(template, probe, recorded) }
    }

    /// Of records that tell everything.
    #[must_use]
    pub fn of_whole(template: Arc<Template>, probe: Arc<str>) -> Self {
        let origin = template.origin_fields().map(|field| field.name.clone()).collect();
        Source { skipped: 0, ..Self::new(template, probe, Told::All(origin)) }
    }

    /// # Errors
    /// If the record is shorter than all fields before the packed ones, or longer than the struct.
    pub(super) fn check(&self, record: &[u8]) -> Result<(), DecodeError> {
        if self.sizes.contains(&record.len()) {
            return Ok(());
        }
        Err(DecodeError::Length {
            template: self.template.name.clone(),
            actual: record.len(),
            least: *self.sizes.start(),
            most: *self.sizes.end(),
        })
    }

    /// Gives the record a number if the kernel could not (it is 0 before Linux 6.1).
    pub(super) fn number(&self, record: &mut [u8], number: u64) {
        if let Some(offset) = self.number
            && let Some(bytes) = record.get_mut(offset..offset + size_of::<u64>())
            && bytes.iter().all(|b| *b == 0)
        {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
    }
}

impl Event {
    /// Takes a record as the kernel wrote it.
    ///
    /// # Errors
    /// If the record is shorter than all fields before the packed ones, or longer than the struct.
    pub fn decode(
        template: &Arc<Template>,
        probe: &Arc<str>,
        bytes: &[u8],
        wall_offset_ns: i64,
    ) -> Result<Self, DecodeError> {
        let source = Arc::new(Source::of_whole(Arc::clone(template), Arc::clone(probe)));
        source.check(bytes)?;
        Ok(Event::new(&source, bytes, wall_offset_ns))
    }

    /// Takes a record of this source.
    ///
    /// # Errors
    /// If the record is shorter than all fields before the packed ones, or longer than the struct.
    pub fn of_source(source: &Arc<Source>, bytes: &[u8], wall_offset_ns: i64) -> Result<Self, DecodeError> {
        source.check(bytes)?;
        Ok(Event::new(source, bytes, wall_offset_ns))
    }

    /// Of a record that has been checked.
    pub(super) fn new(source: &Arc<Source>, bytes: &[u8], wall_offset_ns: i64) -> Self {
        Event { source: Arc::clone(source), bytes: bytes.into(), wall_offset_ns, stacks: None, instead: None }
    }

    /// The same with the stacks that it names.
    #[must_use]
    pub fn with_stacks(mut self, stacks: Stacks) -> Self {
        self.stacks = (stacks != Stacks::default()).then(|| Box::new(stacks));
        self
    }

    /// Whether it tells this field; what it does not may not have been gathered.
    #[must_use]
    pub fn tells(&self, name: &str) -> bool {
        self.source.told.tells(&self.source.template, name)
    }

    /// What it tells, if not everything.
    #[must_use]
    pub fn told(&self) -> Option<&[String]> {
        self.source.told.only()
    }

    /// How many bytes of the template's record are missing at the beginning of this one.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.source.skipped
    }

    /// The number that the kernel gave a stack, and one more; 0: none.
    #[must_use]
    pub fn stack_number(&self, of: Stack) -> u64 {
        self.source.template.field(of.field()).map_or(0, |field| unsigned(self.bytes_of(field)))
    }

    /// A stack's frames by their names, innermost first; `None` if there is none.
    fn stack(&self, of: Stack) -> Option<Value> {
        let stacks = self.stacks.as_ref()?;
        let frames = match of {
            Stack::Kernel => symbols::kernel(stacks.kernel.as_ref()?),
            Stack::User => symbols::user(stacks.user.as_ref()?),
        };
        Some(Value::List(
            frames.into_iter().map(|name| Value::Text(raw::bytes(&name).into_owned())).collect(),
        ))
    }

    /// Returns `CLOCK_REALTIME - CLOCK_MONOTONIC` when the record was read, in nanoseconds.
    #[must_use]
    pub fn wall_offset_ns(&self) -> i64 {
        self.wall_offset_ns
    }

    #[must_use]
    pub fn template(&self) -> &Arc<Template> {
        &self.source.template
    }

    /// Its bytes, as the kernel wrote them: the tail of the last text may be missing.
    #[must_use]
    pub fn record(&self) -> &[u8] {
        &self.bytes
    }

    /// The name of the probe that sent it.
    #[must_use]
    pub fn probe(&self) -> &str {
        &self.source.probe
    }

    /// A field's value, or `None` if the template has no such field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        self.source.template.field(name).map(|field| self.read(field))
    }

    /// All fields that it tells, in the template's order; stacks if there are any.
    pub fn fields(&self) -> impl Iterator<Item = (&Field, Value)> {
        let stacks = self.stacks.as_ref();
        let there = move |field: &&Field| match &field.kind {
            FieldKind::Stack(Stack::Kernel) => stacks.is_some_and(|stacks| stacks.kernel.is_some()),
            FieldKind::Stack(Stack::User) => stacks.is_some_and(|stacks| stacks.user.is_some()),
            _ => self.tells(&field.name),
        };
        self.source.template.fields.iter().filter(there).map(|field| (field, self.read(field)))
    }

    /// Tells whether this is a text that the kernel could not read.
    #[must_use]
    pub fn unreadable(&self, name: &str) -> bool {
        let Some(field) = self.source.template.field(name) else { return false };
        let noted = |wanted: &str| match self.get("notes") {
            Some(Value::Flags(notes)) => notes.iter().any(|note| note == wanted),
            _ => false,
        };
        match &field.limits.unreadable {
            Some(note) => noted(note),
            None if field.kind == FieldKind::Text => {
                self.get(&format!("{name}_length")) == Some(Value::Unsigned(0)) && noted("no-path")
            }
            None => false,
        }
    }

    /// Tells whether this is a text, or a list of texts, that may go on behind what there is of it.
    #[must_use]
    pub fn may_go_on(&self, name: &str) -> bool {
        match self.source.template.field(name).and_then(|field| field.limits.cut.as_ref()) {
            Some(Cut::After(after)) => {
                matches!(self.get(name), Some(Value::Text(text)) if text.len() >= *after)
            }
            Some(Cut::Noted(by)) => self.get(by) == Some(Value::Bool(true)),
            None => false,
        }
    }

    /// Tells whether the last of these texts has no end: it lacks its NUL.
    #[must_use]
    pub fn last_is_cut(&self, name: &str) -> bool {
        let bytes = self.source.template.field(name).map_or(&[][..], |field| self.bytes_of(field));
        bytes.last().is_some_and(|byte| *byte != 0)
    }

    /// Returns a text field, in the form of [`raw`]; empty if there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        match self.get(name) {
            Some(Value::Text(bytes)) => raw::text(&bytes),
            Some(Value::Name(name)) => name,
            Some(Value::Address(Some(address))) => address.to_string(),
            _ => String::new(),
        }
    }

    /// Whether its operation is held until somebody has decided.
    #[must_use]
    pub fn is_question(&self) -> bool {
        matches!(self.get("verdict"), Some(Value::Name(name)) if name == "ask")
    }

    /// A numeric field; 0 if there is none.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        match self.get(name) {
            Some(Value::Unsigned(n)) => n,
            Some(Value::Signed(n)) => n.unsigned_abs(),
            Some(Value::Bool(b)) => u64::from(b),
            _ => 0,
        }
    }

    fn read(&self, field: &Field) -> Value {
        let instead = self.instead.iter().flatten().find(|(name, _)| *name == field.name);
        if let Some((_, value)) = instead {
            return value.clone();
        }
        let bytes = self.bytes_of(field);
        match &field.kind {
            // The kernel has no wall clock for tracing programs before 5.8 semantics and none that cannot jump, so
            // the header carries the monotonic time twice, and this one is moved by the offset seen at the reading.
            FieldKind::Unsigned if field.known == Known::Read => {
                Value::Unsigned(unsigned(bytes).saturating_add_signed(self.wall_offset_ns))
            }
            FieldKind::List { element, element_size, count } => {
                let count = usize::try_from(self.number(count)).unwrap_or(usize::MAX);
                let elements = bytes.chunks_exact((*element_size).max(1)).take(count);
                Value::List(elements.map(|bytes| value(element, bytes)).collect())
            }
            FieldKind::Stack(of) => self.stack(*of).unwrap_or(Value::List(Vec::new())),
            kind => value(kind, bytes),
        }
    }

    fn bytes_of(&self, field: &Field) -> &[u8] {
        self.bytes.get(self.place_of(field)).unwrap_or_default()
    }

    /// Where the field lies in this record. The packed ones begin where the one before ends.
    pub(super) fn place_of(&self, field: &Field) -> Range<usize> {
        let packed =
            self.source.template.fields.get(self.source.template.layout.packed_from..).unwrap_or_default();
        let skipped = self.source.skipped;
        let Some(offset) = field.offset.checked_sub(skipped) else { return 0..0 };
        let mut at = packed.first().map_or(usize::MAX, |f| f.offset.saturating_sub(skipped));
        if offset < at {
            let bytes = self.bytes.get(offset..).unwrap_or_default();
            let used = match &field.kind {
                FieldKind::Texts { length } => usize::try_from(self.number(length)).unwrap_or(usize::MAX),
                _ => field.size,
            };
            return offset..offset + bytes.len().min(field.size).min(used);
        }
        for candidate in packed {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let used = match &candidate.kind {
                FieldKind::Texts { length } => usize::try_from(self.number(length)).unwrap_or(usize::MAX),
                _ => rest.iter().position(|b| *b == 0).map_or(rest.len(), |nul| nul + 1),
            };
            let used = used.min(rest.len()).min(candidate.size);
            if candidate.offset == field.offset {
                return at..at + used;
            }
            at += used;
        }
        0..0
    }
}

/// Reads a value of this kind from its bytes.
pub fn value(kind: &FieldKind, bytes: &[u8]) -> Value {
    match kind {
        FieldKind::Text => Value::Text(until_nul(bytes).to_vec()),
        // Of a summary's key, a number still.
        FieldKind::Unsigned | FieldKind::Stack(_) => Value::Unsigned(unsigned(bytes)),
        FieldKind::Signed => Value::Signed(signed(bytes)),
        FieldKind::Bool => Value::Bool(unsigned(bytes) != 0),
        FieldKind::Flags(names) => Value::Flags(flag_names(names, unsigned(bytes))),
        FieldKind::Enum(names) => Value::Name(value_name(names, unsigned(bytes))),
        FieldKind::Device => {
            let device = unsigned(bytes);
            // The kernel's own split (MKDEV, include/linux/kdev_t.h), not stat's.
            const MINOR_BITS: u32 = 20;
            Value::Device {
                major: (device >> MINOR_BITS) as u32,
                minor: (device & ((1 << MINOR_BITS) - 1)) as u32,
            }
        }
        FieldKind::Address => Value::Address(address(bytes)),
        FieldKind::Texts { .. } => {
            let whole = bytes.strip_suffix(b"\0").unwrap_or(bytes);
            let texts = whole.split(|b| *b == 0).map(|text| Value::Text(text.to_vec()));
            Value::List(if bytes.is_empty() { Vec::new() } else { texts.collect() })
        }
        // A list of lists is no field (`describe`).
        FieldKind::List { .. } => Value::List(Vec::new()),
    }
}

/// An IP address as a record has it (`struct krsi_address` of the templates); `None` if there is none.
#[must_use]
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    let (version, octets) = bytes.split_first_chunk::<4>()?;
    let octets: [u8; 16] = octets.try_into().ok()?;
    let address = Ipv6Addr::from(octets);
    match u32::from_le_bytes(*version) {
        4 => address.to_ipv4_mapped().map(IpAddr::V4),
        6 => Some(address.into()),
        _ => None,
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// eBPF objects here are built for the little-endian target.
fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |acc, b| acc << 8 | u64::from(*b))
}

fn signed(bytes: &[u8]) -> i64 {
    let width = bytes.len().min(8) * 8;
    if width == 0 {
        return 0;
    }
    let shift = 64 - width as u32;
    (unsigned(bytes) as i64) << shift >> shift
}

fn flag_names(names: &[NamedValue], value: u64) -> Vec<String> {
    let mut set: Vec<String> =
        names.iter().filter(|n| n.value != 0 && value & n.value == n.value).map(|n| n.name.clone()).collect();
    let known = names.iter().fold(0, |acc, n| acc | n.value);
    if value & !known != 0 {
        set.push(format!("{:#x}", value & !known));
    }
    set
}

fn value_name(names: &[NamedValue], value: u64) -> String {
    names.iter().find(|n| n.value == value).map_or_else(|| value.to_string(), |n| n.name.clone())
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::template::{KernelNames, Layout, Limits, Object};

    fn template(fields: Vec<Field>, event_size: usize) -> Arc<Template> {
        let path = fields.iter().position(|f| f.name == "path");
        let packed_from = path.unwrap_or(fields.len());
        Arc::new(Template {
            name: "t".into(),
            summary: String::new(),
            attack: vec![],
            example: String::new(),
            not_seen: String::new(),
            hooks: vec![],
            can_deny: true,
            scope_required: false,
            cannot_ask: None,
            params: vec![],
            fields,
            event_size,
            layout: Layout { packed_from, ..Layout::default() },
            names: KernelNames::default(),
            object: Object::default(),
        })
    }

    fn field(name: &str, kind: FieldKind, offset: usize, size: usize) -> Field {
        Field {
            name: name.into(),
            kind,
            unit: None,
            doc: String::new(),
            limits: Limits::default(),
            known: if name == "wall_ns" { Known::Read } else { Known::Gathered },
            costs: None,
            is_subject: false,
            offset,
            size,
        }
    }

    fn decode(fields: Vec<Field>, size: usize, bytes: &[u8]) -> Result<Event, DecodeError> {
        Event::decode(&template(fields, size), &"p".into(), bytes, 1000)
    }

    #[test]
    fn numbers_keep_their_width_and_sign() {
        let fields = vec![
            field("u", FieldKind::Unsigned, 0, 4),
            field("i", FieldKind::Signed, 4, 4),
            field("wall_ns", FieldKind::Unsigned, 8, 8),
            field("dev", FieldKind::Device, 16, 4),
        ];
        let mut bytes = vec![0xff; 8];
        bytes.extend(5u64.to_le_bytes());
        bytes.extend(((8u32 << 20) | 3).to_le_bytes());
        let event = decode(fields, 20, &bytes).unwrap();
        assert_eq!(event.get("u"), Some(Value::Unsigned(0xffff_ffff)));
        assert_eq!(event.get("i"), Some(Value::Signed(-1)));
        assert_eq!(event.get("wall_ns"), Some(Value::Unsigned(1005)));
        assert_eq!(event.get("dev"), Some(Value::Device { major: 8, minor: 3 }));
        assert_eq!(event.get("none"), None);
    }

    #[test]
    fn the_last_text_may_be_cut_and_nothing_else() {
        let fields = || vec![field("n", FieldKind::Unsigned, 0, 4), field("path", FieldKind::Text, 4, 16)];
        let event = decode(fields(), 20, b"\x01\0\0\0/tmp").unwrap();
        assert_eq!(event.get("path"), Some(Value::Text(b"/tmp".to_vec())));
        assert!(decode(fields(), 20, b"\x01\0\0").is_err());
        assert!(decode(fields(), 20, &[0; 21]).is_err());
        assert_eq!(decode(fields(), 20, b"\x01\0\0\0").unwrap().get("path"), Some(Value::Text(vec![])));
    }

    #[test]
    fn a_list_is_as_long_as_its_count_and_its_room() {
        let list = |element, element_size| FieldKind::List {
            element: Box::new(element),
            element_size,
            count: "n".into(),
        };
        let fields = || {
            vec![
                field("n", FieldKind::Unsigned, 0, 4),
                field("pids", list(FieldKind::Unsigned, 4), 4, 8),
                field("comms", list(FieldKind::Text, 4), 12, 8),
                field("path", FieldKind::Text, 20, 4),
            ]
        };
        let bytes = |n: u8| [&[n, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0], &b"ab\0\0cde\0/"[..]].concat();
        let event = decode(fields(), 24, &bytes(1)).unwrap();
        assert_eq!(event.get("pids"), Some(Value::List(vec![Value::Unsigned(7)])));
        assert_eq!(event.get("comms"), Some(Value::List(vec![Value::Text(b"ab".to_vec())])));
        let event = decode(fields(), 24, &bytes(9)).unwrap();
        assert_eq!(event.get("pids"), Some(Value::List(vec![Value::Unsigned(7), Value::Unsigned(8)])));
    }

    #[test]
    fn what_stands_behind_the_path_is_packed() {
        let texts = FieldKind::Texts { length: "argv_length".into() };
        let fields = || {
            vec![
                field("argv_length", FieldKind::Unsigned, 0, 4),
                field("path", FieldKind::Text, 4, 64),
                field("cwd", FieldKind::Text, 68, 64),
                field("argv", texts.clone(), 132, 64),
                field("value", FieldKind::Text, 196, 64),
            ]
        };
        let text = |text: &str| Value::Text(text.as_bytes().to_vec());
        let argv = b"sh\0\0-c\0";
        let bytes = [&[argv.len() as u8, 0, 0, 0], &b"/bin/sh\0/\0"[..], argv, b"v=1\0"].concat();
        let event = decode(fields(), 260, &bytes).unwrap();
        assert_eq!(event.get("path"), Some(text("/bin/sh")));
        assert_eq!(event.get("cwd"), Some(text("/")));
        assert_eq!(event.get("argv"), Some(Value::List(vec![text("sh"), text(""), text("-c")])));
        assert_eq!(event.get("value"), Some(text("v=1")));
        // A record that lies about its lengths is read as far as it goes.
        let event = decode(fields(), 260, b"\xff\0\0\0/bin/sh\0/\0a").unwrap();
        assert_eq!(event.get("argv"), Some(Value::List(vec![text("a")])));
        assert_eq!(event.get("value"), Some(text("")));
        let event = decode(fields(), 260, b"\0\0\0\0/").unwrap();
        assert_eq!(event.get("argv"), Some(Value::List(vec![])));
    }

    #[test]
    fn an_address_is_of_its_version_or_none() {
        let fields = || vec![field("address", FieldKind::Address, 0, 20)];
        let address = |version: u32, address: &str| {
            let octets = address.parse::<Ipv6Addr>().unwrap().octets();
            let bytes = [&version.to_le_bytes()[..], &octets].concat();
            decode(fields(), 20, &bytes).unwrap().text("address")
        };
        assert_eq!(address(4, "::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(address(6, "2001:db8::1"), "2001:db8::1");
        assert_eq!(address(6, "::"), "::");
        assert_eq!(address(0, "::"), "");
        assert_eq!(value(&FieldKind::Address, &[4, 0, 0]), Value::Address(None));
    }

    #[test]
    fn an_event_without_a_path_is_sent_whole() {
        let fields = || vec![field("n", FieldKind::Unsigned, 0, 8)];
        assert_eq!(decode(fields(), 8, &7_u64.to_le_bytes()).unwrap().number("n"), 7);
        let short = decode(fields(), 8, &[7, 0, 0, 0]).unwrap_err();
        assert_eq!(short, DecodeError::Length { template: "t".into(), actual: 4, least: 8, most: 8 });
    }

    #[test]
    fn a_bit_without_a_name_is_shown_as_a_number() {
        let names = vec![NamedValue { name: "memfd".into(), value: 1 }];
        assert_eq!(flag_names(&names, 0b101), vec!["memfd".to_string(), "0x4".into()]);
    }
}
