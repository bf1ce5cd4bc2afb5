//! One boot with this program in a role: what it prints there is what it has found.

use std::time::Duration;

use krsi_sh::lab::{self, Command, Extra, Request, Streams};
use serde::de::DeserializeOwned;

/// The kernel that figures are taken on; boots are timed on each.
pub const KERNEL: &str = "6.12";
const SELF: &str = "/lab/figures";

/// What the guest of a group is made of.
pub struct Visit<'v> {
    pub role: &'v [&'v str],
    pub files: Vec<Extra>,
    /// Guest time counts instructions.
    pub icount: bool,
}

/// What a guest found, and on what.
pub struct Found<T> {
    pub findings: T,
    pub acceleration: String,
}

impl Visit<'_> {
    /// # Errors
    /// If the guest came to no verdict, or to a bad one; with what it said.
    pub fn pay<T: DeserializeOwned>(mut self) -> Result<Found<T>, String> {
        let own = std::env::current_exe().map_err(|e| format!("finding this program's file: {e}"))?;
        self.files.push(Extra { host: own, guest: SELF.into(), mode: 0o755 });
        let argv = std::iter::once(SELF).chain(self.role.iter().copied()).map(str::to_owned).collect();
        let request = Request {
            kernel: Some(KERNEL.to_owned()),
            shell: Some(env!("CARGO_BIN_EXE_krsi-sh").into()),
            files: self.files,
            timeout: Duration::from_secs(1800),
            // bpftrace and its libraries are 200 MB, once in the archive and once unpacked.
            memory: "2G".to_owned(),
            icount: self.icount,
            ..Request::new(Command::Run { argv, stdin: Vec::new() })
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let streams = Streams { stdout: &mut stdout, stderr: &mut stderr, console: None };
        let verdict = lab::run(&request, streams).map_err(|e| format!("no verdict of the guest: {e}"))?;
        let said = String::from_utf8_lossy(&stderr);
        if verdict.exit_code != 0 {
            return Err(format!("the guest's part ended with {}: {said}", verdict.exit_code));
        }
        let findings = serde_json::from_slice(&stdout)
            .map_err(|e| format!("the guest's answer is unclear: {e}; {said}"))?;
        Ok(Found { findings, acceleration: verdict.acceleration.to_string() })
    }
}
