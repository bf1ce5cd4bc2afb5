//! A claim about everything at once: a random walk of changes to probes that decide at full rate.
//!
//! Processes open files as fast as they can (opener.rs), each of a probe of one kind. The session is changed, one line after the
//! other, at random: modes, filters, params, sets, leases, attach and detach, cgroups and files that are made anew. After each step
//! a probe that is armed refuses whatever its openers do, and one that is not refuses nothing; across a step that leaves a probe
//! armed nothing passes either. At the end each refusal was counted once, and each event that was sent was told or is counted as lost.
//!
//! `KRSI_SOAK_SECONDS` says for how long; the seed is part of a failure, and `KRSI_SOAK_SEED` gives it again.

mod changes;

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aya::{maps::loaded_maps, programs::loaded_programs};
use serde_json::Value;

use super::{
    Outcome, handed, holds,
    opener::{Counted, Opener},
    pace::{stretched, until},
    same,
    shell::{Ended, Shell},
    tell,
};

/// The environment variables that say for how many seconds, and by which numbers.
pub const SECONDS: &str = "KRSI_SOAK_SECONDS";
pub const SEED: &str = "KRSI_SOAK_SEED";
const DEFAULT_SECONDS: u64 = 30;

const DIRECTORY: &str = "/tmp/soak";
const CGROUPS: &str = "/sys/fs/cgroup";
/// What a line at the prompt, or an opener, may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of openers, between two opens.
const REST: Duration = Duration::from_millis(2);
const LONG_REST: Duration = Duration::from_millis(50);
/// How much more memory the session may have at the end than after a third of the time, in percent: where it has gone on for so
/// long that everything has been as large as it gets, and before.
const MORE_MEMORY: u64 = 5;
const MORE_MEMORY_AT_FIRST: u64 = 25;
const LONG: Duration = Duration::from_secs(600);

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

// ---- numbers ------------------------------------------------------------------

/// Xorshift: the same numbers from the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn seed() -> Result<u64, String> {
    let seed = match handed(SEED) {
        Some(seed) => seed.parse().map_err(|_| format!("{SEED} is no number: {seed}"))?,
        None => SystemTime::now().duration_since(UNIX_EPOCH).map_err(text)?.as_nanos() as u64 % 1_000_000_000,
    };
    // Of zero there would be no other number.
    Ok(seed.max(1))
}

// ---- probes --------------------------------------------------------------------

/// What only one of the probes has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its param names directories.
    Prefixes,
    /// Its param takes a set.
    Set,
    /// It is about a cgroup, or about all others.
    Cgroup,
    NotCgroup,
    Asks,
}

/// A probe, as the walk has left it.
struct Probe {
    name: &'static str,
    kind: Kind,
    /// Its openers.
    openers: &'static [usize],
    attached: bool,
    /// In a mode that refuses.
    enforces: bool,
    /// With a filter that matches what they do.
    matches: bool,
    /// Its lease has not run out.
    lasts: bool,
    /// Its param names their file, and they are in scope.
    covers: bool,
}

impl Probe {
    const fn new(name: &'static str, kind: Kind, openers: &'static [usize]) -> Self {
        Probe {
            name,
            kind,
            openers,
            attached: true,
            enforces: true,
            matches: true,
            lasts: true,
            covers: true,
        }
    }

    fn is_armed(&self) -> bool {
        self.attached && self.enforces && self.matches && self.lasts && self.covers
    }
}

/// The statements that attach all of them; what they are called in the script is their name.
fn attaching() -> String {
    let me = std::process::id();
    let settings = ".fields([\"verdict\"]).deny(\"EPERM\").lease(\"1h\")";
    let rest = |name: &str| format!(".name(\"{name}\").attach();");
    [
        format!("let p = probe(\"file_open\", #{{path_prefix: \"{DIRECTORY}/p/\"}}).scope(#{{pid: {me}}}){settings}{}", rest("p")),
        format!("let bad = set(\"bad\"); bad.add(\"{DIRECTORY}/s\");"),
        format!("let s = probe(\"file_open\", #{{path: bad}}).scope(#{{pid: {me}}}){settings}{}", rest("s")),
        format!(
            "let c = probe(\"file_open\", #{{path: \"{DIRECTORY}/c\"}}).scope(#{{cgroup: \"{CGROUPS}/soak-c\"}}){settings}{}",
            rest("c")
        ),
        format!(
            "let n = probe(\"file_open\", #{{path: \"{DIRECTORY}/n\"}}).scope(#{{pid: {me}, not_cgroup: \"{CGROUPS}/soak-n\"}}){settings}{}",
            rest("n")
        ),
        format!(
            "let q = probe(\"file_open\", #{{path: \"{DIRECTORY}/q\"}}).scope(#{{pid: {me}}}).fields([\"verdict\"]).lease(\"1h\"){ASK}{}",
            rest("q")
        ),
    ]
    .concat()
}

const ASK: &str = ".ask(|e| deny(\"EACCES\"), #{timeout: \"5s\", otherwise: deny(\"EACCES\")})";
const FILES: [&str; 6] =
    ["/tmp/soak/p/a", "/tmp/soak/p/b", "/tmp/soak/s", "/tmp/soak/c", "/tmp/soak/n", "/tmp/soak/q"];

// ---- the walk ------------------------------------------------------------------------

struct Walk {
    shell: Shell,
    keyboard: File,
    openers: Vec<Opener>,
    probes: [Probe; 5],
    random: Random,
    /// What each opener had counted when its probe was known to be as it is.
    known: Vec<Counted>,
    /// Lines that were typed.
    lines: u64,
    /// Files that took the place of others.
    replaced: u64,
    /// Events that were told, by probe.
    told: HashMap<String, u64>,
    /// The session's memory, in KiB, after each third of the time.
    memory: Vec<u64>,
    steps: u64,
    begun: Instant,
}

impl Walk {
    fn start(seed: u64) -> Result<Self, String> {
        fs::create_dir_all(format!("{DIRECTORY}/p")).map_err(text)?;
        for file in FILES {
            fs::write(file, "content").map_err(text)?;
        }
        let openers = Opener::start(&format!("{DIRECTORY}/counters"), &FILES)?;
        openers.iter().for_each(|opener| opener.rest(REST));
        for name in ["c", "n"] {
            fs::create_dir_all(format!("{CGROUPS}/soak-{name}")).map_err(text)?;
        }
        move_into("soak-c", &openers[3])?;
        let (shell, keyboard) = Shell::at_terminal(&["--format", "json", "--no-init"])?;
        let mut walk = Walk {
            shell,
            keyboard,
            openers,
            probes: [
                Probe::new("p", Kind::Prefixes, &[0, 1]),
                Probe::new("s", Kind::Set, &[2]),
                Probe::new("c", Kind::Cgroup, &[3]),
                Probe::new("n", Kind::NotCgroup, &[4]),
                Probe::new("q", Kind::Asks, &[5]),
            ],
            random: Random(seed),
            known: Vec::new(),
            lines: 0,
            replaced: 0,
            told: HashMap::new(),
            memory: Vec::new(),
            steps: 0,
            begun: Instant::now(),
        };
        walk.type_line(&attaching())?;
        walk.known = walk.counted()?;
        walk.begun = Instant::now();
        Ok(walk)
    }

    /// Types a line, and waits until it has been executed.
    fn type_line(&mut self, line: &str) -> Outcome {
        self.lines += 1;
        let done = format!("done {}", self.lines);
        writeln!(self.keyboard, "{line} print(\"{done}\");").map_err(text)?;
        let begun = Instant::now();
        while !self.look()?.contains(&done) {
            if begun.elapsed() > stretched(PATIENCE) {
                return Err(self.shell.trouble(&format!("not done: {line}")));
            }
        }
        Ok(())
    }

    /// Takes what has been told; gives what was printed.
    fn look(&mut self) -> Result<Vec<String>, String> {
        let mut printed = Vec::new();
        for line in self.shell.poll() {
            match line["type"].as_str() {
                Some("event") => {
                    let probe = line["probe"].as_str().unwrap_or_default().to_owned();
                    *self.told.entry(probe).or_default() += 1;
                }
                Some("print") => printed.push(line["text"].as_str().unwrap_or_default().to_owned()),
                Some("alert" | "diagnostic") => return Err(line.to_string()),
                _ => {}
            }
        }
        Ok(printed)
    }

    /// What all openers have counted, once each is through with what it was at.
    fn counted(&mut self) -> Result<Vec<Counted>, String> {
        self.openers.iter().try_for_each(Opener::is_through)?;
        self.openers.iter().map(Opener::counted).collect()
    }

    /// Whether an opener has come to what its probe says since it had counted so much.
    fn judge(&self, before: &[Counted], after: &[Counted], armed: &[bool; 5], when: &str) -> Outcome {
        for (probe, armed) in self.probes.iter().zip(armed) {
            for opener in probe.openers {
                let (before, after) = (before[*opener], after[*opener]);
                let (opened, refused) = (after.opened - before.opened, after.refused - before.refused);
                let as_it_should = if *armed { opened == 0 } else { refused == 0 };
                let what = if *armed { "armed" } else { "not armed" };
                holds(
                    as_it_should && opened + refused > 0,
                    format!(
                        "{when}: probe {}, which is {what}: {opened} opened, {refused} refused",
                        probe.name
                    ),
                )?;
            }
        }
        Ok(())
    }

    fn armed(&self) -> [bool; 5] {
        self.probes.each_ref().map(Probe::is_armed)
    }

    /// Lets the openers go on for a while: now and then as fast as they can, and else so that a step need not wait long for what
    /// has piled up.
    fn go_on(&mut self) -> Outcome {
        let at_full_rate = self.steps == 0 || self.random.below(6) == 0;
        let lasts = if at_full_rate { 500 } else { 20 + self.random.below(200) as u64 };
        if at_full_rate {
            self.openers.iter().for_each(|opener| opener.rest(Duration::ZERO));
        }
        let until = Instant::now() + Duration::from_millis(lasts);
        while Instant::now() < until {
            self.look()?;
        }
        self.openers.iter().for_each(|opener| opener.rest(REST));
        Ok(())
    }

    /// A step, and what is so before, across and after it.
    fn step(&mut self) -> Outcome {
        let (before, armed) = (self.known.clone(), self.armed());
        let number = self.random.below(self.probes.len());
        let what = self.change(number)?;
        let name = self.probes[number].name;
        let after = self.counted()?;
        // Whatever a step does to one probe, the others stay as they are; so does this one if it was and is armed.
        let now = self.armed();
        for (index, probe) in self.probes.iter().enumerate() {
            let moved = index == number && (what.starts_with("cgroup") || armed[index] != now[index]);
            for opener in probe.openers.iter().filter(|_| !moved) {
                let (before, after) = (before[*opener], after[*opener]);
                let unchanged = if armed[index] {
                    before.opened == after.opened
                } else {
                    before.refused == after.refused
                };
                holds(
                    unchanged,
                    format!("{name}: {what}: across it, probe {} from {before:?} to {after:?}", probe.name),
                )?;
            }
        }
        self.go_on()?;
        self.known = self.counted()?;
        self.judge(&after, &self.known, &now, &format!("{name}: {what}: after it"))?;
        self.steps += 1;
        Ok(())
    }

    /// Looks at the session's memory, where everything is armed, nothing waits to be told, and former programs have left.
    fn look_at_memory(&mut self) -> Outcome {
        const SETTLED: Duration = Duration::from_secs(3);
        self.openers.iter().for_each(|opener| opener.rest(LONG_REST));
        for number in 0..self.probes.len() {
            if !self.probes[number].is_armed() {
                self.arm(number)?;
            }
        }
        let begun = Instant::now();
        while begun.elapsed() < SETTLED {
            self.look()?;
        }
        self.memory.push(memory_of(self.shell.pid())?);
        self.openers.iter().for_each(|opener| opener.rest(REST));
        self.known = self.counted()?;
        Ok(())
    }

    /// Ends the openers and the session: every number has to agree.
    fn end(mut self) -> Outcome {
        let mut counted = Vec::new();
        for opener in std::mem::take(&mut self.openers) {
            counted.push(opener.stop()?);
            self.look()?;
        }
        let (third, last) = (self.memory.first().copied(), self.memory.last().copied());
        let (third, last) = third.zip(last).ok_or("the memory was not looked at")?;
        writeln!(self.keyboard, "exit(0)").map_err(text)?;
        let ended = self.shell.end()?;
        for line in ended.lines.iter().filter(|line| line["type"] == "event") {
            *self.told.entry(line["probe"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        ended.well()?;
        for probe in &self.probes {
            let books = last_books(&ended, probe.name)?;
            let refused: u64 = probe.openers.iter().map(|opener| counted[*opener].refused).sum();
            let count = |name: &str| books[name].as_u64().unwrap_or(u64::MAX);
            same(&format!("refused, by {books}"), count("deny"), refused)?;
            let told = self.told.get(probe.name).copied().unwrap_or_default();
            same(&format!("events told, by {books}"), told, count("delivered"))?;
            same(
                &format!("errors and changes by others, of {books}"),
                (count("errors"), count("altered")),
                (0, 0),
            )?;
        }
        holds(!ended.stderr.contains("by another process"), format!("nobody is accused: {}", ended.stderr))?;
        let refused: u64 = counted.iter().map(|counted| counted.refused).sum();
        let opened: u64 = counted.iter().map(|counted| counted.opened).sum();
        let told: u64 = self.told.values().sum();
        tell(format!(
            "soak: {} steps in {:.0} s, {opened} opened, {refused} refused, {told} events told, {} files replaced; KiB after each third: {:?}",
            self.steps,
            self.begun.elapsed().as_secs_f32(),
            self.replaced,
            self.memory
        ));
        let more = if self.begun.elapsed() < LONG { MORE_MEMORY_AT_FIRST } else { MORE_MEMORY };
        holds(
            last * 100 <= third * (100 + more),
            format!("the session had {third} KiB after a third of the time, and {last} KiB at the end"),
        )
    }
}

fn last_books<'e>(ended: &'e Ended, probe: &str) -> Result<&'e Value, String> {
    let of_probe = |line: &&Value| line["type"] == "books" && line["probe"] == probe;
    ended.lines.iter().rfind(of_probe).ok_or_else(|| format!("no books of {probe}: {}", ended.stderr))
}

fn move_into(cgroup: &str, opener: &Opener) -> Outcome {
    let path = format!("{CGROUPS}/{cgroup}/cgroup.procs");
    fs::write(&path, opener.pid().to_string()).map_err(|e| format!("{path}: {e}"))
}

/// `VmRSS`, in KiB.
fn memory_of(pid: u32) -> Result<u64, String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(text)?;
    let size =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    size.ok_or_else(|| format!("no VmRSS: {status}"))
}

/// How many maps and programs the kernel has.
fn loaded() -> (usize, usize) {
    (loaded_maps().count(), loaded_programs().count())
}

pub fn walk() -> Outcome {
    let seconds = match handed(SECONDS) {
        Some(seconds) => seconds.parse().map_err(|_| format!("{SECONDS} is no number: {seconds}"))?,
        None => DEFAULT_SECONDS,
    };
    let seed = seed()?;
    let before = loaded();
    let outcome = (|| {
        let mut walk = Walk::start(seed)?;
        for third in 1..=3 {
            while walk.begun.elapsed() < Duration::from_secs(seconds) * third / 3 {
                let number = walk.steps + 1;
                walk.step().map_err(|why| format!("step {number}: {why}"))?;
            }
            walk.look_at_memory()?;
        }
        walk.end()?;
        until("nothing is left in the kernel", PATIENCE, || Ok(loaded() == before))
    })();
    for name in ["c", "n"] {
        let _ = fs::remove_dir(format!("{CGROUPS}/soak-{name}"));
    }
    outcome.map_err(|why: String| format!("seed {seed}: {why}"))
}
