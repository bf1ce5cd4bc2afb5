//! What gives a program more of the kernel: BPF, events, rings, keys.

use nix::{errno::Errno, libc};

use super::Answer;
use crate::attempt::arguments::Arguments;

const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_PROG_LOAD: libc::c_int = 5;
/// The beginning of `union bpf_attr`: what a map of the kind `array` needs.
const ARRAY_OF_ONE: [u32; 5] = [2, 4, 4, 1, 0];
/// `r0 = 0; exit`.
const NOTHING: [u64; 2] = [0xb7, 0x95];

/// The part of `union bpf_attr` that BPF_PROG_LOAD needs.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    version: u32,
    flags: u32,
}

fn raw(result: libc::c_long) -> Answer {
    Errno::result(result)?;
    Ok(())
}

/// Makes a map, or loads a socket filter that passes nothing on and is attached to nothing; both go with the process.
pub fn bpf(arguments: &Arguments) -> Answer {
    if arguments.text(0) == "map" {
        // SAFETY: the attribute lives over the call, and is as long as is said.
        return raw(unsafe {
            libc::syscall(libc::SYS_bpf, BPF_MAP_CREATE, ARRAY_OF_ONE.as_ptr(), size_of_val(&ARRAY_OF_ONE))
        });
    }
    let load = Load {
        // BPF_PROG_TYPE_SOCKET_FILTER.
        kind: 1,
        count: 2,
        instructions: NOTHING.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        version: 0,
        flags: 0,
    };
    // SAFETY: the attribute, the instructions and the licence live over the call.
    raw(unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<Load>()) })
}

/// Opens a counter that is off: of this process, of the kernel in it, or of a whole processor.
pub fn perf_event(arguments: &Arguments) -> Answer {
    const OFF: u64 = 1;
    const WITHOUT_KERNEL: u64 = 3 << 5;
    let (flags, process, processor) = match arguments.text(0) {
        "user" => (OFF | WITHOUT_KERNEL, 0, -1),
        "kernel" => (OFF, 0, -1),
        _ => (OFF, -1, 0),
    };
    // The first version of `struct perf_event_attr`, 64 bytes: PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK.
    let attribute: [u64; 8] = [1 | 64 << 32, 0, 0, 0, 0, flags, 0, 0];
    // SAFETY: the attribute lives over the call, and has its size in it.
    raw(unsafe { libc::syscall(libc::SYS_perf_event_open, attribute.as_ptr(), process, processor, -1, 0) })
}

/// Makes a descriptor for faults, of the kernel's too; it watches nothing.
pub fn userfault(_: &Arguments) -> Answer {
    // SAFETY: a number is all that it takes.
    raw(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) })
}

/// Makes a ring of one entry.
pub fn io_uring(_: &Arguments) -> Answer {
    // `struct io_uring_params`.
    let mut parameters = [0_u64; 15];
    // SAFETY: the kernel writes no more than the 120 bytes that these are.
    raw(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) })
}

/// Keeps a key in the keyring of this process, which goes with it.
pub fn add_key(_: &Arguments) -> Answer {
    const PROCESS_KEYRING: libc::c_int = -2;
    // SAFETY: texts that end with NUL, and one byte.
    raw(unsafe {
        libc::syscall(
            libc::SYS_add_key,
            c"user".as_ptr(),
            c"krsi-sh".as_ptr(),
            c"x".as_ptr(),
            1_usize,
            PROCESS_KEYRING,
        )
    })
}

/// Makes a group of fanotify that is asked for permissions, and watches nothing.
pub fn fanotify(_: &Arguments) -> Answer {
    let flags = libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC;
    // SAFETY: two numbers.
    Errno::result(unsafe { libc::fanotify_init(flags, libc::O_RDONLY.cast_unsigned()) })?;
    Ok(())
}
