//! Which probe refuses which deed, each way without the rule and with it, and the judgement.
//!
//! The order is what makes it hold: first everything observes, and what fails then is no deed and no way here; then everything
//! enforces. A way that succeeds is believed only if the plain deed is still refused afterwards. What is made of names is
//! removed by this process, which the session's own denials spare.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use crossbeam_channel::Receiver;
use jiff::Timestamp;

use super::{
    attacker::{Attacker, Reply},
    child::{Answer, Trouble},
    deed::{Deed, Kind},
    derive::{self, Who},
    told::{About, Outcome, nothing_to_go_round},
    watch::{Seen, Watch},
    ways::{self, Scene, Way},
};
use crate::{
    check::{CheckResult, Finished},
    probe::Mode,
    raw,
};

/// Deeds of one probe that ways are tried to; the others of a list are refused alike.
const MOST_DEEDS: usize = 3;
/// Deeds that are named where none of them is refused.
const MOST_NAMED: usize = 6;
/// What comes into being under a name that a rule has is followed within a second.
const FOLLOWED: Duration = Duration::from_millis(2500);
/// Where a directory of a scene may be, for a file of the same file system.
const PLACES: [&str; 6] = ["/var/tmp", "/root", "/mnt", "/run", "/tmp", "/dev/shm"];
const DIRECTORY: &str = ".krsi-redteam";
const FAR: &str = ".krsi-redteam-far";

/// The session, which has to live meanwhile.
pub trait Alive {
    /// Does what a session does until something comes.
    ///
    /// # Errors
    /// Why it is over.
    fn wait(&mut self, replies: &Receiver<Reply>) -> Result<Reply, String>;

    /// Does that for so long.
    ///
    /// # Errors
    /// Why it is over.
    fn pause(&mut self, time: Duration) -> Result<(), String>;
}

/// What is tried, by whom, in which session.
pub struct Trial<'t> {
    pub script: &'t str,
    pub watch: &'t Watch,
    pub attacker: &'t Attacker,
    pub alive: &'t mut dyn Alive,
    /// What the script refuses, as a person says.
    pub deeds: Vec<Deed>,
    /// Hears what there is to say besides.
    pub note: &'t mut dyn FnMut(&str),
}

/// A probe that enforces, and what of it is tried.
struct Target {
    seen: Rc<Seen>,
    who: Who,
    /// What it may refuse.
    candidates: Vec<Deed>,
    /// What it does refuse.
    refused: Vec<Deed>,
    /// What became of candidates that it does not refuse.
    otherwise: Vec<String>,
    /// Candidates for which there was no more need.
    more: usize,
}

/// A deed's scene, and what its file was like.
struct Stage {
    scene: Scene,
    mode: Option<u32>,
}

impl Trial<'_> {
    /// Tries everything, and adds what came of it.
    ///
    /// # Errors
    /// If that came to no end, and why; what was tried before is told.
    pub fn run(&mut self, finished: &mut Vec<Finished>) -> Result<(), String> {
        let (mut targets, mut others) = (Vec::new(), Vec::new());
        for seen in self.watch.attached() {
            if !matches!(seen.mode(), Mode::Deny(_) | Mode::Kill(_)) {
                others.push(seen);
                continue;
            }
            match self.target(&seen) {
                Ok(target) => targets.push(target),
                Err(untried) => finished.push(*untried),
            }
        }
        if targets.is_empty() && finished.is_empty() {
            finished.push(nothing_to_go_round(self.script, refuses_nothing(&others)));
            return Ok(());
        }
        for other in &others {
            let why = format!("not tried: it neither denies nor kills ({})", other.mode());
            finished.push(self.about(other, None, 0).nothing(CheckResult::Skip, why));
        }
        self.make_what_is_missing(&targets)?;
        self.find_refused(&mut targets)?;
        for target in &targets {
            finished.extend(self.tried(target)?);
        }
        finished.extend(self.what_nobody_refuses(&targets));
        let is_tried = |one: &Finished| {
            one.evidence.iter().any(|of| of["outcome"] == "stopped" || of["outcome"] == "HOLE")
        };
        if !finished.iter().any(|one| is_tried(one) || one.is_trouble()) {
            let why = "nothing was tried: of what the script refuses no way round is known here".to_owned();
            finished.push(nothing_to_go_round(self.script, why));
        }
        Ok(())
    }

    fn about<'a>(&'a self, seen: &'a Seen, deed: Option<&'a Deed>, number: usize) -> About<'a> {
        About {
            script: self.script,
            probe: &seen.spec.name,
            template: &seen.spec.template.name,
            deed,
            number,
        }
    }

    fn target(&self, seen: &Rc<Seen>) -> Result<Target, Box<Finished>> {
        let spec = &seen.spec;
        let about = self.about(seen, None, 0);
        let template = &spec.template.name;
        if Kind::of_template(template).is_none() {
            let known = Kind::ALL.map(Kind::template).join(", ");
            let why = format!(
                "not tried: no ways round a rule of `{template}` are known here (there are some of {known})"
            );
            return Err(Box::new(about.nothing(CheckResult::Skip, why)));
        }
        let who = Who::of(&spec.scope)
            .map_err(|why| Box::new(about.nothing(CheckResult::Inconclusive, format!("not tried: {why}"))))?;
        let mut candidates: Vec<Deed> =
            self.deeds.iter().filter(|deed| deed.kind().template() == template).cloned().collect();
        for deed in derive::deeds(spec) {
            if !candidates.contains(&deed) {
                candidates.push(deed);
            }
        }
        Ok(Target {
            seen: Rc::clone(seen),
            who,
            candidates,
            refused: Vec::new(),
            otherwise: Vec::new(),
            more: 0,
        })
    }

    /// Makes files of the names that there are none of.
    fn make_what_is_missing(&mut self, targets: &[Target]) -> Result<(), String> {
        let mut made = Vec::new();
        for deed in targets.iter().flat_map(|target| &target.candidates) {
            match derive::stand_in(deed) {
                Ok(true) => made.extend(deed.path().map(str::to_owned)),
                Ok(false) => {}
                Err(error) => (self.note)(&format!("no stand-in can be made for `{deed}`: {error}")),
            }
        }
        if made.is_empty() {
            return Ok(());
        }
        (self.note)(&format!(
            "stand-ins were made for what is not there: {} (--with puts yours into the guest)",
            made.join(", ")
        ));
        self.alive.pause(FOLLOWED)
    }

    /// Finds what each probe refuses: what can be done while it observes, and cannot while it enforces.
    fn find_refused(&mut self, targets: &mut [Target]) -> Result<(), String> {
        let nowhere = Scene { directory: "/".into(), far: "/".into(), held: None };
        self.hold_back(true)?;
        let mut possible = Vec::new();
        for target in targets.iter_mut() {
            for deed in target.candidates.clone() {
                match self.attempt(&deed, None, &target.who, &nowhere)? {
                    Ok(()) => possible.push((target.seen.spec.name.clone(), deed)),
                    Err(trouble) => {
                        target.otherwise.push(format!("`{deed}` fails without the rule, too ({trouble})"));
                    }
                }
            }
        }
        self.hold_back(false)?;
        for target in targets.iter_mut() {
            for deed in target.candidates.clone() {
                let is_possible =
                    possible.iter().any(|(name, known)| *name == target.seen.spec.name && *known == deed);
                if !is_possible {
                    continue;
                }
                if target.refused.len() >= MOST_DEEDS {
                    target.more += 1;
                    continue;
                }
                self.rearm()?;
                let before = target.seen.refusals().map_err(|error| error.to_string())?;
                let answer = self.attempt(&deed, None, &target.who, &nowhere)?;
                let after = target.seen.refusals().map_err(|error| error.to_string())?;
                match answer {
                    Err(_) if after > before => target.refused.push(deed),
                    Err(trouble) => {
                        target.otherwise.push(format!("`{deed}` is refused by another probe ({trouble})"))
                    }
                    Ok(()) => target.otherwise.push(format!("`{deed}` is permitted")),
                }
            }
        }
        Ok(())
    }

    /// Says of what a person says that the script refuses it, if nothing of it does.
    fn what_nobody_refuses(&self, targets: &[Target]) -> Vec<Finished> {
        let is_refused = |deed: &&Deed| !targets.iter().any(|target| target.refused.contains(deed));
        let of_many = |deed: &&Deed| {
            !targets.iter().any(|target| {
                target.refused.len() >= MOST_DEEDS && target.candidates.iter().any(|known| known == *deed)
            })
        };
        let one = |deed: &Deed| {
            let found: Vec<_> = targets
                .iter()
                .flat_map(|target| target.otherwise.iter().map(|said| (&target.seen.spec.name, said)))
                .filter(|(_, said)| said.starts_with(&format!("`{deed}` ")))
                .map(|(name, said)| format!("{name}: {said}"))
                .collect();
            let found = if found.is_empty() {
                format!("no attached probe of template `{}` denies or kills", deed.kind().template())
            } else {
                found.join("; ")
            };
            let why = format!("there is nothing to go round: the script does not refuse `{deed}`: {found}");
            let mut finished = nothing_to_go_round(self.script, why);
            finished.check.id = format!("redteam.deed.{}", deed.kind().name());
            finished
        };
        self.deeds.iter().filter(is_refused).filter(of_many).map(one).collect()
    }

    /// Tries every way to what a probe refuses.
    fn tried(&mut self, target: &Target) -> Result<Vec<Finished>, String> {
        let seen = Rc::clone(&target.seen);
        if target.refused.is_empty() {
            let mut why = format!(
                "no deed is known that this probe refuses; tried: {}",
                target.otherwise.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join("; ")
            );
            if let Some(more) = target.otherwise.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
                why.push_str(&format!("; and {more} more"));
            }
            why.push_str(&format!(
                "\nfix: say what it refuses: --deed '{} …'",
                Kind::of_template(&seen.spec.template.name).map_or("open", Kind::name)
            ));
            return Ok(vec![self.about(&seen, None, 0).nothing(CheckResult::Inconclusive, why)]);
        }
        let mut finished = Vec::new();
        for (index, deed) in target.refused.iter().enumerate() {
            let mut stage =
                stage(deed).map_err(|error| format!("no place can be made for attempts: {error}"))?;
            let outcomes = self.ways_to(target, deed, &mut stage);
            stage.clear(deed);
            for directory in [&stage.scene.directory, &stage.scene.far] {
                let _ = fs::remove_dir_all(raw::os(directory));
            }
            let about = self.about(&seen, Some(deed), index + 1);
            for (way, outcome, began, seconds) in outcomes? {
                finished.push(about.way(way, &outcome, began, seconds));
            }
            let untried = ways::UNTRIED.iter().filter(|untried| untried.of == deed.kind());
            finished.extend(untried.map(|untried| about.untried(untried)));
        }
        if target.more > 0 {
            let why = format!(
                "not tried: {} more of what it may refuse; the first {MOST_DEEDS} that it refuses stand for them (--deed chooses others)",
                target.more
            );
            finished.push(self.about(&seen, None, 0).nothing(CheckResult::Skip, why));
        }
        Ok(finished)
    }

    fn ways_to(
        &mut self,
        target: &Target,
        deed: &Deed,
        stage: &mut Stage,
    ) -> Result<Vec<(&'static Way, Outcome, Timestamp, f64)>, String> {
        self.hold_back(true)?;
        if deed.kind() == Kind::Open {
            self.attacker.hold(deed).map_err(|error| gone(&error))?;
            if let Reply::Held(number) = self.reply()? {
                stage.scene.held = number;
            }
        }
        let mut without = HashMap::new();
        for way in ways::of(deed.kind()) {
            without.insert(way.name, self.attempt(deed, Some(way.name), &target.who, &stage.scene)?);
            stage.clear(deed);
        }
        self.hold_back(false)?;
        let mut told = Vec::new();
        for way in ways::of(deed.kind()) {
            let (began, start) = (Timestamp::now(), Instant::now());
            let outcome = match without.remove(way.name) {
                Some(Ok(())) => self.outcome(target, deed, way, stage)?,
                Some(Err(trouble)) => Outcome::NotPossible(trouble.to_string()),
                None => Outcome::Unclear("it was not tried".into()),
            };
            stage.clear(deed);
            told.push((way, outcome, began, start.elapsed().as_secs_f64()));
        }
        Ok(told)
    }

    fn outcome(&mut self, target: &Target, deed: &Deed, way: &Way, stage: &Stage) -> Result<Outcome, String> {
        self.rearm()?;
        let before = self.refusals()?;
        let answer = self.attempt(deed, Some(way.name), &target.who, &stage.scene)?;
        let by: Vec<String> = self
            .refusals()?
            .into_iter()
            .filter(|(name, count)| before.iter().any(|(known, former)| known == name && former < count))
            .map(|(name, _)| name)
            .collect();
        let Err(trouble) = answer else {
            stage.clear(deed);
            return self.succeeded(target, deed, way, stage);
        };
        if !by.is_empty() {
            return Ok(Outcome::Stopped { by: by.join(", "), how: trouble.to_string() });
        }
        Ok(Outcome::Unclear(format!("it failed ({trouble}), and no probe has refused anything")))
    }

    /// Whether the rule still holds that a way has gone round.
    fn succeeded(
        &mut self,
        target: &Target,
        deed: &Deed,
        way: &Way,
        stage: &Stage,
    ) -> Result<Outcome, String> {
        match self.attempt(deed, None, &target.who, &stage.scene)? {
            Err(Trouble::Errno(_) | Trouble::Killed(_)) => {
                Ok(if way.beyond { Outcome::Gap } else { Outcome::Hole })
            }
            Err(trouble) => Ok(Outcome::Unclear(format!("whether the rule still holds is not known: {trouble}"))),
            Ok(()) => Ok(Outcome::Unclear(
                "the rule does not refuse the plain deed any more: its lease has run out, or the script has changed it".into(),
            )),
        }
    }

    fn attempt(
        &mut self,
        deed: &Deed,
        way: Option<&str>,
        who: &Who,
        scene: &Scene,
    ) -> Result<Answer, String> {
        self.attacker.attempt(deed, way, who, scene).map_err(|error| gone(&error))?;
        match self.reply()? {
            Reply::Tried(answer) => Ok(answer),
            Reply::Held(_) => Err("the process that tries has answered for something else".into()),
        }
    }

    fn reply(&mut self) -> Result<Reply, String> {
        self.alive.wait(self.attacker.replies())
    }

    fn hold_back(&self, hold: bool) -> Result<(), String> {
        self.watch.hold_back(hold).map_err(|error| error.to_string())
    }

    fn rearm(&self) -> Result<(), String> {
        self.watch.rearm().map_err(|error| error.to_string())
    }

    fn refusals(&self) -> Result<Vec<(String, u64)>, String> {
        let one = |seen: &Rc<Seen>| seen.refusals().map(|count| (seen.spec.name.clone(), count));
        self.watch.attached().iter().map(one).collect::<Result<_, _>>().map_err(|error| error.to_string())
    }
}

fn gone(error: &std::io::Error) -> String {
    format!("the process that tries has ended: {error}")
}

fn refuses_nothing(others: &[Rc<Seen>]) -> String {
    let one = |seen: &Rc<Seen>| format!("{} ({})", seen.spec.name, seen.mode());
    let what = match others {
        [] => "it attaches no probe".to_owned(),
        some => {
            let some: Vec<_> = some.iter().map(one).collect();
            format!("none of its probes denies or kills: {}", some.join(", "))
        }
    };
    format!(
        "there is nothing to go round: {what}\nfix: `.deny(\"EPERM\")` instead of `.observe()` or `.shadow()`; a guard of the library that is \
         rehearsed first refuses at once with what its --help says; --audit would turn every denial into shadow"
    )
}

impl Stage {
    /// Removes what an attempt has made, and puts back what it has moved.
    fn clear(&self, deed: &Deed) {
        let directory = PathBuf::from(raw::os(&self.scene.directory));
        if let Some(path) = deed.path().map(raw::os) {
            let moved = directory.join("renamed");
            if fs::symlink_metadata(&path).is_err() && moved.exists() {
                let _ = fs::rename(&moved, &path);
            }
            if let Some(mode) = self.mode
                && fs::metadata(&path).is_ok_and(|found| found.permissions().mode() & 0o7777 != mode)
            {
                let _ = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
            }
        }
        for made in [&directory, &PathBuf::from(raw::os(&self.scene.far))] {
            for entry in fs::read_dir(made).into_iter().flatten().flatten() {
                let path = entry.path();
                let _ = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    fs::remove_dir_all(path)
                } else {
                    fs::remove_file(path)
                };
            }
        }
    }
}

/// Makes directories for what attempts make: on the deed's own file system if there is a place, and far from the deed's file.
fn stage(deed: &Deed) -> std::io::Result<Stage> {
    let path = deed.path().map(raw::os).map(PathBuf::from);
    let found = path.as_ref().and_then(|path| fs::metadata(path).ok());
    let own = path.as_deref().and_then(Path::parent).unwrap_or(Path::new("/"));
    let is_there = |place: &&Path| {
        let metadata = fs::metadata(place);
        metadata.is_ok_and(|of| of.is_dir() && found.as_ref().is_none_or(|found| found.dev() == of.dev()))
    };
    let places = || PLACES.iter().map(Path::new);
    let beside = places().filter(|place| *place != own).find(is_there).unwrap_or(own);
    // `/tmp` of `/tmp/a/b`: a rule about what is there says nothing of the rest.
    let top = |path: &Path| path.components().nth(1).map(|part| part.as_os_str().to_owned());
    let far = places().find(|place| place.is_dir() && top(place) != top(own)).unwrap_or(beside);
    let (directory, far) = (made(&beside.join(DIRECTORY))?, made(&far.join(FAR))?);
    let mode = found.map(|found| found.permissions().mode() & 0o7777);
    Ok(Stage { scene: Scene { directory, far, held: None }, mode })
}

/// A directory in which whoever the scope covers makes names.
fn made(directory: &Path) -> std::io::Result<String> {
    let _ = fs::remove_dir_all(directory);
    fs::create_dir(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777))?;
    Ok(raw::from_os(directory))
}
