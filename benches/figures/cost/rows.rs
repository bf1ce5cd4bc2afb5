//! Rows of what the guest found.
//!
//! A case's figure is what the watched task itself is charged, that is, what it waits for
//! where the records' readers have a processor of their own. What those take comes
//! beside it.

use super::{
    Cost, Findings,
    cases::{AUDIT_RULE, Booked, CASES, Case, ENVIRONMENT, Goal, NOTHING, Under},
};
use crate::{
    figure::{Figure, Outcome},
    visit::KERNEL,
};

const GOAL_PART: f64 = 0.25;

pub fn figures(cases: &[&Case], findings: &Findings) -> Vec<Figure> {
    let mut figures: Vec<Figure> = cases.iter().map(|case| of_case(findings, case)).collect();
    if [ENVIRONMENT, AUDIT_RULE].iter().all(|name| cases.iter().any(|case| case.name == *name)) {
        figures.extend(beside_auditd(findings));
    }
    figures.push(repeated(findings));
    figures
}

fn found<'f>(findings: &'f Findings, name: &str) -> Result<&'f [Cost], String> {
    let (_, found) = findings.iter().find(|(known, _)| known == name).ok_or("the guest did not report it")?;
    match found {
        Ok(costs) if costs.is_empty() => Err("the guest did not measure it".to_owned()),
        Ok(costs) => Ok(costs),
        Err(error) => Err(error.clone()),
    }
}

fn mean(findings: &Findings, name: &str) -> Result<Cost, String> {
    let costs = found(findings, name)?;
    let mean = |part: fn(&Cost) -> f64| costs.iter().map(part).sum::<f64>() / costs.len() as f64;
    Ok(Cost { own: mean(|c| c.own), readers: mean(|c| c.readers), lost: mean(|c| c.lost) })
}

fn nothing(findings: &Findings, case: &Case) -> Result<Cost, String> {
    let (_, name) = NOTHING.iter().find(|(work, _)| *work == case.work).ok_or("no case to compare with")?;
    mean(findings, name)
}

impl Case {
    /// What the row says of the goal.
    fn goal_text(&self) -> String {
        let lossless = if self.is_delivered() { ", none lost" } else { "" };
        match self.goal {
            Goal::None => String::new(),
            Goal::Ratio(most) => format!("≤ {most}×{lossless}"),
            Goal::Added(most) => format!("≤ {most:+.0}{lossless}"),
        }
    }

    fn outcome(&self, cost: Cost, nothing: Cost) -> Outcome {
        let within = match self.goal {
            Goal::None => return Outcome::NoGoal,
            Goal::Ratio(most) => cost.own / nothing.own <= most,
            Goal::Added(most) => cost.own - nothing.own <= most,
        };
        Outcome::of(within && cost.lost == 0.0)
    }

    fn is_delivered(&self) -> bool {
        matches!(self.under, Under::Probe(_, Booked::Delivered))
    }
}

fn of_case(findings: &Findings, case: &Case) -> Figure {
    let goal = case.goal_text();
    let figure = || -> Result<Figure, String> {
        let (cost, nothing) = (mean(findings, case.name)?, nothing(findings, case)?);
        let method = method(case);
        if matches!(case.under, Under::Nothing) {
            return Ok(Figure::shown(case.name, format!("{:.0} instructions", cost.own), &method));
        }
        let mut measured = format!("{:.3}× ({:+.0})", cost.own / nothing.own, cost.own - nothing.own);
        if cost.lost > 0.0 {
            measured.push_str(&format!(", {:.1} % lost", cost.lost * 100.0));
        }
        if cost.readers >= 1.0 {
            measured.push_str(&format!(", and {:.0} of the readers", cost.readers));
        }
        if !case.beside.is_empty() {
            let beside: Vec<String> = case.beside.iter().map(|name| of_peer(findings, name)).collect();
            measured.push_str(&format!("; bpftrace {}", beside.join(", ")));
        }
        Ok(Figure::new(case.name, &goal, measured, case.outcome(cost, nothing), &method))
    };
    figure().unwrap_or_else(|reason| Figure::failed(case.name, &goal, &reason))
}

/// What bpftrace adds, in the row of ours; why it has no figure is in its own row.
fn of_peer(findings: &Findings, name: &str) -> String {
    let added = || -> Option<String> {
        let case = CASES.iter().find(|case| case.name == name)?;
        let Under::Bpftrace(program) = case.under else { return None };
        let (cost, nothing) = (mean(findings, name).ok()?, nothing(findings, case).ok()?);
        let lost = if cost.lost > 0.0 { format!(", {:.1} % lost", cost.lost * 100.0) } else { String::new() };
        Some(format!("{:+.0} ({}{lost})", cost.own - nothing.own, program.kind()))
    };
    added().unwrap_or_else(|| "not measured".to_owned())
}

fn method(case: &Case) -> String {
    match case.under {
        Under::Nothing => format!(
            "{}, mean of {}, twice; processor time of the task and its children under -icount, Linux {KERNEL}",
            case.work,
            case.work.measured()
        ),
        Under::Empty => "a program that returns 0 and does nothing: the least that any can cost".to_owned(),
        Under::Probe(script, _) => format!("`{script}`"),
        Under::Bpftrace(program) => format!("`{}`", program.text()),
        Under::Audit => "auditd runs, no rule".to_owned(),
        Under::AuditRule => "`auditctl -a always,exit -F arch=b64 -S execve`".to_owned(),
    }
}

/// What environment audit adds to an execution, as a part of what auditd does.
fn beside_auditd(findings: &Findings) -> [Figure; 2] {
    let goal = "≤ 1/4 of auditd's";
    let row = |name: &str, method: &str, part: fn(&Cost) -> f64| {
        let of = |case: &str| mean(findings, case).map(|cost| part(&cost));
        let increases = || -> Result<(f64, f64), String> {
            let nothing = of(NOTHING[1].1)?;
            Ok((of(ENVIRONMENT)? - nothing, of(AUDIT_RULE)? - nothing))
        };
        match increases() {
            Ok((ours, auditd)) => {
                let part = ours / auditd;
                let measured = format!("{ours:+.0}; auditd {auditd:+.0}: {part:.2}");
                Figure::new(name, goal, measured, Outcome::of(part <= GOAL_PART), method)
            }
            Err(reason) => Figure::failed(name, goal, &reason),
        }
    };
    [
        row("environment audit's increase", "what the executing task is charged, above nothing", |c| c.own),
        row("the same, readers included", "the two rows above; both write their records to a file", |c| {
            c.own + c.readers
        }),
    ]
}

/// How far two rounds of a case are apart, at most.
fn repeated(findings: &Findings) -> Figure {
    let apart = |costs: &[Cost]| {
        let own = || costs.iter().map(|cost| cost.own);
        let (least, most) = (own().fold(f64::MAX, f64::min), own().fold(0.0, f64::max));
        (most - least) / least * 100.0
    };
    let worst = CASES
        .iter()
        .filter_map(|case| Some((apart(found(findings, case.name).ok()?), case.name)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match worst {
        Some((percent, name)) => {
            let measured = format!("{percent:.2} % ({name})");
            Figure::shown("spread of two rounds", measured, "the largest of the rows above")
        }
        None => Figure::failed("spread of two rounds", "", "nothing was measured"),
    }
}
