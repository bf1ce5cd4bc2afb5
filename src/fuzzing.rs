//! Entry points for fuzzing: each takes whatever bytes, and comes back. What is promised of bad input is asserted.
//!
//! In: bytes, from `fuzz/` (with a sanitizer) or from `tests/fuzzing.rs` (the corpus and its mutations, on every run). Out: nothing,
//! or a panic, which is a finding. Nothing here is for other use.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use crate::{
    event::{Event, Source, Told},
    facts::{FACTS, Facts, Reader, Root},
    filter::{Glob, Pattern},
    probe::{ParamValue, Scope},
    raw,
    recording::{Replay, event_at, is_recording},
    report::{self, Format, Lines, Record, Renderer, Reporter, Sink, Stream},
    script::{self, equivalence::Closure},
    template::{Catalogue, Template},
    values,
};

/// A target, and its name.
type Target = (&'static str, fn(&[u8]));

/// All of them, by the names of their directories under `fuzz/corpus`.
pub const TARGETS: &[Target] = &[
    ("events", events),
    ("facts", facts),
    ("filters", filters),
    ("output", output),
    ("params", params),
    ("patterns", patterns),
    ("recordings", recordings),
    ("scripts", scripts),
    ("secrets", secrets),
    ("templates", templates),
];

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::builtin().unwrap_or_else(|error| panic!("{error}")));

/// The template that a byte chooses, of some with every kind of field.
fn chosen(byte: u8) -> &'static Arc<Template> {
    const NAMES: &[&str] = &["exec", "file_open", "connect", "exit", "setid", "mount", "bpf", "signal"];
    let name = NAMES[usize::from(byte) % NAMES.len()];
    CATALOGUE.get(name).unwrap_or_else(|| panic!("no template `{name}`"))
}

/// What only a person reads has no character that a terminal obeys.
fn is_harmless(line: &str) {
    let raw = line
        .chars()
        .find(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    assert!(raw.is_none(), "{raw:?} in {line:?}");
}

struct Checked(Format);

impl Sink for Checked {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> std::io::Result<()> {
        renderer.render(record, self)
    }
}

impl Lines for Checked {
    fn line(&mut self, stream: Stream, line: &str) -> std::io::Result<()> {
        line.split('\n').for_each(is_harmless);
        if self.0 == Format::Json && stream != Stream::Log {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
        Ok(())
    }
}

fn written(record: Record<'_>) {
    for format in [Format::Text, Format::Json] {
        let mut reporter = Reporter::new(Box::new(Checked(format)), format, false, false);
        reporter.emit(record).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A record of the kernel's: decoded, read field by field, written, and masked.
pub fn events(bytes: &[u8]) {
    let [choice, how, record @ ..] = bytes else { return };
    let template = chosen(*choice);
    let source = match how % 3 {
        0 => Source::of_whole(Arc::clone(template), "p".into()),
        1 => Source::new(Arc::clone(template), "p".into(), Told::All(Arc::default())),
        _ => {
            let told =
                template.fields.iter().step_by(usize::from(*how) / 3 + 1).map(|field| field.name.clone());
            Source::new(Arc::clone(template), "p".into(), Told::Only(told.collect()))
        }
    };
    let source = Arc::new(source);
    // A record that is too short is filled up, so that most are none that is refused.
    let mut filled = record.to_vec();
    if how & 0x80 != 0 {
        filled.resize(filled.len().max(template.event_size - template.event_size / 8), 0);
    }
    for record in [record, &filled] {
        let Ok(event) = Event::of_source(&source, record, 7) else { continue };
        for (field, _) in event.fields() {
            let _ = (event.text(&field.name), event.may_go_on(&field.name), event.unreadable(&field.name));
            let _ = event.last_is_cut(&field.name);
        }
        for (field, places) in event.texts() {
            for place in places {
                assert!(event.record().get(place).is_some_and(|text| !text.contains(&0)), "{}", field.name);
            }
        }
        written(Record::Event(&event));
        if let Some(masked) = report::masked_record(&event) {
            assert_eq!(masked.len(), event.record().len());
            let again = Event::of_source(&source, &masked, 7).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(report::event_line(&event), report::event_line(&again));
        }
    }
}

/// An object of a template: one that is none is refused.
pub fn templates(bytes: &[u8]) {
    // Most of what is changed anywhere is of no account, so an object is also taken with some bytes changed.
    let mut objects = vec![bytes.to_vec()];
    if let [choice, changes @ ..] = bytes {
        let mut object = chosen(*choice).object().to_vec();
        for change in changes.chunks_exact(4).take(64) {
            let at = usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
            let length = object.len().max(1);
            if let Some(byte) = object.get_mut(at % length) {
                *byte = change[3];
            }
        }
        objects.push(object);
    }
    for object in objects {
        if let Ok(catalogue) = CATALOGUE.clone().with(vec![("given".to_owned(), object)]) {
            for template in catalogue.iter().filter(|template| CATALOGUE.get(&template.name).is_none()) {
                let source = Arc::new(Source::of_whole(Arc::clone(template), "p".into()));
                let record = vec![0; template.event_size.min(1 << 20)];
                if let Ok(event) = Event::of_source(&source, &record, 0) {
                    let _ = report::event_json(&event);
                }
            }
        }
    }
}

/// A recording: read to its end, each event shown.
pub fn recordings(bytes: &[u8]) {
    with_file(bytes, |path| {
        let _ = is_recording(path);
        if let Ok(mut line) = event_at(path) {
            let _ = (line(2), line(5));
        }
        let Ok(replay) = Replay::open(path, false) else { return };
        let _ = replay.each(&CATALOGUE, |event| {
            written(Record::Event(event));
            ControlFlow::Continue(())
        });
    });
}

/// A file of these bytes, in memory where there is such a directory.
fn with_file(bytes: &[u8], then: impl FnOnce(&Path)) {
    let shared = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    let file = builder.prefix("krsi-fuzz");
    let made = if shared.is_dir() { file.tempfile_in(shared) } else { file.tempfile() };
    let made = made.unwrap_or_else(|error| panic!("{error}"));
    std::fs::write(made.path(), bytes).unwrap_or_else(|error| panic!("{error}"));
    then(made.path());
}

/// Settings of probes, and texts with units.
pub fn params(bytes: &[u8]) {
    let text = raw::text(bytes);
    let _ = values::duration::parse(&text);
    let _ = values::size::parse(&text);
    let _ = values::Network::parse(&text);
    let _ = Glob::parse(&text).map(|glob| glob.matches("/etc/passwd"));
    let value: Value = serde_json::from_slice(bytes).unwrap_or_else(|_| text.clone().into());
    let one_by_one: Vec<Value> = text.split('\n').map(Value::from).collect();
    for value in [value, one_by_one.into()] {
        if let Value::Object(entries) = &value {
            let _ = Scope::parse(entries).map(|scope| scope.to_string());
        }
        let template = chosen(bytes.first().copied().unwrap_or_default());
        for param in &template.params {
            if let Ok(Some(parsed)) = ParamValue::parse(param, &value) {
                let _ = format!("{parsed:?}");
            }
        }
        for name in ["uid", "pid", "exe", "cgroup", "not_uid", "exe_prefix", "mnt_ns", "comm"] {
            let entry: Map<String, Value> = std::iter::once((name.to_owned(), value.clone())).collect();
            let _ = Scope::parse(&entry).map(|scope| scope.to_string());
        }
    }
}

/// A script: parsed, within its limits.
pub fn scripts(bytes: &[u8]) {
    let text = raw::text(bytes);
    let begun = Instant::now();
    let parses = script::parses(&text);
    let complete = script::completeness(&text);
    assert!(!parses || complete == script::Completeness::Complete);
    if let Ok(Some(header)) = script::Header::of(&text) {
        let _ = format!("{header:?}");
    }
    let took = begun.elapsed();
    // A sanitizer makes it slow; what grows without end takes longer still.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// A filter, made of words that one may consist of: what compiles means the same to Rhai and to the evaluator.
pub fn filters(bytes: &[u8]) {
    const WORDS: &[&str] = &[
        "e.path",
        "e.comm",
        "e.uid",
        "e.pid",
        "e.argv",
        "e.exe",
        "e.gid",
        "e.cwd",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "!",
        "+",
        "-",
        "*",
        "/",
        "%",
        "&",
        "|",
        "^",
        "<<",
        ">>",
        "in",
        "[",
        "]",
        ",",
        "(",
        ")",
        "1000",
        "0",
        "4294967295",
        "-1",
        "1..9",
        "\"\"",
        "\"/tmp/\"",
        "\"sh\"",
        "\"é\"",
        "`a*`",
        ".starts_with(",
        ".ends_with(",
        ".contains(",
        ".like(",
        ".matches(",
        ".any(|a|",
        "a",
        ".len()",
        "if",
        "{",
        "}",
        "else",
        "true",
        "false",
        "allow()",
        "deny(\"EPERM\")",
        "kill()",
        "let x =",
        "x",
        ";",
        ".is_empty()",
        "\"^/[a-z]+$\"",
        "\"(a|b)*c\"",
        "e.cmdline",
        "e.parent.comm",
        "e.ancestors",
    ];
    let [choice, words @ ..] = bytes else { return };
    let (words, record) = words.split_at(words.len().min(48));
    let body: Vec<&str> = words.iter().map(|byte| WORDS[usize::from(*byte) % WORDS.len()]).collect();
    let script = format!("|e| {{ {} }}", body.join(" "));
    let template = chosen(*choice % 2);
    let Ok(closure) = Closure::new(&script) else { return };
    let Ok(compiled) = closure.compile(template) else { return };
    let mut bytes = record.to_vec();
    bytes.resize(template.event_size, 0);
    let Ok(event) = Event::decode(template, &"p".into(), &bytes, 0) else { return };
    let rhai = closure.evaluate(&event);
    let is_cut = rhai.as_ref().is_err_and(|error| Closure::stopped_at_a_cut(error));
    let said = compiled.filter.evaluate(&bytes);
    assert!(
        is_cut || rhai.as_ref().ok() == said.as_ref().ok(),
        "{script}\n{}\nRhai: {rhai:?}, the evaluator: {said:?}",
        compiled.filter
    );
}

/// A pattern: in time and within its room, or refused.
pub fn patterns(bytes: &[u8]) {
    // The goal is 200 ms; with a sanitizer it takes more, and so it does on a machine that does other things too.
    const LONGEST: Duration = Duration::from_secs(5);
    let text = raw::text(&bytes[..bytes.len().min(4096)]);
    let begun = Instant::now();
    let regex = Pattern::regex(&text);
    let glob = Glob::parse(&text).ok().and_then(|glob| Some((Pattern::glob(&text, &glob).ok()?, glob)));
    let took = begun.elapsed();
    assert!(took < LONGEST, "{took:?}: {text:?}");
    for pattern in regex.iter().chain(glob.iter().map(|(pattern, _)| pattern)) {
        for asked in [&b""[..], b"/etc/passwd", bytes] {
            let _ = pattern.answer(asked, true);
            // What is certain of a part is so of the whole.
            if let (Some(part), whole) =
                (pattern.answer(&asked[..asked.len() / 2], false), pattern.answer(asked, true))
            {
                assert_eq!(Some(part), whole, "{text:?} of {asked:?}");
            }
        }
    }
    if let Some((pattern, glob)) = glob {
        for asked in ["", "/etc/passwd", &text] {
            assert_eq!(
                pattern.answer(&raw::bytes(asked), true),
                Some(glob.matches(asked)),
                "{text:?} of {asked:?}"
            );
        }
    }
}

/// Files of /proc, /sys and /etc, as any program may have written them.
pub fn facts(bytes: &[u8]) {
    const FILES: &[(&str, &[&str])] = &[
        ("proc/cmdline", &["cmdline"]),
        ("proc/1/mountinfo", &["mounts"]),
        ("proc/self/mountinfo", &["mounts"]),
        ("proc/1/stat", &["processes"]),
        ("proc/1/status", &["processes"]),
        ("proc/1/cgroup", &["processes"]),
        ("proc/1/cmdline", &["processes"]),
        ("proc/modules", &["modules"]),
        ("proc/net/tcp", &["sockets"]),
        ("proc/net/tcp6", &["sockets"]),
        ("proc/net/unix", &["sockets"]),
        ("proc/net/packet", &["sockets"]),
        ("etc/passwd", &["users"]),
        ("etc/group", &["groups"]),
        ("etc/shadow", &["shadow"]),
        ("etc/crontab", &["cron_jobs"]),
        ("etc/cron.d/x", &["cron_jobs"]),
        ("etc/ssh/sshd_config", &["ssh_config"]),
        ("etc/pam.d/x", &["pam"]),
        ("etc/systemd/system/x.service", &["services"]),
        ("etc/systemd/system/x.timer", &["timers"]),
        ("proc/config.gz", &["kconfig"]),
        ("sys/fs/cgroup/x/cgroup.procs", &["cgroups"]),
    ];
    let [choice, content @ ..] = bytes else { return };
    let (file, names) = FILES[usize::from(*choice) % FILES.len()];
    let Ok(root) = tempfile::tempdir() else { return };
    let path = root.path().join(file);
    let made = path.parent().map(std::fs::create_dir_all);
    if !matches!(made, Some(Ok(()))) || std::fs::write(&path, content).is_err() {
        return;
    }
    let facts = Facts::new(Root::new(root.path()));
    for fact in FACTS.iter().filter(|fact| names.contains(&fact.name)) {
        if let Ok(read) = (fact.read)(Reader { facts: &facts, go_on: &|| true }) {
            let is_rows = read.is_array();
            let text = read.to_string();
            written(Record::Value(report::Evaluated { text: &text, raw: &read, is_rows, events: &[] }));
        }
    }
}

/// Texts on their way to a terminal, a log and a shell.
pub fn output(bytes: &[u8]) {
    let text = raw::text(bytes);
    assert_eq!(*raw::bytes(&text), *bytes);
    is_harmless(&report::printable(&text));
    is_harmless(&report::quoted(&text));
    is_harmless(&report::printable_lines(&text).replace(['\n', '\t'], ""));
    let screened = report::screened(&text).into_owned();
    assert_eq!(report::screened(&screened), screened);
    let json = report::safe_json(&Value::from(text.as_str()).to_string());
    is_harmless(&json);
    assert_eq!(serde_json::from_str::<String>(&json).ok().as_deref(), Some(text.as_str()));
    let width = u16::from(bytes.first().copied().unwrap_or(80));
    let _ = report::wrapped(&report::printable(&text), Some(width));
    let rows = serde_json::json!([{ "a": text, "b": 1 }, { text.as_str(): "x" }]);
    for record in [
        Record::Print(&text),
        Record::Log(&text),
        Record::Value(report::Evaluated { text: &text, raw: &rows, is_rows: true, events: &[] }),
    ] {
        // Lines that are printed may be laid out by tabs.
        if !text.contains('\t') {
            written(record);
        }
    }
}

/// Redaction: the same again, as long as before where it has to be, and in time.
pub fn secrets(bytes: &[u8]) {
    let begun = Instant::now();
    let text = raw::text(bytes);
    let once = report::redacted(&text).into_owned();
    assert_eq!(report::redacted(&once), once, "{text:?}");
    let list: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if let Some(once) = report::redacted_list(&list) {
        let again = report::redacted_list(&once.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert!(again.is_none_or(|again| again == once), "{text:?}");
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?} of {} bytes", bytes.len());
}
