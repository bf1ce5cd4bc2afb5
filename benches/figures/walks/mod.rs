//! What a walk over a text costs for each byte, however much is sought in it.
//!
//! In a guest whose time counts instructions a filter is asked about one event, many times; what an empty slot takes
//! there, system call and all, is taken off from the least of them. Nothing that is sought is there, so each walk goes to the end of its text.

use std::{process::ExitCode, time::Duration};

use krsi_sh::{
    filter::Code,
    kernel::bench::test_run::TestRun,
    script::equivalence::Closure,
    template::{Catalogue, Template},
};
use nix::time::{ClockId, clock_gettime};

use crate::{
    figure::{Figure, Outcome},
    filters::{EMPTY, cases},
    visit::{Found, KERNEL, Visit},
};

pub const ROLE: &str = "--walks";

/// How many words are sought.
const PATTERNS: [usize; 4] = [1, 10, 100, 1000];
const MOST_FOR_A_BYTE: f64 = 8.0;
/// Of one word's cost.
const FLAT: f64 = 1.2;
/// Questions, of which the cheapest counts.
const ROUNDS: usize = 400;
/// Bytes of the command line.
const CMDLINE: usize = 300;

/// Instructions for a decision, for each number of words.
type Findings = Vec<Result<Vec<f64>, String>>;

struct Text {
    name: &'static str,
    closure: &'static str,
    bytes: usize,
    template: &'static str,
    event: fn(&Template) -> Result<Vec<u8>, String>,
}

const TEXTS: [Text; 2] = [
    Text {
        name: "a path",
        closure: "|e| e.path.matches(words)",
        bytes: cases::PATH.len(),
        template: cases::TEMPLATE,
        event: cases::event,
    },
    Text {
        name: "a command line",
        closure: "|e| e.cmdline.matches(words)",
        bytes: CMDLINE,
        template: "exec",
        event: execution,
    },
];

pub fn figures() -> Vec<Figure> {
    let visit = Visit { role: &[ROLE], files: vec![], icount: true };
    let found: Result<Found<Findings>, String> = visit.pay();
    match found {
        Ok(found) => TEXTS.iter().zip(found.findings).flat_map(|(text, found)| rows(text, &found)).collect(),
        Err(reason) => TEXTS.iter().flat_map(|text| rows(text, &Err(reason.clone()))).collect(),
    }
}

fn rows(text: &Text, found: &Result<Vec<f64>, String>) -> Vec<Figure> {
    let goal = format!("≤ {MOST_FOR_A_BYTE} a byte, ≤ {FLAT}× of one word");
    let row = |(number, words): (usize, &usize)| {
        let name = format!("walk over {} of {} bytes, words sought: {words}", text.name, text.bytes);
        let costs = match found {
            Ok(costs) => costs,
            Err(reason) => return Figure::failed(&name, &goal, reason),
        };
        let (of_byte, of_one) = (costs[number] / text.bytes as f64, costs[number] / costs[0]);
        let measured = format!("{of_byte:.2} a byte ({:.0}), {of_one:.2}×", costs[number]);
        let met = of_byte <= MOST_FOR_A_BYTE && of_one <= FLAT;
        let method = format!(
            "`{}`; instructions for a decision under -icount, Linux {KERNEL}; nothing is found",
            text.closure
        );
        Figure::new(&name, &goal, measured, Outcome::of(met), &method)
    };
    PATTERNS.iter().enumerate().map(row).collect()
}

/// The guest's part.
pub fn measure() -> ExitCode {
    let findings: Findings = TEXTS.iter().map(costs).collect();
    match serde_json::to_writer(std::io::stdout(), &findings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn costs(text: &Text) -> Result<Vec<f64>, String> {
    let catalogue = Catalogue::builtin().map_err(|e| e.to_string())?;
    let template = catalogue.get(text.template).ok_or("no such template")?;
    let event = (text.event)(template)?;
    let run = TestRun::new(template.event_size).map_err(|e| e.to_string())?;
    let (empty, _) = asked(&run, &EMPTY, &event)?;
    let cost = |count: &usize| -> Result<f64, String> {
        let closure =
            Closure::new(&format!("{}{}", words(*count), text.closure)).map_err(|e| e.to_string())?;
        let code: Code = closure.compile(template).map_err(|e| e.to_string())?.code;
        let slot = run.slot(&code).map_err(|e| e.to_string())?;
        let (cost, said) = asked(&run, &slot.code, &event)?;
        if said == 0 { Ok(cost - empty) } else { Err(format!("{count} words: the filter says {said}")) }
    };
    PATTERNS.iter().map(cost).collect()
}

/// Instructions for one question, and the answer.
fn asked(run: &TestRun, slot: &[u8], event: &[u8]) -> Result<(f64, u32), String> {
    let time = || clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    let (clocks, said) = run.once(slot, event, ROUNDS, time).map_err(|e| e.to_string())?;
    let passed = |(before, after)| -> Result<Duration, nix::Error> { Ok(after? - before?) };
    let rounds: Vec<Duration> =
        clocks.into_iter().map(passed).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    // Where a nanosecond is an instruction, interrupts come on top: the least is what the question takes.
    Ok((rounds.into_iter().min().unwrap_or_default().as_nanos() as f64, said))
}

/// Words that nothing in the texts is like, though they begin as parts of them do.
fn words(count: usize) -> String {
    let words: Vec<String> = (0..count).map(|n| format!("/s{:x}-{n}", n * 7919)).collect();
    format!("let words = \"{}\"; ", words.join("|"))
}

/// An execution with a command line of that length: options, paths and numbers.
fn execution(template: &Template) -> Result<Vec<u8>, String> {
    let field = |name: &str| template.field(name).ok_or_else(|| format!("no field `{name}`"));
    let mut bytes = vec![0; template.event_size];
    let (path, directory) = ("/usr/bin/rsync", "/");
    let mut line = "/usr/bin/rsync --archive --delete --exclude=/srv/cache/ -e ssh ".repeat(5);
    line.truncate(CMDLINE);
    let arguments: Vec<u8> =
        line.bytes().map(|byte| if byte == b' ' { 0 } else { byte }).chain([0]).collect();
    let packed = [path.as_bytes(), b"\0", directory.as_bytes(), b"\0", &arguments].concat();
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(field("path_length")?.offset, &(path.len() as u32).to_le_bytes());
    put(field("argv_length")?.offset, &(arguments.len() as u32).to_le_bytes());
    put(field("path")?.offset, &packed);
    Ok(bytes)
}
