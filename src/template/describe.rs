//! Reads a template's description out of its object: `.BTF` for shapes and docs,
//! section names for hooks.
//!
//! The vocabulary is that of `ebpf-templates/include/krsi.bpf.h`: `struct event`
//! and `struct params`, whose members carry `krsi:` declaration tags. Whatever
//! is missing is an error here, so that nothing above needs to handle a field
//! without a doc or a param without a type.

use std::collections::{BTreeSet, HashMap};

use btf_rs::{Btf, BtfType, Member, Struct, Type};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::{
    Control, Cost, CounterIndex, Cut, EarlyField, Field, FieldKind, Function, KernelNames, Known,
    LONGEST_NAME, Layout, Limits, NameRule, NamedValue, Object as Stored, ObservedAt, Observer, Param,
    ParamKind, Question, Stack, SummaryKinds, Template,
};

/// An object that is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template object `{object}`: {reason}")]
pub struct DescribeError {
    /// File name without its extension.
    pub object: String,
    pub reason: String,
}

type Fallible<T> = Result<T, String>;

pub(super) fn describe(stem: &str, object: Stored) -> Result<Template, DescribeError> {
    let refuse = |reason| DescribeError { object: stem.to_owned(), reason };
    let described = match &object {
        Stored::BuiltIn(place) => read(super::archive::archived(*place)),
        Stored::Given(bytes) => read(bytes),
    };
    Ok(Template { object, ..described.map_err(refuse)? })
}

fn read(object: &[u8]) -> Fallible<Template> {
    let elf = object::File::parse(object).map_err(|e| format!("not an ELF object: {e}"))?;
    let section = elf.section_by_name(".BTF").ok_or("no .BTF section")?;
    let btf = section.data().map_err(|e| format!("unreadable .BTF section: {e}"))?;
    let sections = sections(&elf);
    let types = Types::read(btf)?;

    let (event_id, event) = types.structure("event")?;
    let about = types.tags(event_id, None);
    let (origin_id, origin) = types.structure("krsi_origin")?;
    let mut of_origin = Vec::new();
    types.fields(origin_id, &origin, 0, &mut of_origin)?;
    let mut fields = Vec::new();
    types.fields(event_id, &event, origin.size(), &mut fields)?;
    let packed_from = types.packed_from(&event, origin.size(), &fields)? + of_origin.len();
    let header = types.header(&event, origin.size(), &fields)?;
    let own = fields.split_off(header);
    let header = header + of_origin.len();
    fields.extend(of_origin);
    fields.extend(own);
    check_counts(&fields)?;
    check_limits(&fields)?;

    check_subject(&fields)?;

    let origin_size = origin.size();
    let layout =
        Layout { packed_from, header, origin_size, by_task: by_task(&elf), ..types.layout(&sections)? };
    if layout.programs.is_empty() {
        return Err("no program in a section `lsm/HOOK`".into());
    }
    if layout.functions.iter().any(|function| !function.refuses) && !about.has("observe-only") {
        return Err("a program in a section `fentry/FUNCTION` has no verdict, and struct event no `krsi:observe-only`".into());
    }

    Ok(Template {
        name: about.need("template", "struct event")?,
        summary: about.need("summary", "struct event")?,
        attack: about.need("attack", "struct event")?.split_whitespace().map(str::to_owned).collect(),
        example: about.need("example", "struct event")?,
        not_seen: about.need("not-seen", "struct event")?,
        hooks: layout.programs.iter().map(|(hook, _)| hook.clone()).collect(),
        can_deny: !about.has("observe-only"),
        scope_required: about.has("scope-required"),
        cannot_ask: about.get("cannot-ask").map(str::to_owned),
        params: types.params()?,
        fields,
        event_size: origin_size + event.size(),
        layout,
        names: KernelNames {
            types: types.named()?,
            sections: sections.into_iter().map(|(section, _)| section).collect(),
        },
        object: Stored::default(),
    })
}

/// Section and name of each program, in the order of the object.
fn sections(elf: &object::File<'_>) -> Vec<(String, String)> {
    let mut programs: Vec<_> = elf
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_global())
        .filter_map(|symbol| {
            let index = symbol.section_index()?;
            let section = elf.section_by_index(index).ok()?.name().ok()?.to_owned();
            Some((index, section, symbol.name().ok()?.to_owned()))
        })
        .collect();
    programs.sort_by_key(|(index, ..)| index.0);
    programs.into_iter().map(|(_, section, program)| (section, program)).collect()
}

/// What comes behind the slash of a section `KIND/…`, and the program's name, of those that end so.
fn of_kind(sections: &[(String, String)], kind: &str, ending: &str) -> Vec<(String, String)> {
    let target = |section: &str| Some(section.strip_prefix(kind)?.strip_prefix('/')?.to_owned());
    let so_named = sections.iter().filter(|(_, program)| program.ends_with(ending));
    so_named.filter_map(|(section, program)| Some((target(section)?, program.clone()))).collect()
}

/// The maps whose names say that they have an entry for each task.
fn by_task(elf: &object::File<'_>) -> Vec<String> {
    let maps = elf.section_by_name(".maps").map(|section| section.index());
    let in_maps = elf.symbols().filter(|symbol| maps.is_some() && symbol.section_index() == maps);
    let names = in_maps.filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    names.filter(|name| name.ends_with("_by_task")).collect()
}

/// What is attached to functions of the kernel's and is no observer: at their entry, or in place of what they return.
fn functions(sections: &[(String, String)]) -> Vec<(Function, String)> {
    let has_another_purpose = |program: &str| program.ends_with("_observed") || program.ends_with("_track");
    let at_entry =
        of_kind(sections, "fentry", "").into_iter().filter(|(_, program)| !has_another_purpose(program));
    let in_place = of_kind(sections, "fmod_ret", "_function").into_iter();
    let each = |refuses| move |(name, program): (String, String)| (Function { name, refuses }, program);
    at_entry.map(each(false)).chain(in_place.map(each(true))).collect()
}

/// What observes where the hooks cannot be had.
fn observers(sections: &[(String, String)]) -> Vec<Observer> {
    let of = |kind| of_kind(sections, kind, "_observed").into_iter();
    let tracepoints = of("tp_btf").map(|(at, program)| Observer { at: ObservedAt::Tracepoint(at), program });
    let functions = of("fentry").map(|(at, program)| Observer { at: ObservedAt::Function(at), program });
    tracepoints.chain(functions).collect()
}

/// A list's count must be a field itself.
fn check_counts(fields: &[Field]) -> Fallible<()> {
    for field in fields {
        if let FieldKind::List { count, .. } | FieldKind::Texts { length: count } = &field.kind
            && !fields.iter().any(|f| f.name == *count && f.kind == FieldKind::Unsigned)
        {
            return Err(format!("field `{}` is counted by `{count}`, which is not a number", field.name));
        }
    }
    Ok(())
}

/// What is said of a text must be something that an event says.
fn check_limits(fields: &[Field]) -> Fallible<()> {
    let notes = fields.iter().find(|f| f.name == "notes");
    let is_note = |name: &str| match notes.map(|notes| &notes.kind) {
        Some(FieldKind::Flags(names)) => names.iter().any(|n| n.name == name),
        _ => false,
    };
    let is_truth = |name: &str| fields.iter().any(|f| f.name == name && f.kind == FieldKind::Bool);
    for field in fields {
        let refuse = |what: &str| Err(format!("field `{}`: {what}", field.name));
        if field.limits.unreadable.as_ref().is_some_and(|note| !is_note(note)) {
            return refuse("its tag `unreadable` is none of the header's notes");
        }
        match (&field.limits.cut, &field.kind) {
            (None, _) => {}
            (Some(Cut::After(after)), FieldKind::Text) if (1..field.size).contains(after) => {}
            (Some(Cut::Noted(by)), FieldKind::Texts { .. }) if is_truth(by) => {}
            _ => {
                return refuse(
                    "its tag `cut` is no length that a text has, nor a field that says so of texts",
                );
            }
        }
    }
    Ok(())
}

/// An event is about one thing.
fn check_subject(fields: &[Field]) -> Fallible<()> {
    match fields.iter().filter(|f| f.is_subject).count() {
        1 => Ok(()),
        0 => Err("no field of struct event has the tag `krsi:subject`".into()),
        _ => Err("several fields of struct event have the tag `krsi:subject`".into()),
    }
}

/// The `krsi:` tags of one declaration.
struct Tags<'a>(Vec<&'a str>);

impl Tags<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find_map(|tag| tag.strip_prefix(key)?.strip_prefix(':'))
    }

    fn has(&self, key: &str) -> bool {
        self.0.contains(&key)
    }

    fn need(&self, key: &str, of: &str) -> Fallible<String> {
        self.get(key).map(str::to_owned).ok_or_else(|| format!("{of} has no tag `krsi:{key}:…`"))
    }

    /// `"read=1 write=2"` under `key`.
    fn named_values(&self, key: &str) -> Fallible<Option<Vec<NamedValue>>> {
        let Some(list) = self.get(key) else { return Ok(None) };
        list.split_whitespace()
            .map(|pair| {
                let (name, value) =
                    pair.split_once('=').ok_or_else(|| format!("`{pair}` is no name=number"))?;
                let value = value.parse().map_err(|_| format!("`{pair}` is no name=number"))?;
                Ok(NamedValue { name: name.to_owned(), value })
            })
            .collect::<Fallible<Vec<_>>>()
            .map(Some)
    }
}

fn name_rule(tags: &Tags<'_>) -> Fallible<NameRule> {
    let longest = match tags.get("longest") {
        Some(bytes) => bytes.parse().map_err(|_| format!("`{bytes}` is no number of bytes"))?,
        None => LONGEST_NAME,
    };
    if longest > LONGEST_NAME {
        return Err(format!("the table holds names of {LONGEST_NAME} bytes, not {longest}"));
    }
    Ok(NameRule { begins: tags.get("begins").unwrap_or_default().to_owned(), longest })
}

fn known(tags: &Tags<'_>) -> Fallible<Known> {
    match tags.get("known") {
        None => Ok(Known::Gathered),
        Some("decided") => Ok(Known::Decided),
        Some("sent") => Ok(Known::Sent),
        Some("read") => Ok(Known::Read),
        Some(other) => Err(format!("its tag `known` is `{other}`, which means nothing")),
    }
}

fn costs(tags: &Tags<'_>, origin: &[NamedValue]) -> Fallible<Option<Cost>> {
    let Some(name) = tags.get("costs") else { return Ok(None) };
    let part = origin.iter().find(|part| part.name == name).and_then(|part| u32::try_from(part.value).ok());
    match (name, part) {
        ("exe", _) => Ok(Some(Cost::Executable)),
        ("cwd", _) => Ok(Some(Cost::Directory)),
        ("file", _) => Ok(Some(Cost::File)),
        (_, Some(part)) => Ok(Some(Cost::Origin(part))),
        (other, None) => Err(format!("its tag `costs` is `{other}`, which means nothing")),
    }
}

fn limits(tags: &Tags<'_>) -> Limits {
    let cut = |text: &str| text.parse().map_or_else(|_| Cut::Noted(text.to_owned()), Cut::After);
    Limits { unreadable: tags.get("unreadable").map(str::to_owned), cut: tags.get("cut").map(cut) }
}

/// An object's types, and the tags that belong to them.
struct Types {
    btf: Btf,
    /// By type id and member index.
    tags: HashMap<(u32, Option<u32>), Vec<String>>,
    /// The parts of the origin.
    origin: Vec<NamedValue>,
}

impl Types {
    fn read(bytes: &[u8]) -> Fallible<Self> {
        let btf = Btf::from_bytes(bytes).map_err(|e| format!("malformed BTF: {e}"))?;
        let mut tags: HashMap<_, Vec<String>> = HashMap::new();
        let (first, last) = btf.base().type_id_range();
        for id in first..=last {
            let kind = btf.resolve_type_by_id(id).map_err(|e| e.to_string())?;
            let Type::DeclTag(tag) = kind else { continue };
            let Some(target) = tag.get_type_id() else { continue };
            let text = btf.resolve_name(&tag).map_err(|e| e.to_string())?;
            if let Some(text) = text.strip_prefix("krsi:") {
                tags.entry((target, tag.component_index())).or_default().push(text.to_owned());
            }
        }
        let mut types = Types { btf, tags, origin: Vec::new() };
        types.origin = types.enumeration("krsi_origin_part")?;
        Ok(types)
    }

    /// The names of structs, unions, enums and typedefs, each once.
    fn named(&self) -> Fallible<Vec<String>> {
        let mut names = BTreeSet::new();
        let (first, last) = self.btf.base().type_id_range();
        for id in first..=last {
            let name = match self.kind(id)? {
                Type::Struct(found) | Type::Union(found) => self.name(&found)?,
                Type::Enum(found) => self.name(&found)?,
                Type::Enum64(found) => self.name(&found)?,
                Type::Typedef(found) => self.name(&found)?,
                _ => continue,
            };
            if !name.is_empty() {
                names.insert(name);
            }
        }
        Ok(names.into_iter().collect())
    }

    fn tags(&self, id: u32, member: Option<u32>) -> Tags<'_> {
        Tags(self.tags.get(&(id, member)).map_or_else(Vec::new, |t| t.iter().map(String::as_str).collect()))
    }

    fn name(&self, of: &dyn BtfType) -> Fallible<String> {
        self.btf.resolve_name(of).map_err(|e| e.to_string())
    }

    fn kind(&self, id: u32) -> Fallible<Type> {
        self.btf.resolve_type_by_id(id).map_err(|e| e.to_string())
    }

    fn structure(&self, name: &str) -> Fallible<(u32, Struct)> {
        let ids = self.btf.resolve_ids_by_name(name).map_err(|e| e.to_string())?;
        for id in ids {
            if let Type::Struct(found) = self.kind(id)? {
                return Ok((id, found));
            }
        }
        Err(format!("no `struct {name}`"))
    }

    fn enumeration(&self, name: &str) -> Fallible<Vec<NamedValue>> {
        let ids = self.btf.resolve_ids_by_name(name).map_err(|e| e.to_string())?;
        for id in ids {
            if let Type::Enum(found) = self.kind(id)? {
                return self.enum_names(name, &found);
            }
        }
        Err(format!("no `enum {name}`"))
    }

    /// Members named after their enum (`krsi_hook_file_open` of `krsi_hook`), without that part.
    fn enum_names(&self, of: &str, found: &btf_rs::Enum) -> Fallible<Vec<NamedValue>> {
        let mut names = Vec::new();
        for member in &found.members {
            let name = self.name(member)?;
            if let Some(short) = name.strip_prefix(of).and_then(|n| n.strip_prefix('_')) {
                names.push(NamedValue { name: short.to_owned(), value: u64::from(member.val()) });
            }
        }
        Ok(names)
    }

    /// A struct's members with their index and byte offset.
    fn members<'s>(&self, of: &'s Struct) -> impl Iterator<Item = (u32, &'s Member, usize)> {
        (0..).zip(&of.members).map(|(index, member)| (index, member, member.bit_offset() as usize / 8))
    }

    /// How many of an event's fields are in its first member, which is the header.
    fn header(&self, event: &Struct, base: usize, fields: &[Field]) -> Fallible<usize> {
        let none = "struct event does not begin with a `struct krsi_header header`";
        let first = event.members.first().and_then(BtfType::get_type_id).ok_or(none)?;
        match self.kind(first)? {
            Type::Struct(header) if self.name(&header)? == "krsi_header" => {
                Ok(fields.iter().take_while(|field| field.offset < base + header.size()).count())
            }
            _ => Err(none.into()),
        }
    }

    /// The first of the fields of which only what is in use is sent: so nothing but texts may stand there. An event that
    /// is sent whole has none.
    fn packed_from(&self, event: &Struct, base: usize, fields: &[Field]) -> Fallible<usize> {
        let sent = self.enumeration("krsi_sent")?;
        let always = sent.iter().find(|n| n.name == "always").and_then(|n| usize::try_from(n.value).ok());
        let from = match always {
            Some(always) if always == event.size() => fields.len(),
            Some(always) => {
                fields.iter().position(|f| f.offset == base + always).ok_or("no field is packed first")?
            }
            None => return Err("it does not say how much of an event is always sent".into()),
        };
        let mut end = 0;
        for (index, field) in fields.iter().enumerate() {
            let text = matches!(field.kind, FieldKind::Text | FieldKind::Texts { .. });
            if field.offset < end || (index >= from && !text) {
                return Err(format!("field `{}` must lie before what is packed in struct event", field.name));
            }
            end = field.offset + field.size;
        }
        Ok(from)
    }

    /// The fields of an event; nested structs are laid flat, in order.
    fn fields(&self, id: u32, of: &Struct, base: usize, into: &mut Vec<Field>) -> Fallible<()> {
        for (index, member, offset) in self.members(of) {
            let offset = base + offset;
            let tags = self.tags(id, Some(index));
            let name = self.name(member)?;
            let Some(type_id) = member.get_type_id() else { continue };
            match self.kind(type_id)? {
                Type::Struct(nested) if self.name(&nested)? == "krsi_path" => {
                    self.path_fields(&name, type_id, &nested, offset, &tags, into)?;
                }
                Type::Struct(nested) if self.name(&nested)? == "krsi_address" => {
                    into.push(self.field(&name, type_id, offset, &tags)?);
                }
                Type::Struct(nested) => self.fields(type_id, &nested, offset, into)?,
                _ => into.push(self.field(&name, type_id, offset, &tags)?),
            }
        }
        Ok(())
    }

    /// A path is a length and a text: `path_length`, `path`.
    fn path_fields(
        &self,
        name: &str,
        id: u32,
        of: &Struct,
        base: usize,
        tags: &Tags<'_>,
        into: &mut Vec<Field>,
    ) -> Fallible<()> {
        for (index, member, offset) in self.members(of) {
            let Some(type_id) = member.get_type_id() else { continue };
            let field = match self.name(member)?.as_str() {
                "text" => self.field(name, type_id, base + offset, tags)?,
                part => {
                    let own = self.tags(id, Some(index));
                    self.field(&format!("{name}_{part}"), type_id, base + offset, &own)?
                }
            };
            into.push(field);
        }
        Ok(())
    }

    fn field(&self, name: &str, type_id: u32, offset: usize, tags: &Tags<'_>) -> Fallible<Field> {
        let of = format!("field `{name}`");
        let (kind, size) = self.field_kind(type_id, tags).map_err(|e| format!("{of}: {e}"))?;
        let named = |e| format!("{of}: {e}");
        let kind = if let Some(bits) = tags.named_values("bits").map_err(named)? {
            FieldKind::Flags(bits)
        } else if let Some(names) = tags.named_values("names").map_err(named)? {
            FieldKind::Enum(names)
        } else {
            kind
        };
        Ok(Field {
            name: name.to_owned(),
            kind,
            unit: tags.get("unit").map(str::to_owned),
            doc: tags.need("doc", &of)?,
            limits: limits(tags),
            known: known(tags).map_err(named)?,
            costs: costs(tags, &self.origin).map_err(named)?,
            is_subject: tags.has("subject"),
            offset,
            size,
        })
    }

    /// Follows typedefs; a typedef whose name is a kind of its own decides.
    fn field_kind(&self, mut id: u32, tags: &Tags<'_>) -> Fallible<(FieldKind, usize)> {
        let mut named = None;
        loop {
            match self.kind(id)? {
                Type::Typedef(alias) => {
                    named = match self.name(&alias)?.as_str() {
                        "krsi_device" => Some(FieldKind::Device),
                        "krsi_kstack" => Some(FieldKind::Stack(Stack::Kernel)),
                        "krsi_ustack" => Some(FieldKind::Stack(Stack::User)),
                        _ => named,
                    };
                    id = alias.get_type_id().ok_or("a typedef of nothing")?;
                }
                Type::Int(int) => {
                    let kind = match named {
                        Some(kind) => kind,
                        None if int.is_bool() => FieldKind::Bool,
                        None if int.is_signed() => FieldKind::Signed,
                        None => FieldKind::Unsigned,
                    };
                    return Ok((kind, int.size()));
                }
                Type::Enum(found) => {
                    let name = self.name(&found)?;
                    return Ok((FieldKind::Enum(self.enum_names(&name, &found)?), found.size()));
                }
                Type::Array(array) => return self.array_kind(&array, tags),
                Type::Struct(found) if self.name(&found)? == "krsi_address" => {
                    return Ok((FieldKind::Address, found.size()));
                }
                other => return Err(format!("a {} cannot be a field", other.name())),
            }
        }
    }

    /// Characters are a text; anything else is a list, whose tag `count` says how long it is.
    fn array_kind(&self, array: &btf_rs::Array, tags: &Tags<'_>) -> Fallible<(FieldKind, usize)> {
        let element = array.get_type_id().ok_or("an array of nothing")?;
        if let Type::Int(int) = self.kind(element)?
            && int.size() == 1
        {
            let texts = tags.get("texts").map(|length| FieldKind::Texts { length: length.to_owned() });
            return Ok((texts.unwrap_or(FieldKind::Text), array.len()));
        }
        let (kind, element_size) = self.field_kind(element, tags)?;
        let count = tags.need("count", "a list")?;
        Ok((FieldKind::List { element: Box::new(kind), element_size, count }, array.len() * element_size))
    }

    fn params(&self) -> Fallible<Vec<Param>> {
        let base = self.member_offset("settings", "params")?;
        let (id, params) = self.structure("params")?;
        self.members(&params)
            .map(|(index, member, offset)| {
                let name = self.name(member)?;
                let of = format!("param `{name}`");
                let tags = self.tags(id, Some(index));
                Ok(Param {
                    kind: self.param_kind(member, &tags).map_err(|e| format!("{of}: {e}"))?,
                    doc: tags.need("doc", &of)?,
                    default: tags.need("default", &of)?,
                    late: tags.get("late").map(str::to_owned),
                    offset: base + offset,
                    number: u8::try_from(index).map_err(|_| format!("{of}: one param too many"))?,
                    name,
                })
            })
            .collect()
    }

    fn param_kind(&self, member: &Member, tags: &Tags<'_>) -> Fallible<ParamKind> {
        let id = member.get_type_id().ok_or("no type")?;
        let Type::Typedef(alias) = self.kind(id)? else { return Err("its type is no param type".into()) };
        match self.name(&alias)?.as_str() {
            "krsi_paths" => Ok(ParamKind::Paths),
            "krsi_prefixes" => Ok(ParamKind::Prefixes),
            "krsi_suffixes" => Ok(ParamKind::Suffixes),
            "krsi_flag" => Ok(ParamKind::Flag),
            "krsi_variables" => Ok(ParamKind::Variables),
            "krsi_addresses" => Ok(ParamKind::Networks),
            "krsi_not_addresses" => Ok(ParamKind::NotNetworks),
            "krsi_ports" => Ok(ParamKind::Ports),
            "krsi_names" => Ok(ParamKind::Names(name_rule(tags)?)),
            "krsi_name_prefixes" => Ok(ParamKind::NamePrefixes(name_rule(tags)?)),
            "krsi_asked" => {
                let asks = tags.need("asks", "a param of type krsi_asked")?;
                Question::parse(&asks).map(ParamKind::Asked).ok_or_else(|| format!("`{asks}` is no question"))
            }
            "krsi_flags" => {
                tags.named_values("bits")?.map(ParamKind::Flags).ok_or("no tag `krsi:bits:…`".into())
            }
            other => Err(format!("`{other}` is no param type")),
        }
    }

    fn member_offset(&self, of: &str, name: &str) -> Fallible<usize> {
        let (_, found) = self.structure(of)?;
        for (_, member, offset) in self.members(&found) {
            if self.name(member)? == name {
                return Ok(offset);
            }
        }
        Err(format!("struct {of} has no `{name}`"))
    }

    fn layout(&self, sections: &[(String, String)]) -> Fallible<Layout> {
        let base = self.member_offset("settings", "control")?;
        let (_, control) = self.structure("krsi_control")?;
        let control = self
            .members(&control)
            .map(|(_, member, offset)| Ok((self.name(member)?, base + offset)))
            .collect::<Fallible<Vec<_>>>()?;
        let numbers = |of: &str| -> Fallible<Vec<(String, u32)>> {
            let named = self.enumeration(of)?.into_iter();
            Ok(named.filter_map(|n| Some((n.name, u32::try_from(n.value).ok()?))).collect())
        };
        Ok(Layout {
            control: Control::read("struct krsi_control", &control)?,
            settings_size: self.structure("settings")?.1.size(),
            counters: CounterIndex::read("enum krsi_counter", &numbers("krsi_counter")?)?,
            scope_kinds: numbers("krsi_scope_kind")?,
            early: numbers("krsi_early_field")?
                .into_iter()
                .map(|(name, bit)| {
                    Ok(EarlyField { offset: self.member_offset("krsi_early", &name)?, name, bit })
                })
                .collect::<Fallible<_>>()?,
            summary_kinds: SummaryKinds::read("enum krsi_summary_kind", &numbers("krsi_summary_kind")?)?,
            programs: of_kind(sections, "lsm", "")
                .into_iter()
                .chain(functions(sections).into_iter().map(|(function, program)| (function.name, program)))
                .collect(),
            functions: functions(sections).into_iter().map(|(function, _)| function).collect(),
            doors: of_kind(sections, "fmod_ret", ""),
            observers: observers(sections),
            trackers: ["tp_btf", "fentry"]
                .iter()
                .flat_map(|kind| of_kind(sections, kind, "_track"))
                .collect(),
            seeds: of_kind(sections, "iter", "_seed"),
            by_task: Vec::new(),
            packed_from: 0,
            header: 0,
            origin_size: 0,
        })
    }
}
