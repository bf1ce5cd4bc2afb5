//! A text of the README between its marks, beside what was found. `KRSI_BLESS=1` writes it anew.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use similar::TextDiff;

use crate::settled::settled;

/// One writes at a time.
static README: Mutex<()> = Mutex::new(());

/// Whether the text of this name is the command and what it shows.
pub fn is<'l>(name: &str, command: &str, shown: impl Iterator<Item = &'l str>) {
    let (begin, end) = (format!("<!-- {name} -->\n```text\n"), format!("```\n<!-- /{name} -->"));
    let fresh = format!("$ {command}\n{}", settled(shown));
    let _one = README.lock().unwrap_or_else(PoisonError::into_inner);
    let readme = fs::read_to_string("README.md").expect("README.md");
    let (before, rest) = readme.split_once(&begin).expect("its beginning");
    let (told, after) = rest.split_once(&end).expect("its end");
    if std::env::var_os("KRSI_BLESS").is_some_and(|word| !word.is_empty()) {
        fs::write("README.md", format!("{before}{begin}{fresh}{end}{after}")).expect("README.md is written");
    } else if told != fresh {
        let changes = TextDiff::from_lines(told, &fresh);
        let changes = changes.unified_diff().header("README.md", command).to_string();
        panic!("{changes}renew it with: KRSI_BLESS=1 cargo test --release --test readme");
    }
}
