//! Claims about what changes while a hook looks at it: no event disagrees with its verdict, nothing forbidden happens, and each
//! operation is counted once.
//!
//! Another process (racer.rs) does the same for some seconds, of which a second thread changes what the kernel is given; it looks at
//! what it has come to by means of its own. A third thread wakes all the time, so that tasks are put aside within a hook.
//! `KRSI_RACE_SECONDS` says for how long, in each claim.

use std::{
    cell::RefCell,
    collections::HashMap,
    fs,
    io::Read,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{
    Outcome, handed, holds,
    racer::{ADDRESSES, DIRECTORY, FIRST_USER, PORTS, RACE, TASKS, programs},
    same,
    shell::{Ended, Shell, attaching},
    tell,
};

/// The environment variable that says for how many seconds is raced.
pub const SECONDS: &str = "KRSI_RACE_SECONDS";
const DEFAULT_SECONDS: &str = "8";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The other process; it ends with this.
struct Racer(Child);

impl Racer {
    fn start(what: &str, seconds: &str) -> Result<Self, String> {
        let mut command = Command::new("/proc/self/exe");
        command.args([RACE, what, seconds]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map(Racer).map_err(text)
    }

    fn has_ended(&mut self) -> Result<bool, String> {
        self.0.try_wait().map(|status| status.is_some()).map_err(text)
    }

    /// The lines that it has written, once it has ended: fewer than a pipe holds.
    fn told(mut self) -> Result<Vec<Value>, String> {
        let status = self.0.wait().map_err(text)?;
        let (mut lines, mut errors) = (String::new(), String::new());
        if let (Some(stdout), Some(stderr)) = (&mut self.0.stdout, &mut self.0.stderr) {
            stdout.read_to_string(&mut lines).map_err(text)?;
            stderr.read_to_string(&mut errors).map_err(text)?;
        }
        holds(status.success(), format!("the racer: {status}: {errors}"))?;
        lines.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(text)
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a racer has counted.
#[derive(Debug)]
struct Raced {
    done: u64,
    refused: u64,
    /// What it has said, a line each.
    lines: Vec<Value>,
}

/// Attaches by these statements, races, and takes the shell's books; the events of each probe are judged by `denied`, which says
/// whether one is of what may not be had.
fn race(
    what: &str,
    statements: &[String],
    denied: impl Fn(&Value) -> Result<bool, String>,
) -> Result<(Raced, Ended), String> {
    let (raced, ended) = race_with_errors(what, statements, denied)?;
    same(&format!("errors, of {raced:?}"), total(&ended, &["errors"]), 0)?;
    Ok((raced, ended))
}

/// The same where a probe may be unable to decide.
fn race_with_errors(
    what: &str,
    statements: &[String],
    denied: impl Fn(&Value) -> Result<bool, String>,
) -> Result<(Raced, Ended), String> {
    let mut shell = Shell::with_probes(statements)?;
    let seconds = handed(SECONDS).unwrap_or_else(|| DEFAULT_SECONDS.to_owned());
    let mut racer = Racer::start(what, &seconds)?;
    let mut judged = Judged::default();
    while !racer.has_ended()? {
        judged.take(&mut shell, &denied)?;
    }
    let lines = racer.told()?;
    let ended = judged.rest(shell, &denied)?;
    let sum = |name: &str| lines.iter().filter_map(|line| line[name].as_u64()).sum::<u64>();
    let [done, refused, forbidden, changes] = ["done", "refused", "forbidden", "changes"].map(sum);
    let raced = Raced { done, refused, lines };
    same(&format!("forbidden, of {raced:?}"), forbidden, 0)?;
    tell(format!("{what}: {done} done, {refused} refused, {forbidden} forbidden; {changes} changes"));
    holds(raced.refused > 0, format!("nothing was raced: {raced:?}"))?;
    ended.well()?;
    judged.agree_with(&ended)?;
    let books = |name: &str| total(&ended, &[name]);
    same(&format!("refused, of {raced:?}"), books("deny") + books("kill"), raced.refused)?;
    Ok((raced, ended))
}

/// The sum of these counters over the books of all probes.
fn total(ended: &Ended, names: &[&str]) -> u64 {
    let books = ended.lines.iter().filter(|line| line["type"] == "books");
    books.flat_map(|books| names.iter().filter_map(|name| books[*name].as_u64())).sum()
}

/// How many events there were, by probe.
#[derive(Default)]
struct Judged(HashMap<String, u64>);

impl Judged {
    /// Judges what has come until now.
    fn take(&mut self, shell: &mut Shell, denied: &impl Fn(&Value) -> Result<bool, String>) -> Outcome {
        for line in shell.poll() {
            self.judge(&line, denied)?;
        }
        Ok(())
    }

    fn judge(&mut self, line: &Value, denied: &impl Fn(&Value) -> Result<bool, String>) -> Outcome {
        if line["type"] != "event" {
            return Ok(());
        }
        let verdict = &line["verdict"];
        let is_refused = *verdict == "deny" || *verdict == "kill";
        holds(is_refused || *verdict == "allow", format!("the verdict: {line}"))?;
        same(&format!("refused: {line}"), is_refused, denied(line)?)?;
        *self.0.entry(line["probe"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        Ok(())
    }

    /// Ends the shell, and judges the rest.
    fn rest(
        &mut self,
        shell: Shell,
        denied: &impl Fn(&Value) -> Result<bool, String>,
    ) -> Result<Ended, String> {
        let ended = shell.stop()?;
        for line in &ended.lines {
            self.judge(line, denied)?;
        }
        Ok(ended)
    }

    /// Each event that was sent, and not counted as lost, was told.
    fn agree_with(&self, ended: &Ended) -> Outcome {
        for books in ended.lines.iter().filter(|line| line["type"] == "books") {
            let told =
                books["probe"].as_str().and_then(|probe| self.0.get(probe)).copied().unwrap_or_default();
            same(&format!("events told, by {books}"), told, books["delivered"].as_u64().unwrap_or(u64::MAX))?;
        }
        Ok(())
    }
}

/// As is done of each of them: it was allowed, or it was refused.
fn each_was_counted(raced: &Raced, ended: &Ended) -> Outcome {
    holds(raced.done > 0, format!("all were refused: {raced:?}"))?;
    same(&format!("allowed, of {raced:?}"), total(ended, &["allow"]), raced.done)
}

fn directory(name: &str) -> Result<String, String> {
    let path = format!("{DIRECTORY}/{name}");
    fs::create_dir_all(&path).map_err(|e| format!("{path}: {e}"))?;
    Ok(path)
}

/// The two files, and their inodes.
fn files() -> Result<[u64; 2], String> {
    let directory = directory("")?;
    let file = |last: &str| {
        let path = format!("{directory}file-{last}");
        fs::write(&path, "content").map_err(text)?;
        fs::metadata(&path).map(|found| found.ino()).map_err(text)
    };
    Ok([file("a")?, file("d")?])
}

/// The probe of opens in the directory; a filter says which are refused.
fn of_opens(filter: &str) -> String {
    attaching(
        "t",
        "file_open",
        &format!("path_prefix: \"{DIRECTORY}/\""),
        &format!(".when({filter}).fields([\"verdict\", \"path\", \"inode\"]).deny(\"EPERM\")"),
    )
}

fn ends_in_d(line: &Value, field: &str) -> bool {
    line[field].as_str().is_some_and(|text| text.ends_with("-d"))
}

/// A file's name and its inode say the same.
fn is_denied_file(inodes: [u64; 2]) -> impl Fn(&Value) -> Result<bool, String> {
    move |line| {
        let denied = ends_in_d(line, "path");
        same(&format!("inode: {line}"), line["inode"].as_u64(), Some(inodes[usize::from(denied)]))?;
        Ok(denied)
    }
}

const REFUSES_D: &str = "|e| if e.path.ends_with(\"-d\") { true } else { allow }";

pub fn name_in_memory() -> Outcome {
    let inodes = files()?;
    let (raced, ended) = race("open by a changing name", &[of_opens(REFUSES_D)], is_denied_file(inodes))?;
    each_was_counted(&raced, &ended)
}

pub fn turning_link() -> Outcome {
    let inodes = files()?;
    let link = format!("{DIRECTORY}/link");
    if !Path::new(&link).is_symlink() {
        std::os::unix::fs::symlink(format!("{DIRECTORY}/file-a"), &link).map_err(text)?;
    }
    let (raced, ended) = race("open by a turning link", &[of_opens(REFUSES_D)], is_denied_file(inodes))?;
    each_was_counted(&raced, &ended)
}

/// Both names of a file are denied, by their texts: it may not be had while it goes from one to the other. Before 5.11 a program
/// of a hook waits for the end of a rename, but not for long: then it has no path, and `on_error` decides.
pub fn renamed() -> Outcome {
    let [from, to] = [directory("in")? + "/one", directory("out")? + "/other"];
    let _ = fs::remove_file(&to);
    fs::write(&from, "content").map_err(text)?;
    let filter = format!("|e| if e.path == \"{from}\" || e.path == \"{to}\" {{ true }} else {{ allow }}");
    let names = [from, to];
    let has_no_path = |line: &Value| line["notes"].to_string().contains("no-path");
    let denied = |line: &Value| Ok(has_no_path(line) || names.iter().any(|name| line["path"] == *name));
    let probe = of_opens(&filter).replace("[\"verdict\", ", "[\"verdict\", \"notes\", ");
    let probe = probe.replace(".deny(", ".on_error(\"deny\").deny(");
    let (_, ended) = race_with_errors("open what is renamed", &[probe], denied)?;
    tell(format!("{} without a path", total(&ended, &["errors"])));
    Ok(())
}

fn of_executions(params: &str, rest: &str) -> Result<String, String> {
    directory("")?;
    for (path, bytes) in programs() {
        fs::write(&path, bytes).map_err(text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(text)?;
    }
    Ok(attaching("t", "exec", params, &format!("{rest}.deny(\"EPERM\")")))
}

pub fn executed() -> Outcome {
    let probe = of_executions(
        &format!("path_prefix: \"{DIRECTORY}/\""),
        &format!(".when({REFUSES_D}).fields([\"verdict\", \"path\", \"filename\", \"inode\"])"),
    )?;
    let inode = |last: &str| fs::metadata(format!("{DIRECTORY}/program-{last}")).map(|found| found.ino());
    let inodes = [inode("a").map_err(text)?, inode("d").map_err(text)?];
    let is_denied = is_denied_file(inodes);
    let (raced, ended) = race("execute by a changing name", &[probe], |line| {
        same(&format!("as it was called: {line}"), &line["filename"], &line["path"])?;
        is_denied(line)
    })?;
    each_was_counted(&raced, &ended)
}

pub fn arguments() -> Outcome {
    let probe = of_executions(
        &format!("path: \"{DIRECTORY}/of-argument\", args: true"),
        ".when(|e| if e.argv[1] == \"d\" { true } else { allow }).fields([\"verdict\", \"argv\"])",
    )?;
    let (raced, ended) = race("execute with a changing argument", &[probe], |line| {
        same(&format!("arguments: {line}"), line["argv"].as_array().map(Vec::len), Some(2))?;
        Ok(line["argv"][1] == "d")
    })?;
    each_was_counted(&raced, &ended)
}

pub fn environment() -> Outcome {
    let probe = of_executions(
        &format!("path: \"{DIRECTORY}/of-environment\", env: [\"X\"]"),
        ".when(|e| if e.env_value == \"d\" { true } else { allow }).fields([\"verdict\", \"env_name\", \"env_value\"])",
    )?;
    let (raced, ended) = race("execute with a changing environment", &[probe], |line| {
        same(&format!("the variable: {line}"), &line["env_name"], &json!("X"))?;
        Ok(line["env_value"] == "d")
    })?;
    each_was_counted(&raced, &ended)
}

/// A probe of the port, and one of the address; the one attached last is asked first.
fn of_addresses(template: &str) -> [String; 2] {
    let rest = ".fields([\"verdict\", \"address\", \"port\"]).deny(\"EPERM\")";
    [
        attaching("port", template, &format!("port: {}", PORTS[1]), rest),
        attaching("address", template, &format!("address: \"{}\"", ADDRESSES[1]), rest),
    ]
}

/// Each names what it denies, and something that there is.
fn is_denied_address(line: &Value) -> Result<bool, String> {
    let of_port = line["port"] == PORTS[1];
    let of_address = line["address"] == ADDRESSES[1];
    let known = (of_port || line["port"] == PORTS[0]) && (of_address || line["address"] == ADDRESSES[0]);
    holds(known, format!("an address that nobody has: {line}"))?;
    // The probe of the port is asked about what the other has let pass.
    Ok(if line["probe"] == "port" { of_port && !of_address } else { of_address })
}

pub fn connected() -> Outcome {
    race("connect to a changing address", &of_addresses("connect"), is_denied_address).map(drop)
}

pub fn sent() -> Outcome {
    race("send to a changing address", &of_addresses("sendto"), is_denied_address).map(drop)
}

/// More tasks than processors: what one event tells is all of one task.
pub fn many_tasks() -> Outcome {
    for number in 0..TASKS {
        let directory = directory(&format!("tasks/{number}"))?;
        for last in ["a", "d"] {
            fs::write(format!("{directory}/file-{last}"), "content").map_err(text)?;
        }
    }
    let probe = attaching(
        "t",
        "file_open",
        &format!("path_prefix: \"{DIRECTORY}/tasks/\""),
        &format!(
            ".when({REFUSES_D}).fields([\"verdict\", \"path\", \"inode\", \"uid\", \"euid\", \"comm\", \"pid\", \"tid\", \"ppid\", \"exe\"]).deny(\"EPERM\")"
        ),
    );
    let pids = RefCell::new(HashMap::new());
    let (raced, ended) = race("many tasks", &[probe], |line| {
        let whole = || -> Option<(u32, u64)> {
            let name = line["path"].as_str()?.strip_prefix(DIRECTORY)?.strip_prefix("/tasks/")?;
            let (number, last) = name.split_once("/file-")?;
            let number: u32 = number.parse().ok()?;
            let inode = fs::metadata(format!("{DIRECTORY}/tasks/{number}/file-{last}")).ok()?.ino();
            let user = json!(FIRST_USER + number);
            let fits = line["uid"] == user
                && line["euid"] == user
                && line["comm"] == format!("race-{number}")
                && line["inode"] == inode
                && line["pid"] == line["tid"]
                && line["exe"] == "/lab/suite";
            fits.then_some((number, line["pid"].as_u64()?))
        };
        let (number, pid) = whole().ok_or_else(|| format!("of several tasks: {line}"))?;
        let known = *pids.borrow_mut().entry(number).or_insert(pid);
        same(&format!("the process: {line}"), pid, known)?;
        Ok(ends_in_d(line, "path"))
    })?;
    for line in &raced.lines {
        let number = line["task"].as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX);
        if let Some(pid) = pids.borrow().get(&number) {
            same("the process of a task", &line["pid"], &json!(pid))?;
        }
    }
    same("tasks", raced.lines.len(), TASKS as usize)?;
    each_was_counted(&raced, &ended)
}
