//! What the kernel has more of while a probe is attached: maps and their memory, programs and their instructions.
//!
//! Maps are asked of the kernel and not of the shell's descriptors: many are held by programs alone.

use std::{
    collections::BTreeSet,
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
    process::Command,
};

use aya::{maps::loaded_maps, programs::loaded_programs};
use serde::{Deserialize, Serialize};

use crate::{
    figure::{Figure, Outcome},
    stopwatch::Timed,
};

const GOAL_MB: f64 = 1.5;
/// Bytes of an instruction.
const INSTRUCTION: u32 = 8;

#[derive(Serialize, Deserialize)]
pub struct Loaded {
    maps: Vec<Map>,
    programs: Vec<Program>,
}

#[derive(Serialize, Deserialize)]
struct Map {
    id: u32,
    name: String,
    /// As the kernel charges it.
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Program {
    id: u32,
    name: String,
    bytes: u64,
    /// Behind the verifier, which takes out what is never reached.
    instructions: u32,
    /// That it has walked through.
    verified: u32,
}

impl Loaded {
    /// What comes with a probe of a template's own defaults.
    ///
    /// # Errors
    /// If it does not attach, or the kernel does not tell.
    pub fn with_probe(template: &str) -> Result<Self, String> {
        let before = Loaded::now()?;
        let mut command = Command::new("/bin/krsi-sh");
        let script = format!("probe({template:?}).attach(); print(\"attached\");");
        command.args(["--format=text", "-e", &script]);
        let mut running = Timed::start(command)?;
        running.heard("attached")?;
        let loaded = Loaded::now()?;
        running.interrupt()?;
        Ok(loaded.without(&before))
    }

    fn now() -> Result<Self, String> {
        let mut maps = Vec::new();
        for map in loaded_maps() {
            let map = map.map_err(|e| format!("listing maps: {e}"))?;
            let descriptor = map.fd().map_err(|e| format!("opening a map: {e}"))?;
            let file = format!("/proc/self/fdinfo/{}", descriptor.as_fd().as_raw_fd());
            let text = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
            let id = number(&text, "map_id:")?;
            let id = u32::try_from(id).map_err(|e| e.to_string())?;
            let name = String::from_utf8_lossy(map.name()).into_owned();
            maps.push(Map { id, name, bytes: number(&text, "memlock:")? });
        }
        let mut programs = Vec::new();
        for program in loaded_programs() {
            let program = program.map_err(|e| format!("listing programs: {e}"))?;
            programs.push(Program {
                id: program.id(),
                name: String::from_utf8_lossy(program.name()).into_owned(),
                bytes: program.memory_locked().map_err(|e| format!("a program's memory: {e}"))?.into(),
                instructions: program.size_translated().ok_or("no instructions are told")? / INSTRUCTION,
                verified: program.verified_instruction_count().ok_or("no verified instructions are told")?,
            });
        }
        Ok(Loaded { maps, programs })
    }

    fn without(mut self, before: &Loaded) -> Self {
        let maps: BTreeSet<u32> = before.maps.iter().map(|map| map.id).collect();
        let programs: BTreeSet<u32> = before.programs.iter().map(|program| program.id).collect();
        self.maps.retain(|map| !maps.contains(&map.id));
        self.programs.retain(|program| !programs.contains(&program.id));
        self
    }
}

/// The number behind a word, in what /proc tells of a descriptor.
fn number(text: &str, word: &str) -> Result<u64, String> {
    let value = text.lines().find_map(|line| line.strip_prefix(word)?.trim().parse().ok());
    value.ok_or_else(|| format!("no `{word}` in {text}"))
}

pub fn figures(template: &str, place: &str, loaded: Result<Loaded, String>) -> [Figure; 2] {
    let memory = format!("kernel memory, {template}");
    let instructions = format!("instructions loaded, {template}");
    let goal = format!("≤ {GOAL_MB} MB");
    match loaded {
        Ok(loaded) => [
            of_maps(&memory, &goal, template, place, &loaded),
            of_programs(&instructions, place, &loaded.programs),
        ],
        Err(reason) => [Figure::failed(&memory, &goal, &reason), Figure::failed(&instructions, "", &reason)],
    }
}

fn of_maps(name: &str, goal: &str, template: &str, place: &str, loaded: &Loaded) -> Figure {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let bytes: u64 = loaded.maps.iter().map(|map| map.bytes).sum();
    let Some(largest) = loaded.maps.iter().max_by_key(|map| map.bytes) else {
        return Figure::failed(name, goal, "no maps");
    };
    let measured = format!(
        "{:.2} MB in {} maps, {:.2} of them in {}; and {:.2} in programs",
        mb(bytes),
        loaded.maps.len(),
        mb(largest.bytes),
        largest.name,
        mb(loaded.programs.iter().map(|program| program.bytes).sum())
    );
    let method = format!("memlock of every map there is while `probe(\"{template}\")` is attached; {place}");
    Figure::new(name, goal, measured, Outcome::of(mb(bytes) <= GOAL_MB), &method)
}

fn of_programs(name: &str, place: &str, programs: &[Program]) -> Figure {
    let sum = |part: fn(&Program) -> u32| programs.iter().map(part).sum::<u32>();
    let each: Vec<String> =
        programs.iter().map(|program| format!("{} {}", program.name, program.instructions)).collect();
    let measured = format!(
        "{} ({}); the verifier walked through {}",
        sum(|program| program.instructions),
        each.join(", "),
        sum(|program| program.verified)
    );
    Figure::shown(name, measured, &format!("xlated_prog_len and verified_insns of the same probe; {place}"))
}
