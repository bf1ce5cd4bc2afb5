//! Claims about texts from the kernel: none loses a byte, and none is taken for another.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    process::Command,
};

use serde_json::{Value, json};

use super::{
    Outcome, holds, same,
    shell::{self, Shell},
};

/// Of the files there: not UTF-8, not UTF-8 either, what the first looks like escaped, a character that stands for
/// a byte, plain.
const NAMES: [&[u8]; 5] = [b"a\xff", b"a\xfe", br"a\xff", "a\u{efff}".as_bytes(), "aä".as_bytes()];

/// A directory with a file of each name; its path ends with `/`.
fn directory(name: &str) -> Result<String, String> {
    let directory = format!("/tmp/texts/{name}/");
    fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
    for name in NAMES {
        fs::write(path(&directory, name), "content\n").map_err(|e| e.to_string())?;
    }
    Ok(directory)
}

fn path(directory: &str, name: &[u8]) -> std::path::PathBuf {
    OsStr::from_bytes(&[directory.as_bytes(), name].concat()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An event's path is found again by programs, params and filters, and is no other.
pub fn found_again() -> Outcome {
    let directory = directory("bytes")?;
    let ended = shell::run(&format!(
        r#"
        let names = [];
        let p = probe("file_open", #{{path_prefix: "{directory}a"}}).scope(#{{pid: getpid()}}).name("t")
            .on_event(|e| {{ if !(e.path in names) {{ names.push(e.path) }} }}).attach();
        run(["sh", "-c", "cat {directory}a*"]);
        run_for("300ms");
        p.detach();
        fn refused(p, names) {{
            p.scope(#{{pid: getpid()}}).deny("EPERM").attach();
            let all = [];
            for name in names {{ all.push(run(["cat", name]).code != 0); }}
            p.detach();
            all
        }}
        let found = []; let by_param = []; let by_filter = [];
        for name in names {{
            found.push(run(["ls", name]).code);
            by_param.push(refused(probe("file_open", #{{path: name}}), names));
            by_filter.push(refused(probe("file_open").when(|e| e.path == name), names));
        }}
        let literal = refused(
            probe("file_open").when(|e| e.path.starts_with("{directory}") && e.path.ends_with("\uefff")), names);
        emit(#{{names: names, found: found, by_param: by_param, by_filter: by_filter, literal: literal}});
        "#
    ))?;
    ended.well()?;
    let emitted = ended.emitted()?;
    let names: Vec<_> = emitted["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    same("names", names.iter().collect::<BTreeSet<_>>().len(), NAMES.len())?;
    holds(names.contains(&"/tmp/texts/bytes/a\u{efff}"), format!("0xff is U+EFFF: {names:?}"))?;
    same("found again by a program", &emitted["found"], &json!([0, 0, 0, 0, 0]))?;
    // Each refuses itself, and no other.
    let own: Vec<Vec<bool>> = (0..5).map(|own| (0..5).map(|other| own == other).collect()).collect();
    same("by param", &emitted["by_param"], &json!(own))?;
    same("by filter", &emitted["by_filter"], &json!(own))?;
    let literal: Vec<_> = names.iter().map(|name| *name == "/tmp/texts/bytes/a\u{efff}").collect();
    same("by a literal", &emitted["literal"], &json!(literal))
}

/// NDJSON has the bytes, and a summary a row for each name.
pub fn recorded() -> Outcome {
    let directory = directory("rows")?;
    let ended = shell::run(&format!(
        r#"
        let p = probe("file_open", #{{path_prefix: "{directory}a"}}).scope(#{{pid: getpid()}}).name("t")
            .count_by("path").events(true).attach();
        run(["sh", "-c", "cat {directory}a*; cat {directory}a*"]);
        run_for("300ms");
        emit(#{{of: p.counts().of("{directory}a\uefff"), rows: p.counts().rows.map(|row| row.path)}});
        p.counts().show();
        p.detach();
        "#
    ))?;
    ended.well()?;
    let expected: BTreeSet<_> =
        NAMES.iter().map(|name| hex(&[directory.as_bytes(), name].concat())).collect();
    let bytes = |record: &Value| match &record["path_hex"] {
        Value::String(hex) => hex.clone(),
        _ => hex(record["path"].as_str().unwrap_or_default().as_bytes()),
    };
    same("events", ended.events().map(bytes).collect(), expected.clone())?;
    let summary = ended.lines.iter().find(|line| line["type"] == "summary").ok_or("no summary")?;
    let rows = summary["rows"].as_array().ok_or("no rows")?;
    same("rows", rows.iter().map(bytes).collect(), expected)?;
    holds(rows.iter().all(|row| row["count"] == 2), format!("two of each: {rows:?}"))?;
    let emitted = ended.emitted()?;
    same("one group", &emitted["of"], &json!(2))?;
    same("rows of the script", emitted["rows"].as_array().map(Vec::len), Some(NAMES.len()))
}

/// A thread's name and an executable's, in a scope: those of these bytes, and no others.
pub fn scope() -> Outcome {
    let directory = directory("scoped")?;
    let file = format!("{directory}file");
    fs::write(&file, "content\n").map_err(|e| e.to_string())?;
    let programs = [path(&directory, b"c\xff"), path(&directory, b"c\xfe")];
    for program in &programs {
        fs::copy("/bin/busybox", program).map_err(|e| e.to_string())?;
    }
    let read =
        |program| Command::new(program).arg0("cat").arg(&file).output().map(|output| output.status.success());
    for scope in ["comm: \"c\\uefff\"".to_owned(), format!("exe: \"{directory}c\\uefff\"")] {
        let mut shell = Shell::ready(&format!(
            "let p = probe(\"file_open\", #{{path: \"{file}\"}}).scope(#{{{scope}}}).deny(\"EPERM\").name(\"t\").attach();
             print(\"ready\");"
        ))?;
        let done = programs.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        same(&scope, done, vec![false, true])?;
        let event = shell.wait_for(|line| line["type"] == "event" && line["path"] == file.as_str())?;
        same("comm", &event["comm"], &json!("c\u{efff}"))?;
        same("its bytes", &event["comm_hex"], &json!("63ff"))?;
        shell.stop()?.well()?;
    }
    Ok(())
}

/// In text each argument is a word as a shell reads it, and none plays another field.
pub fn words() -> Outcome {
    let script = r#"
        probe("exec", #{ args: true }).scope(#{ pid: getpid() }).name("t").attach();
        run(["true", "a", "b"]);
        run(["true", "a,b"]);
        run(["true", "it's", "", "\uefff", "\n"]);
        run(["true", "x notes=guarded cwd=/root argv=true", "cwd=/root"]);
        run_for("300ms");
        exit();
    "#;
    let output = shell::for_people()
        .args(["--color", "never", "-e", script])
        .current_dir("/tmp")
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8(output.stdout).map_err(|e| e.to_string())?;
    let lines: Vec<_> = text.lines().filter(|line| line.contains(" argv=true")).collect();
    let expected = [
        " argv=true a b filename=/bin/true cwd=/tmp",
        " argv=true 'a,b' filename=/bin/true cwd=/tmp",
        r" argv=true $'it\'s' '' $'\xff' $'\n' filename=/bin/true cwd=/tmp",
        " argv=true 'x notes=guarded cwd=/root argv=true' 'cwd=/root' filename=/bin/true cwd=/tmp",
    ];
    same("lines", lines.len(), expected.len())?;
    for (line, end) in lines.iter().zip(expected) {
        holds(line.ends_with(end), format!("{line:?} ends with {end:?}"))?;
        // Nobody asked for a verdict, nor what decided.
        holds(!line.contains(" allow ") && !line.contains(" notes=late"), format!("{line:?}"))?;
    }
    Ok(())
}

/// What would do nothing is an error.
pub fn refused() -> Outcome {
    let ended = shell::run(
        r#"
        let p = probe("exec", #{args: true}).scope(#{pid: getpid()}).name("t").count_by("uid").attach();
        let q = probe("exec").scope(#{pid: getpid()}).name("q").count().attach();
        let said = [];
        p.on_event(|e| {
            let tried = |f| { try { f.call(); said.push("done") } catch (error) { said.push(`${error}`) } };
            tried.call(|| { e.argv[0] = "x"; });
            tried.call(|| { e.path = "x"; });
            tried.call(|| { e["path"] = "x"; });
            tried.call(|| { e.argv.push("x"); });
            said.push([e.argv.join(" "), e.argv.map(|word| word.len()), e.argv.filter(|word| word == "b"), e.argv.len(),
                e.path.split("/").len() > 1, e.argv.quoted()]);
        });
        run(["true", "a,b", "b"]);
        run_for("300ms");
        tried_of(p, q);
        fn tried_of(p, q) {
            let said = [];
            try { p.counts().of("0") } catch (error) { said.push(`${error}`) }
            try { p.counts().of([0, 0]) } catch (error) { said.push(`${error}`) }
            try { q.counts().of("x") } catch (error) { said.push(`${error}`) }
            emit(#{of: said, counts: [p.counts().of(0), p.counts().of([0]), p.counts().of(7), q.counts().of(), q.counts().of([])]});
        }
        emit(#{said: said});
        p.detach(); q.detach();
        "#,
    )?;
    ended.well()?;
    let record =
        |key: &str| ended.lines.iter().find(|line| !line[key].is_null()).map(|line| line[key].clone());
    let said = record("said").ok_or("nothing said")?;
    for index in 0..4 {
        let text = said[index].as_str().unwrap_or_default();
        holds(text.contains("an event cannot be changed"), format!("{index}: {said}"))?;
    }
    same("of a list", &said[4], &json!(["true a,b b", [4, 3, 1], ["b"], 3, true, "true 'a,b' b"]))?;
    let of = record("of").ok_or("no `of`")?;
    for (index, words) in
        [["`uid` is a number", "\"0\""], ["grouped by `uid`", "2 values"], ["not grouped", "`.of()`"]]
            .iter()
            .enumerate()
    {
        let text = of[index].as_str().unwrap_or_default();
        holds(words.iter().all(|word| text.contains(word)), format!("{words:?} in {text:?}"))?;
    }
    same("counts", record("counts"), Some(json!([1, 1, 0, 1, 1])))
}
