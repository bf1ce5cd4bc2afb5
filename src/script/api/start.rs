//! A program that is started and waits until it is released.

use std::{cell::RefCell, rc::Rc};

use rhai::{Array, Dynamic, Engine, Map, plugin::*};

use super::{
    Fallible,
    process::{as_map, words},
    runtime,
};
use crate::{
    reaction::{self, Held, Streams},
    script::{
        Fault,
        policy::Effect,
        runtime::{Turn, Until},
    },
};

/// A child, as a script has it: killed when the script lets go of it.
#[derive(Clone)]
pub struct ChildHandle(Rc<RefCell<Held>>);

impl ChildHandle {
    fn describe(&self) -> String {
        let child = self.0.borrow();
        format!("child {}, {}", child.pid(), if child.released() { "released" } else { "waiting" })
    }
}

#[export_module]
mod functions {
    /// Starts a program that waits until it is released, so that probes are in force before its first instruction:
    /// `let c = start(["npm", "install"]);`, then `probe("exec").scope(c.scope).attach()`, `c.release()`, `c.wait()`. It has nothing on
    /// standard input; its output is kept, as that of `run`. It is killed when the session ends, or the script lets go of it.
    #[rhai_fn(return_raw)]
    pub fn start(context: NativeCallContext, command: Array) -> Fallible<ChildHandle> {
        let runtime = runtime(&context)?;
        let words = words(&command)?;
        runtime.ask(Effect::Run)?;
        match Held::start(&words, Streams::Kept) {
            Ok(held) => Ok(ChildHandle(Rc::new(RefCell::new(held)))),
            Err(reaction::StartError::Refused(ended)) => {
                let errno = ended.errno.unwrap_or_default();
                let program = words[0].to_string_lossy().into_owned();
                Err(Fault::script(format!("`start` cannot start `{program}`: {errno}")).about(program).into())
            }
            Err(error) => Err(Fault::environment(error).into()),
        }
    }

    /// Releases a child: it executes its program now. Nothing if it has been released.
    pub fn release(child: &mut ChildHandle) {
        child.0.borrow_mut().release();
    }

    /// Releases a child if it waits still, waits for its end, and returns the map of `run`: `c.wait().code`. Events are delivered meanwhile.
    #[rhai_fn(return_raw)]
    pub fn wait(context: NativeCallContext, child: ChildHandle) -> Fallible<Map> {
        let runtime = runtime(&context)?;
        let over = {
            let mut child = child.0.borrow_mut();
            child.release();
            child.over()
        };
        match runtime.serve(context.engine(), &over, Until::Never)? {
            Turn::Received(()) | Turn::Disconnected | Turn::Over => {}
        }
        let ended = child.0.borrow_mut().finish().map_err(Fault::environment)?;
        runtime.settle(context.engine())?;
        Ok(as_map(&ended))
    }

    /// Its process id.
    #[rhai_fn(get = "pid")]
    pub fn pid(child: &mut ChildHandle) -> i64 {
        child.0.borrow().pid().into()
    }

    /// A scope for the child and all that it starts: `.scope(c.scope)`.
    #[rhai_fn(get = "scope")]
    pub fn scope(child: &mut ChildHandle) -> Map {
        Map::from([("pid".into(), Dynamic::from(i64::from(child.0.borrow().pid())))])
    }

    /// Says what a child is.
    #[rhai_fn(name = "to_string")]
    pub fn to_text(child: &mut ChildHandle) -> String {
        child.describe()
    }

    /// Says what a child is.
    #[rhai_fn(name = "to_debug")]
    pub fn to_debug(child: &mut ChildHandle) -> String {
        child.describe()
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<ChildHandle>("Child");
    engine.register_global_module(rhai::exported_module!(functions).into());
}
