//! bpftrace with one program attached, its output going to a file as it would to a log; and what it shows of the work.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use procfs::process::all_processes;

use super::{
    Cost,
    cases::OTHER_CGROUP,
    records::{Readers, wait_until},
    worker::{COMM, Work},
};
use crate::peers;

const OUTPUT: &str = "/tmp/figures/bpftrace";
const COMPLAINTS: &str = "/tmp/figures/bpftrace-complaints";
/// It holds back a program that it starts until its own are attached.
const HELD_BACK: &str = "/bin/sleep 1000000";
const HELD_BACK_COMM: &str = "sleep";

/// A program of bpftrace's, and what has to become of the work in it.
#[derive(Debug, Clone, Copy)]
pub enum Program {
    /// Counts what its predicate lets through, which the work is not.
    Elsewhere(&'static str),
    /// Counts by groups, of which one is the worker's.
    Counting(&'static str),
    /// Prints a line about each.
    Printing(&'static str),
}

impl Program {
    pub fn text(self) -> &'static str {
        match self {
            Program::Elsewhere(text) | Program::Counting(text) | Program::Printing(text) => text,
        }
    }

    /// The kind of its probe: `fentry`, `kprobe`.
    pub fn kind(self) -> &'static str {
        self.text().split(':').next().unwrap_or_default()
    }

    /// What one operation costs while it is attached.
    ///
    /// # Errors
    /// If it does not attach, or does not show what has to become of the work.
    pub fn cost(self, work: Work) -> Result<Cost, String> {
        let bpftrace = Bpftrace::start(self.text())?;
        // What it does besides is to look at its buffers from time to time, and no reading.
        let (own, readers) = match self {
            Program::Printing(_) => {
                let (own, readers) = bpftrace.readers()?.during(|| work.run())?;
                (own, readers as f64 / work.done() as f64)
            }
            Program::Elsewhere(_) | Program::Counting(_) => (work.run()?, 0.0),
        };
        if let Program::Elsewhere(_) = self {
            do_elsewhere()?;
        }
        let lost = self.lost(&bpftrace.stop()?, work)?;
        Ok(Cost { own, readers, lost })
    }

    /// Which part of the operations it lost.
    fn lost(self, lines: &[String], work: Work) -> Result<f64, String> {
        let last = || lines.last().map_or("nothing", String::as_str);
        match self {
            Program::Elsewhere(_) => match counts(lines, "@:")[..] {
                [count] if count > 0 && count < work.done() => Ok(0.0),
                _ => Err(format!("bpftrace was to count something, and not the work; it says {}", last())),
            },
            Program::Counting(_) => {
                let count: u64 = counts(lines, &format!("@[{COMM}")).iter().sum();
                if count == work.done() {
                    Ok(0.0)
                } else {
                    Err(format!("bpftrace counted {count} of {}; it says {}", work.done(), last()))
                }
            }
            Program::Printing(_) => {
                let printed = format!("{COMM} {}", work.file());
                let arrived = lines.iter().filter(|line| **line == printed).count() as u64;
                let lost = work.done().saturating_sub(arrived);
                // Other tasks' events are among those that it says it has lost.
                let said = lines.iter().filter_map(|line| said_lost(line)).sum::<u64>();
                if arrived > work.done() || said < lost {
                    return Err(format!("bpftrace printed {arrived} of {}, and lost {said}", work.done()));
                }
                Ok(lost as f64 / work.done() as f64)
            }
        }
    }
}

/// The numbers behind the colon, of lines that begin so: `@[sh, 0]: 12`.
fn counts(lines: &[String], begin: &str) -> Vec<u64> {
    let of_these = lines.iter().filter(|line| line.starts_with(begin));
    of_these.filter_map(|line| line.rsplit_once(": ")?.1.parse().ok()).collect()
}

/// `Lost 12 events`
fn said_lost(line: &str) -> Option<u64> {
    line.strip_prefix("Lost ")?.strip_suffix(" events")?.parse().ok()
}

/// Does what each of the predicates lets through, so that the program is seen to work.
fn do_elsewhere() -> Result<(), String> {
    let enter = format!("echo $$ > {OTHER_CGROUP}/cgroup.procs; exec cat /etc/group");
    let mut other_user = Command::new("/bin/true");
    other_user.uid(4242);
    let mut other_cgroup = Command::new("/bin/sh");
    other_cgroup.args(["-c", &enter]);
    for command in [&mut other_user, &mut other_cgroup] {
        let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
        if !output.status.success() {
            return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(())
}

/// A running bpftrace; killed if dropped before its end.
struct Bpftrace(Child);

impl Bpftrace {
    fn start(program: &str) -> Result<Self, String> {
        let file = |path: &str| File::create(path).map_err(|e| format!("making {path}: {e}"));
        let child = peers::command(Path::new(peers::IN_GUEST), "bpftrace", "bpftrace")
            .args(["-q", "-e", program, "-c", HELD_BACK])
            .stdin(Stdio::null())
            .stdout(file(OUTPUT)?)
            .stderr(file(COMPLAINTS)?)
            .spawn()
            .map_err(|e| format!("cannot start bpftrace: {e}"))?;
        let mut bpftrace = Bpftrace(child);
        let mut ended = false;
        wait_until("bpftrace is attached", || {
            ended = !matches!(bpftrace.0.try_wait(), Ok(None));
            ended || bpftrace.let_go()
        })
        .map_err(|e| format!("{e}; {}", complaints()))?;
        if ended {
            return Err(format!("bpftrace ended at once: {}", complaints()));
        }
        Ok(bpftrace)
    }

    /// Whether the program that it holds back is running.
    fn let_go(&self) -> bool {
        let own = self.0.id().cast_signed();
        let mut stats = all_processes().into_iter().flatten().filter_map(|process| process.ok()?.stat().ok());
        stats.any(|stat| stat.ppid == own && stat.comm == HELD_BACK_COMM)
    }

    fn readers(&self) -> Result<Readers, String> {
        Ok(Readers::of(&[self.0.id().cast_signed()])?.that_poll())
    }

    /// Everything it wrote.
    fn stop(mut self) -> Result<Vec<String>, String> {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT)
            .map_err(|e| format!("stopping bpftrace: {e}"))?;
        let status = self.0.wait().map_err(|e| format!("waiting for bpftrace: {e}"))?;
        if !status.success() {
            return Err(format!("bpftrace ended with {status}: {}", complaints()));
        }
        let bytes = fs::read(OUTPUT).map_err(|e| format!("reading {OUTPUT}: {e}"))?;
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }
}

impl Drop for Bpftrace {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn complaints() -> String {
    fs::read_to_string(COMPLAINTS).unwrap_or_default().trim().to_owned()
}
