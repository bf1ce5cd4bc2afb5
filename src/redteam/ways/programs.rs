//! Ways to the execution of a program.

use std::{
    fs,
    io::{Read, Write},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::Path,
};

use nix::{errno::Errno, fcntl::OFlag, libc, sys::stat::Mode};

use super::{Deed, Scene, c_text, cannot};
use crate::{
    raw,
    redteam::{
        child::{Answer, Trouble, execute, executes},
        gates::{self, Low},
    },
};

/// How long the first line of a script may be (BINPRM_BUF_SIZE), and bytes of a program that may be copied into memory.
const FIRST_LINE: usize = 255;

fn path(deed: &Deed) -> Result<&str, Trouble> {
    deed.path().ok_or_else(|| Trouble::Cannot("it is about no file".into()))
}

/// Written into memory, and executed there.
pub fn memory(deed: &Deed, _: &Scene) -> Answer {
    from_memory(&fs::read(raw::os(path(deed)?))?)
}

/// Executes a program that has no name.
///
/// # Errors
/// Why it was not executed.
pub fn from_memory(program: &[u8]) -> Answer {
    // A script's interpreter opens it again by its descriptor.
    let file = nix::sys::memfd::memfd_create(c"redteam", nix::sys::memfd::MFdFlags::empty())?;
    let mut file = fs::File::from(file);
    file.write_all(program)?;
    let environment: [&std::ffi::CStr; 0] = [];
    executes(|| match nix::unistd::fexecve(&file, &[c"redteam"], &environment) {
        Err(errno) => errno,
        Ok(never) => match never {},
    })
}

/// As the interpreter of a script.
pub fn script(deed: &Deed, scene: &Scene) -> Answer {
    let name = scene.far("script");
    let mut line = b"#!".to_vec();
    line.extend_from_slice(&raw::bytes(path(deed)?));
    if line.len() > FIRST_LINE {
        return cannot("its path is too long for the first line of a script");
    }
    let mut beginning = [0; 2];
    let mut program = fs::File::open(raw::os(path(deed)?))?;
    if program.read_exact(&mut beginning).is_ok() && beginning == *b"#!" {
        return cannot("it is a script itself");
    }
    line.push(b'\n');
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o755).open(raw::os(&name))?;
    file.write_all(&line)?;
    drop(file);
    execute(&c_text(&name)?)
}

/// By its interpreter, which is executed and reads it.
pub fn interpreter(deed: &Deed, _: &Scene) -> Answer {
    let mut beginning = Vec::new();
    let file = fs::File::open(raw::os(path(deed)?))?;
    file.take(FIRST_LINE as u64).read_to_end(&mut beginning)?;
    let Some(line) = beginning.strip_prefix(b"#!") else { return cannot("it is no script") };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let program = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let program = c_text(&raw::text(program))?;
    let script = c_text(path(deed)?)?;
    let environment: [&std::ffi::CStr; 0] = [];
    executes(|| match nix::unistd::execve(&program, &[program.as_c_str(), script.as_c_str()], &environment) {
        Err(errno) => errno,
        Ok(never) => match never {},
    })
}

/// By the loader of shared libraries, as its argument.
pub fn loader(deed: &Deed, _: &Scene) -> Answer {
    const LOADERS: [&str; 4] = [
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/ld-linux-aarch64.so.1",
        "/lib/ld-musl-x86_64.so.1",
        "/lib/ld.so.1",
    ];
    let Some(loader) = LOADERS.iter().find(|loader| Path::new(loader).exists()) else {
        return cannot("there is no loader here; --with puts one into the guest");
    };
    // It would execute nothing that can be told from the loader itself; that it maps the program is what a rule may refuse.
    let (loader, program) = (c_text(loader)?, c_text(path(deed)?)?);
    let ended = std::process::Command::new(raw::os(&raw::text(loader.as_bytes())))
        .arg("--verify")
        .arg(raw::os(&raw::text(program.as_bytes())))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()?;
    match ended.code() {
        // 0: it can be started so; 2: so can it, and has no dynamic section.
        Some(0 | 2) => Ok(()),
        _ => cannot("the loader does not take it"),
    }
}

/// By a descriptor that was opened without a permission (execveat(2)).
pub fn descriptor(deed: &Deed, _: &Scene) -> Answer {
    let program = c_text(path(deed)?)?;
    let named = nix::fcntl::open(program.as_c_str(), OFlag::O_PATH, Mode::empty())?;
    executes(|| {
        let (arguments, environment) =
            ([program.as_ptr(), std::ptr::null()], [std::ptr::null::<libc::c_char>()]);
        // SAFETY: a descriptor, and lists of texts that end with a null.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                named.as_raw_fd(),
                c"".as_ptr(),
                arguments.as_ptr(),
                environment.as_ptr(),
                libc::AT_EMPTY_PATH,
            );
        }
        Errno::last()
    })
}

/// What execve(2) takes, where 32-bit calls look for it: path, arguments, environment.
fn low(program: &str) -> Result<[u32; 3], Trouble> {
    let mut low = Low::new()?;
    let path = low.put(c_text(program)?.as_bytes_with_nul())?;
    Ok([path, low.list(&[path])?, low.list(&[])?])
}

pub fn call_32(deed: &Deed, _: &Scene) -> Answer {
    let arguments = low(path(deed)?)?;
    executes(|| gates::call_32(gates::EXECVE_32, arguments).err().unwrap_or(Errno::ENOTSUP))
}

pub fn call_x32(deed: &Deed, _: &Scene) -> Answer {
    let arguments = low(path(deed)?)?.map(u64::from);
    executes(|| gates::call_x32(gates::EXECVE_X32, arguments).err().unwrap_or(Errno::ENOTSUP))
}
