//! The guest's role: runs every step, reports each as one line of JSON.
//!
//! A step is a claim about the product, proved with the real shell: it gives a
//! reason if the claim does not hold. Steps do not depend on each other.

mod doctor;
mod exec;
mod faults;
mod file_open;
mod product;
mod prompt;
mod scope;
mod shell;
mod task;

use std::{
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use crate::host::{self, Row};

/// Why a claim does not hold.
pub type Outcome = Result<(), String>;

/// A claim about a template (or about `shell`, the product around the templates).
pub struct Step {
    pub template: &'static str,
    pub name: &'static str,
    pub run: fn() -> Outcome,
}

macro_rules! steps {
    ($($template:literal { $($name:literal => $run:path,)* })*) => {
        &[$($(Step { template: $template, name: $name, run: $run },)*)*]
    };
}

pub const STEPS: &[Step] = steps! {
    "exec" {
        "observing allows and tells every field" => exec::fields,
        "shadow tells and allows" => exec::shadow,
        "deny gives the errno that was asked for" => exec::deny,
        "kill kills and nothing has run" => exec::kill,
        "a denied path is denied under every name" => exec::every_name,
        "prefixes and suffixes match" => exec::prefix_and_suffix,
        "a script is asked about with its interpreter" => exec::interpreter,
        "memfd, deleted and set-uid files are marked" => exec::flags,
        "mode and params change while attached" => exec::live_changes,
        "a lease lapses by itself" => exec::lease,
        "detach restores" => exec::detach,
        "of two probes the newest is asked first, and its refusal is final" => exec::two_probes,
    }
    "file_open" {
        "observing allows and tells every field" => file_open::fields,
        "shadow tells and allows" => file_open::shadow,
        "deny gives the errno that was asked for" => file_open::deny,
        "kill kills" => file_open::kill,
        "a denied path is denied under every name" => file_open::every_name,
        "prefixes and suffixes match" => file_open::prefix_and_suffix,
        "access narrows" => file_open::access,
        "overlayfs files are matched" => file_open::overlayfs,
        "hostile names reach no terminal raw" => file_open::hostile_name,
        "a path too long follows on_error" => file_open::too_long,
        "detach restores" => file_open::detach,
        "a stalled reader changes no verdict, and losses are counted" => faults::stalled_reader,
        "a loss leaves a gap in the numbers" => faults::gap_in_numbers,
    }
    "scope" {
        "uid: only these users" => scope::uid,
        "cgroup: the subtree and nothing else" => scope::cgroup,
        "pid: the subtree, also after the parent is gone" => scope::pid,
        "kinds are joined by and" => scope::conjunction,
    }
    "doctor" {
        "every hook is seen to fire" => doctor::all_fire,
        "as another user: privilege is missing" => doctor::unprivileged,
        "without the kernel's types: cause and cure" => doctor::without_types,
        "nothing stays attached" => doctor::leaves_nothing,
    }
    "shell" {
        "the shell itself is spared" => faults::guard,
        "what is typed at the prompt lapses when the shell is stopped" => prompt::lapses_when_stopped,
        "a preview is what the hooks then do" => product::preview,
        "a killed shell leaves nothing attached" => faults::killed_shell,
        "a lease lapses though the shell is stopped" => faults::stopped_shell,
        "a failed attach leaves nothing behind" => product::failed_attach,
        "audit turns deny into shadow" => product::audit,
        "without privilege: cause, cure, exit 3" => product::unprivileged,
        "an error in the kernel is exit 3, in the script 1" => product::exit_codes,
        "standard output is NDJSON and nothing else" => product::ndjson,
        "events arrive while run waits" => product::events_during_run,
        "a failing callback is reported and the script goes on" => product::failing_callback,
    }
};

pub fn main() -> ExitCode {
    // A panic is a step's failure, told as its reason and not on the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let word = |n: usize| std::env::args().nth(n).unwrap_or_default();
    let (kernel, filter) = (word(2), word(3));
    let mut failed = false;
    for step in STEPS {
        if !host::name(&kernel, step.template, step.name).contains(&filter) {
            continue;
        }
        let outcome = catch_unwind(AssertUnwindSafe(step.run)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Err(format!("panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
        });
        failed |= outcome.is_err();
        let row = Row {
            kernel: String::new(),
            template: step.template.into(),
            step: step.name.into(),
            result: if outcome.is_ok() { "pass" } else { "fail" }.into(),
            reason: outcome.err().unwrap_or_default(),
        };
        println!("{}", serde_json::to_string(&row).unwrap());
        std::io::stdout().flush().unwrap();
    }
    if failed { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

/// `Err` with what was expected and what came, if they differ.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

/// `Err` with the sentence, unless it holds.
pub fn holds(condition: bool, sentence: impl Into<String>) -> Outcome {
    if condition { Ok(()) } else { Err(sentence.into()) }
}
