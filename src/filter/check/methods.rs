//! What is asked of a text or a set, and functions of the script.

use rhai::Position;

use super::{
    Checker, DEPTH, Fallible, INLINE_MEMBERS, Term,
    compare::{has_flag, one_of},
    fields::no_address,
    lists::{Quantifier, is_any},
};
use crate::{
    event::origin::ANCESTOR_IDS,
    filter::{
        automaton::{Pattern, PatternError},
        glob::Glob,
        ir::{self, Answer, Bool, Case, Comparison, Decision, Int, Place, Test, Text},
        refusal::Misfit,
        syntax::{self, Function, Node},
    },
    raw,
    system::accounts::Account,
    values::nearest,
    values::{Errno, Network, Networks, Signal},
};

/// Members of a set of texts that are compared one by one; more are looked up where that can be.
const COMPARED_TEXTS: usize = 16;

/// Names that a slip may stand for.
const TEXT_METHODS: [&str; 8] =
    ["starts_with", "ends_with", "contains", "like", "matches", "is_empty", "len", "to_ascii_lower"];
const LIST_METHODS: [&str; 6] = ["any", "all", "none", "contains", "is_empty", "len"];

/// Bytes of a text whose characters the verifier lets a filter count.
const LONGEST_COUNTED: usize = 1024;

impl Checker<'_> {
    pub(super) fn method(
        &mut self,
        of: Term,
        name: &str,
        arguments: &[Node],
        at: Position,
    ) -> Fallible<Term> {
        if syntax::arities(self.ast, name).contains(&arguments.len()) {
            return self.misfit(
                at,
                format!("`{name}` is a function of the script"),
                &format!("write `{name}(…)`, with what it is about as a parameter"),
            );
        }
        let [argument] = arguments else {
            return match arguments {
                [] => self.asked(of, name, at),
                _ => self.no_method(&of, name, at),
            };
        };
        let (method, at) = (at, argument.at);
        let argument = self.term(argument)?;
        match (of, name, argument) {
            (Term::Text(text), "starts_with", Term::Words(words)) => {
                let test = Test::StartsWith(self.sought(&text, &words, at)?);
                self.may_hold(&text, &test, at);
                Ok(Term::Bool(Bool::Text(text, test)))
            }
            (Term::Text(text), "ends_with", Term::Words(words)) => {
                let test = Test::EndsWith(self.sought(&text, &words, at)?);
                self.may_hold(&text, &test, at);
                Ok(Term::Bool(Bool::Text(text, test)))
            }
            (Term::Text(text), "contains", Term::Words(words)) => {
                let test = Test::containing(self.sought(&text, &words, at)?, 0, 0);
                self.may_hold(&text, &test, at);
                Ok(Term::Bool(Bool::Text(text, test)))
            }
            (Term::Text(text), "like", Term::Words(words)) => self.like(text, &words, at).map(Term::Bool),
            (Term::Text(text), "matches", Term::Words(words)) => match Pattern::regex(&words) {
                Ok(pattern) => Ok(Term::Bool(Bool::Text(text, Test::Matches(pattern)))),
                Err(error) => self.no_pattern(&error, at),
            },
            (Term::Flags(number, names), "contains", Term::Words(words)) => {
                match names.iter().find(|n| n.name == words && n.value != 0) {
                    Some(flag) => Ok(Term::Bool(has_flag(number, flag.value.cast_signed()))),
                    None => self.unknown_name(&number, &names, &words, at),
                }
            }
            (Term::Range(first, last), "contains", Term::Int(number)) => {
                self.may_be_in(&number, &[(first, last)], at);
                Ok(Term::Bool(one_of(number, vec![(first, last)])))
            }
            (Term::Networks(networks), "contains", Term::Address(address)) => {
                Ok(Term::Bool(Bool::Within(address, Networks(networks).matching())))
            }
            (
                list @ (Term::Texts(_) | Term::List(_) | Term::Ancestors | Term::Array(_)),
                "any" | "some",
                Term::Closure(name, captured),
            ) => self.any(list, &name, captured, Quantifier::Any, at).map(Term::Bool),
            (
                list @ (Term::Texts(_) | Term::List(_) | Term::Ancestors | Term::Array(_)),
                "none",
                Term::Closure(name, captured),
            ) => self.any(list, &name, captured, Quantifier::Any, at).map(|any| Term::Bool(ir::not(any))),
            (
                list @ (Term::Texts(_) | Term::List(_) | Term::Ancestors | Term::Array(_)),
                "all",
                Term::Closure(name, captured),
            ) => self.any(list, &name, captured, Quantifier::Unlike, at).map(|any| Term::Bool(ir::not(any))),
            (list @ (Term::Texts(_) | Term::List(_)), "contains", item) => {
                self.has_element(list, item, at).map(Term::Bool)
            }
            (Term::Array(items), "contains", item) => self.member(&items, item, at).map(Term::Bool),
            (Term::Text(_), "starts_with" | "ends_with" | "contains" | "like" | "matches", other) => self
                .misfit(
                    at,
                    format!("`{name}` looks for a text that is known now, not for {}", other.what()),
                    "give a text in double quotes, or a variable from outside of the filter",
                ),
            (of, _, _) => self.no_method(&of, name, method),
        }
    }

    /// What is asked without an argument.
    fn asked(&mut self, of: Term, name: &str, at: Position) -> Fallible<Term> {
        let length = |length: usize| Int::Constant(i64::try_from(length).unwrap_or(i64::MAX));
        Ok(match (of, name) {
            (Term::Text(text), "is_empty") => Term::Bool(Bool::Text(text, Test::Equals(vec![]))),
            (Term::Text(text), "len")
                if text.size > LONGEST_COUNTED || matches!(text.place, Place::Joined(_)) =>
            {
                let bytes = match &text.place {
                    Place::Path(..) => format!("`e.{}_length` is the length in bytes", text.name),
                    _ => "`is_empty()` can be asked".to_owned(),
                };
                return self.misfit(
                    at,
                    "`len` counts characters, and this text may have too many of them",
                    &bytes,
                );
            }
            (Term::Text(text), "len") => Term::Int(Int::Characters(text)),
            (Term::Text(text), "to_ascii_lower") => Term::Text(Text { case: Case::Lower, ..text }),
            (Term::Words(words), "len") => Term::Int(length(words.chars().count())),
            (Term::Words(words), "to_ascii_lower") => Term::Words(words.to_ascii_lowercase()),
            (Term::Array(items), "len") => Term::Int(length(items.len())),
            (Term::Address(address), "is_empty") => Term::Bool(no_address(address)),
            (Term::Flags(number, _), "is_empty") => {
                Term::Bool(ir::compare(Comparison::Equal, Int::Field(number), Int::Constant(0)))
            }
            (list @ (Term::Texts(_) | Term::List(_)), "len") => Term::Int(Self::length(list)),
            (Term::Ancestors, "len" | "is_empty") => {
                let ids = self.field(ANCESTOR_IDS, at)?;
                return self.asked(ids, name, at);
            }
            (Term::Texts(texts), "is_empty") => Term::Bool(ir::not(is_any(texts))),
            (list @ Term::List(_), "is_empty") => {
                Term::Bool(ir::compare(Comparison::Equal, Self::length(list), Int::Constant(0)))
            }
            (of, _) => return self.no_method(&of, name, at),
        })
    }

    /// `cidr("10.0.0.0/8")`, `cidr(["10.0.0.0/8", "fd00::/8"])`
    fn networks(&mut self, argument: &Node) -> Fallible<Term> {
        let items = match self.term(argument)? {
            Term::Array(items) => items,
            Term::Networks(networks) => return Ok(Term::Networks(networks)),
            one => vec![one],
        };
        let mut networks = Vec::new();
        for item in items {
            let Term::Words(words) = item else {
                return self.misfit(
                    argument.at,
                    format!("`cidr` does not take {}", item.what()),
                    "write networks in double quotes: `cidr(\"10.0.0.0/8\")`",
                );
            };
            match Network::parse(&words) {
                Ok(network) => networks.push(network),
                Err(error) => return self.refuse(Misfit::new(argument.at, error.to_string())),
            }
        }
        Ok(Term::Networks(networks))
    }

    pub(super) fn no_method<T>(&self, of: &Term, name: &str, at: Position) -> Fallible<T> {
        let advice = match (of, name) {
            (Term::Text(_), "to_lower" | "to_upper") => {
                "a filter knows the capital letters of ASCII only: write `to_ascii_lower()`"
            }
            (Term::Text(_), _) => {
                "a text can be asked: ==, !=, in, starts_with, ends_with, contains, like, matches, is_empty, len, to_ascii_lower"
            }
            (Term::Address(_), _) => {
                "an address can be asked: == \"10.0.0.1\", in cidr(\"10.0.0.0/8\"), is_empty"
            }
            (Term::Networks(_), _) => "write `e.address in cidr(\"10.0.0.0/8\")`",
            (Term::Texts(_) | Term::List(_), _) => {
                "a list can be asked: len, `x in e.list`, `e.list.any(|x| …)`, all, none, `e.list[0]`"
            }
            (Term::Closure(..), _) => {
                "a function is given to `any`, `all` or `none`: `e.argv.any(|a| a == \"-c\")`"
            }
            (Term::Words(_), _) => "compute it before, outside of the filter",
            (Term::Flags(..), _) => "flags can be asked: `\"name\" in e.field`, is_empty",
            (Term::Enum(..) | Term::Device(_), _) => "it can be asked: ==, !=, in",
            (Term::Int(_), _) => "a number can be asked: == != < <= > >=, in, + - * / % & | ^ << >>",
            (Term::Bool(_), _) => "it can be asked: && || ! == !=",
            (Term::Decision(_), _) => "a verdict is what a filter ends with, and nothing is asked of it",
            (Term::Array(_), _) => {
                "a set can be asked: `x in set`, `set.any(|x| e.path.contains(x))`, all, none"
            }
            (Term::Range(..), _) => "a set can be asked: `x in set`",
            (Term::Event, _) => "an event has fields: `e.uid`",
            (Term::Relative(_), _) => "ask for one of its fields: `e.parent.exe`, `e.stdin.kind`",
            (Term::Ancestors, _) => {
                "ask all of them, or one: `e.ancestors.any(|p| p.exe == \"/usr/sbin/sshd\")`, all, none, `e.ancestors[1].exe`, len"
            }
            (Term::Ancestor(_), _) => "an ancestor has fields: `p.exe`, `p.comm`, `p.pid`",
        };
        let known: &[&str] = match of {
            Term::Text(_) => &TEXT_METHODS,
            Term::Texts(_) | Term::List(_) | Term::Ancestors => &LIST_METHODS,
            Term::Array(_) => &["any", "all", "none"],
            _ => &[],
        };
        let near = nearest(name, known.iter().copied()).filter(|near| *near != name);
        let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        self.misfit(at, format!("a filter cannot ask `{name}` of {}{near}", of.what()), advice)
    }

    pub(super) fn like(&self, text: Text, pattern: &str, at: Position) -> Fallible<Bool> {
        let glob = match Glob::parse(pattern) {
            Ok(glob) => glob,
            Err(error) => return self.refuse(Misfit::new(at, error.to_string())),
        };
        for part in glob.parts() {
            self.sought(&text, part, at)?;
        }
        let Some(tests) = Test::all_of(&glob) else {
            return match Pattern::glob(pattern, &glob) {
                Ok(pattern) => Ok(Bool::Text(text, Test::Matches(pattern))),
                Err(error) => self.no_pattern(&error, at),
            };
        };
        Ok(ir::and(tests.into_iter().map(|test| Bool::Text(text.clone(), test))))
    }

    fn no_pattern<T>(&self, error: &PatternError, at: Position) -> Fallible<T> {
        let advice = match error {
            PatternError::Syntax { .. } => {
                "the syntax is that of the regex crate, over bytes, without look-around: `^/tmp/[^/]+\\.sh$`; in a text of backquotes a backslash needs no other"
            }
            PatternError::TooLarge => {
                "say where it begins (`^…`), repeat less (`{1,200}`), or split it and join with `||`"
            }
        };
        self.misfit(at, error.to_string(), advice)
    }

    pub(super) fn member(&mut self, items: &[Term], item: Term, at: Position) -> Fallible<Bool> {
        for member in items {
            if let (Term::Text(text), Term::Words(words)) = (&item, member) {
                self.may_hold(text, &Test::Equals(words.as_bytes().to_vec()), at);
            }
        }
        if let Some(among) = self.among(items, &item) {
            return Ok(among);
        }
        // Numbers side by side are one range, and others are looked up if there are many.
        if !matches!(item, Term::Int(_)) && items.len() > INLINE_MEMBERS {
            return self.misfit(
                at,
                format!(
                    "this set has {} members; a filter takes sets of up to {INLINE_MEMBERS}",
                    items.len()
                ),
                "put them into a param of the probe",
            );
        }
        if let Term::Int(number) = item {
            let mut ranges = Vec::new();
            let number = Term::Int(number);
            for member in items {
                match self.named(&number, member.clone(), at)? {
                    Term::Int(Int::Constant(known)) => ranges.push((known, known)),
                    other => return self.mixed(&number, &other, at),
                }
            }
            let Term::Int(number) = number else { return Ok(Bool::Constant(false)) };
            self.may_be_in(&number, &ranges, at);
            return Ok(one_of(number, ranges));
        }
        if let (Term::Text(text), []) = (&item, items) {
            // Reading the text may still be a trouble.
            return Ok(ir::and([Bool::Text(text.clone(), Test::StartsWith(vec![])), Bool::Constant(false)]));
        }
        let same: Fallible<Vec<_>> = items
            .iter()
            .map(|member| match (&item, member) {
                (
                    Term::Text(_) | Term::Address(_) | Term::Enum(..) | Term::Device(_) | Term::Words(_),
                    Term::Words(_),
                )
                | (Term::Bool(Bool::Constant(_)), Term::Bool(_)) => {
                    self.compared(Comparison::Equal, item.clone(), member.clone(), at)
                }
                (item, member) => self.mixed(item, member, at),
            })
            .collect();
        Ok(ir::or(same?))
    }

    /// A text that stands in the event with zeros behind it can be looked up among any number of others.
    fn among(&self, items: &[Term], item: &Term) -> Option<Bool> {
        let Term::Text(text @ Text { place: Place::Padded(_), case: Case::AsIs, .. }) = item else {
            return None;
        };
        if items.len() <= COMPARED_TEXTS {
            return None;
        }
        let word = |member: &Term| match member {
            Term::Words(words) => Some(raw::bytes(words).into_owned()),
            _ => None,
        };
        let mut members: Vec<Vec<u8>> = items.iter().map(word).collect::<Option<_>>()?;
        // What a cut text may be the beginning of is compared with it.
        if text.cut.is_some_and(|cut| members.iter().any(|member| member.len() >= cut)) {
            return None;
        }
        // No text has a NUL in it, nor more bytes than there is room for.
        members.retain(|member| member.len() < text.size && !member.contains(&0));
        members.sort_unstable();
        members.dedup();
        Some(match members.is_empty() {
            true => Bool::Constant(false),
            false => Bool::Among(text.clone(), members),
        })
    }

    pub(super) fn mixed<T>(&self, item: &Term, member: &Term, at: Position) -> Fallible<T> {
        let text = format!("{} is never a member of a set that has {} in it", item.what(), member.what());
        self.misfit(at, text, "ask for numbers in a set of numbers, for texts in a set of texts")
    }

    pub(super) fn call(&mut self, name: &str, arguments: &[Node], at: Position) -> Fallible<Term> {
        let Some(function) = self.function(name, arguments.len())? else {
            return match arguments {
                [argument] if matches!(name, "deny" | "kill") => self.verdict(name, argument),
                [networks] if name == "cidr" => self.networks(networks),
                [account] if matches!(name, "uid" | "gid") => self.account(name, account),
                [] if name == "allow" => Ok(Term::Decision(Decision::Answer(Answer::Allow))),
                [] if name == "deny" => Ok(Term::Decision(Decision::Answer(Answer::Deny(Errno::EPERM)))),
                [] if name == "kill" => Ok(Term::Decision(Decision::Answer(Answer::Kill(Signal::KILL)))),
                [of, rest @ ..] if matches!(name, "like" | "matches" | "starts_with" | "ends_with" | "contains" | "is_empty" | "len" | "any" | "some" | "all" | "none" | "to_ascii_lower") => {
                    let of = self.term(of)?;
                    self.method(of, name, rest, at)
                }
                _ => self.misfit(
                    at,
                    format!("`{name}` cannot run in the kernel"),
                    "compute it before, outside of the filter, or ask in `.on_event(…)`; functions of the script may be called if they could be filters themselves",
                ),
            };
        };
        if self.functions.iter().any(|f| f == name) {
            return self.misfit(
                at,
                format!("`{name}` calls itself, and a filter has no loops"),
                "write it without recursion",
            );
        }
        if self.functions.len() > DEPTH {
            return self.misfit(
                at,
                format!("functions of a filter call each other at most {DEPTH} deep"),
                "write fewer functions",
            );
        }
        let mut given = Vec::new();
        for argument in arguments {
            given.push((self.term(argument)?, argument.at));
        }
        let outside = std::mem::take(&mut self.scope);
        let term = self.inlined(name, &function, given);
        self.scope = outside;
        term
    }

    /// `uid("alice")`, `gid("audio")`
    fn account(&mut self, name: &str, argument: &Node) -> Fallible<Term> {
        let of = if name == "uid" { Account::User } else { Account::Group };
        match self.term(argument)? {
            Term::Words(words) => match of.id(&words) {
                Ok(id) => Ok(Term::Int(Int::Constant(id.into()))),
                Err(error) => self.refuse(Misfit::new(argument.at, error.to_string())),
            },
            other => self.misfit(
                argument.at,
                format!("`{name}` does not take {}", other.what()),
                &format!("write a name in double quotes: `{name}(\"root\")`"),
            ),
        }
    }

    /// `deny("EACCES")`, `kill("SIGKILL")`
    pub(super) fn verdict(&mut self, name: &str, argument: &Node) -> Fallible<Term> {
        let parsed = match (name, self.term(argument)?) {
            ("deny", Term::Words(name)) => Errno::from_name(&name).map(Answer::Deny),
            ("deny", Term::Int(Int::Constant(number))) => Errno::from_number(number).map(Answer::Deny),
            (_, Term::Words(name)) => Signal::from_name(&name).map(Answer::Kill),
            (_, Term::Int(Int::Constant(number))) => Signal::from_number(number).map(Answer::Kill),
            (_, other) => {
                return self.misfit(
                    argument.at,
                    format!("`{name}` does not take {}", other.what()),
                    "write the name: `deny(\"EACCES\")`, `kill(\"SIGKILL\")`",
                );
            }
        };
        match parsed {
            Ok(answer) => Ok(Term::Decision(Decision::Answer(answer))),
            Err(error) => self.refuse(Misfit::new(argument.at, error.to_string())),
        }
    }

    pub(super) fn inlined(
        &mut self,
        name: &str,
        function: &Function,
        given: Vec<(Term, Position)>,
    ) -> Fallible<Term> {
        let mut bindings = Vec::new();
        for (param, (term, at)) in function.params.iter().zip(given) {
            bindings.push((self.bind(param, term, at)?, at));
        }
        self.functions.push(name.to_owned());
        let body = self.body(function);
        self.functions.pop();
        let mut term = body?;
        while let Some((binding, at)) = bindings.pop() {
            term = self.wrapped(binding, term, at)?;
        }
        Ok(term)
    }
}
