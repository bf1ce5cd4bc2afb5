//! What a probe's object is to be: its constants, its filter, and how large its tables are.
//!
//! In: a checked [`Spec`]. Out: what `load` is handed, which knows objects and not probes.

use std::{os::fd::OwnedFd, sync::Arc};

use crate::{
    backend::Door,
    kernel::{
        KernelError,
        attach::{
            aggregations, cgroups, limits,
            scope::{self, Resolved, ScopeSize},
            subtree,
        },
        host::{self, preemption},
        load::{
            Plan,
            constants::{Constants, Fields, FindsExe, FindsPath, Origin},
            kernel_types::KernelTypes,
            object::Size,
        },
        maps::{params, questions, stacks, summaries, tokens},
    },
    probe::{
        ParamValue, Spec,
        needs::{Need, PATH},
    },
    template::Cost,
};

/// What is not in the spec.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    pub id: u32,
    pub generation: u32,
    pub door: Door,
}

/// Decides what goes into the probe's object.
///
/// # Errors
/// If this kernel cannot keep what is to be counted.
pub fn plan<'s>(
    spec: &'s Spec,
    own: Own,
    scope: &Resolved,
    types: &KernelTypes,
    processes: Option<Arc<OwnedFd>>,
) -> Result<Plan<'s>, KernelError> {
    let layout = &spec.template.layout;
    aggregations::check(&spec.aggregations, types.version)?;
    Ok(Plan {
        template: &spec.template,
        filter: spec.filter.as_ref(),
        processes,
        constants: Constants {
            probe_id: own.id,
            kernel: types.version,
            generation: own.generation,
            door: own.door,
            exe: finds_exe(spec),
            cwd: wants(spec, Cost::Directory),
            file: wants(spec, Cost::File),
            stacks: stacks::wanted(spec),
            summaries: aggregations::constant(&spec.aggregations, layout.summary_kinds),
            casts: types.casts.is_some(),
            slots: slots(),
            fields: fields(spec),
            path: finds_path(spec),
            origin: origin(spec),
            first: aggregations::first(spec),
            scope: scope.constants(types.version),
            ask: spec.ask.map(questions::constants).transpose()?,
            trip_ns: spec.trip.map_or(0, |trip| u64::try_from(trip.within.as_nanos()).unwrap_or(u64::MAX)),
            limits: limits::constants(&spec.limits),
        },
    })
}

/// How many entries the tables have room for whose size depends on the probe.
pub fn sizes(spec: &Spec, scope: ScopeSize) -> Vec<Size<'_>> {
    let ScopeSize { members, processes, steps, nodes } = scope;
    let size = |map, entries| Size { map, entries, key: None };
    let mut sizes = vec![
        size(scope::TABLE, members),
        size(subtree::TABLE, processes),
        size(cgroups::STEPS, steps),
        size(cgroups::NODES, nodes),
        size(params::INODES, inodes(spec)),
        size("krsi_scratch", slots()),
        size("krsi_claims", slots()),
        size(questions::HELD, spec.ask.map_or(1, |ask| ask.held)),
        size(tokens::TABLE, spec.trip.map_or(1, |trip| trip.refusals)),
        size(limits::PLACES, limits::places(&spec.limits)),
        stacks::size(spec),
    ];
    sizes.extend(summaries::sizes(&spec.aggregations, spec.keys));
    // A task's entry goes with the task, so such a table is never full.
    sizes.extend(spec.template.layout.by_task.iter().map(|table| size(table, host::most_tasks())));
    sizes
}

/// Tasks that can be in a probe's hooks at once: one on each processor, and where the kernel may put a task aside while it
/// is there, many. One that finds no room is an error of the probe, so there is plenty.
pub fn slots() -> u32 {
    /// `KRSI_SLOTS` of the templates: no more is looked at.
    const MOST: u32 = 256;
    const LEAST: u32 = 8;
    if preemption::is_possible() {
        return MOST;
    }
    host::processors().saturating_mul(2).clamp(LEAST, MOST).next_power_of_two()
}

/// Room for the inodes that params name: for more than they do now, since a value may be replaced by a longer one.
fn inodes(spec: &Spec) -> u32 {
    const LEAST: usize = 1 << 13;
    const MOST: usize = 1 << 16;
    // A set may come to have as many as it may.
    if !spec.sets.is_empty() {
        return u32::try_from(MOST).unwrap_or(u32::MAX);
    }
    let count = |value: &ParamValue| if let ParamValue::Texts(texts) = value { texts.len() } else { 0 };
    let named: usize = spec.params.values().map(count).sum();
    u32::try_from(named.saturating_mul(4).clamp(LEAST, MOST)).unwrap_or(u32::MAX)
}

/// Which fields of the task are needed for what.
fn fields(spec: &Spec) -> Fields {
    /// `KRSI_FIELD_TIME` of the templates.
    const TIME: u32 = 1 << 31;
    let early = &spec.template.layout.early;
    let mask = |needs: &dyn Fn(&[&str]) -> bool| {
        let fields = early.iter().filter(|field| needs(&[&field.name])).map(|field| 1 << field.bit);
        let time = if needs(&["mono_ns", "wall_ns"]) { TIME } else { 0 };
        fields.fold(time, |all: u32, one: u32| all | one)
    };
    let needs = |need: Need| move |names: &[&str]| spec.needs(names, need);
    // Which process it was, and when, is told of every event: a reaction needs it.
    let tells = |names: &[&str]| spec.tells(names) || names.iter().any(|name| ALWAYS.contains(name));
    Fields {
        filter: mask(&needs(Need::Filter)),
        summaries: mask(&needs(Need::Summaries)),
        // Which operation it is depends on all of them.
        events: if spec.ask.is_some() { mask(&|_| true) } else { mask(&tells) },
    }
}

/// Which parts of the origin are needed for what.
fn origin(spec: &Spec) -> Origin {
    let parts = |need: Need| {
        let costs = spec.origin_for(need).filter_map(|field| field.costs);
        costs.fold(0, |all, cost| if let Cost::Origin(part) = cost { all | 1 << part } else { all })
    };
    let sent = spec.template.layout.origin_size - spec.told().skipped(&spec.template);
    let filter = parts(Need::Filter);
    let summaries = parts(Need::Summaries) & !filter;
    // Whether there are events may change while it runs.
    let events = parts(Need::Events) & !(filter | summaries);
    Origin { filter, summaries, events, sent: u32::try_from(sent).unwrap_or_default() }
}

/// Fields that each event has, whatever it is to tell.
const ALWAYS: [&str; 3] = ["pid", "start_ns", "mono_ns"];

fn finds_path(spec: &Spec) -> FindsPath {
    if spec.ask.is_some() {
        return FindsPath::Always;
    }
    match spec.first_need(&PATH) {
        Some(Need::Filter | Need::Summaries) => FindsPath::Always,
        Some(Need::Events) => FindsPath::ForEvents,
        None if spec.tells(&["notes"]) => FindsPath::ForEvents,
        None => FindsPath::Never,
    }
}

fn finds_exe(spec: &Spec) -> FindsExe {
    match spec.first_need(&spec.template.costing(Cost::Executable)) {
        Some(Need::Filter) => FindsExe::ForFilter,
        Some(Need::Summaries) => FindsExe::ForSummaries,
        _ if spec.ask.is_some() => FindsExe::ForSummaries,
        Some(Need::Events) => FindsExe::ForEvents,
        None => FindsExe::Never,
    }
}

fn wants(spec: &Spec, cost: Cost) -> bool {
    spec.ask.is_some() || spec.first_need(&spec.template.costing(cost)).is_some()
}
