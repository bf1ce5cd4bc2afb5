//! Claims about stacks: where an operation came from, in the kernel and in the program.

use std::fs;

use serde_json::{Value, json};

use super::{
    Outcome, holds, same,
    shell::{self, Shell},
};

const FOLDER: &str = "/tmp/stacks";

fn folder() -> Outcome {
    fs::create_dir_all(FOLDER).map_err(|e| e.to_string())
}

/// The probe `p` about the folder's files, and what follows once it is attached.
fn script(rest: &str, then: &str) -> String {
    format!(
        "let p = probe(\"file_open\", #{{path_prefix: \"{FOLDER}/\"}}).scope(#{{pid: {}}}).name(\"t\"){rest}.attach(); \
         {then} print(\"ready\");",
        std::process::id()
    )
}

fn frames<'e>(of: &'e Value, name: &str) -> Result<Vec<&'e str>, String> {
    let list = of[name].as_array().ok_or_else(|| format!("no `{name}`: {of}"))?;
    Ok(list.iter().filter_map(Value::as_str).collect())
}

/// In this order, though not one right behind the other.
fn in_order(frames: &[&str], wanted: &[&str]) -> Outcome {
    let mut rest = frames.iter();
    for name in wanted {
        holds(rest.any(|frame| frame.starts_with(name)), format!("no {name} where it belongs: {frames:?}"))?;
    }
    Ok(())
}

/// What calls the hook, down to the system call; and the function of this program that made it.
pub fn on_events() -> Outcome {
    folder()?;
    let mut shell = Shell::ready(&script(".kstack().ustack()", ""))?;
    let path = format!("{FOLDER}/events");
    open_here(&path)?;
    let event = shell.event(std::process::id(), &path)?;
    let kernel = frames(&event, "kstack")?;
    holds(kernel[0].starts_with("security_file_open+"), format!("another hook's caller: {kernel:?}"))?;
    in_order(&kernel, &["security_file_open+", "path_openat+", "entry_SYSCALL_64_after_hwframe+"])?;
    let user = frames(&event, "ustack")?;
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let own = format!("({})", this.display());
    holds(user.first().is_some_and(|frame| frame.ends_with(&own)), format!("not in {own}: {user:?}"))?;
    let ended = shell.stop()?;
    ended.well()
}

#[inline(never)]
fn open_here(path: &str) -> Outcome {
    fs::write(path, "").map_err(|e| e.to_string())
}

/// An ordinary event has none, and says nothing about them.
pub fn only_if_asked() -> Outcome {
    folder()?;
    let mut shell = Shell::ready(&script("", ""))?;
    let path = format!("{FOLDER}/none");
    open_here(&path)?;
    let event = shell.event(std::process::id(), &path)?;
    same("kstack", event.get("kstack"), None)?;
    same("ustack", event.get("ustack"), None)?;
    shell.stop()?.well()
}

/// As the key of an aggregation: one row, since all opens come the same way, and each is in it. And what has
/// another filter put in its place goes on.
pub fn counted() -> Outcome {
    folder()?;
    open_here(&format!("{FOLDER}/counted"))?;
    let open = format!("for i in 0..5 {{ run([\"cat\", \"{FOLDER}/counted\"]); }}");
    let ended = shell::run(&script(
        ".count_by([\"comm\", \"kstack\"])",
        &format!("{open} p.when(|e| e.comm == \"cat\"); {open} p.detach();"),
    ))?;
    ended.well()?;
    let record = ended.lines.iter().find(|line| line["type"] == "summary").ok_or("no summary")?;
    let rows = record["rows"].as_array().ok_or("no rows")?;
    let counted: u64 = rows.iter().filter_map(|row| row["count"].as_u64()).sum();
    same("opens", counted, 10)?;
    same("ways", rows.len(), 1)?;
    same("comm", &rows[0]["comm"], &json!("cat"))?;
    in_order(&frames(&rows[0], "kstack")?, &["security_file_open+", "path_openat+"])
}
