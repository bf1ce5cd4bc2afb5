//! Claims about what a probe counts in the kernel.
//!
//! Four workers open files of known sizes at once, each a known number of times, and what the shell reads from
//! the kernel's tables has to be that number, not one more or less.

use std::ffi::CString;

use serde_json::{Value, json};

use super::{
    Outcome, holds, same,
    shell::{self, Ended, Shell},
    workers::{FOLDER, SIZES, Workers, files, many_files},
};

/// A script with the probe `p` about the files above and these processes, and `rest` once it is attached.
fn script(aggregations: &str, rest: &str) -> String {
    format!(
        "let p = probe(\"file_open\", #{{path_prefix: \"{FOLDER}/\"}}).scope(#{{pid: {}}}).name(\"t\"){aggregations};\n\
         p.attach(); {rest} print(\"ready\");",
        std::process::id()
    )
}

/// The rows of the closing record of one kind.
fn rows<'e>(ended: &'e Ended, kind: &str) -> Result<&'e Vec<Value>, String> {
    let found = ended.lines.iter().find(|line| line["type"] == "summary" && line["kind"] == kind);
    let missing = || format!("no summary `{kind}`: {:?}; {}", ended.lines, ended.stderr);
    found.and_then(|line| line["rows"].as_array()).ok_or_else(missing)
}

fn number(books: &Value, name: &str) -> u64 {
    books[name].as_u64().unwrap_or(u64::MAX)
}

/// The rows, however ties are sorted.
fn unordered(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(Value::to_string);
    rows
}

pub fn exact() -> Outcome {
    const ROUNDS: u32 = 500;
    let files = files()?;
    let shell = Shell::ready(&script(
        ".count_by([\"comm\", \"verdict\"]).sum(\"size\", \"comm\").hist(\"size\").distinct(\"path\", [\"comm\"])",
        "",
    ))?;
    Workers::start(&files, ROUNDS, false)?.wait()?;
    let ended = shell.stop()?;
    ended.well()?;
    let each = |row: fn(&str) -> Value| ["w0", "w1", "w2", "w3"].map(row).to_vec();
    let found = unordered(rows(&ended, "count")?.clone());
    let expected = each(|comm| json!({ "comm": comm, "verdict": "allow", "count": 4 * ROUNDS }));
    same("counts", found, unordered(expected))?;
    let found = unordered(rows(&ended, "sum")?.clone());
    let expected = each(|comm| json!({ "comm": comm, "sum": 6001 * ROUNDS }));
    same("sums", found, unordered(expected))?;
    // What lies between the first and the last bucket is a part of it.
    let of = |from: u64, to: u64, count: u32| json!({ "from": from, "to": to, "count": count });
    let mut buckets = vec![of(0, 1, 4 * ROUNDS), of(1, 2, 4 * ROUNDS)];
    for power in 1..=12 {
        let filled = [9, 12].contains(&power);
        buckets.push(of(1 << power, 2 << power, if filled { 4 * ROUNDS } else { 0 }));
    }
    same("histogram", rows(&ended, "hist")?, &vec![json!({ "buckets": buckets })])?;
    // Of four values HyperLogLog is right: linear counting.
    let found = unordered(rows(&ended, "distinct")?.clone());
    let expected = each(|comm| json!({ "comm": comm, "distinct": 4 }));
    same("distinct values", found, unordered(expected))?;
    let books = ended.books("t")?;
    same("matched", number(books, "matched"), u64::from(16 * ROUNDS))?;
    same("suppressed", number(books, "suppressed"), u64::from(16 * ROUNDS))?;
    same("events", ended.events().count(), 0)
}

pub fn extremes() -> Outcome {
    let files = files()?;
    let shell = Shell::ready(&script(".min(\"size\").max(\"size\", \"comm\").avg(\"size\")", ""))?;
    Workers::start(&files, 50, false)?.wait()?;
    let ended = shell.stop()?;
    ended.well()?;
    same("least", rows(&ended, "min")?, &vec![json!({ "min": 0 })])?;
    let greatest = ["w0", "w1", "w2", "w3"].map(|comm| json!({ "comm": comm, "max": 5000 })).to_vec();
    same("greatest", unordered(rows(&ended, "max")?.clone()), greatest)?;
    same("mean", rows(&ended, "avg")?, &vec![json!({ "avg": 6001.0 / 4.0 })])
}

/// A file of 8 EiB, which takes no room and which anybody can make.
pub fn wide() -> Outcome {
    let path = "/tmp/wide";
    let file = std::fs::File::create(path).map_err(|e| e.to_string())?;
    file.set_len(i64::MAX.unsigned_abs()).map_err(|e| e.to_string())?;
    let ended = shell::run(&format!(
        r#"
        let p = probe("file_open", #{{path: "{path}"}}).scope(#{{pid: getpid()}}).name("t").sum("size").avg("size").hist("size").attach();
        run(["sh", "-c", "for i in 1 2 3 4 5; do : <{path}; done"]);
        emit(#{{sum: p.sum().of([]), total: p.sum().total, avg: p.avg().of([]), text: p.sum().to_string()}});
        p.sum().show(); p.hist().show();
        p.detach();
        "#
    ))?;
    ended.well()?;
    let emitted = ended.emitted()?;
    let sum = 5.0 * i64::MAX as f64;
    same("sum and total", (&emitted["sum"], &emitted["total"]), (&json!(sum), &json!(sum)))?;
    same("mean", &emitted["avg"], &json!(i64::MAX as f64))?;
    holds(
        emitted["text"].as_str().is_some_and(|text| text.ends_with("40.0 EiB")),
        emitted["text"].to_string(),
    )?;
    same("record", rows(&ended, "sum")?, &vec![json!({ "sum": sum })])?;
    let buckets = json!([{ "from": 1_u64 << 62, "to": 1_u64 << 63, "count": 5 }]);
    same("histogram", rows(&ended, "hist")?, &vec![json!({ "buckets": buckets })])
}

pub fn linear() -> Outcome {
    let files = files()?;
    let shell = Shell::ready(&script(".lhist(\"size\", 1, 2001, 500)", ""))?;
    Workers::start(&files, 25, false)?.wait()?;
    let ended = shell.stop()?;
    ended.well()?;
    let of = |from: u64, to: Option<u64>, count: u64| json!({ "from": from, "to": to, "count": count });
    let buckets = json!([
        of(0, Some(1), 100),
        of(1, Some(501), 100),
        of(501, Some(1001), 100),
        of(1001, Some(1501), 0),
        of(1501, Some(2001), 0),
        of(2001, None, 100),
    ]);
    same("buckets", rows(&ended, "lhist")?, &vec![json!({ "buckets": buckets })])
}

/// Taken every few milliseconds while four workers add to it.
pub fn taken() -> Outcome {
    const ROUNDS: u32 = 1500;
    let files = files()?;
    let mut shell = Shell::ready(&script(
        ".count_by(\"comm\").sum(\"size\")",
        "every(\"20ms\", || { let t = p.take(); emit(#{ count: t.count.total, sum: t.sum.total }); });",
    ))?;
    Workers::start(&files, ROUNDS, false)?.wait()?;
    let told = |lines: &[Value], name: &str| -> Vec<u64> {
        let emitted = lines.iter().filter(|line| line["type"] == "emit");
        emitted.filter_map(|line| line[name].as_u64()).collect()
    };
    let (counts, sums) = (u64::from(16 * ROUNDS), u64::from(4 * 6001 * ROUNDS));
    // The workers have ended: a few reports later nothing can be missing any more.
    for _ in 0..1000 {
        if told(&shell.seen, "count").iter().sum::<u64>() >= counts {
            break;
        }
        shell.next()?;
    }
    let ended = shell.stop()?;
    ended.well()?;
    same("all counts", told(&ended.lines, "count").iter().sum::<u64>(), counts)?;
    same("all sums", told(&ended.lines, "sum").iter().sum::<u64>(), sums)?;
    let busy = told(&ended.lines, "count").iter().filter(|n| **n > 0).count();
    holds(busy > 1, "all of it was taken in one report: nothing was added while it was taken")
}

/// Shown again and again, the largest first: what `top` does.
pub fn live() -> Outcome {
    let files = files()?;
    let mut shell =
        Shell::ready(&script(".count_by([\"path\"]).max_keys(100)", "every(\"50ms\", || p.top(2).show());"))?;
    let paths: Vec<CString> = [0, 1, 1, 2, 2, 2].into_iter().map(|n: usize| files[n].clone()).collect();
    Workers::start(&paths, 10, false)?.wait()?;
    let row = |size: u64, count: u32| json!({ "path": format!("{FOLDER}/{size}"), "count": count });
    let expected = json!([row(SIZES[2], 120), row(SIZES[1], 80)]);
    shell.wait_for(|line| line["type"] == "summary" && line["rows"] == expected)?;
    let ended = shell.stop()?;
    ended.well()?;
    let most = ended.lines.iter().filter_map(|line| Some(line["rows"].as_array()?.len())).max();
    same("rows of the longest", most, Some(2))
}

/// More groups than there is room for: what finds none is counted, and nothing is lost in between.
pub fn overflow() -> Outcome {
    let files = many_files(300)?;
    let shell = Shell::ready(&script(".max_keys(16).count_by(\"path\")", ""))?;
    Workers::start(&files, 10, false)?.wait()?;
    let ended = shell.stop()?;
    ended.well()?;
    let rows = rows(&ended, "count")?;
    let counted: u64 = rows.iter().filter_map(|row| row["count"].as_u64()).sum();
    let record = ended.lines.iter().find(|line| line["type"] == "summary").ok_or("no summary")?;
    let overflow = number(record, "overflow");
    same("counted and overflow", counted + overflow, 4 * 300 * 10)?;
    holds((16..=64).contains(&rows.len()), format!("{} groups with room for 16", rows.len()))?;
    same("overflow in the books", number(ended.books("t")?, "overflow"), overflow)
}

/// Enforcement and counting are one probe.
pub fn beside_deny() -> Outcome {
    let files = files()?;
    let shell = Shell::ready(&script(".deny(\"EPERM\").count_by(\"verdict\")", ""))?;
    Workers::start(&files, 100, true)?.wait()?;
    let ended = shell.stop()?;
    ended.well()?;
    same("verdicts", rows(&ended, "count")?, &vec![json!({ "verdict": "deny", "count": 1600 })])?;
    let books = ended.books("t")?;
    same("denied", number(books, "deny"), 1600)?;
    same("suppressed", number(books, "suppressed"), 1600)
}

/// With `.events(true)` an aggregation is no reason to be silent; switched off and on, it goes on counting.
pub fn with_events() -> Outcome {
    files()?;
    let open = format!("run([\"cat\", \"{FOLDER}/1000\"]);");
    let ended = shell::run(&script(
        ".count().events(true)",
        &format!("{open} p.events(false); {open} {open} p.events(true); {open} p.detach();"),
    ))?;
    ended.well()?;
    same("count", rows(&ended, "count")?, &vec![json!({ "count": 4 })])?;
    same("events", ended.events().count(), 2)?;
    same("suppressed", number(ended.books("t")?, "suppressed"), 2)
}
