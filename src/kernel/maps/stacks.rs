//! Stacks that a probe has kept: the events and summaries name them by a number.

use aya::maps::{MapData, stack_trace::StackTraceMap};

use crate::{
    event::{Event, Stacks, Value},
    kernel::{
        KernelError,
        errno::chain,
        load::object::{Object, Size},
        maps::take,
    },
    probe::{Spec, aggregation::Aggregation},
    raw, symbols,
    template::{FieldKind, Stack},
};

const TABLE: &str = "krsi_stacks";

/// Different stacks that a probe keeps at most.
const ROOM: u32 = 8192;

/// `enum krsi_stack` of the templates, as far as the probe wants it.
#[must_use]
pub fn wanted(spec: &Spec) -> u32 {
    u32::from(spec.wants_stack(Stack::Kernel)) | u32::from(spec.wants_stack(Stack::User)) << 1
}

/// How large the map is to be.
#[must_use]
pub fn size(spec: &Spec) -> Size<'static> {
    Size { map: TABLE, entries: if wanted(spec) == 0 { 1 } else { ROOM }, key: None }
}

/// The stacks of one probe.
pub struct KeptStacks {
    table: StackTraceMap<MapData>,
}

impl KeptStacks {
    /// `None` if the probe wants none.
    ///
    /// # Errors
    /// If the object has no such map.
    pub fn open(object: &Object, spec: &Spec) -> Result<Option<Self>, KernelError> {
        if wanted(spec) == 0 {
            return Ok(None);
        }
        let table = StackTraceMap::try_from(take(object, TABLE)?)
            .map_err(|error| KernelError::Table { table: TABLE, reason: chain(&error) })?;
        Ok(Some(KeptStacks { table }))
    }

    /// The stacks that an event names; the process is asked now what its addresses belong to.
    #[must_use]
    pub fn of(&self, event: &Event) -> Stacks {
        let of = |stack: Stack| self.frames(event.stack_number(stack));
        let pid = u32::try_from(event.number("pid")).unwrap_or_default();
        Stacks {
            kernel: of(Stack::Kernel),
            user: of(Stack::User).map(|frames| symbols::locate(pid, &frames)),
        }
    }

    /// Puts stacks in the place of their numbers. A process's addresses are given files if it is in the group, too, and
    /// still there.
    pub fn resolve(&self, aggregation: &Aggregation, group: &mut [Value]) {
        let place = |name: &str| aggregation.by.iter().position(|taken| taken.field.name == name);
        let pid = match place("pid").and_then(|at| group.get(at)) {
            Some(Value::Unsigned(pid)) => u32::try_from(*pid).unwrap_or_default(),
            _ => 0,
        };
        for (value, taken) in group.iter_mut().zip(&aggregation.by) {
            let (FieldKind::Stack(of), Value::Unsigned(number)) = (&taken.field.kind, &*value) else {
                continue;
            };
            let frames = self.frames(*number).unwrap_or_default();
            let names = match of {
                Stack::Kernel => symbols::kernel(&frames),
                Stack::User => symbols::user(&symbols::locate(pid, &frames)),
            };
            *value = Value::List(
                names.into_iter().map(|name| Value::Text(raw::bytes(&name).into_owned())).collect(),
            );
        }
    }

    /// Innermost first. `number` is the map's key and one more.
    fn frames(&self, number: u64) -> Option<Vec<u64>> {
        let key = u32::try_from(number.checked_sub(1)?).ok()?;
        let trace = self.table.get(&key, 0).ok()?;
        Some(trace.frames().iter().map(|frame| frame.ip).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::template::{Catalogue, shapes::Shapes};

    #[test]
    fn stacks_are_wanted_by_the_templates_own_bits() {
        let shapes = Shapes::of("file_open");
        let template = Arc::clone(Catalogue::builtin().unwrap().get("file_open").unwrap());
        for (stack, name) in [(Stack::Kernel, "KRSI_STACK_KERNEL"), (Stack::User, "KRSI_STACK_USER")] {
            let mut spec = Spec::new(Arc::clone(&template), "p".into());
            spec.stacks.push(stack);
            assert_eq!(u64::from(wanted(&spec)), shapes.number("krsi_stack", name));
        }
    }
}
