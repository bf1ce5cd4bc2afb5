//! All that is known of a pin, as one object.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Pin, Standing};
use crate::backend::PinLease;

impl Standing {
    fn in_one_word(self) -> &'static str {
        match self {
            Standing::Observes => "observe",
            Standing::Shadows => "shadow",
            Standing::Enforces(_) => "enforces",
            Standing::Lapsed => "lapsed",
            Standing::Tripped => "tripped",
        }
    }
}

impl Pin {
    /// What is known of it: what it does now, and what was written down when it was pinned; `trouble` in the place of that if it cannot
    /// be read.
    #[must_use]
    pub fn told(&self) -> Value {
        let lease = |lease: PinLease| match lease.lasts() {
            None => "forever".to_owned(),
            Some(lasts) => humantime::format_duration(lasts).to_string(),
        };
        let mut value = match &self.manifest {
            Ok(manifest) => json!({
                "template": manifest.template, "object": manifest.object, "hooks": manifest.hooks, "door": manifest.door,
                "probe": manifest.probe, "rule": manifest.rule, "script": manifest.script, "pinned": manifest.pinned,
                "uid": manifest.uid, "loginuid": manifest.loginuid, "mode": manifest.mode, "version": manifest.version,
                "lease": manifest.lease.map(lease),
            }),
            Err(why) => json!({ "trouble": why }),
        };
        let standing = self.standing();
        let left = match standing {
            Some(Standing::Enforces(Some(left))) => Some(Duration::from_nanos(left).as_secs_f64()),
            _ => None,
        };
        let about = json!({
            "name": self.name, "now": standing.map(Standing::in_one_word), "left_seconds": left,
            "whole": self.missing.is_empty(), "counters": self.counters(),
        });
        if let (Some(value), Value::Object(about)) = (value.as_object_mut(), about) {
            value.extend(about);
        }
        value
    }
}
