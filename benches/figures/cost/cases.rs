//! What the operations run under. The names are the rows'.

use super::worker::Work;

/// What is there while the operations are done.
#[derive(Debug, Clone, Copy)]
pub enum Under {
    Nothing,
    /// An LSM program that does nothing, at the hook of `file_open`.
    Empty,
    /// A probe, by this script; and what its books have to show.
    Probe(&'static str, Booked),
    /// auditd, running without a rule.
    Audit,
    /// auditd with a rule that logs every execution.
    AuditRule,
}

/// Where every operation has to stand in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booked {
    OutOfScope,
    Filtered,
    Delivered,
}

pub struct Case {
    pub name: &'static str,
    pub work: Work,
    pub under: Under,
}

/// A cgroup that exists and that the operations are not done in.
pub const OTHER_CGROUP: &str = "/sys/fs/cgroup/web.slice";

pub const NOTHING: [(Work, &str); 2] = [(Work::Open, "open+close, nothing"), (Work::Exec, "exec, nothing")];
pub const ENVIRONMENT: &str = "exec, environment audit";
pub const AUDIT_RULE: &str = "exec, auditd logging execve";

const fn case(name: &'static str, work: Work, under: Under) -> Case {
    Case { name, work, under }
}

use Booked::{Delivered, Filtered, OutOfScope};
use Under::{Audit, AuditRule, Empty, Nothing, Probe};
use Work::{Exec, Open};

pub const CASES: &[Case] = &[
    case(NOTHING[0].1, Open, Nothing),
    case("open+close, an empty LSM program", Open, Empty),
    case(
        "open+close, out of scope by uid",
        Open,
        Probe(r#"probe("file_open").scope(#{ uid: 4242 })"#, OutOfScope),
    ),
    case(
        "open+close, out of scope by cgroup",
        Open,
        Probe(r#"probe("file_open").scope(#{ cgroup: "/sys/fs/cgroup/web.slice" })"#, OutOfScope),
    ),
    case(
        "open+close, ruled out by the filter's first stage",
        Open,
        Probe(r#"probe("file_open").when(|e| e.uid == 4242 && e.exe != "/bin/sh")"#, Filtered),
    ),
    case(
        "open+close, ruled out by the filter's second stage",
        Open,
        Probe(r#"probe("file_open").when(|e| e.path == "/etc/shadow")"#, Filtered),
    ),
    case("open+close, observing", Open, Probe(r#"probe("file_open")"#, Delivered)),
    case(NOTHING[1].1, Exec, Nothing),
    case("exec, out of scope by uid", Exec, Probe(r#"probe("exec").scope(#{ uid: 4242 })"#, OutOfScope)),
    case(
        "exec, out of scope by cgroup",
        Exec,
        Probe(r#"probe("exec").scope(#{ cgroup: "/sys/fs/cgroup/web.slice" })"#, OutOfScope),
    ),
    case(
        "exec, environment audit out of scope by uid",
        Exec,
        Probe(r#"probe("exec", #{ env: ["LD_PRELOAD"] }).scope(#{ uid: 4242 })"#, OutOfScope),
    ),
    case(
        "exec, ruled out by the filter's first stage",
        Exec,
        Probe(r#"probe("exec").when(|e| e.uid == 4242 && e.exe != "/bin/sh")"#, Filtered),
    ),
    case("exec, observing", Exec, Probe(r#"probe("exec")"#, Delivered)),
    case(ENVIRONMENT, Exec, Probe(r#"probe("exec", #{ env: ["LD_PRELOAD"] })"#, Delivered)),
    case("exec, auditd without rules", Exec, Audit),
    case(AUDIT_RULE, Exec, AuditRule),
];
