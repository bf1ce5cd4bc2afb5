//! How the session looks: what `:set` lists, and the short forms of it.

use crate::{
    report::{Format, allows_color},
    shell::{Flow, Shell, filter::Shown},
    values::nearest,
};

type Set = fn(&mut Shell, &str) -> Flow;

/// Every setting, and the command that shows or changes it.
pub const SETTINGS: [(&str, Set); 4] =
    [("color", color), ("events", events), ("format", format), ("pager", pager)];

pub fn set(shell: &mut Shell, argument: &str) -> Flow {
    let (name, value) = argument.split_once([' ', '=']).unwrap_or((argument, ""));
    if name.is_empty() {
        for (_, show) in SETTINGS {
            show(shell, "");
        }
        return Flow::Stay;
    }
    match SETTINGS.iter().find(|(known, _)| *known == name) {
        Some((_, set)) => set(shell, value.trim()),
        None => {
            let hint = nearest(name, SETTINGS.iter().map(|(name, _)| *name))
                .map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
            shell
                .complain(&format!("`{name}` is not a setting{hint}; allowed: color, events, format, pager"));
            Flow::Stay
        }
    }
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Says the setting, or reads a new one.
fn switch(shell: &mut Shell, name: &str, now: bool, value: &str) -> Option<bool> {
    match value {
        "on" => Some(true),
        "off" => Some(false),
        "" => {
            shell.say(&format!("{name} is {}", word(now)));
            None
        }
        other => {
            shell.complain(&format!("`{name}` takes `on` or `off`, not `{other}`"));
            None
        }
    }
}

/// As `--color` has it, and as the other settings have it.
fn color(shell: &mut Shell, value: &str) -> Flow {
    let on = match value {
        "always" | "on" => true,
        "never" | "off" => false,
        "auto" => allows_color(),
        "" => {
            shell.say(&format!("color is {}", word(shell.color)));
            return Flow::Stay;
        }
        other => {
            shell.complain(&format!("`color` takes `auto`, `always` or `never`, not `{other}`"));
            return Flow::Stay;
        }
    };
    shell.color = on;
    shell.session.set_color(on);
    Flow::Stay
}

pub fn pager(shell: &mut Shell, value: &str) -> Flow {
    if let Some(on) = switch(shell, "pager", shell.pager, value) {
        shell.pager = on;
    }
    Flow::Stay
}

pub fn format(shell: &mut Shell, value: &str) -> Flow {
    if value.is_empty() {
        shell.say(&format!("format is {}", shell.format.name()));
        return Flow::Stay;
    }
    let Some(format) = Format::from_name(value) else {
        let names: Vec<_> = Format::ALL.iter().map(|format| format!("`{}`", format.name())).collect();
        shell.complain(&format!("`format` takes {}, not `{value}`", names.join(" or ")));
        return Flow::Stay;
    };
    shell.format = format;
    shell.session.set_format(format);
    Flow::Stay
}

pub fn events(shell: &mut Shell, value: &str) -> Flow {
    let wanted = match value {
        "off" => Shown::None,
        "on" => Shown::All,
        "" => {
            let state = match shell.printer.shown() {
                Shown::All => "on".to_owned(),
                Shown::None => "off".to_owned(),
                Shown::Of(probe) => format!("those of {probe}"),
            };
            shell.say(&format!("events are {state}"));
            return Flow::Stay;
        }
        probe => match shell.session.probe_name(probe) {
            Ok(name) => Shown::Of(name),
            Err(reason) => {
                shell.complain(&format!("`:events` takes `on`, `off` or a probe: {reason}"));
                return Flow::Stay;
            }
        },
    };
    let said = match &wanted {
        Shown::None => "events are counted, and not shown until `:events on`".to_owned(),
        Shown::All => "events are shown".to_owned(),
        Shown::Of(probe) => format!("the events of {probe} are shown, and no other probe's"),
    };
    let hidden = shell.printer.show(wanted);
    let missed = if hidden == 0 { String::new() } else { format!("; {hidden} lines were not") };
    shell.say(&format!("{said}{missed}"));
    Flow::Stay
}
