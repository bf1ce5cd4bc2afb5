//! The command line: the one clap table, and what `--help` and the man page add
//! to it.
//!
//! In: the process's arguments. Out: a command that has been run, as an exit
//! code. Help, completions and the man page are made from this table and the
//! [`SECTIONS`] below (`tests/cli/generated/`); nothing about flags is written
//! anywhere else.
//!
//! Whose argument a word is: up to the first word that is no flag, flags are the
//! shell's. That word is a subcommand, or else a script, and everything behind a
//! script is the script's own, as an interpreter line (`#!`) needs it. `--` ends
//! the shell's flags too.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

use clap::{ArgMatches, CommandFactory, Parser, error::ErrorKind, parser::ValueSource};

use crate::{
    attempt,
    commands::{self, Command},
    exit,
    globals::{self, Asked, Globals},
    kernel::{WAKER, too_few_files},
    report::{printable_lines, show_secrets},
};

/// A shell for security probes: eBPF LSM programs that observe, shadow, deny and kill
///
/// A probe is a precompiled eBPF LSM program, configured by a script: which tasks it watches, what it matches, and what the
/// kernel does about a match. Scripts are written in Rhai.
///
/// Without a script and without a subcommand, krsi-sh is an interactive shell; if standard input is not a terminal, it runs the
/// script that comes from there. All words after FILE belong to the script, including options; a `--` directly after FILE may
/// separate them. To run a script with the name of a subcommand, write a slash: ./lab.
#[derive(Debug, Parser)]
#[command(
    name = "krsi-sh",
    version,
    max_term_width = 100,
    override_usage = "krsi-sh [OPTIONS] [FILE | -e CODE] [--] [ARGS]...\n       \
                      krsi-sh [OPTIONS] COMMAND",
    subcommand_value_name = "COMMAND"
)]
struct Cli {
    #[command(flatten)]
    run: commands::run::RunArgs,
    /// Do not run the start-up file of the interactive shell
    ///
    /// That is init.rhai in the user's directory of settings: ~/.config/krsi-sh.
    #[arg(long, hide_short_help = true)]
    no_init: bool,
    #[command(subcommand)]
    command: Option<Command>,
    // Last: their heading holds for whatever follows.
    #[command(flatten)]
    globals: Globals,
}

/// Does what the arguments say; gives the process's exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // No command of people's: it stands in no table, and so in no help and no completion.
    if arguments.get(1).is_some_and(|word| word == attempt::COMMAND) {
        return commands::keep_scratch::run();
    }
    if arguments.get(1).is_some_and(|word| word == WAKER) {
        return commands::wake_held::run();
    }
    let cli = match parse(&arguments, std::env::var_os(globals::VARIABLE)) {
        Ok(cli) => cli,
        Err(error) => {
            // It quotes words that another user may have chosen: a file's name, taken by a pattern of the shell's.
            let text = error.render().to_string();
            let safe = printable_lines(&text);
            if safe != text {
                let _ = write!(io::stderr().lock(), "{safe}");
                return error.exit_code();
            }
            return match error.print().and_then(|()| io::stdout().flush()) {
                // Nobody reads it any more, and nobody is told: help is read by `head` too.
                Err(trouble) if trouble.kind() != io::ErrorKind::BrokenPipe && error.exit_code() == 0 => {
                    commands::cannot_write(&trouble)
                }
                _ => error.exit_code(),
            };
        }
    };
    if let Some(why) = too_few_files() {
        commands::complain(why);
        return exit::ENVIRONMENT;
    }
    if cli.globals.show_secrets {
        show_secrets();
        if !cli.globals.quiet {
            commands::complain("secrets in what is written are shown, not redacted (--show-secrets)");
        }
    }
    match &cli.command {
        Some(command) => command.run(&cli.globals),
        None if cli.run.names_something() => commands::run::bare(&cli.run, &subcommands(), &cli.globals),
        None if io::stdin().is_terminal() => commands::shell::run(&cli.globals, !cli.no_init),
        None => commands::run::standard_input(&cli.globals),
    }
}

/// `variable` is what the environment says about the format.
fn parse(arguments: &[OsString], variable: Option<OsString>) -> Result<Cli, clap::Error> {
    let mut table = command().color(help_color(arguments));
    let matches = table.try_get_matches_from_mut(arguments).map_err(|error| {
        let text = two_in_one(arguments).filter(|_| error.kind() == ErrorKind::UnknownArgument);
        text.map_or(error, |text| table.error(ErrorKind::UnknownArgument, text))
    })?;
    let mut cli = <Cli as clap::FromArgMatches>::from_arg_matches(&matches)?;
    // clap does not see these across a subcommand's name.
    if cli.globals.quiet && cli.globals.verbose > 0 {
        return Err(table.error(ErrorKind::ArgumentConflict, "--quiet and --verbose contradict each other"));
    }
    if let Some(text) = of_no_subcommand(&cli, &matches) {
        return Err(table.error(ErrorKind::ArgumentConflict, text));
    }
    if let (Asked::Report(document), false) =
        (cli.globals.format, matches!(cli.command, Some(Command::Check(_) | Command::Redteam(_))))
    {
        let text = format!("--format {} is that of a report on checks: krsi-sh check PATH", document.name());
        return Err(table.error(ErrorKind::ArgumentConflict, text));
    }
    let said = matches.value_source("format") == Some(ValueSource::CommandLine);
    // A slip in the environment must not keep probes from letting go.
    if !said && !matches!(cli.command, Some(Command::Panic(_))) {
        cli.globals.format =
            Asked::by_variable(variable).map_err(|text| table.error(ErrorKind::InvalidValue, text))?;
    }
    Ok(cli)
}

/// Why an option of the shell's own cannot stand before this subcommand: it would say nothing to it.
fn of_no_subcommand(cli: &Cli, matches: &ArgMatches) -> Option<String> {
    let (name, _) = matches.subcommand()?;
    let own = [("code", "-e CODE"), ("then_prompt", "-i"), ("command", "-c"), ("pid", "-p PID")];
    let is_said = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let (id, option) = own.into_iter().find(|(id, _)| is_said(id))?;
    Some(match (id, &cli.command) {
        ("code", _) => "a subcommand cannot follow -e CODE; words for the script stand after `--`".to_owned(),
        (_, Some(Command::Run(_))) => format!("{option} stands behind `run`: krsi-sh run {option} …"),
        _ => format!(
            "a subcommand cannot follow {option}; a script or program of that name is written ./{name}"
        ),
    })
}

/// An interpreter line is passed as one word, blanks and all.
fn two_in_one(arguments: &[OsString]) -> Option<String> {
    let word = arguments.get(1)?.to_str()?;
    let (flag, value) = word.split_once(' ')?;
    let value = value.trim();
    flag.starts_with("--").then(|| {
        format!(
            "`{word}` came as one word, as the kernel passes what stands in a script's first line; \
             write it without a blank: `{flag}={value}`"
        )
    })
}

/// Help and usage errors are written before the flags are known: `--color` is
/// looked for by hand. `auto` is clap's to decide, by the same rules.
fn help_color(arguments: &[OsString]) -> clap::ColorChoice {
    let mut words = arguments.iter().map(|word| word.to_str().unwrap_or_default());
    let mut choice = clap::ColorChoice::Auto;
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next().unwrap_or_default(),
            Some(value) => value.trim_start_matches('='),
            None => continue,
        };
        choice = match value {
            "always" => clap::ColorChoice::Always,
            "never" => clap::ColorChoice::Never,
            _ => clap::ColorChoice::Auto,
        };
    }
    choice
}

/// The whole table, for parsing and for what is generated from it.
#[must_use]
pub fn command() -> clap::Command {
    let mut closing = String::new();
    for section in SECTIONS {
        _ = writeln!(closing, "{}:", section.title);
        let width = section.entries.iter().map(|(term, _)| term.len()).max().unwrap_or_default();
        for (term, text) in section.entries {
            _ = writeln!(closing, "  {term:width$}  {text}");
        }
        closing.push('\n');
    }
    Cli::command().after_long_help(closing.trim_end().to_owned())
}

/// The subcommands' names, for an error that refuses one.
fn subcommands() -> Vec<String> {
    Cli::command().get_subcommands().map(|sub| sub.get_name().to_owned()).collect()
}

/// What help and the man page say beyond the table.
pub struct Section {
    pub title: &'static str,
    /// Terms and what they mean.
    pub entries: &'static [(&'static str, &'static str)],
}

pub const SECTIONS: &[Section] = &[
    Section {
        title: "Examples",
        entries: &[
            ("krsi-sh", "a prompt"),
            ("krsi-sh hunt.rhai -- /srv", "a script, with an argument"),
            ("krsi-sh -e 'probe(\"exec\").attach()'", "every execution, until Ctrl-C"),
            (
                "krsi-sh hunt.rhai | jq -r 'select(.type == \"event\").path'",
                "for a program to read: NDJSON, where no terminal shows it",
            ),
            ("krsi-sh --format text hunt.rhai > log", "for people to read, wherever it goes"),
            ("krsi-sh --for 1m hunt.rhai", "for a minute, such as from cron"),
            ("krsi-sh --audit hunt.rhai", "what it would have denied; nothing is"),
            ("generate-hunt | krsi-sh -", "a script from standard input"),
            (
                "krsi-sh check --changed /etc/krsi-sh/checks",
                "what is different from the last run, such as from cron",
            ),
            ("krsi-sh run hunts/ld-preload --since 1h", "a script of the library, with a parameter"),
            ("krsi-sh scripts --tag T1055", "what the library has about an id of ATT&CK"),
            ("krsi-sh -c npm install", "what a command does, from its first instruction on"),
            ("krsi-sh -c jail.rhai -- npm install", "the same, for a script to watch or to hold"),
            (
                "krsi-sh run jail -- npm install",
                "a command without keys, other people's files and the network within",
            ),
            ("krsi-sh why -- npm install", "which layer of the kernel refuses what it asks for"),
            (
                "krsi-sh record -o monday.ndjson.zst watch.rhai",
                "every event that a script handles, in a file",
            ),
            ("krsi-sh replay monday.ndjson.zst stricter.rhai", "what another script would have made of them"),
            ("krsi-sh learn -o npm.rhai -c npm install", "a script that allows only what a command does"),
            ("krsi-sh templates file_open", "what can be matched, what an event tells"),
            ("krsi-sh lab hunt.rhai", "rehearsed in a throwaway virtual machine"),
            ("krsi-sh redteam guard.rhai", "what goes round what it refuses, tried there"),
        ],
    },
    Section {
        title: "Exit codes",
        entries: &[
            ("0", "fine"),
            ("1", "the script failed"),
            ("2", "usage: the command line, or a script that cannot or must not be read"),
            (
                "3",
                "this machine lacks something: privilege, BPF LSM, QEMU; or output was lost, to a full disk for instance;",
            ),
            ("", "the message has cause and fix"),
            (
                "4",
                "a check failed (`check`, or a script with checks), a hunt has found something, or `replay --against` something that flips",
            ),
            (
                "5",
                "a check could not be decided, or is at fault: worse than a failure; a hunt has found nothing while events were lost, or what `learn` has written may lack something",
            ),
            ("128+N", "ended by signal N (130: Ctrl-C); 0 if it did nothing but wait for events"),
            (
                "other",
                "what the script gave to exit(), or the command of -c or `run jail` ended with; 126, 127: it could not be executed, is not there",
            ),
        ],
    },
    Section {
        title: "Environment",
        entries: &[
            ("KRSI_SH_FORMAT", "auto, text or json: what --format is, if it is not given"),
            ("KRSI_SH_SCRIPTS", "directory in which scripts are looked for by name before all others"),
            ("NO_COLOR", "if set and not empty: no colour, unless --color says otherwise"),
            ("TERM", "dumb: no colour"),
            (
                "KRSI_DENIALS",
                "set for the command of a guard (`run jail`): the file in which it can read what it was refused, why, and what to do",
            ),
            ("KRSI_KERNELS", "directory of the lab's kernels"),
            (
                "XDG_STATE_HOME",
                "the prompt's history is krsi-sh/history under it, and what scripts of users other than root remember is in krsi-sh/state; ~/.local/state by default",
            ),
            (
                "XDG_CONFIG_HOME",
                "the prompt's start-up file is krsi-sh/init.rhai under it; ~/.config by default",
            ),
            ("VISUAL, EDITOR", "what `:edit` starts; vi by default"),
            ("PAGER", "what shows texts longer than the screen at the prompt; less -FRX by default"),
            ("XDG_CACHE_HOME", "the lab's kernels are in krsi-sh/kernels under it; ~/.cache by default"),
        ],
    },
    Section {
        title: "Files",
        entries: &[
            ("FILE", "a script: UTF-8, at most 4 MiB; for root to run it, it must belong to root, and"),
            ("", "be writable by root only (mode and access list), and so must its directories"),
            (
                "~/.config/krsi-sh/scripts, /etc/krsi-sh/scripts, PREFIX/share/krsi-sh",
                "where scripts are found by name, in this order",
            ),
            ("/sys/kernel/security/lsm", "the kernel's active LSMs; `bpf` must be among them"),
            ("/sys/kernel/btf/vmlinux", "the kernel's types; without it no probe can be loaded"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{globals::Color, report::Format};

    fn parsed(words: &[&str]) -> Result<Cli, ErrorKind> {
        parsed_with(words, None)
    }

    fn parsed_with(words: &[&str], variable: Option<&str>) -> Result<Cli, ErrorKind> {
        let words: Vec<OsString> = ["krsi-sh"].iter().chain(words).map(OsString::from).collect();
        parse(&words, variable.map(OsString::from)).map_err(|error| error.kind())
    }

    fn script_words(words: &[&str]) -> Vec<OsString> {
        parsed(words).unwrap().run.script.words
    }

    #[test]
    fn the_table_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn what_follows_a_script_is_its_own() {
        assert_eq!(script_words(&["a.rhai", "--format", "x", "-v", "lab"]).len(), 5);
        assert_eq!(script_words(&["a.rhai", "--", "-q"]), ["a.rhai", "--", "-q"]);
        assert_eq!(script_words(&["--", "lab", "-q"]), ["lab", "-q"]);
    }

    #[test]
    fn no_subcommand_follows_an_option_of_the_shells_own() {
        for option in [&["-i"][..], &["-c"], &["-p", "1"], &["-e", "1"]] {
            for command in ["run", "why", "explain"] {
                let words: Vec<&str> = option.iter().chain(&[command, "x"]).copied().collect();
                assert_eq!(parsed(&words).err(), Some(ErrorKind::ArgumentConflict), "{words:?}");
            }
            assert!(parsed(&[option, &["./run"]].concat()).is_ok(), "{option:?}");
        }
    }

    #[test]
    fn the_last_of_a_repeated_flag_counts() {
        let globals = parsed(&["--color", "never", "--color=always", "--audit", "--audit"]).unwrap().globals;
        assert_eq!((globals.color, globals.audit), (Color::Always, true));
    }

    #[test]
    fn global_flags_stand_on_either_side_of_a_subcommand() {
        let before = parsed(&["--format=json", "--audit", "lab"]).unwrap().globals;
        let behind = parsed(&["lab", "--format=json", "--audit"]).unwrap().globals;
        assert_eq!(before.words(), behind.words());
    }

    #[test]
    fn the_option_goes_before_the_variable_on_either_side_of_a_subcommand() {
        let json = Asked::This(Format::Json);
        assert_eq!(parsed_with(&["lab"], Some("json")).unwrap().globals.format, json);
        for words in [["--format=json", "lab"], ["lab", "--format=json"]] {
            assert_eq!(parsed_with(&words, Some("text")).unwrap().globals.format, json);
        }
        assert_eq!(parsed_with(&["--format=auto"], Some("json")).unwrap().globals.format, Asked::Auto);
    }

    #[test]
    fn a_slip_in_the_variable_does_not_keep_probes_from_letting_go() {
        assert_eq!(parsed_with(&["lab"], Some("jsn")).unwrap_err(), ErrorKind::InvalidValue);
        assert!(parsed_with(&["panic"], Some("jsn")).is_ok());
    }

    #[test]
    fn quiet_and_verbose_contradict_each_other_wherever_they_stand() {
        assert_eq!(parsed(&["-q", "-v"]).unwrap_err(), ErrorKind::ArgumentConflict);
        assert_eq!(parsed(&["-q", "lab", "-v"]).unwrap_err(), ErrorKind::ArgumentConflict);
    }

    #[test]
    fn flags_survive_being_written_and_read_again() {
        let globals = Globals {
            format: Asked::This(Format::Json),
            color: Color::Always,
            template_dirs: Vec::new(),
            door: Some(crate::backend::Door::FmodRet),
            audit: true,
            show_secrets: true,
            quiet: false,
            lasts: Some(Duration::from_millis(1500)),
            verbose: 2,
        };
        let words = globals.words();
        let again = parsed(&words.iter().map(String::as_str).collect::<Vec<_>>()).unwrap().globals;
        assert_eq!(again.words(), words);
    }
}
