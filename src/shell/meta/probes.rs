//! Commands about what is attached, and about what could be.

use crate::{
    doctor,
    shell::{Flow, Shell, child, top},
};

pub fn probes(shell: &mut Shell, _: &str) -> Flow {
    let probes = shell.session.probes();
    if probes.is_empty() {
        shell.say("no probe is attached");
    }
    for probe in probes {
        shell.say(&format!("  {probe}"));
    }
    Flow::Stay
}

fn named(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

pub fn stats(shell: &mut Shell, name: &str) -> Flow {
    match shell.session.stats(named(name)) {
        Ok(0) => shell.say("no probe has been attached"),
        Ok(_) => {}
        Err(reason) => shell.complain(&reason),
    }
    if name.is_empty() {
        for rule in shell.session.correlations() {
            shell.say(&format!("  {rule}"));
        }
    }
    Flow::Stay
}

pub fn answer(shell: &mut Shell, letter: &str) -> Flow {
    if let Err(reason) = shell.session.answer(letter) {
        shell.complain(&reason);
    }
    Flow::Stay
}

pub fn top(shell: &mut Shell, _: &str) -> Flow {
    top::run(shell)
}

pub fn explain(shell: &mut Shell, name: &str) -> Flow {
    match shell.session.explain(named(name)) {
        Ok(text) if text.is_empty() => shell.say("no probe is attached"),
        Ok(text) => shell.session.tell(&text),
        Err(reason) => shell.complain(&reason),
    }
    Flow::Stay
}

pub fn detach(shell: &mut Shell, name: &str) -> Flow {
    if name.is_empty() {
        shell.complain("`:detach` needs a probe: `:detach exec-1`; `:panic` detaches all of them");
        return Flow::Stay;
    }
    match shell.session.detach(name) {
        Ok(done) => shell.say(&done),
        Err(reason) => shell.complain(&reason),
    }
    Flow::Stay
}

pub fn panic(shell: &mut Shell, _: &str) -> Flow {
    let done = shell.session.detach_all();
    if done.is_empty() {
        shell.say("no probe is attached");
    }
    done.iter().for_each(|line| shell.say(line));
    Flow::Stay
}

/// Each hook is tried, which takes some seconds.
/// In a process of its own: this session's probes and events go on, and Ctrl-C ends it alone.
pub fn why(shell: &mut Shell, pid: &str) -> Flow {
    if !pid.parse::<i32>().is_ok_and(|pid| pid > 0) {
        shell.complain("`:why` needs a process: `:why 1234`; for a command: `:sh krsi-sh why -- COMMAND`");
        return Flow::Stay;
    }
    let color = if shell.color { "always" } else { "never" };
    let arguments = ["why", "--color", color, "-p", pid].map(str::to_owned);
    match shell.meanwhile(move || child::own(&arguments)) {
        Ok(Ok(())) => Flow::Stay,
        Ok(Err(reason)) => {
            shell.complain(&reason);
            Flow::Stay
        }
        Err(flow) => flow,
    }
}

pub fn doctor(shell: &mut Shell, _: &str) -> Flow {
    let (catalogue, color) = (shell.catalogue.clone(), shell.color);
    match shell.meanwhile(move || doctor::page(&doctor::examine(&catalogue, &|_| ()), color)) {
        Ok(page) => {
            // Painted already, and made of this program's own words.
            page.lines().for_each(|line| shell.say(line));
            Flow::Stay
        }
        Err(flow) => flow,
    }
}
