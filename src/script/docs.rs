//! The index of everything a script can name: what `help`, completion and
//! diagnostics answer from.
//!
//! Functions come from the engine's own metadata (the doc comments of `api/`),
//! templates, params and fields from the catalogue, and the words that are neither
//! from [`terms`], so nothing is described twice.

pub mod terms;

use std::{cell::OnceCell, fmt::Write as _, rc::Rc};

use serde_json::Value;

use super::api;
use crate::{
    suggest::nearest,
    template::{Catalogue, Param, ParamKind, Template},
};

/// One function or method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// `deny(probe: Probe, errno: string) -> Probe`
    pub signature: String,
    /// The type it is a method of, such as `Probe`; `None` for a plain function.
    pub of: Option<String>,
    pub doc: String,
}

impl Function {
    /// Whether it is one of those that a filter ends with, and nothing else.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        self.signature.ends_with("-> Verdict")
    }
}

/// All of it.
#[derive(Debug)]
pub struct Index {
    functions: Vec<Function>,
    /// Of the language's own library: `print`, `len`, `parse_int` …
    library: Vec<String>,
    catalogue: Catalogue,
}

/// The index, built once for each thread.
#[must_use]
pub fn index(catalogue: &Catalogue) -> Rc<Index> {
    thread_local! {
        static INDEX: OnceCell<Rc<Index>> = const { OnceCell::new() };
    }
    INDEX.with(|cell| Rc::clone(cell.get_or_init(|| Rc::new(Index::new(catalogue.clone())))))
}

impl Index {
    fn new(catalogue: Catalogue) -> Self {
        let mut engine = rhai::Engine::new();
        api::register(&mut engine);
        let described = |library: bool| -> Vec<Value> {
            let metadata = engine.gen_fn_metadata_to_json(library).unwrap_or_default();
            let mut metadata: Value = serde_json::from_str(&metadata).unwrap_or_default();
            metadata["functions"].as_array_mut().map(std::mem::take).unwrap_or_default()
        };
        let mut functions: Vec<Function> = described(false).iter().filter_map(function).collect();
        functions.sort_by(|a, b| (&a.name, &a.signature).cmp(&(&b.name, &b.signature)));
        let mut library: Vec<String> =
            described(true).iter().filter_map(|entry| plain_name(entry).map(str::to_owned)).collect();
        library.sort();
        library.dedup();
        Index { functions, library, catalogue }
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
        self.library.iter().map(String::as_str).collect()
    }

    /// All forms of a function.
    #[must_use]
    pub fn signatures(&self, name: &str) -> Vec<String> {
        self.functions.iter().filter(|f| f.name == name).map(|f| f.signature.clone()).collect()
    }

    /// What `help()` says.
    #[must_use]
    pub fn overview(&self) -> String {
        let mut text = String::from("Templates (`help(\"exec\")` tells params and fields):\n");
        for template in self.catalogue.iter() {
            let _ = writeln!(text, "  {:<14} {}", template.name, template.summary);
        }
        for (title, of, verdicts) in [
            ("Functions (`help(\"probe\")`)", None, false),
            ("Methods of a probe", Some("Probe"), false),
            ("Methods of an event", Some("Event"), false),
            ("Methods of a summary", Some("Summary"), false),
            ("Methods of a timer", Some("Timer"), false),
            ("Verdicts of a filter (`help(\"when\")`)", None, true),
        ] {
            let _ = writeln!(text, "\n{title}:");
            let mut last = "";
            let listed = |f: &&Function| f.of.as_deref() == of && f.is_verdict() == verdicts;
            for function in self.functions.iter().filter(listed) {
                if function.name != last {
                    let _ = writeln!(text, "  {:<14} {}", function.name, first_line(&function.doc));
                }
                last = &function.name;
            }
        }
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
        if found.is_empty() { self.search(topic) } else { found.join("\n\n") }
    }

    fn forms(&self, name: &str) -> Option<String> {
        let mut text = String::new();
        let mut last = "";
        for function in self.functions.iter().filter(|f| f.name == name) {
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

    fn params_named(&self, topic: &str) -> Vec<String> {
        let (of, name) = topic.split_once('.').map_or((None, topic), |(of, name)| (Some(of), name));
        self.templates(of)
            .filter_map(|t| t.param(name).map(|p| format!("{}.{}", t.name, param_line(p))))
            .collect()
    }

    fn fields_named(&self, topic: &str) -> Vec<String> {
        let (of, name) = topic.split_once('.').map_or((None, topic), |(of, name)| (Some(of), name));
        let mut lines: Vec<String> = Vec::new();
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
            .map(|f| format!("  {}  {}", f.signature, first_line(&f.doc)))
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
    text.push_str("\nParams:\n");
    for param in &template.params {
        let _ = writeln!(text, "  {}", param_line(param).replace('\n', "\n  "));
    }
    text.push_str("\nFields of an event:\n");
    for field in &template.fields {
        let unit = field.unit.as_ref().map_or_else(String::new, |u| format!(" [{u}]"));
        let _ = writeln!(
            text,
            "  {:<12} {:<7} {}{unit}",
            field.name,
            field.kind.type_name(field.size),
            field.doc
        );
    }
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

/// A line that runs as it stands.
fn example(template: &Template) -> String {
    format!("probe(\"{}\").scope(#{{ pid: getpid() }}).on_event(|e| print(e)).attach()", template.name)
}

fn function(entry: &Value) -> Option<Function> {
    let name = plain_name(entry)?;
    let doc = entry["docComments"].as_array().into_iter().flatten().filter_map(Value::as_str).map(plain_doc);
    let doc = doc.collect::<Vec<_>>().join("\n");
    if doc.is_empty() {
        return None;
    }
    let params: Vec<(String, String)> = entry["params"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| {
            (p["name"].as_str().unwrap_or("_").to_owned(), plain_types(p["type"].as_str().unwrap_or("?")))
        })
        // The first is the engine's own business.
        .filter(|(_, kind)| kind != "NativeCallContext")
        .collect();
    let of =
        params.first().map(|(_, kind)| kind.clone()).filter(|kind| METHOD_TYPES.contains(&kind.as_str()));
    let listed = |skip: usize| {
        params.iter().skip(skip).map(|(name, kind)| format!("{name}: {kind}")).collect::<Vec<_>>().join(", ")
    };
    let returns = plain_types(entry["returnType"].as_str().unwrap_or("()"));
    let returns = if returns == "()" { String::new() } else { format!(" -> {returns}") };
    let signature = match &of {
        Some(of) => format!("{}.{name}({}){returns}", of.to_lowercase(), listed(1)),
        None => format!("{name}({}){returns}", listed(0)),
    };
    Some(Function { name: name.to_owned(), signature, of, doc })
}

/// Operators, and what `x.property` and `x[i]` become, have names that no script writes.
fn plain_name(entry: &Value) -> Option<&str> {
    entry["name"].as_str().filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

/// Whether functions whose first parameter is of this type are methods of it.
#[must_use]
pub fn is_method_type(name: &str) -> bool {
    METHOD_TYPES.contains(&name)
}

const METHOD_TYPES: [&str; 4] = ["Probe", "Event", "Summary", "Timer"];

/// Types by the names scripts know them by.
#[must_use]
pub fn plain_types(types: &str) -> String {
    let mut out = Vec::new();
    for one in types.split(", ") {
        let mut one = one.trim();
        while let Some(inner) = one
            .strip_prefix("Result<")
            .or_else(|| one.strip_prefix("RhaiResultOf<"))
            .or_else(|| one.strip_prefix("Fallible<"))
        {
            one = inner.trim_end_matches('>').split(',').next().unwrap_or(inner);
        }
        let one = one.trim_start_matches('&').trim_start_matches("mut ");
        out.push(match one {
            "&str | ImmutableString | String" | "ImmutableString" | "str" | "String" => "string",
            "INT" | "i64" => "int",
            "FLOAT" | "f64" => "float",
            "FnPtr" | "Fn" => "function",
            "Array" => "array",
            "Map" => "map",
            "Dynamic" => "any",
            "ProbeHandle" => "Probe",
            "Answer" => "Verdict",
            "ScriptEvent" => "Event",
            "ScriptSummary" => "Summary",
            "TimerHandle" => "Timer",
            other => other,
        });
    }
    out.join(", ")
}

fn plain_doc(comment: &str) -> String {
    let lines = comment.lines().map(|line| line.trim_start().trim_start_matches("///"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
