//! What a script learns of a process's capabilities: of one that lost some, while it runs and when it has gone.
//! The probe observes natively; a host that runs no such program skips this, and says so, or fails with
//! `KRSI_REQUIRE_HOST` set.

use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_krsi-sh");

/// The exit code of a script whose probe the environment does not let be attached.
const UNATTACHABLE: i32 = 3;

const SCRIPT: &str = r#"
    let seen = [];
    let p = probe("exec").scope(#{ pid: getpid() }).attach();
    p.on_event(|e| seen.push(e));
    after("200ms", || {
        let e = seen[0];
        let names = capabilities(e);
        print(`${capable(e, "CAP_SYS_TIME")} ${e.capable("sys_admin")} ${capable(e.pid, "CAP_SYS_ADMIN")}`);
        print(`${"CAP_SYS_TIME" in names} ${"CAP_SYS_ADMIN" in names}`);
    });
    run(["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time", "sleep", "1"]);
    let e = seen[0];
    print(`${capabilities(e) == ()} ${capable(e, "CAP_SYS_ADMIN")}`);
    p.detach();
"#;

#[test]
fn what_a_process_may_do_is_told_of_it_and_of_no_other() {
    let output = Command::new(PROGRAM)
        .args(["--quiet", "--no-init", "--format=text", "-e", SCRIPT])
        .output()
        .expect("the program runs");
    let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(UNATTACHABLE) && std::env::var_os("KRSI_REQUIRE_HOST").is_none() {
        return println!("skipped: {log}");
    }
    assert_eq!((output.status.code(), &*log), (Some(0), ""), "{out}");
    assert_eq!(out.lines().take(3).collect::<Vec<_>>(), ["false true true", "false true", "true false"]);
}
