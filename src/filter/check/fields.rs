//! Fields of the event, and the names and texts that they are compared with.

use std::net::IpAddr;

use rhai::Position;

use super::{Ancestor, Checker, Element, Fallible, List, Term, lists::term};
use crate::{
    event::{
        ARGV, CMDLINE, has_cmdline,
        origin::{self, ANCESTORS, Member, OF_ANCESTORS, Relative},
    },
    filter::ir::{
        self, Address, Between, Bool, Case, Comparison, Int, Length, Note, Number, Packed, Place, Text, Texts,
    },
    raw::{self, literal},
    template::{Cut, Field, FieldKind, Known, NamedValue},
    values::Network,
    values::nearest,
};

impl Checker<'_> {
    pub(super) fn field(&self, name: &str, at: Position) -> Fallible<Term> {
        if name == "template" {
            return Ok(Term::Words(self.template.name.clone()));
        }
        let is_late = |field: &Field| field.known != Known::Gathered;
        if self.template.field(name).is_some_and(is_late) || name == "probe" {
            return self.misfit(
                at,
                format!("`{name}` is not known yet when the filter decides"),
                "ask for it in `.on_event(…)`",
            );
        }
        if name == CMDLINE && has_cmdline(self.template) {
            return self.joined(name, ARGV, at);
        }
        if let Some(relative) = Relative::named(name).filter(|_| self.template.field(name).is_none()) {
            return Ok(Term::Relative(relative));
        }
        if name == ANCESTORS {
            return Ok(Term::Ancestors);
        }
        let Some(field) = self.template.field(name) else {
            let derived = has_cmdline(self.template).then_some(CMDLINE);
            let fields = self.template.fields.iter().filter(|f| !is_late(f)).map(|f| f.name.as_str());
            // As a callback says it; all of them together are half a screen.
            let of = &self.template.name;
            let near = nearest(name, fields.chain(derived))
                .map_or_else(String::new, |n| format!("did you mean `{n}`? "));
            let text = format!("an event of `{of}` has no field `{name}`");
            return self.misfit(at, text, &format!("{near}help(\"{of}\") lists its fields"));
        };
        let number = |name: &str, offset, size, kind: &FieldKind| Number {
            name: name.to_owned(),
            offset,
            size,
            signed: *kind == FieldKind::Signed,
        };
        let whole = || number(&field.name, field.offset, field.size, &field.kind);
        Ok(match &field.kind {
            FieldKind::Text => Term::Text(self.text(field)),
            FieldKind::Address => Term::Address(Address { name: field.name.clone(), offset: field.offset }),
            FieldKind::Bool => {
                Term::Bool(ir::compare(Comparison::NotEqual, Int::Field(whole()), Int::Constant(0)))
            }
            FieldKind::Flags(names) => Term::Flags(whole(), names.clone()),
            FieldKind::Enum(names) => Term::Enum(whole(), names.clone()),
            FieldKind::Device => Term::Device(whole()),
            FieldKind::Stack(_) => {
                return self.misfit(
                    at,
                    format!("`{name}` is taken once the filter has said yes, and has names only here"),
                    "ask for it in `.where_user(…)` or `.on_event(…)`",
                );
            }
            FieldKind::Unsigned | FieldKind::Signed => Term::Int(Int::Field(whole())),
            FieldKind::Texts { length } => match (self.list_place(field), self.template.field(length)) {
                (Some(packed), Some(length)) => Term::Texts(Texts {
                    name: field.name.clone(),
                    packed,
                    length: length.offset,
                    size: field.size,
                    unreadable: self.unreadable(field),
                    cut: match &field.limits.cut {
                        Some(Cut::Noted(by)) => self.template.field(by).map(|by| by.offset),
                        _ => None,
                    },
                }),
                _ => {
                    return self.misfit(
                        at,
                        format!("`{name}` has no place in the event"),
                        "ask for it in `.on_event(…)`",
                    );
                }
            },
            FieldKind::List { element, element_size, count } => {
                let count = self.template.field(count).map(|c| number(&c.name, c.offset, c.size, &c.kind));
                let places =
                    (0..field.size / (*element_size).max(1)).map(|i| field.offset + i * element_size);
                let one = |at: usize| match &**element {
                    FieldKind::Text => Some(Element::Text(Text {
                        name: field.name.clone(),
                        place: Place::Padded(at),
                        size: *element_size,
                        case: Case::AsIs,
                        unreadable: self.unreadable(field),
                        cut: None,
                        counted: None,
                    })),
                    kind @ (FieldKind::Unsigned | FieldKind::Signed) => {
                        Some(Element::Number(number(&field.name, at, *element_size, kind)))
                    }
                    _ => None,
                };
                match (count, places.map(one).collect::<Option<Vec<_>>>()) {
                    (Some(count), Some(elements)) => Term::List(List { count, elements }),
                    _ => {
                        return self.misfit(
                            at,
                            format!("`{name}` is a list of what a filter cannot look into"),
                            "ask for it in `.on_event(…)`",
                        );
                    }
                }
            }
        })
    }

    /// The texts of a list as one text.
    fn joined(&self, name: &str, list: &str, at: Position) -> Fallible<Term> {
        let texts = match self.field(list, at)? {
            Term::Texts(texts) => texts,
            other => return self.no_method(&other, name, at),
        };
        Ok(Term::Text(Text {
            name: name.to_owned(),
            size: texts.size + 1,
            place: Place::Joined(texts),
            case: Case::AsIs,
            unreadable: None,
            cut: None,
            counted: None,
        }))
    }

    /// `e.parent.exe`
    pub(super) fn of_relative(&self, of: &'static Relative, name: &str, at: Position) -> Fallible<Term> {
        match of.member(name) {
            Some(Member::Field(field)) => self.field(field, at),
            Some(Member::Joined(list)) => self.joined(&format!("{}.{name}", of.name), list, at),
            None => {
                let (text, advice) =
                    origin::no_member(&format!("e.{}", of.name), name, &of.names().collect::<Vec<_>>());
                self.misfit(at, text, &advice)
            }
        }
    }

    /// What is asked of one of the ancestors: an element of the list that has it.
    pub(super) fn of_ancestor(
        &self,
        Ancestor { index, is_there }: Ancestor,
        name: &str,
        at: Position,
    ) -> Fallible<Term> {
        let Some((_, list)) = OF_ANCESTORS.iter().find(|(member, _)| *member == name) else {
            let (text, advice) =
                origin::no_member("an ancestor", name, &OF_ANCESTORS.map(|(member, _)| member));
            return self.misfit(at, text, &advice);
        };
        match self.field(list, at)? {
            Term::List(List { mut elements, .. }) if is_there && index < elements.len() => {
                Ok(term(elements.swap_remove(index)))
            }
            Term::List(list) => self.element(list, index, at),
            other => self.no_method(&other, name, at),
        }
    }

    /// Where a list of texts is: of the origin's each has a place of its own.
    fn list_place(&self, field: &Field) -> Option<Packed> {
        match field.is_of_origin() {
            true => {
                let at = field.offset;
                Some(Packed { path: at, length: None, between: Vec::new(), most: at })
            }
            false => self.packed(field),
        }
    }

    /// Where a field is that stands behind the path.
    fn packed(&self, field: &Field) -> Option<Packed> {
        let fields = self.template.fields.get(self.template.layout.packed_from..)?;
        let (path, rest) = fields.split_first()?;
        let here = rest.iter().position(|other| other.offset == field.offset)?;
        let between = rest[..here].iter().map(|other| match &other.kind {
            FieldKind::Texts { length } => Some(Between::Texts(self.template.field(length)?.offset)),
            _ => Some(Between::Text(other.size)),
        });
        Some(Packed {
            path: path.offset,
            length: Some(self.template.field(&format!("{}_length", path.name))?.offset),
            between: between.collect::<Option<_>>()?,
            most: field.offset,
        })
    }

    pub(super) fn text(&self, field: &Field) -> Text {
        let unreadable = |notes: &Field| match &notes.kind {
            FieldKind::Flags(names) => names.iter().find(|n| n.name == "no-path").map(|n| n.value),
            _ => None,
        };
        let length = self.template.field(&format!("{}_length", field.name)).and_then(|length| {
            let notes = self.template.field("notes")?;
            Some(Length {
                offset: length.offset,
                notes: notes.offset,
                unreadable: u32::try_from(unreadable(notes)?).ok()?,
            })
        });
        let place = match (length, self.packed(field)) {
            (_, Some(packed)) => Place::Packed(packed),
            (Some(length), None) => Place::Path(field.offset, length),
            (None, None) => Place::Padded(field.offset),
        };
        let cut = match field.limits.cut {
            Some(Cut::After(after)) => Some(after),
            _ => None,
        };
        let unreadable = self.unreadable(field);
        Text {
            name: field.name.clone(),
            place,
            size: field.size,
            case: Case::AsIs,
            unreadable,
            cut,
            counted: None,
        }
    }

    /// The note that says that this could not be read.
    fn unreadable(&self, field: &Field) -> Option<Note> {
        let wanted = field.limits.unreadable.as_ref()?;
        let notes = self.template.field("notes")?;
        let FieldKind::Flags(names) = &notes.kind else { return None };
        let bit = names.iter().find(|n| n.name == *wanted)?.value;
        Some(Note { offset: notes.offset, bit: u32::try_from(bit).ok()? })
    }

    /// A name's value, if that is what the value is called.
    pub(super) fn value(
        &self,
        field: &Number,
        names: &[NamedValue],
        name: &str,
        at: Position,
    ) -> Fallible<i64> {
        let called = |value: u64| names.iter().find(|n| n.value == value).map(|n| n.name.as_str());
        match names.iter().find(|n| n.name == name && called(n.value) == Some(name)) {
            Some(found) => Ok(found.value.cast_signed()),
            None => self.unknown_name(field, names, name, at),
        }
    }

    pub(super) fn unknown_name<T>(
        &self,
        field: &Number,
        names: &[NamedValue],
        name: &str,
        at: Position,
    ) -> Fallible<T> {
        let known = || names.iter().map(|n| n.name.as_str());
        let near = nearest(name, known()).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
        let allowed = known().collect::<Vec<_>>().join(", ");
        self.misfit(
            at,
            format!("`{}` is never \"{name}\"{near}", field.name),
            &format!("it can be: {allowed}"),
        )
    }

    /// `major:minor` in the kernel's own form (MKDEV, 20 bits for the minor).
    pub(super) fn device(&self, words: &str, at: Position) -> Fallible<i64> {
        let parsed = words.split_once(':').and_then(|(major, minor)| {
            let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
            let fits = major < 1 << 12 && minor < 1 << 20 && format!("{major}:{minor}") == words;
            fits.then_some(i64::from(major) << 20 | i64::from(minor))
        });
        match parsed {
            Some(device) => Ok(device),
            None => self.misfit(
                at,
                format!("\"{words}\" is no device"),
                "a device is \"major:minor\", such as \"8:1\"",
            ),
        }
    }

    /// Bytes to look for.
    pub(super) fn needle(&self, words: &str, at: Position) -> Fallible<Vec<u8>> {
        if words.contains('\0') {
            return self.misfit(
                at,
                "this text has a NUL in it, and no text of the kernel's has",
                "ask for the part before it",
            );
        }
        let bytes = raw::bytes(words);
        let canonical = raw::text(&bytes);
        if canonical != words {
            return self.misfit(
                at,
                format!("no text is {}: its bytes are UTF-8", literal(words)),
                &format!("write {}", literal(&canonical)),
            );
        }
        Ok(bytes.into_owned())
    }

    /// The same, for a text that may be looked at in small letters.
    pub(super) fn sought(&self, text: &Text, words: &str, at: Position) -> Fallible<Vec<u8>> {
        if text.case == Case::Lower && words.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.misfit(
                at,
                format!("\"{words}\" has capital letters, and a text of small letters never has"),
                &format!("write \"{}\"", words.to_ascii_lowercase()),
            );
        }
        self.needle(words, at)
    }

    /// Written as an event has it; the empty text is not an address.
    pub(super) fn same_address(&self, address: Address, words: &str, at: Position) -> Fallible<Bool> {
        if words.is_empty() {
            return Ok(no_address(address));
        }
        let advice = "write the address itself, such as \"10.0.0.1\" or \"2001:db8::1\", or `e.address in cidr(\"10.0.0.0/8\")`";
        let Ok(parsed) = words.parse::<IpAddr>() else {
            return self.misfit(at, format!("\"{words}\" is no IP address"), advice);
        };
        let canonical = parsed.to_canonical().to_string();
        match Network::parse(&canonical) {
            Ok(network) if canonical == words => Ok(Bool::Within(address, vec![network])),
            _ => self.misfit(
                at,
                format!("an event never has the address \"{words}\""),
                &format!("it has \"{canonical}\""),
            ),
        }
    }
}

pub(super) fn no_address(address: Address) -> Bool {
    let all = ["0.0.0.0/0", "::/0"].into_iter().filter_map(|all| Network::parse(all).ok()).collect();
    ir::not(Bool::Within(address, all))
}
