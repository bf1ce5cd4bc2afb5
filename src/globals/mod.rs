//! The flags that every command takes, and what they come to for a session.
//!
//! In: the words of the command line, by clap. Out: [`script::Options`], or the same flags as words for the session in a
//! lab's guest.

mod format;

use std::{path::PathBuf, time::Duration};

use clap::{
    ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use crate::{
    backend::Door,
    facts::Root,
    report::allows_color,
    script::{self, Policy},
    source, values,
};

pub use self::format::{Asked, VARIABLE};

/// The flags every command takes, before its name or behind it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// How standard output is written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "auto", overrides_with = "format")]
    pub format: Asked,

    /// Colour in text
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        overrides_with = "color",
        hide_short_help = true
    )]
    pub color: Color,

    /// Report denials, kills and signals instead of doing them
    ///
    /// Programs that the script starts still run.
    #[arg(long, global = true, overrides_with = "audit")]
    pub audit: bool,

    /// Attach probes only in this way; by default, in the first of these that the kernel allows
    #[arg(long, global = true, value_name = "DOOR", value_parser = doors(), overrides_with = "door", hide_short_help = true)]
    pub door: Option<Door>,

    /// Write passwords, tokens and keys in arguments and other texts as they are, not as <redacted>
    ///
    /// What looks like a secret is redacted in everything that is written: events, alerts, values, printed texts, tables, reports and
    /// recordings. Scripts and filters have the texts as they are all the same.
    #[arg(long, global = true, overrides_with = "show_secrets", hide_short_help = true)]
    pub show_secrets: bool,

    /// Directory with further templates, as objects named NAME.bpf.o; may be repeated
    #[arg(long = "template-dir", global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath, hide_short_help = true)]
    pub template_dirs: Vec<PathBuf>,

    /// End the session after this time, such as 10s or 5m; exit code 0
    #[arg(long = "for", global = true, value_name = "DURATION", value_parser = values::duration::parse, overrides_with = "lasts")]
    pub lasts: Option<Duration>,

    /// No banner, no notes, no closing table
    #[arg(short, long, global = true, overrides_with = "quiet")]
    pub quiet: bool,

    /// More diagnostics on standard error; repeat for more
    ///
    /// Of scripts of the library also what is attached; of `check` every check, of `why` what was ruled out, of `lab` the guest's messages.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, hide_short_help = true)]
    pub verbose: u8,
}

/// Reads the name of a door.
fn doors() -> impl TypedValueParser<Value = Door> {
    let help = |door| match door {
        Door::Lsm => "On the LSM hooks; wants `bpf` in the kernel's list of LSMs",
        Door::FmodRet => "On the functions that call the LSM hooks; can also deny",
        Door::Observe => "Elsewhere; refuses nothing",
    };
    let values = Door::ALL.map(|door| PossibleValue::new(door.name()).help(help(door)));
    PossibleValuesParser::new(values).try_map(|name| Door::from_name(&name).ok_or("no such door"))
}

/// Whether text may carry colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// If standard output is a terminal, NO_COLOR is not set, and TERM is not `dumb`
    #[default]
    Auto,
    /// Always, NO_COLOR or not
    Always,
    /// Never
    Never,
}

impl Globals {
    /// Whether text on standard output carries colour.
    #[must_use]
    pub fn color(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => allows_color(),
        }
    }

    /// What a script's session is told.
    #[must_use]
    pub fn options(&self, args: Vec<String>) -> script::Options {
        script::Options {
            interactive: false,
            args,
            policy: if self.audit { Policy::default().audited() } else { Policy::default() },
            root: Root::default(),
            format: self.format.for_session(),
            help: self.format.for_answer(),
            color: self.color(),
            quiet: self.quiet,
            lasts: self.lasts,
            verbose: self.verbose,
            checks: script::CheckOptions::default(),
            door: self.door,
            answering: script::Answering::default(),
            imports: source::imports::everywhere(),
        }
    }

    /// These flags as words of a session's command line, colour and format settled:
    /// whether output ends at a terminal is known here, and not where the words are read. What is named by paths here is
    /// elsewhere there, and left out.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("--color={}", if self.color() { "always" } else { "never" }),
            format!("--format={}", self.format.for_session().name()),
        ];
        if self.audit {
            words.push("--audit".to_owned());
        }
        if self.show_secrets {
            words.push("--show-secrets".to_owned());
        }
        if let Some(door) = self.door {
            words.push(format!("--door={door}"));
        }
        if self.quiet {
            words.push("--quiet".to_owned());
        }
        if let Some(lasts) = self.lasts {
            words.push(format!("--for={}ms", lasts.as_millis()));
        }
        words.extend((0..self.verbose).map(|_| "--verbose".to_owned()));
        words
    }
}
