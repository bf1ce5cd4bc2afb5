//! Commands about what is attached, and about what could be.

use crate::{
    doctor,
    shell::{Flow, Shell, top},
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
