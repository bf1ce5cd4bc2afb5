//! With a real kernel that enforces: the prompt of `krsi-sh lab`.

use crate::terminal::*;

#[test]
fn what_is_attached_is_in_the_prompt_and_enforcement_is_not_left_by_mistake() {
    if !lab() {
        return;
    }
    let home = home();
    let mut terminal = Setup { arguments: &["lab", "--kernel", KERNEL], ..Setup::new(&home) }.prompted();
    terminal.keys("let p = probe(\"exec\").scope(#{ pid: getpid() }).attach();\r");
    terminal.last_row("krsi[1]>");
    terminal.row_with("attached exec-1");

    terminal.keys("let t = every(\"300ms\", || { run([\"true\"]); });\rlet ab");
    terminal.wait("an event above the line", |rows| {
        let event = rows.iter().any(|row| row.contains("exec-1") && row.contains("busybox"));
        event && rows.last().is_some_and(|last| last == "krsi[1]> let ab")
    });
    terminal.keys(CTRL_C);
    terminal.last_row("krsi[1]>");
    terminal.keys("t.cancel(); p.deny(\"EPERM\").lease(\"5m\");\r");
    terminal.last_row("krsi[1! 4m]>");
    terminal.enter("run([\"true\"]).errno", "\"EPERM\"");
    terminal.keys(":top\r");
    terminal
        .wait("what is enforced, live", |rows| rows.iter().any(|row| row.starts_with("exec-1  deny(EPERM)")));
    terminal.keys("q");
    terminal.last_row("krsi[1! 4m]>");

    // A lease runs out while somebody types: it is said, and the prompt goes with it.
    terminal.keys("p.lease(\"3s\");\rlet ab");
    terminal.row_with("the lease of probe `exec-1` ran out: deny(EPERM) is no longer enforced");
    terminal.wait("the prompt after it", |rows| {
        rows.last().is_some_and(|last| last.starts_with("krsi[1 off") && last.ends_with("]> let ab"))
    });
    terminal.keys(CTRL_C);
    terminal.last_row("krsi[1 off]>");
    terminal.keys(":probes\r");
    terminal.row_with("deny(EPERM) lapsed");
    terminal.keys("p.lease(\"5m\");\r");
    terminal.last_row("krsi[1! 4m]>");

    terminal.keys(CTRL_D);
    terminal.row_with("leaving detaches:");
    terminal.last_row("something is still enforced; quit anyway? [y/N]");
    terminal.keys("n\r");
    terminal.last_row("krsi[1! 4m]>");
    terminal.keys(CTRL_D);
    terminal.last_row("something is still enforced; quit anyway? [y/N]");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ended().code(), Some(0));
    terminal.row_with("accounting");
}

#[test]
fn books_filters_and_the_panic_are_a_command_away() {
    if !lab() {
        return;
    }
    let home = home();
    let mut terminal = Setup { arguments: &["lab", "--kernel", KERNEL], ..Setup::new(&home) }.prompted();
    for name in ["one", "two"] {
        let scope = "scope(#{ pid: getpid() })";
        terminal.keys(&format!("probe(\"exec\").name(\"{name}\").{scope}.when(|e| e.uid == 0).attach();\r"));
        terminal.row_with(&format!("attached {name}"));
    }
    terminal.last_row("krsi[2]>");
    terminal.keys(":events two\r");
    terminal.row("the events of two are shown, and no other probe's");
    // Two of each: what is not shown is counted all the same.
    terminal.keys("run([\"true\"]); run([\"true\"]);\r");
    terminal.wait("the events of one of them", |rows| {
        rows.iter().filter(|row| row.contains(" two ") && row.contains("] uid=")).count() == 2
            && rows.last().is_some_and(|last| last == "krsi[2]>")
    });
    terminal.keys(":events on\r");
    terminal.row("events are shown; 2 lines were not");
    assert!(
        !terminal.rows().iter().any(|row| row.contains(" one ") && row.contains("] uid=")),
        "{:?}",
        terminal.rows()
    );
    terminal.keys(":stats one\r");
    // Matched, allow, events, lost, books; the kernel may have started a helper of its own, out of scope.
    terminal.wait("its books", |rows| {
        rows.iter().any(|row| {
            let cells: Vec<_> = row.split_whitespace().collect();
            cells.starts_with(&["one", "observe"]) && cells.ends_with(&["2", "2", "2", "0", "ok"])
        })
    });
    terminal.keys(":explain two\r");
    terminal.row_with("in the kernel, when (uid == 0)");
    terminal.last_row("krsi[2]>");
    // Who watches opens nothing, and so does not count itself. (A line that begins with a space is not written into the
    // history, which would be opened.)
    terminal.keys("let opens = probe(\"file_open\").scope(#{ pid: getpid() }).count().attach();\r");
    terminal.last_row("krsi[3]>");
    terminal.keys(" let before = opens.stats().matched;\r");
    terminal.last_row("krsi[3]>");
    terminal.keys(" :top\r");
    terminal.wait("its rate, which takes two looks", |rows| {
        rows.iter().any(|row| {
            let cells: Vec<_> = row.split_whitespace().collect();
            cells.starts_with(&["file_open-3", "observe"]) && cells.get(3) == Some(&"0")
        })
    });
    terminal.keys("q");
    terminal.last_row("krsi[3]>");
    terminal.enter(" opens.stats().matched - before", "0");
    terminal.enter(":detach one", "detached one");
    terminal.last_row("krsi[2]>");
    terminal.keys(":panic\r");
    terminal.row("detached two");
    terminal.last_row("krsi>");
}

#[test]
fn what_works_at_the_prompt_works_there_too() {
    if !lab() {
        return;
    }
    let home = home();
    let arguments = ["lab", "--kernel", KERNEL];
    let mut terminal = Setup { rows: 40, arguments: &arguments, ..Setup::new(&home) }.prompted();
    // Completion, of a template and of a field; and what it shows of several.
    terminal.keys(&format!("probe(\"exe{TAB}"));
    terminal.last_row("krsi> probe(\"exec");
    terminal.keys(&format!("\").on_event(|e| e.ppi{TAB}"));
    terminal.wait("the field", |rows| rows.iter().any(|row| row.ends_with("e.ppid")));
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
    terminal.keys(&format!(":t{TAB}"));
    terminal.row_with("evaluate, and say how long it took");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
    // Several lines, one given up, and a pasted block.
    terminal.keys("(20 +\r");
    terminal.last_row("....>");
    terminal.enter("22)", "42");
    terminal.enter_with("let broken = (1 +\r\r", "×");
    terminal.last_row("krsi>");
    terminal.keys("\x1b[200~fn thrice(x) {\n    x * 3\n}\n\nthrice(15)\x1b[201~");
    terminal.last_row("thrice(15)");
    terminal.enter("", "45");
    // The hint and the history, searched.
    terminal.enter("1000 + 234", "1234");
    terminal.keys("100");
    terminal.last_row("krsi> 1000 + 234");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
    terminal.keys(CTRL_R);
    terminal.keys("1000");
    terminal.row_with("(reverse-i-search)`1000': 1000 + 234");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
    // What turns for ever is stopped, and the shell stays.
    terminal.keys("let kept = 6; print(\"turning\"); loop {}\r");
    terminal.row("turning");
    terminal.keys(CTRL_C);
    terminal.row_with("interrupted");
    terminal.last_row("krsi>");
    // A window that changes its size under the line.
    let line = "krsi> kept * 100000000 + 7000000 * 100 + 654321 - 54321";
    terminal.keys(&line["krsi> ".len()..]);
    terminal.last_row(line);
    terminal.resize(40);
    let (first, rest) = line.split_at(40);
    terminal.wait("the line in two rows", |rows| rows.ends_with(&[first.trim_end().into(), rest.into()]));
    terminal.enter("", "1300600000");
    terminal.keys("?EPERM\r");
    terminal.row("errno EPERM (1)");
    terminal.keys("6 * nonsense\r");
    terminal.row_with("×");
    terminal.last_row("krsi>");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ended().code(), Some(0));
}
