//! The shell's own words: `:commands`, and the short forms `help x`, `?x`, `quit`.
//!
//! One table holds every command's name, argument, help and function. What a
//! script can do is not here: these act on the session, not on the kernel.

mod probes;
mod settings;

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path, time::Instant};

use super::{
    Flow, Shell, child,
    editor::{Ask, Typed},
    vocabulary::Word,
};
use crate::{report, source, suggest::nearest};

pub use self::settings::SETTINGS;

/// What a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    None,
    Topic,
    Template,
    File,
    OnOff,
    Code,
    Probe,
    /// `on`, `off` or a probe.
    Events,
    Format,
    Setting,
}

struct Command {
    name: &'static str,
    argument: Argument,
    /// As help shows it.
    usage: &'static str,
    help: &'static str,
    run: fn(&mut Shell, &str) -> Flow,
}

const COMMANDS: [Command; 18] = [
    Command {
        name: "help",
        argument: Argument::Topic,
        usage: ":help [NAME]",
        help: "these commands; or what NAME is, as help(\"NAME\") says it",
        run: help,
    },
    Command {
        name: "templates",
        argument: Argument::Template,
        usage: ":templates [NAME]",
        help: "what a probe can be made of; or one template's params and fields",
        run: templates,
    },
    Command {
        name: "probes",
        argument: Argument::None,
        usage: ":probes",
        help: "what is attached",
        run: probes::probes,
    },
    Command {
        name: "stats",
        argument: Argument::Probe,
        usage: ":stats [PROBE]",
        help: "the books of each probe, or of one: what was seen, what became of it",
        run: probes::stats,
    },
    Command {
        name: "top",
        argument: Argument::None,
        usage: ":top",
        help: "the attached probes, live: rates, verdicts, what they count most of; q leaves",
        run: probes::top,
    },
    Command {
        name: "explain",
        argument: Argument::Probe,
        usage: ":explain [PROBE]",
        help: "what each filter became, and what runs in the kernel",
        run: probes::explain,
    },
    Command {
        name: "panic",
        argument: Argument::None,
        usage: ":panic",
        help: "detach every probe of this session, now",
        run: probes::panic,
    },
    Command {
        name: "doctor",
        argument: Argument::None,
        usage: ":doctor",
        help: "what this machine can do, each hook tried",
        run: probes::doctor,
    },
    Command {
        name: "history",
        argument: Argument::None,
        usage: ":history",
        help: "the lines typed last, in earlier sessions too",
        run: history,
    },
    Command {
        name: "load",
        argument: Argument::File,
        usage: ":load FILE",
        help: "evaluate a file as if it were typed here",
        run: load,
    },
    Command {
        name: "save",
        argument: Argument::File,
        usage: ":save FILE",
        help: "write this session's lines that succeeded as a script",
        run: save,
    },
    Command {
        name: "time",
        argument: Argument::Code,
        usage: ":time CODE",
        help: "evaluate, and say how long it took",
        run: time,
    },
    Command {
        name: "edit",
        argument: Argument::File,
        usage: ":edit [FILE]",
        help: "edit the last input, or a file, with $VISUAL or $EDITOR; then evaluate it",
        run: edit,
    },
    Command {
        name: "events",
        argument: Argument::Events,
        usage: ":events [on|off|PROBE]",
        help: "whether events are shown while you type, and whose",
        run: settings::events,
    },
    Command {
        name: "format",
        argument: Argument::Format,
        usage: ":format [text|json]",
        help: "how output is written",
        run: settings::format,
    },
    Command {
        name: "pager",
        argument: Argument::OnOff,
        usage: ":pager [on|off]",
        help: "whether what is longer than the screen is shown by $PAGER",
        run: settings::pager,
    },
    Command {
        name: "set",
        argument: Argument::Setting,
        usage: ":set [NAME VALUE]",
        help: "the settings: color, events, format, pager",
        run: settings::set,
    },
    Command {
        name: "quit",
        argument: Argument::None,
        usage: ":quit",
        help: "detach everything and leave, as Ctrl-D does",
        run: |_, _| Flow::Leave,
    },
];

/// An input, by who understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'i> {
    Nothing,
    Command {
        name: &'i str,
        argument: &'i str,
    },
    Help(Option<&'i str>),
    Quit,
    /// Everything else is for the engine.
    Code(&'i str),
}

#[must_use]
pub fn read(text: &str) -> Input<'_> {
    let trimmed = text.trim();
    if let Some(command) = trimmed.strip_prefix(':') {
        let (name, argument) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        return Input::Command { name, argument: argument.trim() };
    }
    let topic = |rest: &'_ str| -> bool {
        let wordy = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
        rest.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | ':')) && rest.chars().all(wordy)
    };
    match trimmed {
        "" => Input::Nothing,
        "quit" | "exit" => Input::Quit,
        "help" | "?" => Input::Help(None),
        _ => {
            let asked = trimmed
                .strip_prefix("help ")
                .or_else(|| trimmed.strip_prefix('?'))
                .or_else(|| trimmed.strip_suffix('?'))
                .map(str::trim);
            match asked {
                Some(asked) if topic(asked) => Input::Help(Some(asked)),
                _ => Input::Code(text),
            }
        }
    }
}

/// Whether the input is complete because the engine has no part in it.
#[must_use]
pub fn is_shells_own(text: &str) -> bool {
    match read(text) {
        // Code that is timed may go over several lines.
        Input::Command { name, argument } => {
            self::argument(name) != Argument::Code
                || crate::script::completeness(argument) == crate::script::Completeness::Complete
        }
        Input::Code(_) => false,
        _ => true,
    }
}

/// The commands as completion offers them.
#[must_use]
pub fn words() -> Vec<Word> {
    COMMANDS
        .iter()
        .map(|command| {
            let argument = command.usage.split_once(' ').map_or("", |(_, argument)| argument);
            Word::new(format!(":{}", command.name), argument, command.help)
        })
        .collect()
}

/// What the command of this name takes.
#[must_use]
pub fn argument(name: &str) -> Argument {
    COMMANDS.iter().find(|command| command.name == name).map_or(Argument::None, |command| command.argument)
}

/// Runs a command; a beginning that fits only one is enough.
pub fn run(shell: &mut Shell, name: &str, argument: &str) -> Flow {
    let mut begun = COMMANDS.iter().filter(|command| command.name.starts_with(name));
    let exact = COMMANDS.iter().find(|command| command.name == name);
    match (exact, begun.next(), begun.next()) {
        (Some(command), ..) | (None, Some(command), None) => (command.run)(shell, argument),
        _ => {
            let names = COMMANDS.iter().map(|command| command.name);
            let hint =
                nearest(name, names).map_or_else(String::new, |name| format!(" (did you mean `:{name}`?)"));
            shell.complain(&format!("`:{name}` is no command{hint}; `:help` lists them"));
            Flow::Stay
        }
    }
}

fn help(shell: &mut Shell, topic: &str) -> Flow {
    if !topic.is_empty() {
        return shell.help(Some(topic));
    }
    for command in &COMMANDS {
        shell.explain(&format!("  {:<22}  {}", command.usage, command.help));
    }
    shell.explain("  help, ?                 what a script can say; help NAME, ?NAME or NAME? for one thing");
    Flow::Stay
}

fn templates(shell: &mut Shell, name: &str) -> Flow {
    if !name.is_empty() {
        return shell.help(Some(name));
    }
    let rows: Vec<_> = shell.catalogue.iter().map(|t| (t.name.clone(), t.summary.clone())).collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, summary) in rows {
        shell.explain(&format!("  {name:width$}  {summary}"));
    }
    Flow::Stay
}

/// Lines of the history shown.
const SHOWN: usize = 50;

fn history(shell: &mut Shell, _: &str) -> Flow {
    let entries = match shell.ask(Ask::History) {
        Ok(Typed::History(entries)) => entries,
        Ok(_) => Vec::new(),
        Err(flow) => return flow,
    };
    let skipped = entries.len().saturating_sub(SHOWN);
    for (index, entry) in entries.iter().enumerate().skip(skipped) {
        shell.say(&format!("{:>6}  {}", index + 1, entry.replace('\n', "\n        ")));
    }
    Flow::Stay
}

fn load(shell: &mut Shell, file: &str) -> Flow {
    if file.is_empty() {
        shell.complain("`:load` needs a file: `:load hunt.rhai`");
        return Flow::Stay;
    }
    match source::file(Path::new(file)) {
        Ok(source) => shell.evaluate(&source.text),
        Err(error) => {
            shell.complain(&error.to_string());
            Flow::Stay
        }
    }
}

fn save(shell: &mut Shell, file: &str) -> Flow {
    if file.is_empty() {
        shell.complain("`:save` needs a file: `:save hunt.rhai`");
        return Flow::Stay;
    }
    let script = shell.journal.script();
    // Scripts run as root, so nobody else may write it; and nothing is overwritten.
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(file)
        .and_then(|mut out| out.write_all(script.as_bytes()));
    match written {
        Ok(()) => shell.say(&format!("{} lines in {file}", script.lines().count())),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            shell.complain(&format!("{file} exists; give another name, or remove it first"));
        }
        Err(error) => shell.complain(&format!("cannot write {file}: {error}")),
    }
    Flow::Stay
}

fn time(shell: &mut Shell, code: &str) -> Flow {
    if code.is_empty() {
        shell.complain("`:time` needs code: `:time run([\"true\"])`");
        return Flow::Stay;
    }
    let begin = Instant::now();
    let flow = shell.evaluate(code);
    shell.say(&report::duration(begin.elapsed()));
    flow
}

fn edit(shell: &mut Shell, file: &str) -> Flow {
    if !file.is_empty() {
        let path = Path::new(file).to_owned();
        return match shell.meanwhile(move || child::edit(&path)) {
            Ok(Ok(())) => load(shell, file),
            Ok(Err(reason)) => {
                shell.complain(&reason);
                Flow::Stay
            }
            Err(flow) => flow,
        };
    }
    match edited(shell) {
        Ok(Ok(code)) if code.trim().is_empty() => {
            shell.say("nothing to run");
            Flow::Stay
        }
        Ok(Ok(code)) => shell.evaluate(code.trim_end()),
        Ok(Err(reason)) => {
            shell.complain(&reason);
            Flow::Stay
        }
        Err(flow) => flow,
    }
}

/// The last input, as it leaves the editor; in a file of this user's alone.
fn edited(shell: &mut Shell) -> Result<Result<String, String>, Flow> {
    let told = |error: std::io::Error| format!("cannot keep a file for the editor: {error}");
    let made = tempfile::Builder::new().prefix("krsi-").suffix(".rhai").tempfile().and_then(|mut file| {
        writeln!(file, "{}", shell.last)?;
        Ok(file.into_temp_path())
    });
    let path = match made {
        Ok(path) => path,
        Err(error) => return Ok(Err(told(error))),
    };
    let edited = path.to_path_buf();
    let outcome = shell.meanwhile(move || child::edit(&edited))?;
    Ok(outcome.and_then(|()| fs::read_to_string(&path).map_err(told)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_ask_for_help_is_the_same() {
        for text in ["help exec", "?exec", "exec?", "? exec", "exec ?"] {
            assert_eq!(read(text), Input::Help(Some("exec")), "{text}");
        }
        assert_eq!(read("help"), Input::Help(None));
        assert_eq!(read("help(\"exec\")"), Input::Code("help(\"exec\")"));
        assert_eq!(read("help = 1"), Input::Code("help = 1"));
        assert_eq!(read("a?.b"), Input::Code("a?.b"));
    }

    #[test]
    fn leaving_is_a_word_alone() {
        assert_eq!(read(" exit "), Input::Quit);
        assert_eq!(read("exit(3)"), Input::Code("exit(3)"));
    }

    #[test]
    fn a_command_is_parted_from_its_argument() {
        assert_eq!(read(":load  a b.rhai "), Input::Command { name: "load", argument: "a b.rhai" });
        assert_eq!(argument("load"), Argument::File);
    }
}
