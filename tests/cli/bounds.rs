//! What a script may use: memory, time, depth. Each runs in a process of its own, since what is bounded is the process.

use std::time::{Duration, Instant};

use super::*;

/// Far beyond what any of these takes, and far below what they took without bounds.
const SOON: Duration = Duration::from_secs(60);

/// What a start takes more, or less, beside other work. What took the square of the time took seconds.
const NOISE: Duration = Duration::from_millis(250);

/// The least of three: other tests run meanwhile.
fn time_of(code: &str) -> Duration {
    let once = || {
        let start = Instant::now();
        let ran = run(&["-e", code]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        start.elapsed()
    };
    (0..3).map(|_| once()).min().unwrap()
}

#[track_caller]
fn is_refused_for_memory(code: &str) {
    let start = Instant::now();
    let ran = run(&["-e", code]);
    assert_eq!(ran.code, Some(1), "{code}: {}", ran.stderr);
    assert!(ran.stderr.contains("512 MiB") || ran.stderr.contains("nested"), "{code}: {}", ran.stderr);
    assert!(start.elapsed() < SOON, "{code}");
}

#[test]
fn collecting_twice_as_much_takes_about_twice_as_long() {
    for (what, begin, step) in [
        ("push", "let a = [];", "a.push(`/tmp/${i}`);"),
        ("map", "let m = #{};", "m[`/tmp/${i}`] = i;"),
        ("text", "let s = \"\";", "s += \"abcdefgh\";"),
        ("nested", "let m = #{ list: [] };", "m.list.push(`/tmp/${i}`);"),
    ] {
        let of = |times: u32| time_of(&format!("{begin} for i in 0..{times} {{ {step} }}"));
        let (nothing, once, four_times) = (of(0), of(50_000), of(200_000));
        let (once, four_times) = (once.saturating_sub(nothing), four_times.saturating_sub(nothing));
        assert!(four_times < once * 10 + NOISE, "{what}: {once:?}, then {four_times:?}");
    }
}

#[test]
fn memory_has_one_bound_whatever_holds_it() {
    for code in [
        // Many values that are each within bounds.
        "let t = \"x\"; t.pad(1_000_000, \"y\"); let a = []; for i in 0..2000 { a.push(t + i); }",
        "let f = []; for i in 0..2000 { let t = \"x\"; t.pad(1_000_000, \"y\"); f.push(|| t); }",
        "fn deep(n) { let t = \"x\"; t.pad(20_000_000, \"y\"); if n > 0 { deep(n - 1) } } deep(60);",
        // One that doubles.
        "let s = \"ab\"; loop { s += s; }",
        // One function of the library that makes much of little.
        "blob(9223372036854775807)",
        "let a = []; a.pad(9223372036854775807, 1);",
        "let s = \"\"; s.pad(9223372036854775807, \"é\");",
        "let s = \"\"; s.pad(9223372036854775807, 'x');",
        "let s = \"x\"; s.pad(1_000_000, \"x\"); let t = s; s.replace(\"x\", t);",
        "let s = \"x\"; s.pad(16_000_000, \"x\"); s.split(\"\");",
        "let s = \"x\"; s.pad(40_000_000, \"x\"); s.to_chars();",
    ] {
        is_refused_for_memory(code);
    }
}

#[test]
fn values_are_not_nested_deeper_than_the_stack_reaches() {
    for code in [
        "let a = []; loop { a = [a]; }",
        "let a = [[]]; loop { a.push([a.pop()]); }",
        "let a = []; loop { a = [take(a)]; }",
        "let m = #{ m: #{} }; loop { m.m = #{ m: m.remove(\"m\") }; }",
    ] {
        is_refused_for_memory(code);
    }
}

#[test]
fn a_callback_is_bounded_like_the_script() {
    let ran = run(&[
        "-e",
        "let a = []; every(\"1ms\", || { loop { a.push(`${a.len()}`); } }); run_for(\"3s\"); exit(7);",
    ]);
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
    assert!(ran.stderr.contains("512 MiB") || ran.stderr.contains("30 million"), "{}", ran.stderr);
}

#[test]
fn what_nests_too_deep_to_be_parsed_is_refused() {
    let many = |piece: &str, times: usize| piece.repeat(times);
    for (what, text) in [
        ("brackets", format!("{}1{}", many("(", 100_000), many(")", 100_000))),
        ("arrays", format!("{}1{}", many("[", 100_000), many("]", 100_000))),
        ("maps", format!("let a = {}1{};", many("#{a:", 100_000), many("}", 100_000))),
        ("blocks", format!("{}1{}", many("{", 100_000), many("}", 100_000))),
        ("signs", format!("print({}1);", many("-", 100_000))),
        ("nots", format!("print({}true);", many("!", 100_000))),
        ("else", format!("{} {{}}", many("if false {} else ", 100_000))),
        ("closures", format!("let f = {}1;", many("|a| ", 100_000))),
        ("sums", format!("let a = 1{};", many(" + 1", 100_000))),
        ("ands", format!("let a = true{};", many(" && true", 100_000))),
        ("members", format!("let a = #{{}}; a{};", many(".a", 100_000))),
        ("indices", format!("let a = []; a{};", many("[0]", 100_000))),
        ("calls", format!("let a = 1; a{};", many(".abs()", 100_000))),
    ] {
        let directory = Directory::with("a.rhai", text);
        let start = Instant::now();
        let ran = directory.run(&["a.rhai"]);
        assert!(matches!(ran.code, Some(0 | 1)), "{what}: {:?} {}", ran.code, ran.stderr);
        assert!(start.elapsed() < SOON, "{what}");
    }
}

#[test]
fn an_exit_code_that_is_none_is_refused() {
    for code in ["exit(args[0])", "exit(3.0)", "exit(true)", "exit(256)", "exit(-1)", "exit([])", "exit(())"]
    {
        let ran = run(&["-e", &format!("every(\"1h\", || 1); {code}"), "--", "4"]);
        assert_eq!(ran.code, Some(1), "{code}: {}", ran.stderr);
        assert!(ran.stderr.contains("`exit`"), "{code}: {}", ran.stderr);
    }
}

#[test]
fn timers_without_end_do_not_keep_a_signal_from_being_heard() {
    let code = "for i in 0..10000 { every(\"1ms\", || { let n = 0; for i in 0..100 { n += i; } }); } print(\"ready\");";
    let mut child = started(PROGRAM).args(["-e", code]).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 5];
    child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    let start = Instant::now();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
