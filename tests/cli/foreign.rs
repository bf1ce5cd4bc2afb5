//! Templates that are not built in.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use super::{PROGRAM, started};

/// The C file that docs/writing-a-template.md makes.
fn written() -> String {
    let page = fs::read_to_string("docs/writing-a-template.md").unwrap();
    let (_, behind) = page.split_once("```c\n").expect("a C file");
    behind.split_once("```").expect("its end").0.to_owned()
}

/// Compiles it into a directory; `None` where there is no compiler.
fn compiled(source: &str, directory: &Path) -> Option<()> {
    use std::io::Write;
    let object = directory.join("file_lock.bpf.o");
    let compiler = Command::new("clang-19")
        .args([
            "-target", "bpf", "-mcpu=v3", "-g", "-O2", "-Wall", "-Werror", "-I.", "-x", "c", "-c", "-", "-o",
        ])
        .arg(&object)
        .current_dir("ebpf-templates")
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut compiler) = compiler else {
        assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "there is no clang-19 here");
        eprintln!("skipped: there is no clang-19 here");
        return None;
    };
    compiler.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    assert!(compiler.wait().unwrap().success(), "it does not compile");
    assert!(Command::new("llvm-strip-19").arg("-g").arg(&object).status().unwrap().success());
    Some(())
}

/// Exit code, standard output and standard error.
fn with(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = started(PROGRAM).arg("--template-dir").arg(directory).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_the_documentation_writes_is_a_template() {
    let directory = tempfile::tempdir_in("/root").or_else(|_| tempfile::tempdir()).unwrap();
    if compiled(&written(), directory.path()).is_none() {
        return;
    }
    let (code, page, stderr) = with(directory.path(), &["templates", "file_lock"]);
    assert_eq!(code, Some(0), "{stderr}");
    for part in ["file_lock", "path_prefix", "read, write, unlock", "Leases", "/var/lib/dpkg/"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let filter =
        "probe(\"file_lock\").when(|e| e.kind == \"write\" && e.path.starts_with(\"/etc/\")).attach();";
    let (code, plan, stderr) = with(directory.path(), &["explain", "-e", filter]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(plan.contains("hooks file_lock"), "{plan}");
    let (code, _, stderr) = with(directory.path(), &["explain", "-e", "probe(\"file_lok\").attach();"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("file_lock"), "{stderr}");
}

#[test]
fn what_is_no_template_is_refused_with_the_reason() {
    let directory = tempfile::tempdir_in("/root").or_else(|_| tempfile::tempdir()).unwrap();
    let refused = |what: &str| {
        let (code, _, stderr) = with(directory.path(), &["templates"]);
        assert_eq!(code, Some(3), "{stderr}");
        assert!(stderr.contains(what), "{what}: {stderr}");
    };
    refused("named NAME.bpf.o");
    let object = directory.path().join("mine.bpf.o");
    fs::write(&object, b"nothing").unwrap();
    refused("template object `mine`: not an ELF object");
    // Another of a name that there is.
    fs::copy("ebpf-templates/objects/exec.bpf.o", &object).unwrap();
    refused("there is another template `exec`");
    if nix::unistd::geteuid().is_root() {
        fs::set_permissions(&object, fs::Permissions::from_mode(0o666)).unwrap();
        refused("can be written by");
    }
    let gone = directory.path().join("gone");
    let (code, _, stderr) = with(&gone, &["templates"]);
    assert_eq!(code, Some(3));
    assert!(stderr.contains("there is no directory"), "{stderr}");
}
