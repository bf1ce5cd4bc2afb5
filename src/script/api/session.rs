//! The session: its end, its probes, its catalogue, its help.

use rhai::{Array, Engine, FnPtr, Map, plugin::*};

use super::{Fallible, a, runtime};
use crate::{
    report::Record,
    script::{Fault, handle::ProbeHandle, program::Callback, stop::Stop},
    values::nearest,
};

#[export_module]
mod functions {
    /// Ends the session with an exit code, 0 to 255: `exit(2)`. Functions given to `on_exit` are called first, then
    /// every probe is detached.
    #[rhai_fn(return_raw)]
    pub fn exit(code: i64) -> Fallible<()> {
        match i32::try_from(code) {
            Ok(code @ 0..=255) => Err(Stop::Exit(code).into()),
            _ => Err(Fault::script(format!("`exit` cannot end with {code}; allowed: 0 to 255"))
                .about(code)
                .into()),
        }
    }

    // Else it is the language's own `exit`, which takes anything and ends with nothing.
    #[rhai_fn(name = "exit", return_raw)]
    pub fn exit_otherwise(code: Dynamic) -> Fallible<()> {
        let text = format!("`exit` needs a whole number from 0 to 255, not {}", a(&code));
        let advice = match code.is_string() {
            true => "a text becomes a number by `parse_int`: `exit(parse_int(args[0]))`",
            false => "write `exit(1)`",
        };
        Err(Fault { advice: Some(advice.into()), ..Fault::script(text).about(&code) }.into())
    }

    /// Ends the session with exit code 0: `exit()`.
    #[rhai_fn(name = "exit", return_raw)]
    pub fn exit_well() -> Fallible<()> {
        Err(Stop::Exit(0).into())
    }

    /// Calls a function when the session ends, before any probe is detached: `on_exit(|| print("done"))`. If a signal or
    /// `--for` ends it, nothing is enforced any more by then, and all such functions together have one second.
    #[rhai_fn(return_raw)]
    pub fn on_exit(context: NativeCallContext, function: FnPtr) -> Fallible<()> {
        let runtime = runtime(&context)?;
        let callback = Callback::new(function, runtime.program()?, 0, "on_exit")?;
        runtime.on_exit.borrow_mut().push(callback);
        Ok(())
    }

    /// Ends the script when a callback fails. Without it, the error is reported and the script goes on.
    #[rhai_fn(return_raw)]
    pub fn fail_fast(context: NativeCallContext) -> Fallible<()> {
        runtime(&context)?.fail_fast.set(true);
        Ok(())
    }

    /// Returns the attached probes: `for p in probes() { p.detach(); }`.
    #[rhai_fn(return_raw)]
    pub fn probes(context: NativeCallContext) -> Fallible<Array> {
        let attached = runtime(&context)?.probes.used().into_iter().filter(|probe| probe.attached());
        Ok(attached.map(Dynamic::from).collect())
    }

    /// Returns the probe that was attached last under this name, for one whose variable is lost: `probe_named("exec-1")`.
    #[rhai_fn(return_raw)]
    pub fn probe_named(context: NativeCallContext, name: &str) -> Fallible<ProbeHandle> {
        let runtime = runtime(&context)?;
        runtime.probes.named(name).ok_or_else(|| {
            let names: Vec<_> = runtime.probes.used().iter().map(ProbeHandle::name).collect();
            let near = nearest(name, names.iter().map(String::as_str))
                .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            let known = if names.is_empty() { "none has been attached".to_owned() } else { names.join(", ") };
            Fault::script(format!("there is no probe `{name}`{near}; known: {known}")).about(name).into()
        })
    }

    /// Returns what probes can be made of, as an array of maps: name, summary, hooks, can_deny, can_ask, scope_required,
    /// params and fields.
    #[rhai_fn(return_raw)]
    pub fn templates(context: NativeCallContext) -> Fallible<Array> {
        let names = |list: &[String]| -> Array { list.iter().map(|name| name.clone().into()).collect() };
        let one = |template: &crate::template::Template| {
            let mut map = Map::new();
            map.insert("name".into(), template.name.clone().into());
            map.insert("summary".into(), template.summary.clone().into());
            map.insert("hooks".into(), names(&template.hooks).into());
            map.insert("can_deny".into(), template.can_deny.into());
            let can_ask = template.can_deny && template.cannot_ask.is_none();
            map.insert("can_ask".into(), can_ask.into());
            map.insert("scope_required".into(), template.scope_required.into());
            let params: Vec<_> = template.params.iter().map(|p| p.name.clone()).collect();
            map.insert("params".into(), names(&params).into());
            let fields: Vec<_> = template.fields.iter().map(|f| f.name.clone()).collect();
            map.insert("fields".into(), names(&fields).into());
            Dynamic::from(map)
        };
        Ok(runtime(&context)?.catalogue.iter().map(|template| one(template)).collect())
    }

    /// Lists templates, functions and methods.
    #[rhai_fn(return_raw)]
    pub fn help(context: NativeCallContext) -> Fallible<()> {
        let runtime = runtime(&context)?;
        let text = runtime.index().overview();
        runtime.report(|reporter| reporter.emit(Record::Help(&text)));
        Ok(())
    }

    /// Explains a function, template, param, field or word, or searches for words: `help("exec")`, `help("user id")`.
    #[rhai_fn(name = "help", return_raw)]
    pub fn help_about(context: NativeCallContext, topic: &str) -> Fallible<()> {
        let runtime = runtime(&context)?;
        let text = runtime.index().topic(topic);
        runtime.report(|reporter| reporter.emit(Record::Help(&text)));
        Ok(())
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
