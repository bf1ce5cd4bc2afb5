//! The same for hooks about the kernel, its memory and its mounts: each is asked, and nothing changes. What goes on behind
//! the hook fails, or is undone by its own end.

use std::{
    ffi::CStr,
    fs, io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use nix::{errno::Errno, libc};

use super::{child::in_child, ring};

const SETUP_SQPOLL: u32 = 2;
/// Operations of io_uring.
const NOP: u8 = 0;
const URING_CMD: u8 = 46;

/// The trigger of a hook, if it is one of these.
pub fn of(hook: &str) -> Option<fn() -> io::Result<()>> {
    let trigger: fn() -> io::Result<()> = match hook {
        "kernel_module_request" => request_module,
        "kernel_read_file" => load_no_module_from_file,
        "kernel_load_data" => load_no_module,
        "sb_mount" => bind_nothing,
        "sb_remount" => reconfigure_own_mount,
        "move_mount" => move_own_mount_to_a_file,
        "sb_umount" => || in_child(unmount_own),
        "sb_pivotroot" => pivot_to_a_directory,
        "path_chroot" => || nix::unistd::chroot("/").map_err(io::Error::from),
        "bpf" => ask_for_next_program,
        "bpf_map" => make_map,
        "bpf_prog" => load_program,
        "mmap_file" => map_code,
        "file_mprotect" => protect,
        "perf_event_open" => || open_event().map(drop),
        "perf_event_read" => read_event,
        "perf_event_write" => reset_event,
        "locked_down" => ask_for_port,
        "syslog" => size_of_log,
        "settime" => set_no_time,
        "task_setscheduler" => keep_processors,
        "task_setnice" => keep_nice,
        "task_setioprio" => keep_ioprio,
        "file_receive" => get_own_file,
        "uring_allowed" => || ring::make(0).map(drop),
        "uring_sqpoll" => || ring::make(SETUP_SQPOLL).map(drop),
        "uring_override_creds" => || ring::submit(NOP, -1, true),
        "uring_cmd" => command_null,
        "key_alloc" => make_key,
        "shm_alloc_security" | "shm_associate" | "shm_shmat" | "shm_shmctl" => share_memory,
        "msg_queue_alloc_security"
        | "msg_queue_associate"
        | "msg_queue_msgsnd"
        | "msg_queue_msgrcv"
        | "msg_queue_msgctl" => send_to_own_queue,
        "sem_alloc_security" | "sem_associate" | "sem_semop" | "sem_semctl" => use_own_semaphore,
        _ => return None,
    };
    Some(trigger)
}

/// A system call with numbers, and pointers that live as long as the caller's frame.
fn call(number: libc::c_long, arguments: [libc::c_long; 5]) -> io::Result<libc::c_long> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: each caller passes numbers, and pointers to what it owns until the call ends.
    Ok(Errno::result(unsafe { libc::syscall(number, a, b, c, d, e) })?)
}

fn open(number: libc::c_long, arguments: [libc::c_long; 5]) -> io::Result<OwnedFd> {
    let made = i32::try_from(call(number, arguments)?).map_err(io::Error::other)?;
    // SAFETY: a descriptor that was just made, and is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

fn pointer(text: &CStr) -> libc::c_long {
    text.as_ptr() as libc::c_long
}

fn number(descriptor: &OwnedFd) -> libc::c_long {
    descriptor.as_raw_fd().into()
}

/// A socket of a family (AF_ASH) that has a number, and never had a module.
fn request_module() -> io::Result<()> {
    call(libc::SYS_socket, [18, libc::SOCK_RAW.into(), 0, 0, 0]).map(drop)
}

/// A byte is no module; that is found out behind the hook.
fn load_no_module_from_file() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("krsi-sh-doctor");
    fs::write(&path, "\n")?;
    let file = OwnedFd::from(fs::File::open(&path)?);
    let loaded = call(libc::SYS_finit_module, [number(&file), pointer(c""), 0, 0, 0]);
    directory.close()?;
    loaded.map(drop)
}

fn load_no_module() -> io::Result<()> {
    let nothing = [0_u8; 64];
    let size = nothing.len() as libc::c_long;
    call(libc::SYS_init_module, [nothing.as_ptr() as libc::c_long, size, pointer(c""), 0, 0]).map(drop)
}

fn bind_nothing() -> io::Result<()> {
    let flags = libc::MS_BIND as libc::c_long;
    call(libc::SYS_mount, [0, pointer(c"/"), 0, flags, 0]).map(drop)
}

/// A file system in memory, mounted nowhere: it goes with its descriptor.
fn own_mount() -> io::Result<OwnedFd> {
    const CREATE: libc::c_long = 6;
    let context = open(libc::SYS_fsopen, [pointer(c"tmpfs"), 0, 0, 0, 0])?;
    call(libc::SYS_fsconfig, [number(&context), CREATE, 0, 0, 0])?;
    open(libc::SYS_fsmount, [number(&context), 0, 0, 0, 0])
}

fn reconfigure_own_mount() -> io::Result<()> {
    const EMPTY_PATH: libc::c_long = 8;
    const RECONFIGURE: libc::c_long = 7;
    let mount = own_mount()?;
    let context = open(libc::SYS_fspick, [number(&mount), pointer(c""), EMPTY_PATH, 0, 0])?;
    call(libc::SYS_fsconfig, [number(&context), RECONFIGURE, 0, 0, 0]).map(drop)
}

/// A directory is not mounted on a file.
fn move_own_mount_to_a_file() -> io::Result<()> {
    const FROM_DESCRIPTOR: libc::c_long = 4;
    let mount = own_mount()?;
    let file = pointer(c"/proc/self/stat");
    let here = libc::AT_FDCWD.into();
    call(libc::SYS_move_mount, [number(&mount), pointer(c""), here, file, FROM_DESCRIPTOR]).map(drop)
}

/// A file system in memory, in a mount namespace that ends with the process, from which nothing is passed on.
fn unmount_own() -> io::Result<()> {
    let (place, private) = (pointer(c"/proc"), (libc::MS_REC | libc::MS_PRIVATE).cast_signed());
    call(libc::SYS_unshare, [libc::CLONE_NEWNS.into(), 0, 0, 0, 0])?;
    call(libc::SYS_mount, [0, pointer(c"/"), 0, private, 0])?;
    call(libc::SYS_mount, [0, place, pointer(c"tmpfs"), 0, 0])?;
    call(libc::SYS_umount2, [place, 0, 0, 0, 0]).map(drop)
}

/// On which nothing is mounted, so that it cannot become the root.
fn pivot_to_a_directory() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let pivoted = nix::unistd::pivot_root(directory.path(), directory.path());
    directory.close()?;
    Ok(pivoted?)
}

fn bpf(command: libc::c_long, attributes: &[u32; 32]) -> io::Result<libc::c_long> {
    let size = size_of_val(attributes) as libc::c_long;
    call(libc::SYS_bpf, [command, attributes.as_ptr() as libc::c_long, size, 0, 0])
}

fn ask_for_next_program() -> io::Result<()> {
    const PROG_GET_NEXT_ID: libc::c_long = 11;
    bpf(PROG_GET_NEXT_ID, &[0; 32]).map(drop)
}

fn close(descriptor: libc::c_long) -> io::Result<()> {
    call(libc::SYS_close, [descriptor, 0, 0, 0, 0]).map(drop)
}

fn make_map() -> io::Result<()> {
    const MAP_CREATE: libc::c_long = 0;
    // An array of one word: type, sizes of key and value, entries.
    let mut attributes = [0; 32];
    attributes[..4].copy_from_slice(&[2, 4, 4, 1]);
    close(bpf(MAP_CREATE, &attributes)?)
}

/// A filter of sockets, attached to none: `r0 = 0; exit`.
fn load_program() -> io::Result<()> {
    const PROG_LOAD: libc::c_long = 5;
    let code = [0xb7_u64, 0x95];
    let halves = |pointer: u64| [pointer as u32, (pointer >> 32) as u32];
    let mut attributes = [0; 32];
    attributes[..2].copy_from_slice(&[1, 2]);
    attributes[2..4].copy_from_slice(&halves(code.as_ptr() as u64));
    attributes[4..6].copy_from_slice(&halves(c"GPL".as_ptr() as u64));
    close(bpf(PROG_LOAD, &attributes)?)
}

/// A page of memory of this process's own, for as long as `work` takes.
fn with_page(protection: i32, work: impl FnOnce(*mut libc::c_void) -> io::Result<()>) -> io::Result<()> {
    const SIZE: usize = 4096;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping where the kernel likes, which nobody touches, and which goes again.
    unsafe {
        let page = libc::mmap(std::ptr::null_mut(), SIZE, protection, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let done = work(page);
        libc::munmap(page, SIZE);
        done
    }
}

fn map_code() -> io::Result<()> {
    with_page(libc::PROT_READ | libc::PROT_EXEC, |_| Ok(()))
}

fn protect() -> io::Result<()> {
    with_page(libc::PROT_READ | libc::PROT_WRITE, |page| {
        // SAFETY: the caller's page, all of it.
        Ok(Errno::result(unsafe { libc::mprotect(page, 1, libc::PROT_READ) }).map(drop)?)
    })
}

/// An event that never happens (PERF_COUNT_SW_DUMMY), of this process alone.
fn open_event() -> io::Result<OwnedFd> {
    const SOFTWARE: u64 = 1;
    const DUMMY: u64 = 9;
    const EXCLUDE_KERNEL: u64 = 1 << 5;
    let attributes = [SOFTWARE | 64 << 32, DUMMY, 0, 0, 0, EXCLUDE_KERNEL, 0, 0_u64];
    open(libc::SYS_perf_event_open, [attributes.as_ptr() as libc::c_long, 0, -1, -1, 0])
}

fn read_event() -> io::Result<()> {
    let event = open_event()?;
    let mut count = [0; 8];
    nix::unistd::read(&event, &mut count)?;
    Ok(())
}

fn reset_event() -> io::Result<()> {
    const RESET: libc::c_long = 0x2403;
    let event = open_event()?;
    call(libc::SYS_ioctl, [number(&event), RESET, 0, 0, 0]).map(drop)
}

/// The port that does nothing; and back. Where there are none: that an unsigned module is loaded is asked about, too.
fn ask_for_port() -> io::Result<()> {
    #[cfg(target_arch = "x86_64")]
    for turn_on in [1, 0] {
        call(libc::SYS_ioperm, [0x80, 1, turn_on, 0, 0])?;
    }
    #[cfg(not(target_arch = "x86_64"))]
    load_no_module()?;
    Ok(())
}

fn size_of_log() -> io::Result<()> {
    const SIZE_BUFFER: libc::c_long = 10;
    call(libc::SYS_syslog, [SIZE_BUFFER, 0, 0, 0, 0]).map(drop)
}

/// Neither a time nor a zone: the hook is asked, and there is nothing to set.
fn set_no_time() -> io::Result<()> {
    call(libc::SYS_settimeofday, [0, 0, 0, 0, 0]).map(drop)
}

/// The processors that this thread may run on by now.
fn keep_processors() -> io::Result<()> {
    let mut mask = [0_u64; 128];
    let at = mask.as_mut_ptr() as libc::c_long;
    let size = call(libc::SYS_sched_getaffinity, [0, size_of_val(&mask) as libc::c_long, at, 0, 0])?;
    call(libc::SYS_sched_setaffinity, [0, size, at, 0, 0]).map(drop)
}

/// The nice value that this thread has by now: the call gives it as 20 less it.
fn keep_nice() -> io::Result<()> {
    let process = libc::c_long::from(libc::PRIO_PROCESS as i32);
    let nice = 20 - call(libc::SYS_getpriority, [process, 0, 0, 0, 0])?;
    call(libc::SYS_setpriority, [process, 0, nice, 0, 0]).map(drop)
}

fn keep_ioprio() -> io::Result<()> {
    const PROCESS: libc::c_long = 1;
    const CLASS: u32 = 13;
    let priority = call(libc::SYS_ioprio_get, [PROCESS, 0, 0, 0, 0])?;
    // None has a level when it is read, and may have none when it is set (Linux 5.10).
    let priority = if priority >> CLASS == 0 { 0 } else { priority };
    call(libc::SYS_ioprio_set, [PROCESS, 0, priority, 0, 0]).map(drop)
}

/// A descriptor of this process's own, by way of itself.
fn get_own_file() -> io::Result<()> {
    let file = OwnedFd::from(fs::File::open("/proc/self/stat")?);
    let own = open(libc::SYS_pidfd_open, [std::process::id().into(), 0, 0, 0, 0])?;
    open(libc::SYS_pidfd_getfd, [number(&own), number(&file), 0, 0, 0]).map(drop)
}

/// In a keyring that goes with the process.
fn make_key() -> io::Result<()> {
    const PROCESS_KEYRING: libc::c_long = -2;
    let texts = [pointer(c"user"), pointer(c"krsi-sh doctor"), pointer(c"x")];
    call(libc::SYS_add_key, [texts[0], texts[1], texts[2], 1, PROCESS_KEYRING]).map(drop)
}

/// A key that nobody else has: this process's, which ends with the object that has it.
fn own_key() -> libc::c_long {
    libc::c_long::from(0x4b00_0000 | std::process::id() & 0x00ff_ffff)
}

const MAKE: libc::c_long = (libc::IPC_CREAT | libc::IPC_EXCL | 0o600) as libc::c_long;
const REMOVE: libc::c_long = libc::IPC_RMID as libc::c_long;

fn share_memory() -> io::Result<()> {
    let id = call(libc::SYS_shmget, [own_key(), 1, MAKE, 0, 0])?;
    let found = call(libc::SYS_shmget, [own_key(), 0, 0, 0, 0]);
    if let Ok(at) = call(libc::SYS_shmat, [id, 0, 0, 0, 0]) {
        call(libc::SYS_shmdt, [at, 0, 0, 0, 0])?;
    }
    call(libc::SYS_shmctl, [id, REMOVE, 0, 0, 0])?;
    found.map(drop)
}

fn send_to_own_queue() -> io::Result<()> {
    // A message of its type alone.
    let mut message: libc::c_long = 1;
    let at = &raw mut message as libc::c_long;
    let id = call(libc::SYS_msgget, [own_key(), MAKE, 0, 0, 0])?;
    let found = call(libc::SYS_msgget, [own_key(), 0, 0, 0, 0]);
    let no_wait = libc::IPC_NOWAIT.into();
    let _ = call(libc::SYS_msgsnd, [id, at, 0, no_wait, 0]);
    let _ = call(libc::SYS_msgrcv, [id, at, 0, 0, no_wait]);
    call(libc::SYS_msgctl, [id, REMOVE, 0, 0, 0])?;
    found.map(drop)
}

fn use_own_semaphore() -> io::Result<()> {
    let mut up = libc::sembuf { sem_num: 0, sem_op: 1, sem_flg: 0 };
    let id = call(libc::SYS_semget, [own_key(), 1, MAKE, 0, 0])?;
    let found = call(libc::SYS_semget, [own_key(), 0, 0, 0, 0]);
    let _ = call(libc::SYS_semop, [id, &raw mut up as libc::c_long, 1, 0, 0]);
    call(libc::SYS_semctl, [id, 0, REMOVE, 0, 0])?;
    found.map(drop)
}

/// The device that takes everything and does nothing.
fn command_null() -> io::Result<()> {
    let null = fs::File::open("/dev/null")?;
    ring::submit(URING_CMD, null.as_raw_fd(), false)
}
