//! Random closures, well-typed by construction, and random events for them.

#[allow(dead_code, reason = "the lab's guest has a real machine")]
pub mod machine;

use std::net::IpAddr;

use proptest::{collection::vec, prelude::*, sample::select};

use krsi_sh::template::{Cut, Field, FieldKind, Template};

/// A script whose value is a closure, and events of the template's.
#[derive(Clone)]
pub struct Case {
    pub script: String,
    pub events: Vec<Vec<u8>>,
}

/// An event is thousands of bytes; the failure tells those that matter.
impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.script)
    }
}

/// What stands before the closure: captured variables, and functions that may be called.
const BEFORE: &str = r#"
fn small(x) { x < 1000 }
fn temporary(p) { let t = p.starts_with("/tmp/"); if p.is_empty() { return false; } t || p.like("/var/*/x*") }
fn clamp(x, top) { if x > top { top } else { x } }
fn sentence(e) { if small(e.gid) { return kill(); } deny("ENOENT") }
fn same(a, b) { a == b }
fn both(e, words) { e.comm in words && small(e.uid) }
let least = 1000; let home = "/home/"; let shells = ["bash", "sh", "x", ""]; let ids = [0, 1, 1000, 65534, 4294967295];
let some = 5..2000; let sure = true; let lan = cidr(["10.0.0.0/8", "192.168.1.7", "2001:db8::/33"]); let key = "x";
let many = []; for n in 0..200 { many.push(n * 7 - 300); }
let deep = ""; for n in 0..52 { deep += "/tmp/"; }
"#;

/// Texts that events are made of and that closures ask for, so that some of them meet.
const WORDS: &[&str] = &[
    "/tmp/",
    "/tmp/x",
    "/etc/shadow",
    "/home/",
    "bash",
    "sh",
    "x",
    "/",
    ".so",
    "/usr/bin/",
    "lib",
    "aab",
    "ab",
    "ä",
    "日本",
    " (deleted)",
    "abcdefgh",
    "abcdefghi",
    "/var/log/x.log",
];

/// Of which events have some, and closures ask for.
const ADDRESSES: &[&str] = &[
    "",
    "10.1.2.3",
    "10.200.0.1",
    "192.168.1.7",
    "0.0.0.0",
    "255.255.255.255",
    "::1",
    "::",
    "2001:db8::1",
    "2001:db8:0:0:8000::",
    "2001:db8:8000::",
    "fe80::1",
];

pub fn case(template: &Template) -> impl Strategy<Value = Case> + use<> {
    (closure(template), vec(event(template), 4)).prop_map(|(script, events)| Case { script, events })
}

pub fn closure(template: &Template) -> impl Strategy<Value = String> + use<> {
    let plain = condition(template);
    let verdict = select(vec![
        "allow()",
        "deny()",
        "deny(\"EACCES\")",
        "kill(\"SIGTERM\")",
        "true",
        "false",
        "sentence(e)",
    ]);
    let decided = (vec((condition(template), verdict.clone()), 1..4), verdict).prop_map(|(cases, last)| {
        let cases: String = cases.iter().map(|(c, v)| format!("if {c} {{ {v} }} else ")).collect();
        format!("{{ let t = e.uid > 7; {cases}{{ {last} }} }}")
    });
    prop_oneof![4 => plain, 1 => decided].prop_map(|body| format!("{BEFORE}|e| {body}"))
}

// ---- closures ---------------------------------------------------------------

fn of_kind(template: &Template, wanted: impl Fn(&Field) -> bool) -> Vec<String> {
    const LATE: [&str; 6] = ["wall_ns", "seq", "verdict", "mode", "errno", "notes"];
    let known = |f: &&Field| !LATE.contains(&f.name.as_str());
    let fields = template.fields.iter().filter(known).filter(|f| wanted(f));
    fields.map(|f| f.name.clone()).collect()
}

fn word() -> BoxedStrategy<String> {
    let any = select(WORDS).prop_map(str::to_owned);
    let joined = vec(select(WORDS), 1..5).prop_map(|parts| parts.concat());
    prop_oneof![4 => any, 2 => joined, 1 => Just(String::new())].boxed()
}

fn quoted() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => word().prop_map(|word| format!("{word:?}")),
        1 => Just("home".to_owned()),
        1 => Just("deep".to_owned()),
        1 => word().prop_map(|word| format!("(home + {word:?})")),
    ]
}

/// Regular expressions of all kinds, as a script writes them.
fn regex() -> BoxedStrategy<String> {
    let some = select(vec![
        "^/tmp/.*[0-9]$",
        "[a-z]+/b",
        "(?i)TMP",
        "^$",
        "x?$",
        "\\\\.log$",
        "^(/[^/]+){2,3}$",
        "b.*b",
        "(bin|tmp)/",
        "\\\\bcurl\\\\b",
        "",
        "^.{3}",
        "(?s).x",
        "[^a-z/]",
        "(a|b)*c",
    ]);
    let word = word().prop_map(|word| {
        format!("{word:?}").trim_matches('"').replace(['.', '*', '\\', '(', ')', '[', ']'], ".")
    });
    let joined = (vec(word, 1..4), select(vec!["|", ".*", ".", "[a-z]?"]), any::<[bool; 2]>()).prop_map(
        |(words, between, [first, last])| {
            format!(
                "{}(?:{}){}",
                if first { "^" } else { "" },
                words.join(between),
                if last { "$" } else { "" }
            )
        },
    );
    prop_oneof![
        some.prop_map(|regex| format!("\"{regex}\"")),
        joined.prop_map(|regex| format!("\"{regex}\""))
    ]
    .boxed()
}

/// What is asked of a text in ways that take a walk over it.
fn walked(of: String) -> BoxedStrategy<String> {
    let (a, b, c, d) = (of.clone(), of.clone(), of.clone(), of);
    let matches = (regex(), any::<bool>()).prop_map(move |(regex, small)| {
        format!("{a}{}.matches({regex})", if small { ".to_ascii_lower()" } else { "" })
    });
    let many = (
        vec((select(vec!["contains", "ends_with", "starts_with"]), word()), 5..12),
        select(vec![" || ", " && "]),
    )
        .prop_map(move |(tests, sign)| {
            let tests: Vec<_> = tests.iter().map(|(how, word)| format!("{b}.{how}({word:?})")).collect();
            format!("({})", tests.join(sign))
        });
    let none = vec(word(), 4..8).prop_map(move |words| {
        let tests: Vec<_> = words.iter().map(|word| format!("!{c}.contains({word:?})")).collect();
        format!("({})", tests.join(" && "))
    });
    let globs = (vec(select(WORDS), 2..5), select(vec!["*", "?", "*?"]))
        .prop_map(move |(parts, sign)| format!("{d}.like({:?})", format!("*{}*", parts.join(sign))));
    prop_oneof![3 => matches, 1 => many, 1 => none, 2 => globs].boxed()
}

fn number() -> BoxedStrategy<String> {
    prop_oneof![
        6 => select(vec![0, 1, 2, 7, 8, 63, 100, 1000, 65534, 4_294_967_295_i64, 4_294_967_296]),
        1 => any::<i64>(),
        1 => select(vec![i64::MAX, i64::MIN + 1, -1, -2, -1000]),
    ]
    .prop_map(|n| if n < 0 { format!("({n})") } else { n.to_string() })
    .boxed()
}

fn int(template: &Template) -> BoxedStrategy<String> {
    let fields = of_kind(template, |f| matches!(f.kind, FieldKind::Unsigned | FieldKind::Signed));
    let field = select(fields).prop_map(|name| format!("e.{name}"));
    let leaf = prop_oneof![5 => field, 3 => number(), 1 => Just("least".to_owned())];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let sign = select(vec!["+", "-", "*", "/", "%", "&", "|", "^"]);
        let binary =
            (inner.clone(), sign, inner.clone()).prop_map(|(a, sign, b)| format!("({a} {sign} {b})"));
        let shift = (inner.clone(), select(vec!["<<", ">>"]), select(vec![0, 1, 8, 31, 63, 64, 100]))
            .prop_map(|(a, sign, by)| format!("({a} {sign} {by})"));
        let back =
            (inner.clone(), select(vec!["<<", ">>"])).prop_map(|(a, sign)| format!("({a} {sign} (-3))"));
        let negated = inner.clone().prop_map(|a| format!("(-{a})"));
        let clamped = (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("clamp({a}, {b})"));
        let chosen = (inner.clone(), inner.clone(), inner.clone())
            .prop_map(|(a, b, c)| format!("(if {a} < {b} {{ {b} }} else {{ let y = {c}; y ^ {a} }})"));
        prop_oneof![10 => binary, 2 => shift, 1 => back, 1 => negated, 1 => clamped, 1 => chosen]
    })
    .boxed()
}

fn text_test(template: &Template) -> BoxedStrategy<String> {
    let fields = of_kind(template, |f| f.kind == FieldKind::Text);
    let field = prop_oneof![3 => Just("path".to_owned()), 2 => select(fields)];
    let asked = (field.clone(), select(vec!["starts_with", "ends_with", "contains"]), quoted())
        .prop_map(|(field, how, word)| format!("e.{field}.{how}({word})"));
    let compared = (field.clone(), select(vec!["==", "!="]), quoted())
        .prop_map(|(field, sign, word)| format!("e.{field} {sign} {word}"));
    let glob = vec(select(WORDS), 1..4).prop_map(|parts| parts.join("*"));
    let edges = (glob, any::<[bool; 2]>()).prop_map(|(glob, [first, last])| {
        let stars = usize::from(first) + usize::from(last) + glob.matches('*').count();
        if stars > 2 {
            glob
        } else {
            format!("{}{glob}{}", if first { "*" } else { "" }, if last { "*" } else { "" })
        }
    });
    let like = (field.clone(), edges).prop_map(|(field, glob)| format!("e.{field}.like({glob:?})"));
    let empty = field.clone().prop_map(|field| format!("e.{field}.is_empty()"));
    let member =
        (field.clone(), vec(word(), 0..5)).prop_map(|(field, words)| format!("e.{field} in {words:?}"));
    let inside = (field.clone(), quoted()).prop_map(|(field, word)| format!("{word} in e.{field}"));
    let called = field.clone().prop_map(|field| format!("temporary(e[\"{field}\"])"));
    let small = (field.clone(), select(vec!["starts_with", "ends_with", "contains"]), word()).prop_map(
        |(field, how, word)| format!("e.{field}.to_ascii_lower().{how}({:?})", word.to_ascii_lowercase()),
    );
    let small_member = (field.clone(), vec(word(), 0..4)).prop_map(|(field, words)| {
        let words: Vec<_> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
        format!("e.{field}.to_ascii_lower() in {words:?}")
    });
    let counted = of_kind(template, |f| f.kind == FieldKind::Text && f.size <= 1024);
    let length = (select(counted), select(vec!["<", "==", ">"]), 0..40)
        .prop_map(|(field, sign, n)| format!("e.{field}.len() {sign} {n}"));
    let walked = field.clone().prop_flat_map(|field| walked(format!("e.{field}")));
    prop_oneof![
        2 => small, 1 => small_member, 1 => length, 4 => walked,
        6 => asked, 3 => compared, 2 => like, 1 => empty, 2 => member, 1 => inside, 1 => called,
        1 => Just("both(e, shells)".to_owned()), 1 => Just("e.comm !in shells".to_owned()),
    ]
    .boxed()
}

/// Lists of texts, and of numbers.
fn list_tests(template: &Template) -> Option<BoxedStrategy<String>> {
    let texts = of_kind(template, |f| matches!(f.kind, FieldKind::Texts { .. }));
    let texts = (!texts.is_empty()).then(|| {
        let list = select(texts);
        let one = (select(vec!["starts_with", "ends_with", "contains"]), quoted())
            .prop_map(|(how, word)| format!("{how}({word})"))
            .boxed();
        let some = (list.clone(), one.clone(), word(), any::<[bool; 3]>()).prop_map(
            |(list, one, word, [small, or, helped])| {
                let asked = if small {
                    format!("a.to_ascii_lower() == {:?}", word.to_ascii_lowercase())
                } else {
                    format!("a.{one}")
                };
                let or = if or { " || a == key" } else { "" };
                let helped = if helped { " || same(a, key)" } else { "" };
                format!("e.{list}.any(|a| {asked}{or}{helped})")
            },
        );
        let member = (list.clone(), quoted()).prop_map(|(list, word)| format!("{word} in e.{list}"));
        let length = (list.clone(), select(vec!["<", "==", ">"]), 0..6)
            .prop_map(|(list, sign, n)| format!("e.{list}.len() {sign} {n}"));
        let item = (list.clone(), 0..4_usize, one, word(), any::<[bool; 3]>()).prop_map(
            |(list, at, one, word, [equal, kept, long])| {
                let of = if kept { "item".to_owned() } else { format!("e.{list}[{at}]") };
                let asked = if long {
                    format!("{of}.to_ascii_lower().like(\"*b*\")")
                } else if equal {
                    format!("{of} == {word:?}")
                } else {
                    format!("{of}.{one}")
                };
                let asked = if kept { format!("{{ let item = e.{list}[{at}]; {asked} }}") } else { asked };
                format!("(e.{list}.len() > {at} && {asked})")
            },
        );
        let bare = (list.clone(), 0..3_usize).prop_map(|(list, at)| format!("e.{list}[{at}] != \"x\""));
        let mixed = (list.clone(), select(vec!["any", "all", "none"]), walked("a".to_owned()), word(), any::<[bool; 2]>())
            .prop_map(|(list, how, asked, word, [not, and])| {
                let not = if not { "!" } else { "" };
                let and = if and { format!("&& !a.starts_with({word:?})") } else { format!("|| a == {word:?}") };
                format!("e.{list}.{how}(|a| {not}({asked}) {and})")
            });
        let of_item = list.clone().prop_flat_map(|list| walked(format!("e.{list}[1]")));
        let of = if template.field("argv").is_some() { "e.cmdline" } else { "e.process.cmdline" };
        let joined = (walked(of.to_owned()), word(), any::<bool>()).prop_map(move |(asked, word, same)| {
            if same { format!("{of} == {word:?}") } else { asked }
        });
        prop_oneof![3 => some, 2 => member, 1 => length, 3 => item, 1 => bare, 3 => mixed, 1 => of_item, 2 => joined].boxed()
    });
    let lists = |wanted: fn(&FieldKind) -> bool| {
        of_kind(template, move |f| matches!(&f.kind, FieldKind::List { element, .. } if wanted(element)))
    };
    let numbers = lists(|kind| matches!(kind, FieldKind::Unsigned | FieldKind::Signed));
    let names = lists(|kind| *kind == FieldKind::Text);
    let listed = (!numbers.is_empty() && !names.is_empty()).then(|| {
        let number_list = select(numbers);
        let inside = (number_list.clone(), number()).prop_map(|(list, n)| format!("{n} in e.{list}"));
        let item = (number_list.clone(), 0..8_usize, number())
            .prop_map(|(list, at, n)| format!("e.{list}[{at}] < {n}"));
        let some = (number_list.clone(), number())
            .prop_map(|(list, n)| format!("e.{list}.any(|p| p > {n} || p == least)"));
        let texts = select(names);
        let name = (texts.clone(), 0..4_usize, quoted(), any::<[bool; 3]>()).prop_map(
            |(list, at, word, [ends, kept, sure])| {
                let of = if kept { "name".to_owned() } else { format!("e.{list}[{at}]") };
                let asked = if ends { format!("{of}.ends_with({word})") } else { format!("{of} == {word}") };
                let asked = if kept { format!("{{ let name = e.{list}[{at}]; {asked} }}") } else { asked };
                if sure { format!("(e.{list}.len() > {at} && {asked})") } else { format!("!({asked})") }
            },
        );
        let named = (texts, quoted()).prop_map(|(list, word)| {
            format!("({word} in e.{list} || e.{list}.some(|c| c.ends_with({word}) || c.len() > 9))")
        });
        let length = number_list.clone().prop_map(|list| format!("e.{list}.len() > 2"));
        prop_oneof![inside, item, some, name, named, length].boxed()
    });
    match (texts, listed) {
        (Some(texts), Some(listed)) => Some(prop_oneof![texts, listed].boxed()),
        (texts, listed) => texts.or(listed),
    }
}

/// Where the operation comes from, under names of its own.
fn origin_test() -> BoxedStrategy<String> {
    let relative = select(vec!["process", "parent", "leader"]);
    let asked = select(vec!["starts_with", "ends_with", "contains"]);
    let own = (relative.clone(), asked.clone(), quoted())
        .prop_map(|(of, how, word)| format!("e.{of}.exe.{how}({word})"));
    let each = (select(vec!["any", "all", "none"]), vec(quoted(), 0..4), relative, asked).prop_map(
        |(which, words, of, how)| format!("[{}].{which}(|w| e.{of}.exe.{how}(w))", words.join(", ")),
    );
    let lines = select(vec!["process", "parent"]);
    let cmdline = lines.prop_flat_map(|of| walked(format!("e.{of}.cmdline")));
    let above = (select(vec!["any", "all", "none"]), quoted(), number(), any::<[bool; 2]>()).prop_map(
        |(how, word, pid, [exe, both])| {
            let first = if exe { format!("p.exe.ends_with({word})") } else { format!("p.comm == {word}") };
            let second = if both { format!(" && p.pid < {pid}") } else { String::new() };
            format!("e.ancestors.{how}(|p| {first}{second})")
        },
    );
    let one = (0..8_usize, quoted(), walked("p.exe".to_owned()), 0..4_usize, any::<[bool; 2]>()).prop_map(
        |(at, word, walked, what, [kept, sure])| {
            let of = if kept { "p".to_owned() } else { format!("e.ancestors[{at}]") };
            let asked = match what {
                0 => format!("{of}.exe.ends_with({word})"),
                1 => format!("{of}.comm == {word}"),
                2 => format!("{of}.pid < 40"),
                _ => walked.replace("p.exe", &format!("{of}.exe")),
            };
            let asked = if kept { format!("{{ let p = e.ancestors[{at}]; {asked} }}") } else { asked };
            if sure { format!("(e.ancestors.len() > {at} && {asked})") } else { asked }
        },
    );
    let others = select(vec![
        "e.stdin.kind == \"socket\"",
        "e.stdout.peer in lan",
        "e.parent.uid == e.uid",
        "e.leader.pid == e.pid",
        "e.ancestors.len() > 2",
        "e.ancestors.is_empty()",
    ]);
    prop_oneof![2 => own, 1 => each, 1 => cmdline, 2 => above, 2 => one, 1 => others.prop_map(str::to_owned)]
        .boxed()
}

fn address_tests(template: &Template) -> Option<BoxedStrategy<String>> {
    let fields = of_kind(template, |f| f.kind == FieldKind::Address);
    (!fields.is_empty()).then(|| {
        let field = select(fields);
        let network = select(vec![
            "10.0.0.0/8",
            "10.1.2.3",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32",
            "2001:db8::8000:0:0:0/65",
            "10.128.0.0/9",
            "fe80::/10",
            "::1",
        ]);
        let within =
            (field.clone(), network).prop_map(|(field, network)| format!("e.{field} in cidr({network:?})"));
        let same = (field.clone(), select(vec!["==", "!="]), select(ADDRESSES))
            .prop_map(|(field, sign, address)| format!("e.{field} {sign} {address:?}"));
        let member = (field.clone(), vec(select(ADDRESSES), 0..3))
            .prop_map(|(field, list)| format!("e.{field} in {list:?}"));
        let lan = field.clone().prop_map(|field| format!("e.{field} !in lan"));
        let empty = field.prop_map(|field| format!("e.{field}.is_empty()"));
        prop_oneof![3 => within, 2 => same, 1 => member, 1 => lan, 1 => empty].boxed()
    })
}

fn named_test(template: &Template) -> BoxedStrategy<String> {
    let mut tests = vec![
        "e.uid in ids".to_owned(),
        "e.uid in some".to_owned(),
        "e.uid in many".to_owned(),
        "e.ppid !in many".to_owned(),
        "e.template == \"exec\"".to_owned(),
        "sure".to_owned(),
    ];
    for field in &template.fields {
        match &field.kind {
            FieldKind::Flags(names) if field.name != "notes" => {
                tests.extend(names.iter().map(|n| format!("\"{}\" in e.{}", n.name, field.name)));
                tests.push(format!("e.{}.is_empty()", field.name));
            }
            FieldKind::Enum(names) if !["verdict", "mode"].contains(&field.name.as_str()) => {
                tests.extend(names.iter().map(|n| format!("e.{} == \"{}\"", field.name, n.name)));
            }
            FieldKind::Device => tests.push(format!("e.{} in [\"8:1\", \"0:29\"]", field.name)),
            FieldKind::Bool => tests.push(format!("e.{}", field.name)),
            _ => {}
        }
    }
    select(tests).boxed()
}

fn condition(template: &Template) -> BoxedStrategy<String> {
    let ints = int(template);
    let compared = (ints.clone(), select(vec!["==", "!=", "<", "<=", ">", ">="]), ints.clone())
        .prop_map(|(a, sign, b)| format!("{a} {sign} {b}"));
    let ranged = (ints.clone(), number(), number(), select(vec!["..", "..="]))
        .prop_map(|(of, a, b, dots)| format!("{of} in {a}{dots}{b}"));
    let member = (ints.clone(), vec(number(), 0..6))
        .prop_map(|(of, members)| format!("{of} in [{}]", members.join(", ")));
    let called = ints.clone().prop_map(|of| format!("small({of})"));
    let own = list_tests(template).or(address_tests(template)).unwrap_or(Just("sure".to_owned()).boxed());
    let leaf = prop_oneof![
        4 => own,
        2 => origin_test(),
        4 => compared, 1 => ranged, 1 => member, 1 => called, 6 => text_test(template), 2 => named_test(template),
        1 => any::<bool>().prop_map(|b| b.to_string()),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let joined = |sign: &'static str| {
            vec(inner.clone(), 2..5).prop_map(move |parts| format!("({})", parts.join(sign)))
        };
        let not = inner.clone().prop_map(|a| format!("!({a})"));
        let same = (inner.clone(), select(vec!["==", "!="]), inner.clone())
            .prop_map(|(a, sign, b)| format!("(({a}) {sign} ({b}))"));
        let chosen = (inner.clone(), inner.clone(), inner.clone())
            .prop_map(|(a, b, c)| format!("(if {a} {{ {b} }} else {{ {c} }})"));
        let early = (inner.clone(), inner.clone(), inner.clone())
            .prop_map(|(a, b, c)| format!("{{ let t = {b}; if {a} {{ t }} else if t {{ {c} }} else {{ !t }} }}"));
        let kept = (ints.clone(), inner.clone(), ints.clone())
            .prop_map(|(n, a, m)| format!("{{ let n = {n}; let p = e.path; p != \"q\" && ({a} || n > {m} || n < 7) }}"));
        prop_oneof![4 => joined(" && "), 4 => joined(" || "), 2 => not, 1 => same, 1 => chosen, 1 => early, 1 => kept]
    })
    .boxed()
}

// ---- events -----------------------------------------------------------------

fn field_bytes(field: &Field) -> BoxedStrategy<Vec<u8>> {
    let size = field.size;
    match &field.kind {
        FieldKind::Text => text(size, field.name == "path"),
        FieldKind::Bool => any::<bool>().prop_map(|b| vec![u8::from(b)]).boxed(),
        FieldKind::Enum(names) => {
            let named = select(names.iter().map(|n| n.value).collect::<Vec<_>>());
            prop_oneof![4 => named, 1 => 0..20_u64]
                .prop_map(move |n| n.to_le_bytes()[..size].to_vec())
                .boxed()
        }
        FieldKind::Address => select(ADDRESSES)
            .prop_map(|text| {
                let (version, octets) = match text.parse() {
                    Ok(IpAddr::V4(v4)) => (4_u32, v4.to_ipv6_mapped().octets()),
                    Ok(IpAddr::V6(v6)) => (6, v6.octets()),
                    Err(_) => (0, [0; 16]),
                };
                [&version.to_le_bytes()[..], &octets].concat()
            })
            .boxed(),
        FieldKind::List { element, element_size, .. } => {
            let one = Field { kind: (**element).clone(), size: *element_size, ..field.clone() };
            vec(field_bytes(&one), size / element_size).prop_map(|parts| parts.concat()).boxed()
        }
        FieldKind::Texts { .. } => {
            let one = prop_oneof![5 => select(WORDS).prop_map(str::to_owned), 1 => Just(String::new()), 1 => Just("X".to_owned())];
            let bytes = (vec(one, 0..7), any::<bool>()).prop_map(|(texts, cut)| {
                let mut bytes: Vec<u8> =
                    texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect();
                if cut {
                    bytes.pop();
                }
                bytes
            });
            // Full to the last byte.
            let full = (select(WORDS), select(vec![1_usize, 7, 64])).prop_map(move |(word, step)| {
                word.bytes()
                    .cycle()
                    .take(size)
                    .enumerate()
                    .map(|(i, byte)| if i % 97 == step { 0 } else { byte })
                    .collect()
            });
            prop_oneof![9 => bytes, 1 => full].boxed()
        }
        FieldKind::Device => prop_oneof![Just(8_u64 << 20 | 1), Just(29_u64), any::<u64>()]
            .prop_map(move |n| n.to_le_bytes()[..size].to_vec())
            .boxed(),
        _ => prop_oneof![
            6 => select(vec![0, 1, 2, 3, 7, 8, 999, 1000, 1001, 65534, u64::from(u32::MAX)]),
            1 => any::<u64>(),
            1 => select(vec![u64::MAX, 1 << 63, (1 << 63) - 1, (1 << 63) + 1]),
            2 => 0..64_u64,
        ]
        .prop_map(move |n| n.to_le_bytes()[..size].to_vec())
        .boxed(),
    }
}

/// Up to the capacity, with noise behind the NUL in a path, and zeros behind it elsewhere.
fn text(size: usize, noise: bool) -> BoxedStrategy<Vec<u8>> {
    let words = vec(select(WORDS), 0..6).prop_map(|parts| parts.concat().into_bytes());
    let hostile = vec(any::<u8>().prop_filter("a NUL ends it", |b| *b != 0), 0..40);
    let mixed = (words.clone(), hostile.clone(), words.clone()).prop_map(|(a, b, c)| [a, b, c].concat());
    let longest = (select(WORDS), words.clone()).prop_map(move |(filler, end)| {
        let end_size = end.len().min(size - 1);
        let mut all: Vec<u8> = filler.bytes().cycle().take(size - 1 - end_size).collect();
        all.extend(&end[..end_size]);
        all
    });
    let bytes = prop_oneof![6 => words, 2 => mixed, 1 => hostile, 1 => longest];
    (bytes, any::<u64>())
        .prop_map(move |(mut bytes, seed)| {
            bytes.truncate(size - 1);
            bytes.push(0);
            if noise {
                // Words again, so that an answer from behind the end would be seen.
                let behind = WORDS.iter().cycle().skip((seed % 19) as usize).flat_map(|w| w.bytes());
                bytes.extend(behind.take(size - bytes.len()));
            }
            bytes.resize(size, 0);
            bytes
        })
        .boxed()
}

/// A bit of the header's notes.
fn note(fields: &[Field], name: &str) -> usize {
    let names = fields.iter().find_map(|field| match &field.kind {
        FieldKind::Flags(names) if field.name == "notes" => Some(names),
        _ => None,
    });
    let found = names.and_then(|names| names.iter().find(|n| n.name == name));
    usize::try_from(found.expect("the header has such a note").value).expect("notes are 32 bits")
}

fn event(template: &Template) -> BoxedStrategy<Vec<u8>> {
    let size = template.event_size;
    let fields = template.fields.clone();
    let packed_from = template.layout.packed_from;
    let parts: Vec<_> = fields.iter().map(field_bytes).collect();
    (parts, 0..20_u8, vec(0..16_u8, fields.len()), any::<u64>())
        .prop_map(move |(mut parts, unreadable, lacking, seed)| {
            // Words where nothing is in use, so that an answer from there would be seen.
            let noise = WORDS.iter().cycle().skip((seed % 19) as usize).flat_map(|word| word.bytes());
            let mut bytes: Vec<u8> = noise.take(size).collect();
            let index = |name: &str| fields.iter().position(|f| f.name == name);
            let path = index("path").unwrap_or(0);
            if unreadable == 0 {
                parts[path] = vec![0];
            }
            let nul = |bytes: &[u8]| bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            let mut notes = if unreadable == 0 { note(&fields, "no-path") } else { 0 };
            for ((field, part), lacks) in fields.iter().zip(&mut parts).zip(&lacking) {
                if let (Some(name), 0) = (&field.limits.unreadable, lacks) {
                    notes |= note(&fields, name);
                    part.fill(0);
                    part.truncate(1);
                }
            }
            let mut numbers = vec![("path_length", nul(&parts[path])), ("notes", notes)];
            for ((field, part), lacks) in fields.iter().zip(&parts).zip(&lacking) {
                if let Some(Cut::Noted(by)) = &field.limits.cut {
                    let cut = *lacks == 1 || part.last().is_some_and(|byte| *byte != 0);
                    numbers.push((by, usize::from(cut)));
                }
                match &field.kind {
                    FieldKind::Texts { length } => numbers.push((length, part.len())),
                    FieldKind::List { count, .. } => numbers.push((count, (seed % 11) as usize)),
                    _ => {}
                }
            }
            for (name, value) in numbers {
                if let Some(at) = index(name) {
                    parts[at] = u32::try_from(value).unwrap_or(0).to_le_bytes()[..fields[at].size].to_vec();
                }
            }
            let mut tail = fields.get(packed_from).map_or(size, |f| f.offset);
            for (at, field) in fields.iter().enumerate() {
                let part = &parts[at];
                let (from, used) = if at < packed_from {
                    (field.offset, part.len())
                } else {
                    let used = if matches!(field.kind, FieldKind::Texts { .. }) {
                        part.len()
                    } else {
                        nul(part) + 1
                    };
                    tail += used;
                    (tail - used, used)
                };
                bytes[from..from + used].copy_from_slice(&part[..used]);
            }
            // As the engine leaves it.
            if let Some(byte) = bytes.get_mut(tail) {
                *byte = 0;
            }
            bytes
        })
        .boxed()
}
