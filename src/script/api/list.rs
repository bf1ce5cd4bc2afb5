//! Lists: what Rhai's own library has under another name.

use rhai::{Array, Engine, FnPtr, NativeCallContext, plugin::*};

use super::Fallible;

#[export_module]
mod functions {
    /// Returns whether the function returns true for an element: `e.argv.any(|a| a.starts_with("-c"))`.
    #[rhai_fn(return_raw, pure)]
    pub fn any(context: NativeCallContext, list: &mut Array, asked: FnPtr) -> Fallible<bool> {
        for item in list.iter() {
            if asked.call_within_context::<bool>(&context, (item.clone(),))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether the function returns true for no element: `e.argv.none(|a| a == "--version")`. True if there are none.
    #[rhai_fn(return_raw, pure)]
    pub fn none(context: NativeCallContext, list: &mut Array, asked: FnPtr) -> Fallible<bool> {
        any(context, list, asked).map(|any| !any)
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
