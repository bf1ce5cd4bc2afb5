//! The guest's part: every case in turn, and all of them once more.

use std::{
    fs::{self, OpenOptions},
    path::Path,
};

use super::{
    Cost, Findings,
    auditd::Auditd,
    cases::{Case, MANY, MANY_FILES, OTHER_CGROUP, RULED_FILES, Under},
    empty, probe, worker,
};

const ROUNDS: usize = 2;

pub fn measure(cases: &[&Case]) -> Findings {
    let prepared = worker::prepare()
        .and_then(|()| fs::create_dir_all(OTHER_CGROUP).map_err(|e| format!("making {OTHER_CGROUP}: {e}")))
        .and_then(|()| RULED_FILES.iter().try_for_each(|file| make(Path::new(file))))
        .and_then(|()| (0..MANY_FILES).try_for_each(|n| make(Path::new(&format!("{MANY}/{n}")))));
    let begun = |case: &&Case| (case.name.to_owned(), prepared.clone().map(|()| Vec::new()));
    let mut findings: Findings = cases.iter().map(begun).collect();
    // A kernel that has audited once is never again as it was before: so that comes last.
    round(cases, &mut findings, |case| match case.under {
        Under::Nothing => Some(case.work.run().map(|own| Cost { own, readers: 0.0, lost: 0.0 })),
        Under::Empty => Some(empty::cost(case.work)),
        Under::Probe(script, booked) => Some(probe::cost(script, booked, case.work)),
        Under::Bpftrace(program) => Some(program.cost(case.work)),
        Under::Audit | Under::AuditRule => None,
    });
    if !cases.iter().any(|case| case.under.is_auditd()) {
        return findings;
    }
    let auditd = Auditd::start();
    round(cases, &mut findings, |case| {
        let auditd = auditd.as_ref().map_err(Clone::clone);
        match case.under {
            Under::Audit => Some(auditd.and_then(|auditd| auditd.cost(case.work))),
            Under::AuditRule => Some(auditd.and_then(Auditd::cost_with_rule)),
            Under::Nothing | Under::Empty | Under::Probe(..) | Under::Bpftrace(_) => None,
        }
    });
    findings
}

/// Makes a file that may be there already.
fn make(file: &Path) -> Result<(), String> {
    let directory = file.parent().map_or(Ok(()), fs::create_dir_all);
    let made = directory.and_then(|()| OpenOptions::new().append(true).create(true).open(file));
    made.map(drop).map_err(|e| format!("making {}: {e}", file.display()))
}

/// Takes the cases that `cost` is for, all of them before any once more.
fn round(cases: &[&Case], findings: &mut Findings, cost: impl Fn(&Case) -> Option<Result<Cost, String>>) {
    for _ in 0..ROUNDS {
        for (case, (_, found)) in cases.iter().zip(findings.iter_mut()) {
            let Ok(costs) = found else { continue };
            match cost(case) {
                Some(Ok(cost)) => costs.push(cost),
                Some(Err(error)) => *found = Err(error),
                None => {}
            }
        }
    }
}
