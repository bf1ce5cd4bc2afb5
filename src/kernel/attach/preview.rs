//! Which processes a scope applies to now, without attaching anything.
//!
//! The template's own object is loaded, its scope set, and an iterator over all tasks asks the
//! same function that the hooks ask: so a preview cannot say anything else than they would.
//! Iterators load on hosts that refuse LSM programs, too.

use crate::{
    backend::{Door, InScope},
    kernel::{
        Kernel, KernelError,
        attach::{
            plan::{self, Own},
            scope::Resolved,
        },
        errno::chain,
        host,
        load::{self, explained},
    },
    probe::Spec,
    raw,
    system::namespaces,
};

const PROGRAM: &str = "krsi_preview";

/// Bytes of `struct krsi_previewed` of the templates.
const SIZE: usize = 24;

/// Reads one `struct krsi_previewed`.
fn process(bytes: &[u8]) -> InScope {
    let number = |at: usize| bytes[at..at + 4].iter().rev().fold(0, |acc, b| acc << 8 | u32::from(*b));
    let comm = bytes[8..].split(|b| *b == 0).next().unwrap_or_default();
    InScope { pid: number(0), uid: number(4), comm: raw::text(comm) }
}

impl Kernel {
    /// The processes that a probe's scope applies to now. Nothing is attached to any hook.
    ///
    /// # Errors
    /// If the scope names what is not there, or the kernel refuses.
    pub fn preview(&self, spec: &Spec) -> Result<Vec<InScope>, KernelError> {
        host::check_privilege()?;
        // An iterator ends at its reader's pid namespace, and hooks do not.
        namespaces::process_ids()
            .map_err(|foreign| KernelError::ProcessIds { what: "list the processes in scope", foreign })?;
        preview(self, spec)
    }
}

fn preview(kernel: &Kernel, spec: &Spec) -> Result<Vec<InScope>, KernelError> {
    let layout = &spec.template.layout;
    let iterators = kernel.iterators()?;
    let types = iterators.types();
    let mut scope = Resolved::new(&spec.scope, layout, iterators)?;
    let own = Own { id: 0, generation: 0, door: Door::Lsm };
    let plan = plan::plan(spec, own, &scope, types, kernel.processes_for(spec)?)?;
    let mut object = load::open(types, &plan, &plan::sizes(spec, scope.size()))?;
    let failed = |error: String| KernelError::Program { what: "list the processes in scope".into(), error };
    object.load(PROGRAM, "task", types).map_err(|e| failed(explained(&e)))?;
    scope.apply(&mut object, types)?;
    let bytes = object.output(PROGRAM).map_err(|e| failed(chain(&e)))?;
    Ok(bytes.chunks_exact(SIZE).map(process).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn a_process_lies_where_the_templates_have_it() {
        let shapes = Shapes::of("file_open");
        assert_eq!(SIZE, shapes.size("krsi_previewed"));
        let mut bytes = [0; SIZE];
        let at = |member: &str| shapes.offset("krsi_previewed", member);
        (bytes[at("pid")], bytes[at("uid")], bytes[at("comm")]) = (1, 2, b'c');
        assert_eq!(process(&bytes), InScope { pid: 1, uid: 2, comm: "c".into() });
    }
}
