//! What can be said at the prompt: the words that completion and highlighting know.
//!
//! In, once: the catalogue (templates, params, fields), and the index of what the
//! engine registers (`script::docs`). Out: lists of [`Word`]s, each with its
//! signature and a line of documentation, sorted. Nothing here runs code. The
//! index takes longer than a prompt may, so it is read when it is first wanted,
//! or by whoever has time before ([`Vocabulary::prepare`]).

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use super::lexer;
use crate::{
    event::{
        CMDLINE, CMDLINE_DOC, has_cmdline,
        origin::{ANCESTORS, ANCESTORS_DOC, Member, RELATIVES, Relative},
    },
    facts,
    probe::scope::Kind,
    reaction,
    script::{
        self,
        docs::{self, terms},
    },
    template::{Catalogue, Field, FieldKind, ParamKind, Template},
    values::{Errno, Signal},
};

/// One thing that can be typed, and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    pub name: String,
    /// Its arguments or its type; may be empty.
    pub signature: String,
    /// One line; may be empty.
    pub doc: String,
}

impl Word {
    #[must_use]
    pub fn new(name: impl Into<String>, signature: impl Into<String>, doc: &str) -> Self {
        let doc = docs::summary(doc);
        Word { name: name.into(), signature: signature.into(), doc }
    }

    fn bare(name: impl Into<String>) -> Self {
        Word::new(name, "", "")
    }
}

/// See the module.
#[derive(Debug)]
pub struct Vocabulary {
    catalogue: Catalogue,
    callable: OnceLock<Callable>,
    pub keywords: Vec<Word>,
    pub scope: Vec<Word>,
    pub errnos: Vec<Word>,
    pub signals: Vec<Word>,
    pub capabilities: Vec<Word>,
}

/// What the index knows.
#[derive(Debug)]
struct Callable {
    functions: Vec<Word>,
    /// With the type each is a method of.
    methods: Vec<(String, Word)>,
    /// With the type each is read of.
    properties: Vec<(String, Word)>,
    /// The language's own functions.
    library: Vec<Word>,
    /// Name, type it is a method of, and what it gives.
    returns: Vec<(String, Option<String>, String)>,
}

impl Vocabulary {
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Vocabulary {
            catalogue,
            callable: OnceLock::new(),
            keywords: sorted(lexer::KEYWORDS.map(Word::bare)),
            scope: scope(),
            errnos: errnos(),
            signals: sorted(Signal::every().map(signal)),
            capabilities: sorted(reaction::capabilities().into_iter().map(capability)),
        }
    }

    /// Reads the index, so that nobody waits for it later.
    pub fn prepare(&self) {
        self.callable();
    }

    fn callable(&self) -> &Callable {
        self.callable.get_or_init(|| Callable::read(&self.catalogue))
    }

    #[must_use]
    pub fn functions(&self) -> Vec<Word> {
        self.callable().functions.clone()
    }

    #[must_use]
    pub fn library(&self) -> Vec<Word> {
        self.callable().library.clone()
    }

    /// The methods of a type; all there are, if it is not known.
    #[must_use]
    pub fn methods(&self, of: Option<&str>) -> Vec<Word> {
        let methods = self.callable().methods.iter();
        sorted(methods.filter(|(owner, _)| of.is_none_or(|of| of == owner)).map(|(_, word)| word.clone()))
    }

    /// What is read of a file, or of `sys`.
    #[must_use]
    pub fn properties(&self, of: &str) -> Vec<Word> {
        let properties = self.callable().properties.iter();
        sorted(properties.filter(|(owner, _)| owner == of).map(|(_, word)| word.clone()))
    }

    /// The fields of what a fact's function gives: of each in its list, or of the one; `None` if it is no fact.
    #[must_use]
    pub fn record(&self, function: &str) -> Option<Vec<Word>> {
        let word = |field: &facts::Field| Word::new(field.name, field.kind(), field.doc);
        match function {
            "file" | "files" => Some(self.properties("File")),
            "bpf_programs" => Some(sorted(<facts::bpf::Program as facts::Record>::FIELDS.iter().map(word))),
            _ => Some(sorted(facts::Fact::of(function)?.fields.iter().map(word))),
        }
    }

    /// The type of what a call gives: of a method of a value of type `of`, or of a function. `None` if the name alone does not tell.
    #[must_use]
    pub fn returns(&self, name: &str, of: Option<&str>) -> Option<&str> {
        let fits = |(known, owner, _): &&(String, Option<String>, String)| {
            known == name && (of.is_none() || owner.as_deref() == of)
        };
        let mut types = self.callable().returns.iter().filter(fits).map(|(.., given)| given.as_str());
        let first = types.next().filter(|given| *given != "any")?;
        types.all(|other| other == first).then_some(first)
    }

    #[must_use]
    pub fn template(&self, name: &str) -> Option<&Arc<Template>> {
        self.catalogue.get(name)
    }

    #[must_use]
    pub fn templates(&self) -> Vec<Word> {
        self.catalogue.iter().map(|t| Word::new(&t.name, "", &t.summary)).collect()
    }

    #[must_use]
    pub fn params(&self, template: &str) -> Vec<Word> {
        let Some(template) = self.template(template) else { return Vec::new() };
        sorted(template.params.iter().map(|p| Word::new(&p.name, p.kind.type_name(), &p.doc)))
    }

    /// The names that a param's flags have.
    #[must_use]
    pub fn flags(&self, template: &str, param: &str) -> Option<Vec<Word>> {
        match &self.template(template)?.param(param)?.kind {
            ParamKind::Flags(names) => Some(sorted(names.iter().map(|named| Word::bare(&named.name)))),
            _ => None,
        }
    }

    /// The fields of a template's events; where it is not known which template,
    /// those that every template's events have.
    #[must_use]
    pub fn fields(&self, template: Option<&str>) -> Vec<Word> {
        let word = |f: &Field| Word::new(&f.name, f.kind.type_name(f.size), &f.doc);
        if let Some(template) = template.and_then(|name| self.template(name)) {
            return sorted(template.fields.iter().map(word));
        }
        let mut all = self.catalogue.iter();
        let Some(first) = all.next() else { return Vec::new() };
        let others: Vec<_> = all.collect();
        let common = first.fields.iter().filter(|f| others.iter().all(|t| t.field(&f.name).is_some()));
        sorted(common.map(word))
    }

    /// What is read of an event like a field, and is none.
    #[must_use]
    pub fn derived(&self, template: Option<&str>) -> Vec<Word> {
        let has = template.and_then(|name| self.template(name)).is_some_and(|template| has_cmdline(template));
        let cmdline = has.then(|| Word::new(CMDLINE, "text", CMDLINE_DOC));
        let relatives = RELATIVES.iter().map(|relative| Word::new(relative.name, "part", relative.doc));
        let ancestors = Word::new(ANCESTORS, "[process]", ANCESTORS_DOC);
        cmdline.into_iter().chain(relatives).chain([ancestors]).collect()
    }

    /// What can be asked of a part of an event: `e.parent`.
    #[must_use]
    pub fn members(&self, part: &str) -> Option<Vec<Word>> {
        let relative = Relative::named(part)?;
        let word = |name| {
            let field = match relative.member(name)? {
                Member::Field(field) => field,
                Member::Joined(_) => return Some(Word::new(name, "text", CMDLINE_DOC)),
            };
            let field = self.catalogue.iter().find_map(|template| template.field(field))?;
            Some(Word::new(name, field.kind.type_name(field.size), &field.doc))
        };
        Some(sorted(relative.names().filter_map(word)))
    }

    /// The type that a script finds in a field.
    #[must_use]
    pub fn field_type(&self, template: Option<&str>, name: &str) -> Option<&'static str> {
        let of = |template: &Arc<Template>| {
            template.field(name).map(|field| match field.kind {
                FieldKind::Unsigned | FieldKind::Signed => "int",
                FieldKind::Bool => "bool",
                FieldKind::Text | FieldKind::Enum(_) | FieldKind::Device | FieldKind::Address => "string",
                FieldKind::Flags(_)
                | FieldKind::List { .. }
                | FieldKind::Texts { .. }
                | FieldKind::Stack(_) => "array",
            })
        };
        if name == ANCESTORS {
            return Some("array");
        }
        match template {
            Some(template) => self.template(template).and_then(of),
            // What every template's events have is of one type.
            None => self.catalogue.iter().find_map(of),
        }
    }

    /// What `help` can be asked about.
    #[must_use]
    pub fn topics(&self) -> Vec<Word> {
        let mut topics = self.templates();
        topics.extend(self.functions());
        topics.extend(self.callable().methods.iter().map(|(_, word)| word.clone()));
        topics.extend(self.library().into_iter().filter(|word| !word.doc.is_empty()));
        topics.extend(terms::all().map(|(word, kind, doc)| Word::new(word, kind, doc)));
        topics.extend(
            self.errnos.iter().chain(&self.signals).chain(&self.capabilities).chain(&self.scope).cloned(),
        );
        sorted(topics)
    }
}

impl Callable {
    fn read(catalogue: &Catalogue) -> Self {
        let index = script::index(catalogue);
        let word = |function: &docs::Function| {
            // `probe.deny(errno: string) -> Probe`: the name is shown before it.
            let from = function.signature.find('(').unwrap_or_default();
            Word::new(&function.name, function.signature.get(from..).unwrap_or_default(), &function.doc)
        };
        // Where a function is meant, a method is shown with what it is called on.
        let whole = |function: &docs::Function| match function.of {
            Some(_) => Word::new(&function.name, &function.signature, &function.doc),
            None => word(function),
        };
        let functions = index.functions().iter().filter(|f| f.of.is_none());
        let all = || index.functions().iter().chain(index.library());
        let bare = index.callable_names().into_iter().map(Word::bare);
        Callable {
            functions: sorted(functions.map(word)),
            methods: all().filter_map(|f| Some((f.of.clone()?, word(f)))).collect(),
            properties: ["File", "System"]
                .into_iter()
                .flat_map(|of| index.properties_of(of))
                .map(|property| {
                    (property.of.clone(), Word::new(&property.name, &property.kind, &property.doc))
                })
                .collect(),
            // What is documented stands before the same name that is not.
            library: sorted(index.library().iter().map(whole).chain(bare)),
            returns: all().map(|f| (f.name.clone(), f.of.clone(), f.returns().to_owned())).collect(),
        }
    }
}

/// Each kind of condition, and its opposite.
fn scope() -> Vec<Word> {
    let kinds = Kind::ALL.into_iter();
    sorted(kinds.flat_map(|kind| {
        [Word::new(kind.name(), "", kind.doc()), Word::new(format!("not_{kind}"), "", "all but these")]
    }))
}

/// By number: EPERM and its kin come first, as they are wanted most.
fn errnos() -> Vec<Word> {
    let word = |errno: Errno| Word::new(errno.to_string(), errno.number().to_string(), errno.description());
    Errno::every().map(word).collect()
}

fn signal(signal: Signal) -> Word {
    Word::new(signal.to_string(), signal.number().to_string(), terms::signal_doc(signal))
}

fn capability((name, number): (String, u8)) -> Word {
    let doc = docs::capabilities::doc(&name);
    Word::new(name, number.to_string(), doc)
}

fn sorted(words: impl IntoIterator<Item = Word>) -> Vec<Word> {
    let mut seen = BTreeSet::new();
    let mut words: Vec<_> = words.into_iter().filter(|word| seen.insert(word.name.clone())).collect();
    words.sort();
    words
}
