//! Why system calls are refused: which layer of the kernel has said no, and by what rule.
//!
//! In: a process. Out: for each system call of it, and of all it starts, that ends with EPERM, EACCES or EROFS: the call, its
//! object, and who has refused it ([`Told`]). Nothing is changed, and nothing of it is decided here.
//!
//! ```text
//! calls      system calls: their names, and what they are about
//! functions  the kernel's functions that can say no
//! place      what a process sees at a path
//! mode       which bits of a mode are in the way
//! judge      from what was noted to who has refused
//! page       the answer as text and as JSON
//! ```

mod calls;
mod functions;
mod judge;
mod mode;
mod page;
mod place;

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use self::{
    functions::Role,
    judge::{Case, Known},
    place::{View, joined},
};
pub use self::{
    judge::Finding,
    page::{json, text},
};
use crate::{
    kernel::{
        KernelError,
        denials::{self, Denial, Refuser, Watch},
        facts,
    },
    raw, symbols,
    system::namespaces,
};

/// A system call that was refused, and by whom.
#[derive(Debug)]
pub struct Told {
    pub denial: Denial,
    /// The call's name.
    pub call: String,
    /// What it was about, if that can be told.
    pub object: Option<String>,
    pub finding: Finding,
    /// The functions that have refused, the innermost first, each with the errno.
    pub seen: Vec<(String, i32)>,
    /// Where the process was, innermost first, if that is wanted.
    pub stack: Vec<String>,
}

/// Processes whose refusals are explained, until this is dropped.
pub struct Watcher {
    watch: Watch,
    known: Known,
    /// When the list of programs was read.
    listed: Instant,
}

/// How long the list of programs may be out of date, where it matters.
const FRESH: Duration = Duration::from_millis(500);

impl Watcher {
    /// Watches a process, and all it starts.
    ///
    /// # Errors
    /// If this host does not let it be watched.
    pub fn begin(pid: i32, with_stacks: bool) -> Result<Self, KernelError> {
        if let Err(foreign) = namespaces::process_ids() {
            return Err(KernelError::Program { what: "watch a process".into(), error: foreign.to_string() });
        }
        let active = facts().lsms;
        let (wanted, roles): (Vec<_>, Vec<Role>) =
            functions::functions(active.as_deref()).into_iter().unzip();
        let subjects: Vec<_> = calls::all().iter().map(|call| (call.number, call.subject)).collect();
        let watch = Watch::begin(&[pid.unsigned_abs()], &wanted, &subjects, with_stacks)?;
        let names = wanted.into_iter().map(|function| function.name);
        let functions =
            names.zip(roles).zip(&watch.watched).map(|((name, role), on)| (name, role, *on)).collect();
        let mut known = Known { functions, active, ..Known::default() };
        known.watched_programs.clone_from(&watch.programs);
        known.programs.clone_from(&watch.found);
        Ok(Watcher { watch, known, listed: Instant::now() })
    }

    /// How many functions of the kernel's are watched.
    #[must_use]
    pub fn functions(&self) -> usize {
        self.watch.watched.iter().filter(|watched| **watched).count()
    }

    /// The functions that the kernel has and does not let be watched, each with the reason.
    #[must_use]
    pub fn refused(&self) -> &[(String, String)] {
        &self.watch.refused
    }

    /// What cannot be seen here, in sentences.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let Some(why) = &self.watch.without_functions else { return Vec::new() };
        vec![format!(
            "only the entry and the exit of system calls can be seen here, and who refuses is inferred: no function of the kernel's can be watched: {why}"
        )]
    }

    /// What was refused since, waiting for some so long at most.
    pub fn read(&mut self, patience: Duration) -> Vec<Told> {
        let denials = self.watch.read(patience);
        denials.into_iter().map(|denial| self.explained(denial)).collect()
    }

    /// How many refusals could not be told.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn lost(&self) -> Result<u64, KernelError> {
        self.watch.lost()
    }

    fn explained(&mut self, denial: Denial) -> Told {
        let function = |refuser: Refuser| match refuser {
            Refuser::Function(at) => self.known.functions.get(at),
            Refuser::Program(_) => None,
        };
        let by_modules = |refuser| matches!(function(refuser), None | Some((_, Role::Hook(_), _)));
        if denial.reasons.iter().any(|reason| by_modules(reason.refuser)) {
            self.list_programs();
        }
        let seen = denial.reasons.iter().map(|reason| {
            let name = match reason.refuser {
                Refuser::Program(id) => format!("program {id}"),
                Refuser::Function(at) => {
                    self.known.functions.get(at).map_or_else(|| "?".to_owned(), |(name, ..)| name.clone())
                }
            };
            (name, reason.result)
        });
        let seen = seen.collect();
        let known = calls::of(denial.number).filter(|_| !denial.is_compat);
        let call = match (known, denial.is_compat) {
            (Some(call), _) => call.name.to_owned(),
            (None, true) => format!("call {} of 32 bits", denial.number),
            (None, false) => format!("call {}", denial.number),
        };
        let path = path(&denial, known);
        let view = View::of(denial.pid);
        let case = Case { denial: &denial, known: &self.known, view, object: path.as_deref(), call: &call };
        let finding = case.judge();
        let object = path.map(|path| raw::from_os(&path)).or_else(|| other_object(&denial, known));
        // The process is asked now what its addresses belong to.
        let stack = symbols::user(&symbols::locate(denial.pid, &denial.stack));
        Told { denial, call, object, finding, seen, stack }
    }

    fn list_programs(&mut self) {
        if !self.known.programs.is_empty() && self.listed.elapsed() < FRESH {
            return;
        }
        // What was known before is better than nothing.
        if let Ok((programs, pins)) = denials::programs_and_pins() {
            (self.known.programs, self.known.pins) = (programs, pins);
        }
        self.listed = Instant::now();
    }
}

/// The file that a call is about.
fn path(denial: &Denial, call: Option<&calls::Call>) -> Option<PathBuf> {
    let subject = call?.subject;
    let has_path = subject.texts[0] != 0 && !(denial.texts[0].is_empty() && denial.directory.is_empty());
    let has_file = subject.descriptor != 0 && !denial.directory.is_empty();
    (has_path || has_file).then(|| joined(&denial.directory, &denial.texts[0]))
}

/// What it is about, if that is no file.
fn other_object(denial: &Denial, call: Option<&calls::Call>) -> Option<String> {
    let call = call?;
    if call.subject.address != 0 {
        return address(&denial.address);
    }
    let argument = usize::from(call.process).checked_sub(1)?;
    denial.arguments.get(argument).map(|pid| format!("process {}", *pid as u32 as i32))
}

/// `struct sockaddr` of user space's.
fn address(bytes: &[u8]) -> Option<String> {
    use nix::libc::{AF_INET, AF_INET6, AF_UNIX};
    let family = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
    let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
    Some(match i32::from(family) {
        AF_INET => {
            let ip: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            SocketAddr::from((Ipv4Addr::from(ip), port)).to_string()
        }
        AF_INET6 => {
            let ip: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            SocketAddr::from((Ipv6Addr::from(ip), port)).to_string()
        }
        AF_UNIX => {
            let name = &bytes[2..];
            let abstracted = name.first() == Some(&0);
            let name: Vec<u8> =
                name.iter().copied().skip(usize::from(abstracted)).take_while(|byte| *byte != 0).collect();
            format!("{}{}", if abstracted { "@" } else { "" }, raw::text(&name))
        }
        other => format!("a socket of family {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_as_people_write_them() {
        let mut bytes = vec![0; 128];
        bytes[..8].copy_from_slice(&[2, 0, 0, 80, 127, 0, 0, 1]);
        assert_eq!(address(&bytes).unwrap(), "127.0.0.1:80");
        bytes[..8].copy_from_slice(&[1, 0, b'/', b'a', 0, 0, 0, 0]);
        assert_eq!(address(&bytes).unwrap(), "/a");
    }

    #[test]
    fn a_call_about_a_file_has_its_path() {
        let denial = Denial { directory: b"/srv".to_vec(), ..Denial::default() };
        let told = |number: u32, text: &[u8]| {
            let denial = Denial { texts: [text.to_vec(), Vec::new()], ..denial.clone() };
            path(&denial, calls::of(number))
        };
        assert_eq!(told(257, b"a").unwrap(), PathBuf::from("/srv/a"));
        assert_eq!(told(91, b"").unwrap(), PathBuf::from("/srv"));
        assert_eq!(told(62, b""), None);
    }
}
