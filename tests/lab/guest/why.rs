//! Claims about `krsi-sh why`: each layer refuses something, and is told.
//!
//! What is refused is done by processes of this suite's own, each of which has its deed's name.

use std::{
    ffi::{CStr, CString},
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, ExitCode, Stdio},
};

use nix::{
    errno::Errno,
    libc,
    mount::{MsFlags, mount},
    sys::wait::waitpid,
    unistd::{ForkResult, fork},
};
use serde_json::{Value, json};

use super::{
    Outcome, holds, same,
    shell::{Ended, Shell},
};

/// Begins the arguments of a process that does what is refused.
pub const REFUSED: &str = "--refused";
/// The claims that need security modules which the other guests do not have.
pub const MODULES: &str = "why by security modules";
/// The same for the one that is not there together with AppArmor.
pub const SELINUX: &str = "why by SELinux";
/// Its policy, in the guest.
pub const POLICY: &str = "/lab/selinux.policy";

const PLACE: &str = "/tmp/why";
const USER: libc::uid_t = 1000;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A name below the place, as the kernel is given it.
fn below(name: &str) -> CString {
    CString::new(format!("{PLACE}/{name}")).unwrap_or_default()
}

/// Does each of the deeds in a process of its own.
pub fn act(deeds: &str) -> ExitCode {
    for deed in deeds.split(',') {
        // SAFETY: this role has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                let name = CString::new(deed).unwrap_or_default();
                let _ = nix::sys::prctl::set_name(&name);
                perform(deed);
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(0) }
            }
            Ok(ForkResult::Parent { child }) => drop(waitpid(child, None)),
            Err(_) => return ExitCode::FAILURE,
        }
    }
    ExitCode::from(7)
}

fn become_user() {
    // SAFETY: calls that take numbers, and an empty list.
    unsafe {
        libc::setgroups(0, std::ptr::null());
        libc::setresgid(USER, USER, USER);
        libc::setresuid(USER, USER, USER);
    }
}

fn open(name: &str, flags: i32) {
    let path = below(name);
    // SAFETY: a text that ends with a NUL.
    let _ = unsafe { libc::open(path.as_ptr(), flags) };
}

fn perform(deed: &str) {
    let is_users = !matches!(
        deed,
        "ro_mount"
            | "ro_system"
            | "noexec"
            | "immutable"
            | "seccomp"
            | "probe"
            | "lockdown"
            | "apparmor"
            | "landlock"
            | "selinux"
    );
    if is_users {
        become_user();
    }
    let path = below("secret");
    // SAFETY: calls that take numbers, and texts that end with a NUL.
    unsafe {
        match deed {
            "mode" | "probe" => open("secret", libc::O_RDONLY),
            "directory" => open("closed/inside", libc::O_RDONLY),
            "acl" => open("tmpfs/listed", libc::O_RDONLY),
            "selinux" => open("tmpfs/labelled", libc::O_RDONLY),
            "owner" => _ = libc::chmod(path.as_ptr(), 0o777),
            "capability" => _ = libc::sethostname(c"a".as_ptr(), 1),
            "namespace" => {
                libc::unshare(libc::CLONE_NEWUSER);
                libc::sethostname(c"a".as_ptr(), 1);
            }
            "port" => {
                let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
                let mut address = std::mem::zeroed::<libc::sockaddr_in>();
                (address.sin_family, address.sin_port) = (libc::AF_INET as u16, 80_u16.to_be());
                address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
                libc::bind(socket, (&raw const address).cast(), size_of_val(&address) as u32);
            }
            "signal" => _ = libc::kill(1, 0),
            "sticky" => _ = libc::unlink(below("sticky/file").as_ptr()),
            "own_check" => {
                libc::setsid();
                libc::setpgid(0, 0);
            }
            "ro_mount" => open("bound/secret", libc::O_WRONLY),
            "ro_system" => open("read-only/file", libc::O_WRONLY | libc::O_CREAT),
            "noexec" => {
                let program = below("noexec/program");
                libc::execv(program.as_ptr(), [program.as_ptr(), std::ptr::null()].as_ptr());
            }
            "immutable" => open("tmpfs/fixed", libc::O_WRONLY),
            "seccomp" => filtered(),
            "yama" => traced(),
            "lockdown" => _ = libc::syscall(libc::SYS_iopl, 3),
            "apparmor" => confined(),
            "landlock" => restricted(),
            _ => {}
        }
    }
}

/// A filter of its own that refuses mkdir(2).
unsafe fn filtered() {
    let statement = |code: u16, k: u32| libc::sock_filter { code, jt: 0, jf: 0, k };
    let mut code = [
        statement(0x20, 0), // the call's number
        libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: libc::SYS_mkdir as u32 },
        statement(0x06, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        statement(0x06, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: code.len() as u16, filter: code.as_mut_ptr() };
    // SAFETY: calls that take numbers, and a filter that lives on.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program);
        libc::mkdir(below("filtered").as_ptr(), 0o755);
    }
}

/// Traces a process that is not its child, though of the same user.
unsafe fn traced() {
    // SAFETY: a call that takes numbers: who has changed its user may not be traced otherwise, whatever Yama says.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) };
    // SAFETY: this role has one thread.
    let child = unsafe { libc::fork() };
    // SAFETY: calls that take numbers.
    unsafe {
        match child {
            0 => {
                libc::sleep(20);
                libc::_exit(0);
            }
            _ => {
                let tracer = libc::fork();
                if tracer == 0 {
                    libc::ptrace(libc::PTRACE_SEIZE, child, 0, 0);
                    libc::_exit(0);
                }
                libc::waitpid(tracer, std::ptr::null_mut(), 0);
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// Takes the profile that permits nothing.
fn confined() {
    if fs::write("/proc/self/attr/current", "changeprofile why").is_ok() {
        open("secret", libc::O_RDONLY);
    }
}

/// Gives up reading files, by Landlock.
unsafe fn restricted() {
    const READ_FILE: u64 = 1 << 2;
    let handled = READ_FILE;
    // SAFETY: calls that take numbers, and a struct of one number.
    unsafe {
        let rules = libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, 8, 0);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_landlock_restrict_self, rules, 0);
    }
    open("secret", libc::O_RDONLY);
}

// ---- what the deeds are done to --------------------------------------------

fn prepare() -> Outcome {
    for directory in ["", "closed", "sticky", "tmpfs", "bound", "read-only", "noexec"] {
        fs::create_dir_all(format!("{PLACE}/{directory}")).map_err(text)?;
    }
    let file = |name: &str, mode: u32| {
        let path = format!("{PLACE}/{name}");
        fs::write(&path, "content").map_err(text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(text)
    };
    let directory = |name: &str, mode: u32| {
        fs::set_permissions(format!("{PLACE}/{name}"), fs::Permissions::from_mode(mode)).map_err(text)
    };
    file("secret", 0o640)?;
    file("closed/inside", 0o644)?;
    file("sticky/file", 0o666)?;
    directory("", 0o755)?;
    directory("closed", 0o700)?;
    directory("sticky", 0o1777)
}

fn mounted(name: &str, flags: MsFlags) -> Outcome {
    let place = format!("{PLACE}/{name}");
    let none = None::<&str>;
    if flags.contains(MsFlags::MS_BIND) {
        mount(Some(PLACE), place.as_str(), none, MsFlags::MS_BIND, none).map_err(text)?;
        return mount(none, place.as_str(), none, flags | MsFlags::MS_REMOUNT, none).map_err(text);
    }
    mount(Some("why"), place.as_str(), Some("tmpfs"), flags, none).map_err(text)
}

/// Mounts of this claim's own, which go with it.
struct Mounts(Vec<&'static str>);

impl Mounts {
    fn add(&mut self, name: &'static str, flags: MsFlags) -> Outcome {
        mounted(name, flags)?;
        self.0.push(name);
        Ok(())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for name in self.0.iter().rev() {
            let _ = nix::mount::umount(format!("{PLACE}/{name}").as_str());
        }
    }
}

/// An access list by which the user may nothing, though others may read.
fn with_list(name: &str) -> Outcome {
    let path = below(name);
    let mut list = 2_u32.to_le_bytes().to_vec();
    let none = u32::MAX;
    for (tag, permissions, id) in
        [(1_u16, 6_u16, none), (2, 0, USER), (4, 4, none), (0x10, 4, none), (0x20, 4, none)]
    {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let name: &CStr = c"system.posix_acl_access";
    // SAFETY: texts that end with a NUL, and as many bytes as there are.
    let set = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), list.as_ptr().cast(), list.len(), 0) };
    Errno::result(set).map(drop).map_err(text)
}

/// Whether the file is immutable now; not every file system has that.
fn made_immutable(name: &str, immutable: bool) -> bool {
    const SET_FLAGS: libc::c_ulong = 0x4008_6602;
    let Ok(file) = fs::File::open(format!("{PLACE}/{name}")) else { return false };
    let flags: libc::c_long = if immutable { 0x10 } else { 0 };
    // SAFETY: it reads one number.
    unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&file), SET_FLAGS, &raw const flags) == 0 }
}

// ---- what is told ----------------------------------------------------------

fn told(deeds: &str) -> Result<Ended, String> {
    let suite = std::env::current_exe().map_err(text)?;
    let suite = suite.to_string_lossy();
    let ended = Shell::start(&["why", "--format", "json", "--", &suite, REFUSED, deeds])?.end()?;
    same("the exit code is the command's", ended.code, Some(7))
        .map_err(|why| format!("{why}: {}", ended.stderr))?;
    Ok(ended)
}

/// The last refusal of the process of this deed.
fn of<'e>(ended: &'e Ended, deed: &str) -> Result<&'e Value, String> {
    let is_one = |line: &&Value| line["type"] == "denial" && line["comm"] == deed;
    ended
        .lines
        .iter()
        .rfind(is_one)
        .ok_or_else(|| format!("{deed}: not told: {:?}; {}", ended.lines, ended.stderr))
}

struct Expected<'e> {
    deed: &'e str,
    call: &'e str,
    errno: &'e str,
    layer: &'e str,
    /// Part of the sentence.
    why: &'e str,
}

fn check(ended: &Ended, expected: &[Expected<'_>]) -> Outcome {
    let mut wrong = Vec::new();
    for Expected { deed, call, errno, layer, why } in expected {
        match of(ended, deed) {
            Err(error) => wrong.push(error),
            Ok(told) => {
                let is_so = told["call"] == *call
                    && told["errno"] == *errno
                    && told["layer"] == *layer
                    && told["why"].as_str().is_some_and(|told| told.contains(why));
                if !is_so {
                    wrong.push(format!("{deed}: expected {call} {errno} {layer} …{why}…: {told}"));
                }
            }
        }
    }
    holds(wrong.is_empty(), wrong.join("\n"))
}

pub fn modes() -> Outcome {
    prepare()?;
    let mut mounts = Mounts(Vec::new());
    mounts.add("tmpfs", MsFlags::empty())?;
    fs::write(format!("{PLACE}/tmpfs/listed"), "").map_err(text)?;
    with_list("tmpfs/listed")?;
    let ended = told("mode,directory,acl,owner,capability,namespace,port,signal,sticky")?;
    let one = |deed, call, errno, layer, why| Expected { deed, call, errno, layer, why };
    check(
        &ended,
        &[
            one(
                "mode",
                "openat",
                "EACCES",
                "file mode",
                "/tmp/why/secret is -rw-r----- root:root: others may not read",
            ),
            one(
                "directory",
                "openat",
                "EACCES",
                "file mode",
                "/tmp/why/closed is drwx------ root:root: others may not search",
            ),
            one("acl", "openat", "EACCES", "ACL", "/tmp/why/tmpfs/listed is "),
            one("owner", "chmod", "EPERM", "file owner", "CAP_FOWNER is missing"),
            one(
                "capability",
                "sethostname",
                "EPERM",
                "capability",
                "CAP_SYS_ADMIN is missing in user namespace",
            ),
            one("namespace", "sethostname", "EPERM", "capability", "and the task has it in its own"),
            one("port", "bind", "EACCES", "capability", "CAP_NET_BIND_SERVICE is missing"),
            one("signal", "kill", "EPERM", "process owner", "CAP_KILL is missing"),
            one("sticky", "unlink", "EPERM", "file mode", "/tmp/why/sticky is sticky"),
        ],
    )?;
    let mode = of(&ended, "mode")?;
    same("the object", &mode["object"], &json!("/tmp/why/secret"))?;
    same("who", &mode["uid"], &json!(USER))?;
    same("a capability that would do", &mode["capability"], &json!("CAP_DAC_READ_SEARCH"))?;
    let ruled_out = mode["ruled_out"].as_array().cloned().unwrap_or_default();
    holds(
        ruled_out.contains(&json!("BPF")) && ruled_out.contains(&json!("seccomp")),
        format!("{ruled_out:?}"),
    )?;
    same("an address", &of(&ended, "port")?["object"], &json!("127.0.0.1:80"))
}

pub fn mounts_and_more() -> Outcome {
    prepare()?;
    let mut mounts = Mounts(Vec::new());
    mounts.add("tmpfs", MsFlags::empty())?;
    fs::write(format!("{PLACE}/tmpfs/fixed"), "").map_err(text)?;
    let is_immutable = made_immutable("tmpfs/fixed", true);
    mounts.add("read-only", MsFlags::MS_RDONLY)?;
    mounts.add("noexec", MsFlags::MS_NOEXEC)?;
    fs::copy("/bin/busybox", format!("{PLACE}/noexec/program")).map_err(text)?;
    mounts.add("bound", MsFlags::MS_BIND | MsFlags::MS_RDONLY)?;
    let scope = "/proc/sys/kernel/yama/ptrace_scope";
    let before = fs::read_to_string(scope).map_err(text)?;
    fs::write(scope, "1").map_err(text)?;
    let ended = told("ro_mount,ro_system,noexec,immutable,seccomp,yama,own_check");
    fs::write(scope, before.trim()).map_err(text)?;
    made_immutable("tmpfs/fixed", false);
    let ended = ended?;
    let one = |deed, call, errno, layer, why| Expected { deed, call, errno, layer, why };
    check(
        &ended,
        &[
            one("ro_mount", "openat", "EROFS", "mount option", "ro: /tmp/why/bound is mounted read-only"),
            one("ro_system", "openat", "EROFS", "mount option", "ro: "),
            one(
                "noexec",
                "execve",
                "EACCES",
                "mount option",
                "noexec: nothing may be executed from /tmp/why/noexec",
            ),
            one("seccomp", "mkdir", "EPERM", "seccomp", "filter"),
            one("yama", "ptrace", "EPERM", "Yama", "ptrace_access_check"),
            one("own_check", "setpgid", "EPERM", "unknown", "one of the call's own"),
        ],
    )?;
    // tmpfs has such flags from 6.6 on only.
    if is_immutable {
        check(
            &ended,
            &[one("immutable", "openat", "EPERM", "immutable flag", "/tmp/why/tmpfs/fixed is immutable")],
        )?;
    }
    let unknown = of(&ended, "own_check")?;
    let ruled_out = unknown["ruled_out"].as_array().cloned().unwrap_or_default();
    let all = ["BPF", "Yama", "capability", "file mode", "lockdown", "mount option", "seccomp"];
    holds(all.iter().all(|layer| ruled_out.contains(&json!(layer))), format!("ruled out: {ruled_out:?}"))
}

/// Two sessions are on one hook: the one that refuses is told, and the other is not.
pub fn programs() -> Outcome {
    prepare()?;
    let probe = |deny: &str| {
        format!(
            "probe(\"file_open\", #{{path: \"{PLACE}/secret\"}}).scope(#{{comm: \"probe\"}}){deny}.attach(); print(\"ready\");"
        )
    };
    let looks_on = Shell::ready(&probe(""))?;
    let refuses = Shell::ready(&probe(".deny(\"EACCES\").lease(\"10m\").name(\"keeps\")"))?;
    let ended = told("probe")?;
    let told = of(&ended, "probe")?;
    same("the layer", &told["layer"], &json!("BPF")).map_err(|why| format!("{why}: {told}"))?;
    let why = told["why"].as_str().unwrap_or_default();
    holds(why.contains(&format!("krsi-sh session {}", refuses.pid())), format!("not whose: {told}"))?;
    for rule in
        ["keeps: file_open", &format!("path \"{PLACE}/secret\", deny(EACCES), scope comm probe, lease 10m")]
    {
        holds(why.contains(rule), format!("not by which rule: {rule}: {told}"))?;
    }
    // Before, programs themselves cannot be watched, and all that are there are told.
    let version = krsi_sh::system::release::version().map_err(text)?;
    if version < 6 << 16 | 6 << 8 {
        holds(why.contains("one of program"), format!("not by elimination: {told}"))?;
        looks_on.stop()?.well()?;
        return refuses.stop()?.well();
    }
    same("one program", told["programs"].as_array().map(Vec::len), Some(1))
        .map_err(|why| format!("{why}: {told}"))?;
    looks_on.stop()?.well()?;
    refuses.stop()?.well()
}

/// A process that is there already, and what descends from it.
pub fn process() -> Outcome {
    prepare()?;
    let mut command = Command::new("/bin/sh");
    let suite = std::env::current_exe().map_err(text)?;
    // Where something was asked from is told of a process that is still there.
    let line = format!("read x; {} {REFUSED} mode; true < {PLACE}/secret; read y", suite.display());
    let mut child =
        command.args(["-c", &line]).uid(USER).gid(USER).stdin(Stdio::piped()).spawn().map_err(text)?;
    let mut shell = Shell::start(&["why", "--format", "json", "--stack", "-p", &child.id().to_string()])?;
    let watching = shell.wait_for(|line| line["type"] == "watching")?;
    holds(watching["functions"].as_u64() > Some(50), format!("{watching}"))?;
    let mut typed = child.stdin.take().ok_or("no standard input")?;
    writeln!(typed).map_err(text)?;
    let told = shell
        .wait_for(|line| line["type"] == "denial" && line["comm"] == "mode" && line["call"] == "openat")?;
    same("the layer", &told["layer"], &json!("file mode"))?;
    let told = shell.wait_for(|line| line["type"] == "denial" && line["comm"] == "sh")?;
    let stack = told["stack"].as_array().cloned().unwrap_or_default();
    let is_in_its_file = |frame: &Value| frame.as_str().is_some_and(|frame| frame.contains("busybox)"));
    holds(stack.first().is_some_and(is_in_its_file), format!("where it was asked from: {told}"))?;
    drop(typed);
    child.wait().map_err(text)?;
    let ended = shell.end()?;
    same("the exit code", ended.code, Some(0))?;
    holds(ended.stderr.contains("has ended"), ended.stderr)
}

// ---- where there are security modules ---------------------------------------

/// A profile that permits nothing, in the kernel's own form (security/apparmor/policy_unpack.c).
fn profile() -> Vec<u8> {
    fn name(out: &mut Vec<u8>, name: &str) {
        out.push(4);
        out.extend((name.len() as u16 + 1).to_le_bytes());
        out.extend(name.as_bytes());
        out.push(0);
    }
    fn number(out: &mut Vec<u8>, number: u32) {
        out.push(2);
        out.extend(number.to_le_bytes());
    }
    let mut out = Vec::new();
    name(&mut out, "version");
    number(&mut out, 5);
    name(&mut out, "profile");
    out.push(7);
    // Its own name.
    out.push(5);
    out.extend(4_u16.to_le_bytes());
    out.extend(b"why\0");
    name(&mut out, "flags");
    out.push(7);
    // No hat, enforced, not audited.
    (0..3).for_each(|_| number(&mut out, 0));
    out.push(8);
    // Capabilities: permitted, audited, quiet, extended.
    (0..4).for_each(|_| number(&mut out, 0));
    out.push(8);
    out
}

pub fn modules() -> Outcome {
    prepare()?;
    fs::write("/sys/kernel/security/apparmor/.replace", profile()).map_err(|e| format!("AppArmor: {e}"))?;
    let active = fs::read_to_string("/sys/kernel/security/lsm").map_err(text)?;
    let ended = told("apparmor,landlock,mode")?;
    let one = |deed, call, errno, layer, why| Expected { deed, call, errno, layer, why };
    check(
        &ended,
        &[
            one("apparmor", "openat", "EACCES", "AppArmor", "file_open"),
            one("mode", "openat", "EACCES", "file mode", "others may not read"),
        ],
    )?;
    if active.contains("landlock") {
        check(&ended, &[one("landlock", "openat", "EACCES", "Landlock", "file_open")])?;
    }
    let ruled_out = of(&ended, "mode")?["ruled_out"].to_string();
    holds(ruled_out.contains("AppArmor"), ruled_out)?;
    // It cannot be taken back: the last of this guest's claims.
    fs::write("/sys/kernel/security/lockdown", "integrity").map_err(|e| format!("lockdown: {e}"))?;
    let ended = told("lockdown")?;
    check(&ended, &[one("lockdown", "iopl", "EPERM", "lockdown", "integrity")])
}

/// A policy that lets nobody read files with one label.
pub fn selinux() -> Outcome {
    const SYSTEM: &str = "/sys/fs/selinux";
    const LABEL: &[u8] = b"all_u:all_r:secret_t\0";
    prepare()?;
    let mut mounts = Mounts(Vec::new());
    mounts.add("tmpfs", MsFlags::empty())?;
    mount(Some("selinuxfs"), SYSTEM, Some("selinuxfs"), MsFlags::empty(), None::<&str>).map_err(text)?;
    let policy = fs::read(POLICY).map_err(text)?;
    fs::write(format!("{SYSTEM}/load"), policy).map_err(|e| format!("the policy: {e}"))?;
    let file = format!("{PLACE}/tmpfs/labelled");
    fs::write(&file, "content").map_err(text)?;
    rustix::fs::setxattr(&file, "security.selinux", LABEL, rustix::fs::XattrFlags::empty()).map_err(text)?;
    let enforce = |value: &str| fs::write(format!("{SYSTEM}/enforce"), value).map_err(text);
    enforce("1")?;
    let ended = told("selinux");
    enforce("0")?;
    let refused =
        Expected { deed: "selinux", call: "openat", errno: "EACCES", layer: "SELinux", why: "secret_t" };
    check(&ended?, &[refused])
}
