//! Claims about the template `memfd`.

use nix::{errno::Errno, libc};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed, has_hook},
    credentials::call,
    same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, REFUSED, exit_code},
};

const BY_FILE: &str = "security_file_alloc";
const BY_INODE: &str = "inode_init_security_anon";

pub const CASE: Case = Case {
    template: "memfd",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("memfd_create", BY_FILE, || made("memfd", &["cloexec", "allow_sealing"], "", || memfd(3))),
        Act {
            possible: || !has_hook(BY_INODE),
            ..Act::new("userfaultfd, as a file", BY_FILE, || made("userfaultfd", &[], "", faults))
        },
        Act {
            possible: || !has_hook(BY_INODE),
            ..Act::new("io_uring, as a file", BY_FILE, || made("io_uring", &[], "", ring))
        },
        Act::new("userfaultfd", BY_INODE, || made("userfaultfd", &[], "[userfaultfd]", faults)),
        Act::new("io_uring", BY_INODE, || made("io_uring", &[], "[io_uring]", ring)),
    ],
};

fn memfd(flags: u32) -> Result<(), Errno> {
    // SAFETY: the name is a constant.
    Errno::result(unsafe { libc::syscall(libc::SYS_memfd_create, c"hidden".as_ptr(), flags) }).map(drop)
}

fn faults() -> Result<(), Errno> {
    call(libc::SYS_userfaultfd, [0; 5]).map(drop)
}

fn ring() -> Result<(), Errno> {
    // struct io_uring_params: no wishes.
    let mut wishes = [0_u64; 15];
    // SAFETY: as large as the kernel's structure, and alive to the end of the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, wishes.as_mut_ptr()) }).map(drop)
}

fn made(
    kind: &str,
    flags: &[&str],
    name: &str,
    deed: fn() -> Result<(), Errno>,
) -> Result<Performed, String> {
    let task = task::perform(&ACTOR, move || exit_code(deed()))?;
    Ok(Performed { task, tells: json!({"kind": kind, "flags": flags, "name": name}) })
}

/// Other files are none of its business, and in no books; nor is a program's own idea of a system call's number.
pub fn nothing_else() -> Outcome {
    const HIGH: i64 = 0xdead_beef << 32;
    let shell = Shell::with_probes(&[attaching_to(
        "files",
        "memfd",
        "kind: [\"memfd\", \"secret\"]",
        ".deny(\"EPERM\")",
    )])?;
    let perform = |deed: fn() -> Result<(), Errno>| {
        task::perform(&Identity { comm: Some("files"), ..ME }, move || exit_code(deed()))
            .map(|task| task.deed)
    };
    let open = || std::fs::File::open("/proc/self/stat").map(drop).map_err(|_| Errno::EIO);
    let high = || {
        // SAFETY: the name is a constant.
        Errno::result(unsafe { libc::syscall(HIGH | libc::SYS_memfd_create, c"high".as_ptr(), 0_u64) })
            .map(drop)
    };
    let secret = || call(libc::SYS_memfd_secret, [0; 5]).map(drop);
    same("a file", perform(open)?, Deed::Done)?;
    same("a pipe", perform(|| nix::unistd::pipe().map(drop))?, Deed::Done)?;
    same("userfaultfd", perform(faults)?, Deed::Done)?;
    same("a memory file", perform(|| memfd(0))?, REFUSED)?;
    // Some kernels ask for the whole register.
    let found = perform(high)?;
    let expected = if found == Deed::Refused(Errno::ENOSYS) { found } else { REFUSED };
    same("by a number with more above it", found, expected)?;
    let found = perform(secret)?;
    let expected = if found == Deed::Refused(Errno::ENOSYS) { found } else { REFUSED };
    same("secret memory", found, expected)?;
    let ended = shell.stop()?;
    let books = ended.books("files")?;
    // What was refused, and userfaultfd, which the params leave out; by whichever hook it was seen.
    let decided = ended.events().count() as u64 + 1;
    let mine = books["filtered"]
        .as_u64()
        .zip(books["matched"].as_u64())
        .map(|(filtered, matched)| filtered + matched);
    same("what was decided", mine, Some(decided))?;
    ended.well()
}
