//! What scripts get to read: each `tests/golden/NAME.rhai` is run, and what it says on both
//! streams and its exit code are compared with `NAME.txt`. A new case is a new file;
//! `KRSI_BLESS=1 cargo test --release --test diagnostics` writes what is missing or has changed.
//!
//! None of them reaches the kernel: they are wrong before that, or have no probe.

use std::{
    cell::RefCell,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
};

use krsi_sh::{
    kernel::Live,
    report::{Lines, Record, Renderer, Sink, Stream},
    script::{Options, Session, Source},
    template::Catalogue,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// Both streams, in the order of what was said.
#[derive(Clone, Default)]
struct Heard(Rc<RefCell<String>>);

impl Sink for Heard {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        renderer.render(record, self)
    }
}

impl Lines for Heard {
    fn line(&mut self, stream: Stream, line: &str) -> io::Result<()> {
        let mark = if stream == Stream::Log { "!" } else { " " };
        writeln!(self.0.borrow_mut(), "{mark} {line}").map_err(io::Error::other)
    }
}

/// Scripts import what is part of the program.
fn options() -> Options {
    Options { imports: krsi_sh::source::imports::everywhere(), ..Options::default() }
}

fn said(script: &Path) -> Result<String, Failed> {
    let heard = Heard::default();
    let catalogue = Catalogue::builtin()?;
    let templates = catalogue.names().collect::<Vec<_>>().join(", ");
    let backend = Box::new(Live::new(catalogue.clone(), None));
    let mut session = Session::new(catalogue, options(), backend, Box::new(heard.clone()));
    let name = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let outcome = session.run(&Source { name, text: fs::read_to_string(script)? });
    let mut text = heard.0.borrow().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    write!(text, "\nexit {}\n", outcome.code)?;
    // One more template is no other diagnostic.
    let text = text.replace(&templates, "TEMPLATES");
    Ok(text.trim_start_matches('\n').to_owned())
}

fn compare(script: &Path) -> Result<(), Failed> {
    let golden = script.with_extension("txt");
    let found = said(script)?;
    if std::env::var_os("KRSI_BLESS").is_some_and(|word| !word.is_empty()) {
        return Ok(fs::write(golden, found)?);
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    let changes = similar::TextDiff::from_lines(expected.as_str(), found.as_str());
    Err(format!("{}", changes.unified_diff().header("expected", "found")).into())
}

fn main() -> ExitCode {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut scripts: Vec<PathBuf> = fs::read_dir(directory)
        .expect("tests/golden")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "rhai"))
        .collect();
    scripts.sort();
    let trials = scripts.into_iter().map(|script| {
        let name = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(name, move || compare(&script))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
