//! Ways round a rule that are tried, and what comes of each: docs/bypasses.md says the same, and names these claims.

use std::{ffi::CString, fs, os::fd::OwnedFd, path::Path};

use krsi_sh::redteam::{gates, ways::files};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    mount::{MsFlags, mount, umount},
    sys::stat::Mode,
};

use super::{
    Outcome, holds, io_uring, same,
    shell::Shell,
    task::{Deed, ME, REFUSED, exit_code, perform, refusal},
};

const PLACE: &str = "/tmp/bypasses";
const SECRET: &str = "/tmp/bypasses/secret";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn c_text(path: &str) -> CString {
    CString::new(path).unwrap_or_default()
}

/// A file system of this claim's own, that can give handles to files.
struct Place;

impl Place {
    fn new() -> Result<Self, String> {
        fs::create_dir_all(PLACE).map_err(text)?;
        mount(Some("bypasses"), PLACE, Some("tmpfs"), MsFlags::empty(), None::<&str>).map_err(text)?;
        fs::write(SECRET, "content").map_err(text)?;
        fs::create_dir_all(format!("{PLACE}/elsewhere")).map_err(text)?;
        Ok(Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = umount(PLACE);
    }
}

fn read_only(path: &str) -> Result<OwnedFd, Errno> {
    open(path, OFlag::O_RDONLY, Mode::empty())
}

/// As root of a user namespace of one's own, where the file has another name.
fn in_own_namespaces() -> Result<(), Errno> {
    let elsewhere = format!("{PLACE}/elsewhere");
    files::in_own_namespaces(Path::new(PLACE), Path::new(&elsewhere))?;
    read_only(&format!("{elsewhere}/secret")).map(drop)
}

fn behind_another_root() -> Result<(), Errno> {
    nix::unistd::chroot(PLACE)?;
    read_only("/secret").map(drop)
}

/// Executes what cannot be executed: the kernel opens it first.
fn by_executing() -> Result<(), Errno> {
    let path = c_text(SECRET);
    match nix::unistd::execv(&path, &[c"secret"]) {
        // It was opened.
        Err(Errno::ENOEXEC | Errno::EACCES) => Ok(()),
        Err(other) => Err(other),
        Ok(never) => match never {},
    }
}

type Way = (&'static str, fn() -> Result<(), Errno>);

const WAYS: &[Way] = &[
    ("open", || read_only(SECRET).map(drop)),
    ("openat2", || gates::openat2(&c_text(SECRET), OFlag::O_RDONLY).map(drop)),
    ("/proc/self/root", || read_only(&format!("/proc/self/root{SECRET}")).map(drop)),
    ("another process's root", || read_only(&format!("/proc/1/root{SECRET}")).map(drop)),
    ("in two steps", || files::in_two_steps(&c_text(SECRET), OFlag::O_RDONLY).map(drop)),
    ("by a handle", || gates::by_handle(&c_text(SECRET), &c_text(PLACE), OFlag::O_RDONLY).map(drop)),
    ("by a ring", || io_uring::open(SECRET)),
    ("by 32 bits", || files::open_by_32_bits(&c_text(SECRET), OFlag::O_RDONLY)),
    ("by x32", || files::open_by_x32(&c_text(SECRET), OFlag::O_RDONLY)),
    ("in namespaces of its own", in_own_namespaces),
    ("behind another root", behind_another_root),
    ("by executing it", by_executing),
];

fn goes(way: fn() -> Result<(), Errno>) -> Result<Deed, String> {
    perform(&ME, move || exit_code(way())).map(|task| task.deed)
}

fn shell(statements: &str) -> Result<Shell, String> {
    let me = std::process::id();
    Shell::ready(&format!("let me = #{{pid: {me}}};\n{statements}\nprint(\"ready\");"))
}

/// What opens the file without a rule is refused with one, whatever the way: but for what the next claim tells.
pub fn every_way_to_open() -> Outcome {
    let place = Place::new()?;
    fs::set_permissions(SECRET, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(text)?;
    let before: Vec<_> = WAYS.iter().map(|(_, way)| goes(*way)).collect::<Result<_, _>>()?;
    // Some kernels lack some of the gates.
    let there = before.iter().filter(|deed| **deed == Deed::Done).count();
    holds(there >= 8, format!("only {there} ways are ways: {before:?}"))?;
    let shell = shell(&format!(
        "probe(\"file_open\", #{{path: \"{SECRET}\"}}).scope(me).deny(\"EPERM\").name(\"t\").attach();"
    ))?;
    for ((name, way), before) in WAYS.iter().zip(&before) {
        if *before == Deed::Done {
            same(name, goes(*way)?, REFUSED)?;
        }
    }
    let ended = shell.stop()?;
    drop(place);
    ended.well()
}

fn content_of(file: &fs::File) -> Result<(), Errno> {
    let mut byte = [0];
    match nix::sys::uio::pread(file, &mut byte, 0)? {
        1 => Ok(()),
        _ => Err(Errno::ENODATA),
    }
}

/// What a rule about opening does not see, and the rule that does.
pub fn round_an_open() -> Outcome {
    let place = Place::new()?;
    // Opened before anybody minded.
    let held = fs::File::open(SECRET).map_err(text)?;
    let opening = format!(
        "probe(\"file_open\", #{{path: \"{SECRET}\"}}).scope(me).deny(\"EPERM\").name(\"t\").attach();"
    );
    let shell = shell(&opening)?;
    same("opened", goes(|| read_only(SECRET).map(drop))?, REFUSED)?;
    let reads = perform(&ME, || exit_code(content_of(&held)))?;
    same("what is open already", reads.deed, Deed::Done)?;
    let path = c_text(SECRET);
    let shortens = perform(&ME, || {
        // SAFETY: a text that ends with a NUL.
        exit_code(Errno::result(unsafe { libc::truncate(path.as_ptr(), 7) }).map(drop))
    })?;
    same("shortened without being opened", shortens.deed, Deed::Done)?;
    let looks = perform(&ME, || exit_code(nix::sys::stat::stat(SECRET).map(drop)))?;
    same("looked at", looks.deed, Deed::Done)?;
    let moved = format!("{PLACE}/moved");
    let moves = perform(&ME, || i32::from(fs::rename(SECRET, &moved).is_err()))?;
    same("moved away", moves.deed, Deed::Done)?;
    same("and it is the same file", goes(|| read_only("/tmp/bypasses/moved").map(drop))?, REFUSED)?;
    fs::rename(&moved, SECRET).map_err(text)?;
    shell.stop()?.well()?;

    let others = ["truncate", "rename", "unlink", "link", "stat"];
    let all: String = others
        .iter()
        .map(|template| {
            format!("probe(\"{template}\", #{{path: \"{SECRET}\"}}).scope(me).deny(\"EPERM\").attach();\n")
        })
        .collect();
    let shell = self::shell(&all)?;
    let shortens = perform(&ME, || {
        // SAFETY: a text that ends with a NUL.
        exit_code(Errno::result(unsafe { libc::truncate(path.as_ptr(), 7) }).map(drop))
    })?;
    same("shortened", shortens.deed, REFUSED)?;
    let looks = perform(&ME, || exit_code(nix::sys::stat::stat(SECRET).map(drop)))?;
    same("looked at, where that is refused", looks.deed, REFUSED)?;
    let moves = perform(&ME, || match fs::rename(SECRET, &moved) {
        Ok(()) => 0,
        Err(error) => refusal(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
    })?;
    same("moved, where that is refused", moves.deed, REFUSED)?;
    let ended = shell.stop()?;
    drop(place);
    ended.well()
}

/// Writes a program into memory, and executes that.
fn from_memory(program: &[u8]) -> i32 {
    let file = nix::sys::memfd::memfd_create(c"true", nix::sys::memfd::MFdFlags::empty());
    let Ok(file) = file else { return 99 };
    if nix::unistd::write(&file, program) != Ok(program.len()) {
        return 98;
    }
    match nix::unistd::fexecve(&file, &[c"true"], &[] as &[&std::ffi::CStr]) {
        Err(error) => refusal(error),
        Ok(never) => match never {},
    }
}

fn executes(path: &str) -> Result<Deed, String> {
    super::task::execute(&ME, path).map(|task| task.deed)
}

/// A rule that names a program is no rule about its copies; one that names where programs may come from is.
pub fn copies_of_a_program() -> Outcome {
    let place = Place::new()?;
    let (program, copy) = (format!("{PLACE}/program"), format!("{PLACE}/copy"));
    fs::copy("/bin/busybox", &program).map_err(text)?;
    fs::copy(&program, &copy).map_err(text)?;
    let bytes = fs::read("/bin/busybox").map_err(text)?;
    let memory = || perform(&ME, || from_memory(&bytes)).map(|task| task.deed);

    let named = shell(&format!(
        "probe(\"exec\", #{{path: \"{program}\"}}).scope(me).deny(\"EPERM\").name(\"t\").attach();"
    ))?;
    same("the program", executes(&program)?, REFUSED)?;
    same("a copy of it", executes(&copy)?, Deed::Done)?;
    same("a copy in memory", memory()?, Deed::Done)?;
    named.stop()?.well()?;

    let placed = shell(
        "probe(\"exec\").scope(me).when(|e| !e.path.starts_with(\"/bin/\")).deny(\"EPERM\").name(\"t\").attach();",
    )?;
    same("the program, by place", executes(&program)?, REFUSED)?;
    same("a copy, by place", executes(&copy)?, REFUSED)?;
    same("in memory, by place", memory()?, REFUSED)?;
    same("what is where it may be", executes("/bin/busybox")?, Deed::Done)?;

    // A script is read by its interpreter, which may be executed.
    let script = format!("{PLACE}/script");
    fs::write(&script, "exit 0\n").map_err(text)?;
    let reads = || {
        let script = c_text(&script);
        perform(&ME, move || match nix::unistd::execv(c"/bin/sh", &[c"sh", script.as_c_str()]) {
            Err(error) => refusal(error),
            Ok(never) => match never {},
        })
        .map(|task| task.deed)
    };
    same("a script, by its interpreter", reads()?, Deed::Done)?;
    placed.stop()?.well()?;
    let opened = shell(&format!(
        "probe(\"file_open\", #{{path_prefix: \"{PLACE}/\"}}).scope(me).when(|e| e.comm == \"sh\").deny(\"EPERM\").name(\"t\").attach();"
    ))?;
    holds(reads()? != Deed::Done, "an interpreter has read what it may not open")?;
    let ended = opened.stop()?;
    drop(place);
    ended.well()
}
