//! A probe explained, stage by stage.

use super::{Asker, ProbeHandle, State};
use crate::{
    event::origin,
    filter::{self, CAPACITY, Code, FIRST_CAPACITY, Filter, First, STEPS},
    probe::{Mode, needs::Need},
    recording::MOST_KEPT,
    script::{
        explanation::{Explanation, FilterCost, Place, Stage},
        program::{Callback, Program},
    },
    template::Stack,
};

impl ProbeHandle {
    /// Returns what runs where of the probe, as it was attached last or stands now.
    pub fn explanation(&self) -> Explanation {
        let state = self.0.borrow();
        let spec = &state.spec;
        Explanation {
            probe: spec.name.clone(),
            template: spec.template.name.clone(),
            hooks: spec.template.hooks.clone(),
            attached: state.has_books,
            stages: state.in_kernel().into_iter().chain(state.in_shell()).collect(),
            first: state.first().map(|first| cost(&first.filter, &first.code, FIRST_CAPACITY)),
            filter: spec.filter.as_ref().map(|compiled| cost(&compiled.filter, &compiled.code, CAPACITY)),
        }
    }
}

fn cost(filter: &Filter, code: &Code, room: usize) -> FilterCost {
    FilterCost {
        understood: filter.to_string(),
        instructions: code.slots(),
        room,
        at_most: code.at_most(),
        verifier_steps: code.steps,
        verifier_limit: STEPS,
        code: code.to_string().lines().map(|line| line.trim_start().to_owned()).collect(),
    }
}

fn stage(place: Place, stage: &'static str, does: impl Into<String>) -> Stage {
    Stage { place, stage, does: does.into(), at: None, cost: None }
}

impl State {
    /// A param that makes it decide late leaves the first stage out: the task is another by then.
    fn first(&self) -> Option<&First> {
        let first = self.spec.filter.as_ref().and_then(|compiled| compiled.first.as_ref());
        first.filter(|_| self.spec.late().is_none())
    }

    fn in_kernel(&self) -> Vec<Stage> {
        let kernel = |name, does: String| stage(Place::Kernel, name, does);
        let spec = &self.spec;
        let mut stages = Vec::new();
        stages.push(kernel(
            "scope",
            if spec.scope.is_empty() { "every task".into() } else { spec.scope.to_string() },
        ));
        if let Some(first) = self.first() {
            let cost = format!(
                "{} of {FIRST_CAPACITY} instructions, at most {} run for a decision",
                first.code.slots(),
                first.code.at_most()
            );
            stages.push(Stage { cost: Some(cost), ..kernel("first", first.filter.to_string()) });
        }
        if !spec.params.is_empty() {
            stages.push(kernel("params", spec.describe_params()));
        }
        if spec.counts_at_once() {
            let counted = spec.gathered_for(Need::Summaries);
            let counted = if counted.is_empty() { "each operation".to_owned() } else { counted.join(", ") };
            let how =
                "at once, before memory is taken, as long as no param is set and nothing is to be refused";
            stages.push(kernel("counting", format!("{counted}: {how}")));
        }
        stages.extend(self.gathering().into_iter().map(|does| kernel("gathering", does)));
        if spec.asks_for_records() {
            stages.push(kernel(
                "records",
                format!(
                    "executable and arguments of {} processes, from their exec on: {:.0} MB, once for all probes",
                    origin::RECORDS,
                    origin::RECORDS_SIZE as f64 / 1e6
                ),
            ));
        }
        if let Some(compiled) = &spec.filter {
            let at = self.when.as_ref().and_then(|when| {
                place(&when.program, when.function.fn_name(), when.function.curry().len() + 1)
            });
            stages.push(Stage {
                at,
                cost: Some(compiled.code.cost()),
                ..kernel("filter", compiled.filter.to_string())
            });
        }
        let wanted = [Stack::Kernel, Stack::User].into_iter().filter(|stack| spec.wants_stack(*stack));
        let stacks: Vec<_> = wanted.map(Stack::field).collect();
        if !stacks.is_empty() {
            stages.push(kernel("stacks", stacks.join(", ")));
        }
        stages.push(kernel("answer", self.answer()));
        for aggregation in &spec.aggregations {
            stages.push(kernel("aggregation", aggregation.describe()));
        }
        let limits = spec.limits.in_words();
        if !limits.is_empty() && !spec.quiet {
            let what = "before what only an event tells is gathered; what is not sent is counted (limited, sampled_out)";
            stages.push(kernel("limits", format!("{}: {what}", limits.join(", "))));
        }
        let sent = match &spec.fields {
            _ if spec.quiet => "not sent: it is counted instead".to_owned(),
            Some(told) => format!("sent, telling {}", told.join(", ")),
            None => "sent".to_owned(),
        };
        stages.push(kernel("event", sent));
        stages
    }

    /// What is found out, and why; what is needed for nothing is not.
    fn gathering(&self) -> Vec<String> {
        let spec = &self.spec;
        let mut all = Vec::new();
        for (need, what) in [(Need::Filter, "the filter"), (Need::Summaries, "what is counted")] {
            let gathered = spec.gathered_for(need);
            if !gathered.is_empty() {
                all.push(format!("for {what}: {}", gathered.join(", ")));
            }
        }
        match &spec.fields {
            _ if spec.quiet => {}
            Some(told) => all.push(format!("for events: {}", told.join(", "))),
            None => {
                let of_origin = spec.template.origin_fields().count();
                let fields = spec.template.fields.len() - of_origin;
                let bytes = spec.template.event_size - spec.told().skipped(&spec.template);
                let origin = match &spec.origin[..] {
                    [] => String::new(),
                    told => format!(", and {}", told.join(", ")),
                };
                all.push(format!("for events: all {fields} fields{origin}, {bytes} bytes at most"));
            }
        }
        all
    }

    fn answer(&self) -> String {
        let spec = &self.spec;
        let mut text = match spec.filter.as_ref().filter(|compiled| compiled.filter.body.has_verdicts()) {
            Some(_) if spec.mode != Mode::Observe => {
                format!("the filter's verdict, or {}", spec.acting_mode())
            }
            _ => spec.acting_mode(),
        };
        if let (Mode::Ask(_), Some(ask)) = (spec.mode, spec.ask) {
            let timeout = humantime::format_duration(ask.timeout);
            text.push_str(&format!("; held up to {timeout}, {} at once", ask.held));
        }
        if let Some(lease) = spec.lease {
            text.push_str(&format!(", lease {}", humantime::format_duration(lease)));
        }
        if let Some(trip) = spec.trip {
            text.push_str(&format!("; more than {trip}, and it observes"));
        }
        text
    }

    /// Who decides about what is held.
    fn decided(&self, called: &dyn Fn(&'static str, &str, &Callback) -> Stage) -> Option<Stage> {
        match (&self.asker, self.spec.ask) {
            (Some(Asker::Function(callback)), Some(_)) => {
                Some(called("ask", "decides about each operation that is held", callback))
            }
            (Some(Asker::Person), Some(_)) => Some(stage(
                Place::Shell,
                "ask",
                "the person at the prompt decides about each operation that is held",
            )),
            _ => None,
        }
    }

    fn in_shell(&self) -> Vec<Stage> {
        let called = |name, what: &str, callback: &Callback| {
            let first = callback.prefilter(&self.spec.template).map_or_else(String::new, |prefilter| {
                format!("; what it asks first is answered without Rhai: {}", prefilter.filter())
            });
            Stage { at: at(callback), ..stage(Place::Shell, name, format!("{what}{first}")) }
        };
        if self.spec.quiet {
            return self.decided(&called).into_iter().collect();
        }
        let asked = self
            .condition
            .as_ref()
            .map(|condition| called("where_user", "is asked about each event that was sent", condition));
        let given = match &self.callback {
            Some(callback) => called("on_event", "is called with each event", callback),
            None if self.listeners > 0 => {
                stage(Place::Shell, "on_match", "each event is given to sequences and thresholds")
            }
            None if self.recorder.is_some() => stage(
                Place::Shell,
                "report",
                "no event is printed: `write_recording` writes those that are kept",
            ),
            None => stage(Place::Shell, "report", "each event is printed"),
        };
        let kept = self.recorder.map(|window| {
            let (window, most) = (humantime::format_duration(window), MOST_KEPT >> 20);
            let does = format!(
                "the events of the last {window} are kept in memory, {most} MiB of all probes at most; older ones make room, and are counted"
            );
            stage(Place::Shell, "recorder", does)
        });
        self.decided(&called).into_iter().chain(asked).chain(kept).chain([given]).collect()
    }
}

fn at(callback: &Callback) -> Option<String> {
    let arguments = callback.function.curry().len() + callback.arity;
    place(&callback.program, callback.function.fn_name(), arguments)
}

/// `FILE:LINE` of what a function says: Rhai knows no better where an expression begins.
fn place(program: &Program, function: &str, arguments: usize) -> Option<String> {
    let position = filter::place(&program.ast, function, arguments);
    Some(format!("{}:{}", program.source.name, position.line()?))
}
