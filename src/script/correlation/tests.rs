//! From records in the queue to what a script makes of them: without a kernel, whose part is to write the records.

use std::sync::Arc;

use crate::{
    event::{Event, Source, Stacks, queue::Spare},
    report::Format,
    script::{Echo, Options, Session, testing::Written},
    template::Catalogue,
};

struct Prompt {
    session: Session,
    catalogue: Catalogue,
    written: Written,
}

impl Prompt {
    /// With probes `run` and `open`, attached as far as a script's explanation goes.
    fn new() -> Self {
        let catalogue = Catalogue::builtin().unwrap();
        let (written, options) = (Written::default(), Options { format: Format::Text, ..Options::default() });
        let session = Session::explaining(catalogue.clone(), options, Box::new(written.clone()));
        let mut prompt = Prompt { session, catalogue, written };
        prompt.says("let run = probe(\"exec\").name(\"run\").attach();");
        prompt.says("let open = probe(\"file_open\").everywhere().name(\"open\").attach();");
        prompt
    }

    fn says(&mut self, line: &str) -> String {
        self.written.0.lock().unwrap().clear();
        self.session.line(line, Echo::Shown);
        self.written.0.lock().unwrap().join("\n")
    }

    /// What the script says when these arrive, in this order: (probe, process id, time).
    fn arrive(&mut self, events: &[(&str, u32, u64)]) -> String {
        let sender = self.session.events().unwrap();
        for (probe, pid, time) in events {
            let template = if *probe == "run" { "exec" } else { "file_open" };
            let template = Arc::clone(self.catalogue.get(template).unwrap());
            let mut record = vec![0; template.field("path").unwrap().offset];
            let mut put = |name: &str, bytes: &[u8]| {
                let at = template.field(name).unwrap().offset;
                record[at..at + bytes.len()].copy_from_slice(bytes);
            };
            put("pid", &pid.to_le_bytes());
            put("start_ns", &u64::from(*pid).to_le_bytes());
            put("mono_ns", &time.to_le_bytes());
            let source = Arc::new(Source::of_whole(template, (*probe).into()));
            let (reserved, mut spare) = (sender.reserve(1), Spare::default());
            let mut batch = sender.batch(&source, 0, &mut spare);
            batch.push(&record, 1, None::<fn(&Event) -> Stacks>).unwrap();
            assert_eq!(sender.send(batch, reserved, &mut spare), 1);
        }
        // What has come is handled before a probe is gone.
        let said = self.says("run.detach()");
        self.says("run.attach();");
        said.lines().filter(|line| !line.starts_with("run: ")).collect::<Vec<_>>().join("\n")
    }
}

const TOLD: &str =
    "on_match(|events| print(events.map(|e| `${e.probe} ${e.pid} ${e.mono_ns}`).join(\", \")))";

#[test]
fn events_are_taken_in_the_order_in_which_they_happened() {
    let mut prompt = Prompt::new();
    prompt.says(&format!(
        "let s = sequence(\"1us\").by(|e| e.process_key()).step(run).step(open, |e| e.pid < 9).{TOLD};"
    ));
    // Of other processes, the wrong way round, too late, or not as the condition wants it.
    let others = [
        ("open", 2, 120),
        ("run", 1, 110),
        ("run", 3, 100),
        ("open", 3, 1101),
        ("run", 9, 100),
        ("open", 9, 110),
    ];
    assert_eq!(prompt.arrive(&others), "");
    assert_eq!(prompt.arrive(&[("open", 5, 2020), ("run", 5, 2010)]), "run 5 2010, open 5 2020");
    let line = prompt.says("print(s)");
    assert_eq!(line, "sequence 1: run, then open, within 1us, 1 matched");
    let stats = prompt.says("print(s.stats().events)");
    assert_eq!(stats, "8");
}

#[test]
fn the_key_of_a_child_and_its_parent() {
    let mut prompt = Prompt::new();
    prompt.says(&format!("sequence(\"1us\").by(|e| e.pid).step(open).by(|e| e.pid - 1).step(run).{TOLD};"));
    assert_eq!(prompt.arrive(&[("open", 5, 10), ("run", 5, 11), ("run", 6, 12)]), "open 5 10, run 6 12");
}

#[test]
fn a_condition_sees_the_events_before() {
    let mut prompt = Prompt::new();
    prompt.says(&format!(
        "let s = sequence(\"1us\").by(|e| 0).step(run).step(run, |e, before| e.pid == before[0].pid + 2).{TOLD};"
    ));
    assert_eq!(
        prompt.arrive(&[("run", 1, 10), ("run", 2, 11), ("run", 3, 12), ("run", 9, 13)]),
        "run 1 10, run 3 12"
    );
}

#[test]
fn what_a_function_cannot_tell_is_reported_and_counted() {
    let mut prompt = Prompt::new();
    prompt.says(
        "let s = sequence(\"1us\").by(|e| if e.pid == 7 { () } else if e.pid == 8 { e } else { e.pid })\
         .step(run).step(open, |e| e.nothing).on_match(|events| throw \"told\");",
    );
    let said = prompt.arrive(&[("run", 7, 10), ("run", 8, 11), ("run", 1, 12), ("open", 1, 13)]);
    assert!(said.contains("a key is a string"), "{said}");
    assert!(said.contains("the key of sequence 1, step 1"), "{said}");
    assert!(said.contains("nothing") && said.contains("the condition of sequence 1, step 2"), "{said}");
    assert_eq!(prompt.says("let n = s.stats(); print(`${n.errors} ${n.partial}`)"), "2 1");
    prompt.says("let t = sequence(\"1us\").by(|e| 1).step(run).step(run).on_match(|events| throw \"told\");");
    let said = prompt.arrive(&[("run", 1, 20), ("run", 2, 21)]);
    assert!(said.contains("told") && said.contains("the callback of sequence 2"), "{said}");
}

#[test]
fn it_can_be_stopped_by_its_own_functions_and_started_again() {
    let mut prompt = Prompt::new();
    prompt.says("let s = sequence(\"1us\").by(|e| 1).step(run).step(run);");
    assert!(prompt.says("print(s)").ends_with("not started: `.on_match(…)` starts it"));
    prompt.says("s.on_match(|events| { print(events.len()); s.stop() });");
    assert_eq!(prompt.arrive(&[("run", 1, 10), ("run", 2, 11), ("run", 3, 12)]), "2");
    let line = prompt.says("open.detach(); print(s)");
    assert!(line.ends_with("run, then run, within 1us, 1 matched, stopped"), "{line}");
    prompt.says("s.on_match(|events| print(\"again\"));");
    assert_eq!(prompt.arrive(&[("run", 1, 20), ("run", 2, 21)]), "again");
    prompt.says("run.detach()");
    assert!(prompt.says("print(s)").contains("run (detached), then run (detached)"));
    prompt.says("s.stop()");
    // A condition may stop it just as well.
    prompt.says("let t = sequence(\"1us\").by(|e| 1).step(run);");
    prompt.says("t.step(run, |e| { t.stop(); true }).on_match(|events| print(\"no\"));");
    prompt.says("run.attach();");
    assert_eq!(prompt.arrive(&[("run", 1, 30), ("run", 2, 31)]), "");
}

#[test]
fn a_threshold_counts_by_key_and_rests() {
    let mut prompt = Prompt::new();
    prompt.says(&format!(
        "let t = threshold(3, \"1us\").of(run).of(open, |e| e.pid != 4).by(|e| e.pid).{TOLD};"
    ));
    let events = [("run", 1, 10), ("open", 1, 5), ("run", 2, 11), ("run", 1, 12), ("run", 1, 13)];
    assert_eq!(prompt.arrive(&events), "open 1 5, run 1 10, run 1 12");
    assert_eq!(prompt.arrive(&[("run", 4, 20), ("run", 4, 21), ("open", 4, 22)]), "");
    let line = prompt.says("print(t)");
    assert_eq!(line, "threshold 1: 3 events of run, open within 1us, 1 matched, 3 keys");
    assert_eq!(prompt.says("print(t.stats().resting)"), "1");
}

#[test]
fn too_many_are_dropped_and_counted() {
    let mut prompt = Prompt::new();
    prompt.says("let s = sequence(\"1us\").by(|e| e.pid).step(run).step(open).limit(2).on_match(|events| print(events[0].pid));");
    assert_eq!(
        prompt.arrive(&[("run", 1, 10), ("run", 2, 11), ("run", 3, 12), ("open", 1, 13), ("open", 2, 14)]),
        "2"
    );
    assert!(prompt.says("print(s)").ends_with("1 matched, 1 partial, 1 dropped"));
}
