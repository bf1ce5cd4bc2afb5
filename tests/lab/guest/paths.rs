//! Claims about the texts that are made of paths: what the kernel adds to one is a note, a path has its text however deep
//! it is, and what could not be read, or was cut, is not taken for a text that is known.

use std::{
    ffi::CString,
    fs::{self, File},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::Path,
};

use nix::{
    fcntl::OFlag,
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::memfd::{MFdFlags, memfd_create},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    exec::program,
    holds, same,
    shell::{Shell, attaching},
    task::{self, Deed, ME, REFUSED, execute, open_file},
};

const FOLDER: &str = "/tmp/paths";

fn text(error: std::io::Error) -> String {
    error.to_string()
}

/// A file of this step's own.
fn file(name: &str) -> Result<String, String> {
    fs::create_dir_all(FOLDER).map_err(text)?;
    let path = format!("{FOLDER}/{name}");
    fs::write(&path, "content").map_err(|e| format!("{path}: {e}"))?;
    Ok(path)
}

fn probe(template: &str, params: &str, rest: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"{template}\", #{{{params}}}).scope(#{{pid: {}}}){rest}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

fn by_descriptor(file: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// A file that has lost this name and keeps another, by a descriptor.
fn unlinked(path: &str) -> Result<File, String> {
    let other = format!("{path}-other");
    let _ = fs::remove_file(&other);
    fs::hard_link(path, other).map_err(text)?;
    let open = File::open(path).map_err(text)?;
    fs::remove_file(path).map_err(text)?;
    Ok(open)
}

pub fn unlinked_program() -> Outcome {
    let asked = [
        ("suffix", "end.gone", "path_suffix: \".gone\"", ""),
        (
            "prefix",
            "begin.lost",
            "path_prefix: \"/tmp/programs/beg\"",
            ".when(|e| e.path.ends_with(\".lost\"))",
        ),
        (
            "filter",
            "whole.away",
            "",
            ".when(|e| e.path == \"/tmp/programs/whole.away\" && \"deleted\" in e.flags || e.filename.ends_with(\".away\"))",
        ),
    ];
    let mut shell = Shell::with_probes(&asked.map(|(name, _, params, filter)| {
        attaching(name, "exec", params, &format!("{filter}.deny(\"EPERM\")"))
    }))?;
    for (name, file, ..) in asked {
        let path = program(file)?;
        let named = File::open(&path).map_err(text)?;
        same("named", execute(&ME, &path)?.deed, REFUSED)?;
        if name != "filter" {
            same("named, by a descriptor", execute(&ME, &by_descriptor(&named))?.deed, REFUSED)?;
        }
        // Open for nobody's writing, or it could not be executed.
        drop(named);
        let task = execute(&ME, &by_descriptor(&unlinked(&path)?))?;
        same("with another link left", task.deed, REFUSED)?;
        let event = shell.event(task.pid, &path)?;
        same("notes", &event["notes"], &json!(["unlinked"]))?;
        same("flags", &event["flags"], &json!(["deleted"]))?;
        let path = program(file)?;
        let open = File::open(&path).map_err(text)?;
        fs::remove_file(&path).map_err(text)?;
        same("with none left", execute(&ME, &by_descriptor(&open))?.deed, REFUSED)?;
    }
    shell.stop()?.well()
}

/// Opens a file, and gives the event about it.
fn opened(shell: &mut Shell, path: &str, told: &str) -> Result<Value, String> {
    let task = open_file(&ME, path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?;
    shell.event(task.pid, told)
}

pub fn notes() -> Outcome {
    let mut shell = probe("file_open", "", "")?;
    let path = file("unlinked")?;
    let open = unlinked(&path)?;
    let event = opened(&mut shell, &by_descriptor(&open), &path)?;
    same("an unlinked file", &event["notes"], &json!(["unlinked"]))?;
    same("its length", &event["path_length"], &json!(path.len()))?;

    // A name may end as what d_path adds.
    let path = file("real (deleted)")?;
    let event = opened(&mut shell, &path, &path)?;
    same("a file of that name", &event["notes"], &json!([]))?;
    let open = unlinked(&path)?;
    let event = opened(&mut shell, &by_descriptor(&open), &path)?;
    same("the same, unlinked", &event["notes"], &json!(["unlinked"]))?;

    let memfd: OwnedFd = memfd_create(c"hidden", MFdFlags::empty()).map_err(|e| e.to_string())?;
    let event = opened(&mut shell, &by_descriptor(&memfd), "/memfd:hidden")?;
    same("a memfd", &event["notes"], &json!([]))?;
    let (pipe, _other) = nix::unistd::pipe().map_err(|e| e.to_string())?;
    let link = fs::read_link(by_descriptor(&pipe)).map_err(text)?;
    let event = opened(&mut shell, &by_descriptor(&pipe), &link.to_string_lossy())?;
    same("a pipe", &event["notes"], &json!([]))?;
    let link = fs::read_link("/proc/self/ns/uts").map_err(text)?;
    let event = opened(&mut shell, "/proc/self/ns/uts", &link.to_string_lossy())?;
    same("a namespace", &event["notes"], &json!([]))?;
    shell.stop()?.well()
}

/// Files that the task's root does not lead to.
pub fn unreachable() -> Outcome {
    let path = file("outside")?;
    let jail = format!("{FOLDER}/jail");
    fs::create_dir_all(&jail).map_err(text)?;
    fs::write(format!("{jail}/inside"), "content").map_err(text)?;
    let mut shell = probe("file_open", "", "")?;
    let open = File::open(FOLDER).map_err(text)?;
    let from = open.as_raw_fd();
    let confined = |name: &'static str| {
        let jail = jail.clone();
        task::perform(&ME, move || {
            if nix::unistd::chroot(jail.as_str()).is_err() || nix::unistd::chdir("/").is_err() {
                return 98;
            }
            // SAFETY: a descriptor that the parent keeps open, and a name that ends.
            let found = unsafe { nix::libc::openat(from, name.as_ptr().cast(), nix::libc::O_RDONLY) };
            i32::from(found < 0)
        })
    };
    let task = confined("outside\0")?;
    same("outside", task.deed, Deed::Done)?;
    let event = shell.event(task.pid, &path)?;
    same("notes of what lies outside", &event["notes"], &json!(["unreachable"]))?;
    let task = confined("/inside\0")?;
    same("inside", task.deed, Deed::Done)?;
    let event = shell.event(task.pid, "/inside")?;
    same("notes of what lies inside", &event["notes"], &json!([]))?;

    let detached = format!("{FOLDER}/detached");
    fs::create_dir_all(&detached).map_err(text)?;
    mount(Some("none"), detached.as_str(), Some("tmpfs"), MsFlags::empty(), None::<&str>)
        .map_err(|e| e.to_string())?;
    fs::write(format!("{detached}/kept"), "content").map_err(text)?;
    let kept = File::open(format!("{detached}/kept")).map_err(text)?;
    umount2(detached.as_str(), MntFlags::MNT_DETACH).map_err(|e| e.to_string())?;
    let event = opened(&mut shell, &by_descriptor(&kept), "/kept")?;
    same("a detached mount", &event["notes"], &json!(["unreachable"]))?;
    shell.stop()?.well()
}

/// Makes so many directories in each other, each with a name of so many bytes, below `base`, and puts a copy of `file` into
/// the last; gives the path of that. Afterwards this process is there.
fn deep(base: &str, depth: usize, length: usize, file: &str) -> Result<String, String> {
    let name = "d".repeat(length);
    let bytes = fs::read(file).map_err(text)?;
    fs::create_dir_all(base).map_err(text)?;
    std::env::set_current_dir(base).map_err(text)?;
    for _ in 0..depth {
        if !Path::new(&name).exists() {
            fs::create_dir(&name).map_err(text)?;
        }
        std::env::set_current_dir(&name).map_err(text)?;
    }
    fs::write("file", bytes).map_err(text)?;
    fs::set_permissions("file", fs::Permissions::from_mode(0o755)).map_err(text)?;
    Ok(format!("{base}{}/file", format!("/{name}").repeat(depth)))
}

/// The work, with this process's directory as it was before.
fn here_again(work: impl FnOnce() -> Outcome) -> Outcome {
    let outcome = work();
    std::env::set_current_dir("/").map_err(text)?;
    outcome
}

pub fn deep_files() -> Outcome {
    let shell =
        probe("file_open", "path_prefix: \"/tmp/paths/deep/\", path_suffix: \"/none\"", ".deny(\"EPERM\")")?;
    here_again(|| {
        // 64 names; as many as fit; 4095 bytes, which is the longest path; one more.
        for (depth, length, refused) in
            [(5, 1, true), (64, 1, true), (300, 12, true), (2030, 1, true), (16, 253, true)]
        {
            let path = deep("/tmp/paths/deep", depth, length, "/etc/passwd")?;
            holds(path.len() <= 4095, format!("{} bytes", path.len()))?;
            let expected = if refused { REFUSED } else { Deed::Done };
            let deed = open_file(&ME, "file", OFlag::O_RDONLY)?.deed;
            same(&format!("{} bytes, {depth} directories", path.len()), deed, expected)?;
        }
        let path = deep("/tmp/paths/deep", 16, 253, "/etc/passwd")?;
        let whole = "w".repeat(4095 - (path.len() - "file".len()));
        fs::rename("file", &whole).map_err(text)?;
        same("4095 bytes", open_file(&ME, &whole, OFlag::O_RDONLY)?.deed, REFUSED)?;
        let longer = format!("{whole}w");
        fs::rename(&whole, &longer).map_err(text)?;
        same("4096 bytes: cannot tell", open_file(&ME, &longer, OFlag::O_RDONLY)?.deed, Deed::Done)
    })?;
    let ended = shell.stop()?;
    same("errors", &ended.books("t")?["errors"], &json!(1))?;
    ended.well()
}

/// Executables and directories deeper than 63 names and longer than their fields.
pub fn deep_tasks() -> Outcome {
    let read = |depth: usize, length: usize, path: &str| -> Result<Deed, String> {
        deep("/tmp/paths/exe", depth, length, "/bin/busybox")?;
        let path = CString::new(path).map_err(|e| e.to_string())?;
        task::perform(&ME, || {
            // Standard output is the suite's.
            let null = File::options().write(true).open("/dev/null");
            let Ok(()) = null.map_err(drop).and_then(|null| nix::unistd::dup2_stdout(null).map_err(drop))
            else {
                return 97;
            };
            match nix::unistd::execv(c"file", &[c"cat", path.as_c_str()]) {
                Err(_) => 98,
            }
        })
        .map(|task| task.deed)
    };
    // busybox ends with 1 if it could not open the file.
    let (refused, done) = (Deed::Other(1), Deed::Done);
    let asked = [
        (
            "begin",
            "e.exe.starts_with(\"/tmp/paths/exe/\")",
            [refused, refused, refused],
            [refused, refused, refused],
        ),
        ("inside", "e.exe.contains(\"/d/d/\")", [refused, refused, done], [refused, refused, refused]),
        // Of what is cut after 255 bytes nobody knows how it ends.
        ("end", "e.exe.ends_with(\"d/file\")", [refused, refused, done], [refused, refused, refused]),
    ];
    let mut statements = Vec::new();
    let mut cases = Vec::new();
    for (name, filter, lenient, strict) in asked {
        for (on_error, expected) in [("allow", lenient), ("deny", strict)] {
            let name = format!("{name}_{on_error}");
            let path = file(&name)?;
            let rest = format!(".when(|e| {filter} && e.path == \"{path}\").deny().on_error(\"{on_error}\")");
            statements.push(attaching(&name, "file_open", &format!("path: \"{path}\""), &rest));
            cases.push((name, path, expected, lenient[2] == done));
        }
    }
    let program = program("anywhere")?;
    let rest = ".when(|e| e.cwd.starts_with(\"/tmp/paths/exe/d/d/\") && e.cwd.ends_with(\"/d/d\")).deny().on_error(\"deny\")";
    statements.push(attaching("directory", "exec", &format!("path: \"{program}\""), rest));
    let shell = Shell::with_probes(&statements)?;
    here_again(|| {
        for (name, path, expected, _) in &cases {
            for ((depth, length), expected) in [(5, 1), (70, 1), (3, 250)].into_iter().zip(expected) {
                same(&format!("{name}, {depth}"), read(depth, length, path)?, *expected)?;
            }
        }
        for (depth, length) in [(70, 1), (600, 1)] {
            deep("/tmp/paths/exe", depth, length, "/etc/passwd")?;
            same(&format!("directory {depth}"), execute(&ME, &program)?.deed, REFUSED)?;
        }
        Ok(())
    })?;
    let ended = shell.stop()?;
    for (name, _, _, unsure) in &cases {
        let errors = ended.books(name)?["errors"].as_u64();
        holds((errors > Some(0)) == *unsure, format!("{name}: {errors:?} errors"))?;
    }
    same("the longer directory cannot be told", &ended.books("directory")?["errors"], &json!(1))?;
    ended.well()
}

/// Arguments that are cut: found is found, and what is not found cannot be told.
pub fn cut_arguments() -> Outcome {
    let long = "x".repeat(5000);
    let run = |path: &str, first: &str| -> Result<Deed, String> {
        let words = [path, "true", first, &long, "last"].map(CString::new);
        let words = words.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        task::perform(&ME, || match nix::unistd::execv(&words[0], &words[1..]) {
            Err(_) => 98,
        })
        .map(|task| task.deed)
    };
    let (killed, done) = (Deed::Killed(9), Deed::Done);
    // What becomes of it with `first` and without, if what cannot be told is denied.
    let strict = [
        ("in", "\"first\" in e.argv", [killed, killed]),
        ("before", "e.argv[1] == \"first\"", [killed, done]),
        ("number", "e.argv.len() == 3", [killed, killed]),
    ];
    // And if it is allowed. (Few are asked: each takes the verifier its time in emulation, most on 6.1.)
    let lenient = [("number", "e.argv.len() == 3", [done, done])];
    let mut statements = Vec::new();
    let mut cases = Vec::new();
    for (on_error, asked) in [("deny", &strict[..]), ("allow", &lenient[..])] {
        for (name, filter, expected) in asked {
            let name = format!("{name}_{on_error}");
            let path = program(&format!("arguments-{name}"))?;
            let rest = format!(".when(|e| {filter}).deny().on_error(\"{on_error}\")");
            statements.push(attaching(&name, "exec", &format!("path: \"{path}\", args: true"), &rest));
            cases.push((name, path, expected));
        }
    }
    let shell = Shell::with_probes(&statements)?;
    for (name, path, expected) in cases {
        same(&format!("{name}, first"), run(&path, "first")?, expected[0])?;
        same(&format!("{name}, second"), run(&path, "second")?, expected[1])?;
        fs::remove_file(path).map_err(text)?;
    }
    shell.stop()?.well()
}
