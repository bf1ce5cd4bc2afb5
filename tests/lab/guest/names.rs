//! Claims about what a probe names: a cgroup created again, a file replaced, a link turned elsewhere, and what a rule
//! about names does not hold.

use std::{
    fs,
    os::unix::{fs::symlink, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{fcntl::OFlag, mount::MsFlags};
use serde_json::json;

use super::{
    Outcome, exec, holds,
    pace::until,
    same,
    shell::{Shell, run},
    task::{self, Deed, Identity, ME, REFUSED, open_file},
};

/// What is looked at twice a second is followed within a second.
const FOLLOWED: Duration = Duration::from_secs(10);
/// The shell looks at its tables this often, and whether what it names is another thing.
const LOOKED_AT: Duration = Duration::from_millis(600);

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn read(identity: &Identity, path: &str) -> Result<Deed, String> {
    open_file(identity, path, OFlag::O_RDONLY).map(|task| task.deed)
}

/// Waits until a claim holds.
fn in_time(what: &str, holds: impl FnMut() -> Result<bool, String>) -> Outcome {
    until(what, FOLLOWED, holds)
}

/// The input of the fault: a script that does it all itself.
pub fn cgroup_made_anew() -> Outcome {
    let ended = run(r#"
        run(["mkdir", "/sys/fs/cgroup/anew"]);
        let p = probe("exec").scope(#{ cgroup: "/sys/fs/cgroup/anew" }).deny().lease("1h").name("t").attach();
        let serve = ["sh", "-c", "echo $$ > /sys/fs/cgroup/anew/cgroup.procs; /bin/true && echo EXECUTED"];
        run(serve);
        run(["sh", "-c", "rmdir /sys/fs/cgroup/anew; mkdir /sys/fs/cgroup/anew"]);
        run(serve);
        emit(#{ denied: p.stats().deny });
        run(["rmdir", "/sys/fs/cgroup/anew"]);
        exit(0);
    "#)?;
    same("denied", &ended.emitted()?["denied"], &json!(2))?;
    let (anew, gone) = (
        "\"/sys/fs/cgroup/anew\" was created again; the scope follows",
        "is gone, so no task of it is in scope",
    );
    holds(ended.stderr.contains(anew), format!("it is said: {}", ended.stderr))?;
    holds(ended.stderr.contains(gone), format!("its end is said: {}", ended.stderr))?;
    ended.well()
}

/// No poll is in it: the shell is stopped, and each directory on the way is created again with the one below.
pub fn cgroup_while_stopped() -> Outcome {
    let (outer, inner) = ("/sys/fs/cgroup/outer", "/sys/fs/cgroup/outer/inner");
    let beside = "/sys/fs/cgroup/outer/beside";
    let file = "/tmp/cgroup-file";
    fs::write(file, "content").map_err(text)?;
    let make = || fs::create_dir_all(inner).and_then(|()| fs::create_dir_all(beside)).map_err(text);
    make()?;
    let shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{file}\"}}).scope(#{{cgroup: \"{inner}\"}}).deny().lease(\"1h\").name(\"t\").attach(); print(\"ready\");"
    ))?;
    let at = |cgroup| Identity { cgroup: Some(cgroup), ..ME };
    same("before", read(&at(inner), file)?, REFUSED)?;
    shell.signal(nix::sys::signal::Signal::SIGSTOP)?;
    for round in 0..30 {
        for path in [inner, beside, outer] {
            remove(path)?;
        }
        make()?;
        same(&format!("created again, {round}"), read(&at(inner), file)?, REFUSED)?;
        same("beside it", read(&at(beside), file)?, Deed::Done)?;
    }
    shell.signal(nix::sys::signal::Signal::SIGCONT)?;
    shell.stop()?.well()
}

/// Its last task may not have left yet.
fn remove(cgroup: &str) -> Outcome {
    in_time(&format!("{cgroup} is removed"), || {
        Ok(fs::remove_dir(cgroup).is_ok() || !Path::new(cgroup).exists())
    })
}

pub fn not_cgroup_made_anew() -> Outcome {
    let (cgroup, file) = ("/sys/fs/cgroup/spared", "/tmp/spared-file");
    fs::write(file, "content").map_err(text)?;
    fs::create_dir_all(cgroup).map_err(text)?;
    let shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{file}\"}}).scope(#{{not_cgroup: \"{cgroup}\", pid: {}}}).deny().lease(\"1h\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let spared = Identity { cgroup: Some(cgroup), ..ME };
    same("outside", read(&ME, file)?, REFUSED)?;
    for round in 0..8 {
        // Longer than the shell takes from one look at its tables to the next: what the kernel has put there must be left there.
        let begun = Instant::now();
        while begun.elapsed() < LOOKED_AT {
            same(&format!("spared, {round}"), read(&spared, file)?, Deed::Done)?;
        }
        remove(cgroup)?;
        fs::create_dir(cgroup).map_err(text)?;
    }
    same("spared at last", read(&spared, file)?, Deed::Done)?;
    let ended = shell.stop()?;
    holds(!ended.stderr.contains("by another process"), format!("nobody is accused: {}", ended.stderr))?;
    ended.well()
}

/// A copy of busybox that waits for a line, and then reads the file.
fn waiting(program: &str, file: &str) -> Result<Child, String> {
    Command::new(program)
        .arg0("sh")
        .args(["-c", &format!("read go; read x < {file}")])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(text)
}

fn go(mut child: Child) -> Result<bool, String> {
    drop(child.stdin.take().map(|mut pipe| std::io::Write::write_all(&mut pipe, b"go\n")));
    Ok(child.wait().map_err(text)?.success())
}

fn reads(program: &str, file: &str) -> Result<bool, String> {
    go(waiting(program, file)?)
}

pub fn exe_replaced() -> Outcome {
    let file = "/tmp/exe-file";
    fs::write(file, "content\n").map_err(text)?;
    let program = exec::program("upgraded")?;
    let mut shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{file}\"}}).scope(#{{exe: \"{program}\"}}).deny().lease(\"1h\").name(\"t\").attach(); print(\"ready\");"
    ))?;
    same("before", reads(&program, file)?, false)?;
    let old = waiting(&program, file)?;
    // As a package upgrade does it.
    let newer = format!("{program}.new");
    fs::copy(&program, &newer).map_err(text)?;
    fs::rename(&newer, &program).map_err(text)?;
    in_time("the new file is in scope", || Ok(!reads(&program, file)?))?;
    same("what still runs the former file", go(old)?, false)?;
    shell.drain();
    let ended = shell.stop()?;
    holds(ended.stderr.contains("was replaced; the scope follows"), format!("it is said: {}", ended.stderr))?;
    ended.well()
}

/// The input of the fault, and after it the same with nobody but the clock to look.
pub fn link_turned() -> Outcome {
    let ended = run(r#"
        run(["sh", "-c", "rm -f /tmp/tool*; for n in 1 2; do printf '#!/bin/sh\necho EXECUTED $0\n' > /tmp/tool-$n; chmod +x /tmp/tool-$n; done; ln -s /tmp/tool-1 /tmp/tool"]);
        let p = probe("exec", #{ path: "/tmp/tool" }).scope(#{ pid: getpid() }).deny().name("t").attach();
        let before = run(["/tmp/tool"]).errno;
        run(["sh", "-c", "rm /tmp/tool; ln -s /tmp/tool-2 /tmp/tool"]);
        let after = run(["/tmp/tool"]).errno;
        let former = run(["/tmp/tool-1"]).code;
        emit(#{ before: before, after: after, former: former, denied: p.stats().deny });
        exit(0);
    "#)?;
    let expected = json!({"before": "EPERM", "after": "EPERM", "former": 0, "denied": 2});
    let found = ended.emitted()?;
    for (key, value) in expected.as_object().into_iter().flatten() {
        same(key, &found[key], value)?;
    }
    holds(
        ended.stderr.contains("leads to \"/tmp/tool-1\" now"),
        format!("the link is said: {}", ended.stderr),
    )?;
    holds(
        ended.stderr.contains("leads to \"/tmp/tool-2\" now"),
        format!("the turn is said: {}", ended.stderr),
    )?;
    ended.well()?;
    let _ = fs::remove_file("/tmp/turning");
    for name in ["/tmp/turn-1", "/tmp/turn-2"] {
        fs::write(name, "content").map_err(text)?;
    }
    symlink("/tmp/turn-1", "/tmp/turning").map_err(text)?;
    let shell = Shell::ready(
        "probe(\"file_open\", #{path: \"/tmp/turning\"}).scope(#{uid: 0}).deny().lease(\"1h\").attach(); print(\"ready\");",
    )?;
    same("before", read(&ME, "/tmp/turning")?, REFUSED)?;
    symlink("/tmp/turn-2", "/tmp/turning.new").map_err(text)?;
    fs::rename("/tmp/turning.new", "/tmp/turning").map_err(text)?;
    in_time("the turned link is denied", || Ok(read(&ME, "/tmp/turning")? == REFUSED))?;
    shell.stop()?.well()
}

pub fn replaced_file() -> Outcome {
    let (file, moved) = ("/tmp/kept", "/tmp/kept-moved");
    let _ = fs::remove_file(moved);
    fs::write(file, "one").map_err(text)?;
    let shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{file}\"}}).scope(#{{uid: 0}}).deny().lease(\"1h\").attach(); print(\"ready\");"
    ))?;
    fs::rename(file, moved).map_err(text)?;
    fs::write("/tmp/kept-new", "two").map_err(text)?;
    fs::rename("/tmp/kept-new", file).map_err(text)?;
    same("the new file, by its path", read(&ME, file)?, REFUSED)?;
    same("the former one, by its new name", read(&ME, moved)?, REFUSED)?;
    // By a hard link only the inode tells.
    let _ = fs::remove_file("/tmp/kept-link");
    fs::hard_link(file, "/tmp/kept-link").map_err(text)?;
    in_time("the new file is denied by another name", || Ok(read(&ME, "/tmp/kept-link")? == REFUSED))?;
    same("and the former one still is", read(&ME, moved)?, REFUSED)?;
    shell.stop()?.well()
}

/// The kernel knows no links on the way: what is not there yet, or is only a prefix, is made plain.
pub fn through_a_linked_directory() -> Outcome {
    let _ = fs::remove_dir_all("/tmp/real");
    let _ = fs::remove_file("/tmp/linked");
    fs::create_dir("/tmp/real").map_err(text)?;
    symlink("/tmp/real", "/tmp/linked").map_err(text)?;
    let mut shell = Shell::ready(
        "probe(\"file_open\", #{path: \"/tmp/linked/late\"}).scope(#{uid: 1001}).deny().lease(\"1h\").attach(); \
         probe(\"file_open\", #{path_prefix: \"/tmp/linked/\"}).scope(#{uid: 1002}).deny().lease(\"1h\").attach(); print(\"ready\");",
    )?;
    fs::write("/tmp/real/late", "content").map_err(text)?;
    let user = |uid| Identity { uid, gid: uid, ..ME };
    for name in ["/tmp/linked/late", "/tmp/real/late"] {
        same(&format!("{name}, whole"), read(&user(1001), name)?, REFUSED)?;
        same(&format!("{name}, by prefix"), read(&user(1002), name)?, REFUSED)?;
        same(&format!("{name}, out of scope"), read(&user(1003), name)?, Deed::Done)?;
    }
    shell.drain();
    let ended = shell.stop()?;
    let said = "the kernel calls \"/tmp/linked/\" \"/tmp/real/\"";
    holds(ended.stderr.contains(said), format!("it is said: {}", ended.stderr))?;
    holds(
        ended.stderr.contains("there is no file \"/tmp/linked/late\""),
        format!("and what is not there: {}", ended.stderr),
    )?;
    ended.well()
}

/// What the documentation says of rules about names, and that `path` holds the file itself.
pub fn ways_round_a_name() -> Outcome {
    let (kept, other) = ("/tmp/rule/kept", "/tmp/elsewhere");
    let _ = fs::remove_dir_all("/tmp/rule");
    let _ = fs::remove_dir_all(other);
    for directory in ["/tmp/rule", other, "/tmp/elsewhere/mounted"] {
        fs::create_dir(directory).map_err(text)?;
    }
    fs::write(kept, "content").map_err(text)?;
    fs::hard_link(kept, "/tmp/elsewhere/link").map_err(text)?;
    let none: Option<&str> = None;
    nix::mount::mount(Some("/tmp/rule"), "/tmp/elsewhere/mounted", none, MsFlags::MS_BIND, none)
        .map_err(text)?;
    let shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path_prefix: \"/tmp/rule/\"}}).scope(#{{uid: 1001}}).deny().lease(\"1h\").attach(); \
         probe(\"file_open\", #{{path: \"{kept}\"}}).scope(#{{uid: 1002}}).deny().lease(\"1h\").attach(); print(\"ready\");"
    ))?;
    let user = |uid| Identity { uid, gid: uid, ..ME };
    same("the name itself", read(&user(1001), kept)?, REFUSED)?;
    fs::copy(kept, "/tmp/elsewhere/copy").map_err(text)?;
    for (name, by_file) in [
        ("/tmp/elsewhere/link", REFUSED),
        ("/tmp/elsewhere/mounted/kept", REFUSED),
        ("/tmp/elsewhere/copy", Deed::Done),
    ] {
        same(&format!("{name} by a prefix"), read(&user(1001), name)?, Deed::Done)?;
        same(&format!("{name} by the file"), read(&user(1002), name)?, by_file)?;
    }
    fs::rename(kept, "/tmp/elsewhere/renamed").map_err(text)?;
    same("renamed, by a prefix", read(&user(1001), "/tmp/elsewhere/renamed")?, Deed::Done)?;
    same("renamed, by the file", read(&user(1002), "/tmp/elsewhere/renamed")?, REFUSED)?;
    let _ = nix::mount::umount("/tmp/elsewhere/mounted");
    let ended = shell.stop()?;
    holds(
        ended.stderr.contains("a prefix or suffix is a rule about names"),
        format!("it is said: {}", ended.stderr),
    )?;
    ended.well()
}

/// Names of users in a filter and a scope are ids in the kernel.
pub fn accounts() -> Outcome {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if !passwd.contains("tester:") {
        fs::write("/etc/passwd", format!("{passwd}root:x:0:0::/:/bin/sh\ntester:x:1001:1001::/:/bin/sh\n"))
            .map_err(text)?;
    }
    let files = ["/tmp/by-scope", "/tmp/by-filter"];
    for file in files {
        fs::write(file, "content").map_err(text)?;
    }
    let shell = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{}\"}}).scope(#{{uid: \"tester\"}}).deny().lease(\"1h\").attach(); \
         probe(\"file_open\", #{{path: \"{}\"}}).scope(#{{uid: [0, 1001]}}).when(|e| e.uid == \"tester\").deny().lease(\"1h\").attach(); print(\"ready\");",
        files[0], files[1]
    ))?;
    let tester = Identity { uid: 1001, gid: 1001, ..ME };
    for file in files {
        same(&format!("{file}: tester"), read(&tester, file)?, REFUSED)?;
        same(&format!("{file}: root"), read(&ME, file)?, Deed::Done)?;
    }
    shell.stop()?.well()
}

/// A scope that leaves nobody out takes a lease, and is refused without.
pub fn nobody_left_out() -> Outcome {
    let ended = run("probe(\"exec\").scope(#{ not_uid: 4294967294 }).deny().attach();")?;
    same("exit code", ended.code, Some(1))?;
    holds(ended.stderr.contains("may reach every task"), format!("why: {}", ended.stderr))?;
    let task = task::perform(&ME, || 0)?;
    same("nothing is denied", task.deed, Deed::Done)
}
