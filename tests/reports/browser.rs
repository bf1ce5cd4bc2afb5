//! The page in a browser, if this machine has one: it is too large to be fetched for this.

use std::{collections::BTreeMap, fs, process::Command};

use krsi_sh::{check::samples, report::Document};

use crate::written;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Chooses each result in turn, and notes which checks can then be seen.
const PROBE: &str = "<script>addEventListener('load', () => {
  const seen = {};
  for (const input of document.querySelectorAll('input')) {
    input.click();
    seen[input.value] = [...document.querySelectorAll('details')].filter(one => one.checkVisibility()).map(one => one.id);
  }
  document.body.textContent = JSON.stringify(seen);
})</script>";

#[test]
fn a_choice_shows_what_came_to_that_alone() {
    let is_here = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    let Some(browser) = BROWSERS.iter().find(is_here) else {
        return eprintln!("skipped: there is no browser here");
    };
    let page = written(Document::Html, &samples::run());
    // The page itself lets no script run; the test's has to.
    let page =
        page.replacen("default-src 'none'; ", "", 1).replacen("</body>", &format!("{PROBE}</body>"), 1);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("page.html");
    fs::write(&file, page).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let told = dom.split_once("<body>").and_then(|(_, rest)| rest.split_once("</body>")).expect(&dom).0;
    let seen: BTreeMap<String, Vec<String>> = serde_json::from_str(told.trim()).expect(&dom);
    assert_eq!(seen["all"].len(), 7);
    assert_eq!(seen["fail"], ["check-hostile", "check-sample-fail"]);
    assert_eq!(seen["accepted"], ["check-accepted"]);
    for result in ["error", "inconclusive", "pass", "skip"] {
        assert_eq!(seen[result], [format!("check-sample-{result}")]);
    }
}
