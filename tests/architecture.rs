//! Holds the house to its plan: which room (a module directly under src/) may use which, and which libraries are named where.
//!
//! Read from the sources themselves, tests left out. A failure names the place and says what to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// The street, from the top down: a room uses only rooms that stand below it.
const STREET: &[&str] = &[
    "main",
    "cli",
    "fuzzing",
    "commands",
    "shell",
    "why",
    "doctor",
    "lab",
    "runner",
    "globals",
    "source",
    "script",
    "kernel",
    "recording",
    "learning",
    "redteam",
    "report",
    "exit",
    "check",
    "reaction",
    "attempt",
    "correlation",
    "backend",
    "probe",
    "filter",
    "event",
    "symbols",
    "template",
    "facts",
    "system",
    "memory",
    "raw",
    "values",
];

/// The parts of a room, likewise from the top down.
const ORDER: &[(&str, &[&str])] = &[
    (
        "kernel",
        &[
            "denials", "live", "attach", "bench", "programs", "pins", "sessions", "waker", "maps", "running",
            "names", "load", "host", "error", "verifier", "errno", "label", "call",
        ],
    ),
    ("report", &["document", "reporter", "redaction", "sink", "format", "record", "printable", "secrets"]),
];

/// Libraries that are named in these places alone: (library, where, why).
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("aya", &["kernel/"], "the kernel's side of a probe is one room: ask it of `kernel`"),
    ("aya_obj", &["kernel/"], "the kernel's side of a probe is one room: ask it of `kernel`"),
    ("rustyline", &["shell/"], "scripts run without a line editor: hand a value or a trait to `shell`"),
    ("blazesym", &["symbols"], "addresses get their names in one place"),
    (
        "clap",
        &["cli", "commands/", "globals", "main.rs"],
        "the command line is parsed at the edge, into typed options",
    ),
];

/// What Rhai calls internal (its syntax tree, its caches) may change with any release: few files name it.
const RHAI_INTERNALS: &[&str] =
    &["ASTNode", "Expr", "Stmt", "Caches", "GlobalRuntimeState", "FnCallExpr", "ASTFlags"];
const RHAI_INTERNALS_IN: &[&str] = &[
    "filter/syntax.rs",
    "filter/prefilter.rs",
    "script/call.rs",
    "script/receivers.rs",
    "script/imports/scan.rs",
];

/// One name used at one place, as a path from the crate's root or from a library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    file: String,
    line: usize,
    path: Vec<String>,
}

struct Uses<'f> {
    file: &'f str,
    /// The module the file is, from the crate's root.
    module: Vec<String>,
    found: Vec<Use>,
}

impl Uses<'_> {
    fn add(&mut self, line: usize, segments: &[String]) {
        let mut module = self.module.clone();
        let mut rest = segments;
        match segments.first().map(String::as_str) {
            Some("crate") => {
                module.clear();
                rest = &segments[1..];
            }
            Some("self") => rest = &segments[1..],
            Some("super") => {
                while rest.first().is_some_and(|s| s == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            // A library, or a name that is in scope here.
            _ => module = vec!["::".to_owned()],
        }
        module.extend(rest.iter().cloned());
        self.found.push(Use { file: self.file.to_owned(), line, path: module });
    }

    fn add_tree(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_tree(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree, before)),
            syn::UseTree::Name(name) => self.add_leaf(&name.ident, before),
            syn::UseTree::Rename(rename) => self.add_leaf(&rename.ident, before),
            syn::UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                self.add(line, before);
            }
        }
    }

    fn add_leaf(&mut self, leaf: &syn::Ident, before: &[String]) {
        let mut path = before.to_vec();
        if leaf != "self" {
            path.push(leaf.to_string());
        }
        self.add(leaf.span().start().line, &path);
    }

    /// What a macro is given is no syntax yet: paths in it are found by their shape.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut line = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.finish(line, &mut path);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.finish(line, &mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.finish(line, &mut path);
    }

    fn finish(&mut self, line: usize, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.add(line, &path);
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        a.path().is_ident("cfg") && a.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.add_tree(&item.tree, &mut Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if let Some(first) = path.segments.first()
            && segments.len() > 1
        {
            self.add(first.ident.span().start().line, &segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.add_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// `shell/top/page.rs` is `shell::top::page`, `shell/mod.rs` is `shell`.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if stem == "lib" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() }
}

fn uses() -> Vec<Use> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        // Tests may look up.
        if file.ends_with("/tests.rs") {
            continue;
        }
        let syntax = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut uses = Uses { file: &file, module: module_of(&file), found: Vec::new() };
        uses.visit_file(&syntax);
        found.append(&mut uses.found);
    }
    found
}

fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// What a room's own file hands on under a name of its own: `pub use self::part::Name`, by name.
fn handed_on(room: &str, uses: &[Use]) -> BTreeMap<String, String> {
    let own = [format!("{room}/mod.rs"), format!("{room}.rs")];
    let of_room = uses.iter().filter(|one| own.contains(&one.file));
    of_room
        .filter_map(|one| match inside(room, one)? {
            [part, name] => Some((name.clone(), part.clone())),
            _ => None,
        })
        .collect()
}

/// What is left of a path that leads into a room.
fn inside<'u>(room: &str, one: &'u Use) -> Option<&'u [String]> {
    let mut path = &*one.path;
    for step in room.split('/') {
        let (first, rest) = path.split_first()?;
        path = (first == step).then_some(rest)?;
    }
    Some(path)
}

/// Which part of a room uses which, and where: a part is a file directly in the room, with the directory of its name.
/// The room may be one inside another: `kernel/attach`.
fn parts(room: &str, uses: &[Use]) -> BTreeMap<String, BTreeMap<String, String>> {
    let directory = format!("{room}/");
    let names: BTreeSet<&str> = uses
        .iter()
        .filter_map(|one| one.file.strip_prefix(&directory))
        .map(room_of)
        .filter(|part| *part != "mod")
        .collect();
    let handed_on = handed_on(room, uses);
    let mut graph: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for one in uses {
        let Some(from) = one.file.strip_prefix(&directory).map(room_of).filter(|part| *part != "mod") else {
            continue;
        };
        let Some(name) = inside(room, one).and_then(<[String]>::first) else { continue };
        let Some(to) = names.get(name.as_str()).copied().or_else(|| handed_on.get(name).map(String::as_str))
        else {
            continue;
        };
        if to != from {
            let place = format!("src/{}:{}: `{}`", one.file, one.line, one.path.join("::"));
            graph.entry(from.to_owned()).or_default().entry(to.to_owned()).or_insert(place);
        }
    }
    graph
}

/// All rooms, and those inside them.
fn rooms(uses: &[Use]) -> BTreeSet<String> {
    let directories = uses.iter().flat_map(|one| Path::new(&one.file).ancestors().skip(1));
    directories.filter_map(Path::to_str).filter(|room| !room.is_empty()).map(str::to_owned).collect()
}

/// The parts that can be come to from one, itself among them only if there is a circle.
fn reached(graph: &BTreeMap<String, BTreeMap<String, String>>, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![from.to_owned()];
    while let Some(part) = waiting.pop() {
        for next in graph.get(&part).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(next.clone()) {
                waiting.push(next.clone());
            }
        }
    }
    found
}

fn report(what: &str, found: &BTreeSet<String>) {
    assert!(
        found.is_empty(),
        "\n{}\n{what}\n",
        found.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn every_room_has_its_place_on_the_street() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let rooms: BTreeSet<_> =
        names.map(|name| room_of(&name).to_owned()).filter(|room| room != "lib").collect();
    let placed: BTreeSet<_> = STREET.iter().map(|r| (*r).to_owned()).collect();
    let strangers: BTreeSet<_> = rooms.symmetric_difference(&placed).cloned().collect();
    report("these are modules of src/ or rows of STREET (tests/architecture.rs), and not both", &strangers);
}

#[test]
fn a_room_uses_only_what_stands_below_it() {
    let place: BTreeMap<_, _> = STREET.iter().enumerate().map(|(at, room)| (*room, at)).collect();
    let mut uphill = BTreeSet::new();
    let uses = uses();
    for one in &uses {
        let from = room_of(&one.file);
        let Some((to, _)) = one.path.first().and_then(|room| place.get_key_value(room.as_str())) else {
            continue;
        };
        let Some(at) = place.get(from) else { continue };
        if from == *to || at < &place[to] {
            continue;
        }
        uphill.insert(format!("src/{}:{}: `{from}` uses `{}`", one.file, one.line, one.path.join("::")));
    }
    report(
        "what stands higher is handed in as a value or a trait, or what is shared moves further down (STREET in tests/architecture.rs)",
        &uphill,
    );
}

#[test]
fn a_part_of_a_room_uses_only_what_stands_below_it() {
    let uses = uses();
    let mut uphill = BTreeSet::new();
    for (room, order) in ORDER {
        let place = |part: &str| order.iter().position(|known| *known == part);
        for (from, to) in parts(room, &uses) {
            for (to, at) in to.iter().filter(|(to, _)| place(&from).is_none() || place(&from) > place(to)) {
                uphill.insert(format!("{at}: `{from}` uses `{to}`"));
            }
        }
    }
    report("what stands higher in its room is handed in, or what both need moves down (ORDER)", &uphill);
}

#[test]
fn no_room_has_a_circle_of_its_own() {
    let uses = uses();
    let mut circles = BTreeSet::new();
    for room in rooms(&uses) {
        let graph = parts(&room, &uses);
        for (from, to) in &graph {
            for (to, place) in to.iter().filter(|(to, _)| reached(&graph, to).contains(from)) {
                circles.insert(format!("{place}: `{from}` uses `{to}`, which leads back to it"));
            }
        }
    }
    report(
        "two files that use each other are one file, or what both need is a third one below them",
        &circles,
    );
}

#[test]
fn a_library_is_named_where_it_belongs() {
    let mut astray = BTreeSet::new();
    for one in uses().iter().filter(|u| u.path.first().is_some_and(|first| first == "::")) {
        let Some(library) = one.path.get(1) else { continue };
        for (name, places, why) in ONLY_IN {
            if library == name && !places.iter().any(|place| one.file.starts_with(place)) {
                astray.insert(format!(
                    "src/{}:{}: `{}`: {why}",
                    one.file,
                    one.line,
                    one.path[1..].join("::")
                ));
            }
        }
        let internal =
            library == "rhai" && one.path[2..].iter().any(|n| RHAI_INTERNALS.contains(&n.as_str()));
        if internal && !RHAI_INTERNALS_IN.contains(&one.file.as_str()) {
            astray.insert(format!(
                "src/{}:{}: `{}` is internal to Rhai",
                one.file,
                one.line,
                one.path[1..].join("::")
            ));
        }
    }
    report(
        "move the code to where the library is at home, or say in tests/architecture.rs why it has to be here, too",
        &astray,
    );
}
