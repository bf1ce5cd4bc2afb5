//! Texts: what Rhai's own library lacks.

use rhai::{Engine, plugin::*};

use super::Fallible;
use crate::{filter::Glob, script::Fault};

#[export_module]
mod functions {
    /// Returns whether a string matches a glob: `e.path.like("/home/*/.ssh/*")`. `*` stands for any text, slashes too.
    #[rhai_fn(return_raw)]
    pub fn like(text: &str, glob: &str) -> Fallible<bool> {
        let parsed = Glob::parse(glob).map_err(|error| Fault::script(error).about(glob))?;
        Ok(parsed.matches(text))
    }

    /// Returns the string with ASCII's capital letters made small, for comparisons that ignore case:
    /// `e.path.to_ascii_lower().ends_with(".exe")`. Other letters stay as they are.
    pub fn to_ascii_lower(text: &str) -> String {
        text.to_ascii_lowercase()
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
