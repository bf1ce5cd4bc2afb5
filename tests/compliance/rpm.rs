//! Packages of rpm's, as a real rpm has them: built, installed below a root of the test's own, and changed there.

use std::process::Stdio;

use super::*;

const SPEC: &str = "Name: thing\nVersion: 1.2\nRelease: 3\nSummary: A thing of tests\nLicense: MIT\nBuildArch: noarch\n\
    %description\nA thing.\n%install\nmkdir -p %{buildroot}/opt/thing\necho content > %{buildroot}/opt/thing/file\n\
    echo setting > %{buildroot}/opt/thing/setting\n%files\n/opt/thing/file\n%config /opt/thing/setting\n";

const SCRIPT: &str = r#"check("rpm", "what rpm knows", || {
    let names = [];
    for one in packages() { names.push(`${one.name} ${one.version} ${one.manager}`); }
    evidence(names);
    evidence(package_of("/opt/thing/file"));
    let changed = [];
    for one in verify("thing") { changed.push(`${one.path} ${one.what} ${one.config}`); }
    changed.sort();
    evidence(changed);
    expect(package_of("/opt/other"), equals(()));
});"#;

/// Runs it as the program does: with nothing in its environment but where programs are.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    match command.output() {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {told}");
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Err(error) if std::env::var_os("KRSI_REQUIRE_REPORTS").is_none() => {
            eprintln!("skipped: {program}: {error}");
            None
        }
        Err(error) => panic!("{program}: {error}; `scripts/setup reports` installs it"),
    }
}

#[test]
fn packages_their_files_and_what_has_changed_are_told() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    fs::write(at("thing.spec"), SPEC).unwrap();
    let top = format!("_topdir {}", at("top"));
    if run("rpmbuild", &["-bb", "--define", &top, &at("thing.spec")]).is_none() {
        return;
    }
    let root = at("root");
    // Where the program looks for a database; Debian's rpm has its own elsewhere.
    for place in ["opt", "var/lib/rpm"] {
        fs::create_dir_all(format!("{root}/{place}")).unwrap();
    }
    let database = run("rpm", &["--eval", "%_dbpath"]).unwrap();
    fs::create_dir_all(format!("{root}{database}")).unwrap();
    run("rpm", &["--root", &root, "--initdb"]);
    let package = at("top/RPMS/noarch/thing-1.2-3.noarch.rpm");
    // Where rpm is not the system's own manager it asks to be told so.
    let is_debian = Path::new("/etc/debian_version").exists();
    let forced: &[&str] = if is_debian { &["--force-debian"] } else { &[] };
    run("rpm", &[&["--root", &root, "-i", "--nodeps"], forced, &[package.as_str()]].concat());
    fs::write(format!("{root}/opt/thing/file"), "other content").unwrap();
    fs::write(format!("{root}/opt/thing/setting"), "other setting").unwrap();
    fs::write(at("rpm.rhai"), SCRIPT).unwrap();

    let output = Command::new(PROGRAM)
        .args(["check", "--format", "json", "--root", &root, &at("rpm.rhai")])
        .env("RUNTIME_DIRECTORY", at("run"))
        .env("STATE_DIRECTORY", at("state"))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let [check] = report["results"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!(check["result"], "pass", "{check}");
    assert_eq!(
        check["evidence"],
        serde_json::json!([
            ["thing 1.2-3 rpm"],
            "thing",
            ["/opt/thing/file changed false", "/opt/thing/setting changed true"]
        ]),
        "{check}"
    );
}
