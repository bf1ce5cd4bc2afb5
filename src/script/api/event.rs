//! Events as scripts read them: `e.FIELD`, by the template's own names.

use std::{collections::BTreeSet, rc::Rc, sync::Arc};

use rhai::{Array, Dynamic, Engine, Map, plugin::*};

use super::{Fallible, cut};
use crate::{
    event::{Event, Value},
    filter::Known,
    raw, report,
    script::{Fault, value},
    template::{FieldKind, Template},
    values::nearest,
};

/// An event that a script holds; clones share it.
#[derive(Debug, Clone)]
pub struct ScriptEvent {
    event: Rc<Event>,
    reading: Reading,
}

/// What is called on an event, and not read of it.
pub const METHODS: [&str; 6] = ["capabilities", "capable", "fields", "keys", "kill", "to_json"];

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

    fn field(&self, name: &str) -> Fallible<Dynamic> {
        match name {
            "probe" => return Ok(self.event.probe().to_owned().into()),
            "template" => return Ok(self.event.template().name.clone().into()),
            _ if self.reading == Reading::Strict && self.event.unreadable(name) => {
                return Err(Fault::script(format!("`{name}` could not be read")).about(name).into());
            }
            _ if self.reading == Reading::Strict && self.event.may_go_on(name) => return Ok(self.cut(name)),
            _ => {}
        }
        if let Some(told) = self.event.told()
            && !self.event.tells(name)
            && self
                .event
                .template()
                .field(name)
                .is_some_and(|field| !matches!(field.kind, FieldKind::Stack(_)))
        {
            let told = told.join(", ");
            let text = format!("this probe's events do not tell `{name}`; by `.fields(…)` they tell: {told}");
            return Err(Fault::script(text).about(name).into());
        }
        self.event.get(name).map(value::from_event).ok_or_else(|| {
            let template = self.event.template();
            let of = &template.name;
            if METHODS.contains(&name) {
                let fault = Fault::script(format!("`{name}` is a method of an event")).about(name);
                let advice = format!("call it: `e.{name}(…)`; help(\"{name}\") tells how");
                return Fault { advice: Some(advice), ..fault }.into();
            }
            let near = nearest(name, template.fields.iter().map(|f| f.name.as_str()));
            let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            let fault = Fault::script(format!("an event of `{of}` has no field `{name}`")).about(name);
            Fault { advice: Some(format!("{near}help(\"{of}\") lists its fields")), ..fault }.into()
        })
    }

    /// Refuses a value for a field. What a method has left as it is comes back here too, and is no change.
    fn keep(&self, name: &str, value: &Dynamic) -> Fallible<()> {
        let is_same = self.field(name).is_ok_and(|own| value::to_json(&own) == value::to_json(value));
        if is_same {
            return Ok(());
        }
        let text = format!(
            "an event cannot be changed, nor can its `{name}`: it is what the kernel has seen\n\
             cure: change a copy: `let copy = e.{name};`"
        );
        Err(Fault::script(text).about(name).into())
    }

    /// What there is of a text, or of a list of texts.
    fn cut(&self, name: &str) -> Dynamic {
        match self.event.get(name) {
            Some(Value::Text(seen)) => {
                let (seen, unsure) = (raw::text(&seen), cut::Unsure::Error);
                Dynamic::from(cut::CutText { seen, known: Known::Beginning, unsure })
            }
            Some(Value::List(items)) => {
                let items = items.iter().map(|item| match item {
                    Value::Text(bytes) => raw::text(bytes),
                    _ => String::new(),
                });
                let last_is_cut = self.event.last_is_cut(name);
                Dynamic::from(cut::CutList { items: items.collect(), last_is_cut })
            }
            _ => Dynamic::UNIT,
        }
    }

    /// All fields, as JSON has them.
    pub fn describe(&self) -> String {
        report::safe_json(&serde_json::Value::Object(report::event_json(&self.event)).to_string())
    }
}

#[export_module]
mod functions {
    /// Returns all fields of the event as a map: `e.fields().path`.
    pub fn fields(event: &mut ScriptEvent) -> Map {
        let named = |(field, value): (&crate::template::Field, _)| {
            (field.name.as_str().into(), value::from_event(value))
        };
        event.inner().fields().map(named).collect()
    }

    /// Returns the names of the event's fields, in the template's order.
    pub fn keys(event: &mut ScriptEvent) -> Array {
        event.inner().template().fields.iter().map(|f| f.name.clone().into()).collect()
    }

    /// Returns the event as one line of JSON.
    #[rhai_fn(name = "to_json", name = "to_string", name = "to_debug")]
    pub fn to_json(event: &mut ScriptEvent) -> String {
        event.describe()
    }
}

/// Registers each template's fields by their names too: a property that has no function of its own costs a search for
/// one, and an error that says so, each time it is read.
pub fn register_fields<'t>(engine: &mut Engine, templates: impl Iterator<Item = &'t Arc<Template>>) {
    let names: BTreeSet<&str> =
        templates.flat_map(|template| template.fields.iter().map(|field| field.name.as_str())).collect();
    for name in names {
        let field = name.to_owned();
        engine.register_get(name, move |event: &mut ScriptEvent| event.field(&field));
        let field = name.to_owned();
        engine.register_set(name, move |event: &mut ScriptEvent, value: Dynamic| event.keep(&field, &value));
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ScriptEvent>("Event")
        .register_indexer_get(|event: &mut ScriptEvent, name: &str| event.field(name))
        .register_indexer_set(|event: &mut ScriptEvent, name: &str, value: Dynamic| event.keep(name, &value))
        .register_global_module(rhai::exported_module!(functions).into());
}
