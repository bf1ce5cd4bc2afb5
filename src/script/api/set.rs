//! Named sets, which params of several probes take.

use std::time::Instant;

use rhai::{Array, Dynamic, Engine, plugin::*};

use super::{Fallible, runtime};
use crate::{
    script::{Fault, json, set::SetHandle, value},
    values::duration,
};

/// When what is added for this time goes.
fn until(context: &NativeCallContext, lasts: &str) -> Fallible<Option<Instant>> {
    let lasts = duration::parse(lasts).map_err(Fault::from)?;
    Ok(Some(runtime(context)?.now() + lasts))
}

fn add(
    context: &NativeCallContext,
    set: &SetHandle,
    value: &Dynamic,
    until: Option<Instant>,
) -> Fallible<()> {
    let remarks = set.add(&value::to_json(value), until)?;
    runtime(context)?.notes(&remarks);
    Ok(())
}

fn fill(context: &NativeCallContext, set: &SetHandle, values: Array, until: Option<Instant>) -> Fallible<()> {
    let remarks = set.fill(&value::to_json(&values.into()), until)?;
    runtime(context)?.notes(&remarks);
    Ok(())
}

#[export_module]
mod functions {
    /// Returns the set of a name, which is made if there is none: `let bad = set("bad_ips")`. A param takes it in the place of a list:
    /// `probe("connect", #{ address: bad })`, and as many probes as there are. What is added, removed or filled is in force in all of them when the
    /// call returns, or in none, and then it is an error. A set that is empty names nothing: a param that takes it matches nothing.
    /// Params of flags, of variables and of what the filter asks (argv …) take no set, nor does a scope; `p.set(…)` changes these.
    #[rhai_fn(return_raw)]
    pub fn set(context: NativeCallContext, name: &str) -> Fallible<SetHandle> {
        Ok(runtime(&context)?.sets.named(name)?)
    }

    /// Returns the set of a name, and says what its values are, so that others are refused also while no probe takes it: `set("bad_ips", "address")`.
    /// Kinds: path, path_prefix, path_suffix, address, port.
    #[rhai_fn(name = "set", return_raw)]
    pub fn set_of(context: NativeCallContext, name: &str, kind: &str) -> Fallible<SetHandle> {
        let set = runtime(&context)?.sets.named(name)?;
        set.set_kind(kind)?;
        Ok(set)
    }

    /// Adds a value, or each of an array, until it is removed: `bad.add("10.0.0.1")`. It takes the longer the more there are in the set (with
    /// ten thousand some milliseconds), so add many as one array.
    #[rhai_fn(return_raw)]
    pub fn add(context: NativeCallContext, set: SetHandle, value: Dynamic) -> Fallible<SetHandle> {
        super::add(&context, &set, &value, None)?;
        Ok(set)
    }

    /// Adds a value, or each of an array, for a time, after which it goes by itself: `bad.add(e.address, "10m")`. One that is there
    /// has this time from now on. In a replay the time is the recording's.
    #[rhai_fn(name = "add", return_raw)]
    pub fn add_for(
        context: NativeCallContext,
        set: SetHandle,
        value: Dynamic,
        lasts: &str,
    ) -> Fallible<SetHandle> {
        let until = until(&context, lasts)?;
        super::add(&context, &set, &value, until)?;
        Ok(set)
    }

    /// Removes a value, or each of an array, and returns whether one was there: `bad.remove("10.0.0.1")`.
    #[rhai_fn(return_raw)]
    pub fn remove(set: SetHandle, value: Dynamic) -> Fallible<bool> {
        Ok(set.remove(&value::to_json(&value))?)
    }

    /// Removes all values: `bad.clear()`.
    #[rhai_fn(return_raw)]
    pub fn clear(context: NativeCallContext, set: SetHandle) -> Fallible<SetHandle> {
        super::fill(&context, &set, Array::new(), None)?;
        Ok(set)
    }

    /// Puts an array of values in the place of all others, as one swap: `bad.fill(read_lines("/etc/bad-ips"))`. Each decision about a value is by the
    /// former or by the new ones, and what is in both is never missing.
    #[rhai_fn(return_raw)]
    pub fn fill(context: NativeCallContext, set: SetHandle, values: Array) -> Fallible<SetHandle> {
        super::fill(&context, &set, values, None)?;
        Ok(set)
    }

    /// Puts an array of values in the place of all others, for a time: `bad.fill(lines, "1h")`.
    #[rhai_fn(name = "fill", return_raw)]
    pub fn fill_for(
        context: NativeCallContext,
        set: SetHandle,
        values: Array,
        lasts: &str,
    ) -> Fallible<SetHandle> {
        let until = until(&context, lasts)?;
        super::fill(&context, &set, values, until)?;
        Ok(set)
    }

    /// Returns whether a value is in the set: `bad.contains("10.0.0.1")`, or `"10.0.0.1" in bad`.
    #[rhai_fn(return_raw)]
    pub fn contains(set: SetHandle, value: Dynamic) -> Fallible<bool> {
        Ok(set.contains(&value::to_json(&value))?)
    }

    /// Returns how many values the set has: `bad.len()`.
    pub fn len(set: SetHandle) -> i64 {
        i64::try_from(set.len()).unwrap_or(i64::MAX)
    }

    /// Returns the values of the set as an array: `bad.values()`.
    pub fn values(set: SetHandle) -> Array {
        json::from_json(set.values()).into_array().unwrap_or_default()
    }

    #[rhai_fn(get = "name")]
    pub fn name(set: &mut SetHandle) -> String {
        set.name()
    }

    /// Returns the set in one line.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn to_text(set: SetHandle) -> String {
        set.describe()
    }
}

pub fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<SetHandle>("Set")
        .register_global_module(rhai::exported_module!(functions).into());
}

#[cfg(test)]
mod tests {
    use crate::script::testing;

    fn says(code: &str) -> String {
        testing::says(&format!("let bad = set(\"bad\"); {code};"))
    }

    const TAKEN: &str = "let p = probe(\"connect\", #{address: bad}).attach(); let q = probe(\"sendto\", #{not_address: bad}).attach();";

    #[test]
    fn a_change_is_one_of_every_param_that_takes_it() {
        let said = says(&format!(
            "{TAKEN} bad.add([\"10.0.0.1\", \"10.0.0.0/24\"]); print(p.get(\"address\")); print(q.get(\"not_address\")); print(p)"
        ));
        assert_eq!(said.matches("[\"10.0.0.0/24\", \"10.0.0.1/32\"]").count(), 2, "{said}");
        assert!(said.contains("address set \"bad\" (now 10.0.0.0/24, 10.0.0.1/32)"), "{said}");
        let said = says(&format!(
            "{TAKEN} bad.fill([\"::1\"]); p.set(\"address\", \"10.0.0.9\"); bad.clear(); print(p.get(\"address\")); print(bad)"
        ));
        assert!(said.contains("[\"10.0.0.9/32\"]"), "{said}");
        assert!(said.contains("set bad: 0 values, taken by sendto-2 (not_address)"), "{said}");
    }

    #[test]
    fn a_value_is_the_same_however_it_is_written() {
        let said = says(
            "bad.add(\"10.0.0.1/32\"); print(\"10.0.0.1\" in bad); print(bad.remove(\"10.0.0.1\")); print(bad.remove(\"10.0.0.1\")); print(bad.len())",
        );
        assert!(said.contains("true\ntrue\nfalse\n0"), "{said}");
        let said = says(
            "bad.add([80, \"8000..8010\"]); print(80 in bad); print(\"8000..=8009\" in bad); print(set(\"bad\").len())",
        );
        assert!(said.contains("true\ntrue\n2"), "{said}");
        let said = says("bad.add(\"/tmp/x y\"); print(bad.values()); print(\"/tmp/x\" in bad)");
        assert!(said.contains("[\"/tmp/x y\"]\nfalse"), "{said}");
    }

    #[test]
    fn what_one_does_not_take_none_has() {
        let said = says(&format!(
            "{TAKEN} bad.add(\"10.0.0.1\"); try {{ bad.add([\"10.0.0.2\", \"no\"]) }} catch (e) {{ print(e) }} print(bad.values()); print(q.get(\"not_address\"))"
        ));
        assert!(
            said.contains("set `bad`, which probe `connect-1` takes: param `address`: `no` is no IP address"),
            "{said}"
        );
        assert!(said.contains("[\"10.0.0.1\"]\n[\"10.0.0.1/32\"]"), "{said}");
        // Who is given it later has to take what is in it.
        let said = says("bad.add(\"/tmp/x\"); probe(\"connect\", #{address: bad})");
        assert!(said.contains("set `bad`: param `address`: `/tmp/x` is no IP address"), "{said}");
    }

    #[test]
    fn what_cannot_be_says_what_can() {
        for (code, wanted) in [
            ("set(\" \")", "a set's name must not be empty"),
            (
                "set(\"bad\", \"adress\")",
                "a set has no kind `adress` (did you mean `address`?); allowed: path,",
            ),
            ("set(\"bad\", \"port\"); set(\"bad\", \"path\")", "is of another kind already"),
            ("set(\"bad\", \"port\").add(70000)", "`70000` is not a port"),
            ("bad.add(\"x\"); set(\"bad\", \"path\")", "`x` is not an absolute path"),
            ("bad.add(#{})", "a set takes no {}; allowed: texts, numbers, or an array of them"),
            ("bad.add(-1)", "a set takes no -1"),
            ("bad.add(\"x\", \"soon\")", "is not a duration"),
            ("probe(\"file_open\", #{access: bad})", "param `access` takes no set"),
            ("probe(\"exec\", #{argv: bad})", "param `argv` takes no set"),
            ("probe(\"exec\", #{path: [bad]})", "param `path` takes a set alone, and not in a list"),
            ("probe(\"exec\").scope(#{uid: bad})", "scope `uid` takes no set"),
        ] {
            let said = says(code);
            assert!(said.contains(wanted), "{code}: {said}");
        }
        let said = says("let many = []; for n in 0..65537 { many.push(`/tmp/${n}`) } bad.fill(many)");
        assert!(said.contains("would have 65537 values; allowed: 65536 at most"), "{said}");
    }
}
