//! What a file's contents are: of a path, and of what a process executes.

use rhai::{Engine, plugin::*};

use super::{Fallible, read};
use crate::{
    facts::checksum,
    reaction::{self, Executed},
    script::{Fault, api::runtime, event::ScriptEvent},
};

#[export_module]
mod functions {
    /// Returns the SHA-256 of a regular file's contents, in hexadecimal: `sha256("/usr/bin/sudo")`. Links are followed. It is
    /// remembered as long as the file is not changed; one that has to be read (up to 1 GiB) takes its time, and Ctrl-C ends it.
    /// What is not there, not a regular file, larger or not readable is an error.
    #[rhai_fn(return_raw)]
    pub fn sha256(context: NativeCallContext, path: &str) -> Fallible<String> {
        read(&*runtime(&context)?, |reader| checksum::sha256(reader, path))
    }

    /// Returns the SHA-256 of the file that the event's process executes (`e.exe`), in hexadecimal: `e.exe_sha256()`. Of an
    /// `exec` event that is the program which executes another; `sha256(e.path)` is of the other. If neither the process nor its
    /// path has that file any more, it is an error.
    #[rhai_fn(return_raw)]
    pub fn exe_sha256(context: NativeCallContext, event: &mut ScriptEvent) -> Fallible<String> {
        // Errors if the event does not tell them.
        let path = event.field("exe")?.into_string().unwrap_or_default();
        let _ = event.field("exe_inode")?;
        let event = event.inner();
        let (pid, inode) = (event.number("pid"), event.number("exe_inode"));
        if inode == 0 {
            let text = format!("process {pid} executes no file: it is a thread of the kernel");
            return Err(Fault::script(text).about("exe_sha256").into());
        }
        let pid = i32::try_from(pid).unwrap_or(i32::MAX);
        let told = Executed { pid, start_ns: event.number("start_ns"), path: &path, inode };
        let opened = reaction::open_executable(told);
        let mut file = opened.map_err(|why| Fault::environment(format!("`exe_sha256`: {why}")))?;
        read(&*runtime(&context)?, |reader| checksum::sha256_of(reader, &path, &mut file))
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}
