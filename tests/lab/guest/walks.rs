//! Claims about what is sought in texts by one walk over each, and about attacks that one filter refuses.

use std::{
    fs,
    os::unix::{
        fs::PermissionsExt,
        process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::Command,
};

use nix::{errno::Errno, fcntl::OFlag, sys::signal::Signal};

use super::{
    Outcome, same,
    shell::Shell,
    task::{Deed, Identity, ME, execute, open_file},
};

const NO_ACCESS: Deed = Deed::Refused(Errno::EACCES);
const KILLED: Option<i32> = Some(Signal::SIGKILL as i32);

fn file_open(filter: &str, before: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "{before} let p = probe(\"file_open\").scope(#{{pid: {}}}).when({filter}).deny(\"EACCES\").name(\"t\"); p.attach(); print(\"ready\");",
        std::process::id()
    ))
}

fn open(path: &str) -> Result<Deed, String> {
    let directory = Path::new(path).parent().ok_or("no directory")?;
    fs::create_dir_all(directory).map_err(|e| format!("{path}: {e}"))?;
    fs::write(path, "").map_err(|e| format!("{path}: {e}"))?;
    open_file(&ME, path, OFlag::O_RDONLY).map(|task| task.deed)
}

/// Three hundred words, expressions and globs about one path; the shortest and the longest path there is.
pub fn of_paths() -> Outcome {
    let words = "let words = []; for n in 0..300 { words.push(`word-${n * 7919}.x`) }";
    let shell = file_open(
        "|e| e.path.starts_with(\"/tmp/walks/\") && !e.path.ends_with(\".fine\") && (e.path.matches(`/key-[0-9]{2,4}$`) || e.path.like(\"*/a*b?c/*\") \
         || e.path.matches(\"(?i)secret\") || e.path.matches(any_word))",
        &format!(
            "{words} let any_word = \"\"; for w in words {{ any_word += (if any_word == \"\" {{ \"\" }} else {{ \"|\" }}) + w; }}"
        ),
    )?;
    let deep = format!("/tmp/walks/{}", format!("{}/", "d".repeat(99)).repeat(39));
    let (deep_secret, deep_fine) = (format!("{deep}SeCreT"), format!("{deep}secret.fine"));
    for denied in [
        "/tmp/walks/key-123",
        "/tmp/walks/a-and-bxc/file",
        "/tmp/walks/SECRET/x",
        "/tmp/walks/x/word-7919.x-y",
        "/tmp/walks/word-2367781-x",
        &deep_secret,
    ] {
        same(denied, open(denied)?, NO_ACCESS)?;
    }
    for allowed in [
        "/tmp/walks/key-12345",
        "/tmp/walks/key-124/x",
        "/tmp/walks/a-bc/file",
        "/tmp/walks/word-1",
        "/tmp/walks/word-7920.x",
        &deep_fine,
    ] {
        same(allowed, open(allowed)?, Deed::Done)?;
    }
    let ended = shell.stop()?;
    same("no trouble", ended.books("t")?["errors"].as_u64(), Some(0))?;
    ended.well()
}

/// A probe of executions by this process's children, that kills what its filter says.
fn exec(params: &str, filter: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "let p = probe(\"exec\", #{{{params}}}).scope(#{{pid: {}}}).when({filter}).deny().name(\"t\"); p.attach(); print(\"ready\");",
        std::process::id()
    ))
}

/// How busybox, called so, comes to its end: by a signal, or by itself.
fn run(arguments: &[&str]) -> Result<Option<i32>, String> {
    let mut command = Command::new("/bin/busybox");
    command.arg0(arguments[0]).args(&arguments[1..]).current_dir("/").env_remove("LD_PRELOAD");
    command.status().map(|status| status.signal()).map_err(|e| e.to_string())
}

/// Killed are these and no others.
fn kills(shell: Shell, these: &[&[&str]], no_others: &[&[&str]]) -> Outcome {
    for arguments in these {
        same(&arguments.join(" "), run(arguments)?, KILLED)?;
    }
    for arguments in no_others {
        same(&arguments.join(" "), run(arguments)?, None)?;
    }
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same("kills", books["kill"].as_u64(), Some(these.len() as u64))?;
    same("errors", books["errors"].as_u64(), Some(0))?;
    ended.well()
}

/// The arguments as one text, and each of them.
pub fn of_arguments() -> Outcome {
    let shell = exec(
        "args: true",
        "|e| e.cmdline.matches(`^echo +-n .*x{2}$`) || e.argv.all(|a| a == \"id\") || (e.cmdline.like(\"true *--a?c *\") && e.argv.none(|a| a.ends_with(\"!\") && !a.starts_with(\"-\")))",
    )?;
    let long = "y".repeat(3000);
    kills(
        shell,
        &[
            &["echo", "-n", "a", "axx"],
            &["echo", "-n", &long, "xx"],
            &["id"],
            &["true", "--abc", "-!"],
            &["true", "z", "--a-c", ""],
        ],
        &[
            &["echo", "-n", "ax", "x"],
            &["echo", "n", "xx"],
            &["id", "-u"],
            &["true", "--abc", "stop!"],
            &["true", "--ac", "x"],
        ],
    )
}

/// What arguments there are beyond those that are told cannot be told.
pub fn of_cut_arguments() -> Outcome {
    let shell = exec("args: true", "|e| e.cmdline.contains(\"needle\") && e.cmdline.starts_with(\"true\")")?;
    let long = "y".repeat(5000);
    same("before the cut", run(&["true", "needle", &long])?, KILLED)?;
    same("behind the cut", run(&["true", &long, "needle"])?, None)?;
    // That it does not begin so is certain, whatever follows.
    same("not this program", run(&["echo", &long])?, None)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same("errors", books["errors"].as_u64(), Some(2))?;
    same("kills", books["kill"].as_u64(), Some(1))?;
    ended.well()
}

/// Reverse shells: a shell's own sockets, netcat, a script's sockets.
pub fn reverse_shells() -> Outcome {
    let shell = exec(
        "args: true",
        "|e| e.cmdline.matches(`/dev/(tcp|udp)/[^/ ]+/\\d`) || e.cmdline.matches(`^(nc|ncat|netcat)( .*)? -[a-z]*[ec]`)
             || e.cmdline.matches(`^(python|perl|ruby|php|busybox)[0-9.]* .*socket.*(dup2|/bin/(ba|z|da)?sh|subprocess)`)",
    )?;
    kills(
        shell,
        &[
            &["sh", "-c", "sh -i >& /dev/tcp/127.0.0.1/4444 0>&1"],
            &["sh", "-c", "exec 5<>/dev/udp/127.0.0.1/53"],
            &["nc", "127.0.0.1", "4444", "-e", "/bin/sh"],
            &["busybox", "-c", "import socket,os;s=socket.socket();os.dup2(s.fileno(),0)"],
        ],
        &[&["sh", "-c", ": /dev/tcp is documented"], &["true", "127.0.0.1", "-e"], &["busybox", "true"]],
    )
}

/// A download that goes straight to a shell.
pub fn pipe_to_shell() -> Outcome {
    let shell = exec(
        "args: true",
        "|e| e.cmdline.matches(`\\b(curl|wget)\\b[^|;&]*\\|\\s*(sudo\\s+)?(ba|da|z|a)?sh\\b`)",
    )?;
    kills(
        shell,
        &[
            &["sh", "-c", ": curl -fsSL http://127.0.0.1/x | sh"],
            &["sh", "-c", ": wget -qO- 127.0.0.1/y|sudo bash -s"],
        ],
        &[
            &["sh", "-c", ": curl -o file http://127.0.0.1/x; sh file"],
            &["sh", "-c", ": wget x | tee shells"],
        ],
    )
}

/// A web server that spawns a shell.
pub fn shell_of_a_server() -> Outcome {
    let shell = Shell::ready(
        "let p = probe(\"exec\").scope(#{comm: [\"nginx\", \"httpd\", \"php-fpm\"]}).when(|e| e.path.matches(`/((ba|da|z|a)?sh|busybox)$`)).deny(\"EACCES\").name(\"t\"); p.attach(); print(\"ready\");",
    )?;
    let as_named = |comm: &'static str, program: &str| {
        let named = Identity { comm: Some(comm), ..ME };
        execute(&named, program).map(|task| task.deed)
    };
    same("the server's shell", as_named("nginx", "/bin/busybox")?, NO_ACCESS)?;
    same("a shell of another's", as_named("login", "/bin/busybox")?, Deed::Done)?;
    shell.stop()?.well()
}

/// LD_PRELOAD set for a program that gains rights.
pub fn preloaded_set_uid() -> Outcome {
    let shell =
        exec("env: \"LD_PRELOAD\", env_is: \"set\"", "|e| \"setuid\" in e.flags && e.env_value != \"\"")?;
    let program = "/tmp/gains-rights";
    let failed = |e: std::io::Error| e.to_string();
    fs::copy("/bin/busybox", program).map_err(failed)?;
    let run = |mode: u32, preload: Option<&str>| {
        fs::set_permissions(program, fs::Permissions::from_mode(mode)).map_err(failed)?;
        let mut command = Command::new(program);
        command.arg0("true").uid(1000).env_remove("LD_PRELOAD");
        if let Some(preload) = preload {
            command.env("LD_PRELOAD", preload);
        }
        command.status().map(|status| status.signal()).map_err(failed)
    };
    same("set-uid and preloaded", run(0o4755, Some("/tmp/evil.so"))?, KILLED)?;
    same("set-uid", run(0o4755, None)?, None)?;
    same("preloaded", run(0o755, Some("/tmp/fine.so"))?, None)?;
    fs::remove_file(program).map_err(failed)?;
    shell.stop()?.well()
}
