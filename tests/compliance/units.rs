//! The files of `examples/`: what systemd and cron make of them.

use super::*;

/// What a system has installed, in the place of which the tests have their own.
const INSTALLED: &str = "/usr/local/bin/krsi-sh";
const INSTALLED_LIBRARY: &str = "/usr/local/share/krsi-sh/compliance";
/// As `systemd-analyze security` counts exposure, in tenths: 100 is a service without any protection. Reading everything costs some.
const MOST_EXPOSED: &str = "30";

/// `None`, with the reason on standard error, where there is no systemd.
fn analyze(arguments: &[&str], units: &[PathBuf]) -> Option<(bool, String)> {
    let mut command = Command::new("systemd-analyze");
    match command.args(arguments).args(units).env("SYSTEMD_PAGER", "").output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) => {
            eprintln!("skipped: systemd-analyze: {error}");
            None
        }
    }
}

/// Copies of the units, which start this program.
fn units() -> (TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let text = fs::read_to_string(Path::new("examples").join(name)).unwrap();
        let place = directory.path().join(name);
        fs::write(&place, text.replace(INSTALLED, PROGRAM)).unwrap();
        place
    };
    let units = vec![copy("krsi-sh-check.service"), copy("krsi-sh-check.timer")];
    (directory, units)
}

#[test]
fn systemd_takes_the_units_without_a_remark() {
    let (_directory, units) = units();
    let Some((well, text)) = analyze(&["verify", "--man=no"], &units) else { return };
    // What it says of the system's own units is not about ours.
    let remarks: Vec<&str> = text.lines().filter(|line| line.contains("krsi-sh-check")).collect();
    assert!(remarks.is_empty(), "{}", remarks.join("\n"));
    assert!(well || !text.contains("krsi-sh"), "{text}");
}

#[test]
fn systemd_takes_the_service_for_a_hardened_one() {
    let (_directory, units) = units();
    let arguments = ["security", "--offline=yes", "--no-pager", "--threshold", MOST_EXPOSED];
    let Some((well, text)) = analyze(&arguments, &units[..1]) else { return };
    assert!(well, "{text}");
}

/// What is left out there has to be there, or the command is refused.
#[test]
fn the_service_s_command_runs_the_library() {
    let (library, own) = (Library::whole(), tempfile::tempdir().unwrap());
    let unit = fs::read_to_string("examples/krsi-sh-check.service").unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let line = line.replace(INSTALLED_LIBRARY, &library.0.path().display().to_string());
    let line = line.replace("/var/lib/krsi-sh", &own.path().display().to_string());
    let mut words = line.split(' ').map(|word| if word == INSTALLED { PROGRAM } else { word });
    let mut command = Command::new(words.next().unwrap());
    let output = command
        .args(words)
        .args(["--tag", "sysctl"])
        .env_clear()
        .env("RUNTIME_DIRECTORY", own.path())
        .env("STATE_DIRECTORY", own.path())
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 4)), "{output:?}");
    let ran = read(&own.path().join("report.ndjson"));
    assert!(ran.len() > 20, "{ran:?}");
    assert!(ran.iter().all(|check| check["id"] != "sysctl-bpf-jit"));
    assert!(own.path().join("report.html").exists());
}

/// As cron reads it: the facts have tests of how crontab(5) is read.
#[test]
fn the_line_for_cron_runs_the_library_as_root_each_night() {
    let system = System::empty();
    system.write("/etc/cron.d/krsi-sh", &fs::read_to_string("examples/cron").unwrap());
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("jobs.rhai");
    fs::write(&script, "check(\"jobs\", \"t\", || { for job in cron_jobs() { evidence(job); } true });")
        .unwrap();
    let found = run(&system, &[], &script);
    let jobs = found[0]["evidence"].as_array().unwrap();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!((text(&jobs[0], "user"), text(&jobs[0], "schedule")), ("root", "17 3 * * *"));
    // The command itself, with what is built here, and listing only.
    let library = Library::new();
    let own = tempfile::tempdir().unwrap();
    let line = text(&jobs[0], "command")
        .replace(INSTALLED_LIBRARY, &library.0.path().display().to_string())
        .replace(INSTALLED, PROGRAM)
        .replace("/var/log", &own.path().display().to_string());
    let output = Command::new("/bin/sh")
        .args(["-c", &format!("{line} --only sysctl-aslr")])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("RUNTIME_DIRECTORY", own.path())
        .env("STATE_DIRECTORY", own.path())
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 4)), "{output:?}");
    assert_eq!(read(&own.path().join("krsi-sh.ndjson")).len(), 1);
}
