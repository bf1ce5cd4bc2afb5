//! `krsi-sh explain`: what would run where, if a script were run.
//!
//! In: a script, evaluated with nothing attached and nothing done. Out: for each probe that it makes, the
//! stages that an event goes through, and what its filter became; as tables or as JSON. Needs no privilege.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::{answer, catalogue, complain, exit, width};
use crate::{
    cli::Globals,
    report::{Format, Sink, Stream, printable},
    script::{
        Options, Session, Source,
        explanation::{Explanation, Stage},
    },
    source::{self, SourceError},
};

/// Explain a script's probes: what runs where, and what each filter became
///
/// The script is evaluated, but nothing is attached, no program is run, no signal sent, and nothing waited
/// for; no privilege is needed. Where it would do one of these, or ends itself, the explanation ends, and a
/// note says so. Exit code 0: explained; 1: the script has an error, and what it made before is explained.
/// With --format json, one object a probe: probe, template, hooks, attached, stages (where, stage, does, at),
/// first and filter (understood, instructions, room, at_most, verifier_steps, verifier_limit, code).
#[derive(Debug, Clone, clap::Args)]
pub struct ExplainArgs {
    /// Explain this code instead of a file
    #[arg(short = 'e', value_name = "CODE", allow_hyphen_values = true)]
    pub code: Option<String>,

    /// Show the filters' instructions too
    #[arg(long)]
    pub instructions: bool,

    /// Script, `-` for standard input, and behind it what it finds in `args`
    #[arg(
        value_names = ["FILE", "ARGS"],
        num_args = 0..,
        trailing_var_arg = true,
        value_hint = clap::ValueHint::FilePath
    )]
    pub words: Vec<OsString>,
}

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
enum ExplainError {
    #[error(
        "explain: nothing to explain\nallowed: explain FILE, explain -e CODE, or explain - for standard input"
    )]
    Nothing,
    #[error("an argument of the script is not UTF-8: `{}`\nallowed: text", printable(&.0.to_string_lossy()))]
    Argument(OsString),
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &ExplainArgs, globals: &Globals) -> i32 {
    let (source, words) = match script(args) {
        Ok(script) => script,
        Err(error) => {
            complain(error);
            return exit::USAGE;
        }
    };
    let Some(catalogue) = catalogue() else { return exit::ENVIRONMENT };
    let options = globals.options(words);
    let options = Options { policy: options.policy.explained(), ..options };
    let explained = Session::new(catalogue, options, Box::new(OnlyLog)).explanations(&source);
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

fn script(args: &ExplainArgs) -> Result<(Source, Vec<String>), ExplainError> {
    let text = |word: &OsString| {
        word.to_str().map(str::to_owned).ok_or_else(|| ExplainError::Argument(word.clone()))
    };
    let texts = |words: &[OsString]| {
        let words = if words.first().is_some_and(|word| word == "--") { &words[1..] } else { words };
        words.iter().map(text).collect::<Result<Vec<_>, _>>()
    };
    if let Some(code) = &args.code {
        return Ok((Source { name: "-e".to_owned(), text: code.clone() }, texts(&args.words)?));
    }
    let (script, rest) = args.words.split_first().ok_or(ExplainError::Nothing)?;
    let source = if script == "-" { source::standard_input()? } else { source::file(Path::new(script))? };
    Ok((source, texts(rest)?))
}

/// What the script says is not for whoever wants it explained; its errors are.
struct OnlyLog;

impl Sink for OnlyLog {
    fn line(&mut self, stream: Stream, line: &str) -> io::Result<()> {
        match stream {
            Stream::Log => writeln!(io::stderr().lock(), "{line}"),
            Stream::Data | Stream::Event => Ok(()),
        }
    }
}

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
