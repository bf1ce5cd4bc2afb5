//! Secrets behind a name: `password=X`, `--token X`, `"api_key": "X"`, `Authorization: Bearer X`.

use std::ops::Range;

use super::{
    OPENS, Spans,
    hit::{Announces, Hit},
    quotes::Quotes,
};

/// Words of a name that make it a secret's; a word may end with one of the second kind.
const SECRETS: &[&str] = &["pass", "pwd", "creds", "cred", "psk", "authtoken"];
const SECRET_ENDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
];
/// Words that make it one together with `key` behind them.
const OF_KEYS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "encryption",
    "signing",
    "account",
    "shared",
    "preshared",
    "master",
    "storage",
    "session",
    "subscription",
    "license",
];
/// Last words of a name that is about a secret, and whose value is none.
const BENIGN: &[&str] = &[
    "file",
    "files",
    "filename",
    "path",
    "paths",
    "dir",
    "directory",
    "id",
    "ids",
    "name",
    "names",
    "url",
    "uri",
    "type",
    "types",
    "len",
    "length",
    "size",
    "min",
    "max",
    "expiry",
    "expires",
    "expiration",
    "ttl",
    "timeout",
    "lifetime",
    "age",
    "policy",
    "count",
    "counts",
    "limit",
    "limits",
    "through",
    "prompt",
    "manager",
    "store",
    "stdin",
    "command",
    "cmd",
    "helper",
    "provider",
    "endpoint",
    "field",
    "format",
    "version",
    "enabled",
    "required",
    "rotation",
    "days",
    "warn",
    "fd",
    "authentication",
    "algorithm",
    "alg",
    "bits",
    "mode",
    "usage",
    "budget",
    "service",
    "server",
    "host",
    "port",
    "user",
    "username",
    "agent",
    "method",
    "methods",
    "only",
    "login",
];
/// Values that are none.
const NOTHING: &[&str] = &["true", "false", "yes", "no", "none", "null", "nil", "on", "off"];
/// Names of tools' own, whose value follows them as a word.
const WITHOUT_DASHES: &[&str] = &["aws_secret_access_key", "aws_session_token", "_authtoken"];
/// How a value begins that says where the secret is.
const PLACES: &[&str] = &[
    "/etc/", "/home/", "/root/", "/var/", "/run/", "/tmp/", "/usr/", "/opt/", "/srv/", "/proc/", "./", "~/",
    "id=", "type=", "file:",
];
/// What an Authorization header names before the secret.
const SCHEMES: &[&str] = &[
    "basic",
    "bearer",
    "token",
    "digest",
    "negotiate",
    "ntlm",
    "apikey",
    "key",
    "hawk",
    "hmac",
    "oauth",
    "ssws",
    "signature",
    "aws4-hmac-sha256",
    "dpop",
    "splunk",
];

/// What stands between a name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    Equals,
    Colon {
        blank: bool,
    },
    /// The value is the next word.
    Blank,
}

/// Where nsswitch.conf(5) has accounts come from.
const SOURCES: [&str; 7] = ["files", "compat", "systemd", "sss", "ldap", "nis", "winbind"];

/// Finds values behind names that are secrets'. If the text is `whole`, what it begins with names all of it.
pub fn find(text: &[u8], hits: &[Hit], whole: bool, spans: &mut Spans) {
    let mut quotes = Quotes::default();
    // Behind the last name, and what is its.
    let mut over = 0;
    for hit in hits {
        let is_header = match hit.announces {
            Announces::Key => false,
            Announces::Header => true,
            Announces::Tool(_) | Announces::Shape(_) => continue,
        };
        if hit.start < over {
            continue;
        }
        let name = name_around(text, hit.start, over);
        // A header's word has one of another name in it (`auth`), which ends before it does.
        let is_header = is_header || is_of_header(&text[name.clone()]);
        over = name.end;
        let secret = if is_header {
            header(text, &name, &mut quotes)
        } else {
            value(text, &name, whole && name.start == 0, &mut quotes)
        };
        if let Some(secret) = secret {
            over = secret.end;
            spans.push(secret);
        }
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn name_around(text: &[u8], at: usize, over: usize) -> Range<usize> {
    let begin =
        text[over..at].iter().rposition(|byte| !is_of_name(*byte)).map_or(over, |found| over + found + 1);
    let length = text[at..].iter().position(|byte| !is_of_name(*byte));
    begin..length.map_or(text.len(), |length| at + length)
}

fn is_of_header(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "cookie", "cookies"].iter().any(|header| {
        name.strip_suffix(header.as_bytes())
            .is_some_and(|before| before.last().is_none_or(|byte| !byte.is_ascii_alphanumeric()))
    })
}

/// Whether a value under this name is a secret.
pub fn is_secret(name: &[u8]) -> bool {
    let words = words(name);
    let Some(last) = words.last() else { return false };
    if BENIGN.contains(&last.as_str()) {
        return false;
    }
    let is_one =
        |word: &String| SECRETS.contains(&word.as_str()) || SECRET_ENDS.iter().any(|end| word.ends_with(end));
    let is_key = |pair: &[String]| matches!(&*pair[1], "key" | "keys") && OF_KEYS.contains(&pair[0].as_str());
    let joined = |word: &String| word.strip_suffix("key").is_some_and(|before| OF_KEYS.contains(&before));
    words.iter().any(is_one)
        || words.windows(2).any(is_key)
        || words.iter().any(joined)
        || matches!(name, b"_auth")
}

/// The words of a name in small letters: `apiKey`, `API_KEY` and `api-key` have two.
fn words(name: &[u8]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = b'-';
    for (at, &byte) in name.iter().enumerate() {
        if !byte.is_ascii_alphanumeric() {
            before = byte;
            continue;
        }
        let turns = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || before.is_ascii_uppercase() && name.get(at + 1).is_some_and(u8::is_ascii_lowercase));
        if !before.is_ascii_alphanumeric() || turns || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(byte.to_ascii_lowercase().into());
        }
        before = byte;
    }
    // `password2`
    words
        .iter_mut()
        .for_each(|word| word.truncate(word.trim_end_matches(|c: char| c.is_ascii_digit()).len()));
    words.retain(|word| !word.is_empty());
    words
}

/// The quote before a name, with the backslashes before that.
fn quote_before(text: &[u8], at: usize) -> Option<u8> {
    let byte = *text.get(at.checked_sub(1)?)?;
    matches!(byte, b'"' | b'\'').then_some(byte)
}

/// What stands behind a name, and where the value begins.
fn behind(text: &[u8], name: &Range<usize>) -> Option<(Between, usize)> {
    let get = |at: usize| text.get(at).copied().unwrap_or_default();
    let blanks = |mut at: usize| {
        while matches!(get(at), b' ' | b'\t') {
            at += 1;
        }
        at
    };
    let is_option = text[name.start] == b'-';
    let mut at = name.end;
    while get(at) == b'\\' {
        at += 1;
    }
    let is_quoted = quote_before(text, name.start).is_some_and(|quote| quote == get(at));
    if is_quoted {
        at += 1;
    } else {
        at = name.end;
    }
    // `[section.password]`, `env["PASSWORD"] =`
    if is_quoted && get(at) == b']' {
        at += 1;
    }
    let next = blanks(at);
    match get(next) {
        b'=' if get(next + 1) == b'=' => None,
        b'=' => {
            let value = next + 1 + usize::from(get(next + 1) == b'>');
            let spaced = next > at || get(next + 1) == b'>';
            Some((Between::Equals, if spaced { blanks(value) } else { value }))
        }
        b':' if get(next + 1) == b':' => None,
        b':' => {
            let value = next + 1 + usize::from(get(next + 1) == b'=');
            let begins = blanks(value);
            Some((Between::Colon { blank: begins > value }, begins))
        }
        b',' if is_quoted && is_option => Some((Between::Blank, blanks(next + 1))),
        _ if is_option
            || WITHOUT_DASHES
                .iter()
                .any(|known| text[name.clone()].eq_ignore_ascii_case(known.as_bytes())) =>
        {
            let mut value = at;
            while get(value).is_ascii_whitespace() {
                value += 1;
            }
            (value > at).then_some((Between::Blank, value))
        }
        _ => None,
    }
}

fn value(text: &[u8], name: &Range<usize>, whole: bool, quotes: &mut Quotes) -> Option<Range<usize>> {
    let own = &text[name.clone()];
    if !is_secret(own) {
        return None;
    }
    let (between, begin) = behind(text, name)?;
    // A file, and what is said of it: `/etc/passwd: …`.
    if matches!(between, Between::Colon { .. }) && text[..name.start].last() == Some(&b'/') {
        return None;
    }
    if whole && between == Between::Equals {
        return is_told(own, &text[begin..], between).then_some(begin..text.len());
    }
    // A quote before the name closes behind the value: `"--password=a b"`.
    let outer = quote_before(text, name.start).filter(|quote| text.get(name.end) != Some(quote));
    if matches!(between, Between::Equals | Between::Colon { blank: false })
        && let Some(end) = outer.and_then(|quote| quotes.closing(text, begin, quote))
    {
        return is_told(own, &text[begin..end], between).then_some(begin..end);
    }
    let (inner, is_quoted) = taken(text, begin, own.first() == Some(&b'-'), quotes);
    let value = &text[inner.clone()];
    if between == Between::Blank && !is_quoted && !is_value(value) {
        return None;
    }
    if between == (Between::Colon { blank: true }) && !is_quoted && !is_like_a_secret(text, name, &inner) {
        return None;
    }
    is_told(own, value, between).then_some(inner)
}

/// The value that begins here, and whether it is quoted.
fn taken(text: &[u8], begin: usize, is_option: bool, quotes: &mut Quotes) -> (Range<usize>, bool) {
    let mut at = begin;
    // `\"` in a text that is itself quoted, and `$'…'`.
    let mut backslashes = 0;
    while text.get(at) == Some(&b'\\') {
        (at, backslashes) = (at + 1, backslashes + 1);
    }
    if backslashes == 0 && text.get(at) == Some(&b'$') && text.get(at + 1) == Some(&b'\'') {
        at += 1;
    }
    if let Some(quote @ (b'"' | b'\'')) = text.get(at).copied() {
        let inner = at + 1;
        let end = if backslashes > 0 {
            let escaped = |at: &usize| text[*at] == b'\\' && text.get(*at + 1) == Some(&quote);
            (inner..text.len()).find(escaped)
        } else {
            quotes.closing(text, inner, quote)
        };
        // What is not closed goes on to the text's end, which may have been cut.
        let end = end.unwrap_or(text.len());
        // Shells go on behind a quote: `'a'b`.
        return (inner..end, true);
    }
    if let Some(length) = marker(&text[begin..]) {
        return (begin..begin + length, false);
    }
    let mut end = begin;
    while let Some(&byte) = text.get(end) {
        let next = text.get(end + 1).copied();
        let ends = match byte {
            byte if byte.is_ascii_whitespace() || byte == 0 => true,
            // One that closes what all of this stands in.
            b'"' | b'\'' | b'`' => {
                end > begin
                    && next.is_none_or(|next| next.is_ascii_whitespace() || b",;:)]}|&\"'`".contains(&next))
            }
            // A command is over, or a header's part.
            b';' if next.is_none_or(|next| next.is_ascii_whitespace()) => true,
            // Another setting follows.
            b'&' | b',' | b';' if !is_option => {
                let rest = &text[end + 1..];
                let name = rest.iter().position(|byte| !is_of_name(*byte)).unwrap_or(rest.len());
                (1..40).contains(&name) && matches!(rest.get(name), Some(b'=' | b':'))
            }
            _ => false,
        };
        if ends {
            break;
        }
        end += 1;
    }
    (begin..end, false)
}

/// The length of what stands in place of a secret, if a text begins with that.
fn marker(text: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(OPENS)?;
    let stars = rest.iter().position(|byte| *byte != b'*')?;
    (rest[stars] == b'>').then_some(OPENS.len() + stars + 1)
}

/// Whether this value of that name tells anything.
fn is_told(name: &[u8], value: &[u8], between: Between) -> bool {
    if value.is_empty() || NOTHING.iter().any(|nothing| value.eq_ignore_ascii_case(nothing.as_bytes())) {
        return false;
    }
    if PLACES.iter().any(|place| value.starts_with(place.as_bytes())) {
        return false;
    }
    let is_of_directory = name.eq_ignore_ascii_case(b"pwd") || name.eq_ignore_ascii_case(b"oldpwd");
    if is_of_directory && between == Between::Equals && value.starts_with(b"/") {
        return false;
    }
    // A line of nsswitch.conf(5).
    let is_of_nss = name.eq_ignore_ascii_case(b"passwd") && matches!(between, Between::Colon { .. });
    let first = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    !(is_of_nss && SOURCES.iter().any(|source| first == source.as_bytes()))
}

/// Behind a colon and a blank prose may follow.
fn is_like_a_secret(text: &[u8], name: &Range<usize>, value: &Range<usize>) -> bool {
    let word = &text[value.clone()];
    if word.iter().any(|byte| !byte.is_ascii_alphabetic()) {
        // Not for its full stop, or its comma.
        let plain = word.strip_suffix(b".").or_else(|| word.strip_suffix(b",")).unwrap_or(word);
        return plain.iter().any(|byte| !byte.is_ascii_alphabetic()) && word[0] != b'`' && word[0] != b'(';
    }
    // A line of YAML's.
    let line = text[..name.start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let is_first = text[line..name.start].iter().all(|byte| matches!(byte, b' ' | b'\t' | b'-'));
    let rest = &text[value.end..];
    let is_last = rest.iter().take_while(|byte| **byte != b'\n').all(u8::is_ascii_whitespace);
    is_first && is_last
}

/// The secret of a header: `Authorization: Bearer X`, `Cookie: a=X; b=Y`.
fn header(text: &[u8], name: &Range<usize>, quotes: &mut Quotes) -> Option<Range<usize>> {
    let (between, begin) = behind(text, name)?;
    let outer = quote_before(text, name.start).filter(|quote| text.get(name.end) != Some(quote));
    let own = match text.get(begin) {
        Some(quote @ (b'"' | b'\'')) => Some((begin + 1, *quote)),
        _ => None,
    };
    let bounded = match (own, outer) {
        (Some((inner, quote)), _) => Some((inner, quotes.closing(text, inner, quote).unwrap_or(text.len()))),
        (None, Some(quote)) => quotes.closing(text, begin, quote).map(|end| (begin, end)),
        (None, None) => None,
    };
    let (begin, line) = bounded.unwrap_or_else(|| {
        let line = text[begin..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        (begin, line.map_or(text.len(), |length| begin + length))
    });
    let word_end = |from: usize| {
        text[from..line].iter().position(u8::is_ascii_whitespace).map_or(line, |length| from + length)
    };
    let blanks = |mut at: usize| {
        while at < line && matches!(text[at], b' ' | b'\t') {
            at += 1;
        }
        at
    };
    let first = word_end(begin);
    let is_scheme = SCHEMES.iter().any(|scheme| text[begin..first].eq_ignore_ascii_case(scheme.as_bytes()));
    let secret = if is_scheme { blanks(first) } else { begin };
    let mut end = line;
    // The header is all there is of a text that begins with it; elsewhere it is a word, and others follow.
    if bounded.is_none() && name.start > 0 {
        end = word_end(secret);
        while end < line && matches!(text[end - 1], b';' | b',') {
            let next = blanks(end);
            if next >= line {
                break;
            }
            end = word_end(next);
        }
    }
    let told = &text[secret..end];
    (end > secret && is_told(b"", told, between)).then_some(secret..end)
}

/// Whether the next of a list is the value of this option.
pub fn announces(option: &[u8]) -> bool {
    let is_name = option.first() == Some(&b'-') && option.iter().all(|byte| is_of_name(*byte));
    let is_bare = || WITHOUT_DASHES.iter().any(|known| option.eq_ignore_ascii_case(known.as_bytes()));
    is_name && (is_secret(option) || is_of_header(option)) || is_bare()
}

/// Whether a word is a value, and no option or place.
pub fn is_value(word: &[u8]) -> bool {
    let is_option = match word {
        [b'-', b'-', rest @ ..] => rest.iter().all(|byte| is_of_name(*byte) || *byte == b'='),
        [b'-', letter] => letter.is_ascii_alphabetic(),
        [b'-', rest @ ..] => rest.iter().all(|byte| byte.is_ascii_lowercase()),
        _ => false,
    };
    !is_option && is_told(b"", word, Between::Blank)
}

/// Whether an argument is an option with its secret, to its end: `--password=a b`.
pub fn is_whole_option(word: &[u8]) -> bool {
    let Some(equals) = word.iter().position(|byte| *byte == b'=') else { return false };
    let (name, value) = (&word[..equals], &word[equals + 1..]);
    announces(name) && is_told(name, value, Between::Equals)
}

/// Whether a list is an environment: each of it a setting.
pub fn is_environment(texts: &[&[u8]]) -> bool {
    let is_setting = |text: &&[u8]| {
        let name = text.iter().position(|byte| *byte == b'=').map_or(&[][..], |equals| &text[..equals]);
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    !texts.is_empty() && texts.iter().all(is_setting)
}
