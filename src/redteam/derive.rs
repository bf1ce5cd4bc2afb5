//! What a probe says ─▶ deeds that it may refuse, and who would do them.
//!
//! What comes out are candidates: each is tried, without the rule and with it, before a way round it is. So they may be generous,
//! and need not be right.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::deed::{Access, Deed, Kind};
use crate::{
    attempt::FAMILY_NAMES,
    filter::{
        Test,
        ir::{Binding, Bool, Decision, Value},
    },
    probe::{
        ParamValue, Scope, Spec,
        scope::{Condition, Kind as ScopeKind, Member},
    },
    raw,
    template::ParamKind,
};

/// Candidates of one probe that are tried; a list may have thousands.
const MOST: usize = 24;
/// A name of a file where a rule about none in particular may apply; what is executed has one of its own.
const NAME: &str = "krsi-redteam";
const PROGRAM: &str = "krsi-redteam-program";

/// Who does a deed, so that a scope covers it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub loginuid: Option<u32>,
    /// In the form of [`raw`], as is the next.
    pub comm: Option<String>,
    pub cgroup: Option<String>,
}

impl Who {
    /// Returns somebody whom a scope covers.
    ///
    /// # Errors
    /// What of it nobody can become.
    pub fn of(scope: &Scope) -> Result<Self, String> {
        let mut who = Who::default();
        for (condition, members) in scope.conditions() {
            who.meet(condition, members)?;
        }
        Ok(who)
    }

    fn meet(
        &mut self,
        Condition { kind, negated }: Condition,
        members: &BTreeSet<Member>,
    ) -> Result<(), String> {
        let number = || {
            let numbers = members.iter().filter_map(|member| match member {
                Member::Number(number) => Some(*number),
                _ => None,
            });
            numbers.min()
        };
        let has = |number: u32| members.contains(&Member::Number(number));
        // Somebody else than these.
        let other = |own: u32| {
            let found = || [65534, 65533, 1].into_iter().chain(60000..).find(|id| !has(*id));
            if has(own) { found() } else { None }
        };
        match (kind, negated) {
            (ScopeKind::Uid, false) => self.uid = number(),
            (ScopeKind::Uid, true) => self.uid = self.uid.or_else(|| other(0)),
            (ScopeKind::Gid, false) => self.gid = number(),
            (ScopeKind::Gid, true) => self.gid = self.gid.or_else(|| other(0)),
            (ScopeKind::Loginuid, false) => self.loginuid = number(),
            (ScopeKind::Comm, false) => {
                self.comm = members.iter().find_map(|member| match member {
                    Member::Comm(comm) => Some(comm.clone()),
                    _ => None,
                });
            }
            (ScopeKind::Cgroup, false) => {
                self.cgroup = members.iter().find_map(|member| match member {
                    Member::Path(path) => Some(raw::from_os(path)),
                    _ => None,
                });
            }
            (ScopeKind::Exe | ScopeKind::ParentExe | ScopeKind::ExePrefix | ScopeKind::ExeSuffix, false)
            | (ScopeKind::ParentExePrefix | ScopeKind::ParentExeSuffix, false) => {
                return Err(format!(
                    "its scope is about what executable a process runs (`{kind}`), and what tries is krsi-sh itself"
                ));
            }
            // That of the attacker, as it is: whether it is covered turns out.
            _ => {}
        }
        Ok(())
    }
}

/// Returns deeds that a probe may refuse.
#[must_use]
pub fn deeds(spec: &Spec) -> Vec<Deed> {
    let Some(kind) = Kind::of_template(&spec.template.name) else { return Vec::new() };
    let mut found = match kind {
        Kind::Open => {
            let access = access(spec);
            files(spec, NAME).into_iter().map(|path| Deed::Open { path, access }).collect()
        }
        Kind::Exec => files(spec, PROGRAM).into_iter().map(|path| Deed::Exec { path }).collect(),
        Kind::Connect => connections(spec),
        Kind::Socket => families(spec).into_iter().map(|family| Deed::Socket { family }).collect::<Vec<_>>(),
    };
    found.truncate(MOST);
    found
}

fn access(spec: &Spec) -> Access {
    let bits = spec.params.get("access").and_then(|value| match value {
        ParamValue::Bits(bits) => Some(*bits),
        _ => None,
    });
    let asks = |name: &str| {
        let kind = spec.template.param("access").map(|param| &param.kind);
        let flags = if let Some(ParamKind::Flags(flags)) = kind { flags.as_slice() } else { &[] };
        let bit = flags.iter().find(|flag| flag.name == name).map_or(0, |flag| flag.value);
        bits.is_none_or(|bits| bits & bit != 0)
    };
    if !asks("read") && asks("write") { Access::Write } else { Access::Read }
}

fn texts<'s>(spec: &'s Spec, param: &str) -> &'s [String] {
    match spec.params.get(param) {
        Some(ParamValue::Texts(texts)) => texts,
        _ => &[],
    }
}

/// Paths that its params and its filter are about, the surest first.
fn files(spec: &Spec, name: &str) -> Vec<String> {
    let mut found: Vec<String> = texts(spec, "path").to_vec();
    for prefix in texts(spec, "path_prefix") {
        found.extend(below(prefix, name));
    }
    found.extend(texts(spec, "path_suffix").iter().map(|suffix| ending(suffix, name)));
    for (field, test) in asked(spec) {
        if field != "path" && field != "filename" {
            continue;
        }
        match test {
            Test::Equals(whole) => found.push(raw::text(&whole)),
            Test::StartsWith(prefix) => found.extend(below(&raw::text(&prefix), name)),
            Test::EndsWith(suffix) => found.push(ending(&raw::text(&suffix), name)),
            Test::Contains { needle, .. } => found.push(ending(&format!("/{}", raw::text(&needle)), name)),
            Test::Reaches(_) | Test::Matches(_) => {}
        }
    }
    found.push(format!("/tmp/{name}"));
    let mut seen = BTreeSet::new();
    found.retain(|path| path.starts_with('/') && !path.ends_with('/') && seen.insert(path.clone()));
    found
}

/// A file whose path begins so: one that is there, or one that may be made.
fn below(prefix: &str, made: &str) -> Vec<String> {
    let (directory, beginning) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    let place = if directory.is_empty() { "/" } else { directory };
    let entries = fs::read_dir(raw::os(place)).into_iter().flatten().flatten();
    let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let mut names: Vec<String> =
        entries.filter(is_file).map(|entry| raw::from_os(entry.file_name())).collect();
    names.retain(|name| name.starts_with(beginning));
    names.sort();
    let there = names.into_iter().next().map(|name| format!("{directory}/{name}"));
    there.into_iter().chain([format!("{prefix}{made}")]).collect()
}

/// A path that ends so.
fn ending(suffix: &str, name: &str) -> String {
    if suffix.starts_with('/') { format!("/tmp/{name}{suffix}") } else { format!("/tmp/{name}-{suffix}") }
}

fn connections(spec: &Spec) -> Vec<Deed> {
    let mut addresses: Vec<IpAddr> = members(spec, "address").iter().filter_map(|text| first(text)).collect();
    if let Some(filter) = &spec.filter {
        let mut networks = Vec::new();
        decision(&filter.filter.body, &mut |condition| {
            if let Bool::Within(_, within) = condition {
                networks.extend(within.iter().filter_map(|network| first(&network.to_string())));
            }
        });
        addresses.extend(networks);
    }
    addresses.extend([
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ]);
    // The beginning of a range: `8000..9000`.
    let digits = |text: &String| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut ports: Vec<u16> = members(spec, "port")
        .iter()
        .filter_map(|text| digits(text).parse().ok())
        .map(|port: u16| port.max(1))
        .collect();
    ports.extend(numbers(spec, "port").iter().filter_map(|number| u16::try_from(*number).ok()));
    if ports.is_empty() {
        ports.extend([80, 443, 22]);
    }
    let mut found = Vec::new();
    for port in ports {
        for address in &addresses {
            let deed = Deed::Connect { address: *address, port };
            if !found.contains(&deed) {
                found.push(deed);
            }
        }
    }
    found
}

/// The first address of a network that is one: `10.0.0.0/8` has 10.0.0.1.
fn first(network: &str) -> Option<IpAddr> {
    let (address, prefix) = network.split_once('/').unwrap_or((network, "128"));
    let is_one = prefix == "128" || prefix == "32" && !address.contains(':');
    match address.parse().ok()? {
        found if is_one => Some(found),
        IpAddr::V4(v4) => Some(Ipv4Addr::from(u32::from(v4) | 1).into()),
        IpAddr::V6(v6) => Some(Ipv6Addr::from(u128::from(v6) | 1).into()),
    }
}

fn members(spec: &Spec, param: &str) -> Vec<String> {
    spec.params.get(param).map(ParamValue::members).unwrap_or_default()
}

fn families(spec: &Spec) -> Vec<String> {
    let bits = match spec.params.get("family") {
        Some(ParamValue::Bits(bits)) => *bits,
        _ => u64::MAX,
    };
    let flags = match spec.template.param("family").map(|param| &param.kind) {
        Some(ParamKind::Flags(flags)) => flags.as_slice(),
        _ => &[],
    };
    let is_meant = |name: &&str| {
        // Some names are of a protocol: its family's stands for it.
        let of = match *name {
            "raw" => "inet",
            "audit" => "netlink",
            other => other,
        };
        flags.iter().any(|flag| flag.name == of && flag.value & bits != 0)
    };
    let mut found: Vec<String> = FAMILY_NAMES.iter().copied().filter(is_meant).map(str::to_owned).collect();
    // What few programs use is what rules are about.
    found.reverse();
    found
}

/// What the filter asks of texts, whatever it makes of the answers.
fn asked(spec: &Spec) -> Vec<(String, Test)> {
    let mut found = Vec::new();
    let Some(filter) = &spec.filter else { return found };
    decision(&filter.filter.body, &mut |condition| match condition {
        Bool::Text(text, test) => found.push((text.name.clone(), test.clone())),
        Bool::Among(text, wholes) => {
            found.extend(wholes.iter().map(|whole| (text.name.clone(), Test::Equals(whole.clone()))));
        }
        Bool::Asked(text, tests) => {
            found.extend(tests.iter().map(|test| (text.name.clone(), test.clone())));
        }
        _ => {}
    });
    found
}

/// The numbers with which the filter compares a field.
fn numbers(spec: &Spec, field: &str) -> Vec<i64> {
    use crate::filter::ir::Int;
    let mut found = Vec::new();
    let Some(filter) = &spec.filter else { return found };
    let is_field = |int: &Int| matches!(int, Int::Field(number) if number.name == field);
    decision(&filter.filter.body, &mut |condition| match condition {
        Bool::Compare(_, one, Int::Constant(number)) if is_field(one) => found.push(*number),
        Bool::Compare(_, Int::Constant(number), one) if is_field(one) => found.push(*number),
        Bool::OneOf(one, ranges) if is_field(one) => found.extend(ranges.iter().map(|(from, _)| *from)),
        _ => {}
    });
    found
}

fn decision(of: &Decision, look: &mut dyn FnMut(&Bool)) {
    match of {
        Decision::Answer(_) => {}
        Decision::If(condition, then, otherwise) => {
            bool_in(condition, look);
            decision(then, look);
            decision(otherwise, look);
        }
        Decision::Let(binding, body) => {
            value(binding, look);
            decision(body, look);
        }
    }
}

fn value(binding: &Binding, look: &mut dyn FnMut(&Bool)) {
    if let Value::Bool(condition) = &binding.value {
        bool_in(condition, look);
    }
}

fn bool_in(of: &Bool, look: &mut dyn FnMut(&Bool)) {
    look(of);
    match of {
        Bool::Not(inner) => bool_in(inner, look),
        Bool::And(parts) | Bool::Or(parts) | Bool::Either(parts) => {
            parts.iter().for_each(|part| bool_in(part, look));
        }
        Bool::If(condition, then, otherwise) => {
            [condition, then, otherwise].into_iter().for_each(|part| bool_in(part, look));
        }
        Bool::Let(binding, body) => {
            value(binding, look);
            bool_in(body, look);
        }
        _ => {}
    }
}

/// Makes a stand-in for a file that is not there, and its directory: a program, if it is to be executed. Returns whether it had to.
///
/// # Errors
/// If it cannot be made.
pub fn stand_in(deed: &Deed) -> std::io::Result<bool> {
    let Some(path) = deed.path() else { return Ok(false) };
    let path = raw::os(path);
    let path = Path::new(&path);
    if fs::symlink_metadata(path).is_ok() {
        return Ok(false);
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    match deed {
        Deed::Exec { .. } => fs::copy("/bin/busybox", path).map(drop)?,
        _ => fs::write(path, "a stand-in\n")?,
    }
    Ok(true)
}
