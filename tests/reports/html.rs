//! HTML, by a parser that takes a fault for one.

use krsi_sh::{
    check::{Run, samples},
    report::Document,
};
use serde_json::Value;

use crate::{harmless, readers, written};

/// What the page is made of. What is not here would have come from a text.
const ELEMENTS: &[&str] = &[
    "a", "body", "code", "dd", "details", "div", "dl", "dt", "fieldset", "footer", "h1", "head", "header",
    "html", "input", "label", "legend", "li", "main", "meta", "p", "span", "style", "summary", "table",
    "tbody", "td", "th", "thead", "time", "title", "tr", "ul",
];
const ATTRIBUTES: &[&str] = &[
    "charset",
    "checked",
    "class",
    "content",
    "datetime",
    "for",
    "href",
    "http-equiv",
    "id",
    "lang",
    "name",
    "open",
    "rel",
    "scope",
    "tabindex",
    "type",
    "value",
];

/// Checks what was read against the run that was written.
pub fn agrees(read: &Value, run: &Run) {
    let elements = read.as_array().unwrap();
    let named = |name: &str| elements.iter().filter(|one| one["name"] == name).collect::<Vec<_>>();
    for element in elements {
        assert!(ELEMENTS.contains(&element["name"].as_str().unwrap()), "{element}");
        for (name, value) in element["attributes"].as_object().unwrap() {
            assert!(ATTRIBUTES.contains(&name.as_str()), "{element}");
            let leads = value.as_str().unwrap();
            assert!(
                name != "href" || leads.starts_with("https://") || leads.starts_with("http://"),
                "{element}"
            );
        }
    }
    assert_eq!(named("style").len(), 1);
    let checks = named("details");
    assert_eq!(checks.len(), run.finished.len());
    // The worst stand first, so each is sought.
    for finished in &run.finished {
        let shown = [&finished.reason, &finished.check.remedy, &finished.check.why];
        // Backticks make code.
        let plain = |text: &str| text.replace('`', "");
        let shown: Vec<String> = shown.into_iter().flatten().map(|text| plain(&harmless(text))).collect();
        let tells = |check: &Value| {
            let text = plain(check["text"].as_str().unwrap());
            shown.iter().all(|part| text.contains(part.as_str()))
        };
        assert!(checks.iter().any(|check| tells(check)), "{shown:?}");
    }
}

#[test]
fn every_check_is_there_and_every_text_is_only_a_text() {
    let run = samples::run();
    let Some(read) = readers::python("html", &[written(Document::Html, &run)]) else { return };
    agrees(&read[0], &run);
    let elements = read[0].as_array().unwrap();
    let first = elements.iter().find(|one| one["name"] == "details").unwrap();
    assert_eq!(first["attributes"]["id"], "check-hostile");
    assert!(first["text"].as_str().unwrap().contains("<script>alert(1)</script>"));
    let links: Vec<_> = elements.iter().filter(|one| one["name"] == "a").collect();
    assert_eq!(links.len(), 1);
    assert_eq!(links[0]["attributes"]["href"], "https://example.org/?a=1&b=2");
    let open = |one: &&Value| one["name"] == "details" && one["attributes"].get("open").is_some();
    assert_eq!(elements.iter().filter(open).count(), 4);
}

#[test]
fn it_asks_nothing_of_a_network() {
    let text = written(Document::Html, &samples::run());
    assert!(text.contains("default-src 'none'"));
    for word in ["<script", "<link", "<img", "@import", "url(", " src="] {
        assert!(!text.replace("&lt;script", "").contains(word), "{word}");
    }
}
