//! The library of checks, `scripts/compliance/`: each passes on a made-up system that is as it should be, and fails for the stated
//! reason where one thing of it is broken. A check without a row in `table` fails here.
//!
//! Everything that the library reads, it reads below the root that it is given, /proc and /sys included, so nothing of it
//! depends on the machine that the tests run on; `machine` runs it on that one, too. Owners, devices and capabilities
//! of files need root: without it the tests are skipped, or fail with `KRSI_REQUIRE_HOST` set.

mod documents;
mod machine;
mod rpm;
mod system;
mod table;
mod units;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use self::{
    system::System,
    table::{ROWS, Row},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_krsi-sh");
const LIBRARY: &str = "scripts/compliance";
/// Of what fails, so many are shown, and then a count.
const SHOWN: usize = 20;

/// A copy of the library that root alone writes, whoever owns the sources.
struct Library(TempDir);

impl Library {
    /// What only reads: all but the checks that act.
    fn new() -> Self {
        Self::of_scripts(scripts().iter().filter(|script| !script.ends_with(ACTIVE)))
    }

    fn whole() -> Self {
        Self::of_scripts(scripts().iter())
    }

    fn of_scripts<'s>(scripts: impl Iterator<Item = &'s PathBuf>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for script in scripts {
            fs::copy(script, directory.path().join(script.file_name().unwrap())).unwrap();
        }
        Library(directory)
    }

    /// The script that has a check: its id begins with the script's name.
    fn of(&self, id: &str) -> PathBuf {
        let theme = id.split('-').next().unwrap();
        self.0.path().join(format!("{theme}.rhai"))
    }
}

/// Attempts things as another account, which no made-up system can show: the lab tries it both ways (`tests/lab/guest/active.rs`).
const ACTIVE: &str = "active.rhai";

fn scripts() -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(LIBRARY).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// False, with the reason on standard error, without root.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "needs root");
        eprintln!("skipped: only root makes files of others, devices and capabilities");
    }
    root
}

/// A run's command with a lock and a history of its own, and where its report goes.
fn command(arguments: &[&str], scripts: &Path, own: &Path) -> (Command, PathBuf) {
    let report = own.join("report.ndjson");
    let mut command = Command::new(PROGRAM);
    command
        .args(["check", "--output"])
        .arg(format!("ndjson:{}", report.display()))
        .args(arguments)
        .arg(scripts);
    command.env("RUNTIME_DIRECTORY", own).env("STATE_DIRECTORY", own);
    (command, report)
}

fn read(report: &Path) -> Vec<Value> {
    let text = fs::read_to_string(report).unwrap_or_default();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["type"] == "check").collect()
}

/// Runs checks on a made-up system.
fn run(system: &System, arguments: &[&str], scripts: &Path) -> Vec<Value> {
    let own = tempfile::tempdir().unwrap();
    let (mut command, report) = command(arguments, scripts, own.path());
    let output = command.arg("--root").arg(system.path()).output().unwrap();
    let found = read(&report);
    assert!(!found.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    found
}

fn text<'v>(check: &'v Value, name: &str) -> &'v str {
    check[name].as_str().unwrap_or_default()
}

#[test]
fn every_check_has_a_row_and_passes_on_the_good_system() {
    if !is_root() {
        return;
    }
    let library = Library::new();
    let found = run(&System::good(), &[], library.0.path());
    let ids: BTreeSet<&str> = found.iter().map(|check| text(check, "id")).collect();
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.0).collect();
    assert_eq!(ids, rows, "each check of the library has a row of the table, and no row is without one");
    assert_eq!(rows.len(), ROWS.len(), "a row is there twice");
    let bad: Vec<String> = found
        .iter()
        .filter(|check| check["result"] != "pass")
        .map(|c| format!("{}: {} {} {} {}", c["id"], c["result"], c["reason"], c["found"], c["evidence"]))
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn each_check_fails_for_its_reason_where_that_is_broken() {
    if !is_root() {
        return;
    }
    let library = Library::new();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let bad = std::sync::Mutex::new(Vec::new());
    // What a run waits for is mostly the start of processes.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(row) = ROWS.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    bad.lock().unwrap().extend(broken(&library, row));
                }
            });
        }
    });
    let bad = bad.into_inner().unwrap();
    assert!(bad.is_empty(), "{} of {}:\n{}", bad.len(), ROWS.len(), bad.join("\n"));
}

/// What is wrong about how a check fails.
fn broken(library: &Library, Row(id, breaks, reason, shows): &Row) -> Option<String> {
    let system = System::good();
    breaks(&system);
    let found = run(&system, &["--only", id], &library.of(id));
    let check = &found[0];
    let told = format!("{} {} {}", check["expected"], check["found"], check["evidence"]);
    let fits = found.len() == 1
        && check["result"] == "fail"
        && text(check, "reason").starts_with(reason)
        && !reason.is_empty()
        && told.contains(shows);
    (!fits).then(|| format!("{id}: {} {} {told}", check["result"], check["reason"]))
}

#[test]
fn what_does_not_apply_is_skipped_with_its_reason() {
    if !is_root() {
        return;
    }
    let library = Library::new();
    let cases: &[(&str, &str, &[&str], &str)] = &[
        ("/etc/ssh/sshd_config", "ssh", &["ssh-host-keys"], "there is no ssh server"),
        ("/etc/sudoers", "sudo", &[], "sudo is not installed"),
        (
            "/etc/audit/auditd.conf",
            "audit",
            &["audit-installed", "audit-syslog", "audit-integrity"],
            "auditd is not installed",
        ),
        ("/etc/pam.d", "pam", &["pam-su"], "PAM is not installed"),
        ("/var/lib/dpkg/status", "updates", &[], "this is no system of apt's"),
        (
            "/etc/login.defs",
            "passwords",
            &[
                "passwords-hashed",
                "passwords-max-days-users",
                "passwords-inactive",
                "passwords-changed",
                "passwords-root",
            ],
            "there is no /etc/login.defs",
        ),
    ];
    for (path, theme, others, reason) in cases {
        let system = System::good();
        system.remove(path);
        for check in run(&system, &[], &library.0.path().join(format!("{theme}.rhai"))) {
            let id = text(&check, "id");
            if !others.contains(&id) {
                assert_eq!(check["result"], "skip", "{check}");
                assert!(text(&check, "reason").starts_with(reason), "{check}");
            }
        }
    }
}

/// Where nothing can be read, nothing holds: but for what is asked to be absent.
#[test]
fn nothing_passes_by_accident_where_there_is_nothing() {
    if !is_root() {
        return;
    }
    let library = Library::new();
    let found = run(&System::empty(), &[], library.0.path());
    let passed: Vec<&str> = found.iter().filter(|c| c["result"] == "pass").map(|c| text(c, "id")).collect();
    assert_eq!(passed, ["files-preload"]);
    for check in found.iter().filter(|check| check["result"] != "pass") {
        assert!(!text(check, "reason").is_empty(), "{check}");
    }
}

#[test]
fn evidence_is_bounded() {
    if !is_root() {
        return;
    }
    let library = Library::new();
    let system = System::good();
    for number in 0..50 {
        system.file(&format!("/home/alice/{number}"), 0o4755, "");
    }
    let found = run(&system, &["--only", "privilege-setuid"], &library.of("privilege-setuid"));
    let evidence = found[0]["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), SHOWN + 1, "{evidence:?}");
    assert_eq!(evidence[SHOWN], "and 30 more");
    assert_eq!(found[0]["found"], 50);
}

#[test]
fn each_check_says_what_it_is_for() {
    if !is_root() {
        return;
    }
    let library = Library::new();
    let checks = run(&System::good(), &[], library.0.path());
    for check in &checks {
        let id = text(check, "id");
        assert!(matches!(check["level"].as_u64(), Some(1 | 2)), "{id}");
        for name in ["about", "why", "remedy"] {
            let said = text(check, name);
            assert!(said.len() > 4, "{id}: {name}");
            // Sentences end; what is to be pasted does not.
            assert!(name == "remedy" || said.ends_with('.'), "{id}: {said}");
        }
        for name in ["refs", "tags"] {
            assert!(!check[name].as_array().unwrap().is_empty(), "{id}: {name}");
        }
        let theme = id.split('-').next().unwrap();
        assert!(text(check, "script").ends_with(&format!("/{theme}.rhai")), "{id}");
        assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{id}");
    }
}

#[test]
fn a_root_that_is_no_directory_is_refused() {
    for root in ["/no/such", "/etc/passwd"] {
        let output = Command::new(PROGRAM).args(["check", "--root", root, LIBRARY]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("--root"), "{stderr}");
    }
}
