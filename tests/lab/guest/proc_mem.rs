//! Claims about the template `proc_mem`.

use std::{
    fs,
    io::Read,
    process::{Child, Command, Stdio},
};

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed, actor},
    holds, same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, REFUSED, Task, exit_code},
};

fn probe(params: &str, mode: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"proc_mem\", #{{{params}}}).scope(#{{pid: {}}}){mode}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

/// A process to write to: another user's, with a name of its own.
pub struct Target(Child);

impl Target {
    pub fn new() -> Result<Self, String> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("/bin/busybox");
        command.arg0("sleep").arg("600").uid(4242).gid(4242).stdout(Stdio::null());
        task::start(&mut command).map(Target)
    }

    pub fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    /// What /proc says of it, as the event's fields.
    pub fn truth(&self) -> Result<Value, String> {
        let pid = self.pid();
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).map_err(|e| e.to_string());
        Ok(json!({
            "target_pid": pid, "target_tid": pid, "target_uid": 4242, "target_comm": read("comm")?.trim_end(),
            "target_exe": fs::read_link(format!("/proc/{pid}/exe")).map_err(|e| e.to_string())?,
            "target_start_ticks": self.start_ticks()?,
        }))
    }

    fn start_ticks(&self) -> Result<u64, String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).map_err(|e| e.to_string())?;
        let after = stat.rsplit(") ").next().ok_or("stat")?;
        after.split(' ').nth(19).and_then(|t| t.parse().ok()).ok_or_else(|| "starttime".into())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ways to another process's memory, as system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Mem,
    TaskMem,
    MemRead,
    VmWrite,
    VmRead,
    Attach,
    Seize,
    Traceme,
    /// Garbage in the half of the register that the kernel does not look at.
    SeizeHigh,
    VmWriteHigh,
    /// By the calls of x32 and of 32-bit programs, which a kernel need not have.
    SeizeX32,
    SeizeCompat,
    /// Asked for as attaching is, and no writing.
    GetFd,
    ReadCall,
}

const HIGH: i64 = 0xdead_beef << 32;
const X32: i64 = 0x4000_0000;

/// ptrace by the gate of 32-bit programs: the error as the kernel gives it. SIGSEGV where there is no such gate.
#[cfg(target_arch = "x86_64")]
fn seize_compat(pid: i32) -> i64 {
    let result: i32;
    // SAFETY: a request that takes no pointers; the kernel changes the result's register only.
    unsafe {
        std::arch::asm!(
            "push rbx", "mov ebx, {request:e}", "int 0x80", "pop rbx",
            request = in(reg) libc::PTRACE_SEIZE,
            inlateout("eax") 26 => result, in("ecx") pid, in("edx") 0, in("esi") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    i64::from(result)
}

/// A copy of the process's standard output.
fn get_fd(pid: i32) -> i64 {
    // SAFETY: calls that take no pointers.
    unsafe {
        let handle = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        libc::syscall(libc::SYS_pidfd_getfd, handle, 1, 0)
    }
}

/// Does it, in a task of its own that is no parent of the target.
fn go(way: Way, pid: i32) -> Result<Task, String> {
    go_as(&ME, way, pid)
}

fn go_as(identity: &Identity, way: Way, pid: i32) -> Result<Task, String> {
    task::perform(identity, move || exit_code(go_here(way, pid)))
}

fn go_here(way: Way, pid: i32) -> Result<(), Errno> {
    let open = |file: String, write: bool| {
        let opened = fs::OpenOptions::new().read(!write).write(write).open(file);
        opened.map(|_| ()).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0)))
    };
    let mut byte = [0u8; 1];
    let local = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // Nothing is mapped there: what counts is whether the kernel looks at all.
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(8), iov_len: 1 };
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the vectors live to the end of the calls, which copy a single byte; ptrace is given
    // requests that take no pointers.
    let result = unsafe {
        match way {
            Way::Mem => return open(format!("/proc/{pid}/mem"), true),
            Way::TaskMem => return open(format!("/proc/{pid}/task/{pid}/mem"), true),
            Way::MemRead => return open(format!("/proc/{pid}/mem"), false),
            Way::VmWrite => libc::process_vm_writev(pid, &local, 1, &remote, 1, 0) as i64,
            Way::VmRead => libc::process_vm_readv(pid, &local, 1, &remote, 1, 0) as i64,
            Way::Attach => libc::ptrace(libc::PTRACE_ATTACH, pid, nothing, nothing),
            Way::Seize => libc::ptrace(libc::PTRACE_SEIZE, pid, nothing, nothing),
            Way::Traceme => libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing),
            Way::SeizeHigh => libc::syscall(
                HIGH | libc::SYS_ptrace,
                i64::from(libc::PTRACE_SEIZE),
                i64::from(pid),
                0_i64,
                0_i64,
            ),
            Way::VmWriteHigh => libc::syscall(
                // Whole registers: what stands above a shorter number is anything.
                HIGH | libc::SYS_process_vm_writev,
                i64::from(pid),
                &raw const local,
                1_i64,
                &raw const remote,
                1_i64,
                0_i64,
            ),
            Way::SeizeX32 => {
                libc::syscall(X32 | 521, i64::from(libc::PTRACE_SEIZE), i64::from(pid), 0_i64, 0_i64)
            }
            Way::SeizeCompat => {
                let result = seize_compat(pid);
                return if result < 0 { Err(Errno::from_raw(-result as i32)) } else { Ok(()) };
            }
            Way::GetFd => get_fd(pid),
            Way::ReadCall => {
                let read = fs::read(format!("/proc/{pid}/syscall"));
                return read.map(drop).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0)));
            }
        }
    };
    match Errno::result(result) {
        Ok(_) | Err(Errno::EFAULT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Each way, and how the param calls it.
const WAYS: [(Way, &str); 6] = [
    (Way::Mem, "mem"),
    (Way::TaskMem, "mem"),
    (Way::VmWrite, "vm_write"),
    (Way::Attach, "attach"),
    (Way::Seize, "attach"),
    (Way::Traceme, "traceme"),
];

fn event(shell: &mut Shell, pid: u32) -> Result<Value, String> {
    shell.wait_for(|l| l["type"] == "event" && l["pid"] == pid)
}

pub const CASE: Case = Case {
    template: "proc_mem",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("mem", "file_open", || written(Way::Mem, "mem")),
        Act::new("a thread's mem", "file_open", || written(Way::TaskMem, "mem")),
        Act {
            // The kernel only asks whether it may, and has an errno of its own.
            refusal: |_| Errno::EPERM,
            ..Act::new("process_vm_writev", "ptrace_access_check", || written(Way::VmWrite, "vm_write"))
        },
        Act::new("attaching", "ptrace_access_check", || written(Way::Attach, "attach")),
        Act::new("seizing", "ptrace_access_check", || written(Way::Seize, "attach")),
        Act::new("traceme", "ptrace_traceme", traced),
    ],
};

fn written(way: Way, name: &str) -> Result<Performed, String> {
    let target = Target::new()?;
    let pid = target.pid();
    let path = match way {
        Way::Mem => format!("/proc/{pid}/mem"),
        Way::TaskMem => format!("/proc/{pid}/task/{pid}/mem"),
        _ => String::new(),
    };
    let mut tells = target.truth()?;
    let task = go_as(&ACTOR, way, pid)?;
    for (field, value) in [
        ("way", json!(name)),
        ("path", json!(path)),
        ("path_length", json!(path.len())),
        ("writer_pid", json!(task.pid)),
        ("writer_uid", json!(ACTOR.uid)),
        ("writer_comm", json!(actor())),
    ] {
        tells[field] = value;
    }
    Ok(Performed { task, tells })
}

/// The one that asks is the one that could be written to, by its parent, this suite.
fn traced() -> Result<Performed, String> {
    let task = go_as(&ACTOR, Way::Traceme, 0)?;
    let tells = json!({
        "way": "traceme", "path": "", "path_length": 0, "target_pid": task.pid, "target_tid": task.pid,
        "target_uid": ACTOR.uid, "target_comm": actor(), "target_exe": task.truth["exe"],
        "target_start_ticks": task.truth["start_ticks"], "writer_pid": std::process::id(), "writer_uid": 0,
        "writer_comm": task.truth["parent_comm"],
    });
    Ok(Performed { task, tells })
}

/// Whatever way into the kernel a call takes, it is refused, and known for what it is.
pub fn every_gate() -> Outcome {
    let mut shell = probe("", ".deny(\"EACCES\")")?;
    let gates = [
        (Way::SeizeHigh, "attach", Errno::EACCES),
        (Way::VmWriteHigh, "vm_write", Errno::EPERM),
        (Way::SeizeX32, "attach", Errno::EACCES),
        (Way::SeizeCompat, "attach", Errno::EACCES),
    ];
    for (way, name, errno) in gates {
        let target = Target::new()?;
        let task = go(way, target.pid())?;
        // A kernel without this gate does not get as far as the hook.
        if [Deed::Refused(Errno::ENOSYS), Deed::Killed(libc::SIGSEGV)].contains(&task.deed) {
            continue;
        }
        same(&format!("{way:?}"), task.deed, Deed::Refused(errno))?;
        same(&format!("{way:?}"), &event(&mut shell, task.pid)?["way"], &json!(name))?;
    }
    shell.stop()?.well()
}

pub fn reading_is_none() -> Outcome {
    let shell = probe("", ".deny(\"EPERM\")")?;
    let target = Target::new()?;
    for way in [Way::MemRead, Way::VmRead, Way::GetFd, Way::ReadCall] {
        same(&format!("{way:?}"), go(way, target.pid())?.deed, Deed::Done)?;
    }
    let own = task::perform(&ME, || {
        let own = fs::OpenOptions::new().write(true).open("/proc/self/mem");
        own.map_or(1, |_| 0)
    })?;
    same("its own memory", own.deed, Deed::Done)?;
    let decoy = "/tmp/mem";
    fs::write(decoy, "").map_err(|e| e.to_string())?;
    let file = task::open_file(&ME, decoy, nix::fcntl::OFlag::O_WRONLY)?;
    same("a file of that name elsewhere", file.deed, Deed::Done)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same("matched", &books["matched"], &json!(0))?;
    holds(books["filtered"].as_u64() > Some(3), "they were looked at")?;
    ended.well()
}

pub fn ways() -> Outcome {
    let shell = probe("way: [\"mem\", \"traceme\"]", ".deny(\"EPERM\")")?;
    for (way, name) in WAYS {
        let target = Target::new()?;
        let expected = match name {
            "mem" | "traceme" => REFUSED,
            _ => Deed::Done,
        };
        same(&format!("{way:?}"), go(way, target.pid())?.deed, expected)?;
    }
    shell.stop()?.well()
}

pub fn except_child() -> Outcome {
    let named = |comm| Identity { comm: Some(comm), ..ME };
    let (sparing, strict) = (named("sparing"), named("strict"));
    let shell = Shell::with_probes(&[
        attaching_to("sparing", "proc_mem", "except_child: true", ".deny(\"EPERM\")"),
        attaching_to("strict", "proc_mem", "", ".deny(\"EPERM\")"),
    ])?;
    let target = Target::new()?;
    for (way, name) in WAYS {
        // Of these tasks the suite is the parent, so only traceme is between parent and child.
        let expected = if name == "traceme" { Deed::Done } else { REFUSED };
        same(&format!("{way:?} on no child"), go_as(&sparing, way, target.pid())?.deed, expected)?;
    }
    for way in [Way::Mem, Way::VmWrite, Way::Attach] {
        same(&format!("{way:?} on an own child"), on_own_child(&sparing, way)?.deed, Deed::Done)?;
        let deed = on_own_child(&strict, way)?.deed;
        same(&format!("{way:?} on an own child, not excepted"), deed, REFUSED)?;
    }
    shell.stop()?.well()
}

/// A task that starts a program and then does it to that.
fn on_own_child(identity: &Identity, way: Way) -> Result<Task, String> {
    task::perform(identity, move || {
        let mut command = Command::new("/bin/busybox");
        let child = command.args(["sh", "-c", "echo ready; exec sleep 600"]).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else { return 98 };
        let mut ready = [0; 5];
        let _ = child.stdout.as_mut().map(|out| out.read(&mut ready));
        let result = go_here(way, child.id().cast_signed());
        let _ = child.kill();
        exit_code(result)
    })
}
