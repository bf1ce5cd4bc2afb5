//! Events as scripts read them: `e.FIELD`, by the template's own names.

use std::collections::BTreeSet;

use rhai::{Array, Dynamic, Engine, Map, plugin::*};

use super::Fallible;
use crate::{
    event::origin::{ANCESTORS, RELATIVES},
    report,
    script::{
        Fault,
        event::{ScriptEvent, from_event},
        origin::{self, ScriptAncestor, ScriptRelative},
        value,
    },
};

/// Refuses a value for a field. What a method has left as it is comes back here too, and is no change.
fn keep(event: &ScriptEvent, name: &str, value: &Dynamic) -> Fallible<()> {
    let is_same = origin::read(event, name).is_ok_and(|own| value::to_json(&own) == value::to_json(value));
    if is_same {
        return Ok(());
    }
    let text = format!(
        "an event cannot be changed, nor can its `{name}`: it is what the kernel has seen\n\
         fix: change a copy: `let copy = e.{name};`"
    );
    Err(Fault::script(text).about(name).into())
}

#[export_module]
mod functions {
    /// Returns all fields of the event as a map: `e.fields().path`.
    pub fn fields(event: &mut ScriptEvent) -> Map {
        let named =
            |(field, value): (&crate::template::Field, _)| (field.name.as_str().into(), from_event(value));
        event.inner().fields().map(named).collect()
    }

    /// Returns the names of the event's fields, in the template's order.
    pub fn keys(event: &mut ScriptEvent) -> Array {
        event.inner().template().fields.iter().map(|f| f.name.clone().into()).collect()
    }

    /// Returns what names the event's process for ever, its id and when it started, as a text: `.by(|e| e.process_key())`.
    /// Two events have the same one if they are of the same process, whatever it has executed in between.
    #[rhai_fn(return_raw)]
    pub fn process_key(event: &mut ScriptEvent) -> Fallible<String> {
        Ok(format!("{}@{}", event.field("pid")?, event.field("start_ns")?))
    }

    /// Returns a part of an event as one line of JSON: `e.parent.to_json()`.
    #[rhai_fn(name = "to_json", name = "to_string", name = "to_debug")]
    pub fn part_to_json(part: &mut ScriptRelative) -> String {
        report::safe_json(&value::to_json(&part.members().into()).to_string())
    }

    /// Returns an ancestor as one line of JSON: `e.ancestors[0].to_json()`.
    #[rhai_fn(name = "to_json", name = "to_string", name = "to_debug")]
    pub fn ancestor_to_json(ancestor: &mut ScriptAncestor) -> String {
        report::safe_json(&value::to_json(&ancestor.members().into()).to_string())
    }

    /// Returns the event as one line of JSON.
    #[rhai_fn(name = "to_json", name = "to_string", name = "to_debug")]
    pub fn to_json(event: &mut ScriptEvent) -> String {
        event.describe()
    }
}

/// Registers the templates' fields by their names too: a property that has no function of its own costs a search for
/// one, and an error that says so, each time it is read.
pub fn register_fields(engine: &mut Engine, fields: &BTreeSet<String>) {
    let fields = fields.iter().map(String::as_str);
    let relatives = RELATIVES.iter().map(|relative| relative.name).chain([ANCESTORS]);
    let names: BTreeSet<&str> = fields.chain(relatives).collect();
    for name in names {
        let field = name.to_owned();
        engine.register_get(name, move |event: &mut ScriptEvent| origin::read(event, &field));
        let field = name.to_owned();
        engine.register_set(name, move |event: &mut ScriptEvent, value: Dynamic| keep(event, &field, &value));
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ScriptEvent>("Event")
        .register_indexer_get(|event: &mut ScriptEvent, name: &str| origin::read(event, name))
        .register_indexer_set(|event: &mut ScriptEvent, name: &str, value: Dynamic| keep(event, name, &value))
        .register_type_with_name::<ScriptRelative>("EventPart")
        .register_indexer_get(|part: &mut ScriptRelative, name: &str| part.member(name))
        .register_type_with_name::<ScriptAncestor>("Ancestor")
        .register_indexer_get(|ancestor: &mut ScriptAncestor, name: &str| ancestor.member(name))
        .register_global_module(rhai::exported_module!(functions).into());
}
