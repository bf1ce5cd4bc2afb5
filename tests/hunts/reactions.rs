//! What scripts import: each has a header that holds, says what each of its functions is for, and compiles; a reaction has its claim in the lab.

use std::fs;

use krsi_sh::{
    report::Purpose,
    script::{Source, defined_functions},
    template::Catalogue,
};

use super::{Hunt, scripts, session};

/// Reactions first, then libraries; by their names.
pub fn imported() -> Vec<Hunt> {
    let named = |directory: &str, purpose| {
        let mut found = scripts(directory, purpose);
        found.iter_mut().for_each(|script| script.name = format!("{directory}/{}", script.name));
        found
    };
    let mut all = named("reactions", Purpose::Reaction);
    all.extend(named("lib", Purpose::Library));
    all
}

/// The name by which the examples import it.
pub fn alias(script: &Hunt) -> String {
    script.name.rsplit('/').next().unwrap().replace('-', "_")
}

#[test]
fn each_compiles_and_every_function_says_what_it_is_for() {
    let all = imported();
    assert!(all.len() >= 10);
    for script in &all {
        let text = format!("import \"{}\" as {};", script.name, alias(script));
        let explained = session().explanations(&Source { name: "-e".into(), text });
        assert_eq!((explained.code, &explained.ended), (0, &None), "{}", script.name);
        let functions = defined_functions(&script.source.text);
        assert!(functions.iter().any(|function| !function.is_private), "{}", script.name);
        for function in functions.iter().filter(|function| !function.is_private) {
            assert!(
                function.about.ends_with('.') || function.about.contains(". "),
                "{}: {}",
                script.name,
                function.name
            );
        }
    }
}

#[test]
fn each_reaction_has_a_claim_in_the_lab_and_names_its_probes() {
    let claims = fs::read_to_string("tests/lab/guest/reactions.rs").unwrap();
    let catalogue = Catalogue::builtin().unwrap();
    for script in imported().iter().filter(|script| script.header.purpose == Purpose::Reaction) {
        assert!(claims.contains(&format!("\"{}\"", script.name)), "{} has no claim", script.name);
        for template in &script.header.needs {
            assert!(catalogue.get(template).is_some(), "{}: {template}", script.name);
            assert!(script.source.text.contains(&format!("\"{template}\"")), "{}: {template}", script.name);
        }
        let [sample] = script.header.sample.as_slice() else { panic!("{}: one line of sample", script.name) };
        let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
        assert_eq!(sample["reaction"], script.name.rsplit('/').next().unwrap());
    }
}
