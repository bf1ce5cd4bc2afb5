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

    terminal.keys(CTRL_D);
    terminal.row_with("leaving detaches:");
    terminal.last_row("something is enforced; leave all the same? [y/N]");
    terminal.keys("n\r");
    terminal.last_row("krsi[1! 4m]>");
    terminal.keys(CTRL_D);
    terminal.last_row("something is enforced; leave all the same? [y/N]");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ended().code(), Some(0));
    terminal.row_with("balance");
}
