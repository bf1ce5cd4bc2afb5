//! krsi-sh-script(7): what a script can say. Functions come from the index that `help` answers from,
//! templates from the catalogue; only what the language is stands here.

use clap_mangen::roff::{Roff, bold, italic, roman};
use krsi_sh::{
    event::origin::{ANCESTORS, ANCESTORS_DOC, RELATIVES},
    script::{
        docs::{Function, Index, terms},
        index,
    },
    template::{Catalogue, Field, ParamKind, Template},
};

use super::{heading, written};

const LANGUAGE: &[&str] = &[
    "A script is written in Rhai, a small language with the look of Rust and JavaScript: let, if, for, while, \
     functions, closures, arrays, maps. What krsi-sh adds is below.",
    "A probe is made from a template, configured by methods, and attached last. Scope, params, filter, mode, lease \
     and aggregation are decided in the kernel; what a callback does comes after the kernel's decision. A script with an \
     attached probe goes on until Ctrl-C, exit(), the time given by --for, or until the last probe is detached, also when it has \
     waited with run_for(). A signal ends it within two seconds: on_exit() functions have one second, and events that no callback \
     has handled by then count as lost.",
    "A filter, the closure given to when(), is compiled and runs in the kernel. It may compare, reckon and call functions of the \
     script, and it knows the template's fields; variables from outside have the value they had at attach(). What \
     cannot be compiled is refused, and where_user() asks it in user space, by that name.",
    "import \"lib/net\" as net; gives a script the functions and exported constants of another file: net::is_private(e.address), in callbacks, \
     timers and filters as well. A name is looked for in ~/.config/krsi-sh/scripts, in /etc/krsi-sh/scripts, in the program itself, and in what \
     was installed with it; \"./helpers\" stands beside the file that says so, or below it. There is no other way: no whole path, none that goes up, and no \
     link that leads out. Each file is judged as a script is (owner, mode, size), read once, and may itself import (16 deep, 64 files, no circles). \
     It only defines: functions, constants (export const NAME = …, which are numbers, texts, ranges, networks, arrays and maps), imports; \
     whatever does something stands in a function that the script calls. An import stands at the top level of a script, its path \
     as a text, with a name behind as.",
];

const EXAMPLE: &str = r#"let p = probe("file_open", #{ path: "/etc/shadow", access: ["write"] })
    .scope(#{ cgroup: "/sys/fs/cgroup/web.slice" })
    .when(|e| e.uid >= 1000)
    .shadow();
p.on_event(|e| alert("high", `${e.comm} writes ${e.path}`, e)).attach();
run_for("10m");
exit();"#;

pub fn page() -> String {
    let catalogue = Catalogue::builtin().expect("the built-in catalogue");
    let index = index(&catalogue);
    let mut roff = Roff::new();
    roff.control("TH", ["krsi-sh-script", "7", "", "krsi-sh", "Miscellaneous"]);
    roff.extend([heading("SH", "Name")]);
    roff.text([roman("krsi-sh-script - what a script of krsi-sh can say")]);
    roff.extend([heading("SH", "Language")]);
    for paragraph in LANGUAGE {
        roff.text([roman(*paragraph)]).control("PP", []);
    }
    roff.control("EX", []);
    for line in EXAMPLE.lines() {
        roff.text([roman(line)]);
    }
    roff.control("EE", []);
    functions(&mut roff, &index);
    roff.extend([heading("SH", "Templates")]);
    if let Some(first) = catalogue.iter().next() {
        let common = first.fields.get(..first.layout.header).unwrap_or_default();
        let (origin, header): (Vec<_>, Vec<_>) = common.iter().partition(|field| field.is_of_origin());
        roff.extend([heading("SS", "Fields of every event")]);
        fields(&mut roff, header);
        roff.extend([heading("SS", "Where it comes from")]);
        roff.text([roman("Told where something names it, and not gathered elsewhere.")]);
        for relative in &RELATIVES {
            entry(&mut roff, &format!("e.{}", relative.name), relative.doc);
        }
        entry(&mut roff, &format!("e.{ANCESTORS}"), ANCESTORS_DOC);
        fields(&mut roff, origin);
    }
    for one in catalogue.iter() {
        template(&mut roff, one);
    }
    roff.extend([heading("SH", "Words")]);
    for (word, kind, doc) in terms::all() {
        let term = if kind == "word" { word.to_owned() } else { format!("{word} ({kind})") };
        entry(&mut roff, &term, doc);
    }
    roff.extend([heading("SH", "See also")]);
    roff.text([bold("krsi-sh"), roman("(1), https://rhai.rs/book")]);
    written(|out| roff.to_writer(out))
}

fn functions(roff: &mut Roff, index: &Index) {
    for (title, of, verdicts) in [
        ("Functions", None, false),
        ("Methods of a probe", Some("Probe"), false),
        ("Methods of an event", Some("Event"), false),
        ("Methods of a summary", Some("Summary"), false),
        ("Methods of a sequence", Some("Sequence"), false),
        ("Methods of a threshold", Some("Threshold"), false),
        ("Methods of a state", Some("State"), false),
        ("Methods of a timer", Some("Timer"), false),
        ("Methods of a scratch", Some("Scratch"), false),
        ("Methods of a child", Some("Child"), false),
        ("Verdicts of a filter", None, true),
    ] {
        roff.extend([heading("SH", title)]);
        let here = |f: &&Function| f.of.as_deref() == of && f.is_verdict() == verdicts;
        for function in index.functions().iter().filter(here) {
            entry(roff, &function.signature, &function.doc);
        }
    }
}

fn entry(roff: &mut Roff, term: &str, text: &str) {
    roff.control("TP", []).text([bold(term)]).text([roman(text.replace('\n', " "))]);
}

fn template(roff: &mut Roff, template: &Template) {
    roff.extend([heading("SS", &template.name)]);
    roff.text([roman(&template.summary)]).control("PP", []);
    roff.text([roman(format!(
        "Hooks: {}. ATT&CK: {}.",
        template.hooks.join(", "),
        template.attack.join(", ")
    ))]);
    roff.control("PP", []).text([italic("Params")]);
    for param in &template.params {
        let mut doc = param.doc.clone();
        if let ParamKind::Flags(flags) = &param.kind {
            let names: Vec<_> = flags.iter().map(|f| f.name.as_str()).collect();
            doc.push_str(&format!(" Allowed: {}.", names.join(", ")));
        }
        let term = format!("{}: {} (default: {})", param.name, param.kind.type_name(), param.default);
        entry(roff, &term, &doc);
    }
    roff.control("PP", []).text([italic("Fields of an event, beside those of every one")]);
    fields(roff, template.own_fields());
}

fn fields<'f>(roff: &mut Roff, fields: impl IntoIterator<Item = &'f Field>) {
    for field in fields {
        let unit = field.unit.as_ref().map_or_else(String::new, |unit| format!(" [{unit}]"));
        entry(roff, &format!("{}: {}{unit}", field.name, field.kind.type_name(field.size)), &field.doc);
    }
}
