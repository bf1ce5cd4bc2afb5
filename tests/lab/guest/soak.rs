//! A claim about everything at once: a random walk of changes to probes that decide at full rate.
//!
//! Processes open files as fast as they can (opener.rs), each of a probe of one kind. The session is changed, one line after the
//! other, at random: modes, filters, params, sets, leases, attach and detach, cgroups and files that are made anew. After each step
//! a probe that is armed refuses whatever its openers do, and one that is not refuses nothing; across a step that leaves a probe
//! armed nothing passes either. At the end each refusal was counted once, and each event that was sent was told or is counted as lost.
//!
//! `KRSI_SOAK_SECONDS` says for how long; the seed is part of a failure, and `KRSI_SOAK_SEED` gives it again.

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
/// How much more memory the session may have at the end than after a third of the time, in percent.
const MORE_MEMORY: u64 = 5;

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
    /// The session's memory, in KiB, and when.
    memory: Vec<(Duration, u64)>,
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
                    format!("{when}: probe {}, which is {what}: {opened} opened, {refused} refused", probe.name),
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
        let at_full_rate = self.random.below(6) == 0;
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
        self.memory.push((self.begun.elapsed(), memory_of(self.shell.pid())?));
        Ok(())
    }

    /// Changes something of a probe; gives what.
    fn change(&mut self, number: usize) -> Result<String, String> {
        let probe = &self.probes[number];
        let name = probe.name;
        // What is not armed is armed again more often than not.
        if !probe.is_armed() && self.random.below(2) == 0 {
            return self.arm(number);
        }
        let probe = &mut self.probes[number];
        let line = match self.random.below(8) {
            0 | 1 => {
                let modes = [".observe()", ".shadow()", ".deny(\"EPERM\")", ".deny(\"EACCES\")", ASK];
                let modes = if probe.kind == Kind::Asks { &modes[..] } else { &modes[..4] };
                let mode = self.random.of(modes);
                probe.enforces = mode.starts_with(".deny") || mode == ASK;
                format!("{name}{mode};")
            }
            2 | 3 => {
                let filters = [
                    ("()", true),
                    ("|e| e.uid == 0", true),
                    ("|e| e.path.starts_with(\"/tmp/soak/\") && e.pid != 1", true),
                    ("|e| e.path.contains(\"soak\") || e.comm == \"nobody\"", true),
                    ("|e| e.uid == 4242", false),
                ];
                let (filter, matches) = self.random.of(&filters);
                probe.matches = matches;
                format!("{name}.when({filter});")
            }
            4 if probe.attached => {
                probe.attached = false;
                format!("{name}.detach();")
            }
            4 => {
                // From here on it would last again for a while.
                (probe.attached, probe.lasts) = (true, true);
                format!("{name}.lease(\"1h\"); {name}.attach();")
            }
            5 if probe.attached && probe.lasts => return self.lapse(number),
            5 => {
                probe.lasts = true;
                format!("{name}.lease(\"1h\");")
            }
            _ => return self.change_own(number),
        };
        self.type_line(&line)?;
        Ok(line)
    }

    /// Arms it, whatever it is.
    fn arm(&mut self, number: usize) -> Result<String, String> {
        let probe = &mut self.probes[number];
        let name = probe.name;
        let mode = if probe.kind == Kind::Asks { ASK } else { ".deny(\"EPERM\")" };
        let covers = match probe.kind {
            Kind::Prefixes => format!("p.set(\"path_prefix\", \"{DIRECTORY}/p/\");"),
            Kind::Set => format!("bad.add(\"{DIRECTORY}/s\");"),
            _ => String::new(),
        };
        let attach = if probe.attached { String::new() } else { format!("{name}.attach();") };
        (probe.attached, probe.enforces, probe.matches, probe.lasts) = (true, true, true, true);
        if probe.kind != Kind::NotCgroup {
            probe.covers = true;
        }
        let line = format!("{name}{mode}; {name}.when(()); {covers} {name}.lease(\"1h\"); {attach}");
        self.type_line(&line)?;
        if self.probes[number].kind == Kind::NotCgroup && !self.probes[number].covers {
            move_into("", &self.openers[4])?;
            self.probes[number].covers = true;
        }
        Ok(line)
    }

    /// Lets its lease run out.
    fn lapse(&mut self, number: usize) -> Result<String, String> {
        let was_armed = self.probes[number].is_armed();
        let line = format!("{}.lease(\"300ms\");", self.probes[number].name);
        self.type_line(&line)?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(400) {
            self.look()?;
        }
        self.probes[number].lasts = false;
        if was_armed {
            // What was held when it ran out is let go by the waker.
            let opener = self.probes[number].openers[0];
            let opened = self.openers[opener].counted()?.opened;
            let openers = &self.openers;
            until("the lease has run out", Duration::from_secs(10), || {
                Ok(openers[opener].counted()?.opened > opened)
            })?;
        }
        Ok(line)
    }

    /// What only this kind of probe has.
    fn change_own(&mut self, number: usize) -> Result<String, String> {
        let line = match self.probes[number].kind {
            Kind::Prefixes => {
                let many: Vec<_> = (0..200).map(|n| format!("/tmp/soak/none-{n}/")).collect();
                let (values, covers) = match self.random.below(4) {
                    0 => (vec![format!("{DIRECTORY}/p/")], true),
                    1 => (vec![format!("{DIRECTORY}/p/a"), format!("{DIRECTORY}/p/b")], true),
                    2 => ([many, vec![format!("{DIRECTORY}/p/")]].concat(), true),
                    _ => (many, false),
                };
                self.probes[number].covers = covers;
                format!("p.set(\"path_prefix\", {values:?});")
            }
            Kind::Set => return self.change_set(number),
            Kind::Cgroup => return self.renew_cgroup(3, number),
            Kind::NotCgroup => return self.renew_cgroup(4, number),
            Kind::Asks => "q.set(\"path\", [\"/tmp/soak/q\", \"/tmp/soak/none\"]);".to_owned(),
        };
        self.type_line(&line)?;
        Ok(line)
    }

    fn change_set(&mut self, number: usize) -> Result<String, String> {
        let file = format!("{DIRECTORY}/s");
        let choice = self.random.below(5);
        if choice == 4 {
            // Another file of this name.
            self.replaced += 1;
            let next = format!("{DIRECTORY}/s-next");
            fs::write(&next, "content").map_err(text)?;
            fs::rename(&next, &file).map_err(text)?;
            return Ok("its file is replaced".into());
        }
        let many: Vec<_> = (0..100).map(|n| format!("{DIRECTORY}/none-{n}")).collect();
        let (line, covers) = match choice {
            0 => (format!("bad.add(\"{file}\");"), true),
            1 => (format!("bad.remove(\"{file}\");"), false),
            2 => (format!("bad.fill({:?});", [many, vec![file]].concat()), true),
            _ => (format!("bad.clear(); bad.fill({many:?});"), false),
        };
        self.probes[number].covers = covers;
        self.type_line(&line)?;
        Ok(line)
    }

    /// The opener leaves its cgroup, which is made anew, and is in it again.
    fn renew_cgroup(&mut self, opener: usize, number: usize) -> Result<String, String> {
        let kind = self.probes[number].kind;
        let cgroup = if kind == Kind::Cgroup { "soak-c" } else { "soak-n" };
        let what = format!("cgroup {cgroup} is made anew");
        let others = {
            let probe = &mut self.probes[number];
            probe.covers = kind == Kind::NotCgroup;
            probe.is_armed()
        };
        move_into("", &self.openers[opener])?;
        self.is(opener, others, &format!("{what}: outside"))?;
        let path = format!("{CGROUPS}/{cgroup}");
        until("the cgroup is empty", PATIENCE, || Ok(fs::remove_dir(&path).is_ok()))?;
        fs::create_dir(&path).map_err(text)?;
        self.probes[number].covers = kind == Kind::Cgroup;
        move_into(cgroup, &self.openers[opener])?;
        let inside = self.probes[number].is_armed();
        self.is(opener, inside, &format!("{what}: inside"))?;
        Ok(what)
    }

    /// Whether an opener is refused, or not, from now on.
    fn is(&mut self, opener: usize, refused: bool, when: &str) -> Outcome {
        let opener = &self.openers[opener];
        opener.is_through()?;
        let before = opener.counted()?;
        for _ in 0..3 {
            opener.is_through()?;
        }
        let after = opener.counted()?;
        let as_it_should =
            if refused { after.opened == before.opened } else { after.refused == before.refused };
        holds(as_it_should, format!("{when}: refused: {refused}; from {before:?} to {after:?}"))
    }

    /// Ends the openers and the session: every number has to agree.
    fn end(mut self) -> Outcome {
        let mut counted = Vec::new();
        for opener in std::mem::take(&mut self.openers) {
            counted.push(opener.stop()?);
            self.look()?;
        }
        let [third, last] = self.memory_then_and_now()?;
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
            same(&format!("errors and changes by others, of {books}"), (count("errors"), count("altered")), (0, 0))?;
        }
        holds(!ended.stderr.contains("by another process"), format!("nobody is accused: {}", ended.stderr))?;
        let refused: u64 = counted.iter().map(|counted| counted.refused).sum();
        let opened: u64 = counted.iter().map(|counted| counted.opened).sum();
        let told: u64 = self.told.values().sum();
        tell(format!(
            "soak: {} steps in {:.0} s, {opened} opened, {refused} refused, {told} events told, {} files replaced; {third} KiB after a third, {last} KiB at the end: {:?}",
            self.memory.len(),
            self.begun.elapsed().as_secs_f32(),
            self.replaced,
            self.memory.iter().step_by(self.memory.len() / 20 + 1).map(|(_, size)| size).collect::<Vec<_>>()
        ));
        holds(
            last * 100 <= third * (100 + MORE_MEMORY),
            format!("the session had {third} KiB after a third of the time, and {last} KiB at the end"),
        )
    }

    /// The session's memory after a third, and at the end: of a few looks each the middle one.
    fn memory_then_and_now(&self) -> Result<[u64; 2], String> {
        let whole = self.memory.last().ok_or("no step was made")?.0;
        let middle = |from: f64, to: f64| {
            let within = |(at, _): &&(Duration, u64)| {
                let share = at.div_duration_f64(whole);
                (from..=to).contains(&share)
            };
            let mut sizes: Vec<u64> = self.memory.iter().filter(within).map(|(_, size)| *size).collect();
            sizes.sort_unstable();
            sizes.get(sizes.len() / 2).copied().ok_or("too few steps to compare the memory of")
        };
        Ok([middle(0.25, 0.4)?, middle(0.85, 1.0)?])
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
    let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
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
        let lasts = Duration::from_secs(seconds);
        while walk.begun.elapsed() < lasts {
            let number = walk.memory.len() + 1;
            walk.step().map_err(|why| format!("step {number}: {why}"))?;
        }
        walk.end()?;
        until("nothing is left in the kernel", PATIENCE, || Ok(loaded() == before))
    })();
    for name in ["c", "n"] {
        let _ = fs::remove_dir(format!("{CGROUPS}/soak-{name}"));
    }
    outcome.map_err(|why: String| format!("seed {seed}: {why}"))
}
