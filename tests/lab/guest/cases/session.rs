//! The one session in which all rows are run.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use super::{ACTOR, Act, Case, Performed, ROUNDS, Ruling};
use krsi_sh::template::Template;

use crate::guest::{
    Outcome,
    shell::{Ended, Shell},
};

/// All that was done, and all that the shell has written.
pub struct Session {
    pub cases: Vec<&'static Case>,
    /// In the order in which it was done.
    pub done: Vec<Done>,
    pub ended: Ended,
}

/// An act in a round.
pub struct Done {
    pub template: &'static str,
    pub act: &'static Act,
    /// How the probe was changed before.
    pub change: &'static str,
    /// What that change is about.
    pub asked: Ruling,
    /// What it comes to.
    pub ruling: Ruling,
    pub performed: Result<Performed, String>,
}

impl Session {
    pub fn run(cases: &[&'static Case]) -> Result<Self, String> {
        fs::create_dir_all(ACTOR.cgroup.unwrap_or_default()).map_err(|e| e.to_string())?;
        let prepared: Vec<_> = cases.iter().map(|case| (case.prepare)()).collect();
        let mut prompt = Prompt::start()?;
        prompt.line("let probes = [];")?;
        for case in cases {
            prompt.line(&attaching(case))?;
        }
        let mut done = Vec::new();
        for (change, ruling) in ROUNDS {
            prompt.line(&for_each(change))?;
            let ready = cases.iter().zip(&prepared);
            done.extend(ready.flat_map(|(case, prepared)| acts(case, prepared, change, *ruling)));
        }
        prompt.line(&examples(cases)?)?;
        prompt.line("for p in probes { emit(#{probe: p.name, matched: p.stats().matched}); }")?;
        Ok(Session { cases: cases.to_vec(), done, ended: prompt.end()? })
    }
}

fn attaching(case: &Case) -> String {
    let Case { template, params, .. } = case;
    format!(
        "probes.push(probe(\"{template}\", #{{{params}}}).scope(#{{comm: \"{template}\"}}).when({}).name(\"{template}\").attach());",
        origin()
    )
}

/// A filter that asks for every part of what an event tells of its origin, and holds for what this process's children do.
fn origin() -> String {
    format!(
        "|e| e.ancestors.any(|p| p.pid == {} && p.exe == {:?}) && e.process.argv.len() > 0 && e.parent.cmdline != \"?\" \
         && e.parent.exe != \"?\" && e.leader.exe != \"?\" && e.stdin.kind != \"socket\" && e.tty != \"?\" && e.ns_pid > 0 \
         && e.container.is_empty()",
        std::process::id(),
        own_executable()
    )
}

/// The executable of this process.
pub fn own_executable() -> String {
    fs::read_link("/proc/self/exe").map(|path| path.display().to_string()).unwrap_or_default()
}

/// Of one probe that fails the others are not to suffer.
fn for_each(change: &str) -> String {
    format!(
        "for p in probes {{ try {{ p.{change}; }} catch (error) {{ emit(#{{refused: p.name, why: `${{error}}`}}); }} }}"
    )
}

/// Attaches what each template gives as its example, and says whether that went well.
fn examples(cases: &[&'static Case]) -> Result<String, String> {
    let catalogue = crate::guest::catalogue()?;
    let tried = |case: &&&'static Case| {
        let template =
            catalogue.get(case.template).ok_or_else(|| format!("no template {}", case.template))?;
        let Template { name, example, .. } = &**template;
        // A scope names an executable by its inode: it must be there.
        for program in example.split('"').filter(|word| word.starts_with("/usr/") && word.contains("bin/")) {
            let directory = Path::new(program).parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(directory).map_err(|e| e.to_string())?;
            File::options().append(true).create(true).open(program).map_err(|e| format!("{program}: {e}"))?;
        }
        Ok(format!(
            "try {{ {example} emit(#{{example: \"{name}\", fault: ()}}); }} \
             catch (error) {{ emit(#{{example: \"{name}\", fault: error.to_string()}}); }}"
        ))
    };
    cases.iter().map(|case| tried(&case)).collect::<Result<Vec<_>, _>>().map(|all| all.join(" "))
}

fn acts(
    case: &'static Case,
    prepared: &Outcome,
    change: &'static str,
    asked: Ruling,
) -> impl Iterator<Item = Done> {
    let ruling = if case.only_observes() && asked != Ruling::Detached { Ruling::Allow } else { asked };
    let done = move |act: &'static Act| Done {
        template: case.template,
        act,
        change,
        asked,
        ruling,
        performed: prepared.clone().and_then(|()| case.acting(act.perform)),
    };
    case.acts().map(done)
}

/// A prompt at which one line is typed after the other.
struct Prompt {
    shell: Shell,
    keyboard: fs::File,
    lines: usize,
}

impl Prompt {
    fn start() -> Result<Self, String> {
        let (shell, keyboard) = Shell::at_terminal(&["--format", "json", "--no-init"])?;
        Ok(Prompt { shell, keyboard, lines: 0 })
    }

    /// Types it, and waits until it is done. A line that fails is said on standard error, and the next one is read.
    fn line(&mut self, line: &str) -> Outcome {
        self.lines += 1;
        let done = format!("done {}", self.lines);
        self.write(&format!("{line}\nprint(\"{done}\");\n"))?;
        self.shell.wait_for(|line| line["type"] == "print" && line["text"] == done.as_str()).map(drop)
    }

    fn write(&mut self, text: &str) -> Outcome {
        self.keyboard.write_all(text.as_bytes()).map_err(|e| format!("cannot type: {e}"))
    }

    fn end(mut self) -> Result<Ended, String> {
        self.write("exit(0)\n")?;
        self.shell.end()
    }
}
