//! `krsi-sh explain`: what would run where, if a script were run.
//!
//! In: a script, evaluated with nothing attached and nothing done. Out: for each probe that it makes, the
//! stages that an event goes through, and what its filter became; as tables or as JSON. Needs no privilege.

use std::{fmt::Write as _, time::Duration};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::{
    answer, catalogue, complain,
    confine::{Confined, is_about_a_command, parted},
    only_log::OnlyLog,
    script_args::{ScriptArgs, ScriptError},
    width,
};
use crate::{
    exit,
    globals::Globals,
    report::{Format, Writer, printable},
    script::{
        Session, Source,
        explanation::{Explanation, Stage},
    },
};

/// Explain a script's probes: what runs where, and what each filter became
///
/// The script is evaluated, but nothing is attached, no program is run, no signal sent, and nothing waited
/// for; no privilege is needed. Where it would do one of these, or ends itself, the explanation ends, and a
/// note says so. A script's `target`, the process of -c or -p, is the explaining process. Exit code 0: explained; 1: the script has an error, and what it made before is explained.
/// With --format json, one object a probe: probe, template, hooks, attached, stages (where, stage, does, at),
/// first and filter (understood, instructions, room, at_most, verifier_steps, verifier_limit, code).
#[derive(Debug, Clone, clap::Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub script: ScriptArgs,

    /// Show the filters' instructions too
    #[arg(long)]
    pub instructions: bool,
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &ExplainArgs, globals: &Globals) -> i32 {
    let (source, words) = match read(&args.script) {
        Ok(script) => script,
        Err(error) => {
            complain(error);
            return exit::USAGE;
        }
    };
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let mut session = Session::explaining(catalogue, globals.options(words), Box::new(OnlyLog));
    // Of -c and -p there is nothing here, and a script that needs it can be explained all the same.
    if source.text.contains("target") {
        session.follow_recorded(std::process::id().cast_signed());
    }
    let explained = session.explanations(&source);
    Writer::get().wait_until_written(LOG_PATIENCE);
    let text = match globals.format.for_answer() {
        Format::Text => page(&explained.probes, args.instructions, width()),
        Format::Json => explained.probes.iter().map(json).collect(),
    };
    let told = answer(&text);
    if let Some(ended) = &explained.ended {
        complain(ended);
    } else if explained.probes.is_empty() && explained.code == exit::FINE && !globals.quiet {
        complain("the script makes no probe");
    }
    if told == exit::FINE { explained.code } else { told }
}

/// Reads the script; of one that is about a command, what stands behind `--` is none of its words.
fn read(script: &ScriptArgs) -> Result<(Source, Vec<String>), ScriptError> {
    let (source, behind) = script.open("explain")?;
    let words = if is_about_a_command(&source) {
        script.own(&Confined::read(parted(behind).0)?.words)?
    } else {
        script.own(behind)?
    };
    Ok((source, words))
}

/// How long the explanation waits for the script's errors to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

fn json(explanation: &Explanation) -> String {
    serde_json::to_string(explanation).unwrap_or_default() + "\n"
}

fn page(explanations: &[Explanation], instructions: bool, width: Option<u16>) -> String {
    let mut page = String::new();
    for (number, explanation) in explanations.iter().enumerate() {
        if number > 0 {
            page.push('\n');
        }
        let _ = writeln!(
            page,
            "{}: template {}, hooks {}{}",
            printable(&explanation.probe),
            explanation.template,
            explanation.hooks.join(", "),
            if explanation.attached { "" } else { "; the script does not attach it" }
        );
        page.push_str(&stages(explanation, width));
        let codes = [("first", &explanation.first), ("filter", &explanation.filter)];
        for (stage, cost) in codes.iter().filter(|_| instructions) {
            let Some(cost) = cost else { continue };
            let _ = writeln!(page, "  instructions of the stage `{stage}`");
            for line in &cost.code {
                let _ = writeln!(page, "    {line}");
            }
        }
    }
    page
}

fn stages(explanation: &Explanation, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for stage in &explanation.stages {
        table.add_row([stage.place.name().to_owned(), stage.stage.to_owned(), does(stage)]);
        if let Some(cost) = &stage.cost {
            table.add_row([String::new(), String::new(), cost.clone()]);
        }
    }
    for column in table.column_iter_mut().take(2) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(8)));
    }
    table.to_string().lines().map(|line| format!(" {}\n", line.trim_end())).collect()
}

fn does(stage: &Stage) -> String {
    let does = printable(&stage.does);
    stage.at.as_ref().map_or_else(|| does.to_string(), |at| format!("{does}  [{}]", printable(at)))
}
