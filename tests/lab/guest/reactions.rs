//! Claims about imports, and about the reactions that are imported: each is taken from a callback about real behaviour, its effect is seen, and undone.

use std::{
    fs,
    os::unix::{fs::MetadataExt, fs::PermissionsExt, process::CommandExt},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use nix::{errno::Errno, libc};
use serde_json::Value;

use super::{
    Outcome, holds,
    net::{connect, denied, ip, send_to, socket},
    pace::{stretched, until},
    same,
    shell::{SHELL, Shell},
    task::{Deed, ME, execute},
};

const PLACE: &str = "/tmp/reactions";
const SOON: Duration = Duration::from_secs(10);
/// No operation of these fails with it of its own accord.
const DENIED: Errno = Errno::EXDEV;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn at(name: &str) -> String {
    format!("{PLACE}/{name}")
}

/// A place without a file in it.
fn fresh() -> Outcome {
    let _ = fs::remove_dir_all(PLACE);
    fs::create_dir_all(PLACE).map_err(text)
}

fn session(words: &[&str], script: &str) -> Result<Shell, String> {
    let mut all = vec!["--format", "json"];
    all.extend(words);
    all.extend(["-e", script]);
    let mut shell = Shell::start(&all)?;
    shell.wait_for(|line| line["type"] == "print" && line["text"] == "ready")?;
    Ok(shell)
}

/// What a reaction says it did.
fn said(shell: &mut Shell, reaction: &str, begins: &str) -> Result<Value, String> {
    shell.wait_for(|line| {
        line["type"] == "emit"
            && line["reaction"] == reaction
            && line["did"].as_str().is_some_and(|did| did.starts_with(begins))
    })
}

/// A child that is ended when it is let go of, with all of its group.
struct Group(Child);

impl Group {
    /// A shell that runs this, in a process group of its own.
    fn of(code: &str) -> Result<Self, String> {
        let mut command = Command::new("/bin/busybox");
        command
            .args(["sh", "-c", code])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().map(Group).map_err(text)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

fn size(name: &str) -> u64 {
    fs::metadata(at(name)).map_or(0, |meta| meta.len())
}

/// Whether both files grow within a while.
fn both_grow() -> bool {
    let before = [size("parent"), size("child")];
    until("both grow", SOON, || Ok(size("parent") > before[0] && size("child") > before[1])).is_ok()
}

fn neither_grows() -> bool {
    // What was being written is written.
    sleep(stretched(Duration::from_millis(200)));
    let before = [size("parent"), size("child")];
    sleep(stretched(Duration::from_millis(700)));
    [size("parent"), size("child")] == before
}

/// A shell and its child, each of which writes again and again; the first opens `trigger` when it finds `go`.
const FAMILY: &str = "cd /tmp/reactions; (while :; do echo x >> child; /bin/busybox sleep 0.05; done) & \
    while :; do echo x >> parent; if [ -e go ]; then /bin/busybox rm go; : > trigger; fi; /bin/busybox sleep 0.05; done";

fn go() -> Outcome {
    fs::write(at("go"), "").map_err(text)
}

const FREEZE: &str = r#"
    import "reactions/freeze-tree" as freeze_tree;
    let taken = ();
    probe("file_open", #{ path_prefix: "/tmp/reactions/trigger" }).scope(#{ uid: 0 })
        .on_event(|e| { if taken == () { taken = freeze_tree::stop(e, #{ why: "it pulls the trigger" }); } }).attach();
    every("100ms", || if taken != () && file("/tmp/reactions/undo") != () { print(`undone ${taken.undo()}`); taken = (); exit(0); });
    print("ready");
"#;

/// A process and its child stand still, and go on when it is undone.
pub fn freeze_tree() -> Outcome {
    fresh()?;
    let _family = Group::of(FAMILY)?;
    holds(both_grow(), "the family does nothing")?;
    let mut shell = session(&[], FREEZE)?;
    go()?;
    let told = said(&mut shell, "freeze-tree", "stopped ")?;
    same("why it was done", told["why"].as_str(), Some("it pulls the trigger"))?;
    holds(told["pids"].as_array().is_some_and(|pids| pids.len() >= 2), told.to_string())?;
    holds(neither_grows(), "what was stopped goes on")?;
    fs::write(at("undo"), "").map_err(text)?;
    shell.wait_for(|line| line["text"].as_str().is_some_and(|text| text.starts_with("undone ")))?;
    holds(both_grow(), "what was undone does not go on")?;
    shell.end()?;

    // A session that ends leaves nobody stopped; one that must not stop its own ancestor says so.
    fs::remove_file(at("undo")).map_err(text)?;
    let mut shell = session(&[], FREEZE)?;
    go()?;
    said(&mut shell, "freeze-tree", "stopped ")?;
    holds(neither_grows(), "what was stopped goes on")?;
    let ended = shell.stop()?;
    holds(ended.stderr.contains("go on, since the session ends"), ended.stderr)?;
    holds(both_grow(), "the session's end leaves them stopped")?;
    // Nor does one that is killed.
    let mut shell = session(&[], FREEZE)?;
    go()?;
    said(&mut shell, "freeze-tree", "stopped ")?;
    holds(neither_grows(), "what was stopped goes on")?;
    shell.signal(nix::sys::signal::Signal::SIGKILL)?;
    holds(both_grow(), "a shell that is killed leaves them stopped")?;
    let own = std::process::id();
    let ended = Shell::start(&["-e", &format!("freeze({own})")])?.end()?;
    holds(ended.stderr.contains("is not stopped: it is this shell, started it"), ended.stderr)
}

fn evidence_script() -> String {
    r#"
    import "reactions/snapshot-evidence" as snapshot_evidence;
    let taken = ();
    probe("exec", #{ path: "/tmp/reactions/sleeper" }).scope(#{ uid: 0 })
        .on_event(|e| after("300ms", || { if taken == () { taken = snapshot_evidence::snapshot(e, #{ directory: "/tmp/reactions/evidence" }); } })).attach();
    every("100ms", || if taken != () && file("/tmp/reactions/undo") != () { print(`undone ${taken.undo()}`); taken = (); exit(0); });
    print("ready");
    "#
    .to_owned()
}

/// A program under a name of its own; as busybox it is what it is called.
fn copied(name: &str) -> Result<String, String> {
    let path = at(name);
    fs::copy("/bin/busybox", &path).map_err(text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(text)?;
    Ok(path)
}

fn sleeper(path: &str) -> Result<Group, String> {
    let mut command = Command::new(path);
    command.arg0("sleep").arg("600").env("TOKEN", "word-of-a-secret").process_group(0).stdin(Stdio::null());
    command.spawn().map(Group).map_err(text)
}

/// What a process is, is kept where nobody else can look, without its secrets.
pub fn snapshot_evidence() -> Outcome {
    fresh()?;
    let path = copied("sleeper")?;
    let mut shell = session(&[], &evidence_script())?;
    let child = sleeper(&path)?;
    let told = said(&mut shell, "snapshot-evidence", "kept ")?;
    same("whose it is", told["pid"].as_u64(), Some(child.0.id().into()))?;
    let directory = told["directory"].as_str().ok_or("no directory")?.to_owned();
    let mode = |path: &str| fs::metadata(path).map(|meta| meta.mode() & 0o777).map_err(text);
    same("the directory's mode", mode(&directory)?, 0o700)?;
    same("the mode of what is above", mode(&at("evidence"))?, 0o700)?;
    let read =
        |name: &str| fs::read(format!("{directory}/{name}")).map_err(|error| format!("{name}: {error}"));
    holds(read("exe")? == fs::read(&path).map_err(text)?, "the executable is another one")?;
    let environment = String::from_utf8_lossy(&read("environment")?).into_owned();
    holds(environment.contains("TOKEN=[16 bytes]"), &environment)?;
    for name in ["environment", "cmdline", "maps", "status", "descriptors", "links", "evidence.json"] {
        holds(
            !String::from_utf8_lossy(&read(name)?).contains("word-of-a-secret"),
            format!("{name} tells the secret"),
        )?;
    }
    holds(
        String::from_utf8_lossy(&read("maps")?).contains("/tmp/reactions/sleeper"),
        "maps of another process",
    )?;
    holds(told["sha256"].as_str().is_some_and(|sum| sum.len() == 64), told.to_string())?;
    fs::write(at("undo"), "").map_err(text)?;
    shell.wait_for(|line| line["text"] == "undone true")?;
    holds(!fs::exists(&directory).map_err(text)?, "the directory is there still")?;
    shell.stop().map(drop)
}

/// Whether a connection or a message to this address is refused by us.
fn tried(kind: i32, address: &str, port: u16) -> Result<bool, String> {
    denied(|| {
        let socket = socket(libc::AF_INET, kind, 0)?;
        match kind {
            libc::SOCK_DGRAM => send_to(socket, b"x", &ip(address, port)),
            _ => connect(socket, &ip(address, port)),
        }
    })
}

const BLOCK: &str = r#"
    import "reactions/block-address" as block_address;
    let taken = #{};
    probe("connect", #{ port: 7777 }).scope(#{ uid: 0 }).name("called")
        .on_event(|e| { taken[e.address] = block_address::block(e.address, #{ errno: "EXDEV", why: "it was called" }); }).attach();
    every("100ms", || if "203.0.113.9" in taken && file("/tmp/reactions/undo") != () { print(`undone ${taken["203.0.113.9"].undo()}`); taken = #{}; });
    print("ready");
"#;

/// An address is refused and another is not; further ones join; each is let through again.
pub fn block_address() -> Outcome {
    fresh()?;
    let (one, other, third) = ("203.0.113.9", "203.0.113.10", "203.0.113.11");
    let mut shell = session(&[], BLOCK)?;
    holds(!tried(libc::SOCK_STREAM, one, 80)?, "it is refused before it is blocked")?;
    tried(libc::SOCK_STREAM, one, 7777)?;
    let told = said(&mut shell, "block-address", "blocked 1")?;
    same("its mode", told["mode"].as_str(), Some("deny(EXDEV)"))?;
    same("what is blocked", told["addresses"][0].as_str(), Some("203.0.113.9/32"))?;
    holds(tried(libc::SOCK_STREAM, one, 80)?, "a connection is not refused")?;
    holds(tried(libc::SOCK_DGRAM, one, 53)?, "a message is not refused")?;
    holds(!tried(libc::SOCK_STREAM, other, 80)?, "another address is refused")?;
    tried(libc::SOCK_STREAM, third, 7777)?;
    shell
        .wait_for(|line| line["reaction"] == "block-address" && line["addresses"][0] == "203.0.113.11/32")?;
    holds(
        tried(libc::SOCK_STREAM, third, 80)? && tried(libc::SOCK_STREAM, one, 80)?,
        "one of two is not refused",
    )?;
    holds(!tried(libc::SOCK_STREAM, other, 80)?, "another address is refused")?;
    let undone = Shell::ready(
        r#"import "reactions/block-address" as b;
           let r = b::block("198.51.100.0/24"); print(b::blocked()); print(r.undo()); print(b::blocked());
           try { b::block("127.0.0.1") } catch (why) { print(why) }
           try { b::block([]) } catch (why) { print(why) }
           print("ready");"#,
    )?;
    let printed: Vec<&str> = undone.seen.iter().filter_map(|line| line["text"].as_str()).collect();
    holds(printed.contains(&"1") && printed.contains(&"[]"), format!("{printed:?}"))?;
    holds(printed.iter().any(|text| text.contains("is this machine itself")), format!("{printed:?}"))?;
    holds(printed.iter().any(|text| text.contains("no address to block")), format!("{printed:?}"))?;
    undone.stop()?;
    fs::write(at("undo"), "").map_err(text)?;
    shell.wait_for(|line| line["text"] == "undone 1")?;
    holds(!tried(libc::SOCK_STREAM, one, 80)?, "what was undone is refused")?;
    holds(tried(libc::SOCK_STREAM, third, 80)?, "what was not undone is let through")?;
    shell.stop()?;
    holds(!tried(libc::SOCK_STREAM, third, 80)?, "the session's end leaves it blocked")
}

/// Calls an address again and again, and writes what that comes to.
const CALLER: &str = "cd /tmp/reactions; while :; do /bin/busybox nc -w 1 203.0.113.9 80 2>> parent; \
    if [ -e go ]; then /bin/busybox rm go; : > trigger; fi; /bin/busybox sleep 0.1; done";

const CUT: &str = r#"
    import "reactions/cut-network" as cut_network;
    let taken = ();
    probe("file_open", #{ path_prefix: "/tmp/reactions/trigger" }).scope(#{ uid: 0 })
        .on_event(|e| { if taken == () { taken = cut_network::cut(e, #{ errno: "EXDEV", why: "it calls" }); } }).attach();
    every("100ms", || if taken != () && file("/tmp/reactions/undo") != () { print(`undone ${taken.undo()}`); taken = (); });
    print("ready");
"#;

/// A process's children reach nothing any more, others do, and they do again when it is undone.
pub fn cut_network() -> Outcome {
    fresh()?;
    let _caller = Group::of(CALLER)?;
    let refused = || {
        let lines = fs::read_to_string(at("parent")).unwrap_or_default();
        lines.lines().filter(|line| line.contains("cross-device")).count()
    };
    let called = || fs::read_to_string(at("parent")).unwrap_or_default().lines().count();
    until("it calls", SOON, || Ok(called() > 1))?;
    same("refusals before", refused(), 0)?;
    let mut shell = session(&[], CUT)?;
    go()?;
    said(&mut shell, "cut-network", "cut its network")?;
    until("it is refused", SOON, || Ok(refused() > 1))?;
    holds(!tried(libc::SOCK_STREAM, "203.0.113.9", 80)?, "a process of nobody's is refused")?;
    fs::write(at("undo"), "").map_err(text)?;
    shell.wait_for(|line| line["text"] == "undone 5")?;
    let (before, calls) = (refused(), called());
    until("it calls again", SOON, || Ok(called() > calls + 2))?;
    holds(refused() <= before + 1, "it is refused after it was undone")?;
    shell.stop().map(drop)
}

const QUARANTINE: &str = r#"
    import "reactions/quarantine-file" as quarantine_file;
    let taken = ();
    probe("exec", #{ path: "/tmp/reactions/evil" }).scope(#{ uid: 0 })
        .on_event(|e| { if taken == () && e.verdict == "allow" { taken = quarantine_file::quarantine(e, #{ errno: "EXDEV" }); } }).attach();
    every("100ms", || if taken != () && file("/tmp/reactions/undo") != () { print(`undone ${taken.undo()}`); taken = #{ undo: || 0 }; });
    print("ready");
"#;

/// Runs a copy of busybox in a process that is none of the shell's ancestors; gives what it was refused with.
fn refusal(path: &str) -> Result<Option<Errno>, String> {
    match execute(&ME, path)?.deed {
        Deed::Done => Ok(None),
        Deed::Refused(errno) => Ok(Some(errno)),
        other => Err(format!("{path}: {other:?}")),
    }
}

/// A file is not executed any more by any name, its copy is, and it is again when that is undone.
pub fn quarantine_file() -> Outcome {
    fresh()?;
    let path = copied("evil")?;
    let copy = copied("copy")?;
    fs::hard_link(&path, at("link")).map_err(text)?;
    let mut shell = session(&[], QUARANTINE)?;
    same("what it comes to before", refusal(&path)?, None)?;
    said(&mut shell, "quarantine-file", "quarantined /tmp/reactions/evil")?;
    for name in ["evil", "link"] {
        same(name, refusal(&at(name))?, Some(DENIED))?;
    }
    same("a copy", refusal(&copy)?, None)?;
    fs::write(at("undo"), "").map_err(text)?;
    shell.wait_for(|line| line["text"] == "undone 2")?;
    same("what it comes to when it is undone", refusal(&path)?, None)?;
    shell.stop().map(drop)
}

/// Under `--audit` nothing is stopped, kept or refused, and all of it is said.
pub fn audited() -> Outcome {
    fresh()?;
    let _family = Group::of(FAMILY)?;
    holds(both_grow(), "the family does nothing")?;
    let mut shell = session(&["--audit"], FREEZE)?;
    go()?;
    let told = said(&mut shell, "freeze-tree", "would stop ")?;
    same("that it was rehearsed", told["rehearsed"].as_bool(), Some(true))?;
    holds(both_grow(), "--audit stops them")?;
    shell.stop()?;

    let path = copied("sleeper")?;
    let mut shell = session(&["--audit"], &evidence_script())?;
    let _child = sleeper(&path)?;
    said(&mut shell, "snapshot-evidence", "would keep")?;
    holds(!fs::exists(at("evidence")).map_err(text)?, "--audit keeps evidence")?;
    shell.stop()?;

    let mut shell = session(&["--audit"], BLOCK)?;
    tried(libc::SOCK_STREAM, "203.0.113.9", 7777)?;
    let told = said(&mut shell, "block-address", "blocked 1")?;
    same("its mode", told["mode"].as_str(), Some("shadow"))?;
    holds(!tried(libc::SOCK_STREAM, "203.0.113.9", 80)?, "--audit refuses")?;
    said(&mut shell, "block-address", "would-deny")?;
    shell.stop().map(drop)
}

/// What is imported is a filter in the kernel, a callback and a timer; recorded, the replay imports it, too.
pub fn imports() -> Outcome {
    fresh()?;
    fs::write(
        at("helpers.rhai"),
        "import \"lib/files\" as files;\n/// Whether it is one of ours.\nfn is_ours(path) { files::is_world_writable(path) && path.ends_with(NAME) }\nexport const NAME = \"/evil\";\nfn told(e) { `${e.comm} executes ${files::name_of(e.path)}` }\n",
    )
    .map_err(text)?;
    let script = at("script.rhai");
    fs::write(
        &script,
        "import \"./helpers\" as h;\nlet p = probe(\"exec\").scope(target).when(|e| h::is_ours(e.path)).name(\"p\").on_event(|e| print(h::told(e))).attach();\nafter(\"100ms\", || print(`a timer of ${h::NAME}`));\n",
    )
    .map_err(text)?;
    let path = copied("evil")?;
    let file = at("session.ndjson");
    let code = format!("/bin/busybox sleep 0.5; /bin/true; {path}; true");
    let words = [
        "--format",
        "text",
        "-q",
        "record",
        "-o",
        &file,
        "-c",
        &script,
        "--",
        "/bin/busybox",
        "sh",
        "-c",
        &code,
    ];
    let run = |words: &[&str]| Command::new(SHELL).args(words).stdin(Stdio::null()).output().map_err(text);
    let live = run(&words)?;
    let told = String::from_utf8_lossy(&live.stdout).into_owned();
    let errors = String::from_utf8_lossy(&live.stderr).into_owned();
    same("what was said", told.lines().collect::<Vec<_>>().len(), 2)
        .map_err(|why| format!("{why}: {told}{errors}"))?;
    holds(told.contains("executes evil") && told.contains("a timer of /evil"), &told)?;
    let again = run(&["--format", "text", "-q", "replay", &file, &script])?;
    holds(
        String::from_utf8_lossy(&again.stdout) == told,
        format!("{}{}", String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&again.stderr)),
    )
}
