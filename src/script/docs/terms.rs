//! The words that are no functions: modes, verdicts, what the books count, what diagnostics speak of; and the
//! names of errnos, signals, capabilities and scope conditions.
//!
//! In: a word as somebody asks for it. Out: what it means here, and what it is for. Errnos and signals come from the
//! operating system's own lists, scope conditions from `probe::scope`; the table is of what is written nowhere else.

use nix::sys::signal::Signal as Raw;

use super::capabilities;
use crate::probe::scope;
use crate::values::{Errno, Signal};

/// A word and what it means.
struct Term {
    word: &'static str,
    kind: &'static str,
    doc: &'static str,
}

const fn term(word: &'static str, kind: &'static str, doc: &'static str) -> Term {
    Term { word, kind, doc }
}

const TERMS: &[Term] = &[
    term(
        "template",
        "word",
        "What a probe is made of: it implements one or more LSM hooks, and describes its params and the fields of its events. `help()` lists them.",
    ),
    term(
        "param",
        "word",
        "A named, typed setting of a template: `probe(\"exec\", #{ path: \"/bin/su\" })`, or `.set(\"path\", …)` while it is attached.",
    ),
    term(
        "probe",
        "word",
        "A template with a scope, params, a filter, a mode and a lease. It does nothing before `.attach()`.",
    ),
    term(
        "scope",
        "word",
        "Which tasks a probe applies to; looked at first, in the kernel. `.scope(#{ uid: 1000, not_cgroup: \"/sys/fs/cgroup/a.slice\" })`: kinds are joined by `and`, the members of one kind by `or`.",
    ),
    term(
        "filter",
        "word",
        "The closure given to `.when(…)`: it is compiled, and the kernel decides by it. `.where_user(…)` asks in user space instead.",
    ),
    term(
        "mode",
        "word",
        "What the kernel answers where a probe matches: observe, shadow, deny, kill or ask. It changes live, and `.mode` tells it.",
    ),
    term("observe", "mode", "Report, and allow. The default."),
    term(
        "shadow",
        "mode",
        "Report what deny or kill would have done (verdict `would-deny`), and allow. `--audit` on the command line turns every deny and kill into this.",
    ),
    term(
        "deny",
        "mode",
        "Refuse the operation with an errno, EPERM by default. It needs a scope, or `.everywhere()` with a lease.",
    ),
    term(
        "kill",
        "mode",
        "Send the task's process a signal, SIGKILL by default, and refuse the operation with EPERM: a program that ignores the signal does not get its way. Where nothing can be refused any more (`exec` with `args` or `env`), the signal is always SIGKILL, for every other one can be ignored. It needs a scope, or `.everywhere()` with a lease.",
    ),
    term(
        "ask",
        "mode",
        "Hold the operation until a function of the script, or the person at the prompt, has decided: `.ask(|e| if … { allow() } else { deny(\"EACCES\") })`, `.ask()`. The process is stopped by SIGSTOP meanwhile, and its system call made again; the answer counts if it is the same operation still. It needs a scope, or `.everywhere()` with a lease.",
    ),
    term(
        "verdict",
        "word",
        "What one decision came to: allow, would-deny, deny, kill, ask or would-ask. An event tells it as `e.verdict`; a filter may end with one of allow, deny and kill.",
    ),
    term(
        "would-ask",
        "verdict",
        "The operation was allowed, and would have been asked about: a probe with `.ask(…)` is in mode shadow.",
    ),
    term(
        "ask",
        "verdict",
        "The process was stopped, and waits for a decision; another event with the note `answered` or `timed-out` says what came of it.",
    ),
    term(
        "allow",
        "verdict",
        "The operation went on as far as this probe is concerned; another program or the kernel itself may still have refused it.",
    ),
    term(
        "would-deny",
        "verdict",
        "The operation was allowed, and deny or kill would have refused it: the mode is shadow.",
    ),
    term("deny", "verdict", "The operation was refused with the probe's errno."),
    term("kill", "verdict", "The process was sent the probe's signal, and the operation refused."),
    term(
        "lease",
        "word",
        "How long a probe enforces: `.lease(\"10m\")`. The kernel compares the time; then the probe observes. What enforces without one expires 20 s after this shell stops responding, and is in force again when it responds. The end of a lease is reported.",
    ),
    term(
        "event",
        "word",
        "One record from the kernel, about one decision; its fields are the template's. `.on_event(|e| …)` is given each.",
    ),
    term(
        "reaction",
        "word",
        "What a script does about an event: alert, emit, kill, a change of mode. It always comes after the kernel's decision.",
    ),
    term(
        "lab",
        "word",
        "A throwaway virtual machine in which a script can be rehearsed: `krsi-sh lab hunt.rhai`.",
    ),
    term(
        "books",
        "word",
        "What became of everything a probe has seen; `.stats()`, `:stats`, and the closing table.\nseen = out_of_scope + filtered + matched; matched = allow + would_deny + deny + kill + would_ask + asked;\nasked = answered + timed_out + withdrawn + held;\nmatched = emitted + suppressed + lost_ring; emitted = delivered + lost_queue.",
    ),
    term("seen", "count", "Decisions that the probe's hooks were asked for."),
    term("out_of_scope", "count", "Of the seen: by tasks that the scope leaves out."),
    term("filtered", "count", "Of the seen: in scope, but the params or the filter say no."),
    term("matched", "count", "Of the seen: the mode decided about these."),
    term("asked", "count", "Of the matched: were held until somebody decided."),
    term("answered", "count", "Of the asked: went on with an answer, and are among the verdicts once more."),
    term(
        "timed_out",
        "count",
        "Of the asked: nobody answered in time; `otherwise` decided, and they are among the verdicts once more.",
    ),
    term(
        "withdrawn",
        "count",
        "Of the asked: were asked about again, since another process had continued the process; or the process ended or did something else, or the probe went.",
    ),
    term("held", "count", "Of the asked: are held now."),
    term(
        "otherwise",
        "count",
        "Decided as `otherwise` says, since they could not be held (the note says so); they are among the verdicts.",
    ),
    term("emitted", "count", "Of the matched: an event was sent."),
    term(
        "suppressed",
        "count",
        "Of the matched: no event is wanted, since they are only counted, or it is not sent (limited, sampled_out).",
    ),
    term("limited", "count", "Of the suppressed: not sent, since there were more than `.limit(…)` lets."),
    term("sampled_out", "count", "Of the suppressed: not sent, since `.sample(…)` sends one of several."),
    term("delivered", "count", "Of the emitted: the script was given the event."),
    term(
        "lost_ring",
        "count",
        "Of the matched: the kernel's buffer was full, and no event was sent. The verdict is not touched by that.",
    ),
    term("lost_queue", "count", "Of the emitted: the script was too slow for these."),
    term(
        "errors",
        "count",
        "Decisions for which something could not be gathered, such as a path too long; `.on_error(…)` decides those.",
    ),
    term(
        "lapsed",
        "count",
        "Decisions that would have been enforced, had the lease not run out, or the breaker tripped.",
    ),
    term(
        "guarded",
        "count",
        "Decisions that would have been enforced, had the task not been this shell or an ancestor of it.",
    ),
    term(
        "overflow",
        "count",
        "Events that an aggregation had no room for: there are more groups than `.max_keys(…)` allows for.",
    ),
    term(
        "target",
        "word",
        "With -c COMMAND or -p PID on the command line, a scope for that process and all it starts: `.scope(target)`, `.scope(target + #{ uid: 0 })`.",
    ),
    term(
        "guard",
        "word",
        "This shell and its ancestors, up to PID 1, are spared by its own denials: by process id and start time, not by name.",
    ),
    term(
        "panic",
        "word",
        "`:panic` detaches every probe of this session; `krsi-sh panic` makes every session's probes observe, and ends the sessions.",
    ),
    term(
        "audit-only",
        "word",
        "LSM programs cannot be had here, so the probe observes by tracing, and `deny` and `kill` are refused. `krsi-sh doctor` tells why.",
    ),
    term(
        "aggregation",
        "word",
        "What the kernel counts beside any mode: count, count_by, top, sum, min, max, avg, hist, lhist, distinct.",
    ),
    term(
        "text",
        "value",
        "A name from the kernel need not be UTF-8. A byte that is not stands in scripts and NDJSON as one character, U+EF00 plus the byte: \"a\\uefff\" is `a` and the byte 0xff, in both. So no two names are one, filters, params, scopes and `run` find each again, and `==`, `in` and summaries tell them apart. NDJSON has all the bytes besides, as `path_hex`. In text output a word is written as a shell reads it: 'a b', $'a\\xff'.",
    ),
    term(
        "time",
        "value",
        "Each record of NDJSON has one: RFC 3339, UTC, nanoseconds. Of an event, when it happened. Counts of nanoseconds such as `wall_ns` are beyond 2^53, which jq and JavaScript round.",
    ),
    term("severity", "value", "How bad an alert is: info, low, medium, high or critical."),
    term(
        "duration",
        "value",
        "A number with a unit, or several: \"250ms\", \"10s\", \"5m\", \"1h 30m\"; more than nothing, at most a year.",
    ),
    term(
        "network",
        "value",
        "An address with or without a prefix length: \"10.0.0.0/8\", \"2001:db8::1\". In a filter: `e.address in cidr(\"10.0.0.0/8\")`.",
    ),
    term(
        "port",
        "value",
        "0 to 65535, or a range: 443, 8000..9000 (which ends with 8999), 8000..=9000, 1024.. and so on.",
    ),
    term(
        "namespace",
        "value",
        "\"host\", an inode number, or a namespace's file such as \"/proc/42/ns/mnt\".",
    ),
    term(
        "errno",
        "value",
        "Why an operation is refused, as the program sees it: a name such as \"EACCES\", or its number. `help(\"EACCES\")` tells one.",
    ),
    term(
        "signal",
        "value",
        "What a process is sent: a name such as \"SIGKILL\" or \"KILL\", or its number. `help(\"SIGKILL\")` tells one.",
    ),
    term(
        "audit",
        "word",
        "`--audit` on the command line: every deny and kill of the script becomes shadow, whatever it says.",
    ),
    term(
        "hook",
        "word",
        "A place in the kernel where LSM programs decide whether an operation may go on. Each template names its own.",
    ),
    term(
        "privilege",
        "diagnostic",
        "Probes need CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON. Run krsi-sh as root.",
    ),
    term(
        "lsm",
        "diagnostic",
        "`bpf` must be among the active LSMs (/sys/kernel/security/lsm), or nothing ever fires. It is put there on the kernel's command line: `lsm=…,bpf`.",
    ),
    term(
        "btf",
        "diagnostic",
        "The kernel's description of its types (/sys/kernel/btf/vmlinux). Without it no probe can be loaded.",
    ),
    term(
        "lockdown",
        "diagnostic",
        "A kernel locked down for confidentiality keeps programs from reading its memory, which probes must. `lockdown=integrity` allows it.",
    ),
    term(
        "verifier",
        "diagnostic",
        "The kernel's check of each program before it is loaded. A refusal is a defect of krsi-sh or of a foreign template, and the message says where the whole log is.",
    ),
    term(
        "limit",
        "diagnostic",
        "A callback may take 30 million steps (about five seconds), a script ten thousand million, and the session 512 MiB of memory; the kernel takes 38 programs on a hook.",
    ),
];

/// Everything that this word means.
#[must_use]
pub fn about(word: &str) -> Vec<String> {
    let plain = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let wanted = plain(word);
    let terms = TERMS.iter().filter(|term| plain(term.word) == wanted).map(shown);
    let named = number_or_name(word).into_iter().chain(capabilities::page(word));
    terms.chain(scope_condition(word)).chain(named).collect()
}

fn shown(term: &Term) -> String {
    format!("{} {}\n    {}", term.kind, term.word, term.doc.replace('\n', "\n    ")).replacen("word ", "", 1)
}

fn scope_condition(word: &str) -> Option<String> {
    let kind = scope::Kind::ALL.into_iter().find(|kind| kind.name() == word.trim_start_matches("not_"))?;
    Some(format!(
        "scope {kind}, not_{kind}: {}\n    {} `not_{kind}`: all but these.",
        kind.allowed(),
        kind.doc()
    ))
}

fn number_or_name(word: &str) -> Vec<String> {
    let (errno, signal) = match word.parse() {
        Ok(number) => (Errno::from_number(number), Signal::from_number(number)),
        // A signal's name goes without its SIG in a script; as a question that would be too much of a guess.
        Err(_) => {
            let name = word.to_uppercase();
            let signal = name.starts_with("SIG").then(|| Signal::from_name(&name));
            (Errno::from_name(&name), signal.unwrap_or_else(|| Signal::from_number(0)))
        }
    };
    errno.ok().map(errno_page).into_iter().chain(signal.ok().map(signal_page)).collect()
}

fn errno_page(errno: Errno) -> String {
    format!(
        "errno {errno} ({})\n    {}. A probe refuses with it by `.deny(\"{errno}\")`, a filter by `deny(\"{errno}\")`.",
        errno.number(),
        errno.description()
    )
}

fn signal_page(signal: Signal) -> String {
    format!(
        "signal {signal} ({})\n    {} A probe sends it by `.kill(\"{signal}\")`, a script by `kill(pid, \"{signal}\")`.",
        signal.number(),
        signal_doc(signal)
    )
}

/// What signal(7) says of it.
#[must_use]
pub fn signal_doc(signal: Signal) -> &'static str {
    match signal.raw() {
        Raw::SIGHUP => "The terminal is gone; many daemons read their configuration again.",
        Raw::SIGINT => "Interrupt from the keyboard (Ctrl-C).",
        Raw::SIGQUIT => "Quit from the keyboard; ends with a core dump.",
        Raw::SIGILL => "Illegal instruction; ends with a core dump.",
        Raw::SIGTRAP => "A breakpoint; ends with a core dump.",
        Raw::SIGABRT => "What abort() sends; ends with a core dump.",
        Raw::SIGBUS => "Bad memory access; ends with a core dump.",
        Raw::SIGFPE => "Arithmetic error; ends with a core dump.",
        Raw::SIGKILL => "Ends the process; it can neither be caught nor ignored.",
        Raw::SIGUSR1 | Raw::SIGUSR2 => "The program's own meaning; ends it if it has none.",
        Raw::SIGSEGV => "Invalid memory reference; ends with a core dump.",
        Raw::SIGPIPE => "Written to a pipe that nobody reads; ends the process.",
        Raw::SIGALRM => "A timer has run out; ends the process.",
        Raw::SIGTERM => "Asks the process to end; it may clean up first.",
        Raw::SIGSTKFLT => "Stack fault of a coprocessor; unused.",
        Raw::SIGCHLD => "A child has stopped or ended; ignored by default.",
        Raw::SIGCONT => "Goes on, if it was stopped.",
        Raw::SIGSTOP => "Stops the process; it can neither be caught nor ignored.",
        Raw::SIGTSTP => "Stop from the keyboard (Ctrl-Z).",
        Raw::SIGTTIN => "Reads from the terminal in the background; stops.",
        Raw::SIGTTOU => "Writes to the terminal in the background; stops.",
        Raw::SIGURG => "Urgent data on a socket; ignored by default.",
        Raw::SIGXCPU => "Too much CPU time; ends with a core dump.",
        Raw::SIGXFSZ => "A file grew too large; ends with a core dump.",
        Raw::SIGVTALRM => "A timer of CPU time has run out; ends the process.",
        Raw::SIGPROF => "A profiling timer has run out; ends the process.",
        Raw::SIGWINCH => "The window has changed its size; ignored by default.",
        Raw::SIGIO => "Input or output is possible; ends the process.",
        Raw::SIGPWR => "Power fails; ends the process.",
        Raw::SIGSYS => "A system call that is forbidden or none; ends with a core dump.",
        _ => "A signal of this machine.",
    }
}

/// Each word of the table with what it means, for a page and for completion; one that is two things is there twice.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TERMS.iter().map(|term| (term.word, term.kind, term.doc))
}

/// Lines about what has all of these words.
pub fn search(has: impl Fn(&str) -> bool) -> Vec<String> {
    let found = TERMS.iter().filter(|term| has(&format!("{} {} {}", term.kind, term.word, term.doc)));
    let line = |term: &Term| format!("  {} {}  {}", term.kind, term.word, super::summary(term.doc));
    let mut lines: Vec<String> = found.map(line).map(|line| line.replacen("  word ", "  ", 1)).collect();
    let errnos = Errno::every().filter(|errno| has(&format!("errno {errno} {}", errno.description())));
    lines.extend(errnos.map(|errno| format!("  errno {errno}  {}", errno.description())));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_several_things_is_told_as_each() {
        let deny = about("deny");
        assert_eq!(deny.len(), 2);
        assert!(deny[0].starts_with("mode deny\n") && deny[1].starts_with("verdict deny\n"), "{deny:?}");
        assert!(about("would_deny")[0].starts_with("verdict would-deny"));
        assert!(about("verdict")[0].starts_with("verdict\n"));
    }

    #[test]
    fn errnos_and_signals_are_known_by_name_and_number() {
        assert!(about("EPERM")[0].starts_with("errno EPERM (1)\n"));
        assert!(about("eacces")[0].starts_with("errno EACCES (13)\n"));
        assert!(about("SIGKILL")[0].starts_with("signal SIGKILL (9)\n"));
        let thirteen = about("13");
        assert!(thirteen[0].contains("EACCES") && thirteen[1].contains("SIGPIPE"), "{thirteen:?}");
        assert!(about("ENOTHING").is_empty());
    }

    #[test]
    fn every_errno_signal_and_condition_has_a_sentence() {
        for errno in Errno::every() {
            assert!(!errno.description().is_empty(), "{errno}");
        }
        for signal in Signal::every() {
            assert_ne!(signal_doc(signal), "A signal of this machine.", "{signal}");
        }
        for kind in scope::Kind::ALL {
            assert!(about(&format!("not_{kind}")).iter().any(|text| text.contains(kind.doc())));
        }
    }

    #[test]
    fn no_word_is_told_twice_as_the_same() {
        let mut seen = std::collections::BTreeSet::new();
        assert!(TERMS.iter().all(|term| seen.insert((term.word, term.kind))));
    }
}
