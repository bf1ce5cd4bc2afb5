//! A session at the prompt of the lab in which programs are started behind its back: somebody lets one execution go on, and refuses another.

use std::time::Duration;

use crate::{block, terminal::*};

const PROBE: &str = "let p = probe(\"exec\", #{ path: \"/tmp/date\" }).scope(#{ uid: 0 }).ask().attach();";
const CRON: &str =
    "run([\"/bin/busybox\", \"ash\", \"-c\", \"(sleep 1; exec /tmp/date -u >/tmp/date.txt) &\"]).code";
const QUESTION: &str = "a allow, s allow in this session";
/// For so long after a question is shown a key is taken for what was being typed.
const SURPRISE: Duration = Duration::from_millis(1500);

#[test]
fn the_session_with_a_question_is_what_the_prompt_shows() {
    if !lab() {
        return;
    }
    let home = home();
    let arguments = ["lab", "--kernel", KERNEL];
    let setup = Setup { columns: 160, rows: 100, arguments: &arguments, no_color: true, ..Setup::new(&home) };
    let mut terminal = setup.prompted();
    // What is typed, the key that answers what comes of it, and a part of what is shown then.
    let inputs = [
        ("run([\"cp\", \"/bin/date\", \"/tmp/date\"]).code", None, "0"),
        (PROBE, None, "attached exec-1"),
        (CRON, Some("a"), " exec-1 allow busybox["),
        ("sleep(\"1s\"); read_lines(\"/tmp/date.txt\").len()", None, "1"),
        (CRON, Some("d"), " exec-1 deny(EPERM) busybox["),
        ("sleep(\"1s\"); read_lines(\"/tmp/date.txt\").len()", None, "0"),
        ("p.detach()", None, "exec-1: "),
    ];
    for (line, key, comes) in inputs {
        let before = terminal.rows().len();
        terminal.keys(&format!("{line}{ENTER}"));
        if let Some(key) = key {
            terminal.wait("a question", |rows| rows[before..].iter().any(|row| row.contains(QUESTION)));
            std::thread::sleep(SURPRISE);
            terminal.keys(key);
        }
        terminal.wait(&format!("what comes of `{line}`"), |rows| {
            rows.len() > before
                && rows[before..].iter().any(|row| row.contains(comes))
                && rows.last().is_some_and(|last| last.starts_with("krsi") && last.ends_with('>'))
        });
    }
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ended().code(), Some(0));
    let shown = terminal.last_rows();
    block::is("asked", "krsi-sh lab", shown.iter().map(String::as_str));
}
