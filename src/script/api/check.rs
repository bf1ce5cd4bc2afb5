//! Checks: what a script asserts, and what it expects of a value.

use std::time::Duration;

use rhai::{Array, Engine, FnPtr, Map, plugin::*};

use super::{Fallible, a, runtime};
use crate::{
    check::{Check, CheckResult},
    filter::Glob,
    script::{Fault, checks::Decision, matcher::Matcher, runtime::check::perform as perform_check, value},
    values::{Severity, duration, nearest},
};

/// What may stand in a check's map.
const KEYS: [&str; 8] = ["level", "tags", "severity", "about", "why", "remedy", "refs", "timeout"];
/// Levels go up to this.
const HIGHEST_LEVEL: i64 = 9;

/// What a script says of a check, and how long it may take.
fn described(
    context: &NativeCallContext,
    id: &str,
    title: &str,
    said: &Map,
) -> Fallible<(Check, Option<Duration>)> {
    if let Some(stranger) = said.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let near =
            nearest(stranger, KEYS).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        let text = format!("a check has no `{stranger}`{near}; allowed: {}", KEYS.join(", "));
        return Err(Fault::script(text).about(stranger).into());
    }
    if title.trim().is_empty() {
        return Err(Fault::script("a check needs a title: what holds if it passes").about(id).into());
    }
    let severity = match text(said, "severity")? {
        Some(name) => Severity::from_name(&name).map_err(Fault::from)?,
        None => Severity::Medium,
    };
    let level = match said.get("level").map(Dynamic::as_int) {
        None => 1,
        Some(Ok(level @ 1..=HIGHEST_LEVEL)) => u8::try_from(level).unwrap_or(1),
        Some(_) => {
            let text = format!("the level of a check is a whole number from 1 to {HIGHEST_LEVEL}");
            return Err(Fault::script(text).about("level").into());
        }
    };
    let timeout =
        text(said, "timeout")?.map(|time| duration::parse(&time).map_err(Fault::from)).transpose()?;
    let runtime = runtime(context)?;
    let check = Check {
        id: id.to_owned(),
        title: title.to_owned(),
        level,
        tags: texts(said, "tags")?,
        severity,
        about: text(said, "about")?,
        why: text(said, "why")?,
        remedy: text(said, "remedy")?,
        refs: texts(said, "refs")?,
        script: runtime.program()?.source.name.clone(),
        line: context.call_position().line().unwrap_or_default(),
    };
    Ok((check, timeout))
}

fn text(said: &Map, key: &str) -> Fallible<Option<String>> {
    said.get(key)
        .map(|value| {
            value.clone().into_string().map_err(|_| {
                Fault::script(format!("`{key}` of a check is a string, not {}", a(value))).about(key).into()
            })
        })
        .transpose()
}

fn texts(said: &Map, key: &str) -> Fallible<Vec<String>> {
    let Some(value) = said.get(key) else { return Ok(Vec::new()) };
    let refused = || Fault::script(format!("`{key}` of a check is an array of strings")).about(key).into();
    let items = value.as_array_ref().map_err(|_| refused())?;
    items.iter().map(|item| item.clone().into_string().map_err(|_| refused())).collect()
}

fn perform(context: &NativeCallContext, id: &str, title: &str, said: &Map, function: &FnPtr) -> Fallible<()> {
    let (check, timeout) = described(context, id, title, said)?;
    perform_check(&*runtime(context)?, context, check, function, timeout)
}

fn decide(context: &NativeCallContext, word: &str, result: CheckResult, reason: &str) -> Fallible<()> {
    let line = context.call_position().line().unwrap_or_default();
    let decision = Decision { result, reason: Some(reason.to_owned()), expected: None, line };
    runtime(context)?.checks.decide(word, decision)
}

fn expected(
    context: &NativeCallContext,
    found: &Dynamic,
    matcher: &Matcher,
    what: Option<&str>,
) -> Fallible<()> {
    let runtime = runtime(context)?;
    if matcher.holds(context, found)? {
        return Ok(runtime.checks.held()?);
    }
    let reason = what.map_or_else(|| "an expectation does not hold".to_owned(), str::to_owned);
    runtime.checks.decide(
        "expect",
        Decision {
            result: CheckResult::Fail,
            reason: Some(reason),
            expected: Some((matcher.describe(), matcher.shown(found))),
            line: context.call_position().line().unwrap_or_default(),
        },
    )
}

#[export_module]
mod functions {
    /// Runs a check: its function says whether something holds, by `expect(…)` or by returning true or false. What it
    /// returns otherwise is kept as evidence: `check("tmp-noexec", "/tmp is mounted noexec", || expect(mounts("/tmp").options, includes("noexec")))`.
    /// Results: pass, fail, skip, inconclusive (events were lost, a hook is unavailable, or `--audit` kept a probe from
    /// enforcing: never a pass) and error. The script goes on after it; its exit code is 4 if one failed, 5 if one could
    /// not be decided.
    #[rhai_fn(return_raw)]
    pub fn check(context: NativeCallContext, id: &str, title: &str, function: FnPtr) -> Fallible<()> {
        super::perform(&context, id, title, &Map::new(), &function)
    }

    /// Runs a check of which more is said: `check("ssh-root", "root cannot log in by password", #{ severity: "high", level: 1, tags: ["ssh"], about: "…", why: "…", remedy: "…", refs: ["CIS 5.2.7"], timeout: "10s" }, || true)`.
    /// Any of these may be left out: the severity is then medium, the level 1. `--only`, `--skip`, `--tag` and `--level`
    /// of `krsi-sh check` select by them.
    #[rhai_fn(name = "check", return_raw)]
    pub fn check_described(
        context: NativeCallContext,
        id: &str,
        title: &str,
        said: Map,
        function: FnPtr,
    ) -> Fallible<()> {
        super::perform(&context, id, title, &said, &function)
    }

    /// Expects something to be true; the check fails here otherwise: `expect(e.uid == 0)`.
    #[rhai_fn(return_raw)]
    pub fn expect(context: NativeCallContext, holds: bool) -> Fallible<()> {
        super::expected(&context, &holds.into(), &Matcher::Is(true.into()), None)
    }

    /// Expects a value to be as a matcher says; the check fails here otherwise, and tells what was expected and what was
    /// found: `expect(sysctl("kernel.yama.ptrace_scope"), is_at_least(1))`. Matchers: `equals`, `is_not`, `is_one_of`,
    /// `is_at_least`, `is_at_most`, `is_between`, `is_empty`, `is_not_empty`, `includes`, `excludes`, `is_like`,
    /// `is_missing`, `is_present`, `is_mode_within`, `each`; a function that returns true or false; or a value that it has
    /// to equal.
    #[rhai_fn(name = "expect", return_raw)]
    pub fn expect_as(context: NativeCallContext, value: Dynamic, matcher: Dynamic) -> Fallible<()> {
        super::expected(&context, &value, &Matcher::of(&matcher), None)
    }

    /// Expects a value to be as a matcher says, and says in words what does not hold otherwise:
    /// `expect(mode, is_mode_within(0o640), "others can read it")`.
    #[rhai_fn(name = "expect", return_raw)]
    pub fn expect_as_said(
        context: NativeCallContext,
        value: Dynamic,
        matcher: Dynamic,
        otherwise: &str,
    ) -> Fallible<()> {
        super::expected(&context, &value, &Matcher::of(&matcher), Some(otherwise))
    }

    /// Keeps a value that the check has looked at: reports show it beside the result: `evidence(#{ path: f.path, mode: f.mode })`.
    #[rhai_fn(return_raw)]
    pub fn evidence(context: NativeCallContext, value: Dynamic) -> Fallible<()> {
        Ok(runtime(&context)?.checks.keep(&value)?)
    }

    /// Ends the check that is being run: it has failed, for this reason: `fail("nobody may own files")`.
    #[rhai_fn(return_raw)]
    pub fn fail(context: NativeCallContext, reason: &str) -> Fallible<()> {
        super::decide(&context, "fail", CheckResult::Fail, reason)
    }

    /// Ends the check that is being run: it does not apply here, for this reason: `skip("no ssh server here")`.
    #[rhai_fn(return_raw)]
    pub fn skip(context: NativeCallContext, reason: &str) -> Fallible<()> {
        super::decide(&context, "skip", CheckResult::Skip, reason)
    }

    /// Ends the check that is being run: nothing can be said, for this reason: `inconclusive("the log was rotated meanwhile")`.
    #[rhai_fn(return_raw)]
    pub fn inconclusive(context: NativeCallContext, reason: &str) -> Fallible<()> {
        super::decide(&context, "inconclusive", CheckResult::Inconclusive, reason)
    }

    /// Calls a function before each check that follows: `setup(|| run(["mkdir", "/run/probe"]))`. If it fails, so does the check.
    #[rhai_fn(return_raw)]
    pub fn setup(context: NativeCallContext, function: FnPtr) -> Fallible<()> {
        Ok(runtime(&context)?.checks.set_up(function)?)
    }

    /// Calls a function after the check that is being run, or, outside of one, after each check that follows; whatever it came
    /// to, also when its time is up or a signal ends the session: `teardown(|| run(["rmdir", "/run/probe"]))`. What was
    /// set up last is torn down first. Probes that a check attaches are detached by themselves.
    #[rhai_fn(return_raw)]
    pub fn teardown(context: NativeCallContext, function: FnPtr) -> Fallible<()> {
        runtime(&context)?.checks.tear_down(function);
        Ok(())
    }

    /// Matches what equals this value: `expect(sysctl("net.ipv4.ip_forward"), equals(0))`.
    pub fn equals(value: Dynamic) -> Matcher {
        Matcher::of(&value)
    }

    /// Matches what does not equal this value, or what another matcher does not match: `is_not(0)`, `is_not(is_like("*.sh"))`.
    pub fn is_not(value: Dynamic) -> Matcher {
        Matcher::Not(Matcher::of(&value).into())
    }

    /// Matches what equals one of these values: `is_one_of(["no", "prohibit-password"])`.
    pub fn is_one_of(values: Array) -> Matcher {
        Matcher::one_of(&values)
    }

    /// Matches this number or a larger one: `is_at_least(1)`. Texts are compared letter by letter.
    pub fn is_at_least(least: Dynamic) -> Matcher {
        Matcher::AtLeast(value::to_json(&least))
    }

    /// Matches this number or a smaller one: `is_at_most(365)`.
    pub fn is_at_most(most: Dynamic) -> Matcher {
        Matcher::AtMost(value::to_json(&most))
    }

    /// Matches a number from the first to the second, both included: `is_between(1, 365)`.
    pub fn is_between(least: Dynamic, most: Dynamic) -> Matcher {
        Matcher::Between(value::to_json(&least), value::to_json(&most))
    }

    /// Matches an array, a map or a string with nothing in it: `expect(strangers, is_empty())`.
    pub fn is_empty() -> Matcher {
        Matcher::Empty
    }

    /// Matches an array, a map or a string with something in it: `is_not_empty()`.
    pub fn is_not_empty() -> Matcher {
        Matcher::Not(Matcher::Empty.into())
    }

    /// Matches an array with this item, a map with this key, a string with this part: `includes("noexec")`.
    pub fn includes(part: Dynamic) -> Matcher {
        Matcher::Includes(value::to_json(&part))
    }

    /// Matches what does not include it: `excludes("md5")`.
    pub fn excludes(part: Dynamic) -> Matcher {
        Matcher::Not(Matcher::Includes(value::to_json(&part)).into())
    }

    /// Matches a string that is like this glob, in which `*` stands for any text: `is_like("/usr/*")`.
    #[rhai_fn(return_raw)]
    pub fn is_like(pattern: &str) -> Fallible<Matcher> {
        let glob = Glob::parse(pattern).map_err(|error| Fault::script(error).about(pattern))?;
        Ok(Matcher::Like { pattern: pattern.to_owned(), glob })
    }

    /// Matches `()`: what is not there: `expect(file("/etc/hosts.equiv"), is_missing())`.
    pub fn is_missing() -> Matcher {
        Matcher::Missing
    }

    /// Matches whatever is there, which is anything but `()`: `is_present()`.
    pub fn is_present() -> Matcher {
        Matcher::Not(Matcher::Missing.into())
    }

    /// Matches a file's mode that permits no more than this one: `expect(file("/etc/shadow").mode, is_mode_within(0o640))`.
    pub fn is_mode_within(mode: i64) -> Matcher {
        Matcher::ModeWithin(mode)
    }

    /// Matches an array of which each item is as the matcher says: `each(is_like("/usr/*"))`.
    pub fn each(matcher: Dynamic) -> Matcher {
        Matcher::Each(Matcher::of(&matcher).into())
    }

    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn text(matcher: Matcher) -> String {
        matcher.describe()
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Matcher>("Matcher")
        .register_global_module(rhai::exported_module!(functions).into());
}
