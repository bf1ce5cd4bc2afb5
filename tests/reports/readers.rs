//! The programs that read reports, and where they are.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;

/// Returns the cache that `scripts/reports` fills, or nothing, with a word about that.
fn cache() -> Option<PathBuf> {
    let cache = std::env::var_os("KRSI_REPORTS").map(PathBuf::from).or_else(|| {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        Some(caches?.join("krsi-sh/reports"))
    });
    // Written last.
    let cache = cache.filter(|cache| cache.join("wanted").is_file());
    if cache.is_none() {
        missing("what reads reports is not here; scripts/reports fetches it");
    }
    cache
}

fn missing(what: &str) {
    assert!(std::env::var_os("KRSI_REQUIRE_REPORTS").is_none(), "{what}");
    eprintln!("skipped: {what}");
}

/// Returns what `read.py` understands of these texts in a form; nothing if it is not here.
pub fn python(form: &str, texts: &[String]) -> Option<Vec<Value>> {
    let cache = cache()?;
    let mut python = Command::new(cache.join("venv/bin/python"));
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reports/read.py")).arg(form).arg(cache);
    Some(told(python, form, texts))
}

/// Returns what Perl's TAP::Parser understands of these texts; nothing if there is no Perl that has it.
pub fn perl(texts: &[String]) -> Option<Vec<Value>> {
    let has_parser = Command::new("perl").args(["-MTAP::Parser", "-MJSON::PP", "-e1"]).output();
    if !has_parser.is_ok_and(|output| output.status.success()) {
        missing("there is no Perl with TAP::Parser here; scripts/setup reports installs it");
        return None;
    }
    let mut perl = Command::new("perl");
    perl.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reports/read.pl"));
    Some(told(perl, "tap", texts))
}

fn told(mut program: Command, form: &str, texts: &[String]) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    for (number, text) in texts.iter().enumerate() {
        let file = directory.path().join(format!("{number}.{form}"));
        fs::write(&file, text).unwrap();
        program.arg(file);
    }
    let output = program.output().unwrap();
    if !output.status.success() {
        // Whoever has to find out why needs the file.
        let kept = directory.keep();
        panic!("{form}, in {}: {}", kept.display(), String::from_utf8_lossy(&output.stderr));
    }
    let told: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told.len(), texts.len());
    told
}
