//! A filter has one meaning: Rhai evaluating the closure on the event, the IR's evaluator, and the
//! generated instructions (in rbpf's interpreter; in the running kernel too, where it lets us) agree,
//! on random closures and random events.
//!
//! `KRSI_FILTER_CASES` sets how many closures are compared, `KRSI_FILTER_VERIFIED` how many of them the
//! running kernel verifies and runs; each meets several events. With `KRSI_REQUIRE_HOST` set, a kernel that runs none
//! is a failure.

mod filter_cases;

use std::{cell::RefCell, sync::Arc};

use filter_cases::{Case, case, machine};
use krsi_sh::{
    event::Event,
    filter::{Answer, Code, Compiled, First, MARGIN, Set, UNKNOWN},
    kernel::bench::test_run::{TestRun, TestRunError},
    script::equivalence::Closure,
    template::{Catalogue, EarlyField, Template},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};

fn cases(fallback: u32) -> u32 {
    std::env::var("KRSI_FILTER_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(fallback)
}

/// Closures for the real verifier, which takes its time.
fn verified() -> u32 {
    std::env::var("KRSI_FILTER_VERIFIED").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

/// Where the kernel should have its say, and does not.
fn skipped(reason: &str) {
    assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}

fn template(name: &str) -> Arc<Template> {
    Arc::clone(Catalogue::builtin().unwrap().get(name).unwrap())
}

/// A filter's answer as the kernel's code gives it.
fn answer<E>(outcome: Result<Answer, E>) -> i32 {
    outcome.map_or(UNKNOWN, Answer::code)
}

const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

thread_local! {
    /// What the helper looks up in, since it is told nothing but a number.
    static SETS: RefCell<Vec<Set>> = const { RefCell::new(Vec::new()) };
}

/// bpf_map_lookup_elem, as far as a filter uses it: whether there is such a key.
fn look_up(set: u64, key: u64, _: u64, _: u64, _: u64) -> u64 {
    SETS.with_borrow(|sets| {
        let set = &sets[usize::try_from(set).unwrap()];
        // SAFETY: rbpf's code gives the address of a key, on its stack or in the event, of the size the set says.
        let key = unsafe { std::slice::from_raw_parts(key as *const u8, set.key_size) };
        u64::from(set.keys.iter().any(|known| known == key))
    })
}

/// Puts the addresses of the tables where the kernel puts those of maps' bytes. Sets are numbered before them.
fn point_to(tables: &[Vec<u8>], sets: usize, program: &mut [u8]) {
    const LOAD64: u8 = 0x18;
    const MAP_VALUE: u8 = 2;
    let mut slots = program.as_chunks_mut::<8>().0.iter_mut();
    while let Some(slot) = slots.next() {
        if slot[0] != LOAD64 {
            continue;
        }
        let upper = slots.next().unwrap();
        if slot[1] >> 4 == MAP_VALUE {
            let number = i32::from_le_bytes([slot[4], slot[5], slot[6], slot[7]]);
            let address = tables[usize::try_from(number).unwrap() - sets].as_ptr() as u64;
            slot[1] &= 0x0f;
            slot[4..].copy_from_slice(&(address as u32).to_le_bytes());
            upper[4..].copy_from_slice(&((address >> 32) as u32).to_le_bytes());
        }
    }
}

/// What the instructions say, with noise behind the event.
fn run(code: &Code, event: &[u8]) -> i32 {
    let mut program = [code.bytes(), EXIT.to_vec()].concat();
    let tables: Vec<Vec<u8>> = code.tables.iter().map(|table| table.bytes.clone()).collect();
    point_to(&tables, code.sets.len(), &mut program);
    let mut memory = event.to_vec();
    memory.extend((0..MARGIN).map(|i| u8::try_from(i).unwrap_or(7) ^ 0x2f));
    let (ran, most) = (machine::count(code, &memory), code.at_most());
    assert!(ran <= most, "{ran} instructions, and {most} at most\n{code}");
    let mut machine = rbpf::EbpfVmRaw::new(Some(&program)).expect("rbpf takes the program");
    SETS.with_borrow_mut(|sets| sets.clone_from(&code.sets));
    for table in &tables {
        let begin = table.as_ptr() as u64;
        machine.register_allowed_memory(begin..begin + table.len() as u64);
    }
    machine.register_helper(1, look_up).expect("rbpf takes the helper");
    i32::try_from(machine.execute_program(&mut memory).expect("no access out of bounds")).unwrap()
}

/// What a random closure may be refused for.
const EXCUSED: [&str; 4] = ["never gives a number", "too large", "keeps", "nests too deep"];

/// Compares the three on one closure and its events; how many events matched.
fn agree(script: &str, events: &[Vec<u8>], template: &Arc<Template>) -> Result<Option<usize>, TestCaseError> {
    // What is beyond Rhai's own limits is no filter.
    let Ok(closure) = Closure::new(script) else { return Ok(None) };
    let Compiled { filter, code, first, .. } = match closure.compile(template) {
        Ok(compiled) => compiled,
        Err(refusal) if EXCUSED.iter().any(|excuse| refusal.text.contains(excuse)) => {
            return Ok(None);
        }
        Err(refusal) => {
            return Err(TestCaseError::fail(format!("refused: {refusal} {:?}\n{script}", refusal.position)));
        }
    };
    let mut matched = 0;
    for bytes in events {
        let event = Event::decode(template, &"p".into(), bytes, 0).unwrap();
        let rhai = closure.evaluate(&event);
        let expected = answer(rhai.as_ref().copied());
        let ir = answer(filter.evaluate(bytes));
        let machine = run(&code, bytes);
        // Of several tests of a text that is cut, one that is certain is enough; Rhai stops at the first that is not.
        let is_cut = rhai.as_ref().is_err_and(|error| Closure::stopped_at_a_cut(error));
        prop_assert!(ir == expected || is_cut, "the IR: {}\n{}\n{}\nRhai: {:?}", ir, script, filter, rhai);
        prop_assert_eq!(machine, ir, "the instructions\n{}\n{}\n{}", script, filter, code);
        if let Some(first) = &first {
            let said = first_stage(first, bytes, template)?;
            let may = said != Answer::NoMatch.code() || ir == said || ir == UNKNOWN;
            prop_assert!(
                may,
                "the first stage rules out what matches\n{}\n{}\n{}",
                script,
                filter,
                first.filter
            );
        }
        matched += usize::from(ir & 0xff == Answer::Match.code());
    }
    Ok(Some(matched))
}

/// What the first stage says about the event's task, which the kernel lays out as `struct krsi_early`: the
/// IR and the instructions agree here too. What it does not ask about is zero.
fn first_stage(first: &First, event: &[u8], template: &Template) -> Result<i32, TestCaseError> {
    let early = &template.layout.early;
    let place = |early: &EarlyField| {
        let field = template.field(&early.name).unwrap();
        (early.offset..early.offset + field.size, field.offset..field.offset + field.size)
    };
    let size = early.iter().map(|early| place(early).0.end).max().unwrap_or_default();
    let mut bytes = vec![0; size];
    for (to, from) in early.iter().filter(|early| first.fields & 1 << early.bit != 0).map(place) {
        bytes[to].copy_from_slice(&event[from]);
    }
    let said = answer(first.filter.evaluate(&bytes));
    prop_assert_eq!(run(&first.code, &bytes), said, "the first stage\n{}\n{}", first.filter, first.code);
    Ok(said)
}

#[test]
fn what_is_said_about_the_task_is_asked_first() {
    let template = template("file_open");
    let first = |closure: &str| {
        let script = format!("let few = [4, 7]; {closure}");
        let compiled = Closure::new(&script).unwrap().compile(&template).unwrap();
        compiled.first.map_or_else(|| "nothing".to_owned(), |first| first.filter.to_string())
    };
    assert_eq!(first("|e| e.path.starts_with(\"/tmp\") && e.uid >= 1000"), "(uid >= 1000)");
    assert_eq!(first("|e| e.uid == 0 || e.path == \"/a\""), "nothing");
    assert_eq!(
        first("|e| (e.uid == 0 && e.path == \"/a\") || e.comm == \"sh\""),
        "((uid == 0) || comm.equals(\"sh\"))"
    );
    assert_eq!(first("|e| !(e.uid == 0 || e.path == \"/a\")"), "(uid != 0)");
    assert_eq!(
        first(
            "|e| if e.gid in few { deny(\"EPERM\") } else if e.path.contains(\"x\") && e.pid > 1 { allow() } else { false }"
        ),
        "((gid in [4, 7]) || (!(gid in [4, 7]) && (pid > 1)))"
    );
    // Texts that are searched through, and what is gathered later, are no part of it.
    assert_eq!(first("|e| e.comm.contains(\"a\") && e.size > 3 && e.exe == \"/bin/sh\""), "nothing");
}

/// An event of nothing but these numbers and texts.
fn event_of(template: &Template, fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; template.event_size];
    for (name, value) in fields {
        let at = template.field(name).unwrap().offset;
        bytes[at..at + value.len()].copy_from_slice(value);
    }
    bytes
}

#[test]
fn sets_of_thousands_are_looked_up() {
    let template = template("file_open");
    let number = |pid: u32, comm: &[u8]| {
        event_of(&template, &[("pid", &pid.to_ne_bytes()), ("comm", comm), ("uid", &pid.to_ne_bytes())])
    };
    let events: Vec<_> = [
        (0, "t0"),
        (7, "t1999"),
        (8, "t2000"),
        (34_993, "t"),
        (34_994, ""),
        (35_000, "t77"),
        (4_000_000_000, "t7777"),
    ]
    .map(|(pid, comm)| number(pid, comm.as_bytes()))
    .to_vec();
    let sevens = "let few = []; for i in 0..5000 { few.push(i * 7) }";
    let names = "let few = []; for i in 0..2000 { few.push(`t${i}`) }";
    let cases = [
        (format!("{sevens} |e| e.pid in few"), 3),
        (format!("{sevens} |e| !(e.pid in few) && e.uid > 8"), 3),
        (format!("{sevens} let far = few; few.push(8); |e| (e.pid in few) || (e.uid in far)"), 4),
        (format!("{sevens} |e| (e.pid + 1 - 1) in few || e.uid in 34_990..=5_000_000_000"), 6),
        (format!("{names} |e| e.comm in few && e.pid < 5_000_000_000"), 3),
        (format!("{names} |e| if e.comm in few {{ allow() }} else {{ e.pid == 8 }}"), 4),
    ];
    for (script, matching) in cases {
        let compiled = Closure::new(&script).unwrap().compile(&template).unwrap();
        assert!(!compiled.code.sets.is_empty(), "no set of it is a map: {script}");
        let matched = agree(&script, &events, &template).unwrap();
        let all = events.iter().filter(|event| compiled.filter.evaluate(event).unwrap().matches()).count();
        assert_eq!(all, matching, "{script}");
        assert!(matched.is_some());
        match TestRun::new(template.event_size).and_then(|carrier| carrier.run(&compiled.code, &events)) {
            Ok(ran) => {
                for (event, ran) in events.iter().zip(ran) {
                    assert_eq!(
                        ran.answer,
                        answer(compiled.filter.evaluate(event)).cast_unsigned(),
                        "{script}"
                    );
                }
            }
            Err(TestRunError::Host(error)) => skipped(&error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_set_that_the_code_has_room_for_is_compared() {
    let template = template("file_open");
    let compiled = |script: &str| Closure::new(script).unwrap().compile(&template).unwrap().code;
    assert!(compiled("let few = []; for i in 0..200 { few.push(i * 7) } |e| e.pid in few").sets.is_empty());
    // Several together may have no room.
    let parts: Vec<String> = (0..20).map(|n| format!("(e.pid + {n}) in few")).collect();
    let many = format!("let few = []; for i in 0..200 {{ few.push(i * 7) }} |e| {}", parts.join(" || "));
    assert_eq!(compiled(&many).sets.len(), 1, "the same set each time");
}

/// How long a failing closure is made smaller.
const SHRINKING_MS: u32 = 60_000;

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        // A closure is verified again for each attempt to make it smaller: without an end that takes hours.
        max_shrink_time: SHRINKING_MS,
        ..Config::default()
    })
}

#[test]
fn rhai_the_ir_and_the_instructions_agree() {
    for (name, share) in [("file_open", 1), ("exec", 1), ("connect", 1), ("exec_unlink", 1)] {
        let template = template(name);
        let (compiled, matched, asked) =
            (std::cell::Cell::new(0), std::cell::Cell::new(0), std::cell::Cell::new(0));
        runner(cases(3000) * share / 4)
            .run(&case(&template), |Case { script, events }| {
                if let Some(found) = agree(&script, &events, &template)? {
                    compiled.set(compiled.get() + 1);
                    matched.set(matched.get() + found);
                    asked.set(asked.get() + events.len());
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{error}"));
        let (compiled, matched, asked) = (compiled.get(), matched.get(), asked.get());
        eprintln!("{name}: {compiled} closures, {matched} of {asked} decisions matched");
        assert!(matched > asked / 10 && matched < asked * 9 / 10, "the cases say something");
        assert!(compiled > cases(3000) as usize * share as usize / 4 * 6 / 10);
    }
}

/// Patterns with gaps, and words: more of them than one walk can look for.
const MANY: &str = r#"fn sought(t) {
    t.like("*/tmp/*ab*") || t.like("*bash*x*") || t.like("*lib*.so*") || t.like("*home*sh*") || t.matches("shadow.*x")
        || t.like("*var*log*") || t.like("*etc*usr*") || t.contains("abcdefghi") || t.ends_with(".log") || t == "sh"
}"#;

#[test]
fn a_question_in_parts_is_the_same_question() {
    let template = template("exec");
    for closure in [
        "|e| sought(e.cmdline)",
        "|e| !sought(e.cmdline) && e.uid > 7",
        "|e| e.argv.any(|a| sought(a))",
        "|e| !e.argv.any(|a| sought(a) || a.starts_with(\"/usr\") && !a.contains(\"b\"))",
        "|e| sought(e.path) || sought(e.exe) && !sought(e.cwd)",
        "|e| if sought(e.cwd) { allow() } else { e.argv.none(|a| sought(a)) || sought(e.cwd) }",
    ] {
        let script = format!("{MANY} {closure}");
        let compiled = Closure::new(&script).unwrap().compile(&template);
        let compiled = compiled.unwrap_or_else(|refusal| panic!("{closure}: {refusal}"));
        assert!(compiled.code.tables.len() > 1, "one walk is enough: {script}");
        let (told, matched) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        runner(cases(3000) / 60)
            .run(&case(&template), |Case { events, .. }| {
                matched.set(matched.get() + agree(&script, &events, &template)?.unwrap());
                told.set(told.get() + events.len());
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(matched.get() > 0 && matched.get() < told.get(), "{closure}: {matched:?} of {told:?}");
    }
}

#[test]
fn a_middle_far_before_the_end_is_found_by_a_walk() {
    let template = template("exec");
    for (text, glob) in [
        ("e.path", r#"TEXT.like("*x*/var/log/x.log")"#),
        ("e.path", r#"(TEXT.like("/var*a*/var/log/x.log") || !TEXT.like("*l*/x.log"))"#),
        ("e.cwd", r#"TEXT.to_ascii_lower().like("/*t*/x")"#),
    ] {
        let searched = ["bash/tmp/x", "aabsh", "abcdefgh", "/etc/shadow", "aab"];
        let words: Vec<_> = searched.iter().map(|word| format!("!TEXT.contains({word:?})")).collect();
        let closure = format!("|e| {} && {glob}", words.join(" && ")).replace("TEXT", text);
        let elements = format!("|e| e.argv.any(|a| !({}) || a == \"x\")", glob.replace("TEXT", "a"));
        for script in [closure, elements] {
            let compiled = Closure::new(&script).unwrap().compile(&template);
            let compiled = compiled.unwrap_or_else(|refusal| panic!("{script}: {refusal}"));
            let rows: usize = compiled.code.tables.iter().map(|table| table.rows).sum();
            assert!(rows > 0 && rows < 64 << 10, "{rows} bytes: {script}");
            runner(cases(3000) / 60)
                .run(&case(&template), |Case { events, .. }| {
                    agree(&script, &events, &template)?.unwrap();
                    Ok(())
                })
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

/// Closures that change something, so that one which is not called, or called twice, shows.
fn callbacks(script: &str) -> Option<[String; 4]> {
    let (before, closure) = script.rsplit_once("|e|")?;
    Some([
        format!("{before} |e| {closure}"),
        format!(
            "let n = 0; {before} |e| if {closure} {{ n += 1; e.uid + n }} else {{ n -= 1; [e.comm, n] }}"
        ),
        format!("let n = 0; {before} |e| {{ if {closure} {{ return n; }} n += 2; e.path + n }}"),
        // The question needs what the callback changes.
        format!(
            "let n = 0; {before} |e| {{ if n < 2 {{ n += 1; return -n; }} if {closure} {{ n = 0; }} n }}"
        ),
    ])
}

#[test]
fn a_callback_does_the_same_with_its_first_question_answered_beforehand() {
    let template = template("file_open");
    let (compared, guarded) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    runner(cases(3000) / 4)
        .run(&case(&template), |Case { script, events }| {
            let events: Vec<Event> =
                events.iter().map(|bytes| Event::decode(&template, &"p".into(), bytes, 0).unwrap()).collect();
            for script in callbacks(&script).into_iter().flatten() {
                let (Ok(one), Ok(other)) = (Closure::new(&script), Closure::new(&script)) else { continue };
                let called = one.called(&events).map_err(TestCaseError::fail)?;
                prop_assert_eq!(called, other.interpreted(&events), "{}", script);
                compared.set(compared.get() + 1);
                guarded.set(guarded.get() + u32::from(one.has_prefilter(&template)));
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let (compared, guarded) = (compared.get(), guarded.get());
    eprintln!("{compared} callbacks, {guarded} of them guarded");
    assert!(compared > cases(3000) / 2 && guarded > compared / 2, "the cases say something");
}

/// What the running kernel says, where it runs raw tracepoint programs by hand (as root, mostly).
///
/// Verifying takes its time: each processor has a share of the closures.
#[test]
fn the_verifier_takes_every_filter_and_the_kernel_agrees() {
    const TEMPLATES: [&str; 4] = ["file_open", "exec", "connect", "exec_unlink"];
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = verified().div_ceil(u32::try_from(TEMPLATES.len() * workers).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                for name in TEMPLATES {
                    verified_and_run(name, share);
                }
            });
        }
    });
}

fn verified_and_run(name: &str, closures: u32) {
    let template = template(name);
    let carrier = match TestRun::new(template.event_size) {
        Ok(carrier) => carrier,
        Err(error) => return skipped(&error.to_string()),
    };
    let (most, farthest) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let outcome = runner(closures).run(&case(&template), |Case { script, events }| {
        let Ok(Ok(compiled)) = Closure::new(&script).map(|closure| closure.compile(&template)) else {
            return Ok(());
        };
        match carrier.run(&compiled.code, &events) {
            Ok(ran) => {
                for (event, ran) in events.iter().zip(ran) {
                    let expected = answer(compiled.filter.evaluate(event)).cast_unsigned();
                    prop_assert_eq!(ran.answer, expected, "{}\n{}", script, compiled.explain());
                    most.set(most.get().max(ran.walked));
                    let estimate = compiled.code.steps as u64;
                    farthest.set(farthest.get().max(100 * ran.walked / estimate));
                    prop_assert!(
                        ran.walked <= estimate * 3 / 2 + 20_000,
                        "{} steps\n{}\n{}",
                        ran.walked,
                        script,
                        compiled.explain()
                    );
                }
                Ok(())
            }
            Err(TestRunError::Host(error)) => {
                skipped(&error.to_string());
                Ok(())
            }
            Err(error) => Err(TestCaseError::fail(format!("{error}\n{script}\n{}", compiled.explain()))),
        }
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    eprintln!(
        "{name}: the verifier walked through {} instructions at most, and {} % of an estimate",
        most.get(),
        farthest.get()
    );
}
