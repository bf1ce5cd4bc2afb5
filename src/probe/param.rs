//! The value of a param, checked against the template's description of it.

use serde_json::Value;

use crate::{
    filter::Glob,
    raw,
    template::{Asks, NameRule, Param, ParamKind, Question, Template},
    values::{Network, NetworkError, PortError, Ports, nearest, not_in_a_path},
};

/// Longest text that the prefix and suffix tables hold, in bytes: the kernel's
/// LPM trie takes keys up to 256 (`LPM_DATA_SIZE_MAX`), and one byte ends the path.
pub const LONGEST_TEXT: usize = 255;

/// Longest text that a param of the filter's may ask for, in bytes: as long as what it is looked for in.
pub const LONGEST_ASKED: usize = 4096;

/// KRSI's own limits on a variable's name, and how many of them one probe looks for
/// (`NAME_SIZE`, `VARIABLES` of the template).
pub const LONGEST_VARIABLE: usize = 47;
pub const MOST_VARIABLES: usize = 64;

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamValue {
    /// In the form of [`raw`].
    Texts(Vec<String>),
    Bits(u64),
    Flag(bool),
    Networks(Vec<Network>),
    Ports(Vec<Ports>),
}

impl ParamValue {
    /// Returns a value that names nothing, of a param whose values may be a list.
    #[must_use]
    pub fn nothing(kind: &ParamKind) -> Self {
        match kind {
            ParamKind::Networks | ParamKind::NotNetworks => ParamValue::Networks(Vec::new()),
            ParamKind::Ports => ParamValue::Ports(Vec::new()),
            _ => ParamValue::Texts(Vec::new()),
        }
    }

    /// Returns its members as a script would write them; of names that have bits, the number.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        match self {
            ParamValue::Texts(texts) => texts.clone(),
            ParamValue::Networks(networks) => networks.iter().map(ToString::to_string).collect(),
            ParamValue::Ports(ports) => ports.iter().map(ToString::to_string).collect(),
            ParamValue::Bits(bits) => vec![bits.to_string()],
            ParamValue::Flag(flag) => vec![flag.to_string()],
        }
    }
}

/// Why a param is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    #[error("template `{template}` has no param `{given}`{}; allowed: {allowed}", did_you_mean(.nearest))]
    Unknown { template: String, given: String, nearest: Option<String>, allowed: String },
    #[error("param `{param}` takes {allowed}, not {given}")]
    Type { param: String, allowed: String, given: String },
    #[error(
        "param `{param}` must not be empty: an empty set would match nothing; leave it out, or give `()`, to match everything"
    )]
    Empty { param: String },
    #[error("param `{param}`: `{given}` is not an absolute path; a path starts with `/`")]
    Relative { param: String, given: String },
    #[error("param `{param}`: a text of {length} bytes is too long; the longest is {longest}")]
    TooLong { param: String, length: usize, longest: usize },
    #[error("param `{param}`: an empty text would match nothing, or everything; leave it out")]
    EmptyText { param: String },
    #[error(
        "param `{param}`: {given:?} ends with a newline, and nothing of the kernel's does; take it off: `text.trim()`"
    )]
    Newline { param: String, given: String },
    #[error(
        "param `{param}`: {given:?} never matches: the kernel has no `{part}` in a path; write the path without it"
    )]
    NotPlain { param: String, given: String, part: &'static str },
    #[error(
        "param `{param}`: {given:?} never matches: no path ends with `/`; to match what is in a directory: path_prefix: {given:?}"
    )]
    Directory { param: String, given: String },
    #[error("param `{param}`: a text must not contain a NUL byte")]
    Nul { param: String },
    #[error(
        "param `{param}`: `{given}` is not the name of an environment variable; allowed: 1 to {LONGEST_VARIABLE} bytes without `=`"
    )]
    Variable { param: String, given: String },
    #[error(
        "param `{param}`: {given:?} never matches: every such text starts with {}", alternatives(.begins)
    )]
    Name { param: String, given: String, begins: String },
    #[error("param `{param}`: {error}")]
    Network { param: String, given: String, error: NetworkError },
    #[error("param `{param}`: {error}")]
    Port { param: String, given: String, error: PortError },
    #[error("param `{param}` takes at most {MOST_VARIABLES} variables, not {given}")]
    TooMany { param: String, given: usize },
    #[error("param `{param}`: {given:?}: {reason}")]
    Pattern { param: String, given: String, reason: String },
    #[error("param `{param}` has no `{given}`{}; allowed: {allowed}", did_you_mean(.nearest))]
    UnknownFlag { param: String, given: String, nearest: Option<String>, allowed: String },
}

/// "`/` or `@`", of the characters.
fn alternatives(characters: &str) -> String {
    characters.chars().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" or ")
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"))
}

/// Finds a template's param by name.
///
/// # Errors
/// If there is none: with the nearest name and all that are allowed.
pub fn find<'t>(template: &'t Template, name: &str) -> Result<&'t Param, ParamError> {
    template.param(name).ok_or_else(|| {
        let names = || template.params.iter().map(|p| p.name.as_str());
        ParamError::Unknown {
            template: template.name.clone(),
            given: name.to_owned(),
            nearest: nearest(name, names()).map(str::to_owned),
            allowed: names().collect::<Vec<_>>().join(", "),
        }
    })
}

impl ParamValue {
    /// Checks what a script gave for `param`. `null` (Rhai's `()`) takes the
    /// param back: `None`.
    ///
    /// # Errors
    /// Wrong type, empty set, unknown flag, impossible path.
    pub fn parse(param: &Param, value: &Value) -> Result<Option<Self>, ParamError> {
        if value.is_null() {
            return Ok(None);
        }
        let allowed = || match &param.kind {
            ParamKind::Flag => "true or false".to_owned(),
            ParamKind::Flags(flags) => format!("one of {} or an array of them", names(flags)),
            ParamKind::Ports => "a port, a range of ports, or an array of them".to_owned(),
            other => format!("a text or an array of texts ({})", other.type_name()),
        };
        let refuse =
            || ParamError::Type { param: param.name.clone(), allowed: allowed(), given: describe(value) };
        if param.kind == ParamKind::Flag {
            return value.as_bool().map(|flag| Some(ParamValue::Flag(flag))).ok_or_else(refuse);
        }
        if param.kind == ParamKind::Ports {
            return ports(param, value, refuse).map(Some);
        }
        let texts = strings(value).ok_or_else(refuse)?;
        if texts.is_empty() {
            return Err(ParamError::Empty { param: param.name.clone() });
        }
        match &param.kind {
            ParamKind::Flags(flags) => {
                let bits = texts
                    .iter()
                    .map(|t| flag(param, flags, t))
                    .try_fold(0, |acc, bit| bit.map(|b| acc | b))?;
                Ok(Some(ParamValue::Bits(bits)))
            }
            ParamKind::Variables => variables(param, texts).map(Some),
            ParamKind::Networks | ParamKind::NotNetworks => networks(param, &texts).map(Some),
            ParamKind::Asked(question) => {
                for text in &texts {
                    check_asked(param, question, text)?;
                }
                Ok(Some(ParamValue::Texts(texts)))
            }
            kind => {
                for text in &texts {
                    check_text(param, kind, text)?;
                }
                Ok(Some(ParamValue::Texts(texts)))
            }
        }
    }
}

/// Members of a value that are shown, and bytes of each.
const SHOWN_MEMBERS: usize = 3;
const SHOWN_BYTES: usize = 60;

impl ParamValue {
    /// The value in a few words: `"/bin/date", "/bin/true" and 3 more`.
    #[must_use]
    pub fn describe(&self, kind: Option<&ParamKind>) -> String {
        fn several<T>(members: &[T], show: impl Fn(&T) -> String) -> String {
            let shown: Vec<_> = members.iter().take(SHOWN_MEMBERS).map(show).collect();
            match members.len().saturating_sub(SHOWN_MEMBERS) {
                0 => shown.join(", "),
                more => format!("{} and {more} more", shown.join(", ")),
            }
        }
        match (self, kind) {
            (ParamValue::Texts(texts), _) => several(texts, |text| quoted(text)),
            (ParamValue::Networks(networks), _) => several(networks, Network::to_string),
            (ParamValue::Ports(ports), _) => several(ports, Ports::to_string),
            (ParamValue::Flag(flag), _) => flag.to_string(),
            (ParamValue::Bits(bits), Some(ParamKind::Flags(flags))) => {
                let set = flags.iter().filter(|flag| flag.value & bits != 0);
                set.map(|flag| flag.name.as_str()).collect::<Vec<_>>().join(", ")
            }
            (ParamValue::Bits(bits), _) => format!("{bits:#x}"),
        }
    }
}

/// In quotes, cut in the middle if it is long: both ends of a path say something.
fn quoted(text: &str) -> String {
    if text.len() <= SHOWN_BYTES {
        return format!("{text:?}");
    }
    let begin = text.floor_char_boundary(SHOWN_BYTES / 2);
    let end = text.ceil_char_boundary(text.len() - SHOWN_BYTES / 2);
    format!("{:?}…{:?}", &text[..begin], &text[end..])
}

fn check_text(param: &Param, kind: &ParamKind, text: &str) -> Result<(), ParamError> {
    let name = || param.name.clone();
    if text.is_empty() {
        return Err(ParamError::EmptyText { param: name() });
    }
    if text.ends_with('\n') {
        return Err(ParamError::Newline { param: name(), given: text.to_owned() });
    }
    if text.contains('\0') {
        return Err(ParamError::Nul { param: name() });
    }
    let rule = match kind {
        ParamKind::Names(rule) | ParamKind::NamePrefixes(rule) => Some(rule),
        _ => None,
    };
    let longest = rule.map_or(LONGEST_TEXT, |rule| rule.longest);
    let length = raw::bytes(text).len();
    if length > longest {
        return Err(ParamError::TooLong { param: name(), length, longest });
    }
    if let Some(NameRule { begins, .. }) = rule
        && !begins.is_empty()
        && !text.starts_with(|first| begins.contains(first))
    {
        return Err(ParamError::Name { param: name(), given: text.to_owned(), begins: begins.clone() });
    }
    if rule.is_none() && *kind != ParamKind::Suffixes && !text.starts_with('/') {
        return Err(ParamError::Relative { param: name(), given: text.to_owned() });
    }
    check_plain(param, kind, text)
}

/// A text that is asked for anywhere in another may be any.
fn check_asked(param: &Param, question: &Question, text: &str) -> Result<(), ParamError> {
    let (name, given) = (|| param.name.clone(), || text.to_owned());
    if text.is_empty() {
        return Err(ParamError::EmptyText { param: name() });
    }
    if text.contains('\0') {
        return Err(ParamError::Nul { param: name() });
    }
    let length = raw::bytes(text).len();
    if length > LONGEST_ASKED {
        return Err(ParamError::TooLong { param: name(), length, longest: LONGEST_ASKED });
    }
    if question.test == Asks::Like
        && let Err(error) = Glob::parse(text)
    {
        return Err(ParamError::Pattern { param: name(), given: given(), reason: error.to_string() });
    }
    Ok(())
}

/// A path of the kernel's is absolute and has each name once. A whole `path` is made so at the attach; of a prefix
/// or suffix only a part is known.
fn check_plain(param: &Param, kind: &ParamKind, text: &str) -> Result<(), ParamError> {
    let given = || (param.name.clone(), text.to_owned());
    if matches!(kind, ParamKind::Prefixes | ParamKind::Suffixes)
        && let Some(part) = not_in_a_path(text)
    {
        let (param, given) = given();
        return Err(ParamError::NotPlain { param, given, part });
    }
    if *kind == ParamKind::Suffixes && text.ends_with('/') {
        let (param, given) = given();
        return Err(ParamError::Directory { param, given });
    }
    Ok(())
}

fn networks(param: &Param, texts: &[String]) -> Result<ParamValue, ParamError> {
    let network = |given: &String| {
        let refuse = |error| ParamError::Network { param: param.name.clone(), given: given.clone(), error };
        Network::parse(given).map_err(refuse)
    };
    texts.iter().map(network).collect::<Result<_, _>>().map(ParamValue::Networks)
}

fn ports(
    param: &Param,
    value: &Value,
    wrong_type: impl Fn() -> ParamError,
) -> Result<ParamValue, ParamError> {
    let refuse = |error: PortError| {
        let (PortError::NoPort { given } | PortError::Empty { given }) = &error;
        ParamError::Port { param: param.name.clone(), given: given.clone(), error }
    };
    let port = |value| Ports::read(value).ok_or_else(&wrong_type)?.map_err(refuse);
    let ports: Vec<_> = one_or_many(value).map(port).collect::<Result<_, _>>()?;
    if ports.is_empty() {
        return Err(ParamError::Empty { param: param.name.clone() });
    }
    Ok(ParamValue::Ports(ports))
}

fn variables(param: &Param, names: Vec<String>) -> Result<ParamValue, ParamError> {
    let param = || param.name.clone();
    let bad = |name: &&String| {
        name.is_empty()
            || raw::bytes(name).len() > LONGEST_VARIABLE
            || name.contains('=')
            || name.contains('\0')
    };
    if let Some(name) = names.iter().find(|name| name.ends_with('\n')) {
        return Err(ParamError::Newline { param: param(), given: name.clone() });
    }
    if let Some(name) = names.iter().find(bad) {
        return Err(ParamError::Variable { param: param(), given: name.clone() });
    }
    if names.len() > MOST_VARIABLES {
        return Err(ParamError::TooMany { param: param(), given: names.len() });
    }
    Ok(ParamValue::Texts(names))
}

fn flag(param: &Param, flags: &[crate::template::NamedValue], given: &str) -> Result<u64, ParamError> {
    flags.iter().find(|f| f.name == given).map(|f| f.value).ok_or_else(|| ParamError::UnknownFlag {
        param: param.name.clone(),
        given: given.to_owned(),
        nearest: nearest(given, flags.iter().map(|f| f.name.as_str())).map(str::to_owned),
        allowed: names(flags),
    })
}

fn names(flags: &[crate::template::NamedValue]) -> String {
    flags.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A value as a list: an array's members, or the one value itself.
pub(super) fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(items) => items.iter(),
        single => std::slice::from_ref(single).iter(),
    }
}

/// One text, or an array of nothing but texts.
fn strings(value: &Value) -> Option<Vec<String>> {
    one_or_many(value).map(|v| v.as_str().map(str::to_owned)).collect()
}

/// A refused value, in a user's words.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(b) => format!("the boolean {b}"),
        Value::Number(n) => format!("the number {n}"),
        Value::String(s) => format!("the text \"{s}\""),
        Value::Array(items) => {
            // The array itself is fine somewhere; its odd member is not.
            items
                .iter()
                .find(|v| !v.is_string() && !v.is_number())
                .or_else(|| items.iter().find(|v| !v.is_string()))
                .map_or("an array".into(), |odd| format!("an array with {}", describe(odd)))
        }
        Value::Object(_) => "a map".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::LONGEST_NAME;
    use crate::template::NamedValue;

    /// As names of unix sockets have it.
    fn sockets() -> NameRule {
        NameRule { begins: "/@".into(), longest: 108 }
    }

    fn param(kind: ParamKind) -> Param {
        Param {
            name: "p".into(),
            kind,
            doc: String::new(),
            default: String::new(),
            offset: 0,
            number: 0,
            late: None,
        }
    }

    #[test]
    fn one_text_and_an_array_are_both_taken() {
        let p = param(ParamKind::Paths);
        assert_eq!(ParamValue::parse(&p, &json!("/a")), Ok(Some(ParamValue::Texts(vec!["/a".into()]))));
        assert_eq!(
            ParamValue::parse(&p, &json!(["/a", "/b"])).unwrap(),
            Some(ParamValue::Texts(vec!["/a".into(), "/b".into()]))
        );
        assert_eq!(ParamValue::parse(&p, &json!(null)), Ok(None));
    }

    #[test]
    fn impossible_paths_are_refused() {
        let p = param(ParamKind::Paths);
        assert!(matches!(ParamValue::parse(&p, &json!([])), Err(ParamError::Empty { .. })));
        assert!(matches!(ParamValue::parse(&p, &json!("a")), Err(ParamError::Relative { .. })));
        assert!(matches!(ParamValue::parse(&p, &json!("/a\0b")), Err(ParamError::Nul { .. })));
        assert!(matches!(ParamValue::parse(&p, &json!("/".repeat(256))), Err(ParamError::TooLong { .. })));
        assert!(matches!(ParamValue::parse(&p, &json!(["/a", 7])), Err(ParamError::Type { .. })));
        assert!(ParamValue::parse(&param(ParamKind::Suffixes), &json!(".so")).is_ok());
    }

    #[test]
    fn what_no_path_of_the_kernels_has_is_refused() {
        use ParamKind::{Names, Paths, Prefixes, Suffixes, Variables};
        for kind in [Paths, Prefixes, Suffixes, Names(sockets()), Variables] {
            let error = ParamValue::parse(&param(kind.clone()), &json!("/bin/date\n"));
            assert!(matches!(error, Err(ParamError::Newline { .. })), "{kind:?}: {error:?}");
        }
        assert!(matches!(ParamValue::parse(&param(Prefixes), &json!("")), Err(ParamError::EmptyText { .. })));
        for bad in ["/tmp//x", "/tmp/./x", "/tmp/../x"] {
            for kind in [Prefixes, Suffixes] {
                let error = ParamValue::parse(&param(kind), &json!(bad));
                assert!(matches!(error, Err(ParamError::NotPlain { .. })), "{bad}: {error:?}");
            }
            assert!(ParamValue::parse(&param(Paths), &json!(bad)).is_ok(), "it is made plain at the attach");
        }
        assert!(matches!(
            ParamValue::parse(&param(Suffixes), &json!(".git/")),
            Err(ParamError::Directory { .. })
        ));
        assert!(ParamValue::parse(&param(Prefixes), &json!("/tmp/")).is_ok());
    }

    #[test]
    fn a_value_is_shown_in_a_few_words() {
        let shown = |value: ParamValue| value.describe(None);
        let texts = |n: usize| ParamValue::Texts((0..n).map(|i| format!("/{i}")).collect());
        assert_eq!(shown(texts(1)), r#""/0""#);
        assert_eq!(shown(texts(5)), r#""/0", "/1", "/2" and 2 more"#);
        assert_eq!(shown(ParamValue::Flag(true)), "true");
        let long = shown(ParamValue::Texts(vec![format!("/{}/end", "ä".repeat(60))]));
        assert!(long.len() < 80 && long.starts_with("\"/ä") && long.ends_with("/end\""), "{long}");
        assert_eq!(shown(ParamValue::Texts(vec!["/a\u{1b}[2J".into()])), r#""/a\u{1b}[2J""#);
        let flags =
            vec![NamedValue { name: "read".into(), value: 1 }, NamedValue { name: "write".into(), value: 2 }];
        assert_eq!(ParamValue::Bits(2).describe(Some(&ParamKind::Flags(flags))), "write");
    }

    #[test]
    fn a_name_keeps_the_rules_of_its_param() {
        let longest = format!("@{}", "n".repeat(107));
        for kind in [ParamKind::Names(sockets()), ParamKind::NamePrefixes(sockets())] {
            let p = param(kind);
            assert!(ParamValue::parse(&p, &json!(["/run/x.sock", "@x", longest])).is_ok());
            let error = ParamValue::parse(&p, &json!("run/x")).unwrap_err().to_string();
            assert_eq!(error, r#"param `p`: "run/x" never matches: every such text starts with `/` or `@`"#);
            let too_long = ParamValue::parse(&p, &json!(format!("{longest}n")));
            assert!(matches!(too_long, Err(ParamError::TooLong { longest: 108, .. })));
        }
    }

    #[test]
    fn a_name_without_rules_is_any_text_that_the_table_holds() {
        let p = param(ParamKind::Names(NameRule { begins: String::new(), longest: LONGEST_NAME }));
        assert!(ParamValue::parse(&p, &json!(["net-pf-38", "x".repeat(LONGEST_NAME)])).is_ok());
        let too_long = ParamValue::parse(&p, &json!("x".repeat(LONGEST_NAME + 1)));
        assert!(matches!(too_long, Err(ParamError::TooLong { longest: LONGEST_NAME, .. })));
    }

    #[test]
    fn ports_and_networks_are_read_and_the_bad_one_is_named() {
        let p = param(ParamKind::Ports);
        assert!(matches!(
            ParamValue::parse(&p, &json!([443, "8000..9000"])),
            Ok(Some(ParamValue::Ports(ports))) if ports.len() == 2
        ));
        assert!(matches!(ParamValue::parse(&p, &json!([])), Err(ParamError::Empty { .. })));
        let error = ParamValue::parse(&p, &json!([443, true])).unwrap_err().to_string();
        assert!(error.contains("an array with the boolean true"), "{error}");
        let error = ParamValue::parse(&p, &json!([443, 70000])).unwrap_err();
        assert!(matches!(error, ParamError::Port { given, .. } if given == "70000"));
        let p = param(ParamKind::Networks);
        assert!(matches!(
            ParamValue::parse(&p, &json!(["10.0.0.0/8", "::1"])),
            Ok(Some(ParamValue::Networks(n))) if n.len() == 2
        ));
        let error = ParamValue::parse(&p, &json!(["10.0.0.0/8", "10.0.0.1/8"])).unwrap_err();
        assert!(matches!(error, ParamError::Network { given, .. } if given == "10.0.0.1/8"));
    }

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        let p = param(ParamKind::Flag);
        assert_eq!(ParamValue::parse(&p, &json!(true)), Ok(Some(ParamValue::Flag(true))));
        assert_eq!(ParamValue::parse(&p, &json!(false)), Ok(Some(ParamValue::Flag(false))));
        let error = ParamValue::parse(&p, &json!(1)).unwrap_err().to_string();
        assert!(error.contains("takes true or false, not the number 1"), "{error}");
    }

    #[test]
    fn a_variable_has_a_name_that_can_be_set() {
        let p = param(ParamKind::Variables);
        let longest = "L".repeat(LONGEST_VARIABLE);
        assert!(ParamValue::parse(&p, &json!(["LD_PRELOAD", longest])).is_ok());
        for bad in ["", "A=b", "A\0", &"L".repeat(LONGEST_VARIABLE + 1)] {
            assert!(
                matches!(ParamValue::parse(&p, &json!(bad)), Err(ParamError::Variable { .. })),
                "{bad:?}"
            );
        }
        let many: Vec<_> = (0..=MOST_VARIABLES).map(|i| format!("V{i}")).collect();
        assert!(matches!(ParamValue::parse(&p, &json!(many)), Err(ParamError::TooMany { .. })));
    }

    #[test]
    fn flags_join_and_a_mistyped_one_names_the_nearest() {
        let flags =
            vec![NamedValue { name: "read".into(), value: 1 }, NamedValue { name: "write".into(), value: 2 }];
        let p = param(ParamKind::Flags(flags));
        assert_eq!(ParamValue::parse(&p, &json!(["read", "write"])), Ok(Some(ParamValue::Bits(3))));
        let error = ParamValue::parse(&p, &json!("wirte")).unwrap_err().to_string();
        assert!(error.contains("did you mean `write`?"), "{error}");
    }
}
