//! What is being typed at the cursor: a template's name, a param, an event's field …
//!
//! In: the text before and after the cursor, and which variables are known to
//! hold which probes. Out: a [`Place`] and where the word being typed begins.
//! Purely lexical: nothing is evaluated, and what cannot be known from the text
//! (a probe handed through a function, say) falls back to the common case.

use std::collections::HashMap;

use super::{
    lexer::{Kind, Token, lex, open_brackets, partner},
    meta,
};
use crate::facts::Fact;

/// Which variables hold a probe, and of which template.
pub type Probes = HashMap<String, String>;

/// What can stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A `:command` of the shell.
    Command,
    /// An argument of one.
    CommandArgument(String),
    Template,
    /// A key of a template's params; those that are there already.
    Param {
        template: String,
        present: Vec<String>,
    },
    ParamValue {
        template: String,
        param: String,
    },
    ScopeKey {
        present: Vec<String>,
    },
    /// A field of an event; `None` if it cannot be told of which template.
    Field(Option<String>),
    /// The name of one, in a string.
    FieldName {
        template: Option<String>,
        present: Vec<String>,
    },
    /// Behind `net::`, of what was imported by this name.
    Imported(String),
    /// After a dot on anything else.
    Method(Receiver),
    Errno,
    Signal,
    Capability,
    OnError,
    Severity,
    Topic,
    /// A directory of the cgroup file system.
    Cgroup,
    /// `"host"`, or a namespace's file.
    Namespace,
    /// The name of a thread.
    Comm,
    /// Inside a string of no known meaning.
    Path,
    /// A keyword, a function or a variable.
    Word,
    Comment,
}

/// What a method is about to be called on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    Unknown,
    Probe,
    Variable(String),
    /// A literal of this type.
    Literal(&'static str),
    /// A field of an event, of this template if that can be told.
    Field(Option<String>, String),
    /// One of those that a function gives, by the function's name: `for m in mounts() { m.`.
    OneOf(String),
    /// What a function gives, or a method of something.
    Call(Option<Box<Receiver>>, String),
}

/// The place at `cursor`, and the byte at which the word being typed begins.
#[must_use]
pub fn at(text: &str, cursor: usize, probes: &Probes) -> (usize, Place) {
    let before = text.get(..cursor).unwrap_or(text);
    if let Some(command) = before.strip_prefix(':') {
        return match command.split_once(' ') {
            None => (0, Place::Command),
            Some((name, argument)) => {
                (cursor - argument.trim_start().len(), Place::CommandArgument(name.to_owned()))
            }
        };
    }
    if let Some((name, argument)) = before.split_once(' ')
        && meta::takes_file(name)
        && argument.trim_start().chars().all(|c| c.is_alphanumeric() || "/._-~".contains(c))
    {
        return (cursor - argument.trim_start().len(), Place::CommandArgument(name.to_owned()));
    }
    if let Some(topic) = before.strip_prefix('?').or_else(|| before.strip_prefix("help ")) {
        return (cursor - topic.trim_start().len(), Place::Topic);
    }
    let tokens = lex(before);
    let reading = Reading { text: before, tokens: &tokens, probes };
    match tokens.last() {
        Some(last) if last.kind == Kind::Comment && last.surrounds(cursor) => (cursor, Place::Comment),
        Some(last) if last.kind == Kind::Text && last.surrounds(cursor) => {
            let start = cursor - last.content(before).len();
            (start, reading.before(tokens.len() - 1).in_text())
        }
        Some(last) if last.kind != Kind::Symbol && last.kind != Kind::Text && last.end == cursor => {
            (last.start, reading.before(tokens.len() - 1).in_code())
        }
        _ => (cursor, reading.in_code()),
    }
}

/// Learns from a line that was entered: `let p = probe("exec")…`.
pub fn learn(text: &str, probes: &mut Probes) {
    let tokens = lex(text);
    for (index, token) in tokens.iter().enumerate() {
        if token.of(text) != "=" || index == 0 || tokens[index - 1].kind != Kind::Name {
            continue;
        }
        let name = tokens[index - 1].of(text);
        let value = Reading { text, tokens: &tokens, probes };
        match value.probe_from(index + 1) {
            Some(template) => probes.insert(name.to_owned(), template),
            None => probes.remove(name),
        };
    }
}

/// Tokens up to some point, read backwards from there.
#[derive(Clone, Copy)]
struct Reading<'r> {
    text: &'r str,
    tokens: &'r [Token],
    probes: &'r Probes,
}

impl<'r> Reading<'r> {
    fn before(self, index: usize) -> Self {
        Reading { tokens: self.tokens.get(..index).unwrap_or(self.tokens), ..self }
    }

    fn word(&self, index: usize) -> &'r str {
        self.tokens.get(index).map_or("", |token| token.of(self.text))
    }

    fn last(&self) -> &'r str {
        self.tokens.last().map_or("", |token| token.of(self.text))
    }

    fn is_name(&self, index: usize) -> bool {
        self.tokens.get(index).is_some_and(|token| token.kind == Kind::Name)
    }

    fn in_code(self) -> Place {
        if matches!(self.last(), "." | "?.") {
            return self.after_dot(self.tokens.len() - 1);
        }
        if let Some(alias) = self.imported() {
            return Place::Imported(alias.to_owned());
        }
        let Some(&open) = open_brackets(self.text, self.tokens).last() else { return Place::Word };
        if self.word(open) == "#{" && matches!(self.last(), "#{" | ",") {
            self.key(open)
        } else {
            Place::Word
        }
    }

    /// The name before a `::` at the end.
    fn imported(&self) -> Option<&'r str> {
        let last = self.tokens.len().checked_sub(1)?;
        let before = match (self.word(last), last.checked_sub(1).map(|index| self.word(index))) {
            ("::", _) => last.checked_sub(1)?,
            (":", Some(":")) => last.checked_sub(2)?,
            _ => return None,
        };
        self.is_name(before).then(|| self.word(before))
    }

    fn after_dot(self, dot: usize) -> Place {
        let plain =
            dot > 0 && self.is_name(dot - 1) && !(dot > 1 && matches!(self.word(dot - 2), "." | "?."));
        if plain && let Some(function) = self.gone_through(self.word(dot - 1)) {
            return Place::Method(Receiver::OneOf(function));
        }
        // What `on_match` gives is a list of events.
        if plain
            && let Some(call) = self.closure_with(self.word(dot - 1))
            && call.checked_sub(1).is_none_or(|name| self.word(name) != "on_match")
        {
            return Place::Field(self.receiver_of(call));
        }
        Place::Method(self.receiver(dot, 0))
    }

    /// What ends right before `end`; calls behind calls are followed this far.
    fn receiver(self, end: usize, depth: usize) -> Receiver {
        const DEEPEST: usize = 16;
        let Some(last) = end.checked_sub(1).filter(|_| depth < DEEPEST) else { return Receiver::Unknown };
        let opened = || partner(self.text, self.tokens, last);
        match self.word(last) {
            ")" => match opened().and_then(|open| open.checked_sub(1)) {
                Some(name) if self.is_name(name) => {
                    let on = self.dot_before(name).map(|dot| Box::new(self.receiver(dot, depth + 1)));
                    Receiver::Call(on, self.word(name).to_owned())
                }
                _ => Receiver::Unknown,
            },
            "]" if opened().is_some_and(|open| !self.ends_value(open)) => Receiver::Literal("array"),
            // `mounts()[0]`.
            "]" => match opened().and_then(|open| self.list_before(open, depth + 1)) {
                Some(function) => Receiver::OneOf(function),
                None => Receiver::Unknown,
            },
            "}" if opened().is_some_and(|open| self.word(open) == "#{") => Receiver::Literal("map"),
            _ if self.tokens[last].kind == Kind::Text && self.tokens[last].closed => {
                Receiver::Literal("string")
            }
            name if self.is_name(last) => match self.dot_before(last) {
                Some(dot) => self.field(dot, name),
                None if self.probes.contains_key(name) => Receiver::Probe,
                None => Receiver::Variable(name.to_owned()),
            },
            _ => Receiver::Unknown,
        }
    }

    /// The function whose list, or what is left of it, ends right before `end`: `mounts().filter(|m| …)`.
    fn list_before(self, end: usize, depth: usize) -> Option<String> {
        const SAME: [&str; 6] = ["filter", "order", "order_by", "sort", "extract", "to_array"];
        let mut receiver = self.receiver(end, depth);
        loop {
            match receiver {
                Receiver::Call(None, name) => return Some(name).filter(|name| Fact::is_list(name)),
                Receiver::Call(Some(on), name) if SAME.contains(&name.as_str()) => receiver = *on,
                _ => return None,
            }
        }
    }

    /// The function whose list a variable goes through: `for m in mounts()`, `mounts().find(|m| …)`.
    fn gone_through(self, variable: &str) -> Option<String> {
        if let Some(open) = self.closure_with(variable) {
            return self.list_before(self.dot_before(open.checked_sub(1)?)?, 0);
        }
        let mut at = self.tokens.len();
        while let Some(before) = at.checked_sub(1) {
            at = before;
            if self.word(at) == "for" && self.word(at + 1) == variable && self.word(at + 2) == "in" {
                let opened = (at + 3..self.tokens.len()).find(|index| self.word(*index) == "{")?;
                return self.list_before(opened, 0);
            }
        }
        None
    }

    /// `e.path`, where `e` is what a closure is given.
    fn field(self, dot: usize, name: &str) -> Receiver {
        let event = dot.checked_sub(1).filter(|at| self.is_name(*at) && self.dot_before(*at).is_none());
        match event.and_then(|event| self.closure_with(self.word(event))) {
            Some(call) => Receiver::Field(self.receiver_of(call), name.to_owned()),
            None => Receiver::Unknown,
        }
    }

    fn dot_before(self, index: usize) -> Option<usize> {
        index.checked_sub(1).filter(|at| matches!(self.word(*at), "." | "?."))
    }

    /// Whether a value ends before this bracket, so that it is an index into that.
    fn ends_value(self, open: usize) -> bool {
        let before = open.checked_sub(1).and_then(|at| self.tokens.get(at));
        before.is_some_and(|token| {
            matches!(token.kind, Kind::Name | Kind::Text) || matches!(token.of(self.text), ")" | "]")
        })
    }

    /// The bracket of the call that was given a closure with this parameter.
    fn closure_with(self, parameter: &str) -> Option<usize> {
        open_brackets(self.text, self.tokens).into_iter().rev().filter(|open| self.word(*open) == "(").find(
            |open| {
                let inside = &self.tokens[open + 1..];
                let mut bars = inside.iter().enumerate().filter(|(_, token)| token.of(self.text) == "|");
                match (bars.next(), bars.next()) {
                    (Some((from, _)), Some((to, _))) => inside[from..to]
                        .iter()
                        .any(|token| token.kind == Kind::Name && token.of(self.text) == parameter),
                    _ => false,
                }
            },
        )
    }

    /// The template of the probe whose method opens its arguments at `open`, or which is the first of these.
    fn receiver_of(self, open: usize) -> Option<String> {
        let method = open.checked_sub(1).filter(|at| self.is_name(*at))?;
        // `s.step(p, |e| …)`, `t.of(p, |e| …)`.
        if matches!(self.word(method), "step" | "of") {
            return self.probe_from(open + 1);
        }
        let dot = method.checked_sub(1).filter(|at| matches!(self.word(*at), "." | "?."))?;
        self.probe_up_to(dot)
    }

    /// The template of the probe that ends right before `end`: a variable, or a
    /// chain of calls that begins with `probe("…")`.
    fn probe_up_to(self, end: usize) -> Option<String> {
        let mut end = end;
        loop {
            let last = end.checked_sub(1)?;
            let name = if self.word(last) == ")" {
                partner(self.text, self.tokens, last)?.checked_sub(1)?
            } else {
                last
            };
            if !self.is_name(name) {
                return None;
            }
            match name.checked_sub(1) {
                Some(dot) if matches!(self.word(dot), "." | "?.") => end = dot,
                _ => return self.probe_from(name),
            }
        }
    }

    /// The template of the probe that begins at `index`.
    fn probe_from(self, index: usize) -> Option<String> {
        if self.word(index) == "probe" && self.word(index + 1) == "(" {
            let name = self.tokens.get(index + 2).filter(|token| token.kind == Kind::Text && token.closed)?;
            return Some(name.content(self.text).to_owned());
        }
        self.probes.get(self.word(index)).filter(|_| self.is_name(index)).cloned()
    }

    /// What a call is named, whether it is a method, and which argument the end is in.
    fn call(self, open: usize) -> Option<(&'r str, bool, usize)> {
        let name = open.checked_sub(1).filter(|at| self.is_name(*at))?;
        let method = name.checked_sub(1).is_some_and(|at| matches!(self.word(at), "." | "?."));
        let mut depth = 0_usize;
        let mut argument = 0;
        for token in &self.tokens[open + 1..] {
            match token.of(self.text) {
                "(" | "[" | "{" | "#{" if token.kind == Kind::Symbol => depth += 1,
                ")" | "]" | "}" if token.kind == Kind::Symbol => depth = depth.saturating_sub(1),
                "," if depth == 0 => argument += 1,
                _ => {}
            }
        }
        Some((self.word(name), method, argument))
    }

    fn in_text(self) -> Place {
        let mut open = open_brackets(self.text, self.tokens);
        // One of several values stands for the same as a single one.
        while open.last().is_some_and(|at| self.word(*at) == "[") {
            open.pop();
        }
        let Some(innermost) = open.last().copied() else { return Place::Path };
        if self.word(innermost) == "#{" {
            return self.map_value(innermost);
        }
        match self.call(innermost) {
            Some(("probe", false, 0)) => Place::Template,
            Some(("help", false, 0)) => Place::Topic,
            Some(("alert", false, 0)) => Place::Severity,
            // A filter's verdicts have no receiver.
            Some(("deny", _, 0)) => Place::Errno,
            Some(("kill", _, 0)) | Some(("kill", false, 1)) => Place::Signal,
            Some(("capable", true, 0) | ("capable", false, 1)) => Place::Capability,
            Some(("on_error", true, 0)) => Place::OnError,
            Some((method, true, argument)) if names_fields(method, argument) => Place::FieldName {
                template: self.receiver_of(innermost),
                present: self.texts_since(innermost),
            },
            Some(("set", true, 0)) => match self.receiver_of(innermost) {
                Some(template) => Place::Param { template, present: Vec::new() },
                None => Place::Path,
            },
            Some(("set", true, 1)) => match (self.receiver_of(innermost), self.tokens.get(innermost + 1)) {
                (Some(template), Some(param)) => {
                    Place::ParamValue { template, param: param.content(self.text).to_owned() }
                }
                _ => Place::Path,
            },
            _ => Place::Path,
        }
    }

    /// The texts behind this bracket, in the list that is open there.
    fn texts_since(self, open: usize) -> Vec<String> {
        let list = self.tokens[open + 1..].iter().rev().take_while(|token| token.of(self.text) != "[");
        let texts = list.filter(|token| token.kind == Kind::Text && token.closed);
        texts.map(|token| token.content(self.text).to_owned()).collect()
    }

    /// Whose map opens here.
    fn map_of(self, open: usize) -> Option<(&'r str, bool, usize)> {
        let outer = open_brackets(self.text, &self.tokens[..open]);
        let call = outer.last().copied().filter(|at| self.word(*at) == "(")?;
        self.before(open).call(call)
    }

    fn key(self, open: usize) -> Place {
        let present = self.keys(open);
        match self.map_of(open) {
            Some(("probe", false, 1)) => match self.template_of_map(open) {
                Some(template) => Place::Param { template, present },
                None => Place::Word,
            },
            Some(("scope", true, 0)) => Place::ScopeKey { present },
            _ => Place::Word,
        }
    }

    fn map_value(self, open: usize) -> Place {
        let param = self.keys(open).pop();
        match (self.map_of(open), param) {
            (Some(("probe", false, 1)), Some(param)) => match self.template_of_map(open) {
                Some(template) => Place::ParamValue { template, param },
                None => Place::Path,
            },
            (Some(("scope", true, 0)), Some(condition)) => match condition.trim_start_matches("not_") {
                "cgroup" => Place::Cgroup,
                "comm" => Place::Comm,
                "user_ns" | "pid_ns" | "mnt_ns" => Place::Namespace,
                _ => Place::Path,
            },
            _ => Place::Path,
        }
    }

    fn template_of_map(self, open: usize) -> Option<String> {
        let call = open_brackets(self.text, &self.tokens[..open]).last().copied()?;
        self.probe_from(call.checked_sub(1)?)
    }

    /// The keys of the map that opens here, in order.
    fn keys(self, open: usize) -> Vec<String> {
        let mut depth = 0_usize;
        let mut keys = Vec::new();
        for index in open + 1..self.tokens.len() {
            match self.word(index) {
                "(" | "[" | "{" | "#{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                ":" if depth == 0 && index > open + 1 => keys.push(self.word(index - 1).to_owned()),
                _ => {}
            }
        }
        keys
    }
}

/// Whether this argument of a probe's method is the name of an event's field, or a list of such names.
fn names_fields(method: &str, argument: usize) -> bool {
    match method {
        "count_by" | "fields" => argument == 0,
        // How many rows are wanted comes first, and three numbers about buckets.
        "top" => argument == 1,
        "lhist" => matches!(argument, 0 | 4),
        "sum" | "min" | "max" | "avg" | "hist" | "distinct" => argument <= 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place at the mark `^`, and the word that is being typed there.
    fn place(marked: &str) -> (String, Place) {
        let mut probes = Probes::new();
        learn("let web = probe(\"file_open\").scope(#{uid: 1}).attach();", &mut probes);
        let cursor = marked.find('^').expect("a mark");
        let text = marked.replace('^', "");
        let (start, place) = at(&text, cursor, &probes);
        (text[start..cursor].to_owned(), place)
    }

    fn word(marked: &str) -> Place {
        place(marked).1
    }

    #[test]
    fn a_template_is_named_in_the_first_argument_of_probe() {
        assert_eq!(place("let p = probe(\"ex^"), ("ex".into(), Place::Template));
        assert_eq!(place("probe(\"ex^\")"), ("ex".into(), Place::Template));
        assert_eq!(word("probes(\"ex^"), Place::Path);
    }

    #[test]
    fn a_param_is_named_in_the_map_of_its_template() {
        let param = |present: &[&str]| Place::Param {
            template: "exec".into(),
            present: present.iter().map(|p| (*p).to_owned()).collect(),
        };
        assert_eq!(place("probe(\"exec\", #{ pa^"), ("pa".into(), param(&[])));
        assert_eq!(word("probe(\"exec\", #{ path: [\"/a\", \"/b\"], ^"), param(&["path"]));
        assert_eq!(word("let m = #{ ^"), Place::Word);
    }

    #[test]
    fn a_params_value_belongs_to_its_key() {
        let access = Place::ParamValue { template: "file_open".into(), param: "access".into() };
        assert_eq!(place("probe(\"file_open\", #{ access: [\"read\", \"wr^"), ("wr".into(), access.clone()));
        assert_eq!(word("web.set(\"access\", [\"^"), access);
        assert_eq!(word("web.set(\"^"), Place::Param { template: "file_open".into(), present: vec![] });
    }

    #[test]
    fn an_events_fields_come_from_the_closures_probe() {
        let exec = Place::Field(Some("exec".into()));
        assert_eq!(place("probe(\"exec\").on_event(|e| print(e.co^"), ("co".into(), exec.clone()));
        assert_eq!(word("probe(\"exec\").shadow().when(|ev| { if ev.^"), exec);
        assert_eq!(word("web.on_event(|e| print(`${e.^"), Place::Field(Some("file_open".into())));
        assert_eq!(word("unknown.on_event(|e| e.^"), Place::Field(None));
        assert_eq!(word("s.step(web, |e, before| e.^"), Place::Field(Some("file_open".into())));
        assert_eq!(word("t.of(web, |e| e.^"), Place::Field(Some("file_open".into())));
        assert_eq!(word("s.by(|e| e.^"), Place::Field(None));
        assert_eq!(word("s.on_match(|events| events.^"), Place::Method(Receiver::Variable("events".into())));
    }

    #[test]
    fn what_a_method_is_called_on_is_read_from_the_text() {
        let on = |marked: &str| match word(marked) {
            Place::Method(receiver) => receiver,
            other => panic!("{marked}: {other:?}"),
        };
        let call = |on: Option<Receiver>, name: &str| Receiver::Call(on.map(Box::new), name.into());
        let path = Receiver::Field(Some("file_open".into()), "path".into());
        assert_eq!(on("web.on_event(|e| e.path.^"), path);
        assert_eq!(on("web.on_event(|e| x.^"), Receiver::Variable("x".into()));
        assert_eq!(on("web.^"), Receiver::Probe);
        assert_eq!(on("probe(\"exec\").sh^"), call(None, "probe"));
        assert_eq!(on("web.shadow().stats().^"), call(Some(call(Some(Receiver::Probe), "shadow")), "stats"));
        assert_eq!(on("\"a b\".^"), Receiver::Literal("string"));
        assert_eq!(on("[1, 2].^"), Receiver::Literal("array"));
        assert_eq!(on("#{ a: 1 }.^"), Receiver::Literal("map"));
        for unknown in ["x[0].^", "(1 + 2).^", "x.y.^"] {
            assert_eq!(on(unknown), Receiver::Unknown, "{unknown}");
        }
    }

    #[test]
    fn errnos_signals_scope_keys_and_severities_have_their_places() {
        assert_eq!(place("web.deny(\"EP^"), ("EP".into(), Place::Errno));
        assert_eq!(word("web.kill(\"^"), Place::Signal);
        assert_eq!(word("if capable(e.pid, \"CAP^"), Place::Capability);
        assert_eq!(word("e.capable(\"CAP^"), Place::Capability);
        assert_eq!(word("kill(e.pid, \"SIG^"), Place::Signal);
        assert_eq!(word("web.when(|e| if e.uid == 0 { deny(\"EA^"), Place::Errno);
        assert_eq!(word("web.when(|e| kill(\"^"), Place::Signal);
        assert_eq!(word("web.scope(#{ uid: 0, not_cgroup: [\"/a\", \"/sys^"), Place::Cgroup);
        assert_eq!(word("web.scope(#{ mnt_ns: \"^"), Place::Namespace);
        assert_eq!(word("web.scope(#{ comm: \"^"), Place::Comm);
        assert_eq!(word("web.scope(#{ exe: \"^"), Place::Path);
        assert_eq!(word("web.scope(#{ u^"), Place::ScopeKey { present: vec![] });
        assert_eq!(word("alert(\"h^"), Place::Severity);
        assert_eq!(word("run([\"/usr/b^"), Place::Path);
    }

    #[test]
    fn what_is_counted_is_named_by_the_fields_of_the_probes_template() {
        let field = |template: Option<&str>, present: &[&str]| Place::FieldName {
            template: template.map(str::to_owned),
            present: present.iter().map(|name| (*name).to_owned()).collect(),
        };
        for methods in
            ["count_by(\"pa^", "hist(\"pa^", "fields([\"pa^", "top(5, [\"pa^", "sum(\"pa^", "distinct(\"pa^"]
        {
            assert_eq!(
                place(&format!("web.{methods}")),
                ("pa".into(), field(Some("file_open"), &[])),
                "{methods}"
            );
        }
        assert_eq!(word("web.avg(\"size\", [\"^"), field(Some("file_open"), &[]));
        assert_eq!(word("web.lhist(\"size\", 0, 10, 1, [\"^"), field(Some("file_open"), &[]));
        let both = field(Some("exec"), &["comm"]);
        assert_eq!(word("probe(\"exec\").shadow().count_by([\"comm\", \"^"), both);
        assert_eq!(word("unknown.count_by(\"^"), field(None, &[]));
        assert_eq!(word("web.count_by(\"pa^\")"), field(Some("file_open"), &[]));
        // Its number of rows is no field, and nor is what has no receiver.
        assert_eq!(word("web.top(\"^"), Place::Path);
        assert_eq!(word("max(\"^"), Place::Path);
    }

    #[test]
    fn commands_and_their_arguments_are_the_shells_own() {
        assert_eq!(place(":te^"), (":te".into(), Place::Command));
        assert_eq!(place("? would-^"), ("would-".into(), Place::Topic));
        assert_eq!(place("help SIG^"), ("SIG".into(), Place::Topic));
        assert_eq!(place(":load  hun^"), ("hun".into(), Place::CommandArgument("load".into())));
        assert_eq!(place("load /tmp/hun^"), ("/tmp/hun".into(), Place::CommandArgument("load".into())));
        assert_eq!(word("load = hun^"), Place::Word);
    }

    #[test]
    fn nothing_is_offered_in_a_comment() {
        assert_eq!(word("1 // pr^"), Place::Comment);
        assert_eq!(word("pr^"), Place::Word);
        assert_eq!(word("net::is_p^"), Place::Imported("net".into()));
        assert_eq!(word("f(net::^"), Place::Imported("net".into()));
    }

    #[test]
    fn a_variable_that_is_given_another_value_is_no_probe_any_more() {
        let mut probes = Probes::new();
        learn("let p = probe(\"exec\")", &mut probes);
        assert_eq!(probes.get("p").map(String::as_str), Some("exec"));
        learn("let q = p.shadow()", &mut probes);
        assert_eq!(probes.get("q").map(String::as_str), Some("exec"));
        learn("p = 1", &mut probes);
        assert_eq!(probes.get("p"), None);
    }
}
