//! docs/compliance.md: its table is that of the library, and its example is run.

use super::*;

const DOCUMENT: &str = "docs/compliance.md";
const RENEW: &str = "KRSI_BLESS=1 cargo test --test compliance -- the_table";
const BEGIN: &str = "<!-- checks -->\n";
const END: &str = "<!-- /checks -->";

/// Each check of the library as a line of the table.
fn table() -> String {
    let library = Library::whole();
    let output = Command::new(PROGRAM).args(["check", "--list"]).arg(library.0.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut text = String::from("| check | what holds | level | severity |\n|---|---|---|---|\n");
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        // An id, a level and a severity have no spaces in them.
        let mut words = line.split_whitespace();
        let (id, level, severity) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let title = words.collect::<Vec<_>>().join(" ");
        text.push_str(&format!("| `{id}` | {title} | {level} | {severity} |\n"));
    }
    text
}

#[test]
fn the_table_is_that_of_the_library() {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let fresh = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("KRSI_BLESS").is_some_and(|word| !word.is_empty()) {
        fs::write(DOCUMENT, &fresh).unwrap();
    }
    assert!(fs::read_to_string(DOCUMENT).unwrap() == fresh, "{DOCUMENT} is stale; renew it with: {RENEW}");
}

#[test]
fn the_example_does_what_is_said_of_it() {
    if !is_root() {
        return;
    }
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let (_, rest) = document.split_once("```rust\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("hosts.rhai");
    fs::write(&script, example).unwrap();
    let came_to = |mode: Option<u32>| {
        let system = System::empty();
        if let Some(mode) = mode {
            system.file("/etc/hosts", mode, "127.0.0.1 localhost\n");
        }
        let found = run(&system, &[], &script);
        (text(&found[0], "result").to_owned(), text(&found[0], "reason").to_owned())
    };
    assert_eq!(came_to(Some(0o644)).0, "pass");
    assert_eq!(came_to(Some(0o666)), ("fail".to_owned(), "others write /etc/hosts".to_owned()));
    assert_eq!(came_to(None), ("skip".to_owned(), "there is no /etc/hosts".to_owned()));
}
