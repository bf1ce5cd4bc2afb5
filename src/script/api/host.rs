//! The machine as a script finds it: its name, the environment, the lines of a file.
//!
//! Nothing here changes anything, so `--audit` and `explain` read as well.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io::{self, Read},
    os::unix::{ffi::OsStringExt, fs::OpenOptionsExt},
};

use nix::libc;
use rhai::{Array, Engine, plugin::*};

use super::{Fallible, runtime};
use crate::{
    facts::root::Links,
    raw,
    script::{Fault, runtime::Runtime},
};

/// Bytes that are read of a file at most.
const MOST: usize = 16 << 20;
/// Bytes between two looks at signals and leases.
const AT_ONCE: usize = 64 << 10;

/// The whole of a regular file. What is none (a FIFO, a device) could hold the session up, and is refused; it is
/// opened so that opening it does not wait either.
fn contents(runtime: &Runtime, path: &str) -> Fallible<Vec<u8>> {
    let failed = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        Fault::script(format!("`read_lines`: cannot read {path:?}: {why}")).about(path)
    };
    let refused = |why: &str| {
        Fault::script(format!("`read_lines`: {path:?} {why}; allowed: a regular file of up to 16 MiB"))
            .about(path)
    };
    if path.contains('\0') {
        return Err(refused("has a NUL byte in it").into());
    }
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let place = runtime.facts.root.locate(raw::os(path), Links::Followed).map_err(failed)?;
    let mut file = options.open(place).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?;
    if !kind.is_file() {
        return Err(refused(if kind.is_dir() { "is a directory" } else { "is not a regular file" }).into());
    }
    let mut bytes = Vec::new();
    loop {
        runtime.go_on()?;
        runtime.heartbeat();
        // The size that a file says means nothing under /proc.
        match (&mut file).take(AT_ONCE as u64).read_to_end(&mut bytes).map_err(failed)? {
            0 => return Ok(bytes),
            _ if bytes.len() > MOST => return Err(refused("is larger than 16 MiB").into()),
            _ => {}
        }
    }
}

#[export_module]
mod functions {
    /// Returns the lines of a file as an array of strings, without their newlines: `read_lines("/etc/hostname")[0]`.
    /// Of a regular file (those under /proc and /sys, too) up to 16 MiB.
    #[rhai_fn(return_raw)]
    pub fn read_lines(context: NativeCallContext, path: &str) -> Fallible<Array> {
        let runtime = runtime(&context)?;
        let bytes = contents(&runtime, path)?;
        let mut lines = Array::new();
        for (at, line) in bytes.strip_suffix(b"\n").unwrap_or(&bytes).split(|byte| *byte == b'\n').enumerate()
        {
            if at.is_multiple_of(4096) {
                runtime.go_on()?;
            }
            lines.push(raw::text(line).into());
        }
        // Splitting nothing gives one piece of nothing.
        Ok(if bytes.is_empty() { Array::new() } else { lines })
    }

    /// Returns a variable of the environment, `()` if it is not set: `env("HOME")`.
    pub fn env(name: &str) -> Dynamic {
        // With these there is none, and the library would not say so.
        if name.is_empty() || name.contains(['=', '\0']) {
            return Dynamic::UNIT;
        }
        let value: Option<OsString> = std::env::var_os(raw::os(name));
        value.map_or(Dynamic::UNIT, |value| raw::text(&value.into_vec()).into())
    }

    /// Returns the current directory, from the root: `cwd()`. Relative paths of `run`, `file` and their like are below it.
    #[rhai_fn(return_raw)]
    pub fn cwd() -> Fallible<String> {
        let path = std::env::current_dir().map_err(|error| {
            Fault::script(format!("`cwd`: the current directory cannot be told: {error}"))
        })?;
        Ok(raw::from_os(path))
    }

    /// Returns this machine's name: `hostname()`.
    #[rhai_fn(return_raw)]
    pub fn hostname() -> Fallible<String> {
        let name = nix::unistd::gethostname().map_err(|errno| {
            Fault::script(format!("`hostname`: the kernel does not tell it: {}", errno.desc()))
        })?;
        Ok(raw::text(&name.into_vec()))
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
