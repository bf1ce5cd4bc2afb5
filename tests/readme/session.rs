//! A session at the prompt of the lab: somebody makes a probe, sees what it sees, lets it refuse, and leaves.

use crate::{block, terminal::*};

const PROBE: &str =
    "let p = probe(\"exec\").scope(#{ pid: getpid() }).when(|e| e.path.starts_with(\"/tmp/\")).attach();";
const RUN: &str = "let date = run([\"/tmp/date\", \"-u\"]);";

#[test]
fn the_session_in_the_readme_is_what_the_prompt_shows() {
    if !lab() {
        return;
    }
    let home = home();
    let arguments = ["lab", "--kernel", KERNEL];
    let setup = Setup { columns: 132, rows: 100, arguments: &arguments, no_color: true, ..Setup::new(&home) };
    let mut terminal = setup.prompted();
    // What each comes to, and the prompt that is below it then.
    let inputs = [
        (PROBE, "attached exec-1", "krsi[1]>"),
        ("run([\"cp\", \"/bin/date\", \"/tmp/date\"]).code", "0", "krsi[1]>"),
        (RUN, " exec-1 krsi-sh[", "krsi[1]>"),
        ("date.code", "0", "krsi[1]>"),
        ("p.deny(\"EPERM\").lease(\"10m\")", "exec-1: ", "krsi[1! 9m]>"),
        (RUN, " exec-1 deny(EPERM) ", "krsi[1! 9m]>"),
        ("date.errno", "\"EPERM\"", "krsi[1! 9m]>"),
        (":stats", "accounting", "krsi[1! 9m]>"),
        ("p.detach()", "exec-1: ", "krsi>"),
    ];
    for (line, comes, prompt) in inputs {
        let before = terminal.rows().len();
        terminal.keys(&format!("{line}{ENTER}"));
        terminal.wait(&format!("what comes of `{line}`"), |rows| {
            rows.len() > before
                && rows[before..].iter().any(|row| row.contains(comes))
                && rows.last().is_some_and(|last| last == prompt)
        });
    }
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ended().code(), Some(0));
    let shown = terminal.last_rows();
    block::is("session", "krsi-sh lab", shown.iter().map(String::as_str));
}
