//! Fields of the event, and the names and texts that they are compared with.

use super::*;

impl Checker<'_> {
    pub(super) fn field(&self, name: &str, at: Position) -> Fallible<Term> {
        if name == "template" {
            return Ok(Term::Words(self.template.name.clone()));
        }
        if LATE.contains(&name) || name == "probe" {
            return self.misfit(
                at,
                format!("`{name}` is not known yet when the filter decides"),
                "ask for it in `.on_event(…)`",
            );
        }
        let Some(field) = self.template.field(name) else {
            let names = || self.template.fields.iter().map(|f| f.name.as_str()).filter(|n| !LATE.contains(n));
            let near = nearest(name, names()).map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
            let text = format!("an event of `{}` has no field `{name}`{near}", self.template.name);
            return self.misfit(at, text, &format!("it has: {}", names().collect::<Vec<_>>().join(", ")));
        };
        if self.packed(field) {
            return self.misfit(
                at,
                format!("`{name}` has no place of its own in the event, and a filter cannot look for it"),
                "ask for it in `.on_event(…)`",
            );
        }
        match &field.kind {
            FieldKind::Text => Ok(Term::Text(self.text(field))),
            FieldKind::Address => self.misfit(
                at,
                format!("`{name}` is an IP address, which a filter cannot look into"),
                "give the networks to a param of the probe (`address`, `not_address`), or ask in `.on_event(…)`",
            ),
            kind => {
                let number = Number {
                    name: field.name.clone(),
                    offset: field.offset,
                    size: field.size,
                    signed: *kind == FieldKind::Signed,
                };
                Ok(match kind {
                    FieldKind::Bool => {
                        Term::Bool(ir::compare(Comparison::NotEqual, Int::Field(number), Int::Constant(0)))
                    }
                    FieldKind::Flags(names) => Term::Flags(number, names.clone()),
                    FieldKind::Enum(names) => Term::Enum(number, names.clone()),
                    FieldKind::Device => Term::Device(number),
                    FieldKind::Unsigned | FieldKind::Signed => Term::Int(Int::Field(number)),
                    FieldKind::Text
                    | FieldKind::Address
                    | FieldKind::List { .. }
                    | FieldKind::Texts { .. } => {
                        return self.misfit(
                            at,
                            format!("`{name}` is a list, and a filter cannot look into it"),
                            "ask for it in `.on_event(…)`",
                        );
                    }
                })
            }
        }
    }

    /// Behind the first of the packed texts each begins where the one before ends.
    pub(super) fn packed(&self, field: &Field) -> bool {
        let first = self.template.fields.get(self.template.layout.packed_from);
        first.is_some_and(|first| field.offset > first.offset)
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
        Text { name: field.name.clone(), offset: field.offset, size: field.size, length }
    }

    /// A name's value, if that is what the value is called.
    pub(super) fn value(&self, field: &Number, names: &[NamedValue], name: &str, at: Position) -> Fallible<i64> {
        let called = |value: u64| names.iter().find(|n| n.value == value).map(|n| n.name.as_str());
        match names.iter().find(|n| n.name == name && called(n.value) == Some(name)) {
            Some(found) => Ok(found.value.cast_signed()),
            None => self.unknown_name(field, names, name, at),
        }
    }

    pub(super) fn unknown_name<T>(&self, field: &Number, names: &[NamedValue], name: &str, at: Position) -> Fallible<T> {
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

    /// Bytes to look for. A replaced byte stands for any broken one, and NUL ends every text.
    pub(super) fn needle(&self, words: &str, at: Position) -> Fallible<Vec<u8>> {
        if words.contains('\0') || words.contains(char::REPLACEMENT_CHARACTER) {
            return self.misfit(
                at,
                "this text has a NUL or a replacement character in it, and no text of the kernel's has",
                "ask for the part before it",
            );
        }
        Ok(words.as_bytes().to_vec())
    }
}


