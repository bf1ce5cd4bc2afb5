//! Facts as scripts have them: on this system, and in made-up roots.

use std::{fs, path::Path};

use crate::{
    backend::DryRun,
    facts::Root,
    report::Format,
    script::{Options, Session, Source, testing::Written},
    template::Catalogue,
};

/// Runs a script on a root: its exit code, and what it wrote.
fn run(root: &Path, code: &str) -> (i32, String) {
    let written = Written::default();
    let options = Options { root: Root::new(root), format: Format::Text, ..Options::default() };
    let source = Source { name: "-e".into(), text: code.into() };
    let catalogue = Catalogue::builtin().unwrap();
    let code =
        Session::new(catalogue, options, Box::new(DryRun), Box::new(written.clone())).run(&source).code;
    (code, written.0.lock().unwrap().join("\n"))
}

fn here(code: &str) -> String {
    let (ended, said) = run(Path::new("/"), code);
    assert_eq!(ended, 0, "{code}: {said}");
    said
}

fn refused(code: &str) -> String {
    let (ended, said) = run(Path::new("/"), code);
    assert_ne!(ended, 0, "{code}: {said}");
    said
}

#[test]
fn the_natural_way_to_write_it_works() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(here("print(sys.kernel.release)"), release.trim());
    assert_eq!(
        here("print(sys.kernel.major >= 5 && sys.hostname == hostname() && sys.root == \"/\")"),
        "true"
    );
    assert_eq!(
        here("print(type_of(sysctl(\"kernel.randomize_va_space\")) + type_of(sysctl(\"kernel.ostype\")))"),
        "i64string"
    );
    assert_eq!(here("print(sysctl(\"kernel.no_such_thing\", ()) == () && sysctl(\"a.b\", 7) == 7)"), "true");
    assert_eq!(here("print(mounts().find(|m| m.target == \"/proc\").fstype)"), "proc");
    assert_eq!(here("print(processes().find(|p| p.pid == getpid()).ppid > 0)"), "true");
    assert_eq!(here("print(users().find(|u| u.uid == 0).name)"), "root");
    assert_eq!(
        here(
            "let f = file(\"/etc/passwd\"); print((f.mode & 0o022) == 0 && f.owner == \"root\" && f.kind == \"file\" && !f.setuid)"
        ),
        "true"
    );
    assert_eq!(here("print(file(\"/no/such/file\") == ())"), "true");
    assert_eq!(here("print(bpf_programs())"), "[]");
    assert_eq!(
        here(
            "fn release(s) { s.kernel.release } let f = || sys.hostname; print(release(sys) != \"\" && f.call() != \"\")"
        ),
        "true"
    );
    assert_eq!(here("print(file(\"/etc/passwd\"))").matches("\"path\":\"/etc/passwd\"").count(), 1);
}

#[test]
fn files_are_gone_through_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..1000 {
        fs::write(directory.path().join(format!("{number}.txt")), "").unwrap();
    }
    fs::create_dir(directory.path().join("sub")).unwrap();
    fs::write(directory.path().join("sub/a.conf"), "a\nb\n").unwrap();
    let run = |code: &str| {
        let (ended, said) = run(directory.path(), code);
        assert_eq!(ended, 0, "{code}: {said}");
        said
    };
    assert_eq!(
        run("let n = 0; for f in files(\"/**\") { if f.kind == \"file\" { n += 1; } } print(n)"),
        "1001"
    );
    assert_eq!(run("print(files(\"/*.txt\").count())"), "1000");
    assert_eq!(run("let all = files(\"/**\"); print(all.count() + all.count())"), "2004");
    assert_eq!(run("print(files(\"/**\").filter(|f| f.name == \"a.conf\")[0].path)"), "/sub/a.conf");
    assert_eq!(run("print(files(\"/**/*.conf\").map(|f| f.size))"), "[4]");
    assert_eq!(run("print(files(\"/**\").find(|f| f.size == 7) == ())"), "true");
    assert_eq!(
        run("print([files(\"/*.txt\").any(|f| f.size > 0), files(\"/*.txt\").all(|f| f.size == 0)])"),
        "[false, true]"
    );
    assert_eq!(run("for f in files(\"/**\") { break } print(files(\"/s*\"))"), "files(\"/s*\")");
    assert_eq!(run("print(read_lines(\"/sub/a.conf\"))"), "[\"a\", \"b\"]");
    assert_eq!(
        run("print(files(\"/**\", #{ one_file_system: true, unreadable: \"skip\" }).count())"),
        "1002"
    );
    assert_eq!(
        run("print(file(\"/sub/a.conf\").sha256)"),
        "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"
    );
}

#[test]
fn what_is_wrong_is_said_with_what_is_allowed() {
    for (code, words) in [
        ("sysctl(\"net.ipv4.ip_foward\")", "did you mean `net.ipv4.ip_forward`"),
        ("sysctl(\"../x\")", "cannot be the name of a setting"),
        ("files(\"etc\")", "does not begin with `/`"),
        ("files(\"/a\", #{ unredable: \"skip\" })", "did you mean `unreadable`"),
        ("files(\"/a\", #{ unreadable: 7 })", "allowed: \"error\", \"skip\""),
        ("file(\"passwd\")", "allowed: one that begins with `/`"),
        ("files(\"/etc/*\").filter(|f| f.name)", "needs true or false"),
        ("package_of(\"sh\")", "not a whole path"),
        ("print(mounts()[0].targt)", "targt"),
        ("print(file(\"/etc/passwd\").siz)", "siz"),
    ] {
        let said = refused(code);
        assert!(said.contains(words), "{code}: {said}");
    }
}

#[test]
fn what_is_caught_is_an_error_like_others_and_a_made_up_root_has_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let code = "let said = []; for f in [|| mounts(), || processes(), || sockets(), || users(), || shadow(), || packages(), || services(), || sysctl(\"a.b\"), || kconfig(\"A\")] { try { f.call(); said.push(\"none\"); } catch (e) { said.push(e.to_string().len() > 10); } } print(said)";
    let (ended, said) = run(directory.path(), code);
    assert_eq!((ended, &*said), (0, "[true, true, true, true, true, true, true, true, true]"));
}

/// Every fact can be printed, emitted and told as JSON; nothing of it is a hash of a password.
#[test]
fn every_fact_can_be_written() {
    for fact in crate::facts::FACTS {
        let name = fact.name;
        let said = here(&format!(
            "try {{ let v = {name}(); print(#{{ v: v }}.to_json().len() > 0) }} catch (e) {{ print(true) }}"
        ));
        assert_eq!(said, "true", "{name}");
        let help = here(&format!("help(\"{name}\")"));
        assert!(fact.fields.iter().all(|field| help.contains(field.name)), "{help}");
    }
    let help = here("help(\"File\"); help(\"sys\"); help(\"sys.lsm\")");
    assert!(help.contains("world_writable: bool") && help.contains("security modules"), "{help}");
}
