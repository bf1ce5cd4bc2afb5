//! Everything that is written, in every format: texts that others have chosen harm nothing and are not lost, and secrets are
//! not in it.

use std::{cell::RefCell, io, rc::Rc, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr;

use super::{printable::hostile, *};
use crate::{
    check::{Check, CheckResult, Finished, Run},
    event::{self, Event, Source},
    probe::{
        Counters, Summary,
        aggregation::Kind,
        summary::{Amount, Row},
    },
    raw,
    template::{Catalogue, FieldKind, Template},
    values::{Severity, Signal},
};

/// What a name, an argument, a comm or a cgroup may be called.
const HOSTILE: &[&[u8]] = &[
    b"a\x1b[2J\x1b[31mb",
    b"\x1b]52;c;ZXZpbA==\x07x",
    b"a\rb\x08c\x7fd",
    "a\u{9b}31m\u{85}b\u{90}q".as_bytes(),
    "a\u{202e}b\u{202a}\u{2066}c\u{2069}\u{200f}\u{61c}".as_bytes(),
    "a\u{200b}b\u{feff}\u{2060}\u{ad}\u{e0041}".as_bytes(),
    b"a\xffb\xc3(\xf0\x9f",
    "a\u{efff}\u{ef80}".as_bytes(),
    b"a\nuid=0 notes=guarded\n12:00:00.000 p deny root[1]",
    b"x uid=0(root) notes=guarded",
    br#"a","verdict":"deny","b":"\"'"#,
    b"it's \"x\" $(y) `z` \\ \\n \\u{1b}",
    b"<b>&amp;</testcase><script>]]> --> %s {{x}} # | * ```",
    "日本\u{300}語".as_bytes(),
    b"\t\x0b\x0c \xe2\x80\xa8",
];

/// Lines as they leave a format, before any sink screens them.
#[derive(Default, Clone)]
struct Taken(Rc<RefCell<Vec<String>>>);

impl Sink for Taken {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        renderer.render(record, self)
    }
}

impl Lines for Taken {
    fn line(&mut self, _: Stream, line: &str) -> io::Result<()> {
        self.0.borrow_mut().push(line.to_owned());
        Ok(())
    }
}

fn written(format: Format, color: bool, record: Record<'_>) -> Vec<String> {
    let taken = Taken::default();
    Reporter::new(Box::new(taken.clone()), format, color, false).emit(record).unwrap();
    taken.0.take()
}

/// An event of which each text, and each of its arguments, is this one.
fn event_of(template: &str, argv: &[&[u8]], text: &[u8]) -> Event {
    let template = Arc::clone(Catalogue::builtin().unwrap().get(template).unwrap());
    let source = Arc::new(Source::of_whole(Arc::clone(&template), "p".into()));
    let packed_from = template.layout.packed_from;
    let mut bytes =
        vec![0; template.fields.get(packed_from).map_or(template.event_size, |field| field.offset)];
    let list: Vec<u8> = argv.iter().flat_map(|text| [text, &b"\0"[..]].concat()).collect();
    let put = |bytes: &mut Vec<u8>, template: &Template, name: &str, number: u64| {
        let field = template.field(name).unwrap();
        bytes[field.offset..field.offset + field.size].copy_from_slice(&number.to_le_bytes()[..field.size]);
    };
    for (index, field) in template.fields.iter().enumerate() {
        let content = match &field.kind {
            FieldKind::Text => [&text[..text.len().min(field.size - 1)], b"\0"].concat(),
            FieldKind::Texts { length } => {
                put(&mut bytes, &template, length, list.len() as u64);
                list.clone()
            }
            _ => continue,
        };
        if index < packed_from {
            let content = &content[..content.len().min(field.size)];
            bytes[field.offset..field.offset + content.len()].copy_from_slice(content);
        } else {
            bytes.extend(content);
        }
    }
    Event::of_source(&source, &bytes, 0).unwrap()
}

fn summary_of(text: &[u8]) -> Summary {
    let row = |text: &[u8], count| Row {
        group: vec![
            event::Value::Text(text.to_vec()),
            event::Value::List(vec![event::Value::Text(text.to_vec()), event::Value::Text(b"x".to_vec())]),
        ],
        amount: Amount::Number(count),
    };
    Summary {
        probe: raw::text(text),
        kind: Kind::Count,
        field: None,
        unit: None,
        by: vec!["comm".into(), "argv".into()],
        kinds: vec![FieldKind::Text, FieldKind::Texts { length: "n".into() }],
        rows: vec![row(text, 1000), row(b"plain", 7)],
        overflow: 0,
    }
}

fn check_of(text: &str) -> Finished {
    let check = Check {
        id: "x".into(),
        title: text.into(),
        level: 1,
        severity: Severity::High,
        // It says whose the check is, and is the person's own word.
        script: if text.contains(SECRET) { "x.rhai".into() } else { text.into() },
        line: 7,
        remedy: Some(text.into()),
        tags: if text.contains(SECRET) { vec![] } else { vec![text.into()] },
        refs: if text.contains(SECRET) { vec![] } else { vec![text.into()] },
        about: Some(text.into()),
        why: Some(text.into()),
    };
    Finished {
        expected: Some(text.into()),
        found: Some(json!({ text: [text, text] })),
        evidence: vec![text.into(), json!([text])],
        ..Finished::without_a_run(check, CheckResult::Fail, text.into())
    }
}

struct Said(String);

impl Finding for Said {
    fn laid_out(&self, _: bool, _: Option<u16>) -> Painted {
        // As `script::diagnostics` does with what it quotes.
        Painted::laid_out(format!("error: {}", printable(&self.0)))
    }
}

/// Gives each kind of record with this text wherever one can stand.
fn with_each_record(bytes: &[u8], mut then: impl FnMut(&str, Record<'_>)) {
    let text = raw::text(bytes);
    let attack = [text.clone()];
    let rule = Rule { purpose: Purpose::Hunt, name: &text, attack: &attack };
    let event = event_of("exec", &[bytes, b"-v", bytes], bytes);
    let at = Timestamp::UNIX_EPOCH;
    let fields: Map<String, Value> =
        [(text.clone(), Value::from(text.as_str())), ("list".into(), json!([[text], { "a": text }]))]
            .into_iter()
            .collect();
    let rows = json!([{ "a": text, text.as_str(): 1 }, { "a": "plain", text.as_str(): 22 }]);
    let nested = json!({ "a": [text] });
    let hunted =
        Hunted { rule, findings: 0, lost: 1, undecided: 0, doubts: vec![text.clone()], seconds: 1.0 };
    let books = [Books {
        probe: text.clone(),
        template: "exec".into(),
        mode: "observe".into(),
        lease_over: false,
        tripped: false,
        altered: 0,
        door: None,
        attached: true,
        counters: Counters::default(),
    }];
    let severity = Severity::High;
    then("event", Record::Event(&event));
    then("alert", Record::Alert { at, severity, text: &text, event: Some(&event), rule: None });
    then("finding", Record::Alert { at, severity, text: &text, event: Some(&event), rule: Some(rule) });
    then("would-signal", Record::WouldSignal { pid: 1, signal: Signal::from_name("KILL").unwrap() });
    then("check", Record::Check(&check_of(&text)));
    then("hunted", Record::Hunted(&hunted));
    then("emit", Record::Emit(&fields));
    then("summary", Record::Summary(&summary_of(bytes)));
    then("rows", Record::Value(Evaluated { text: &text, raw: &rows, is_rows: true, events: &[] }));
    then("value", Record::Value(Evaluated { text: &text, raw: &nested, is_rows: false, events: &[] }));
    then("events", Record::Value(Evaluated { text: &text, raw: &nested, is_rows: false, events: &[&event] }));
    then("print", Record::Print(&text));
    then("books", Record::Books(&books));
    then("stats", Record::Stats(&books));
    then("note", Record::Note(&text));
    then("log", Record::Log(&text));
    then("diagnostic", Record::Diagnostic(&Said(text.clone())));
}

/// What stands in a line besides the format's own colours.
fn without_color(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        out.push_str(before);
        match after.split_once('m') {
            Some((codes, after)) if codes.bytes().all(|b| b.is_ascii_digit() || b == b';') => rest = after,
            _ => return out + "\x1b" + after,
        }
    }
    out + rest
}

#[test]
fn no_text_reaches_a_line_raw() {
    for bytes in HOSTILE {
        with_each_record(bytes, |kind, record| {
            for (format, color) in [(Format::Text, false), (Format::Text, true), (Format::Json, false)] {
                for line in written(format, color, record) {
                    let plain = without_color(&line);
                    // What people are printed may be laid out by tabs.
                    let tabs = matches!(kind, "print" | "note" | "log" | "value");
                    let raw = plain.chars().find(|c| hostile(*c) && !(tabs && *c == '\t'));
                    assert!(raw.is_none(), "{raw:?} of {kind} as {}: {line:?}", format.name());
                    assert!(!color || screened(&line) == line, "{kind}: {line:?}");
                    if format == Format::Json && !matches!(kind, "note" | "log" | "diagnostic") {
                        serde_json::from_str::<Value>(&line)
                            .unwrap_or_else(|error| panic!("{error}: {line}"));
                    }
                }
            }
        });
    }
}

#[test]
fn all_bytes_of_a_name_can_be_had_again() {
    for bytes in HOSTILE {
        let event = event_of("exec", &[bytes, bytes], bytes);
        let line = written(Format::Json, false, Record::Event(&event)).concat();
        let read: Value = serde_json::from_str(&line).unwrap();
        let got = |value: &Value| raw::bytes(value.as_str().unwrap()).into_owned();
        assert_eq!(got(&read["path"]), *bytes, "{line}");
        assert_eq!(read["argv"].as_array().unwrap().iter().map(got).collect::<Vec<_>>(), [*bytes, *bytes]);
        assert_eq!(got(&read["comm"]), bytes[..bytes.len().min(15)], "{line}");
        let recorded: Value = serde_json::from_str(&event_line(&event)).unwrap();
        assert_eq!(recorded["path"], read["path"]);
    }
}

/// The words of a line, as a shell reads them; quotes are kept.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let word = words.last_mut().unwrap();
        match (quote, c) {
            (None, ' ') => {
                words.push(String::new());
                continue;
            }
            (None, '\'') => quote = Some(word.ends_with('$')),
            (Some(true), '\\') => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            (Some(_), '\'') => quote = None,
            _ => {}
        }
        word.push(c);
    }
    words
}

#[test]
fn no_text_passes_for_another_line_or_field() {
    let names = |bytes: &[u8]| -> Vec<String> {
        let event = event_of("exec", &[bytes, b"-v"], bytes);
        let lines = written(Format::Text, false, Record::Event(&event));
        assert_eq!(lines.len(), 1, "{lines:?}");
        let words = shell_words(&lines[0]);
        let name = |word: &String| {
            let (name, _) = word.split_once('=')?;
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_').then(|| name.to_owned())
        };
        words.iter().filter_map(name).collect()
    };
    for bytes in HOSTILE {
        let names = names(bytes);
        let count = |wanted: &str| names.iter().filter(|name| *name == wanted).count();
        assert_eq!(
            (count("uid"), count("argv"), count("notes")),
            (1, 1, 0),
            "{:?}: {names:?}",
            raw::text(bytes)
        );
        with_each_record(bytes, |kind, record| {
            if matches!(kind, "event" | "alert" | "finding" | "hunted" | "emit" | "events") {
                for format in [Format::Text, Format::Json] {
                    assert_eq!(written(format, false, record).len(), 1, "{kind}");
                }
            }
        });
    }
}

#[test]
fn columns_stay_aligned() {
    for bytes in HOSTILE {
        let lines = written(Format::Text, false, Record::Summary(&summary_of(bytes)));
        // A heading, titles and two rows, of which the amount stands on the right; the second argument stands below the first.
        assert_eq!(lines.len(), 6, "{lines:?}");
        let width = lines[1].width();
        assert!([2, 4].iter().all(|row| lines[*row].width() == width), "{lines:#?}");
        let place = |line: &str, word: &str| line.find(word).map(|at| line[..at].width());
        let second = place(&lines[1], "argv");
        assert!([3, 5].iter().all(|row| place(&lines[*row], "x") == second), "{lines:#?}");
        let text = raw::text(bytes);
        let rows = json!([{ "a": text, "n": 1 }, { "a": "plain", "n": 22 }]);
        let shown = Evaluated { text: "", raw: &rows, is_rows: true, events: &[] };
        let lines = written(Format::Text, false, Record::Value(shown));
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines.iter().all(|line| line.width() == lines[0].width()), "{lines:#?}");
    }
}

fn run_of(text: &str) -> Run {
    Run {
        host: text.into(),
        kernel: text.into(),
        program: "krsi-sh",
        version: "0",
        began: Timestamp::UNIX_EPOCH,
        took: Duration::from_secs(1),
        finished: vec![check_of(text)],
    }
}

#[test]
fn no_report_on_checks_carries_a_text_raw() {
    for bytes in HOSTILE {
        let run = run_of(&raw::text(bytes));
        for document in Document::ALL {
            for color in [false, true] {
                let mut out = Vec::new();
                document.write(&run, Look { color, columns: Some(60), all: true }, &mut out).unwrap();
                let text = String::from_utf8(out).unwrap();
                for line in text.split('\n').map(without_color) {
                    let raw = line.chars().find(|c| hostile(*c) && *c != '\t');
                    assert!(raw.is_none(), "{raw:?} in {}: {line:?}", document.name());
                }
                if *document == Document::Json || *document == Document::Sarif {
                    serde_json::from_str::<Value>(&text).unwrap();
                }
            }
        }
    }
}

// ---- secrets ---------------------------------------------------------------

/// What must be in nothing that is written.
const SECRET: &str = "hunter2Zq7";

/// Texts that have it, as they come.
const TELLING: &[&str] = &[
    "--password=hunter2Zq7",
    "mysql -uroot -phunter2Zq7",
    "https://bob:hunter2Zq7@host/",
    "curl -H 'Authorization: Bearer hunter2Zq7'",
    r#"{"api_key": "hunter2Zq7"}"#,
];

#[test]
fn no_record_has_a_secret_in_any_format() {
    for text in TELLING {
        with_each_record(text.as_bytes(), |kind, record| {
            // Names that scripts give, and what this program says itself.
            if matches!(kind, "hunted" | "books" | "stats" | "finding") {
                return;
            }
            for (format, color) in [(Format::Text, false), (Format::Text, true), (Format::Json, false)] {
                let lines = written(format, color, record).join("\n");
                assert!(!lines.contains(SECRET), "{kind}: {lines}");
                let is_told = lines.contains("<redacted") || lines.contains("***") || kind == "would-signal";
                assert!(
                    is_told || format == Format::Text && matches!(kind, "summary" | "emit"),
                    "{kind}: {lines}"
                );
            }
        });
        let event = event_of("exec", &[b"x", b"--token", SECRET.as_bytes(), b"y"], text.as_bytes());
        for line in [event_line(&event), written(Format::Text, false, Record::Event(&event)).concat()] {
            assert!(
                !line.contains(SECRET) && line.contains("<redacted>") && line.contains("--token"),
                "{line}"
            );
        }
        // The event itself is as it was.
        assert!(event.text("path").contains(SECRET));
        let masked = masked_record(&event).unwrap();
        assert_eq!(masked.len(), event.record().len());
        assert!(!String::from_utf8_lossy(&masked).contains(SECRET));
        let source = Arc::new(Source::of_whole(Arc::clone(event.template()), "p".into()));
        let again = Event::of_source(&source, &masked, 0).unwrap();
        for format in [Format::Text, Format::Json] {
            let lines = |event: &Event| written(format, false, Record::Event(event));
            assert_eq!(lines(&event), lines(&again));
        }
        let summaries = hidden_summaries(&[summary_of(text.as_bytes())]);
        assert!(!serde_json::to_string(&summaries[0].rows).unwrap().contains(SECRET));
    }
}

#[test]
fn a_value_under_a_name_is_redacted_and_what_is_none_is_not() {
    let fields = json!({ "password": SECRET, "argv": ["x", "--password", SECRET], "n": { "token": SECRET }, "pass": 3, "path": "/etc/passwd" });
    let fields = fields.as_object().unwrap();
    let line = written(Format::Json, false, Record::Emit(fields)).concat();
    let line = &line[line.find("\"password\"").unwrap()..];
    assert_eq!(
        line,
        r#""password":"<redacted>","argv":["x","--password","<redacted>"],"n":{"token":"<redacted>"},"pass":3,"path":"/etc/passwd"}"#
    );
}
