//! `sys`: the kernel and the operating system.

use rhai::{Dynamic, Engine, Map, plugin::*};

use super::{Fallible, read};
use crate::{
    facts::{Fact, kernel},
    raw,
    script::{api::runtime, json::from_json},
};

/// What the constant `sys` is; it has nothing in it, and is read anew each time.
#[derive(Debug, Clone, Copy)]
pub struct System;

#[export_module]
mod functions {
    /// The running kernel, a map: release, version, major, minor, patch, tainted (0 for not at all), lockdown (`none`,
    /// `integrity`, `confidentiality`; `()` where it cannot be told).
    #[rhai_fn(get = "kernel", pure, return_raw)]
    pub fn kernel_of(context: NativeCallContext, _system: &mut System) -> Fallible<Map> {
        let found = read(&*runtime(&context)?, |reader| Fact::value(kernel::kernel(reader)?))?;
        Ok(from_json(found).try_cast().unwrap_or_default())
    }

    /// The active security modules in the kernel's order, an array; `()` where securityfs is not mounted.
    #[rhai_fn(get = "lsm", pure, return_raw)]
    pub fn lsm(context: NativeCallContext, _system: &mut System) -> Fallible<Dynamic> {
        read(&*runtime(&context)?, |reader| Fact::value(kernel::lsm(reader)?)).map(from_json)
    }

    /// The operating system, a map of what /etc/os-release says, names in small letters: `sys.os.id == "debian"`.
    #[rhai_fn(get = "os", pure, return_raw)]
    pub fn os(context: NativeCallContext, _system: &mut System) -> Fallible<Map> {
        let found = read(&*runtime(&context)?, |reader| Fact::value(kernel::os(reader)?))?;
        Ok(from_json(found).try_cast().unwrap_or_default())
    }

    /// The machine's name.
    #[rhai_fn(get = "hostname", pure, return_raw)]
    pub fn hostname_of(context: NativeCallContext, _system: &mut System) -> Fallible<String> {
        read(&*runtime(&context)?, kernel::hostname)
    }

    /// What runs as process 1: `systemd`, `init` …; `()` where /proc does not show it.
    #[rhai_fn(get = "init", pure, return_raw)]
    pub fn init(context: NativeCallContext, _system: &mut System) -> Fallible<Dynamic> {
        read(&*runtime(&context)?, |reader| Fact::value(kernel::init(reader)?)).map(from_json)
    }

    /// The directory that facts are read from: `/`, unless the session was given another one.
    #[rhai_fn(get = "root", pure, return_raw)]
    pub fn root(context: NativeCallContext, _system: &mut System) -> Fallible<String> {
        Ok(raw::from_os(runtime(&context)?.facts.root.path()))
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn to_string(_system: System) -> String {
        "sys".to_owned()
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<System>("System");
    engine.register_global_module(rhai::exported_module!(functions).into());
}
