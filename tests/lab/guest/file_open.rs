//! Claims about the template `file_open`.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    process::Command,
};

use nix::{
    fcntl::OFlag,
    mount::{MsFlags, mount, umount},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed},
    exec::device,
    holds, same,
    shell::{self, Shell},
    task::{Deed, Identity, ME, REFUSED, Task, open_file},
};

/// A file of this step's own.
fn file(name: &str) -> Result<String, String> {
    let directory = "/tmp/files";
    fs::create_dir_all(directory).map_err(|e| e.to_string())?;
    let path = format!("{directory}/{name}");
    fs::write(&path, "content").map_err(|e| format!("{path}: {e}"))?;
    Ok(path)
}

fn probe(params: &str, mode: &str) -> String {
    format!(
        "probe(\"file_open\", #{{{params}}}).scope(#{{pid: {}}}){mode}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    )
}

const OPENED: &str = "/tmp/files/case";
const CREATED: &str = "/tmp/files/case-created";

pub const CASE: Case = Case {
    template: "file_open",
    params: "path_prefix: \"/tmp/files/case\"",
    prepare: || file("case").map(drop),
    acts: &[
        Act::new("reading, writing and appending", "file_open", || {
            let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CLOEXEC;
            let task = open_file(&ACTOR, OPENED, flags)?;
            opened(task, OPENED, &["read", "write", "append"], &["O_RDWR", "O_APPEND", "O_LARGEFILE"])
        }),
        Act::new("reading, as another user", "file_open", || {
            let user = Identity { uid: 1000, gid: 1000, comm: ACTOR.comm, ..ME };
            opened(open_file(&user, OPENED, OFlag::O_RDONLY)?, OPENED, &["read"], &["O_LARGEFILE"])
        }),
        Act::new("creating", "file_open", || {
            let _ = fs::remove_file(CREATED);
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_TRUNC;
            let task = open_file(&ACTOR, CREATED, flags)?;
            let told = ["O_WRONLY", "O_CREAT", "O_EXCL", "O_TRUNC", "O_LARGEFILE"];
            opened(task, CREATED, &["write", "create", "truncate"], &told)
        }),
    ],
};

fn opened(task: Task, path: &str, access: &[&str], flags: &[&str]) -> Result<Performed, String> {
    let file = fs::metadata(path).map_err(|e| e.to_string())?;
    let tells = json!({
        "inode": file.ino(), "size": file.len(), "device": device(file.dev()), "file_mode": file.mode(), "file_uid": file.uid(), "file_gid": file.gid(), "file_upper": false,
        "access": access, "flags": flags, "path": path, "path_length": path.len(),
    });
    Ok(Performed { task, tells })
}

pub fn every_name() -> Outcome {
    let path = file("named")?;
    for stale in ["/tmp/files/hard", "/tmp/files/sym", "/tmp/files/renamed"] {
        let _ = fs::remove_file(stale);
    }
    let text = |e: std::io::Error| e.to_string();
    fs::create_dir_all("/tmp/bound").map_err(text)?;
    let shell = Shell::ready(&probe(&format!("path: \"{path}\""), ".deny(\"EPERM\")"))?;
    let read = |path: &str| open_file(&ME, path, OFlag::O_RDONLY).map(|t| t.deed);
    fs::hard_link(&path, "/tmp/files/hard").map_err(text)?;
    same("by a hard link", read("/tmp/files/hard")?, REFUSED)?;
    symlink(&path, "/tmp/files/sym").map_err(text)?;
    same("by a symbolic link", read("/tmp/files/sym")?, REFUSED)?;
    mount(Some("/tmp/files"), "/tmp/bound", None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|e| e.to_string())?;
    let bound = read("/tmp/bound/named");
    umount("/tmp/bound").map_err(|e| e.to_string())?;
    same("by a bind mount", bound?, REFUSED)?;
    same("by its descriptor's name", read("/proc/self/root/tmp/files/named")?, REFUSED)?;
    fs::rename(&path, "/tmp/files/renamed").map_err(text)?;
    same("after a rename", read("/tmp/files/renamed")?, REFUSED)?;
    file("named")?;
    same("replaced by another file", read(&path)?, REFUSED)?;
    same("another file", read(&file("unnamed")?)?, Deed::Done)?;
    shell.stop()?.well()
}

pub fn prefix_and_suffix() -> Outcome {
    let (inside, outside, suffixed) = (file("pre-fix")?, file("pref")?, file("key.pem")?);
    let params = "path_prefix: [\"/tmp/files/pre-\"], path_suffix: \".pem\"";
    let shell = Shell::ready(&probe(params, ".deny(\"EPERM\")"))?;
    let read = |path: &str| open_file(&ME, path, OFlag::O_RDONLY).map(|t| t.deed);
    same("prefix", read(&inside)?, REFUSED)?;
    same("suffix", read(&suffixed)?, REFUSED)?;
    same("neither", read(&outside)?, Deed::Done)?;
    shell.stop()?.well()
}

pub fn access() -> Outcome {
    let path = file("access")?;
    let shell = Shell::ready(&probe(
        &format!("path: \"{path}\", access: [\"write\", \"truncate\"]"),
        ".deny(\"EPERM\")",
    ))?;
    let open = |flags| open_file(&ME, &path, flags).map(|t| t.deed);
    same("read", open(OFlag::O_RDONLY)?, Deed::Done)?;
    same("write", open(OFlag::O_WRONLY)?, REFUSED)?;
    same("read and write", open(OFlag::O_RDWR)?, REFUSED)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same("denied", &books["deny"], &json!(2))?;
    holds(books["filtered"].as_u64() > Some(0), "the read was filtered")?;
    ended.well()
}

pub fn overlayfs() -> Outcome {
    with_overlay(overlaid)
}

/// The kernel opens the file beneath with the credentials of whoever mounted the overlay: the scope, the event and a
/// filter are about who opens all the same.
pub fn overlayfs_beneath() -> Outcome {
    with_overlay(|| {
        let user = Identity { uid: 1000, gid: 1000, ..ME };
        let script = "probe(\"file_open\", #{path: \"/tmp/lower/secret\"}).scope(#{uid: 1000}).when(|e| e.uid == 1000 && e.gid == 1000)\
                      .deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");";
        let mut shell = Shell::ready(script)?;
        let task = open_file(&user, "/tmp/merged/secret", OFlag::O_RDONLY)?;
        same("by the user", task.deed, REFUSED)?;
        // Its path is the overlay's from Linux 6.5 on, before from the root of the directory beneath.
        let event = shell.wait_for(|line| line["type"] == "event" && line["pid"] == task.pid)?;
        same(
            "ids",
            (&event["uid"], &event["euid"], &event["gid"]),
            (&json!(1000), &json!(1000), &json!(1000)),
        )?;
        same("by root", open_file(&ME, "/tmp/merged/secret", OFlag::O_RDONLY)?.deed, Deed::Done)?;
        shell.stop()?.well()
    })
}

/// What a container has made or changed is told from what its image brought; and whose it is.
pub fn owners_and_layers() -> Outcome {
    with_overlay(|| {
        let user = Identity { uid: 1000, gid: 1000, ..ME };
        let made = |name: &str, uid: u32| {
            let path = format!("/tmp/merged/{name}");
            fs::write(&path, "text").and_then(|()| std::os::unix::fs::chown(&path, Some(uid), Some(7)))?;
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        };
        for (name, uid) in [("roots", 0), ("users", 1000)] {
            made(name, uid).map_err(|e| e.to_string())?;
        }
        let mut shell = Shell::ready(
            "probe(\"file_open\", #{path_prefix: \"/tmp/merged/\"}).scope(#{uid: [0, 1000]}).when(|e| e.file_upper && e.file_uid == e.euid)\
             .deny(\"EPERM\").name(\"t\").attach();\
             probe(\"exec\").scope(#{uid: 0}).when(|e| e.file_upper).deny(\"EACCES\").name(\"x\").attach(); print(\"ready\");",
        )?;
        let read =
            |who: &Identity, name: &str| open_file(who, &format!("/tmp/merged/{name}"), OFlag::O_RDONLY);
        same("of the image", read(&ME, "secret")?.deed, Deed::Done)?;
        let own = read(&ME, "roots")?;
        same("made by root, by root", own.deed, REFUSED)?;
        same("by another", read(&user, "roots")?.deed, Deed::Done)?;
        same("the user's, by root", read(&ME, "users")?.deed, Deed::Done)?;
        same("by the user", read(&user, "users")?.deed, REFUSED)?;
        let told = shell.event(own.pid, "/tmp/merged/roots")?;
        let facts = json!([told["file_uid"], told["file_gid"], told["file_mode"], told["file_upper"]]);
        same("told", facts, json!([0, 7, 0o100_644, true]))?;
        fs::copy("/bin/busybox", "/tmp/merged/busybox").map_err(|e| e.to_string())?;
        let run = |path: &str| Command::new(path).arg("true").status().is_ok_and(|status| status.success());
        same("an executable that was made there", run("/tmp/merged/busybox"), false)?;
        same("another one", run("/bin/busybox"), true)?;
        shell.stop()?.well()
    })
}

pub fn with_overlay(work: impl FnOnce() -> Outcome) -> Outcome {
    let text = |e: std::io::Error| e.to_string();
    // A module in every kernel of the matrix.
    Command::new("insmod").arg("/lab/overlay.ko").status().map_err(text)?;
    for directory in ["/tmp/lower", "/tmp/upper", "/tmp/merged"] {
        fs::create_dir_all(directory).map_err(text)?;
    }
    // Lower and upper on different file systems: then stat's device is not the inode's.
    mount(Some("lower"), "/tmp/lower", Some("tmpfs"), MsFlags::empty(), None::<&str>)
        .map_err(|e| e.to_string())?;
    mount(Some("upper"), "/tmp/upper", Some("tmpfs"), MsFlags::empty(), None::<&str>)
        .map_err(|e| e.to_string())?;
    for directory in ["/tmp/upper/files", "/tmp/upper/work"] {
        fs::create_dir_all(directory).map_err(text)?;
    }
    fs::write("/tmp/lower/secret", "content").map_err(text)?;
    let options = "lowerdir=/tmp/lower,upperdir=/tmp/upper/files,workdir=/tmp/upper/work";
    mount(Some("overlay"), "/tmp/merged", Some("overlay"), MsFlags::empty(), Some(options))
        .map_err(|e| format!("no overlayfs: {e}"))?;
    let outcome = work();
    for directory in ["/tmp/merged", "/tmp/upper", "/tmp/lower"] {
        umount(directory).map_err(|e| e.to_string())?;
    }
    outcome
}

fn overlaid() -> Outcome {
    let shell = Shell::ready(&probe("path: \"/tmp/merged/secret\"", ".deny(\"EPERM\")"))?;
    fs::hard_link("/tmp/merged/secret", "/tmp/merged/link").map_err(|e| e.to_string())?;
    let read = |path: &str| open_file(&ME, path, OFlag::O_RDONLY).map(|t| t.deed);
    same("the file", read("/tmp/merged/secret")?, REFUSED)?;
    // The hard link has copied it up: another inode beneath, the same above.
    same("a hard link, after copy-up", read("/tmp/merged/link")?, REFUSED)?;
    shell.stop()?.well()
}

/// What the shell writes for people about the files that begin with `start` while a deed is done.
fn told_for_people(start: &str, deed: impl FnOnce() -> Outcome) -> Result<String, String> {
    let script = format!(
        "probe(\"file_open\", #{{path_prefix: \"{start}\"}}).scope(#{{pid: {}}}).attach(); print(\"ready\");",
        std::process::id()
    );
    let mut child = shell::for_people()
        .args(["--color", "never", "-e", &script])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut stdout = std::io::BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut first = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut first).map_err(|e| e.to_string())?;
    same("first line", first.trim_end(), "ready")?;
    deed()?;
    // What has come by then is written first.
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut stdout, &mut bytes).map_err(|e| e.to_string())?;
    let _ = child.wait();
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

pub fn hostile_name() -> Outcome {
    let path = file("evil\u{1b}[2J\nroot\u{202e}txt")?;
    let text = told_for_people("/tmp/files/evil", || open_file(&ME, &path, OFlag::O_RDONLY).map(drop))?;
    holds(text.contains("/tmp/files/evil"), format!("the event is shown: {text:?}"))?;
    holds(
        !text.contains('\u{1b}') && !text.contains('\u{202e}'),
        format!("raw control characters: {text:?}"),
    )?;
    holds(!text.lines().any(|line| line.starts_with("root")), format!("the name broke the line: {text:?}"))
}

/// The guest knows root by name, and nobody else of those who open here.
pub fn for_people() -> Outcome {
    let path = file("read")?;
    fs::write(&path, [0; 4200]).map_err(|e| e.to_string())?;
    let stranger = Identity { uid: 4242, gid: 4242, ..ME };
    let deed = || {
        open_file(&ME, &path, OFlag::O_RDONLY)?;
        open_file(&stranger, &path, OFlag::O_RDONLY).map(drop)
    };
    let text = told_for_people(&path, deed)?;
    for user in ["0(root)", "4242"] {
        let said = format!("] uid={user} {path} size=4.1KiB access=read");
        holds(text.contains(&said), format!("{said:?} is in {text:?}"))?;
    }
    Ok(())
}

pub fn too_long() -> Outcome {
    let deep = "d".repeat(250);
    let make = || -> std::io::Result<()> {
        fs::create_dir_all("/tmp/deep")?;
        std::env::set_current_dir("/tmp/deep")?;
        for _ in 0..18 {
            fs::create_dir_all(&deep)?;
            std::env::set_current_dir(&deep)?;
        }
        fs::write("secret", "content")
    };
    make().map_err(|e| e.to_string())?;
    let outcome = too_long_here();
    std::env::set_current_dir("/").map_err(|e| e.to_string())?;
    outcome
}

/// In a directory whose path is longer than PATH_MAX, with a file `secret`.
fn too_long_here() -> Outcome {
    let params = "path_prefix: \"/tmp/deep/\"";
    let shell = Shell::ready(&probe(params, ".deny(\"EPERM\")"))?;
    let read = || open_file(&ME, "secret", OFlag::O_RDONLY).map(|t| t.deed);
    same("on_error allow", read()?, Deed::Done)?;
    let ended = shell.stop()?;
    holds(ended.books("t")?["errors"].as_u64() > Some(0), "the error is counted")?;
    ended.well()?;
    let shell = Shell::ready(&probe(params, ".deny(\"EPERM\").on_error(\"deny\")"))?;
    same("on_error deny", read()?, REFUSED)?;
    shell.stop()?.well()
}
