//! Claims about the kinds of scope beyond user, cgroup and subtree, and about their negations.

use std::{fs, os::unix::process::CommandExt, process::Command, time::Duration};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sched::{CloneFlags, unshare},
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};
use serde_json::json;

use super::{
    Outcome, exec, holds,
    pace::until,
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, open_file, refusal},
};

const FILE: &str = "/tmp/kinds";

/// A shell that denies reading FILE to those in scope; `before` is code for it.
fn denying(scope: &str, before: &str) -> Result<Shell, String> {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    Shell::ready(&format!(
        "{before} probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{{scope}}}).deny(\"EPERM\").everywhere().lease(\"1h\").name(\"t\").attach(); print(\"ready\");"
    ))
}

fn read(identity: &Identity) -> Result<Deed, String> {
    open_file(identity, FILE, OFlag::O_RDONLY).map(|t| t.deed)
}

/// A scope, and what becomes of each of these tasks under it.
type Case<'a> = (String, Vec<(&'a str, Identity<'a>, Deed)>);

/// One shell with a probe and a file for each scope: reading the file is denied to those in scope.
fn each(cases: &[Case]) -> Outcome {
    let file = |index| format!("{FILE}-{index}");
    let mut script = String::new();
    for (index, (scope, _)) in cases.iter().enumerate() {
        fs::write(file(index), "content").map_err(|e| e.to_string())?;
        script.push_str(&format!(
            "probe(\"file_open\", #{{path: \"{}\"}}).scope(#{{{scope}}}).deny(\"EPERM\").everywhere().lease(\"1h\").attach();",
            file(index)
        ));
    }
    let shell = Shell::ready(&format!("{script} print(\"ready\");"))?;
    for (index, (scope, tasks)) in cases.iter().enumerate() {
        for (what, identity, expected) in tasks {
            let task = open_file(identity, &file(index), OFlag::O_RDONLY)?;
            same(&format!("{scope}: {what}"), task.deed, *expected)?;
        }
    }
    shell.stop()?.well()
}

fn user(uid: u32, gid: u32) -> Identity<'static> {
    Identity { uid, gid, ..ME }
}

pub fn ids() -> Outcome {
    let logged_in = Identity { loginuid: Some(500), ..ME };
    each(&[
        ("gid: [7, 8]".into(), vec![("gid 0", ME, Deed::Done), ("gid 8", user(0, 8), REFUSED)]),
        ("not_gid: [7, 8]".into(), vec![("gid 0", ME, REFUSED), ("gid 8", user(0, 8), Deed::Done)]),
        ("not_uid: 0".into(), vec![("root", ME, Deed::Done), ("1001", user(1001, 0), REFUSED)]),
        ("loginuid: 500".into(), vec![("never set", ME, Deed::Done), ("500", logged_in.clone(), REFUSED)]),
        ("loginuid: 4294967295".into(), vec![("never set", ME, REFUSED), ("500", logged_in, Deed::Done)]),
        // A negation takes out of what the kind lets in.
        (
            "gid: [7, 8], not_uid: 1001".into(),
            vec![
                ("1000", user(1000, 7), REFUSED),
                ("1001", user(1001, 7), Deed::Done),
                ("gid 9", user(1000, 9), Deed::Done),
            ],
        ),
    ])
}

pub fn comm() -> Outcome {
    let named = |comm| Identity { comm: Some(comm), ..ME };
    let longest = "fifteen-bytes-x";
    each(&[
        (
            format!("comm: [\"known\", \"{longest}\"]"),
            vec![
                ("known", named("known"), REFUSED),
                ("the longest", named(longest), REFUSED),
                ("a beginning", named("know"), Deed::Done),
                ("a longer one", named("known-not"), Deed::Done),
            ],
        ),
        (
            "not_comm: \"known\"".into(),
            vec![("known", named("known"), Deed::Done), ("other", named("other"), REFUSED)],
        ),
    ])
}

/// A copy of busybox, run as `cat FILE`; whether it could.
fn cat(program: &str) -> Result<bool, String> {
    let output = Command::new(program).arg0("cat").arg(FILE).output().map_err(|e| e.to_string())?;
    Ok(output.status.success())
}

pub fn exe() -> Outcome {
    let (known, other) = (exec::program("scoped-exe")?, exec::program("scoped-other")?);
    let shell = denying(&format!("exe: \"{known}\""), "")?;
    same("the executable", cat(&known)?, false)?;
    same("another executable", cat(&other)?, true)?;
    let link = format!("{known}-link");
    let _ = fs::remove_file(&link);
    fs::hard_link(&known, &link).map_err(|e| e.to_string())?;
    same("by another name", cat(&link)?, false)?;
    shell.stop()?.well()?;
    let shell = denying(&format!("not_exe: \"{known}\", pid: {}", std::process::id()), "")?;
    same("the executable left out", cat(&known)?, true)?;
    same("any other", cat(&other)?, false)?;
    shell.stop()?.well()?;
    let ended = super::shell::run("probe(\"exec\").scope(#{exe: \"/no/such/program\"}).attach()")?;
    same("exit code", ended.code, Some(3))?;
    holds(ended.stderr.contains("/no/such/program"), format!("it is named: {}", ended.stderr))
}

pub fn parent_exe() -> Outcome {
    let suite = std::env::current_exe().map_err(|e| e.to_string())?;
    let shell = denying(&format!("parent_exe: \"{}\"", suite.display()), "")?;
    same("a child of the suite", read(&ME)?, REFUSED)?;
    let busybox = exec::program("grandparent")?;
    let grandchild = task::perform(&ME, || match cat_below(&busybox) {
        Ok(true) => 0,
        _ => 1,
    })?;
    same("a child of another program", grandchild.deed, Deed::Done)?;
    shell.stop()?.well()
}

/// By how the path of an executable begins or ends, and the parent's; and what of it changes while the probe is attached.
pub fn executables_by_path() -> Outcome {
    // Under such names the copies take an applet's name as their first argument.
    let (a, b) = (exec::program("busybox-a")?, exec::program("busybox-b")?);
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    // A process that is over is in no scope, though it is still there.
    let none = exec::program("none")?;
    let mut over = Command::new(&none).arg0("true").spawn().map_err(|e| e.to_string())?;
    let stat = format!("/proc/{}/stat", over.id());
    until("a process is over", Duration::from_secs(5), || {
        fs::read_to_string(&stat).map(|stat| stat.contains(") Z ")).map_err(|e| e.to_string())
    })?;
    let ended = super::shell::run(&format!(
        r#"
        let read = || [
            run(["{a}", "cat", "{FILE}"]).code, run(["{b}", "cat", "{FILE}"]).code,
            run(["{a}", "sh", "-c", "/bin/busybox cat {FILE}; exit $?"]).code
        ];
        let out = [];
        for scope in [
            #{{ exe_prefix: "{a}" }}, #{{ exe_suffix: "sybox-a" }}, #{{ parent_exe_suffix: "/busybox-a" }},
            #{{ exe_prefix: "/tmp/", not_exe_suffix: "-a" }}, #{{ exe_prefix: ["/tmp/", "/bin/"], not_exe_prefix: "{a}" }},
            #{{ exe_prefix: "/bin/", not_parent_exe_prefix: "{a}" }}, #{{ parent_exe_prefix: ["/tmp/programs/", "/no"], exe_prefix: "/" }},
        ] {{
            let p = probe("file_open", #{{ path: "{FILE}" }}).scope(scope).deny("EPERM").attach();
            out.push(read.call());
            p.detach();
            out.push(p.stats().errors);
        }}
        let p = probe("file_open", #{{ path: "{FILE}" }}).scope(#{{ uid: 0, exe_prefix: "{a}" }}).deny("EPERM").name("t").attach();
        out.push(read.call());
        for parts in ["{b}", ["/none", "{b}", "{a}"], "/bin/", "{a}"] {{
            p.scope(#{{ uid: 0, exe_prefix: parts }});
            out.push(read.call());
        }}
        let refused = false;
        try {{ p.scope(#{{ uid: 1, exe_prefix: "/bin/" }}); }} catch {{ refused = true; }}
        out.push(refused);
        out.push(read.call());
        let commands = |scope| probe("file_open").scope(scope).preview().processes.map(|process| process.comm);
        out.push(commands.call(#{{ exe_prefix: "{none}" }}));
        out.push(commands.call(#{{ exe_prefix: "/", pid: getpid() }}));
        emit(#{{ out: out }});
        p.detach();
        "#
    ))?;
    let each = json!([
        [1, 0, 0],
        0,
        [1, 0, 0],
        0,
        [0, 0, 1],
        0,
        [0, 1, 0],
        0,
        [0, 1, 1],
        0,
        [0, 0, 0],
        0,
        [0, 0, 1],
        0,
        // Live.
        [1, 0, 0],
        [0, 1, 0],
        [1, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
        true,
        [1, 0, 0],
        [],
        ["krsi-sh"],
    ]);
    over.wait().map_err(|e| e.to_string())?;
    same("what could not be read, of each scope", &ended.emitted()?["out"], &each)?;
    ended.well()
}

/// `cat FILE` as the child of a shell that is this copy of busybox.
fn cat_below(busybox: &str) -> Result<bool, String> {
    let code = format!("/bin/busybox cat {FILE}; exit $?");
    let output = Command::new(busybox).arg0("sh").args(["-c", &code]).output().map_err(|e| e.to_string())?;
    Ok(output.status.success())
}

/// Reads FILE as the first process of a new pid namespace.
fn read_in_new_pid_namespace() -> Result<Deed, String> {
    let task = task::perform(&ME, || {
        if unshare(CloneFlags::CLONE_NEWPID).is_err() {
            return 99;
        }
        // SAFETY: single-threaded since `perform`; the child reads one file and leaves.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                let code = fs::File::open(FILE).map_or(1, |_| 0);
                // SAFETY: nothing of the parent's may run its destructors here.
                unsafe { nix::libc::_exit(code) }
            }
            Ok(ForkResult::Parent { child }) => match waitpid(child, None) {
                Ok(WaitStatus::Exited(_, 0)) => 0,
                Ok(WaitStatus::Exited(_, 1)) => refusal(Errno::EPERM),
                _ => 98,
            },
            Err(_) => 97,
        }
    })?;
    Ok(task.deed)
}

pub fn namespaces() -> Outcome {
    let contained = || Identity { new_namespaces: true, ..ME };
    let both = |kind: &str| -> [Case<'static>; 2] {
        [
            (
                format!("{kind}: \"host\""),
                vec![("the host's", ME, REFUSED), ("another", contained(), Deed::Done)],
            ),
            (
                format!("not_{kind}: \"host\""),
                vec![("the host's", ME, Deed::Done), ("another", contained(), REFUSED)],
            ),
        ]
    };
    each(&[both("mnt_ns"), both("user_ns")].concat())?;
    let shell = denying("not_pid_ns: \"host\"", "")?;
    same("the host's pid namespace", read(&ME)?, Deed::Done)?;
    same("another pid namespace", read_in_new_pid_namespace()?, REFUSED)?;
    shell.stop()?.well()?;
    let by_file = format!("pid_ns: \"/proc/{}/ns/pid\"", std::process::id());
    let shell = denying(&by_file, "")?;
    same("the one of this file", read(&ME)?, REFUSED)?;
    same("another than of this file", read_in_new_pid_namespace()?, Deed::Done)?;
    shell.stop()?.well()?;
    let ended = super::shell::run("probe(\"exec\").scope(#{mnt_ns: \"/proc/1/ns/pid\"}).attach()")?;
    same("a file of another kind", ended.code, Some(3))?;
    holds(ended.stderr.contains("another kind"), ended.stderr)
}

pub fn not_below() -> Outcome {
    let inner = "/sys/fs/cgroup/kinds/inner";
    fs::create_dir_all(inner).map_err(|e| e.to_string())?;
    let in_group = |directory| Identity { cgroup: Some(directory), ..ME };
    each(&[
        (
            format!("not_cgroup: \"/sys/fs/cgroup/kinds\", pid: {}", std::process::id()),
            vec![("elsewhere", ME, REFUSED), ("below", in_group(inner), Deed::Done)],
        ),
        (
            "cgroup: \"/sys/fs/cgroup/kinds\", not_cgroup: \"/sys/fs/cgroup/kinds/inner\"".into(),
            vec![
                ("in the outer", in_group("/sys/fs/cgroup/kinds"), REFUSED),
                ("in the inner", in_group(inner), Deed::Done),
                ("elsewhere", ME, Deed::Done),
            ],
        ),
        // This suite's tasks are of the subtree left out; only those of another are in scope.
        (format!("not_pid: {}", std::process::id()), vec![("a child", ME, Deed::Done)]),
    ])?;
    let mut other = Command::new("/bin/sh")
        .args(["-c", &format!("read go; cat {FILE}; exit $?")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let shell = denying(&format!("pid: {}, not_pid: {}", std::process::id(), other.id()), "")?;
    same("of the subtree", read(&ME)?, REFUSED)?;
    drop(other.stdin.take().map(|mut pipe| std::io::Write::write_all(&mut pipe, b"go\n")));
    same("of the subtree left out of it", other.wait().map_err(|e| e.to_string())?.success(), true)?;
    shell.stop()?.well()
}

pub fn many_executables() -> Outcome {
    let directory = "/tmp/executables";
    fs::create_dir_all(directory).map_err(|e| e.to_string())?;
    for i in 0..10_000 {
        fs::write(format!("{directory}/{i}"), "").map_err(|e| e.to_string())?;
    }
    let (last, other) = (format!("{directory}/10000"), exec::program("not-listed")?);
    fs::copy("/bin/busybox", &last).map_err(|e| e.to_string())?;
    let before = format!("let exes = []; for i in 0..=10000 {{ exes.push(\"{directory}/\" + i); }}");
    let shell = denying("exe: exes", &before)?;
    same("the last of them", cat(&last)?, false)?;
    same("another", cat(&other)?, true)?;
    shell.stop()?.well()
}

pub fn large() -> Outcome {
    // 12 000 user ids, and as many names.
    let before = "let uids = []; let comms = []; \
                  for i in 0..12000 { uids.push(20000 + i); comms.push(\"task-\" + i); }";
    let shell = denying("uid: uids, comm: comms", before)?;
    let task = |uid, comm| Identity { uid, comm: Some(comm), ..ME };
    same("the first", read(&task(20000, "task-0"))?, REFUSED)?;
    same("the last", read(&task(31999, "task-11999"))?, REFUSED)?;
    same("one more", read(&task(32000, "task-0"))?, Deed::Done)?;
    same("another name", read(&task(20000, "task-12000"))?, Deed::Done)?;
    let ended = shell.stop()?;
    same("denied", &ended.books("t")?["deny"], &json!(2))?;
    ended.well()
}
