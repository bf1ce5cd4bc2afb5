//! What scripts import from other files.

use super::*;

const HELPERS: &str = "/// Twice it.\nfn twice(x) { add(x, x) }\nprivate fn add(a, b) { a + b }\nconst BASE = 5;\nexport const LIMITS = #{ most: 3 * BASE };\nfn base() { BASE }\nfn fails(x) {\n    [1].map(|y| y / x)\n}\n";

fn with_helpers(script: &str) -> Directory {
    let directory = Directory::with("a.rhai", script);
    directory.write("helpers.rhai", HELPERS);
    directory
}

#[test]
fn functions_and_constants_of_a_file_beside_are_used_everywhere() {
    let script = "import \"./helpers\" as h;\nimport \"lib/net\" as net;\nfn own(x) { h::twice(x) + h::LIMITS.most }\n\
        print(own(4)); print([1, 2].map(|x| h::twice(x))); print(`${h::base()} ${net::is_private(\"10.1.2.3\")}`);\n\
        after(\"1ms\", || print(h::twice(21)));";
    with_helpers(script).run(&["a.rhai"]).says("23\n[2, 4]\n5 true\n42");
}

#[test]
fn an_error_in_an_imported_file_is_shown_there() {
    let ran = with_helpers("import \"./helpers\" as h;\nh::fails(0);").run(&["a.rhai"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("[./helpers.rhai:8:19]") && ran.stderr.contains("y / x"), "{}", ran.stderr);
    let directory = with_helpers("import \"./helpers\" as h;");
    directory.write("helpers.rhai", "fn f() {\n  let x = ;\n}");
    let ran = directory.run(&["a.rhai"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("[./helpers.rhai:2:11]"), "{}", ran.stderr);
}

#[test]
fn what_is_imported_only_defines() {
    for (text, said) in [
        ("print(1);", "this is a statement"),
        ("let a = 1;", "this is a variable"),
        ("const P = probe(\"exec\").attach();", "this has an effect on the system"),
        ("const R = run([\"/bin/true\"]);", "this has an effect on the system"),
        ("export const P = probe(\"exec\");", "which a constant of an imported file cannot be"),
        ("fn \"int\".double() { this * 2 }", "a method of a type"),
    ] {
        let directory = with_helpers("import \"./helpers\" as h; print(\"runs\");");
        directory.write("helpers.rhai", text);
        let ran = directory.run(&["a.rhai"]);
        assert!(ran.code == Some(1) && ran.stderr.contains(said), "{text}: {}", ran.stderr);
        assert!(!ran.stdout.contains("runs"), "{text}");
    }
}

#[test]
fn files_that_import_each_other_are_shown_as_a_circle_and_each_is_read_once() {
    let directory =
        Directory::with("a.rhai", "import \"./b\" as b; import \"./c\" as c; print(b::one() + c::two());");
    directory.write("b.rhai", "import \"./d\" as d; fn one() { d::ONE }");
    directory.write("c.rhai", "import \"./d\" as e; fn two() { e::ONE * 2 }");
    directory.write("d.rhai", "export const ONE = 1;");
    directory.run(&["a.rhai"]).says("3");
    directory.write("d.rhai", "import \"./b\" as b; export const ONE = 1;");
    let ran = directory.run(&["a.rhai"]);
    assert!(ran.stderr.contains("these files import each other: b \u{2192} d \u{2192} b"), "{}", ran.stderr);
    for number in 0..20 {
        directory.write(
            &format!("n{number}.rhai"),
            format!("import \"./n{}\" as n; fn f() {{ n::f() }}", number + 1),
        );
    }
    directory.write("a.rhai", "import \"./n0\" as n;");
    let ran = directory.run(&["a.rhai"]);
    assert!(ran.stderr.contains("more than 16 deep"), "{}", ran.stderr);
}

#[test]
fn nothing_is_imported_from_elsewhere() {
    let directory = with_helpers("import \"./link\" as h;");
    symlink("/etc/passwd", directory.path("link.rhai")).unwrap();
    let ran = directory.run(&["a.rhai"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("leads to /etc/passwd"), "{}", ran.stderr);
    if geteuid().is_root() {
        let directory = with_helpers("import \"./helpers\" as h;");
        directory.mode("helpers.rhai", 0o666);
        let ran = directory.run(&["a.rhai"]);
        assert!(ran.code == Some(1) && ran.stderr.contains("can be written by every user"), "{}", ran.stderr);
        directory.mode("helpers.rhai", 0o644);
        chown(directory.path("helpers.rhai"), Some(1234), None).unwrap();
        let ran = directory.run(&["a.rhai"]);
        assert!(ran.code == Some(1) && ran.stderr.contains("belongs to user id 1234"), "{}", ran.stderr);
    }
}

#[test]
fn the_users_directory_goes_before_the_program() {
    let directory = Directory::with("a.rhai", "import \"lib/net\" as net; print(net::mine());");
    fs::create_dir(directory.path("own")).unwrap();
    fs::create_dir(directory.path("own/lib")).unwrap();
    directory.write("own/lib/net.rhai", "fn mine() { \"mine\" }");
    let own = directory.path("own").display().to_string();
    directory.run_with(&["a.rhai"], &[("KRSI_SH_SCRIPTS", &*own)], "").says("mine");
    let ran = directory.run(&["a.rhai"]);
    assert!(ran.stderr.contains("lib/net has no `mine`"), "{}", ran.stderr);
}

#[test]
fn code_checks_explanations_and_standard_input_import_as_well() {
    let directory = with_helpers(
        "import \"./helpers\" as h;\ncheck(\"a.b\", \"twice\", || expect(h::twice(2), equals(4)));",
    );
    let ran = directory.run(&["check", "a.rhai"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    directory.run(&["-e", "import \"./helpers\" as h; print(h::twice(2))"]).says("4");
    directory.run_with(&["-"], &[], "import \"./helpers\" as h; print(h::twice(2))").says("4");
    let code = "import \"lib/net\" as net; probe(\"connect\").scope(#{ uid: 1 }).when(|e| net::is_public(e.address) && e.port in net::WEB_PORTS).attach();";
    let ran = directory.run(&["explain", "-e", code]);
    assert!(ran.code == Some(0) && ran.stdout.contains("192.168.0.0/16"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn what_is_imported_is_described_and_not_run() {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    let told = |words: &[&str]| Directory::new().run_with(words, &[("KRSI_SH_SCRIPTS", scripts)], "");
    let ran = told(&["scripts", "lib/net"]);
    assert!(ran.stdout.contains("net::is_private(address)"), "{}{}", ran.stdout, ran.stderr);
    let ran = told(&["scripts", "--tag", "D3-PS"]);
    assert!(ran.stdout.starts_with("reactions/freeze-tree"), "{}{}", ran.stdout, ran.stderr);
    let ran = told(&["run", "lib/net"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("import \"lib/net\" as net;"), "{}", ran.stderr);
}
