//! What the operations run under, what there is a goal for, and what stands beside it. The names are the rows'.

use super::{bpftrace::Program, worker::Work};

/// What is there while the operations are done.
#[derive(Debug, Clone, Copy)]
pub enum Under {
    Nothing,
    /// An LSM program that does nothing, at the hook of `file_open`.
    Empty,
    /// A probe, by this script; and what its books have to show.
    Probe(&'static str, Booked),
    /// bpftrace, by this program.
    Bpftrace(Program),
    /// auditd, running without a rule.
    Audit,
    /// auditd with a rule that logs every execution.
    AuditRule,
}

impl Under {
    pub fn is_bpftrace(self) -> bool {
        matches!(self, Under::Bpftrace(_))
    }

    pub fn is_auditd(self) -> bool {
        matches!(self, Under::Audit | Under::AuditRule)
    }
}

/// Where every operation has to stand in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booked {
    OutOfScope,
    Filtered,
    /// In the summary, too: in the group that is the worker's.
    Counted,
    Delivered,
}

/// What the operation may cost.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    None,
    /// So many times what it costs under nothing.
    Ratio(f64),
    /// So many instructions more than under nothing.
    Added(f64),
}

pub struct Case {
    pub name: &'static str,
    pub work: Work,
    pub under: Under,
    pub goal: Goal,
    /// Cases of bpftrace that do the same job.
    pub beside: &'static [&'static str],
}

impl Case {
    const fn within(self, goal: Goal) -> Self {
        Case { goal, ..self }
    }

    const fn beside(self, beside: &'static [&'static str]) -> Self {
        Case { beside, ..self }
    }
}

/// The cases that have a word in their names, those that they are compared with, and those beside them.
pub fn with(word: &str) -> Vec<&'static Case> {
    let named: Vec<&Case> = CASES.iter().filter(|case| case.name.contains(word)).collect();
    let wanted = |case: &&Case| {
        let base = matches!(case.under, Nothing) && named.iter().any(|of| of.work == case.work);
        base || named.iter().any(|of| of.name == case.name || of.beside.contains(&case.name))
    };
    CASES.iter().filter(wanted).collect()
}

/// A cgroup that exists and that the operations are not done in.
pub const OTHER_CGROUP: &str = "/sys/fs/cgroup/web.slice";

pub const NOTHING: [(Work, &str); 2] = [(Work::Open, "open+close, nothing"), (Work::Exec, "exec, nothing")];
pub const ENVIRONMENT: &str = "exec, environment audit";
pub const AUDIT_RULE: &str = "exec, auditd logging execve";

const UID_FENTRY: &str = "open+close, bpftrace, another uid, fentry";
const UID_KPROBE: &str = "open+close, bpftrace, another uid, kprobe";
const CGROUP_FENTRY: &str = "open+close, bpftrace, another cgroup, fentry";
const PATH_FENTRY: &str = "open+close, bpftrace, another path, fentry";
const COMM_FENTRY: &str = "open+close, bpftrace, counting by comm, fentry";
const COMM_KPROBE: &str = "open+close, bpftrace, counting by comm, kprobe";
const THREE_FENTRY: &str = "open+close, bpftrace, counting by comm, uid and path, fentry";
const PRINT_FENTRY: &str = "open+close, bpftrace, printing comm and path, fentry";

/// A probe with these files as its rules, and the files themselves, which have to exist.
macro_rules! rules {
    ($($file:literal)*) => {
        pub const RULED_FILES: &[&str] = &[$($file),*];
        const RULES: &str = concat!("probe(\"file_open\", #{ path: [", $("\"", $file, "\", ",)* "] })");
    };
}

rules!(
    "/etc/shadow" "/etc/gshadow" "/etc/passwd" "/etc/group" "/etc/sudoers" "/etc/crontab" "/etc/ld.so.preload"
    "/etc/ssh/sshd_config" "/root/.ssh/authorized_keys" "/tmp/figures/secret"
);

/// So many files more, of which none is opened.
pub const MANY_FILES: u32 = 10_000;
pub const MANY: &str = "/tmp/figures/many";
const MANY_RULES: &str = r#"let files = []; for n in 0..10000 { files.push(`/tmp/figures/many/${n}`) } probe("file_open", #{ path: files })"#;

const PREFIXES: &str = r#"probe("file_open", #{ path_prefix: ["/etc/ssh/", "/etc/sudoers.d/", "/etc/cron.d/", "/root/.ssh/", "/home/", "/boot/", "/var/spool/cron/", "/usr/lib/systemd/", "/tmp/.ICE-unix/", "/tmp/figures/secrets/"] })"#;

const fn case(name: &'static str, work: Work, under: Under) -> Case {
    Case { name, work, under, goal: Goal::None, beside: &[] }
}

const fn bpftrace(name: &'static str, program: Program) -> Case {
    case(name, Open, Bpftrace(program))
}

use Booked::{Counted, Delivered, Filtered, OutOfScope};
use Goal::{Added, Ratio};
use Program::{Counting, Elsewhere, Printing};
use Under::{Audit, AuditRule, Bpftrace, Empty, Nothing, Probe};
use Work::{Exec, Open};

pub const CASES: &[Case] = &[
    case(NOTHING[0].1, Open, Nothing),
    case("open+close, an empty LSM program", Open, Empty),
    case(
        "open+close, out of scope by uid",
        Open,
        Probe(r#"probe("file_open").scope(#{ uid: 4242 })"#, OutOfScope),
    )
    .within(Added(280.0))
    .beside(&[UID_FENTRY, UID_KPROBE]),
    case(
        "open+close, out of scope by cgroup",
        Open,
        Probe(r#"probe("file_open").scope(#{ cgroup: "/sys/fs/cgroup/web.slice" })"#, OutOfScope),
    )
    .within(Added(300.0))
    .beside(&[CGROUP_FENTRY]),
    case(
        "open+close, filter on the uid, no match",
        Open,
        Probe(r#"probe("file_open").when(|e| e.uid == 4242)"#, Filtered),
    )
    .within(Added(320.0))
    .beside(&[UID_FENTRY, UID_KPROBE]),
    case(
        "open+close, filter on the path, no match",
        Open,
        Probe(r#"probe("file_open").when(|e| e.path.starts_with("/etc/"))"#, Filtered),
    )
    .within(Added(2500.0))
    .beside(&[PATH_FENTRY]),
    case(
        "open+close, filter on the parent's executable, no match",
        Open,
        Probe(r#"probe("file_open").when(|e| e.parent.exe == "/usr/bin/nothing")"#, Filtered),
    ),
    case(
        "open+close, filter on the ancestors' executables, no match",
        Open,
        Probe(r#"probe("file_open").when(|e| e.ancestors.any(|p| p.exe == "/usr/bin/nothing"))"#, Filtered),
    ),
    case("open+close, ten files as rules, no match", Open, Probe(RULES, Filtered)).within(Added(1200.0)),
    case("open+close, ten thousand files as rules, no match", Open, Probe(MANY_RULES, Filtered))
        .within(Ratio(1.10)),
    case("open+close, ten prefixes as rules, no match", Open, Probe(PREFIXES, Filtered))
        .within(Added(2000.0)),
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
    case("open+close, counting by comm", Open, Probe(r#"probe("file_open").count_by("comm")"#, Counted))
        .within(Added(520.0))
        .beside(&[COMM_FENTRY, COMM_KPROBE]),
    case(
        "open+close, counting by comm, uid and path",
        Open,
        Probe(r#"probe("file_open").count_by(["comm", "uid", "path"])"#, Counted),
    )
    .within(Added(3500.0))
    .beside(&[THREE_FENTRY]),
    case(
        "open+close, observing comm and path",
        Open,
        Probe(r#"probe("file_open").fields(["comm", "path"])"#, Delivered),
    )
    .within(Added(3600.0))
    .beside(&[PRINT_FENTRY]),
    case("open+close, observing", Open, Probe(r#"probe("file_open")"#, Delivered)).within(Added(5000.0)),
    bpftrace(UID_FENTRY, Elsewhere("fentry:security_file_open /uid == 4242/ { @ = count(); }")),
    bpftrace(UID_KPROBE, Elsewhere("kprobe:security_file_open /uid == 4242/ { @ = count(); }")),
    bpftrace(
        CGROUP_FENTRY,
        Elsewhere(
            r#"fentry:security_file_open /cgroup == cgroupid("/sys/fs/cgroup/web.slice")/ { @ = count(); }"#,
        ),
    ),
    bpftrace(
        PATH_FENTRY,
        Elsewhere(
            r#"fentry:security_file_open /strncmp(path(args.file->f_path), "/etc/", 5) == 0/ { @ = count(); }"#,
        ),
    ),
    bpftrace(COMM_FENTRY, Counting("fentry:security_file_open { @[comm] = count(); }")),
    bpftrace(COMM_KPROBE, Counting("kprobe:security_file_open { @[comm] = count(); }")),
    bpftrace(
        THREE_FENTRY,
        Counting("fentry:security_file_open { @[comm, uid, path(args.file->f_path)] = count(); }"),
    ),
    bpftrace(
        PRINT_FENTRY,
        Printing(r#"fentry:security_file_open { printf("%s %s\n", comm, path(args.file->f_path)); }"#),
    ),
    case(NOTHING[1].1, Exec, Nothing),
    case("exec, out of scope by uid", Exec, Probe(r#"probe("exec").scope(#{ uid: 4242 })"#, OutOfScope))
        .within(Ratio(1.03)),
    case(
        "exec, out of scope by cgroup",
        Exec,
        Probe(r#"probe("exec").scope(#{ cgroup: "/sys/fs/cgroup/web.slice" })"#, OutOfScope),
    )
    .within(Ratio(1.03)),
    case(
        "exec, environment audit out of scope by uid",
        Exec,
        Probe(r#"probe("exec", #{ env: ["LD_PRELOAD"] }).scope(#{ uid: 4242 })"#, OutOfScope),
    )
    .within(Ratio(1.03)),
    case(
        "exec, ruled out by the filter's first stage",
        Exec,
        Probe(r#"probe("exec").when(|e| e.uid == 4242 && e.exe != "/bin/sh")"#, Filtered),
    ),
    case(
        "exec, filter on the parent's executable, no match",
        Exec,
        Probe(r#"probe("exec").when(|e| e.parent.exe == "/usr/bin/nothing")"#, Filtered),
    )
    .within(Ratio(1.03)),
    case("exec, observing", Exec, Probe(r#"probe("exec")"#, Delivered)),
    case(ENVIRONMENT, Exec, Probe(r#"probe("exec", #{ env: ["LD_PRELOAD"] })"#, Delivered))
        .within(Ratio(1.03)),
    case("exec, auditd without rules", Exec, Audit),
    case(AUDIT_RULE, Exec, AuditRule),
];
