//! What help prints can be typed as it stands.

use std::process::Stdio;

use serde_json::Value;

use super::{Outcome, cases::has_hook, holds, shell::for_people};

struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn shell(arguments: &[&str]) -> Result<Said, String> {
    let output = for_people().args(arguments).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// Each attaches, sees what a child of the shell does or nothing, and ends with its books.
pub fn examples() -> Outcome {
    let listed = shell(&["--format", "json", "templates"])?;
    let listed: Value = serde_json::from_str(&listed.stdout).map_err(|e| e.to_string())?;
    let hooks = |template: &Value| template["hooks"].as_array().cloned().unwrap_or_default();
    let here = |template: &&Value| hooks(template).iter().filter_map(Value::as_str).any(has_hook);
    let names =
        listed.as_array().into_iter().flatten().filter(here).filter_map(|template| template["name"].as_str());
    let mut tried = 0;
    for name in names {
        let help = shell(&["-e", &format!("help(\"{name}\")")])?;
        let (_, example) = help.stdout.rsplit_once("Example:\n").ok_or(format!("{name}: no example"))?;
        // Behind it may stand what else has that name: a field of events.
        let example = example.split("\n\n").next().unwrap_or_default();
        let script = format!("{};\nrun([\"/bin/true\"]);\nexit(0);", example.trim());
        let said = shell(&["-e", &script])?;
        let told = || format!("{name}: exit {:?}\n{script}\n{}{}", said.code, said.stdout, said.stderr);
        holds(said.code == Some(0), told())?;
        holds(said.stderr.contains("attached "), told())?;
        holds(said.stdout.lines().any(|line| line.ends_with("  ok")), told())?;
        tried += 1;
    }
    holds(tried >= 5, format!("only {tried} templates were tried"))
}
