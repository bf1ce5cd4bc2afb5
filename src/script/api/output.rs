//! What a script says: records and alerts (`print` is the language's own).

use rhai::{Engine, Map, plugin::*};

use super::{Fallible, runtime};
use crate::{
    report::Record,
    script::{Fault, event::ScriptEvent, value},
    values::Severity,
};

fn say_alert(
    context: &NativeCallContext,
    severity: &str,
    text: &str,
    event: Option<&ScriptEvent>,
) -> Fallible<()> {
    let severity = Severity::from_name(severity).map_err(Fault::from)?;
    let runtime = runtime(context)?;
    if let Some(denials) = runtime.denials.get() {
        denials.why(text);
    }
    runtime.report(|reporter| reporter.alert(severity, text, event.map(ScriptEvent::inner)));
    Ok(())
}

#[export_module]
mod functions {
    /// Writes a record of your own, one JSON object a line: `emit(#{ host: "a", count: 3 })`.
    #[rhai_fn(return_raw)]
    pub fn emit(context: NativeCallContext, record: Map) -> Fallible<()> {
        if record.contains_key("type") {
            let text = "`emit`: the key `type` is taken (it is \"emit\"); call yours something else";
            return Err(Fault::script(text).about("type").into());
        }
        let long = record.values().map(value::weight).fold(0, usize::saturating_add);
        runtime(&context)?.room(long)?;
        runtime(&context)?.report(|reporter| reporter.emit(Record::Emit(&value::to_object(&record))));
        Ok(())
    }

    /// Raises an alert: `alert("high", "what happened")`. Severities: info, low, medium, high, critical.
    #[rhai_fn(return_raw)]
    pub fn alert(context: NativeCallContext, severity: &str, text: &str) -> Fallible<()> {
        say_alert(&context, severity, text, None)
    }

    /// Raises an alert about an event, which goes with it as JSON: `alert("high", "what happened", e)`.
    #[rhai_fn(name = "alert", return_raw)]
    pub fn alert_about(
        context: NativeCallContext,
        severity: &str,
        text: &str,
        event: ScriptEvent,
    ) -> Fallible<()> {
        say_alert(&context, severity, text, Some(&event))
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
