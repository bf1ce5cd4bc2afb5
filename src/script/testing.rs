//! What the tests of this room share.

use std::sync::{Arc, Mutex};

use super::{Options, Session, Source};
use crate::{
    backend::DryRun,
    report::{Format, Lines, Record, Renderer, Sink, Stream},
    template::Catalogue,
};

/// What a session writes, for looking at.
#[derive(Clone, Default)]
pub struct Written(pub Arc<Mutex<Vec<String>>>);

impl Sink for Written {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> std::io::Result<()> {
        renderer.render(record, self)
    }
}

impl Lines for Written {
    fn line(&mut self, _: Stream, line: &str) -> std::io::Result<()> {
        self.0.lock().unwrap().push(line.to_owned());
        Ok(())
    }
}

/// Runs a script over a dry run, and returns all that it writes, as text.
pub fn says(code: &str) -> String {
    let written = Written::default();
    let options = Options { format: Format::Text, ..Options::default() };
    let source = Source { name: "-e".into(), text: code.into() };
    let catalogue = Catalogue::builtin().unwrap();
    Session::new(catalogue, options, Box::new(DryRun), Box::new(written.clone())).run(&source);
    let lines = written.0.lock().unwrap();
    lines.join("\n")
}
