//! Every script is evaluated as `explain` does: params, scope and filter are looked at, and what can never match is
//! refused.

use std::{cell::RefCell, fmt::Write as _, io, rc::Rc};

use krsi_sh::{
    report::{Lines, Record, Renderer, Sink, Stream},
    script::{Options, Session, Source},
    template::Catalogue,
};

use super::rules::{Rule, collections};

/// What is said beside the explanation: errors, and warnings.
#[derive(Clone, Default)]
struct Heard(Rc<RefCell<String>>);

impl Sink for Heard {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        renderer.render(record, self)
    }
}

impl Lines for Heard {
    fn line(&mut self, _stream: Stream, line: &str) -> io::Result<()> {
        writeln!(self.0.borrow_mut(), "{line}").map_err(io::Error::other)
    }
}

/// Says why a script is none, if it is none.
fn fault(catalogue: &Catalogue, lists: &str, rule: &Rule) -> Option<String> {
    let heard = Heard::default();
    let mut session = Session::explaining(catalogue.clone(), Options::default(), Box::new(heard.clone()));
    let source = Source { name: rule.name.clone(), text: format!("{lists}{}", rule.script) };
    let explained = session.explanations(&source);
    let told = heard.0.borrow().clone();
    let wanted = rule.script.matches("probe(\"").count();
    let made = explained.probes.len();
    if explained.code != 0 || !told.is_empty() {
        return Some(format!("{rule}: exit code {}\n{told}", explained.code));
    }
    if let Some(ended) = explained.ended {
        return Some(format!("{rule}: {ended}"));
    }
    (made != wanted || made == 0).then(|| format!("{rule}: {made} probes are made, and {wanted} are written"))
}

#[test]
fn every_script_compiles() {
    let catalogue = Catalogue::builtin().unwrap();
    let mut faults = Vec::new();
    for collection in collections() {
        let written = collection.rules.iter().filter(|rule| !rule.script.is_empty());
        faults.extend(written.filter_map(|rule| fault(&catalogue, &collection.lists, rule)));
    }
    assert!(faults.is_empty(), "{} scripts do not compile:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn what_is_wrong_is_found() {
    let catalogue = Catalogue::builtin().unwrap();
    let wrong = |script: &str| fault(&catalogue, "", &Rule { script: script.to_owned(), ..Rule::default() });
    assert_eq!(wrong("probe(\"exec\").when(|e| e.comm == \"sh\")\n"), None);
    for (script, said) in [
        ("probe(\"exec\").when(|e| e.comm == \"longer than the kernel keeps\")\n", "is never"),
        ("probe(\"exec\", #{ flags: \"invisible\" })\n", "invisible"),
        ("probe(\"exec\").scope(#{ colour: 1 })\n", "colour"),
        ("probe(\"exec\").when(|e| e.path.matches(\"(\"))\n", "exit code 1"),
        ("if false { probe(\"exec\") }\n", "0 probes are made"),
    ] {
        let told = wrong(script).unwrap_or_else(|| panic!("{script} is taken"));
        assert!(told.contains(said), "{script}: {told}");
    }
}
