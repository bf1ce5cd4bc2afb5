//! The shell's own words: `:commands`, and the short forms `help x`, `?x`, `quit`.
//!
//! One table holds every command's name, argument, help and function. What a
//! script can do is not here: these act on the session, not on the kernel.

mod probes;
mod settings;

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Instant,
};

use super::{
    Flow, Shell,
    ask::{Ask, Typed},
    child,
    vocabulary::Word,
};
use crate::{report, source, values::nearest};

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
    /// A command line of the system's shell.
    Words,
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

const COMMANDS: [Command; 24] = [
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
        help: "the accounting of each probe, or of one: what was seen, what became of it; and what sequences and thresholds have found",
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
        name: "detach",
        argument: Argument::Probe,
        usage: ":detach PROBE",
        help: "detach one probe: by its name, its number, or a variable that holds it",
        run: probes::detach,
    },
    Command {
        name: "answer",
        argument: Argument::Code,
        usage: ":answer LETTER",
        help: "answer what a probe asks, by the letter that it tells",
        run: probes::answer,
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
        name: "why",
        argument: Argument::Code,
        usage: ":why PID",
        help: "which layer refuses what a process asks for",
        run: probes::why,
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
        run: |shell, file| save(shell, file, Existing::Refused),
    },
    Command {
        name: "save!",
        argument: Argument::File,
        usage: ":save! FILE",
        help: "the same, in place of a file that is there",
        run: |shell, file| save(shell, file, Existing::Replaced),
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
        name: "sh",
        argument: Argument::Words,
        usage: ":sh COMMAND, !COMMAND",
        help: "run a command line of /bin/sh; events and leases go on meanwhile",
        run: sh,
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
        name: "clear",
        argument: Argument::None,
        usage: ":clear",
        help: "clear the screen, as Ctrl-L does",
        run: clear,
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
    let wordy = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    let begins = |c: char| c.is_alphabetic() || matches!(c, '_' | ':');
    let topic = |asked: &str| asked.starts_with(begins) && asked.chars().all(wordy);
    // `help user id` searches, as `help("user id")` does; no script goes on like that behind `help`.
    let words = |asked: &str| asked.starts_with(begins) && asked.chars().all(|c| wordy(c) || c == ' ');
    if let Some(asked) = trimmed.strip_prefix("help ").or_else(|| trimmed.strip_prefix('?')) {
        let asked = asked.trim().trim_matches('"');
        if words(asked) {
            return Input::Help(Some(asked));
        }
    }
    match trimmed {
        "" => Input::Nothing,
        "help" | "?" => Input::Help(None),
        _ => match trimmed.strip_suffix('?').map(str::trim) {
            Some(asked) if topic(asked) => Input::Help(Some(asked)),
            _ => Input::Code(text),
        },
    }
}

/// Reads code that can only be meant as a command without its colon: `panic`, `stats p`, `load hunt.rhai`. A bare
/// word is nothing to the engine but a variable, and two of them in a row are nothing at all, so nothing that would
/// run is taken from it.
#[must_use]
pub fn read_bare(code: &str, is_variable: impl Fn(&str) -> bool) -> Option<Input<'_>> {
    let line = code.trim().trim_end_matches(';').trim_end();
    let (name, argument) = line.split_once(' ').map_or((line, ""), |(name, rest)| (name, rest.trim_start()));
    if line.contains('\n') || is_variable(name) {
        return None;
    }
    // With its semicolon, which may be `find`'s.
    if let Some(words) = code.trim().strip_prefix('!').filter(|words| is_words(words, is_variable)) {
        return Some(Input::Command { name: "sh", argument: words.trim_start() });
    }
    if matches!(name, "q" | "quit" | "exit") && argument.is_empty() {
        return Some(Input::Quit);
    }
    let command = COMMANDS.iter().find(|command| command.name == name)?;
    let fits = argument.is_empty() || (command.argument != Argument::None && is_argument(argument));
    fits.then_some(Input::Command { name: command.name, argument })
}

/// Whether what stands behind a `!` is a command line, and not something that is false or true: it begins with a path, or
/// with a word that is nothing to the engine.
fn is_words(line: &str, is_variable: impl Fn(&str) -> bool) -> bool {
    let line = line.trim_start();
    let name = line.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    if name.is_empty() {
        return line.starts_with(['/', '~', '.']);
    }
    // `!starts_with(…)` is a call, and `!a && b` goes on.
    let logic = ["&&", "||"].iter().any(|sign| line.trim_end().ends_with(sign));
    !matches!(name, "true" | "false" | "if" | "switch" | "this")
        && name.starts_with(char::is_alphabetic)
        && !line[name.len()..].starts_with('(')
        && !is_variable(name)
        && !logic
}

/// Whether this cannot go on an expression that begins with a name.
fn is_argument(text: &str) -> bool {
    let mut rest = text.chars();
    let first = rest.next().is_some_and(|c| match c {
        // A path, and neither a division, a comment, a range nor a method.
        '/' | '~' => rest.next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_')),
        '.' => rest.as_str().trim_start_matches('.').starts_with('/'),
        c => c.is_alphanumeric() || c == '_',
    });
    first && text.split_whitespace().next() != Some("in")
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
        // `load /tmp/` would go on as a division.
        Input::Code(code) => matches!(
            read_bare(code, |_| false),
            Some(Input::Command { name, argument })
                if (takes_file(name) || self::argument(name) == Argument::Words) && !argument.is_empty()
        ),
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

/// Whether the command of this name takes a file.
#[must_use]
pub fn takes_file(name: &str) -> bool {
    argument(name) == Argument::File
}

/// Runs a command; a beginning that fits only one is enough.
pub fn run(shell: &mut Shell, name: &str, argument: &str) -> Flow {
    match named(name) {
        Ok(command) => (command.run)(shell, argument),
        Err(reason) => {
            shell.complain(&reason);
            Flow::Stay
        }
    }
}

/// The command of this name, or the only one whose name begins like this.
fn named(name: &str) -> Result<&'static Command, String> {
    // As people know it from other shells.
    let name = if name == "exit" { "quit" } else { name };
    if let Some(exact) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok(exact);
    }
    // What overwrites is never guessed.
    let fits = |command: &&Command| command.name.starts_with(name) && !command.name.ends_with('!');
    let begun: Vec<_> = COMMANDS.iter().filter(fits).collect();
    match (&*begun, name) {
        ([command], _) => Ok(command),
        ([], _) | (_, "") => {
            let names = COMMANDS.iter().map(|command| command.name);
            let hint =
                nearest(name, names).map_or_else(String::new, |name| format!(" (did you mean `:{name}`?)"));
            Err(format!("`:{name}` is not a command{hint}; `:help` lists them"))
        }
        _ => {
            let names: Vec<_> = begun.iter().map(|command| format!("`:{}`", command.name)).collect();
            Err(format!("`:{name}` may be {}", names.join(", ")))
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
        if shell.catalogue.get(name).is_some() {
            return shell.help(Some(name));
        }
        let hint = nearest(name, shell.catalogue.names())
            .map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
        shell.complain(&format!("there is no template `{name}`{hint}; `:templates` lists them"));
        return Flow::Stay;
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

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Refused,
    Replaced,
}

fn save(shell: &mut Shell, file: &str, existing: Existing) -> Flow {
    if file.is_empty() {
        shell.complain("`:save` needs a file: `:save hunt.rhai`");
        return Flow::Stay;
    }
    let script = shell.journal.script();
    match write_script(Path::new(file), &script, existing) {
        Ok(()) => shell.say(&format!("{} lines in {file}", script.lines().count())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            shell.complain(&format!("{file} exists; `:save! {file}` replaces it"));
        }
        Err(error) => shell.complain(&format!("cannot write {file}: {error}")),
    }
    Flow::Stay
}

/// Writes a script whole or not at all: it becomes the file in one step. Scripts run as root, so nobody else may
/// write it.
fn write_script(file: &Path, script: &str, existing: Existing) -> io::Result<()> {
    // Through a symbolic link; what cannot be read is for the writing to fail at.
    let place = if existing == Existing::Replaced { fs::canonicalize(file).ok() } else { None };
    let file = place.as_deref().unwrap_or(file);
    if place.is_some() && !fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let directory =
        file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut begun = tempfile::Builder::new()
        .prefix(".krsi-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempfile_in(directory)?;
    begun.write_all(script.as_bytes())?;
    match existing {
        Existing::Refused => begun.persist_noclobber(file)?,
        Existing::Replaced => begun.persist(file)?,
    };
    Ok(())
}

fn clear(shell: &mut Shell, _: &str) -> Flow {
    if shell.full_screen {
        // What has scrolled away stays.
        report::Writer::get().clear_screen();
    } else {
        shell.complain("`:clear` needs a terminal to draw on");
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

fn sh(shell: &mut Shell, line: &str) -> Flow {
    if line.is_empty() {
        shell.complain("`:sh` needs a command: `:sh ls /tmp`, or `!ls /tmp`");
        return Flow::Stay;
    }
    let line = line.to_owned();
    match shell.meanwhile(move || child::command(&line)) {
        Ok(ended) => {
            if let Err(reason) = ended {
                shell.complain(&reason);
            }
            Flow::Stay
        }
        Err(flow) => flow,
    }
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
    let told = |error: io::Error| format!("cannot keep a file for the editor: {error}");
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
    fn several_words_are_searched_for() {
        assert_eq!(read("help user id"), Input::Help(Some("user id")));
        assert_eq!(read("? renew lease"), Input::Help(Some("renew lease")));
        assert_eq!(read("help \"user id\""), Input::Help(Some("user id")));
        assert_eq!(read("help - 1"), Input::Code("help - 1"));
    }

    #[test]
    fn a_command_without_its_colon_is_one_where_nothing_else_can_be_meant() {
        let bare = |code| read_bare(code, |name| name == "top");
        let command = |name, argument| Some(Input::Command { name, argument });
        for name in ["panic", "stats", "doctor", "history", "clear", "probes"] {
            assert_eq!(bare(name), command(name, ""));
        }
        assert_eq!(bare(" panic; "), command("panic", ""));
        assert_eq!(bare("stats exec-1"), command("stats", "exec-1"));
        assert_eq!(bare("load hunt.rhai"), command("load", "hunt.rhai"));
        assert_eq!(bare("load /tmp/hunt.rhai"), command("load", "/tmp/hunt.rhai"));
        assert_eq!(bare("load ./hunt.rhai"), command("load", "./hunt.rhai"));
        assert_eq!(bare("save! ../hunt.rhai"), command("save!", "../hunt.rhai"));
        assert_eq!(bare("set color never"), command("set", "color never"));
        assert_eq!(bare("time run([\"true\"])"), command("time", "run([\"true\"])"));
        for word in ["quit", "exit", "q", "exit;"] {
            assert_eq!(bare(word), Some(Input::Quit));
        }
        // A variable, an expression, a call, a word that is not a command.
        for code in [
            "top",
            "stats - 1",
            "load / 2",
            "load /2",
            "stats = 5",
            "save.len",
            "stats in x",
            "exit(3)",
            "time // now",
            "edit .len()",
            "panic now",
            "stats()",
            "print",
            "stats\np",
        ] {
            let expected = (code == "load /2").then_some(Input::Command { name: "load", argument: "/2" });
            assert_eq!(bare(code), expected, "{code}");
        }
    }

    #[test]
    fn a_command_line_behind_an_exclamation_mark_is_one_where_no_variable_can_be_meant() {
        let bare = |code| read_bare(code, |name| name == "ready");
        let sh = |argument| Some(Input::Command { name: "sh", argument });
        assert_eq!(bare("!ls"), sh("ls"));
        assert_eq!(bare("!ls -l | wc -l"), sh("ls -l | wc -l"));
        assert_eq!(bare("! /bin/ls /tmp/"), sh("/bin/ls /tmp/"));
        assert_eq!(bare("!./run.sh 'a b'"), sh("./run.sh 'a b'"));
        for code in
            ["!ready", "!ready && x", "!true", "!false", "!(1 == 2)", "!f(1)", "!!ready", "!x &&", "!"]
        {
            assert_eq!(bare(code), None, "{code}");
        }
        assert!(is_shells_own("!ls /tmp/") && is_shells_own("!echo 'it is' ("));
    }

    #[test]
    fn a_path_behind_a_commands_word_is_whole() {
        assert!(is_shells_own("load /tmp/"));
        assert!(!is_shells_own("load / tmp /"));
        assert!(!is_shells_own("print("));
    }

    #[test]
    fn a_beginning_is_enough_unless_it_may_be_several_or_overwrites() {
        let found = |name| named(name).map(|command| command.name);
        assert_eq!(found("templ"), Ok("templates"));
        assert_eq!(found("sav"), Ok("save"));
        assert_eq!(found("save!"), Ok("save!"));
        assert_eq!(found("exit"), Ok("quit"));
        assert_eq!(found("d"), Err("`:d` may be `:detach`, `:doctor`".to_owned()));
        assert!(found("hlep").is_err_and(|reason| reason.contains("did you mean `:help`?")));
    }

    #[test]
    fn a_script_is_replaced_whole_and_only_if_that_is_meant() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hunt.rhai");
        write_script(&file, "1;\n", Existing::Refused).unwrap();
        let refused = write_script(&file, "2;\n", Existing::Refused).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), "1;\n");
        write_script(&file, "3;\n", Existing::Replaced).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "3;\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o700);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_script(&link, "4;\n", Existing::Replaced).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "4;\n");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(write_script(Path::new("/dev/null"), "5;\n", Existing::Replaced).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_command_is_parted_from_its_argument() {
        assert_eq!(read(":load  a b.rhai "), Input::Command { name: "load", argument: "a b.rhai" });
        assert_eq!(argument("load"), Argument::File);
    }
}
