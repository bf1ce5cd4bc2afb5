//! The lab: any script, rehearsed in a throwaway virtual machine.
//!
//! In: a [`Request`] — which kernel, which files, which command. Out: the
//! command's own output, byte for byte and as it comes, and its exit code in a
//! [`Verdict`]. The way there:
//!
//! ```text
//! kernels     a name or path ─▶ an image that QEMU can start
//! image       shell + busybox + files + init.sh ─▶ initramfs, in memory
//! machine     all of that ─▶ QEMU's command line, four serial ports
//! boot        QEMU's process, the ports' readers, limits and signals
//! console     the kernel's log: the last lines kept, a panic noticed
//! accel       whether hardware acceleration is seen to work
//! terminal    the host's terminal, raw while the guest has it
//! ```
//!
//! What it must never do: take a guest's silence for a pass. QEMU's own exit
//! code says nothing (0 after a panic), so the verdict has a port to itself, and
//! whoever does not write there has failed in one of [`LabError`]'s ways.
//! And it must leave nothing behind: the initramfs is memory without a name, the
//! ports are socket pairs, and QEMU dies with the process that started it.

mod accel;
mod boot;
mod console;
mod error;
mod executable;
mod image;
pub mod kernels;
mod machine;
mod signals;
mod terminal;

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

pub use accel::Acceleration;
pub use error::LabError;

/// A file of the host's that the guest gets a copy of.
#[derive(Debug, Clone)]
pub struct Extra {
    pub host: PathBuf,
    /// Absolute.
    pub guest: PathBuf,
    /// Permission bits, such as `0o755`.
    pub mode: u32,
}

/// What the guest is for.
#[derive(Debug, Clone)]
pub enum Command {
    /// Runs to its end with pipes for output: looked up in `PATH`, where the
    /// shell is `krsi-sh` and busybox's applets are the rest.
    Run { argv: Vec<String>, stdin: Vec<u8> },
    /// Gets this process's terminal.
    Interactive { argv: Vec<String> },
}

/// One boot.
#[derive(Debug, Clone)]
pub struct Request {
    /// A cached kernel's name, or the path of an image. `None`: the newest cached.
    pub kernel: Option<String>,
    /// What becomes `krsi-sh` in the guest. `None`: the running executable.
    pub shell: Option<PathBuf>,
    pub files: Vec<Extra>,
    pub command: Command,
    /// From QEMU's start to its end.
    pub timeout: Duration,
    /// Further words on the kernel's command line.
    pub append: Vec<String>,
    /// As QEMU's `-m` takes it.
    pub memory: String,
    pub cpus: u32,
    /// The `lsm=` list. `None`: one with `bpf` in it.
    pub lsm: Option<String>,
    /// Guest time counts instructions, so that measured ratios repeat exactly.
    pub icount: bool,
    /// Lets the kernel say all it has to say; costs boot time.
    pub chatty: bool,
}

impl Request {
    #[must_use]
    pub fn new(command: Command) -> Self {
        Request {
            kernel: None,
            shell: None,
            files: Vec::new(),
            command,
            timeout: Duration::from_secs(300),
            append: Vec::new(),
            memory: "1G".to_owned(),
            cpus: 1,
            lsm: None,
            icount: false,
            chatty: false,
        }
    }
}

/// Where the guest's output goes while it runs.
pub struct Streams<'a> {
    pub stdout: &'a mut (dyn Write + Send),
    pub stderr: &'a mut (dyn Write + Send),
    /// The kernel's log, in whole lines, made harmless for a terminal.
    pub console: Option<&'a mut (dyn Write + Send)>,
}

/// A command that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub exit_code: i32,
    pub acceleration: Acceleration,
    /// From QEMU's start to the guest being about to run the command.
    pub boot: Duration,
    /// From QEMU's start to the verdict.
    pub total: Duration,
    /// Why some of the command's output was lost on our side, if it was.
    pub unwritten: Vec<String>,
}

/// Boots a guest, runs the command in it, and tells how it ended.
///
/// # Errors
/// If the guest could not be had, or did not come to a verdict.
pub fn run(request: &Request, streams: Streams<'_>) -> Result<Verdict, LabError> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(LabError::ForeignMachine(std::env::consts::ARCH));
    }
    let kernel = kernels::find(&kernels::cache(), request.kernel.as_deref())?;
    let qemu = executable::in_path("qemu-system-x86_64");
    if qemu.is_none() && !kernel.is_user_mode() {
        return Err(LabError::NoQemu);
    }
    let shell = match &request.shell {
        Some(path) => path.clone(),
        None => {
            std::env::current_exe().map_err(|error| LabError::io("finding this program's file", error))?
        }
    };
    if !executable::is_static(&shell)? {
        return Err(LabError::NotStatic { path: shell });
    }
    let initramfs = image::initramfs(&shell, &busybox()?, request)?;
    let machine = machine::Machine { qemu, kernel, initramfs, request };
    boot::boot(&machine, streams)
}

/// The userland of the guest; it must run where there is no libc.
fn busybox() -> Result<PathBuf, LabError> {
    let Some(path) = executable::in_path("busybox") else {
        return Err(LabError::NoBusybox { reason: "there is none in PATH".to_owned() });
    };
    if executable::is_static(&path)? {
        Ok(path)
    } else {
        Err(LabError::NoBusybox { reason: format!("{} is not statically linked", path.display()) })
    }
}

/// Where this program keeps what it can get again.
fn cache_home() -> PathBuf {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")));
    home.unwrap_or_else(|| "/var/cache".into()).join("krsi-sh")
}

/// How a shell writes a word so that it stays one word, whatever is in it.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A guest path for a host file: its own relative path under `/lab`, so that
/// messages name it alike inside and outside, or else its base name there.
#[must_use]
pub fn guest_path(host: &Path) -> PathBuf {
    use std::path::Component;
    let under = Path::new("/lab");
    let plain = host.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    match host.file_name() {
        _ if plain => under
            .join(host.components().filter(|part| matches!(part, Component::Normal(_))).collect::<PathBuf>()),
        Some(name) => under.join(name),
        None => under.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_keeps_its_directories_and_any_other_its_name_only() {
        let of = |path: &str| guest_path(Path::new(path)).display().to_string();
        assert_eq!(of("scripts/demo.rhai"), "/lab/scripts/demo.rhai");
        assert_eq!(of("./demo.rhai"), "/lab/demo.rhai");
        assert_eq!(of("../up/demo.rhai"), "/lab/demo.rhai");
        assert_eq!(of("/home/me/demo.rhai"), "/lab/demo.rhai");
    }

    #[test]
    fn a_quoted_word_stays_one_word() {
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
    }
}
