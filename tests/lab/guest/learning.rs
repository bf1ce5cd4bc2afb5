//! Claims about `learn`: what is done is allowed, what was not done is refused, and two runs of one thing are one profile.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{
    Outcome, holds,
    hunts::LIBRARY,
    pace::until,
    same,
    shell::{SHELL, Shell},
};

const PLACE: &str = "/tmp/learning";
const PATIENCE: Duration = Duration::from_secs(60);

/// What a build step may do: files with names of their own at each run, many of one directory, its own entry in /proc, programs, a
/// connection.
const WORK: &str = "
for n in 1 2 3; do
    f=$(/bin/mktemp /tmp/learning/scratch.XXXXXX); echo $n > $f; /bin/cat $f > /dev/null
    mkdir -p /tmp/learning/work/$$; echo x > /tmp/learning/work/$$/out.o; /bin/rm -r $f
done
for n in 1 2 3 4 5 6 7 8 9; do /bin/cat /tmp/learning/data/f$n > /dev/null; done
/bin/cat /proc/self/status /etc/passwd > /dev/null
/tmp/learning/busybox-tool true
/bin/busybox wget -q -O /dev/null http://127.0.0.1:8471/
";
/// What somebody does who has come in: each step says whether it could be done.
const INTRUSION: &str = "
/bin/cat /etc/shadow > /dev/null 2>&1 && echo read
echo x 2> /dev/null > /etc/passwd.new && echo written
/tmp/learning/busybox-dropped true 2> /dev/null && echo executed
/bin/busybox wget -q -O /dev/null http://127.0.0.1:8472/ 2> /dev/null && echo connected
/bin/cat /tmp/learning/data/new > /dev/null 2>&1 && echo like the rest
exit 0
";

pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(super) fn at(name: &str) -> String {
    format!("{PLACE}/{name}")
}

/// The place, with its programs and data; and somebody who listens.
pub(super) fn prepared() -> Result<(), String> {
    let _ = fs::remove_dir_all(PLACE);
    fs::create_dir_all(at("data")).map_err(text)?;
    for n in 1..10 {
        fs::write(at(&format!("data/f{n}")), "x").map_err(text)?;
    }
    fs::write(at("data/new"), "x").map_err(text)?;
    fs::write("/etc/shadow", "root:*:1:0:99999:7:::\n").map_err(text)?;
    for program in ["busybox-tool", "busybox-dropped"] {
        let path = at(program);
        fs::copy("/bin/busybox", &path).map_err(text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(text)?;
    }
    static LISTENING: std::sync::OnceLock<Result<(), String>> = std::sync::OnceLock::new();
    LISTENING.get_or_init(|| [8471, 8472].into_iter().try_for_each(listens)).clone()
}

/// Gives an empty page to whoever asks, for as long as the suite runs.
fn listens(port: u16) -> Result<(), String> {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(text)?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    Ok(())
}

pub(super) fn run(words: &[&str]) -> Result<Output, String> {
    Command::new(SHELL).args(words).stdin(Stdio::null()).output().map_err(text)
}

pub(super) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(super) fn well(what: &str, output: &Output) -> Outcome {
    same(what, output.status.code(), Some(0))
        .map_err(|why| format!("{why}: {}\n{}", err(output), out(output)))
}

/// Runs a script under a profile.
fn under(profile: &str, words: &[&str], script: &str) -> Result<Output, String> {
    let profile = at(profile);
    let mut all = vec!["--format", "json", "run", "-c", &profile];
    all.extend(words);
    all.extend(["--", "/bin/sh", "-c", script]);
    run(&all)
}

/// What the alerts say, with their verdicts.
pub(super) fn alerts(output: &Output) -> Vec<(String, String)> {
    let lines = out(output);
    let values = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = |line: Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&line["text"]), text(&line["event"]["verdict"]))
    };
    values.filter(|line| line["type"] == "alert").map(told).collect()
}

/// What the intruder says could be done.
pub(super) fn done(output: &Output) -> Vec<String> {
    let lines = out(output);
    lines.lines().filter(|line| !line.starts_with('{')).map(str::to_owned).collect()
}

fn learned(name: &str, script: &str) -> Outcome {
    let output = run(&["learn", "-o", &at(name), "-c", "/bin/sh", "-c", script])?;
    well("learn", &output)?;
    holds(err(&output).contains("learning exec, file_open, connect from /bin/sh"), err(&output))
}

const ALL: [&str; 5] = ["read", "written", "executed", "connected", "like the rest"];

pub fn of_a_command() -> Outcome {
    prepared()?;
    learned("one.rhai", WORK)?;
    learned("two.rhai", WORK)?;
    let (one, two) = (
        fs::read_to_string(at("one.rhai")).map_err(text)?,
        fs::read_to_string(at("two.rhai")).map_err(text)?,
    );
    let differs = one.lines().zip(two.lines()).find(|(one, two)| one != two);
    holds(one == two, format!("two runs differ: {differs:?}\n{one}"))?;
    for wanted in [
        "    \"/tmp/learning/busybox-tool\", // once, by /bin/busybox",
        "    \"/tmp/learning/data/\", // a few times, by /bin/busybox",
        "    \"^/tmp/learning/scratch\\\\.[0-9A-Za-z_]{6}$\", // a few times, by /bin/busybox",
        "    \"^/tmp/learning/work/[0-9]+/out\\\\.o$\", // a few times, by /bin/busybox",
        "    \"^/proc/[0-9]+/status$\", // once, by /bin/busybox",
        "        || (e.port == 8471 && e.address in cidr(\"127.0.0.1\")) // once, by /bin/busybox",
    ] {
        holds(one.lines().any(|line| line == wanted), format!("no line `{wanted}` in\n{one}"))?;
    }
    let armed = under("one.rhai", &["--shadow=false"], WORK)?;
    well("the same work under the profile", &armed)?;
    same("what of it is refused", alerts(&armed), vec![])?;

    // Only told, as the profile is by itself.
    let told = under("one.rhai", &[], INTRUSION)?;
    same("what an intruder can do while nothing is refused", done(&told), ALL.map(str::to_owned).to_vec())?;
    let said = alerts(&told);
    holds(said.len() >= 4 && said.iter().all(|(_, verdict)| verdict == "would-deny"), format!("{said:?}"))?;
    let _ = fs::remove_file("/etc/passwd.new");

    let refused = under("one.rhai", &["--shadow=false"], INTRUSION)?;
    same("what an intruder can do", done(&refused), vec!["like the rest".to_owned()])?;
    let said = alerts(&refused);
    for wanted in [
        "/etc/shadow is opened",
        "/etc/passwd.new is opened",
        "/tmp/learning/busybox-dropped is opened",
        "127.0.0.1 8472",
    ] {
        holds(
            said.iter().any(|(text, verdict)| text.contains(wanted) && verdict == "deny"),
            format!("`{wanted}` is not told: {said:?}; {}", err(&refused)),
        )?;
    }
    // An open that is refused may have made the file before: to refuse that is for the template create.
    let written = fs::read_to_string("/etc/passwd.new").unwrap_or_default();
    let _ = fs::remove_file("/etc/passwd.new");
    same("what was written", written, String::new())
}

pub fn refined() -> Outcome {
    prepared()?;
    learned("one.rhai", WORK)?;
    let before = fs::read_to_string(at("one.rhai")).map_err(text)?;
    fs::copy(at("one.rhai"), at("other.rhai")).map_err(text)?;
    well(
        "refine by another run",
        &run(&["learn", "--refine", &at("one.rhai"), "-c", "/bin/sh", "-c", INTRUSION])?,
    )?;
    let after = fs::read_to_string(at("one.rhai")).map_err(text)?;
    let added: Vec<_> = after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
    holds(
        before.lines().all(|line| after.lines().any(|new| new == line)),
        format!("a line is gone:\n{after}"),
    )?;
    for wanted in
        ["\"/etc/shadow\"", "\"/etc/passwd.new\"", "\"/tmp/learning/busybox-dropped\"", "e.port == 8472"]
    {
        holds(added.iter().any(|line| line.contains(wanted)), format!("no {wanted} among {added:?}"))?;
    }
    let allowed = under("one.rhai", &["--shadow=false"], INTRUSION)?;
    same("what is allowed then", done(&allowed), ALL.map(str::to_owned).to_vec())?;
    same("and told", alerts(&allowed), vec![])?;
    let _ = fs::remove_file("/etc/passwd.new");

    // The same from a recording of what the profile would have refused.
    let profile = at("other.rhai");
    let words = ["record", "-o", &at("file.zst"), "-c", &profile, "--", "/bin/sh", "-c", INTRUSION];
    // What it has found is its exit code.
    same("a recording", run(&words)?.status.code(), Some(4))?;
    let _ = fs::remove_file("/etc/passwd.new");
    well("refine by a recording", &run(&["learn", "--refine", &profile, &at("file.zst")])?)?;
    let by_recording = fs::read_to_string(&profile).map_err(text)?;
    same("what both make of it", by_recording.lines().count(), after.lines().count())
        .map_err(|why| format!("{why}\n{by_recording}\n---\n{after}"))?;
    let allowed = under("other.rhai", &["--shadow=false"], INTRUSION)?;
    let _ = fs::remove_file("/etc/passwd.new");
    same("what is allowed by that", done(&allowed), ALL.map(str::to_owned).to_vec())
}

/// A web server, and whatever it is that uses it.
struct Server(Child);

impl Server {
    fn start(port: u16) -> Result<Self, String> {
        let mut command = Command::new("/bin/busybox");
        command.args(["httpd", "-f", "-p", &format!("127.0.0.1:{port}"), "-h", &at("www")]);
        let server = Server(command.spawn().map_err(text)?);
        until("it listens", PATIENCE, || Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()))?;
        Ok(server)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the server gives this page.
fn gives(port: u16, page: &str) -> Result<bool, String> {
    let address = format!("http://127.0.0.1:{port}/{page}");
    let got = Command::new("/bin/busybox").args(["wget", "-q", "-O", "/dev/null", &address]).status();
    got.map(|status| status.success()).map_err(text)
}

/// Starts the shell, and waits until it says this on standard error.
fn started(words: &[&str], says: &str) -> Result<Child, String> {
    let log = at("log");
    let file = fs::File::create(&log).map_err(text)?;
    let mut command = Command::new(SHELL);
    let child =
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().map_err(text)?;
    until("it has begun", PATIENCE, || Ok(fs::read_to_string(&log).is_ok_and(|text| text.contains(says))))
        .map_err(|why| format!("{why}: {}", fs::read_to_string(&log).unwrap_or_default()))?;
    Ok(child)
}

pub fn of_a_server() -> Outcome {
    prepared()?;
    fs::create_dir_all(at("www")).map_err(text)?;
    for page in ["index.html", "about.html", "secret.html"] {
        fs::write(at(&format!("www/{page}")), page).map_err(text)?;
    }
    let profile = at("server.rhai");
    let server = Server::start(8473)?;
    let mut learning =
        started(&["learn", "-o", &profile, "-p", &server.pid()], "learning exec, file_open, connect")?;
    for page in ["index.html", "about.html"] {
        holds(gives(8473, page)?, format!("the server does not give {page}"))?;
    }
    drop(server);
    // It ends with the process.
    let code = learning.wait().map_err(text)?.code();
    same("learn", code, Some(0))
        .map_err(|why| format!("{why}: {}", fs::read_to_string(at("log")).unwrap_or_default()))?;

    let server = Server::start(8473)?;
    let ready = at("ready.rhai");
    let learned = fs::read_to_string(&profile).map_err(text)?;
    fs::write(&ready, format!("{learned}\nprint(\"ready\");\n")).map_err(text)?;
    let mut guard =
        Shell::start(&["--format", "json", "run", "-p", &server.pid(), &ready, "--shadow=false"])?;
    guard.wait_for(|line| line["text"] == "ready")?;
    for (page, given) in [("index.html", true), ("about.html", true), ("secret.html", false)] {
        same(page, gives(8473, page)?, given).map_err(|why| format!("{why}\n{learned}"))?;
    }
    guard.wait_for(|line| line["type"] == "alert" && line["text"].to_string().contains("secret.html"))?;
    drop(server);
    guard.end().map(drop)
}

/// What a command of the jail tries, one step each, and says if it could.
const TRIES: &str = "
step() { name=$1; shift; \"$@\" > /dev/null 2>&1 && echo $name; }
step key /bin/cat /root/.ssh/id_ed25519
step shadow /bin/cat /etc/shadow
step environment /bin/cat /proc/1/environ
step elsewhere /bin/touch /etc/jail-made
step beside /bin/touch /etc/jail-made-too
step directory /bin/mkdir /opt/jail-made
step removed /bin/rm /etc/jail-there
step renamed /bin/mv /etc/jail-there /tmp/learning/here/taken
step hard-linked /bin/ln /etc/jail-there /tmp/learning/here/name
step mode /bin/chmod 777 /etc/jail-there
step mounted /bin/mount -t tmpfs none /tmp/learning/here/data
step bound /bin/mount -o bind /etc /tmp/learning/here/data
step shell /bin/kill -STOP $SHELL_PID
step here /bin/touch /tmp/learning/here/made
step scratch /bin/mktemp /tmp/jail.XXXXXX
step read /bin/cat /etc/passwd
step local /bin/busybox wget -q -O /dev/null http://127.0.0.1:8471/
step linked /bin/ln -s /etc/jail-there /tmp/learning/here/symbolic
step through /bin/dd if=/bin/sh of=/tmp/learning/here/symbolic bs=1 count=1
step moved /bin/mv /tmp/learning/here/made /tmp/learning/here/made2
exit 0
";

pub fn jail() -> Outcome {
    let jail = format!("{LIBRARY}/jail.rhai");
    prepared()?;
    fs::create_dir_all(at("here/data")).map_err(text)?;
    fs::create_dir_all("/root/.ssh").map_err(text)?;
    fs::create_dir_all("/opt").map_err(text)?;
    fs::write("/root/.ssh/id_ed25519", "key").map_err(text)?;
    fs::write("/etc/jail-there", "x").map_err(text)?;
    fs::write(at("tries.sh"), format!("SHELL_PID=$PPID\n{TRIES}")).map_err(text)?;
    let tried = |words: &[&str]| -> Result<Output, String> {
        let mut command = Command::new(SHELL);
        command.current_dir(at("here")).args(["--format", "json", "run", "-c", &jail]).args(words);
        command.args(["--", "/bin/sh", &at("tries.sh")]).stdin(Stdio::null()).output().map_err(text)
    };
    let refused = tried(&[])?;
    let may = ["here", "scratch", "read", "local", "linked", "moved"];
    same("what a jailed command can do", done(&refused), may.map(str::to_owned).to_vec())
        .map_err(|why| format!("{why}: {}\n{:?}", err(&refused), alerts(&refused)))?;
    let said = alerts(&refused);
    for rule in [
        "secrets: /root/.ssh/id_ed25519",
        "secrets: /etc/shadow",
        "writes: /etc/jail-made",
        "writes: /opt/jail-made",
        "kernel: a mount",
        "shell: ",
    ] {
        holds(
            said.iter().any(|(text, verdict)| text.starts_with(rule) && verdict == "deny"),
            format!("`{rule}` is not told: {said:?}"),
        )?;
    }
    same("what a jail changes", fs::read_to_string("/etc/jail-there").map_err(text)?, "x".to_owned())?;
    let offline =
        tried(&["--offline", "--writable", "/etc/jail-made", "--readable", "/root/.ssh/id_ed25519"])?;
    let can = done(&offline);
    holds(
        ["elsewhere", "local", "key"].iter().all(|wanted| can.iter().any(|step| step == wanted))
            // A file is meant alone.
            && !can.iter().any(|step| step == "beside"),
        format!("{can:?}"),
    )?;
    let _ = fs::remove_file("/etc/jail-made");
    Ok(())
}
