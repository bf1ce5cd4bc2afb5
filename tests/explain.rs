//! `krsi-sh explain`: what a script's probes would do, told without doing anything.

use std::{os::unix::process::CommandExt, path::Path, process, time::Duration};

use assert_cmd::Command;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_krsi-sh");
/// Nobody waits for what is only explained.
const PATIENCE: Duration = Duration::from_secs(30);

struct Told {
    code: i32,
    out: String,
    log: String,
}

fn told(output: &process::Output) -> Told {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Told { code: output.status.code().unwrap(), out: text(&output.stdout), log: text(&output.stderr) }
}

fn explain(words: &[&str]) -> Told {
    let mut command = Command::new(PROGRAM);
    command.env_remove("KRSI_SH_FORMAT").args(["--color=never", "explain"]).args(words).timeout(PATIENCE);
    told(&command.output().unwrap())
}

fn probes(code: &str) -> Vec<Value> {
    let Told { code, out, log } = explain(&["--format=json", "-e", code]);
    assert_eq!(code, 0, "{log}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const HUNT: &str = r#"let shells = ["bash", "sh"];
let p = probe("file_open").scope(#{ uid: 1000 })
    .when(|e| e.uid >= 1000 && e.path.starts_with("/tmp/") && e.comm in shells)
    .where_user(|e| e.path.len() > 20)
    .deny("EPERM").lease("10m").name("blocked").attach();
p.on_event(|e| print(e));
let q = probe("file_open").when(|e| e.exe.contains("evil")).count_by(["comm"]);
print("not for whoever wants it explained");
"#;

#[test]
fn what_an_event_tells_and_the_stacks_are_told() {
    let stage = |code: &str, name: &str| {
        let stages = probes(code)[0]["stages"].clone();
        let found = stages.as_array().unwrap().iter().find(|stage| stage["stage"] == name).cloned();
        found.map(|stage| stage["does"].as_str().unwrap().to_owned())
    };
    let narrow = r#"probe("exec").fields(["pid", "path"]).ustack().count_by("kstack").events(true)"#;
    assert_eq!(stage(narrow, "event").as_deref(), Some("sent, telling pid, path"));
    assert_eq!(stage(narrow, "stacks").as_deref(), Some("kstack, ustack"));
    assert_eq!(stage(r#"probe("exec")"#, "event").as_deref(), Some("sent"));
    assert_eq!(stage(r#"probe("exec")"#, "stacks"), None);
}

#[test]
fn who_is_asked_and_how_long_is_told() {
    let code =
        r#"probe("exec").scope(#{uid: 1000}).ask(|e| allow(), #{timeout: "10s", otherwise: deny("EACCES")})"#;
    let stages = probes(code)[0]["stages"].clone();
    let does = |name: &str| {
        let found = stages.as_array().unwrap().iter().find(|stage| stage["stage"] == name);
        found.map(|stage| stage["does"].as_str().unwrap().to_owned())
    };
    assert_eq!(does("answer").as_deref(), Some("ask, otherwise deny(EACCES); held up to 10s, 64 at once"));
    assert_eq!(does("ask").as_deref(), Some("decides about each operation that is held"));
}

#[test]
fn what_a_callback_asks_first_is_told() {
    let told = |name: &str, code: &str| {
        let stages = probes(code)[0]["stages"].clone();
        let found = stages.as_array().unwrap().iter().find(|stage| stage["stage"] == name).cloned();
        found.unwrap()["does"].as_str().unwrap().to_owned()
    };
    let first = "; what it asks first is answered without Rhai: (uid == 0)";
    let asked = told("where_user", r#"probe("exec").where_user(|e| e.uid == 0)"#);
    assert_eq!(asked, format!("is asked about each event that was sent{first}"));
    let called = |callback: &str| told("on_event", &format!("probe(\"exec\").on_event({callback})"));
    assert_eq!(called("|e| if e.uid == 0 { print(e) }"), format!("is called with each event{first}"));
    for without in ["|e| print(e.uid == 0)", "|| print(0)", "|e| if e.wall_ns == 0 { print(e) }"] {
        assert_eq!(called(without), "is called with each event", "{without}");
    }
}

#[test]
fn a_script_is_told_stage_by_stage() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("hunt.rhai"), HUNT).unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .env_remove("KRSI_SH_FORMAT")
        .args(["--color=never", "explain", "hunt.rhai"])
        .current_dir(directory.path())
        .timeout(PATIENCE);
    let Told { code, out, log } = told(&command.output().unwrap());
    assert_eq!((code, &log[..]), (0, ""));
    let cells: Vec<Vec<&str>> = out
        .lines()
        .map(|line| line.trim().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    let gathered = &probes("probe(\"file_open\")")[0]["stages"][1];
    assert_eq!(gathered["stage"], "gathering");
    let gathered = gathered["does"].as_str().unwrap();
    let understood =
        "((uid >= 1000) && path.starts_with(\"/tmp/\") && (comm.equals(\"bash\") || comm.equals(\"sh\")))";
    assert_eq!(cells[0], ["blocked: template file_open, hooks file_open"]);
    assert_eq!(cells[1], ["kernel", "scope", "uid 1000"]);
    let first = "((uid >= 1000) && (comm.equals(\"bash\") || comm.equals(\"sh\")))";
    assert_eq!(cells[2], ["kernel", "first", first]);
    assert!(cells[3][0].contains(" of 256 instructions, at most "), "{:?}", cells[3]);
    assert_eq!(cells[4], ["kernel", "gathering", "for the filter: uid, comm, path"]);
    assert_eq!(cells[5], ["kernel", "gathering", gathered]);
    assert_eq!(cells[6], ["kernel", "filter", understood, "[hunt.rhai:3]"]);
    assert!(cells[7][0].contains(" of 4000 instructions, at most "), "{:?}", cells[7]);
    assert_eq!(cells[8], ["kernel", "answer", "deny(EPERM), lease 10m"]);
    assert_eq!(cells[9], ["kernel", "event", "sent"]);
    assert_eq!(cells[10][1..], ["where_user", "is asked about each event that was sent", "[hunt.rhai:4]"]);
    assert_eq!(cells[11][1..], ["on_event", "is called with each event", "[hunt.rhai:6]"]);
    assert_eq!(
        cells[13],
        ["file_open-2: template file_open, hooks file_open; the script does not attach it"]
    );
    assert!(out.contains("aggregation  count by comm\n"), "{out}");
    assert!(out.ends_with("event        not sent: it is counted instead\n"), "{out}");
}

#[test]
fn json_is_one_object_a_probe_with_all_there_is_to_know() {
    let all = probes(HUNT);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["probe"], "blocked");
    assert_eq!(all[0]["attached"], true);
    assert_eq!(
        all[0]["stages"][0],
        serde_json::json!({"where": "kernel", "stage": "scope", "does": "uid 1000"})
    );
    assert_eq!(all[0]["stages"][4]["at"], "-e:3");
    assert_eq!(all[0]["stages"][1]["does"], all[0]["first"]["understood"]);
    assert_eq!(all[1]["first"], Value::Null);
    let filter = &all[1]["filter"];
    assert_eq!(filter["understood"], "exe.contains(\"evil\")");
    let number = |name: &str| filter[name].as_u64().unwrap_or_else(|| panic!("{name}: {filter}"));
    assert!(number("instructions") >= filter["code"].as_array().unwrap().len() as u64);
    assert!(number("instructions") <= number("room"));
    assert!(number("at_most") > number("instructions"), "a search turns");
    assert!(number("verifier_steps") < number("verifier_limit"));
}

#[test]
fn instructions_are_shown_on_demand() {
    let code = "probe(\"exec\").when(|e| e.uid == 7)";
    let without = explain(&["-e", code]).out;
    let with = explain(&["--instructions", "-e", code]).out;
    let listing = with.strip_prefix(&without).expect("the same before");
    assert!(listing.starts_with("  instructions of the stage `first`\n"), "{listing}");
    assert_eq!(listing.matches("if r2 != 7 goto").count(), 2, "{listing}");
}

#[test]
fn captured_variables_have_the_value_of_the_attach() {
    let code = "let n = 1; let p = probe(\"exec\").when(|e| e.uid == n); n = 2; p.attach(); n = 3;";
    assert_eq!(probes(code)[0]["filter"]["understood"], "(uid == 2)");
}

#[test]
fn nothing_is_done_and_the_explanation_ends_where_something_would_be() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("made");
    let code = format!(
        "probe(\"exec\").attach();\ntry {{ run([\"touch\", {:?}]) }} catch {{ probe(\"exec\") }}\nprobe(\"connect\")",
        made.to_str().unwrap()
    );
    let Told { code, out, log } = explain(&["-e", &code]);
    assert_eq!((code, &log[..]), (0, "krsi-sh: explained up to -e:2: `run` runs a program\n"));
    assert_eq!(out.lines().filter(|line| line.contains(": template ")).count(), 1, "{out}");
    assert!(!Path::new(&made).exists());
    for (code, why) in [
        ("kill(99999999, \"SIGKILL\")", "`kill` and `freeze` send signals"),
        ("probe(\"exec\").preview()", "`preview` asks the kernel"),
        ("exit(7)", "the script ends itself with exit code 7"),
        ("loop { sleep(1000) }", "the script goes on for more than 30 million steps"),
    ] {
        let Told { code, log, .. } = explain(&["-e", code]);
        assert_eq!((code, &log[..]), (0, &format!("krsi-sh: explained up to -e:1: {why}\n")[..]));
    }
}

#[test]
fn nothing_is_waited_for() {
    let code = "let p = probe(\"exec\").count(); p.attach(); run_for(\"1h\"); sleep(3600); \
                after(\"1h\", || print(\"late\")); print(p.counts().total); if p.take().len() == 1 { probe(\"connect\") }";
    assert_eq!(probes(code).len(), 2);
}

#[test]
fn an_error_is_shown_at_its_place_behind_what_could_be_explained() {
    let Told { code, out, log } =
        explain(&["-e", "probe(\"exec\").attach();\nprobe(\"exec\").when(|e| e.colour == 1).attach();"]);
    assert_eq!(code, 1);
    assert!(out.starts_with("exec-1: template exec"), "{out}");
    assert!(log.contains("an event of `exec` has no field `colour`") && log.contains("[-e:2:26]"), "{log}");
    let unscoped = explain(&["-e", "probe(\"exec\").deny().attach()"]);
    assert_eq!(unscoped.code, 1);
    assert!(unscoped.log.contains("`deny(EPERM)` without a scope"), "{}", unscoped.log);
}

#[test]
fn what_stands_behind_the_script_is_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("s.rhai");
    std::fs::write(&script, "probe(args[0]).name(args[1])").unwrap();
    let Told { code, out, log } = explain(&[script.to_str().unwrap(), "exec", "--instructions"]);
    assert_eq!(code, 0, "{log}");
    assert!(out.starts_with("--instructions: template exec"), "{out}");
}

#[test]
fn without_a_script_it_says_what_it_takes() {
    let Told { code, log, .. } = explain(&[]);
    assert_eq!(code, 2);
    assert!(log.contains("allowed: explain FILE, explain -e CODE"), "{log}");
}

#[test]
fn whoever_is_not_root_may_ask() {
    const NOBODY: u32 = 65534;
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("nobody here is root: every test above says it");
    }
    // Where a nobody can reach it.
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = directory.path().join("krsi-sh");
    std::fs::copy(PROGRAM, &program).unwrap();
    let mut command = process::Command::new(program);
    command.args(["explain", "-e", HUNT]).current_dir("/").uid(NOBODY).gid(NOBODY);
    let Told { code, out, log } = told(&command.output().unwrap());
    assert_eq!((code, &log[..]), (0, ""));
    assert!(out.starts_with("blocked: template file_open"), "{out}");
}
