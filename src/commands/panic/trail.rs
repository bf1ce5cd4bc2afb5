//! What `krsi-sh panic` has ended, kept for whoever asks afterwards: a line of JSON for each time.

use std::{collections::BTreeSet, fs, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use jiff::Timestamp;
use nix::unistd::getuid;
use serde::Serialize;

use crate::{
    report::safe_json,
    system::{login, places::Places, whole_file},
};

/// One time, as it is written.
#[derive(Debug, Serialize)]
pub struct Ending<'e> {
    pub reason: Option<&'e str>,
    /// The sessions that were told to end.
    pub sessions: Vec<i32>,
    /// What was attached: a line of each probe's, as far as it could be asked.
    pub probes: BTreeSet<String>,
    /// Programs that are attached all the same, and only observe.
    pub left: usize,
}

#[derive(Serialize)]
struct Line<'e> {
    time: Timestamp,
    uid: u32,
    /// Who has logged in, whatever became of that (`/proc/self/loginuid`); `null` for nobody.
    loginuid: Option<u32>,
    #[serde(flatten)]
    ending: &'e Ending<'e>,
}

/// Appends it, and returns where. What was written before stays.
///
/// # Errors
/// If there is no room for it, or it may not be written; in words.
pub fn keep(ending: &Ending<'_>) -> Result<PathBuf, String> {
    let file = Places::of_this_user().trail;
    let refused =
        |error: std::io::Error| format!("what was ended is not noted in {}: {error}", file.display());
    let line =
        Line { time: Timestamp::now(), uid: getuid().as_raw(), loginuid: login::own_loginuid(), ending };
    let text = serde_json::to_string(&line).map_err(|error| refused(error.into()))?;
    let text = safe_json(&text) + "\n";
    if let Some(directory) = file.parent() {
        whole_file::private_directory(directory).map_err(refused)?;
    }
    // A line is written as a whole, so that two at a time do not mix.
    fs::OpenOptions::new()
        .mode(0o600)
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(refused)?;
    Ok(file)
}
