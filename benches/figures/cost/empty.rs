//! An LSM program that does nothing, at `file_open`: what the kernel itself charges for
//! calling one, and so the least that any probe there can cost.
//!
//! Two instructions need no object and no loader, so the system call is made by hand.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

use aya::Btf;
use aya_obj::{
    btf::BtfKind,
    generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_prog_type},
};
use nix::libc;

use super::{Cost, worker::Work};

/// r0 = 0; exit
const PROGRAM: [u64; 2] = [0xb7, 0x95];

/// What one operation costs while it is attached.
///
/// # Errors
/// If the kernel refuses it.
pub fn cost(work: Work) -> Result<Cost, String> {
    let btf = Btf::from_sys_fs().map_err(|e| format!("the kernel's types: {e}"))?;
    let function = btf
        .id_by_type_name_kind("bpf_lsm_file_open", BtfKind::Func)
        .map_err(|e| format!("the hook's function: {e}"))?;
    let program = load(function).map_err(|e| format!("loading an empty LSM program: {e}"))?;
    let link = attach(&program).map_err(|e| format!("attaching an empty LSM program: {e}"))?;
    let own = work.run()?;
    drop(link);
    Ok(Cost { own, readers: 0.0, lost: 0.0 })
}

fn load(function: u32) -> io::Result<OwnedFd> {
    let mut attr = empty();
    // SAFETY: of the union's members this is the one that BPF_PROG_LOAD reads.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_LSM as u32;
    load.expected_attach_type = bpf_attach_type::BPF_LSM_MAC as u32;
    load.insns = PROGRAM.as_ptr() as u64;
    load.insn_cnt = PROGRAM.len() as u32;
    load.license = c"GPL".as_ptr() as u64;
    load.attach_btf_id = function;
    call(bpf_cmd::BPF_PROG_LOAD, &attr)
}

/// The link; it detaches when it is closed.
fn attach(program: &OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let mut attr = empty();
    attr.raw_tracepoint.prog_fd = program.as_raw_fd().cast_unsigned();
    call(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &attr)
}

fn empty() -> bpf_attr {
    // SAFETY: a union of plain numbers, for which zeros mean "not given".
    unsafe { std::mem::zeroed() }
}

fn call(command: bpf_cmd, attr: &bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads `attr` and what it points to, all of which lives until the call returns.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command as u32, attr, size_of::<bpf_attr>()) };
    match i32::try_from(answer) {
        // SAFETY: both commands answer with a new descriptor, which nobody else has.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
