//! What was seen before: in this session, or in a state that outlives it.

use rhai::{Engine, plugin::*};

use super::{Fallible, runtime};
use crate::{
    correlation::{
        Key,
        store::{Store, StoreError},
    },
    script::{
        Fault,
        correlation::StateHandle,
        key,
        policy::{Effect, Ruling},
    },
    system::places::Places,
    values::duration,
};

fn key(value: &Dynamic, of: &str) -> Result<Key, Fault> {
    let key = key::of(value).map_err(|text| Fault::script(format!("`{of}`: {text}")).about(of))?;
    key.ok_or_else(|| Fault::script(format!("`{of}` was given `()`, which is no key")).about(of))
}

fn milliseconds(time: &str) -> Result<i64, Fault> {
    let time = duration::parse(time).map_err(Fault::from)?;
    Ok(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

fn fault(error: StoreError) -> Fault {
    match &error {
        StoreError::Name(name) => {
            let name = name.clone();
            Fault::script(error).about(name)
        }
        StoreError::Held { .. } | StoreError::File { .. } => Fault::environment(error),
    }
}

#[export_module]
mod functions {
    /// Returns whether this key was not seen within the time before now, and remembers that it was: `if first_seen("1h", e.path) { alert("low", "new", e) }`.
    /// A key is a string, a whole number, or an array of them. What is asked for different purposes needs different keys:
    /// `first_seen("1h", ["exec", e.path])`. It is remembered until the session ends; `state("name").first_seen(…)` remembers
    /// it longer. Of more than 50000 keys those seen longest ago are forgotten.
    #[rhai_fn(return_raw)]
    pub fn first_seen(context: NativeCallContext, within: &str, key: Dynamic) -> Fallible<bool> {
        let (within, key) = (milliseconds(within)?, super::key(&key, "first_seen")?);
        let runtime = runtime(&context)?;
        let now = runtime.clock.wall().as_millisecond();
        Ok(runtime.correlations.seen.borrow_mut().first(&key, now, within))
    }

    /// Returns what is remembered under a name beyond the end of this session: `let known = state("hunt")`. Its file is
    /// /var/lib/krsi-sh/state/NAME.json for root, and else below $XDG_STATE_HOME (~/.local/state) in krsi-sh/state. It is
    /// read once and written as a whole: a new key within 10 s, and at the end. One session at a time can have it; a
    /// file that others may write to is refused.
    #[rhai_fn(return_raw)]
    pub fn state(context: NativeCallContext, name: &str) -> Fallible<StateHandle> {
        let runtime = runtime(&context)?;
        let ruling = runtime.ask(Effect::Remember)?;
        if let Some(state) = runtime.correlations.state(name) {
            return Ok(state);
        }
        let directory = Places::of_this_user().remembered;
        let store = match ruling {
            Ruling::Do => Store::open(&directory, name).map_err(fault)?,
            Ruling::Rehearse => Store::in_memory(&directory, name).map_err(fault)?,
        };
        let state = StateHandle::new(store);
        runtime.correlations.keep_state(state.clone());
        Ok(state)
    }

    /// Returns whether this key was not seen within the time before now, by this session or another one, and remembers that
    /// it was: `if state("hunt").first_seen("5d", e.exe) { alert("low", "new here", e) }`. Of more than 50000 keys those seen
    /// longest ago are forgotten.
    #[rhai_fn(name = "first_seen", return_raw)]
    pub fn first_seen_in(
        context: NativeCallContext,
        state: StateHandle,
        within: &str,
        key: Dynamic,
    ) -> Fallible<bool> {
        let (within, key) = (milliseconds(within)?, super::key(&key, "first_seen")?);
        let now = runtime(&context)?.clock.wall().as_millisecond();
        Ok(state.first(&key, now, within))
    }

    /// Returns whether this key is remembered, and changes nothing: `state("approved").remembers(e.path)`.
    #[rhai_fn(return_raw)]
    pub fn remembers(state: StateHandle, key: Dynamic) -> Fallible<bool> {
        Ok(state.remembers(&super::key(&key, "remembers")?))
    }

    /// Forgets a key, so that it is new again: `state("hunt").forget("/tmp/x")`. Returns false if it was not remembered.
    #[rhai_fn(return_raw)]
    pub fn forget(state: StateHandle, key: Dynamic) -> Fallible<bool> {
        Ok(state.forget(&super::key(&key, "forget")?))
    }

    /// Writes the file now, and not only when that is due.
    #[rhai_fn(return_raw)]
    pub fn save(state: StateHandle) -> Fallible<()> {
        Ok(state.save().map_err(fault)?)
    }

    /// Returns how many keys are remembered.
    #[rhai_fn(name = "len")]
    pub fn count(state: StateHandle) -> i64 {
        i64::try_from(state.len()).unwrap_or(i64::MAX)
    }

    /// Returns the state in one line.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn to_text(state: StateHandle) -> String {
        state.describe()
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<StateHandle>("State")
        .register_global_module(rhai::exported_module!(functions).into());
}
