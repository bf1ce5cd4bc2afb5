//! Claims about another filter for an attached probe.
//!
//! Filters are changed as fast as the kernel loads them, while four workers do what the probe refuses, whichever of
//! the filters is asked. If there were a moment without a filter, an open would succeed; if an operation were
//! decided twice, or not at all, the numbers would not be those of the workers.

use serde_json::json;

use super::{
    Outcome, holds, same,
    shell::{self, Shell},
    workers::{FOLDER, Workers, files},
};

const ROUNDS: u32 = 16_000;
const OPENS: u64 = 4 * 4 * ROUNDS as u64;

/// The probe `p` about the workers' files, and what follows once it is attached.
fn script(rest: &str, then: &str) -> String {
    format!(
        "let p = probe(\"file_open\", #{{path_prefix: \"{FOLDER}/\"}}).scope(#{{pid: {}}}).name(\"t\"){rest}.attach();\n\
         print(\"ready\");\n{then}",
        std::process::id()
    )
}

/// Two filters in turn until the probe has decided all the opens, or `turns` have been.
fn in_turn(turns: u32) -> String {
    format!(
        "let turn = 0;\n\
         while p.stats().matched < {OPENS} && turn < {turns} {{\n\
         \x20 if turn % 2 == 0 {{ p.when(|e| e.uid == 0 && e.path.contains(\"work\")) }} else {{ p.when(|e| e.pid != 1) }};\n\
         \x20 turn += 1;\n\
         }}\n\
         while p.stats().matched < {OPENS} {{ sleep(\"10ms\"); }}\n\
         emit(#{{ turns: turn }});\n"
    )
}

pub fn refused_throughout() -> Outcome {
    let files = files()?;
    let shell =
        Shell::ready(&script(".when(|e| e.uid < 5).deny(\"EPERM\").count_by(\"comm\")", &in_turn(200)))?;
    // A worker fails if one of its opens succeeds.
    Workers::start(&files, ROUNDS, true)?.wait()?;
    let mut shell = shell;
    let line = shell.wait_for(|line| line["turns"].is_u64())?;
    let ended = shell.stop()?;
    ended.well()?;
    let turns = line["turns"].as_u64().unwrap_or_default();
    // On a busy machine the verifier takes a few seconds for each.
    holds(turns >= 2, format!("only {turns} filters while the workers were at it"))?;
    let books = ended.books("t")?;
    same("denied", books["deny"].as_u64(), Some(OPENS))?;
    same("matched", books["matched"].as_u64(), Some(OPENS))?;
    let record = ended.lines.iter().find(|line| line["type"] == "summary").ok_or("no summary")?;
    let counted: Option<u64> =
        record["rows"].as_array().map(|rows| rows.iter().filter_map(|r| r["count"].as_u64()).sum());
    same("counted by the aggregation, over all filters", counted, Some(OPENS))
}

/// The filter that is asked is the new one; `()` takes it back; one that cannot be had changes nothing.
pub fn one_by_one() -> Outcome {
    files()?;
    let open = |size: u32| format!("emit(#{{ code: run([\"cat\", \"{FOLDER}/{size}\"]).code }});");
    let ended = shell::run(&script(
        ".when(|e| e.path.ends_with(\"/0\")).deny(\"EACCES\")",
        &format!(
            "{zero} {one}\n\
             p.when(|e| e.path.ends_with(\"/1\")); {zero} {one}\n\
             try {{ p.when(|e| e.no_such_field == 1) }} catch {{ }} {zero} {one}\n\
             p.when(()); {zero} {one}\n\
             let wanted = \"/0\"; p.when(|e| e.path.ends_with(wanted)); {zero} {one}\n\
             p.detach(); {zero} {one}\n\
             p.attach(); {zero} {one} p.detach();",
            zero = open(0),
            one = open(1)
        ),
    ))?;
    ended.well()?;
    let codes: Vec<_> =
        ended.lines.iter().filter(|line| line["code"].is_i64()).map(|line| &line["code"]).collect();
    let refused = |zero: u8, one: u8| [json!(zero), json!(one)];
    let expected = [
        refused(1, 0),
        refused(0, 1),
        refused(0, 1),
        refused(1, 1),
        refused(1, 0),
        refused(0, 0),
        refused(1, 0),
    ]
    .concat();
    same("exit codes", codes, expected.iter().collect())
}

/// A subtree that is in scope is still followed once the first generation of programs is gone.
pub fn trackers_go_on() -> Outcome {
    files()?;
    let open = format!("run([\"sh\", \"-c\", \"cat {FOLDER}/1; true\"]);");
    let ended = shell::run(&script(
        ".when(|e| e.uid == 0).count()",
        &format!("{open} p.when(|e| e.uid < 1); {open} p.when(|e| e.uid < 2); {open} p.detach();"),
    ))?;
    ended.well()?;
    same("matched", ended.books("t")?["matched"].as_u64(), Some(3))
}
