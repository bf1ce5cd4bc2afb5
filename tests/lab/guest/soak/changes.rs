//! The changes of the walk: each is one or a few lines at the prompt, and what is to be so from then on.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{ASK, CGROUPS, DIRECTORY, Kind, PATIENCE, Walk, move_into, text};
use crate::guest::{Outcome, holds, pace::until};

impl Walk {
    /// Changes something of a probe; gives what.
    pub fn change(&mut self, number: usize) -> Result<String, String> {
        let probe = &self.probes[number];
        let name = probe.name;
        // What is not armed is armed again more often than not.
        if !probe.is_armed() && self.random.below(2) == 0 {
            return self.arm(number);
        }
        let probe = &mut self.probes[number];
        let line = match self.random.below(10) {
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
    pub fn arm(&mut self, number: usize) -> Result<String, String> {
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
}
