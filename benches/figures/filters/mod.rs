//! What a decision costs: filters from trivial to heavy, each beside the same condition written by hand in C.
//!
//! The C is compiled on the host, by the compiler that the templates are built with. In a guest whose time counts
//! instructions, both take the slot's place in a program that asks about one event thousands of times; what an
//! empty slot takes there is taken off. Both have to give the same answer, the closure's own.
//!
//! ```text
//! cases       the closures, and the event
//! hand.bpf.c  the same in C
//! ```

pub mod cases;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use krsi_sh::{
    kernel::bench::test_run::TestRun, lab::Extra, script::equivalence::Closure, template::Catalogue,
};
use nix::time::{ClockId, clock_gettime};
use object::{Object, ObjectSection};

use self::cases::{CASES, Case, TEMPLATE};
use crate::{
    figure::{Figure, Outcome},
    visit::{Found, KERNEL, Visit},
};

pub const ROLE: &str = "--filters";
const GOAL: f64 = 1.5;
/// Decisions of one measurement, and measurements, of which the least counts: whatever else the guest does comes on top.
const TIMES: u32 = 5000;
const ROUNDS: usize = 20;
/// Where the guest has the code of the C variants: name to bytes.
const BY_HAND: &str = "/lab/by-hand";
/// `r0 = 0; exit`
pub const EMPTY: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

/// Instructions for a decision, more than an empty slot takes: ours, and by hand.
type Costs = (f64, f64);
type Findings = Vec<Result<Costs, String>>;

pub fn figures() -> Vec<Figure> {
    let visit = || -> Result<Found<Findings>, String> {
        let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
        let file = directory.path().join("by-hand");
        let code = serde_json::to_vec(&compile(directory.path())?).map_err(|e| e.to_string())?;
        fs::write(&file, code).map_err(|e| format!("writing {}: {e}", file.display()))?;
        let files = vec![Extra { host: file, guest: BY_HAND.into(), mode: 0o644 }];
        Visit { role: &[ROLE], files, icount: true }.pay()
    };
    let goal = format!("≤ {GOAL}×");
    match visit() {
        Ok(found) => CASES.iter().zip(found.findings).map(|(case, found)| row(case, &goal, found)).collect(),
        Err(reason) => CASES.iter().map(|case| Figure::failed(case.name, &goal, &reason)).collect(),
    }
}

fn row(case: &Case, goal: &str, found: Result<Costs, String>) -> Figure {
    match found {
        Ok((ours, by_hand)) => {
            let ratio = ours / by_hand;
            let measured = format!("{ratio:.2}× ({ours:.0}; by hand {by_hand:.0})");
            let method =
                format!("`{}`; instructions for a decision under -icount, Linux {KERNEL}", case.closure);
            Figure::new(case.name, goal, measured, Outcome::of(ratio <= GOAL), &method)
        }
        Err(reason) => Figure::failed(case.name, goal, &reason),
    }
}

/// The C variants' code, by their names.
fn compile(directory: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let object = directory.join("hand.o");
    let output = Command::new("clang-19")
        .args(["-target", "bpf", "-mcpu=v3", "-g", "-O2", "-Wno-unused-parameter", "-c"])
        .arg(root.join("benches/figures/filters/hand.bpf.c"))
        .arg("-o")
        .arg(&object)
        .output()
        .map_err(|e| format!("clang-19: {e}; run: scripts/setup templates"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let bytes = fs::read(&object).map_err(|e| format!("reading {}: {e}", object.display()))?;
    let file = object::File::parse(&*bytes).map_err(|e| e.to_string())?;
    let code = |case: &Case| {
        let name = format!("hand/{}", case.hand);
        let section = file.section_by_name(&name).ok_or_else(|| format!("no section {name}"))?;
        if section.relocations().next().is_some() {
            return Err(format!("{name} is not code alone"));
        }
        let code = section.data().map_err(|e| e.to_string())?.to_vec();
        Ok((case.hand.to_owned(), code))
    };
    CASES.iter().map(code).collect()
}

/// The guest's part.
pub fn measure() -> ExitCode {
    let findings: Result<Findings, String> =
        Bench::new().map(|bench| CASES.iter().map(|case| bench.costs(case)).collect());
    let findings = findings.unwrap_or_else(|error| CASES.iter().map(|_| Err(error.clone())).collect());
    match serde_json::to_writer(std::io::stdout(), &findings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

struct Bench {
    catalogue: Catalogue,
    by_hand: BTreeMap<String, Vec<u8>>,
}

impl Bench {
    fn new() -> Result<Self, String> {
        let catalogue = Catalogue::builtin().map_err(|e| e.to_string())?;
        let bytes = fs::read(BY_HAND).map_err(|e| format!("reading {BY_HAND}: {e}"))?;
        let by_hand = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
        Ok(Bench { catalogue, by_hand })
    }

    fn costs(&self, case: &Case) -> Result<Costs, String> {
        let template = self.catalogue.get(TEMPLATE).ok_or("no such template")?;
        let event = cases::event(template)?;
        let closure = Closure::new(&format!("{}{}", case.before, case.closure)).map_err(|e| e.to_string())?;
        let compiled = closure.compile(template).map_err(|e| e.to_string())?;
        let expected = compiled.filter.evaluate(&event).map_err(|e| format!("{e:?}"))?.code();
        let carrier = TestRun::new(template.event_size).map_err(|e| e.to_string())?;
        let cost = |slot: &[u8]| decision(&carrier, slot, &event);
        let (empty, _) = cost(&EMPTY)?;
        let (ours, said) = cost(&[compiled.code.bytes(), EXIT.to_vec()].concat())?;
        let (by_hand, said_by_hand) = cost(self.by_hand.get(case.hand).ok_or("not written by hand")?)?;
        if [said, said_by_hand] != [expected.cast_unsigned(); 2] {
            return Err(format!("expected {expected}, the filter says {said}, by hand {said_by_hand}"));
        }
        Ok((ours - empty, by_hand - empty))
    }
}

/// Instructions for one decision, the loop's own among them; and the answer.
fn decision(carrier: &TestRun, slot: &[u8], event: &[u8]) -> Result<(f64, u32), String> {
    // Where a nanosecond is an instruction this clock counts all that is done, also what interrupts do: so the
    // least is what the loop itself takes, and that repeats exactly. The process's own time does not.
    let time = || clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
    let (clocks, said) = carrier.repeat(slot, event, TIMES, ROUNDS, time).map_err(|e| e.to_string())?;
    let passed = |(before, after)| -> Result<f64, nix::Error> {
        let passed: std::time::Duration = after? - before?;
        Ok(passed.as_nanos() as f64 / f64::from(TIMES))
    };
    let rounds: Vec<f64> =
        clocks.into_iter().map(passed).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    Ok((rounds.into_iter().fold(f64::MAX, f64::min), said))
}
