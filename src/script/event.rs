//! Events as scripts hold them.

use std::rc::Rc;

use rhai::Dynamic;

use super::{
    Fault,
    cut::{CutList, CutText},
    fault::Fallible,
};
use crate::{
    event::{ARGV, CMDLINE, Event, Value, has_cmdline},
    filter::Known,
    raw, report,
    template::FieldKind,
    values::nearest,
};

/// An event that a script holds; clones share it.
#[derive(Debug, Clone)]
pub struct ScriptEvent {
    event: Rc<Event>,
    reading: Reading,
}

/// What is called on an event, and not read of it.
pub const METHODS: [&str; 11] = [
    "alive",
    "capabilities",
    "capable",
    "exe_sha256",
    "fields",
    "freeze",
    "keep_evidence",
    "keys",
    "kill",
    "process_key",
    "to_json",
];

/// What becomes of a text that the kernel could not read, or has cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is what there is of it: a callback may look at the notes.
    Lenient,
    /// It is an error, or a text of its own kind: a filter must not take it for one that is known.
    Strict,
}

impl ScriptEvent {
    pub fn new(event: Event) -> Self {
        ScriptEvent { event: Rc::new(event), reading: Reading::Lenient }
    }

    /// As a filter reads it.
    pub fn for_filter(event: Event) -> Self {
        ScriptEvent { reading: Reading::Strict, ..Self::new(event) }
    }

    pub fn inner(&self) -> &Event {
        &self.event
    }

    /// Reads a field by its name.
    ///
    /// # Errors
    /// If there is none of that name, or it is not known.
    pub fn field(&self, name: &str) -> Fallible<Dynamic> {
        if name == CMDLINE && has_cmdline(self.event.template()) {
            return self.joined(ARGV);
        }
        match name {
            "probe" => return Ok(self.event.probe().to_owned().into()),
            "template" => return Ok(self.event.template().name.clone().into()),
            _ if self.reading == Reading::Strict && self.event.unreadable(name) => {
                return Err(Fault::script(format!("`{name}` could not be read")).about(name).into());
            }
            _ if self.reading == Reading::Strict && self.event.may_go_on(name) => return Ok(self.cut(name)),
            _ => {}
        }
        let field = self.event.template().field(name);
        if !self.event.tells(name) && field.is_some_and(|field| !matches!(field.kind, FieldKind::Stack(_))) {
            return Err(self.not_told(name).about(name).into());
        }
        self.event.get(name).map(from_event).ok_or_else(|| {
            let template = self.event.template();
            let of = &template.name;
            if METHODS.contains(&name) {
                let fault = Fault::script(format!("`{name}` is a method of an event")).about(name);
                let advice = format!("call it: `e.{name}(…)`; help(\"{name}\") tells how");
                return Fault { advice: Some(advice), ..fault }.into();
            }
            let derived = has_cmdline(template).then_some(CMDLINE);
            let near = nearest(name, template.fields.iter().map(|f| f.name.as_str()).chain(derived));
            let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            let fault = Fault::script(format!("an event of `{of}` has no field `{name}`")).about(name);
            Fault { advice: Some(format!("{near}help(\"{of}\") lists its fields")), ..fault }.into()
        })
    }

    fn not_told(&self, name: &str) -> Fault {
        let text = format!("this probe's events do not tell `{name}`");
        match self.event.told() {
            Some(told) => Fault::script(format!("{text}; by `.fields(…)` they tell: {}", told.join(", "))),
            None => Fault {
                advice: Some(format!(
                    "it is told where something names it before the attach: `.on_event(|e| … e.{name} …)`, `.when(…)`, or `.fields([…, \"{name}\"])`"
                )),
                ..Fault::script(text)
            },
        }
    }

    /// The texts of a list as one text, a blank between two.
    pub fn joined(&self, list: &str) -> Fallible<Dynamic> {
        let argv = self.field(list)?;
        if let Some(list) = argv.read_lock::<CutList>() {
            let seen = list.items.join(" ");
            return Ok(Dynamic::from(CutText { seen, known: Known::Beginning }));
        }
        let items = argv.into_array().unwrap_or_default();
        let words: Vec<String> = items.iter().map(ToString::to_string).collect();
        Ok(words.join(" ").into())
    }

    /// What there is of a text, or of a list of texts.
    fn cut(&self, name: &str) -> Dynamic {
        match self.event.get(name) {
            Some(Value::Text(seen)) => {
                Dynamic::from(CutText { seen: raw::text(&seen), known: Known::Beginning })
            }
            Some(Value::List(items)) => {
                let items = items.iter().map(|item| match item {
                    Value::Text(bytes) => raw::text(bytes),
                    _ => String::new(),
                });
                let last_is_cut = self.event.last_is_cut(name);
                Dynamic::from(CutList { items: items.collect(), last_is_cut })
            }
            _ => Dynamic::UNIT,
        }
    }

    /// All fields, as JSON has them.
    pub fn describe(&self) -> String {
        report::safe_json(&serde_json::Value::Object(report::event_json(&self.event)).to_string())
    }
}

/// An event's field as a script sees it: texts in the form of [`raw`]. A number beyond Rhai's own (63 bits) keeps
/// its bits and turns negative; none of the header's is that large.
pub fn from_event(value: Value) -> Dynamic {
    match value {
        Value::Unsigned(n) => Dynamic::from(n.cast_signed()),
        Value::Signed(n) => Dynamic::from(n),
        Value::Bool(b) => Dynamic::from(b),
        Value::Text(bytes) => raw::text(&bytes).into(),
        Value::Flags(names) => names.into_iter().map(Dynamic::from).collect::<Vec<_>>().into(),
        Value::Name(name) => name.into(),
        Value::Address(address) => address.map(|a| a.to_string()).unwrap_or_default().into(),
        Value::Device { major, minor } => format!("{major}:{minor}").into(),
        Value::List(items) => items.into_iter().map(from_event).collect::<Vec<_>>().into(),
    }
}
