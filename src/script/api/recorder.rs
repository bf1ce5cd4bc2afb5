//! The events of the last time: kept in memory, and written when the script says so.

use std::path::Path;

use rhai::{Engine, Map, plugin::*};

use super::{Fallible, runtime};
use crate::{
    raw,
    recording::{About, MOST_KEPT, Part, Written},
    report::Record,
    script::{
        Fault,
        handle::ProbeHandle,
        policy::{Effect, Ruling},
        runtime::Runtime,
    },
    values::duration,
};

/// Says what a replay keeps from being done.
fn would_write(runtime: &Runtime, path: &str, events: usize) {
    let told = serde_json::json!({ "reaction": "write_recording", "would": "write", "path": path, "events": events });
    if let serde_json::Value::Object(fields) = told {
        runtime.report(|reporter| reporter.emit(Record::Emit(&fields)));
    }
}

fn written(path: &str, Written { events, part }: Written) -> Map {
    let Part { from, to, dropped, lost, .. } = part;
    let number = |number: u64| Dynamic::from(i64::try_from(number).unwrap_or(i64::MAX));
    Map::from([
        ("path".into(), path.into()),
        ("events".into(), number(events)),
        ("from".into(), from.into()),
        ("to".into(), to.into()),
        ("dropped".into(), number(dropped)),
        ("lost".into(), number(lost)),
    ])
}

/// Why a file cannot be written, and what to do.
fn refused(path: &str, error: &std::io::Error) -> Fault {
    let fault = Fault::environment(format!("`write_recording`: cannot write {path}: {error}")).about(path);
    let advice = match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            "a file that is there is not touched; a name of its own for each: `/var/lib/alerts/${e.pid}-${e.seq}.ndjson.zst`"
        }
        std::io::ErrorKind::NotFound => "make its directory first",
        _ => return fault,
    };
    Fault { advice: Some(advice.to_owned()), ..fault }
}

#[export_module]
mod functions {
    /// Keeps the probe's events of the last time in memory, so that `write_recording` has what was before an alert: `.recorder("5m")`. Of all
    /// probes together at most 64 MiB are kept; older events make room before their time, which is counted and said in the file.
    /// Events that no `on_event` takes are not shown either.
    #[rhai_fn(return_raw)]
    pub fn recorder(probe: ProbeHandle, window: &str) -> Fallible<ProbeHandle> {
        let window = duration::parse(window).map_err(Fault::from)?;
        probe.set_recorder(Some(window))?;
        Ok(probe)
    }

    /// Keeps the probe's events no longer: `.recorder(())`.
    #[rhai_fn(name = "recorder", return_raw)]
    pub fn no_recorder(probe: ProbeHandle, nothing: ()) -> Fallible<ProbeHandle> {
        let () = nothing;
        probe.set_recorder(None)?;
        Ok(probe)
    }

    /// Writes what recorders have kept to a new file, for `krsi-sh replay`, and returns what is in it, as a map with path, events, from, to,
    /// dropped and lost: `write_recording("/var/lib/alerts/1.ndjson.zst")`. What has happened until now is in it, the event that a callback is given too. Only the file's
    /// owner may read it; secrets are redacted; with .zst at the end it is compressed. What was written stays kept, until it is too old.
    /// An error if no probe has a `.recorder(…)`, or the file is there already or cannot be written.
    #[rhai_fn(return_raw)]
    pub fn write_recording(context: NativeCallContext, path: &str) -> Fallible<Map> {
        let runtime = runtime(&context)?;
        let ruling = runtime.ask(Effect::Record)?;
        let probes: Vec<_> = runtime.probes.used().into_iter().filter(ProbeHandle::has_recorder).collect();
        if probes.is_empty() {
            let text = "`write_recording` has nothing to write: no attached probe has a recorder";
            let advice = Some(
                "`probe(\"exec\").recorder(\"5m\").attach()` keeps the events of the last 5 minutes"
                    .to_owned(),
            );
            return Err(Fault { advice, ..Fault::script(text).about("write_recording") }.into());
        }
        if path.is_empty() {
            return Err(Fault::script("`write_recording` takes a file's path, and this is empty")
                .about("write_recording")
                .into());
        }
        if ruling == Ruling::Rehearse {
            let mut kept = runtime.kept.borrow_mut();
            let events = kept.count(runtime.clock.kernel_ns());
            drop(kept);
            would_write(&runtime, path, events);
            return Ok(written(path, Written { events: events as u64, part: Part::default() }));
        }
        let lost = probes.iter().map(ProbeHandle::lost_events).sum();
        let about = About {
            script: runtime.program().map(|program| program.source.name.clone()).unwrap_or_default(),
            args: runtime.args.borrow().clone(),
            target: runtime.target.get().map(|target| target.pid()),
        };
        // What has happened and has not come yet is asked for, and what has come is not handled before its turn.
        probes.iter().for_each(ProbeHandle::flush);
        let now = runtime.clock.kernel_ns();
        let ahead = runtime.recorded_ahead(now);
        let file = raw::os(path);
        let done = runtime.kept.borrow_mut().write(Path::new(&file), about, ahead, now, lost);
        let done = done.map_err(|error| refused(path, &error))?;
        runtime.note(&format!(
            "recorded {} events in {path}, from {} to {}{}",
            done.events,
            done.part.from,
            done.part.to,
            if done.part.dropped > 0 {
                format!("; {} before had no room in {} MiB", done.part.dropped, MOST_KEPT >> 20)
            } else {
                String::new()
            }
        ));
        Ok(written(path, done))
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_global_module(rhai::exported_module!(functions).into());
}

#[cfg(test)]
mod tests {
    use crate::script::testing::says;

    #[test]
    fn what_cannot_be_says_what_can() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(path("there"), "x").unwrap();
        let probe = "let p = probe(\"exec\").recorder(\"5m\").attach();";
        for (code, wanted) in [
            ("write_recording(\"x\")".to_owned(), "no attached probe has a recorder".to_owned()),
            ("probe(\"exec\").recorder(\"soon\")".to_owned(), "is not a duration".to_owned()),
            ("probe(\"exec\").recorder(\"0s\")".to_owned(), "longer than nothing".to_owned()),
            (format!("{probe} write_recording(\"\")"), "and this is empty".to_owned()),
            (
                format!("{probe} write_recording(\"{}\")", path("there")),
                "a file that is there is not touched".to_owned(),
            ),
            (
                format!("{probe} write_recording(\"{}\")", path("no/such")),
                "make its directory first".to_owned(),
            ),
            (
                format!("{probe} p.recorder(()); write_recording(\"x\")"),
                "no attached probe has a recorder".to_owned(),
            ),
            (format!("{probe} print(write_recording(\"{}\").events)", path("new")), "0".to_owned()),
        ] {
            let said = says(&format!("{code};"));
            assert!(said.contains(&wanted), "{code}: {said}");
        }
        assert_eq!(std::fs::read_to_string(path("there")).unwrap(), "x");
        assert!(crate::recording::is_recording(&directory.path().join("new")));
    }
}
