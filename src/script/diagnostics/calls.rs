//! What is wrong with a call, a property or an index: the name, the number of arguments, or what one of them is.
//!
//! In: Rhai's description of what it has looked for and not found. Out: a sentence in the words of scripts, and what may
//! be written instead, with an example from the function's own documentation.

use crate::{
    script::{
        docs::{self, Function, Index},
        program::Imported,
    },
    values::nearest,
};

type Told = (String, Option<String>);

/// `name (type, type)` as Rhai has it.
pub fn unknown_function(signature: &str, index: &Index) -> Told {
    let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
    let plain = docs::plain_types(types.strip_suffix(')').unwrap_or(types));
    let given: Vec<&str> = plain.split(", ").filter(|kind| !kind.is_empty()).collect();
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        let given = given.iter().map(|kind| a(kind)).collect::<Vec<_>>().join(" and ");
        return (format!("`{name}` cannot be applied to {given}"), None);
    }
    if is_closure(name) {
        return closure_of_another_number(&given);
    }
    let forms = index.forms_of(name);
    if forms.is_empty() {
        let near = near_member(given.first().copied(), name, index);
        let foreign = super::words::of_another_language(name).map(str::to_owned);
        let advice = foreign.or(near.map(|near| format!("did you mean `{near}`?")));
        return (
            format!("there is no function `{name}`"),
            advice.or(Some("`help()` lists what there is".into())),
        );
    }
    if matches!(name, "print" | "debug") {
        let advice = format!("put values into a text: {name}(`x: ${{x}}`)");
        return (format!("`{name}` takes one value, not {}", given.len()), Some(advice));
    }
    wrong_arguments(name, &given, &forms)
}

/// A function of an imported file is called with more or fewer arguments than it takes.
pub fn of_another_number(function: &Imported, signature: &str) -> Told {
    let types = signature.split_once(" (").map_or("", |(_, types)| types.trim_end_matches(')'));
    let given = docs::plain_types(types).split(", ").filter(|kind| !kind.is_empty()).count();
    let Imported { shown, params } = function;
    let arguments = if params.len() == 1 { "argument" } else { "arguments" };
    let text = format!("`{shown}` takes {} {arguments}, and is given {given}", params.len());
    (text, Some(format!("allowed: {shown}({})", params.join(", "))))
}

/// Whether Rhai has made up this name, for a function that has none.
pub fn is_closure(name: &str) -> bool {
    name.starts_with("anon$")
}

/// A closure is found by its name and number of parameters, so the number is what is wrong.
fn closure_of_another_number(given: &[&str]) -> Told {
    let (text, form) = match given {
        [] => ("the function is called with no argument, and takes some".into(), "|| …".to_owned()),
        [one] => (
            format!("the function is called with one argument ({one}), and does not take one"),
            "|value| …".to_owned(),
        ),
        more => (
            format!(
                "the function is called with {} arguments ({}), and does not take as many",
                more.len(),
                more.join(", ")
            ),
            format!("|{}| …", ["a", "b", "c", "d", "e"].get(..more.len()).unwrap_or(&["…"]).join(", ")),
        ),
    };
    (text, Some(format!("write it as `{form}`")))
}

/// A name like this one: of what the value has, or of all.
fn near_member(of: Option<&str>, name: &str, index: &Index) -> Option<String> {
    let members = of.map(|of| index.members(of)).unwrap_or_default();
    let near = nearest(name, members).or_else(|| nearest(name, index.callable_names()));
    near.map(str::to_owned)
}

fn wrong_arguments(name: &str, given: &[&str], forms: &[&Function]) -> Told {
    let receiver = given.first().copied();
    let of_receiver: Vec<&Function> =
        forms.iter().copied().filter(|form| form.of.is_some() && form.of.as_deref() == receiver).collect();
    let plain: Vec<&Function> = forms.iter().copied().filter(|form| form.of.is_none()).collect();
    let (forms, given) = match (of_receiver.is_empty(), plain.is_empty()) {
        (false, _) => (of_receiver, &given[1..]),
        (true, false) => (plain, given),
        (true, true) => {
            let of = forms.iter().filter_map(|form| form.of.as_deref()).collect::<Vec<_>>();
            let of = a(of.first().copied().unwrap_or("value"));
            let text = receiver.map_or_else(
                || format!("`{name}` is a method of {of}"),
                |receiver| format!("`{name}` is a method of {of}, and this is {}", a(receiver)),
            );
            return (text, Some(advice(forms)));
        }
    };
    (wrong(name, given, &forms), Some(advice(&forms)))
}

/// What none of these forms takes.
fn wrong(name: &str, given: &[&str], forms: &[&Function]) -> String {
    let of_number = |form: &&&Function| form.params.len() == given.len();
    let fits = |(kind, param): (&&str, &(String, String))| **kind == param.1 || param.1 == "any";
    let right = |form: &&&Function| given.iter().zip(&form.params).take_while(|pair| fits(*pair)).count();
    let Some(form) = forms.iter().filter(of_number).max_by_key(right) else {
        return wrong_number(name, given, forms);
    };
    let at = right(&form);
    let kind = given.get(at).map_or_else(|| "this".into(), |kind| a(kind));
    match (given.len(), form.params.get(at)) {
        (0 | 1, _) | (_, None) => format!("`{name}` does not take {kind}"),
        (_, Some((param, _))) => {
            format!("`{name}` does not take {kind} as its {} argument (`{param}`)", nth(at))
        }
    }
}

fn wrong_number(name: &str, given: &[&str], forms: &[&Function]) -> String {
    let counts: std::collections::BTreeSet<usize> = forms.iter().map(|form| form.params.len()).collect();
    if given.is_empty()
        && let Some(form) = forms.iter().min_by_key(|form| form.params.len())
    {
        let needed = form.params.iter().map(|(param, kind)| needed(param, kind));
        return format!("`{name}` needs {}", needed.collect::<Vec<_>>().join(" and "));
    }
    let allowed: Vec<String> = counts.iter().map(ToString::to_string).collect();
    match allowed.as_slice() {
        [none] if none == "0" => format!("`{name}` takes no arguments"),
        [one] if one == "1" => format!("`{name}` takes one argument, not {}", given.len()),
        allowed => format!("`{name}` takes {} arguments, not {}", allowed.join(" or "), given.len()),
    }
}

/// "a signal (string)", "a function".
fn needed(param: &str, kind: &str) -> String {
    if param == kind || kind == "any" { a(param) } else { format!("{} ({kind})", a(param)) }
}

fn nth(at: usize) -> &'static str {
    ["first", "second", "third", "fourth", "fifth"].get(at).unwrap_or(&"last")
}

fn advice(forms: &[&Function]) -> String {
    let forms_of: Vec<&str> = forms.iter().map(|form| form.signature.as_str()).collect();
    let mut text = format!("it takes: {}", forms_of.join("; "));
    if let Some(example) = forms.iter().find_map(|form| form.example()) {
        text.push_str(&format!("\nfor example: {example}"));
    }
    text
}

/// Rhai's description of a property that a value does not have, or that cannot be set.
pub fn unknown_property(described: &str, index: &Index) -> Option<Told> {
    let mut quoted = described.split('\'').skip(1).step_by(2);
    let (name, of) = (quoted.next()?, docs::plain_types(quoted.next()?));
    let of = of.as_str();
    if described.starts_with("No writable") {
        let members = index.members(of);
        let advice = match members.contains(&name) {
            true => format!("`help(\"{name}\")` tells what changes it, if anything does"),
            false => members_of(of, &members),
        };
        return Some((format!("`{name}` of {} cannot be set", a(of)), Some(advice)));
    }
    let method = index.forms_of(name).into_iter().find(|form| form.of.as_deref() == Some(of));
    if let Some(method) = method {
        let call = if method.params.is_empty() { "()" } else { "(…)" };
        let advice = match method.example() {
            Some(example) if !method.params.is_empty() => format!("call it: {example}"),
            _ => format!("call it: `.{name}{call}`"),
        };
        return Some((format!("`{name}` is a method"), Some(advice.replace("{name}", name))));
    }
    let members = index.members(of);
    let advice = nearest(name, members.iter().copied())
        .map_or_else(|| members_of(of, &members), |near| format!("did you mean `{near}`?"));
    Some((format!("{} has no `{name}`", a(of)), Some(advice)))
}

fn members_of(of: &str, members: &[&str]) -> String {
    let mut members = members.to_vec();
    members.sort_unstable();
    members.dedup();
    match members.len() {
        0 => format!("{} has neither properties nor methods", a(of)),
        1..=12 => format!("it has: {}", members.join(", ")),
        _ => "`help()` lists what there is".into(),
    }
}

/// A type of the language with its article.
pub fn a(kind: &str) -> String {
    match kind {
        "()" => "nothing (`()`)".into(),
        "array" | "int" | "Event" | "Error" | "iterator" | "errno" | "exit" => format!("an {kind}"),
        other if other.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {other}"),
        other => format!("a {other}"),
    }
}
