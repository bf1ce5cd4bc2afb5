//! Facts that are asked for by name: settings of the kernel, packages.

use rhai::{Array, Engine, plugin::*};

use super::{Fallible, read};
use crate::{
    facts::{Fact, cgroups, kernel, packages, sysctl},
    script::{api::runtime, event::ScriptEvent, json::from_json},
};

#[export_module]
mod functions {
    /// Returns a setting of the running kernel by its name for sysctl(8): `sysctl("kernel.randomize_va_space") == 2`.
    /// A whole number is a number; everything else is text, several numbers too, with single spaces between. A
    /// setting that this kernel does not have is an error.
    #[rhai_fn(name = "sysctl", return_raw)]
    pub fn sysctl_known(context: NativeCallContext, name: &str) -> Fallible<Dynamic> {
        read(&*runtime(&context)?, |reader| {
            sysctl::setting(reader, name)?.ok_or_else(|| sysctl::unknown(reader, name))
        })
        .map(from_json)
    }

    /// Returns a setting of the running kernel, or what is given besides where this kernel does not have it:
    /// `sysctl("net.ipv6.conf.all.forwarding", 0)`.
    #[rhai_fn(name = "sysctl", return_raw)]
    pub fn sysctl_or(context: NativeCallContext, name: &str, otherwise: Dynamic) -> Fallible<Dynamic> {
        let found = read(&*runtime(&context)?, |reader| sysctl::setting(reader, name))?;
        Ok(found.map_or(otherwise, from_json))
    }

    /// Returns a setting of the kernel's build, from /proc/config.gz or /boot/config-*: `kconfig("CONFIG_BPF_LSM") == "y"`.
    /// Always a text: `y`, `m`, a number, or a text without its quotes; `()` if it is not set. An error if the
    /// configuration is not to be found.
    #[rhai_fn(return_raw)]
    pub fn kconfig(context: NativeCallContext, name: &str) -> Fallible<Dynamic> {
        let found = read(&*runtime(&context)?, |reader| kernel::config(reader, name))?;
        Ok(found.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Returns the path of the cgroup that the event's task is in, from the top of the tree (version 2): `e.cgroup_path()`.
    /// `()` if it is gone by now. In the kernel `.scope(#{ cgroup: … })` asks for it.
    #[rhai_fn(return_raw)]
    pub fn cgroup_path(context: NativeCallContext, event: &mut ScriptEvent) -> Fallible<Dynamic> {
        let _ = event.field("cgroup")?;
        let id = event.inner().number("cgroup");
        let found = read(&*runtime(&context)?, |reader| cgroups::path_of(reader, id))?;
        Ok(found.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Returns the name of the package that a file came with, `()` if no package has it: `package_of("/usr/bin/env")`.
    /// dpkg's lists are read once, and again when it has changed them. Links are not followed, but `/bin/sh` is
    /// `/usr/bin/sh` where these are one directory.
    #[rhai_fn(return_raw)]
    pub fn package_of(context: NativeCallContext, path: &str) -> Fallible<Dynamic> {
        let found = read(&*runtime(&context)?, |reader| packages::owner(reader, path))?;
        Ok(found.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Returns what differs from what a package had: `verify("openssh-server")`, or one file: `verify("/usr/bin/env")`. An
    /// array of maps: path, package, what (`changed`, `missing` or `unreadable`), config (whether it is a file of
    /// settings), expected and found (the checksums, `()` where there are none). Empty if all is as it was; an error if the
    /// package tells no checksum.
    #[rhai_fn(return_raw)]
    pub fn verify(context: NativeCallContext, name: &str) -> Fallible<Array> {
        let found = read(&*runtime(&context)?, |reader| Fact::value(packages::verify(reader, name)?))?;
        Ok(from_json(found).into_array().unwrap_or_default())
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
