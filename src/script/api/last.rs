//! Another look at events that have been delivered.

use rhai::{Array, Engine, plugin::*};

use super::{Fallible, runtime};
use crate::script::{Fault, event::ScriptEvent, handle::ProbeHandle, recent::KEPT};

/// Reads how many events are wanted.
fn most(wanted: i64) -> Fallible<usize> {
    let most = usize::try_from(wanted).ok().filter(|most| (1..=KEPT).contains(most));
    let refuse = || {
        let text = format!("`last` cannot return {wanted} events; allowed: 1 to {KEPT}");
        Fault::script(text).about(wanted).into()
    };
    most.ok_or_else(refuse)
}

fn of(probe: &ProbeHandle) -> impl Fn(&ScriptEvent) -> bool {
    let name = probe.name();
    move |event| event.inner().probe() == name
}

fn newest(mut events: Vec<ScriptEvent>) -> Dynamic {
    events.pop().map_or(Dynamic::UNIT, Dynamic::from)
}

fn array(events: Vec<ScriptEvent>) -> Array {
    events.into_iter().map(Dynamic::from).collect()
}

#[export_module]
mod functions {
    /// Returns the event delivered last, shown or given to a callback; `()` before the first: `last().path`.
    #[rhai_fn(return_raw)]
    pub fn last(context: NativeCallContext) -> Fallible<Dynamic> {
        Ok(newest(runtime(&context)?.recent.borrow().last(1, |_| true)))
    }

    /// Returns the last `n` events as an array, oldest first: fewer if there were fewer. The last 256 of all probes
    /// together are kept.
    #[rhai_fn(name = "last", return_raw)]
    pub fn last_some(context: NativeCallContext, n: i64) -> Fallible<Array> {
        let most = most(n)?;
        Ok(array(runtime(&context)?.recent.borrow().last(most, |_| true)))
    }

    /// Returns the event of this probe delivered last; `()` if it is not among the last 256 of all probes.
    #[rhai_fn(name = "last", return_raw)]
    pub fn last_of(context: NativeCallContext, probe: ProbeHandle) -> Fallible<Dynamic> {
        Ok(newest(runtime(&context)?.recent.borrow().last(1, of(&probe))))
    }

    /// Returns the last `n` events of this probe, oldest first, as far as they are among the last 256 of all probes.
    #[rhai_fn(name = "last", return_raw)]
    pub fn last_some_of(context: NativeCallContext, probe: ProbeHandle, n: i64) -> Fallible<Array> {
        let most = most(n)?;
        Ok(array(runtime(&context)?.recent.borrow().last(most, of(&probe))))
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
