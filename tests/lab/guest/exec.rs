//! Claims about the template `exec`.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    time::Duration,
};

use nix::{
    sys::memfd::{MFdFlags, memfd_create},
    unistd::write,
};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    holds,
    pace::stretched,
    same,
    shell::{self, Shell},
    task::{self, Deed, Identity, ME, REFUSED, execute},
};

/// A program of this step's own, in a directory that everyone may search.
pub fn program(name: &str) -> Result<String, String> {
    let directory = "/tmp/programs";
    fs::create_dir_all(directory).map_err(|e| e.to_string())?;
    let path = format!("{directory}/{name}");
    fs::copy("/bin/busybox", &path).map_err(|e| format!("{path}: {e}"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    Ok(path)
}

/// A script that attaches one probe on `path` with this scope to the suite's own subtree.
fn probe(path: &str, mode: &str) -> String {
    format!(
        "let p = probe(\"exec\", #{{path: \"{path}\"}}).scope(#{{pid: {}}}){mode}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    )
}

const PROGRAM: &str = "/tmp/programs/case";

pub const CASE: Case = Case {
    template: "exec",
    params: "path: \"/tmp/programs/case\"",
    prepare: || program("case").map(drop),
    acts: &[
        Act::new("a program", "bprm_check_security", || executed(&ACTOR)),
        Act::new("a program, in namespaces of its own", "bprm_check_security", || {
            executed(&Identity { new_namespaces: true, comm: ACTOR.comm, ..ME })
        }),
    ],
};

fn executed(identity: &Identity) -> Result<Performed, String> {
    let task = execute(identity, PROGRAM)?;
    let file = fs::metadata(PROGRAM).map_err(|e| e.to_string())?;
    let tells = json!({
        "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false, "inode": file.ino(), "device": device(file.dev()), "flags": [], "filename": PROGRAM, "interpreter": "",
        "path": PROGRAM, "path_length": PROGRAM.len(), "cwd": std::env::current_dir().map_err(|e| e.to_string())?,
        "argc": 0, "argv": [], "argv_length": 0, "argv_cut": false,
        "env_name": "", "env_value": "", "env_times": 0, "env_overflow": false,
    });
    Ok(Performed { task, tells })
}

/// `major:minor` of stat's device number.
pub fn device(dev: u64) -> String {
    format!("{}:{}", nix::sys::stat::major(dev), nix::sys::stat::minor(dev))
}

pub fn every_name() -> Outcome {
    let path = program("named")?;
    let renamed = "/tmp/programs/renamed";
    for stale in ["/tmp/hardlink", "/tmp/symlink", renamed] {
        let _ = fs::remove_file(stale);
    }
    let shell = Shell::ready(&probe(&path, ".deny(\"EPERM\")"))?;
    let refused = REFUSED;
    fs::hard_link(&path, "/tmp/hardlink").map_err(|e| e.to_string())?;
    same("by a hard link", execute(&ME, "/tmp/hardlink")?.deed, refused)?;
    symlink(&path, "/tmp/symlink").map_err(|e| e.to_string())?;
    same("by a symbolic link", execute(&ME, "/tmp/symlink")?.deed, refused)?;
    fs::rename(&path, renamed).map_err(|e| e.to_string())?;
    same("after a rename", execute(&ME, renamed)?.deed, refused)?;
    // And another file put in its place is the path again.
    program("named")?;
    same("replaced by another file", execute(&ME, &path)?.deed, refused)?;
    same("another program", execute(&ME, &program("unnamed")?)?.deed, Deed::Done)?;
    shell.stop()?.well()
}

pub fn prefix_and_suffix() -> Outcome {
    let (inside, outside, suffixed) = (program("pre-fix")?, program("pref")?, program("long.name.evil")?);
    let shell = Shell::ready(&format!(
        "probe(\"exec\", #{{path_prefix: \"/tmp/programs/pre-\", path_suffix: [\".evil\", \".bad\"]}})\
         .scope(#{{pid: {}}}).deny(\"EPERM\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    same("prefix", execute(&ME, &inside)?.deed, REFUSED)?;
    same("suffix", execute(&ME, &suffixed)?.deed, REFUSED)?;
    same("neither", execute(&ME, &outside)?.deed, Deed::Done)?;
    shell.stop()?.well()
}

pub fn interpreter() -> Outcome {
    let script = "/tmp/programs/script.sh";
    fs::create_dir_all("/tmp/programs").map_err(|e| e.to_string())?;
    fs::write(script, "#!/bin/sh\nexit 0\n").map_err(|e| e.to_string())?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    let mut shell = Shell::ready(&format!(
        "probe(\"exec\").scope(#{{pid: {}}}).attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let task = execute(&ME, script)?;
    let first = shell.event(task.pid, script)?;
    same("filename of the script", &first["filename"], &json!(script))?;
    same("flags of the script", &first["flags"], &json!([]))?;
    same("interpreter of the script", &first["interpreter"], &json!(""))?;
    let second =
        shell.wait_for(|l| l["type"] == "event" && l["pid"] == task.pid && l["interpreter"] == "/bin/sh")?;
    same("filename at the interpreter", &second["filename"], &json!(script))?;
    same("flags of the interpreter", &second["flags"], &json!(["interpreter"]))?;
    let real = fs::canonicalize("/bin/sh").map_err(|e| e.to_string())?;
    same("path of the interpreter", &second["path"], &json!(real))?;
    shell.stop()?.well()
}

pub fn flags() -> Outcome {
    let mut shell = Shell::ready(&format!(
        "probe(\"exec\").scope(#{{pid: {}}}).attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let bytes = fs::read("/bin/busybox").map_err(|e| e.to_string())?;
    let memfd = memfd_create(c"hidden", MFdFlags::empty()).map_err(|e| e.to_string())?;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        rest = &rest[write(&memfd, rest).map_err(|e| e.to_string())?..];
    }
    let by_descriptor = |fd: &dyn std::os::fd::AsRawFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let task = execute(&ME, &by_descriptor(&memfd))?;
    same("a memfd", task.deed, Deed::Done)?;
    let event = shell.event(task.pid, "/memfd:hidden")?;
    same("flags of a memfd", &event["flags"], &json!(["memfd", "deleted"]))?;

    let path = program("deleted")?;
    let open = fs::File::open(&path).map_err(|e| e.to_string())?;
    fs::remove_file(&path).map_err(|e| e.to_string())?;
    let task = execute(&ME, &by_descriptor(&open))?;
    let event = shell.event(task.pid, &path)?;
    same("flags of a deleted file", &event["flags"], &json!(["deleted"]))?;

    let path = program("setuid")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).map_err(|e| e.to_string())?;
    let task = execute(&Identity { uid: 1000, gid: 1000, ..ME }, &path)?;
    let event = shell.event(task.pid, &path)?;
    same("flags of a set-uid file", &event["flags"], &json!(["setuid", "setgid"]))?;
    let task = task::perform(&ME, || {
        if nix::sys::prctl::set_no_new_privs().is_err() {
            return 98;
        }
        match execute(&ME, "/tmp/programs/setuid") {
            Ok(inner) => i32::from(inner.deed != Deed::Done),
            Err(_) => 97,
        }
    })?;
    same("under no_new_privs", task.deed, Deed::Done)?;
    let event =
        shell.wait_for(|l| l["type"] == "event" && l["ppid"] == task.pid && l["path"] == path.as_str())?;
    same("flags under no_new_privs", &event["flags"], &json!([]))?;
    shell.stop()?.well()
}

pub fn live_changes() -> Outcome {
    let (a, b) = (program("live-a")?, program("live-b")?);
    let ended = shell::run(&format!(
        r#"
        let p = probe("exec", #{{path: "{a}"}}).scope(#{{pid: getpid()}}).name("t").attach();
        let out = [];
        let both = || out.push([run(["{a}", "true"]).errno, run(["{b}", "true"]).errno]);
        both.call();
        p.deny("EACCES"); both.call();
        p.set("path", ["{b}"]); both.call();
        p.set("path", ["{a}", "{b}"]); both.call();
        p.shadow(); both.call();
        p.deny("EPERM"); p.set("path", ()); p.set("path_prefix", "/tmp/programs/live-b"); both.call();
        emit(#{{out: out}});
        p.detach();
        "#
    ))?;
    let expected = json!([
        [null, null],
        ["EACCES", null],
        [null, "EACCES"],
        ["EACCES", "EACCES"],
        [null, null],
        [null, "EPERM"]
    ]);
    same("errnos of both programs in each phase", &ended.emitted()?["out"], &expected)?;
    ended.well()
}

pub fn lease() -> Outcome {
    let path = program("leased")?;
    let lease = stretched(Duration::from_secs(2)).as_millis();
    let ended = shell::run(&format!(
        r#"
        let p = probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).name("t").deny("EPERM").lease("{lease}ms").attach();
        let before = run(["{path}", "true"]).errno;
        run_for("{lease}ms"); run_for("200ms");
        let after = run(["{path}", "true"]).errno;
        let described = p.to_string();
        p.lease("1m");
        let renewed = run(["{path}", "true"]).errno;
        emit(#{{before: before, after: after, renewed: renewed, described: described, lapsed: p.stats().lapsed}});
        p.detach();
        "#
    ))?;
    let emitted = ended.emitted()?;
    same("before", &emitted["before"], &json!("EPERM"))?;
    same("after", &emitted["after"], &json!(null))?;
    same("renewed", &emitted["renewed"], &json!("EPERM"))?;
    same("lapsed", &emitted["lapsed"], &json!(1))?;
    let said =
        ended.stderr.matches("the lease of probe `t` ran out: deny(EPERM) is no longer enforced").count();
    same("times that its end was said", said, 1)?;
    same(
        "what describes it meanwhile",
        emitted["described"].as_str().map(|t| t.contains("deny(EPERM) lapsed")),
        Some(true),
    )?;
    ended.well()
}

/// The kernel asks the newest probe first, and a refusal is the last word: the others are not asked.
pub fn two_probes() -> Outcome {
    let path = program("twice")?;
    let ended = shell::run(&format!(
        r#"
        let older = probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).deny("EACCES").name("older").attach();
        let newer = probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).deny("ENOENT").name("newer").attach();
        let both = run(["{path}", "true"]).errno;
        let asked = older.stats().seen;
        newer.observe();
        let one = run(["{path}", "true"]).errno;
        emit(#{{both: both, asked: asked, one: one, older: older.stats().deny, newer: newer.stats().deny}});
        older.detach(); newer.detach();
        "#
    ))?;
    let emitted = ended.emitted()?;
    same("both deny", &emitted["both"], &json!("ENOENT"))?;
    same("the old one was asked after the new one's refusal", &emitted["asked"], &json!(0))?;
    same("the new one observes", &emitted["one"], &json!("EACCES"))?;
    same("denials", (&emitted["older"], &emitted["newer"]), (&json!(1), &json!(1)))?;
    ended.well()?;
    holds(ended.books("older").is_ok() && ended.books("newer").is_ok(), "both have books")
}
