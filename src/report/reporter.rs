//! What a session reports: one record in, to the session's sink, in its format.

use std::{io, rc::Rc};

use super::{
    format::{Format, Renderer},
    record::{Record, Rule},
    redaction::without_secrets,
    sink::Sink,
};
use crate::{backend::Clock, event::Event, probe::Summary, values::Severity};

/// Writes a session's records.
pub struct Reporter {
    sink: Box<dyn Sink>,
    format: Format,
    renderer: Box<dyn Renderer>,
    color: bool,
    quiet: bool,
    /// How help is written as long as there has been no other output.
    help: Format,
    has_output: bool,
    /// What time it is where that is written.
    clock: Rc<Clock>,
}

impl Reporter {
    #[must_use]
    pub fn new(sink: Box<dyn Sink>, format: Format, color: bool, quiet: bool) -> Self {
        let renderer = format.renderer(color);
        let mut reporter = Reporter {
            sink,
            format,
            renderer,
            color,
            quiet,
            help: format,
            has_output: false,
            clock: Rc::default(),
        };
        reporter.renderer.prepare();
        reporter
    }

    /// The same, that writes help in this format as long as it has written nothing else: help that is all there is
    /// is for people, wherever it goes.
    #[must_use]
    pub fn with_help(mut self, help: Format) -> Self {
        self.help = help;
        self
    }

    /// The same, with this time.
    #[must_use]
    pub fn with_clock(mut self, clock: Rc<Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// From here on with colour, or without.
    pub fn set_color(&mut self, color: bool) {
        self.color = color;
        self.renderer = self.format.renderer(color);
    }

    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// From here on in this format.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
        self.help = format;
        self.renderer = format.renderer(self.color);
        self.renderer.prepare();
    }

    /// What is written from here on is about an event of this probe, or of none.
    pub fn about(&mut self, probe: Option<&str>) {
        self.sink.about(probe);
    }

    /// Writes a record; nothing if it is one that is left out here.
    ///
    /// # Errors
    /// If the stream is closed.
    pub fn emit(&mut self, record: Record<'_>) -> io::Result<()> {
        if self.quiet && record.is_optional() {
            return Ok(());
        }
        if matches!(record, Record::Help(_)) && !self.has_output && self.help != self.format {
            return self.sink.emit(&record, &mut *self.help.renderer(self.color));
        }
        self.has_output |= record.is_output();
        if self.clock.is_stepped() {
            self.renderer.set_time(self.clock.wall());
        }
        // Here, so that no format and no sink ever has what it must not tell.
        let (sink, renderer) = (&mut self.sink, &mut *self.renderer);
        without_secrets(record, |record| sink.emit(&record, renderer))
    }

    // ---- the records that most parts report -----------------------------------

    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        self.emit(Record::Event(event))
    }

    pub fn alert(&mut self, severity: Severity, text: &str, event: Option<&Event>) -> io::Result<()> {
        self.emit(Record::Alert { at: self.clock.wall(), severity, text, event, rule: None })
    }

    /// An alert by a hunt.
    pub fn finding(
        &mut self,
        severity: Severity,
        text: &str,
        event: Option<&Event>,
        rule: Rule<'_>,
    ) -> io::Result<()> {
        self.emit(Record::Alert { at: self.clock.wall(), severity, text, event, rule: Some(rule) })
    }

    pub fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.emit(Record::Summary(summary))
    }

    pub fn note(&mut self, text: &str) -> io::Result<()> {
        self.emit(Record::Note(text))
    }

    pub fn log(&mut self, text: &str) -> io::Result<()> {
        self.emit(Record::Log(text))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;
    use crate::report::{
        format::Lines,
        record::{Evaluated, Stream},
    };

    /// What has been written, and the severities of the alerts.
    #[derive(Default, Clone)]
    struct Seen {
        lines: Rc<RefCell<Vec<(Stream, String)>>>,
        severities: Rc<RefCell<Vec<Severity>>>,
    }

    impl Sink for Seen {
        fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
            match record {
                Record::Alert { severity, .. } => self.severities.borrow_mut().push(*severity),
                _ => renderer.render(record, self)?,
            }
            Ok(())
        }
    }

    impl Lines for Seen {
        fn line(&mut self, stream: Stream, line: &str) -> io::Result<()> {
            self.lines.borrow_mut().push((stream, line.to_owned()));
            Ok(())
        }
    }

    fn reporter(format: Format, quiet: bool) -> (Reporter, Seen) {
        let seen = Seen::default();
        (Reporter::new(Box::new(seen.clone()), format, false, quiet), seen)
    }

    #[test]
    fn a_sink_may_look_into_a_record_instead_of_rendering_it() {
        let (mut reporter, seen) = reporter(Format::Json, false);
        reporter.alert(Severity::High, "what", None).unwrap();
        reporter.log("said").unwrap();
        assert_eq!(*seen.severities.borrow(), [Severity::High]);
        assert_eq!(*seen.lines.borrow(), [(Stream::Log, "said".to_owned())]);
    }

    #[test]
    fn help_is_for_people_until_there_is_other_output() {
        let (reporter, seen) = reporter(Format::Json, false);
        let mut reporter = reporter.with_help(Format::Text);
        for record in [Record::Help("a\nb"), Record::Print("c"), Record::Help("d")] {
            reporter.emit(record).unwrap();
        }
        let lines = seen.lines.borrow();
        let lines: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines[..2], ["a", "b"]);
        assert!(lines[2].ends_with(r#""text":"c"}"#) && lines[3].ends_with(r#""text":"d"}"#), "{lines:?}");
    }

    #[test]
    fn quiet_leaves_out_notes_and_keeps_what_has_to_be_known() {
        let (mut reporter, seen) = reporter(Format::Text, true);
        reporter.note("a note").unwrap();
        reporter.log("a\tlog\x07").unwrap();
        assert_eq!(*seen.lines.borrow(), [(Stream::Log, "a\tlog\\u{7}".to_owned())]);
    }

    #[test]
    fn a_colour_or_a_format_holds_from_its_setting_on() {
        let (mut reporter, seen) = reporter(Format::Text, false);
        let rows = serde_json::json!([{ "a": 1 }]);
        let shown = Evaluated { text: "", raw: &rows, is_rows: true, events: &[] };
        reporter.emit(Record::Value(shown)).unwrap();
        reporter.set_color(true);
        reporter.emit(Record::Value(shown)).unwrap();
        reporter.set_format(Format::Json);
        reporter.emit(Record::Value(shown)).unwrap();
        let lines = seen.lines.borrow();
        let lines: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines[..4], [" a", " 1", "\x1b[1m a\x1b[0m", " 1"]);
        assert!(lines[4].ends_with(r#""value":[{"a":1}]}"#), "{lines:?}");
    }
}
