//! The index of everything a script can name: what `help`, completion and
//! diagnostics answer from.
//!
//! Functions come from the engine's own metadata (the doc comments of `api/`),
//! templates, params and fields from the catalogue, and the words that are neither
//! from [`terms`], so nothing is described twice.

pub mod capabilities;
mod functions;
pub mod terms;

use std::fmt::Write as _;

use serde_json::Value;

pub use self::functions::{Function, Property, is_method_type, plain_types, summary};
use self::functions::{LANGUAGE_TYPES, METHOD_TYPES, function, is_for_scripts, plain_name, property};
use crate::{
    event::{
        CMDLINE, CMDLINE_DOC, has_cmdline,
        origin::{self, ANCESTORS, ANCESTORS_DOC, RELATIVES, Relative},
    },
    template::{Catalogue, Param, ParamKind, Template},
    values::nearest,
};

/// All of it.
#[derive(Debug)]
pub struct Index {
    functions: Vec<Function>,
    /// Of the language's own library: `len`, `split`, `parse_int` …
    library: Vec<Function>,
    /// What values have that is read without a call.
    properties: Vec<Property>,
    /// The names of all that can be called, documented or not.
    callable: Vec<String>,
    catalogue: Catalogue,
}

impl Index {
    /// Reads what an engine has registered.
    pub fn new(engine: &rhai::Engine, catalogue: Catalogue) -> Self {
        let described = |library: bool| -> Vec<Value> {
            let metadata = engine.gen_fn_metadata_to_json(library).unwrap_or_default();
            let mut metadata: Value = serde_json::from_str(&metadata).unwrap_or_default();
            metadata["functions"].as_array_mut().map(std::mem::take).unwrap_or_default()
        };
        let by_name = |a: &Function, b: &Function| (&a.name, a.rank()).cmp(&(&b.name, b.rank()));
        let mut functions: Vec<Function> = described(false)
            .iter()
            .filter_map(|entry| function(entry, &METHOD_TYPES))
            .filter(|f| !f.doc.is_empty())
            .collect();
        functions.sort_by(by_name);
        let all = described(true);
        let ours = |f: &Function| functions.iter().any(|own| own.name == f.name && own.doc == f.doc);
        let mut library: Vec<Function> = all
            .iter()
            .filter(|entry| is_for_scripts(entry))
            .filter_map(|entry| function(entry, &LANGUAGE_TYPES))
            .filter(|f| !ours(f))
            .collect();
        library.sort_by(by_name);
        // What stands in the place of a function of the library has its documentation.
        library.sort_by_key(|f| (f.name.clone(), f.doc.is_empty()));
        let mut seen = std::collections::HashSet::new();
        library.retain(|f| {
            seen.insert((
                f.name.clone(),
                f.of.clone(),
                f.params.iter().map(|p| p.1.clone()).collect::<Vec<_>>(),
            ))
        });
        library.sort_by(by_name);
        let properties = all.iter().filter_map(property).collect();
        let mut callable: Vec<String> =
            all.iter().filter_map(|entry| plain_name(entry).map(str::to_owned)).collect();
        callable.sort();
        callable.dedup();
        Index { functions, library, properties, callable, catalogue }
    }

    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Without repetition.
    #[must_use]
    pub fn function_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.functions.iter().map(|f| f.name.as_str()).collect();
        names.dedup();
        names
    }

    /// Those of the language's own library among them.
    #[must_use]
    pub fn callable_names(&self) -> Vec<&str> {
        self.callable.iter().map(String::as_str).collect()
    }

    /// The language's own: `len`, `split`, `parse_int` …
    #[must_use]
    pub fn library(&self) -> &[Function] {
        &self.library
    }

    /// All forms of a function, or of one of the library's own.
    #[must_use]
    pub fn forms_of(&self, name: &str) -> Vec<&Function> {
        let mut ours: Vec<_> = self.functions.iter().filter(|f| f.name == name).collect();
        // Of several types that have it the one that scripts have most is meant.
        let rank = |f: &&Function| METHOD_TYPES.iter().position(|of| Some(*of) == f.of.as_deref());
        ours.sort_by_key(rank);
        if ours.is_empty() { self.library.iter().filter(|f| f.name == name).collect() } else { ours }
    }

    /// The names of what a value of this type has: properties and methods.
    #[must_use]
    pub fn members(&self, of: &str) -> Vec<&str> {
        let properties = self.properties_of(of).map(|property| &*property.name);
        let methods = self.functions.iter().chain(&self.library).filter(|f| f.of.as_deref() == Some(of));
        properties.chain(methods.map(|f| f.name.as_str())).collect()
    }

    /// What a value of this type has that is read without a call.
    pub fn properties_of(&self, of: &str) -> impl Iterator<Item = &Property> {
        self.properties.iter().filter(move |property| property.of == of)
    }

    /// What `help()` says.
    #[must_use]
    pub fn overview(&self) -> String {
        let names: Vec<_> = self.catalogue.names().collect();
        let mut text = String::from("Templates (`help(\"exec\")` tells params and fields):\n");
        let _ = writeln!(text, "  {}", names.join(", "));
        for (title, of, verdicts) in [
            ("Functions (`help(\"probe\")`)", None, false),
            ("Methods of a probe", Some("Probe"), false),
            ("Methods of an event", Some("Event"), false),
            ("Methods of a summary", Some("Summary"), false),
            ("Methods of a sequence", Some("Sequence"), false),
            ("Methods of a threshold", Some("Threshold"), false),
            ("Methods of a state", Some("State"), false),
            ("Methods of a set", Some("Set"), false),
            ("Methods of a pin", Some("Pin"), false),
            ("Methods of a timer", Some("Timer"), false),
            ("Methods of files", Some("Files"), false),
            ("Methods of a scratch", Some("Scratch"), false),
            ("Methods of a child", Some("Child"), false),
            ("Verdicts of a filter (`help(\"when\")`)", None, true),
        ] {
            let _ = writeln!(text, "\n{title}:");
            let listed = |f: &&Function| f.of.as_deref() == of && f.is_verdict() == verdicts;
            let mut last = ("", "");
            for function in self.functions.iter().filter(listed) {
                // The forms of one name that give the same do the same, but for a detail.
                if (function.name.as_str(), function.returns()) != last {
                    let _ = writeln!(text, "  {:<14} {}", function.name, function.summary());
                }
                last = (&function.name, function.returns());
            }
        }
        text.push_str("\n`sys` is the kernel and the operating system (`help(\"sys\")`), `file` gives a File (`help(\"File\")`).");
        text.push_str("\nModes, verdicts, errnos, signals and the words of messages have help as well: `help(\"shadow\")`, `help(\"EPERM\")`.");
        text.push_str("\nThe language is Rhai. `help(\"words\")` looks for words in all of this.");
        text
    }

    /// What `help("topic")` says.
    #[must_use]
    pub fn topic(&self, topic: &str) -> String {
        let topic = topic.trim().trim_end_matches("()");
        let mut found: Vec<String> = self.forms(topic).into_iter().collect();
        found.extend(terms::about(topic));
        found.extend(self.catalogue.get(topic).map(|template| template_page(template)));
        found.extend(self.params_named(topic));
        found.extend(self.fields_named(topic));
        found.extend(self.type_page(topic));
        if found.is_empty() { self.search(topic) } else { found.join("\n\n") }
    }

    fn forms(&self, name: &str) -> Option<String> {
        let mut text = String::new();
        let mut last = "";
        let ours = self.functions.iter().filter(|f| f.name == name);
        for function in ours.chain(self.library.iter().filter(|f| f.name == name)) {
            if !text.is_empty() && function.doc != last {
                text.push('\n');
            }
            let _ = writeln!(text, "{}", function.signature);
            if function.doc != last {
                for line in function.doc.lines() {
                    let _ = writeln!(text, "    {line}");
                }
            }
            last = &function.doc;
        }
        (!text.is_empty()).then(|| text.trim_end().to_owned())
    }

    /// What a file and `sys` have.
    fn type_page(&self, topic: &str) -> Option<String> {
        let (of, only) = match topic.split_once('.') {
            Some((of, name)) => (of, Some(name)),
            None => (topic, None),
        };
        let (of, about) = match of {
            "sys" | "System" => ("System", "sys: the kernel and the operating system"),
            "File" => ("File", "File: one file, as `file` and `files` give it"),
            _ => return None,
        };
        let shown = self.properties_of(of).filter(|property| only.is_none_or(|name| property.name == name));
        let lines: Vec<String> = shown
            .map(|property| {
                format!(
                    "  {}: {}\n      {}",
                    property.name,
                    property.kind,
                    property.doc.replace('\n', "\n      ")
                )
            })
            .collect();
        (!lines.is_empty()).then(|| format!("{about}\n{}", lines.join("\n")))
    }

    fn params_named(&self, topic: &str) -> Vec<String> {
        let (of, name) = topic.split_once('.').map_or((None, topic), |(of, name)| (Some(of), name));
        self.templates(of)
            .filter_map(|t| t.param(name).map(|p| format!("{}.{}", t.name, param_line(p))))
            .collect()
    }

    fn fields_named(&self, topic: &str) -> Vec<String> {
        let (of, name) = topic.split_once('.').map_or((None, topic), |(of, name)| (Some(of), name));
        let mut lines: Vec<String> = Vec::new();
        if name == CMDLINE && self.templates(of).any(has_cmdline) {
            lines.push(format!("e.{name}: text\n    {CMDLINE_DOC}"));
        }
        if let Some(relative) = Relative::named(name) {
            lines.push(format!("e.{name}: a part of every event\n    {}", relative.doc));
        }
        if name == ANCESTORS {
            lines.push(format!("e.{name}: a list\n    {ANCESTORS_DOC}"));
        }
        for template in self.templates(of) {
            if let Some(field) = template.field(name) {
                let unit = field.unit.as_ref().map_or_else(String::new, |u| format!(" [{u}]"));
                let line = format!(
                    "e.{}: {}{unit}\n    {}",
                    field.name,
                    field.kind.type_name(field.size),
                    field.doc
                );
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        lines
    }

    fn templates<'a>(&'a self, only: Option<&'a str>) -> impl Iterator<Item = &'a Template> {
        self.catalogue.iter().map(|t| &**t).filter(move |t| only.is_none_or(|name| t.name == name))
    }

    fn search(&self, words: &str) -> String {
        let wanted: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let has = |text: &str| wanted.iter().all(|word| text.to_lowercase().contains(word));
        let mut lines: Vec<String> = self
            .functions
            .iter()
            .filter(|f| has(&format!("{} {}", f.name, f.doc)))
            .map(|f| format!("  {}  {}", f.signature, f.summary()))
            .collect();
        for template in self.catalogue.iter() {
            if has(&format!("{} {}", template.name, template.summary)) {
                lines.push(format!("  template {}  {}", template.name, template.summary));
            }
            for field in &template.fields {
                if has(&format!("{} {}", field.name, field.doc)) {
                    lines.push(format!("  {} event field {}  {}", template.name, field.name, field.doc));
                }
            }
        }
        lines.extend(terms::search(has));
        if !lines.is_empty() {
            return lines.join("\n");
        }
        let names = self.function_names();
        let terms = terms::all().map(|(word, ..)| word);
        let near = nearest(words, names.into_iter().chain(self.catalogue.names()).chain(terms));
        let near = near.map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
        format!("nothing about `{words}`{near} (`help()` lists what there is)")
    }
}

/// A template's params and fields, as `help` prints them.
#[must_use]
pub fn template_page(template: &Template) -> String {
    let mut text = format!("{}: {}\n", template.name, template.summary);
    let _ = writeln!(text, "  hooks   {}", template.hooks.join(", "));
    let _ = writeln!(text, "  ATT&CK  {}", template.attack.join(", "));
    let _ = writeln!(text, "  denies  {}", if template.can_deny { "yes" } else { "no: observe only" });
    if let Some(why) = template.cannot_ask.as_ref().filter(|_| template.can_deny) {
        let _ = writeln!(text, "  asks    no: {why}");
    }
    if template.scope_required {
        text.push_str("  scope   required, or `.everywhere()`: its hooks are hot\n");
    }
    text.push_str("\nParams:\n");
    for param in &template.params {
        let _ = writeln!(text, "  {}", param_line(param).replace('\n', "\n  "));
    }
    text.push_str("\nFields of an event:\n");
    for field in template.fields.iter().filter(|field| !field.is_of_origin()) {
        let unit = field.unit.as_ref().map_or_else(String::new, |u| format!(" [{u}]"));
        let _ = writeln!(
            text,
            "  {:<12} {:<7} {}{unit}",
            field.name,
            field.kind.type_name(field.size),
            field.doc
        );
    }
    if has_cmdline(template) {
        let _ = writeln!(text, "  {CMDLINE:<12} {:<7} {CMDLINE_DOC}", "text");
    }
    let _ = writeln!(text, "\nWhere it comes from, told where something names it:");
    for Relative { name, doc, .. } in &RELATIVES {
        let _ = writeln!(text, "  {name:<12} {:<7} {doc}", "part");
    }
    let _ = writeln!(text, "  {ANCESTORS:<12} {:<7} {ANCESTORS_DOC}", "[...]");
    for field in template.origin_fields().filter(|field| !origin::is_member(&field.name)) {
        let _ = writeln!(text, "  {:<12} {:<7} {}", field.name, field.kind.type_name(field.size), field.doc);
    }
    let _ = writeln!(text, "\nNot seen:\n  {}", template.not_seen);
    let _ = writeln!(text, "\nIn use:\n  {}", template.example);
    let _ = write!(text, "\nExample:\n  {}", example(template));
    text
}

fn param_line(param: &Param) -> String {
    let mut text =
        format!("{}: {} (default: {})\n    {}", param.name, param.kind.type_name(), param.default, param.doc);
    if let ParamKind::Flags(flags) = &param.kind {
        let names: Vec<_> = flags.iter().map(|f| f.name.as_str()).collect();
        let _ = write!(text, "\n    Allowed: {}.", names.join(", "));
    }
    text
}

/// A line that can be tried anywhere: it observes what this shell does.
fn example(template: &Template) -> String {
    format!("probe(\"{}\").scope(#{{ pid: getpid() }}).on_event(|e| print(e)).attach()", template.name)
}
