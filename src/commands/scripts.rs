//! `krsi-sh scripts`: which scripts there are by name, and what each is for.
//!
//! In: words and ids to look for. Out: a line a script, or all that one says of itself, with its parameters. Nothing of a script
//! is run for that, but for what stands before its parameters, with nothing attached and nothing done.

use std::io;

use serde_json::json;

use super::{answer, catalogue, complain, width};
use crate::{
    exit,
    globals::Globals,
    report::{Format, Lines, Purpose, Record, Renderer, Sink, Stream, printable, wrapped},
    script::{Header, Param, Session, Source, defined_functions},
    source::{
        self,
        library::{Entry, Library},
    },
    template::Catalogue,
    values::Severity,
};

/// List the scripts that are found by name, or describe one
///
/// A name can be given wherever a script is: krsi-sh run hunts/ld-preload. Without a file of that path, it is looked for in
/// ~/.config/krsi-sh/scripts, in /etc/krsi-sh/scripts, and in what was installed with this program; of several the first counts.
/// A name without its directory is enough where one script alone has it. Exit code 2: nothing fits.
#[derive(Debug, Clone, clap::Args)]
pub struct ScriptsArgs {
    /// Those with this id of ATT&CK, or with a part of it (T1055 is T1055.008, too); may be repeated
    #[arg(long, value_name = "ID")]
    pub tag: Vec<String>,

    /// Those that are at least so severe: info, low, medium, high or critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub severity: Option<Severity>,

    /// Names alone, as shells complete them
    #[arg(long, hide = true)]
    pub names: bool,

    /// Name of the script to describe, or words to look for in names, titles and descriptions
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
}

fn severity(word: &str) -> Result<Severity, String> {
    Severity::from_name(word).map_err(|error| error.to_string())
}

/// A script, and what it says of itself; nothing if it is no hunt.
struct Found {
    entry: Entry,
    source: Source,
    header: Option<Header>,
}

/// Runs the command; gives the process's exit code.
#[must_use]
pub fn run(args: &ScriptsArgs, globals: &Globals) -> i32 {
    let library = Library::of_this_user();
    if args.names {
        return answer(
            &library.entries().iter().map(|entry| format!("{}\n", entry.name)).collect::<String>(),
        );
    }
    let all: Vec<Found> = library.entries().into_iter().filter_map(read).collect();
    let one = match &*args.words {
        [word] if args.tag.is_empty() && args.severity.is_none() => library.find(word),
        _ => None,
    };
    if let Some(found) = one.and_then(|one| all.iter().find(|found| found.entry == one)) {
        return describe(found, globals);
    }
    let fits: Vec<&Found> = all.iter().filter(|found| found.fits(args)).collect();
    if fits.is_empty() {
        complain(nothing(&library, all.len(), args));
        return exit::USAGE;
    }
    match globals.format.for_answer() {
        Format::Text => answer(&table(&fits, width())),
        Format::Json => listed_as_json(&fits, globals),
    }
}

/// Reads one; why it cannot be read is said.
fn read(entry: Entry) -> Option<Found> {
    let source =
        source::file(&entry.path).inspect_err(|error| complain(format_args!("scripts: {error}"))).ok()?;
    let header = Header::of(&source.text)
        .inspect_err(|error| complain(format_args!("scripts: {}: {error}", printable(&source.name))))
        .ok()?;
    Some(Found { entry, source, header })
}

fn nothing(library: &Library, count: usize, args: &ScriptsArgs) -> String {
    let directories = library
        .directories()
        .iter()
        .map(|directory| directory.display().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if count == 0 {
        return format!(
            "scripts: there are none\nlooked in: {directories}\nfix: make install, or put scripts into one of these"
        );
    }
    let near = args.words.first().and_then(|word| library.nearest(word));
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!(
        "scripts: nothing fits{near}\nallowed: an id of ATT&CK, a name, or words; without any, all {count} are listed"
    )
}

impl Found {
    fn fits(&self, args: &ScriptsArgs) -> bool {
        let ids = self.header.iter().flat_map(|header| header.attack.iter().chain(&header.d3fend));
        let attack = ids.map(|id| id.to_ascii_uppercase());
        let attack: Vec<_> = attack.collect();
        let has = |tag: &String| {
            let tag = tag.to_ascii_uppercase();
            attack
                .iter()
                .any(|id| *id == tag || id.strip_prefix(&*tag).is_some_and(|rest| rest.starts_with('.')))
        };
        let severe = args.severity.is_none_or(|least| {
            self.header.as_ref().is_some_and(|h| !h.purpose.is_imported() && h.severity >= least)
        });
        let said = [self.entry.name.as_str(), self.title(), self.header.as_ref().map_or("", |h| &h.about)];
        let said = format!("{} {}", said.join(" "), attack.join(" ")).to_lowercase();
        args.tag.iter().all(has)
            && severe
            && args.words.iter().all(|word| said.contains(&word.to_lowercase()))
    }

    /// Whether it does nothing by itself.
    fn is_imported(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.purpose.is_imported())
    }

    /// What it is for: by its header, or else by its first comment.
    fn title(&self) -> &str {
        match &self.header {
            Some(header) => &header.title,
            None => {
                self.source.text.lines().find_map(|line| line.strip_prefix("//")).unwrap_or_default().trim()
            }
        }
    }
}

fn table(all: &[&Found], columns: Option<u16>) -> String {
    let wide = |text: &dyn Fn(&Found) -> usize| all.iter().map(|found| text(found)).max().unwrap_or_default();
    let name = wide(&|found| found.entry.name.chars().count());
    let attack = |found: &Found| {
        found
            .header
            .as_ref()
            .map_or_else(String::new, |header| [&header.attack[..], &header.d3fend].concat().join(" "))
    };
    let ids = wide(&|found| attack(found).chars().count()).min(30);
    let line = |found: &&Found| {
        let severity = found.header.as_ref().map_or_else(String::new, |header| match header.purpose {
            purpose if purpose.is_imported() => "import".to_owned(),
            _ => header.severity.to_string(),
        });
        let title = printable(found.title());
        let line =
            format!("{:name$}  {severity:8}  {:ids$}  {title}", printable(&found.entry.name), attack(found));
        // A line is one; its end is told by `krsi-sh scripts NAME`.
        columns.map_or_else(|| line.clone(), |columns| line.chars().take(columns.into()).collect()) + "\n"
    };
    all.iter().map(line).collect()
}

/// The parameters that a script declares; why they cannot be had has been said.
fn params(found: &Found, catalogue: &Catalogue, globals: &Globals) -> Result<Vec<Param>, i32> {
    if found.is_imported() {
        return Ok(Vec::new());
    }
    Session::explaining(catalogue.clone(), globals.options(Vec::new()), Box::new(OnlyLog))
        .declared(&found.source)
}

/// What the script says is not for whoever wants it described; its errors are.
struct OnlyLog;

impl Sink for OnlyLog {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        if record.stream() == Stream::Log { renderer.render(record, self) } else { Ok(()) }
    }
}

impl Lines for OnlyLog {
    fn line(&mut self, _: Stream, line: &str) -> io::Result<()> {
        complain(line);
        Ok(())
    }
}

fn describe(found: &Found, globals: &Globals) -> i32 {
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let params = match params(found, &catalogue, globals) {
        Ok(params) => params,
        Err(code) => return code,
    };
    if globals.format.for_answer() == Format::Json {
        return answer(&(as_json(found, &params).to_string() + "\n"));
    }
    let columns = width();
    let mut text = format!("{}: {}\n", printable(&found.entry.name), printable(found.title()));
    let mut part = |name: &str, said: &str| {
        let lines =
            said.lines().flat_map(|line| wrapped(line, columns.map(|columns| columns.saturating_sub(2))));
        text.push_str(&format!("\n{name}\n"));
        lines.for_each(|line| text.push_str(&format!("  {}\n", printable(&line))));
    };
    if let Some(header) = found.header.as_ref().filter(|header| header.purpose.is_imported()) {
        part("What it is for", &header.about);
        if header.purpose == Purpose::Reaction {
            part("How it is classed", &format!("D3FEND {}", header.d3fend.join(", ")));
            part("How it is undone", &header.undo);
            part("What it says", &header.sample.join("\n"));
        }
        let name = found.entry.name.rsplit('/').next().unwrap_or_default().replace('-', "_");
        part("How it is used", &format!("import \"{}\" as {name};", found.entry.name));
        let functions = defined_functions(&found.source.text);
        let public = functions.into_iter().filter(|function| !function.is_private);
        let lines = public.map(|function| {
            format!(
                "{name}::{}({})\n  {}",
                function.name,
                function.params.join(", "),
                function.about.replace('\n', " ")
            )
        });
        part("What it has", &lines.collect::<Vec<_>>().join("\n"));
    } else if let Some(header) = &found.header {
        part("What it looks for", &header.about);
        let kernel =
            header.kernel.as_ref().map_or_else(String::new, |kernel| format!(", Linux {kernel} or later"));
        part(
            "How it is classed",
            &format!("severity {}, ATT&CK {}", header.severity, header.attack.join(", ")),
        );
        part("What it needs", &format!("probes of {}{kernel}", header.needs.join(", ")));
        part("False positives", &header.false_positives);
        part("What it says", &header.sample.join("\n"));
    }
    if !params.is_empty() {
        part("Parameters", crate::script::listed_params(&params).trim_end());
    }
    part("Where it stands", &found.entry.path.display().to_string());
    answer(&text)
}

fn listed_as_json(all: &[&Found], globals: &Globals) -> i32 {
    let Some(catalogue) = catalogue(globals) else { return exit::ENVIRONMENT };
    let mut text = String::new();
    let mut code = exit::FINE;
    for found in all {
        match params(found, &catalogue, globals) {
            Ok(params) => text.push_str(&(as_json(found, &params).to_string() + "\n")),
            Err(failed) => code = failed,
        }
    }
    answer(&text).max(code)
}

fn as_json(found: &Found, params: &[Param]) -> serde_json::Value {
    let header = found.header.as_ref();
    json!({
        "name": found.entry.name,
        "path": found.entry.path.to_string_lossy(),
        "title": found.title(),
        "about": header.map(|header| &header.about),
        "attack": header.map(|header| &header.attack),
        "d3fend": header.map(|header| &header.d3fend),
        "severity": header.filter(|header| !header.purpose.is_imported()).map(|header| header.severity.to_string()),
        "needs": header.map(|header| &header.needs),
        "kernel": header.and_then(|header| header.kernel.as_ref()),
        "false_positives": header.map(|header| &header.false_positives),
        "sample": header.map(|header| &header.sample),
        "params": params.iter().map(|param| json!({
            "name": param.name, "kind": param.kind_name(), "default": param.default_text(), "about": param.about,
        })).collect::<Vec<_>>(),
    })
}
