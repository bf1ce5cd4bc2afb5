//! What a probe's object is to be: its constants, its filter, and how large its tables are.
//!
//! In: a checked [`Spec`]. Out: what `load` is handed, which knows objects and not probes.

use crate::{
    kernel::{
        KernelError,
        attach::{
            aggregations, cgroups,
            scope::{self, ScopeSize},
            subtree,
        },
        host,
        load::{
            Plan,
            constants::{Constants, FindsExe, Reach},
        },
        maps::{stacks, summaries},
    },
    probe::Spec,
    template::Cost,
};

/// What is not in the spec.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    pub id: u32,
    /// `KERNEL_VERSION` of the running kernel.
    pub version: u32,
    pub generation: u32,
    pub reach: Reach,
}

/// Decides what goes into the probe's object.
///
/// # Errors
/// If this kernel cannot keep what is to be counted.
pub fn plan(spec: &Spec, own: Own) -> Result<Plan<'_>, KernelError> {
    aggregations::check(&spec.aggregations, own.version)?;
    Ok(Plan {
        template: &spec.template,
        filter: spec.filter.as_ref(),
        constants: Constants {
            probe_id: own.id,
            kernel: own.version,
            generation: own.generation,
            reach: own.reach,
            exe: finds_exe(spec),
            cwd: wants_directory(spec),
            stacks: stacks::wanted(spec),
            summaries: aggregations::constant(&spec.aggregations, spec.template.layout.summary_kinds),
        },
    })
}

/// How many entries the tables have room for whose size depends on the probe.
pub fn sizes(spec: &Spec, scope: ScopeSize) -> Vec<(&str, u32)> {
    let ScopeSize { members, processes, steps, nodes } = scope;
    let mut sizes = vec![(scope::TABLE, members), (subtree::TABLE, processes), stacks::size(spec)];
    sizes.extend([(cgroups::STEPS, steps), (cgroups::NODES, nodes)]);
    sizes.extend(summaries::sizes(&spec.aggregations, spec.keys));
    // A task's entry goes with the task, so such a table is never full.
    sizes.extend(spec.template.layout.by_task.iter().map(|table| (table.as_str(), host::most_tasks())));
    sizes
}

fn finds_exe(spec: &Spec) -> FindsExe {
    let fields = spec.template.costing(Cost::Executable);
    if spec.filter.as_ref().is_some_and(|compiled| compiled.asks(&fields)) {
        FindsExe::ForFilter
    } else if spec.counts(&fields) {
        FindsExe::ForSummaries
    } else if spec.tells(&fields) {
        FindsExe::ForEvents
    } else {
        FindsExe::Never
    }
}

fn wants_directory(spec: &Spec) -> bool {
    let fields = spec.template.costing(Cost::Directory);
    spec.tells(&fields) || spec.filter.as_ref().is_some_and(|compiled| compiled.asks(&fields))
}
