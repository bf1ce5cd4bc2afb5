//! Claims about what is learned of services as people run them: nginx, sshd and cron of Debian, and a shell session.
//!
//! Each is run three times: by itself, where everything that an intruder tries can be done (or a refusal would mean nothing); watched,
//! during its work alone; and armed with what was learned, during its work and the intruder's. All that is refused then are the intruder's steps.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::ExitStatusExt,
    },
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    Outcome, holds, inject,
    learning::{alerts, at, done, err, prepared as place, text},
    pace::until,
    same,
    shell::SHELL,
};

/// What their claims are listed under.
pub const TEMPLATE: &str = "services";
const PATIENCE: Duration = Duration::from_secs(60);
/// What somebody tries who has come in; each step says whether it could be done.
const STEPS: &str = "
/bin/cat /root/secret > /dev/null 2>&1 && echo read
/tmp/learning/busybox-dropped true 2> /dev/null && echo executed
/bin/busybox wget -q -O /dev/null http://127.0.0.1:8472/ 2> /dev/null && echo connected
";
const ALL: [&str; 3] = ["read", "executed", "connected"];
/// What is told of them when they are refused: the program is refused when it is opened.
const TOLD: [&str; 3] =
    ["/root/secret is opened", "/tmp/learning/busybox-dropped is opened", "127.0.0.1 8472"];

/// How it is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Alone,
    Learned,
    Armed,
}

struct Service {
    /// Of its profile and its logs.
    name: &'static str,
    argv: &'static [&'static str],
    pid_file: &'static str,
    end: Signal,
}

/// A service that runs.
struct Running<'s> {
    service: &'s Service,
    child: Child,
}

impl Service {
    fn profile(&self) -> String {
        at(&format!("{}.rhai", self.name))
    }

    fn log(&self, stream: &str) -> String {
        at(&format!("{}.{stream}", self.name))
    }

    fn start(&self, way: Way) -> Result<Running<'_>, String> {
        let _ = fs::remove_file(self.pid_file);
        let profile = self.profile();
        let mut command = Command::new(if way == Way::Alone { self.argv[0] } else { SHELL });
        match way {
            Way::Alone => command.args(&self.argv[1..]),
            Way::Learned => command.args(["learn", "-o", &profile, "-c"]).args(self.argv),
            Way::Armed => command
                .args(["--format", "json", "run", "-c", &profile, "--shadow=false", "--"])
                .args(self.argv),
        };
        let log = |stream| File::create(self.log(stream)).map_err(text);
        command.stdin(Stdio::null()).stdout(log("out")?).stderr(log("err")?);
        let mut running = Running { service: self, child: command.spawn().map_err(text)? };
        until("it runs", PATIENCE, || match running.child.try_wait().map_err(text)? {
            Some(status) => Err(format!("{} ended: {status}: {}", self.name, err(&running.output(status)))),
            None => Ok(running.pid().is_ok()),
        })?;
        Ok(running)
    }
}

impl Running<'_> {
    fn pid(&self) -> Result<Pid, String> {
        let line = fs::read_to_string(self.service.pid_file).map_err(text)?;
        line.trim().parse().map(Pid::from_raw).map_err(text)
    }

    /// What it has said.
    fn output(&self, status: ExitStatus) -> Output {
        let read = |stream| fs::read(self.service.log(stream)).unwrap_or_default();
        Output { status, stdout: read("out"), stderr: read("err") }
    }

    /// Ends the service, and with it whoever watches it.
    fn end(mut self) -> Result<Output, String> {
        kill(self.pid()?, self.service.end).map_err(text)?;
        let mut status = ExitStatus::from_raw(0);
        until("it has ended", PATIENCE, || match self.child.try_wait().map_err(text)? {
            Some(ended) => {
                status = ended;
                Ok(true)
            }
            None => Ok(false),
        })?;
        Ok(self.output(status))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Ok(pid) = self.pid() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Files that all of these use, and users whom the services need.
fn prepared() -> Outcome {
    place()?;
    let passwd = fs::read_to_string("/etc/passwd").map_err(text)?;
    if !passwd.contains("www-data") {
        let users = "www-data:x:33:33::/var/www:/bin/sh\nsshd:x:101:65534::/run/sshd:/bin/false\n";
        fs::write("/etc/passwd", passwd + users).map_err(text)?;
        let group = fs::read_to_string("/etc/group").map_err(text)?;
        fs::write("/etc/group", group + "www-data:x:33:\n").map_err(text)?;
        symlink("/run", "/var/run").map_err(text)?;
    }
    for directory in ["/srv/files", "/var/log/nginx", "/var/lib/nginx", "/run/sshd", "/etc/ssh", "/root/.ssh"]
    {
        fs::create_dir_all(directory).map_err(text)?;
    }
    for (path, content) in [
        ("/srv/files/a", "a file\n"),
        ("/srv/secret", "a secret\n"),
        ("/root/secret", "a secret\n"),
        ("/etc/motd", "welcome\n"),
        ("/etc/shadow", "root::1:0:99999:7:::\n"),
    ] {
        fs::write(path, content).map_err(text)?;
    }
    Ok(())
}

/// What was learned is whole.
fn learned(output: &Output) -> Outcome {
    let said = err(output);
    holds(said.contains("learned ") && !said.contains("may lack"), said)
}

/// What was refused is all of this, and nothing else.
fn refused(output: &Output, steps: &[&str]) -> Outcome {
    let said = alerts(output);
    let of_steps =
        said.iter().all(|(text, verdict)| verdict == "deny" && steps.iter().any(|step| text.contains(step)));
    let all = steps.iter().all(|step| said.iter().any(|(text, _)| text.contains(step)));
    holds(of_steps && all, format!("expected refusals: {steps:?}; found {said:?}; {}", err(output)))
}

/// Those of the steps that could be done.
fn could(lines: &[String]) -> Vec<&str> {
    ALL.into_iter().filter(|step| lines.iter().any(|line| line.trim() == *step)).collect()
}

const NGINX: Service = Service {
    name: "nginx",
    argv: &["/usr/sbin/nginx", "-c", "/etc/nginx.conf", "-g", "daemon off;"],
    pid_file: "/run/nginx.pid",
    end: Signal::SIGQUIT,
};
/// With two slips that are often made: an alias without the slash at the end of its location, so that `/files../` leads out, and a
/// proxy that goes where the request says.
const NGINX_CONF: &str = "
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 64; }
http {
  access_log /var/log/nginx/access.log;
  server {
    listen 127.0.0.1:8480;
    root /srv/files;
    location /files { alias /srv/files/; }
    location /proxy { proxy_pass http://127.0.0.1:$arg_port/; }
  }
}
";

/// The status that nginx gives, and the page.
fn get(path: &str) -> Result<(String, String), String> {
    let mut stream = TcpStream::connect(("127.0.0.1", 8480)).map_err(text)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).map_err(text)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(text)?;
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    let page = answer.split_once("\r\n\r\n").map(|(_, page)| page.to_owned()).unwrap_or_default();
    Ok((status, page))
}

fn nginx_works() -> Outcome {
    let given = |page: &str| ("200".to_owned(), page.to_owned());
    same("a page", get("/a")?, given("a file\n"))?;
    same("an aliased one", get("/files/a")?, given("a file\n"))?;
    same("one of the server behind", get("/proxy?port=8471")?, given(""))
}

/// The process that answers requests.
fn worker(master: Pid) -> Result<Pid, String> {
    let all = procfs::process::all_processes().map_err(text)?;
    let of_master = |stat: &procfs::process::Stat| {
        stat.ppid == master.as_raw() && stat.comm == "nginx" && stat.state == 'S'
    };
    let found = all.flatten().filter_map(|process| process.stat().ok()).find(of_master);
    found.map(|stat| Pid::from_raw(stat.pid)).ok_or_else(|| "nginx has no worker".to_owned())
}

/// What an intruder gets of nginx: a file, a connection, and a shell in place of the worker.
fn intrude_into_nginx(running: &Running<'_>) -> Result<Vec<&'static str>, String> {
    // Where its user may write.
    const PROOF: &str = "/tmp/proof";
    let mut gets = Vec::new();
    if get("/files../secret")? == ("200".to_owned(), "a secret\n".to_owned()) {
        gets.push("read");
    }
    if get("/proxy?port=8472")?.0 == "200" {
        gets.push("connected");
    }
    let _ = fs::remove_file(PROOF);
    let code = format!("id > {PROOF}");
    match inject::execute(worker(running.pid()?)?, &["/bin/sh", "-c", &code])? {
        Ok(()) => {
            until("the shell has run", PATIENCE, || {
                Ok(fs::read_to_string(PROOF).is_ok_and(|said| said.contains("uid=33")))
            })?;
            gets.push("executed");
        }
        Err(errno) => same("the answer to execve", errno, Errno::EACCES)?,
    }
    Ok(gets)
}

pub fn nginx() -> Outcome {
    prepared()?;
    fs::write("/etc/nginx.conf", NGINX_CONF).map_err(text)?;

    let alone = NGINX.start(Way::Alone)?;
    nginx_works()?;
    same("what can be done to nginx", intrude_into_nginx(&alone)?, vec!["read", "connected", "executed"])?;
    alone.end()?;

    let watched = NGINX.start(Way::Learned)?;
    nginx_works()?;
    learned(&watched.end()?)?;

    let armed = NGINX.start(Way::Armed)?;
    nginx_works()?;
    same("what can be done to it armed", intrude_into_nginx(&armed)?, vec![])?;
    // Whoever was refused is still at work.
    nginx_works()?;
    refused(&armed.end()?, &["/srv/secret is opened", "127.0.0.1 8472", "/bin/busybox is opened"])
}

const SSHD: Service = Service {
    name: "sshd",
    argv: &["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"],
    pid_file: "/run/sshd.pid",
    end: Signal::SIGTERM,
};
/// One way to agree on a key, the quickest: the others are no other operations.
const SSHD_CONF: &str = "
Port 8422
ListenAddress 127.0.0.1
HostKey /etc/ssh/host
PidFile /run/sshd.pid
UsePAM no
KexAlgorithms curve25519-sha256
";
/// What is typed at a terminal.
const LOGIN: &str = "/bin/cat /etc/motd; /bin/ls /srv/files; /bin/busybox wget -q -O /dev/null http://127.0.0.1:8471/; echo session $((6 * 7)); exit\n";

/// What a login gives back: of a command, or of what is typed.
fn ssh(words: &[&str], typed: &str) -> Result<String, String> {
    let mut command = Command::new("/usr/bin/ssh");
    command.args(["-F", "/dev/null", "-i", "/root/.ssh/id", "-p", "8422", "-o", "LogLevel=ERROR"]);
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    command.args(["-o", "BatchMode=yes", "-o", "KexAlgorithms=curve25519-sha256"]);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(text)?;
    child.stdin.take().ok_or("no standard input")?.write_all(typed.as_bytes()).map_err(text)?;
    let output = child.wait_with_output().map_err(text)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // What a command ends with is its own; 255 is that there was no login.
    holds(output.status.code() != Some(255), format!("{}{said}", err(&output)))?;
    Ok(said)
}

fn sshd_works() -> Outcome {
    same("a command", ssh(&["root@127.0.0.1", "/bin/cat /etc/motd"], "")?, "welcome\n".to_owned())?;
    let session = ssh(&["-tt", "root@127.0.0.1"], LOGIN)?;
    holds(session.contains("session 42") && session.contains("welcome"), session)
}

fn intrude_by_ssh() -> Result<Vec<String>, String> {
    Ok(ssh(&["root@127.0.0.1", STEPS], "")?.lines().map(str::to_owned).collect())
}

fn key(path: &str) -> Outcome {
    let _ = fs::remove_file(path);
    let made =
        Command::new("/usr/bin/ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", path]).output();
    let made = made.map_err(text)?;
    holds(made.status.success(), err(&made))
}

pub fn sshd() -> Outcome {
    prepared()?;
    fs::write("/etc/ssh/sshd_config", SSHD_CONF).map_err(text)?;
    key("/etc/ssh/host")?;
    key("/root/.ssh/id")?;
    fs::copy("/root/.ssh/id.pub", "/root/.ssh/authorized_keys").map_err(text)?;
    for (path, mode) in [("/root", 0o700), ("/root/.ssh", 0o700), ("/root/.ssh/authorized_keys", 0o600)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(text)?;
    }

    let alone = SSHD.start(Way::Alone)?;
    sshd_works()?;
    same("what a stolen key gives", could(&intrude_by_ssh()?), ALL.to_vec())?;
    alone.end()?;

    let watched = SSHD.start(Way::Learned)?;
    sshd_works()?;
    learned(&watched.end()?)?;

    let armed = SSHD.start(Way::Armed)?;
    sshd_works()?;
    same("what it gives armed", could(&intrude_by_ssh()?), vec![])?;
    refused(&armed.end()?, &TOLD)
}

const CRON: Service = Service {
    name: "cron",
    argv: &["/usr/sbin/cron", "-f"],
    pid_file: "/run/crond.pid",
    end: Signal::SIGTERM,
};
/// Jobs at the start: by the minute they would be the same.
const CRONTAB: &str = "MAILTO=\"\"\n@reboot root /root/job\n";
const WANTED: &str = "MAILTO=\"\"\n@reboot root echo new >> /tmp/learning/out\n";
const JOB: &str = "#!/bin/sh
exec >> /tmp/learning/out
/bin/cat /etc/motd
/bin/busybox wget -q -O /dev/null http://127.0.0.1:8471/ && echo fetched
";

/// Runs the jobs, with what an intruder has added or without; the lines that they have written.
fn jobs(way: Way, intruded: bool) -> Result<(Vec<String>, Output), String> {
    let (out, added) = (at("out"), "/etc/cron.d/added");
    // Jobs at the start are run once after each boot.
    for stale in [&out, "/run/crond.reboot", added] {
        let _ = fs::remove_file(stale);
    }
    if intruded {
        fs::write(added, WANTED).map_err(text)?;
    }
    let steps = if intruded { STEPS } else { "" };
    fs::write("/root/job", format!("{JOB}{steps}echo end\n")).map_err(text)?;
    let running = CRON.start(way)?;
    let lines = || -> Vec<String> {
        fs::read_to_string(&out).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    let wanted: &[&str] = if intruded && way == Way::Alone { &["end", "new"] } else { &["end"] };
    let finished = until("the jobs are done", PATIENCE, || {
        Ok(wanted.iter().all(|line| lines().iter().any(|written| written == line)))
    });
    let output = running.end()?;
    let lines = lines();
    finished.map_err(|why| format!("{why}: {lines:?}; {}; {:?}", err(&output), alerts(&output)))?;
    let works = ["welcome", "fetched", "end"].iter().all(|line| lines.iter().any(|l| l == line));
    holds(works, format!("{lines:?}; {}", err(&output)))?;
    Ok((lines, output))
}

pub fn cron() -> Outcome {
    prepared()?;
    for directory in ["/etc/cron.d", "/etc/pam.d", "/var/spool/cron/crontabs"] {
        fs::create_dir_all(directory).map_err(text)?;
    }
    let permitted = ["account", "auth", "session"]
        .map(|kind| format!("{kind} required /usr/lib/x86_64-linux-gnu/security/pam_permit.so\n"));
    fs::write("/etc/pam.d/cron", permitted.concat()).map_err(text)?;
    fs::write("/etc/crontab", CRONTAB).map_err(text)?;
    fs::write("/root/job", JOB).map_err(text)?;
    fs::set_permissions("/root/job", fs::Permissions::from_mode(0o755)).map_err(text)?;

    let (lines, _) = jobs(Way::Alone, true)?;
    same("what jobs can do", could(&lines), ALL.to_vec())?;
    let (_, output) = jobs(Way::Learned, false)?;
    learned(&output)?;
    let (lines, output) = jobs(Way::Armed, true)?;
    same("what they can do armed", could(&lines), vec![])?;
    holds(!lines.iter().any(|line| line == "new"), "the new job was run")?;
    let mut told = TOLD.to_vec();
    told.push("/etc/cron.d/added is opened");
    refused(&output, &told)
}

/// What somebody types who works there.
const TYPED: &str = "cd /srv/files
/bin/cat a
/bin/ls -l
for n in 1 2 3; do /bin/grep -c file a; done
echo note > /tmp/learning/note
/bin/busybox wget -q -O /dev/null http://127.0.0.1:8471/
echo worked
";

/// An interactive shell, in which this is typed.
fn typed(way: Way, lines: &str) -> Result<Output, String> {
    let profile = at("session.rhai");
    let shell = ["/bin/sh", "-i"];
    let mut command = Command::new(if way == Way::Alone { shell[0] } else { SHELL });
    match way {
        Way::Alone => command.arg(shell[1]),
        Way::Learned => command.args(["learn", "-o", &profile, "-c"]).args(shell),
        Way::Armed => {
            command.args(["--format", "json", "run", "-c", &profile, "--shadow=false", "--"]).args(shell)
        }
    };
    // A prompt would stand before what is told, in the same line.
    command.env("PS1", "").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(text)?;
    let mut keyboard = child.stdin.take().ok_or("no standard input")?;
    keyboard.write_all(format!("{lines}exit\n").as_bytes()).map_err(text)?;
    drop(keyboard);
    let output = child.wait_with_output().map_err(text)?;
    holds(done(&output).iter().any(|line| line == "worked"), format!("{output:?}"))?;
    Ok(output)
}

pub fn session() -> Outcome {
    prepared()?;
    let intruded = format!("{TYPED}{STEPS}");
    same("what can be typed", could(&done(&typed(Way::Alone, &intruded)?)), ALL.to_vec())?;
    learned(&typed(Way::Learned, TYPED)?)?;
    let armed = typed(Way::Armed, &intruded)?;
    same("what can be done armed", could(&done(&armed)), vec![])?;
    refused(&armed, &TOLD)
}
