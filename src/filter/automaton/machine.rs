//! States: built from patterns, and cut down to what can still decide something.

use std::collections::{HashMap, HashSet};

use regex_automata::{
    Anchored, MatchKind,
    hybrid::{LazyStateID, dfa},
    nfa::thompson::{self, WhichCaptures},
    util::start,
};
use regex_syntax::hir::Hir;

/// How many questions one walk answers: a bit for each, beside 20 bits for the place in the table.
pub const QUESTIONS: usize = 11;

/// Bytes that the patterns may take before they are determinised, and their states while they are.
const COMPILED: usize = 4 << 20;
const DETERMINED: usize = 24 << 20;
/// How much work a machine may be, in units of about 20 ns: so a pattern that grows without end is refused in time, and at
/// the same point on each machine. Measured: what a new state costs, what each way costs, and for each way that is followed
/// for the first time a unit for each byte that describes the state it leads to.
const WORK: usize = 7_000_000;
const NEW_STATE: usize = 90;
const WAY: usize = 5;
/// Bytes of a state's memory beside its row of ways and its description.
const OVERHEAD: usize = 50;
/// Ways that may be looked at to find out what is settled where, each as often as there are turns.
const LOOKED_AT: usize = 20_000_000;

/// The patterns need more room than there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// How a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Where a NUL is.
    Nul,
    /// Where its length says; a NUL in it stands for a blank.
    Length,
    /// Where its bytes end, of which any may be a NUL.
    Bytes,
}

/// What a walk comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The answer to one question: the state is [`Machine::NO`] or [`Machine::YES`], or it cannot be told yet.
    One,
    /// A bit for each question whose answer is yes, gathered on the way.
    Bits,
    /// Whether one of the elements of a list, each with a NUL behind it, is as asked: [`Machine::FOUND`].
    Elements,
}

/// States and the ways between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub outcome: Outcome,
    pub ending: Ending,
    /// The column of each byte.
    pub columns: [u8; 256],
    /// The column of the end: of the text, or of an element.
    pub end: usize,
    /// How many columns there are.
    pub width: usize,
    /// For each state and column the next state.
    pub next: Vec<u32>,
    /// The questions that are answered with yes on that way; [`Outcome::Bits`] only.
    pub bits: Vec<u16>,
    /// For each state the questions that are not settled yet.
    pub open: Vec<u16>,
    pub start: usize,
    /// The questions that are answered with yes before anything is read.
    pub first: u16,
    pub patterns: usize,
}

impl Machine {
    /// Of [`Outcome::One`]: the states in which no byte changes the answer.
    pub const NO: u32 = 0;
    pub const YES: u32 = 1;
    /// Of [`Outcome::Bits`]: nothing is open.
    pub const DONE: u32 = 0;
    /// Of [`Outcome::Elements`]: an element is as asked.
    pub const FOUND: u32 = 0;
    /// An element begins here, or the list ends.
    pub const FRESH: u32 = 1;
    /// The element is not as asked, however it goes on.
    const SKIP: u32 = 2;

    /// Answers whether a text is as the pattern.
    ///
    /// # Errors
    /// If there are too many states.
    pub fn of_one(pattern: Hir, ending: Ending) -> Result<Self, TooLarge> {
        Self::about_text(&[pattern], Outcome::One, 1, ending)
    }

    /// Answers whether one of a list's elements is as wanted: what `holds` says of a set with a bit for each of the
    /// trees that match it.
    ///
    /// # Errors
    /// If there are too many states, or trees.
    pub fn of_elements(
        trees: &[Hir],
        holds: &dyn Fn(u32) -> bool,
        patterns: usize,
    ) -> Result<Self, TooLarge> {
        if trees.len() > u32::BITS as usize {
            return Err(TooLarge);
        }
        let graph = Graph::explore(trees, Ending::Nul, Some(holds))?;
        let settled = Settled::of(&graph, 1)?;
        let mut rows = Rows::new(&graph, vec![None, Some(0), None]);
        for node in 0..graph.nodes() {
            match (settled.must[node] & 1, settled.may[node] & 1) {
                (1, _) => rows.stand_for(node, Self::FOUND),
                (_, 0) => rows.stand_for(node, Self::SKIP),
                _ => rows.own(node),
            }
        }
        let mut machine = rows
            .machine(&graph, Outcome::Elements, |bits| if bits & 1 != 0 { Self::FOUND } else { Self::FRESH });
        machine.start = Self::FRESH as usize;
        machine.set_row(Self::FOUND, Self::FOUND, Self::FOUND);
        machine.set_row(Self::SKIP, Self::SKIP, Self::FRESH);
        machine.open = vec![1; machine.open.len()];
        machine.patterns = patterns;
        Ok(machine)
    }

    /// Answers for each of these trees whether the text is as it says.
    ///
    /// # Errors
    /// If there are too many states, or trees.
    pub fn about_text(
        questions: &[Hir],
        outcome: Outcome,
        patterns: usize,
        ending: Ending,
    ) -> Result<Self, TooLarge> {
        if questions.len() > QUESTIONS {
            return Err(TooLarge);
        }
        let graph = Graph::explore(questions, ending, None)?;
        let settled = Settled::of(&graph, questions.len())?;
        Ok(Self::settle(&graph, &settled, outcome, patterns))
    }

    fn settle(graph: &Graph, settled: &Settled, outcome: Outcome, patterns: usize) -> Self {
        let one = outcome == Outcome::One;
        let mut rows = Rows::new(graph, if one { vec![None, None] } else { vec![None] });
        for node in 0..graph.nodes() {
            match (settled.must[node], settled.may[node]) {
                (1, _) if one => rows.stand_for(node, Self::YES),
                (must, may) if may & !must == 0 => rows.stand_for(node, Self::DONE),
                _ => rows.own(node),
            }
        }
        let mut machine = rows.machine(graph, outcome, |bits| u32::from(one && bits & 1 != 0));
        machine.first = settled.must[0];
        machine.start = rows.row[0] as usize;
        machine.patterns = patterns;
        machine.set_row(Self::NO, Self::NO, Self::NO);
        if one {
            machine.set_row(Self::YES, Self::YES, Self::YES);
        } else {
            rows.gather(graph, settled, &mut machine);
        }
        machine
    }

    fn set_row(&mut self, row: u32, next: u32, at_end: u32) {
        let begin = row as usize * self.width;
        self.next[begin..begin + self.width].fill(next);
        self.next[begin + self.end] = at_end;
        self.open[row as usize] = 0;
    }

    /// How many states there are.
    #[must_use]
    pub fn states(&self) -> usize {
        self.open.len()
    }

    /// The answer about a text ([`Outcome::One`]); `None` if it depends on how the text goes on.
    #[must_use]
    pub fn answer(&self, text: &[u8], whole: bool) -> Option<bool> {
        let mut state = self.start;
        for byte in text {
            if state <= Self::YES as usize {
                break;
            }
            state = self.next[state * self.width + usize::from(self.columns[usize::from(*byte)])] as usize;
        }
        if whole {
            state = self.next[state * self.width + self.end] as usize;
        }
        match u32::try_from(state) {
            Ok(Self::NO) => Some(false),
            Ok(Self::YES) => Some(true),
            _ => None,
        }
    }
}

/// All states that can be reached, each with what was met on the way, if that matters.
struct Graph {
    ending: Ending,
    /// The class of each byte: an index of `next`'s columns.
    classes: [u8; 256],
    width: usize,
    /// For each node and class the next node, and the questions answered on the way.
    next: Vec<(u32, u16)>,
    /// The questions that are answered where the text ends.
    end: Vec<u16>,
}

impl Graph {
    /// `holds`: what the questions met so far come to at the end; then they are kept in the nodes.
    fn explore(
        questions: &[Hir],
        ending: Ending,
        holds: Option<&dyn Fn(u32) -> bool>,
    ) -> Result<Self, TooLarge> {
        let mut states = States::of(questions)?;
        let (classes, samples) = classes(&states.dfa, ending);
        let width = samples.len();
        let begin = states.begin()?;
        let mut numbers = HashMap::from([((begin, 0_u32), 0_u32)]);
        let mut nodes = vec![(begin, 0_u32)];
        let (mut next, mut end) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some((state, set)) = nodes.get(at).copied() {
            at += 1;
            let is_first = states.begin_ways(state);
            for byte in &samples {
                let to = states.next(state, *byte, is_first)?;
                let new = states.met(to);
                let kept = if holds.is_some() { set | new } else { 0 };
                let number = *numbers.entry((to, kept)).or_insert_with(|| {
                    nodes.push((to, kept));
                    u32::try_from(nodes.len() - 1).unwrap_or(u32::MAX)
                });
                next.push((number, if holds.is_some() { 0 } else { new as u16 }));
            }
            let last = states.at_end(state)?;
            let last = states.met(last);
            end.push(holds.map_or(last as u16, |holds| u16::from(holds(set | last))));
        }
        Ok(Graph { ending, classes, width, next, end })
    }

    fn nodes(&self) -> usize {
        self.end.len()
    }

    fn ways(&self, node: usize) -> &[(u32, u16)] {
        &self.next[node * self.width..(node + 1) * self.width]
    }
}

/// The states of a pattern, made when a way leads to them, and the work that they have been.
struct States {
    dfa: dfa::DFA,
    cache: dfa::Cache,
    /// Bytes that describe each state.
    sizes: HashMap<LazyStateID, usize>,
    /// Those whose ways have been followed.
    followed: HashSet<LazyStateID>,
    /// Bytes of a state's memory that do not describe it.
    bare: usize,
    work: usize,
}

impl States {
    fn of(patterns: &[Hir]) -> Result<Self, TooLarge> {
        let compiled = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .which_captures(WhichCaptures::None)
                    .nfa_size_limit(Some(COMPILED)),
            )
            .build_many_from_hir(patterns)
            .map_err(|_| TooLarge)?;
        // A cache that is cleared would number the states anew, so a full one is an error.
        let config = dfa::Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(DETERMINED)
            .minimum_cache_clear_count(Some(0));
        let dfa = dfa::Builder::new().configure(config).build_from_nfa(compiled).map_err(|_| TooLarge)?;
        let row = dfa.byte_classes().alphabet_len().next_power_of_two() * size_of::<LazyStateID>();
        let (cache, bare) = (dfa.create_cache(), row + OVERHEAD);
        Ok(States { dfa, cache, sizes: HashMap::new(), followed: HashSet::new(), bare, work: 0 })
    }

    /// Returns the state that `ask` gives, and counts the work that it was.
    fn counted(
        &mut self,
        is_first: bool,
        ask: impl FnOnce(&dfa::DFA, &mut dfa::Cache) -> Option<LazyStateID>,
    ) -> Result<LazyStateID, TooLarge> {
        let before = self.cache.memory_usage();
        let state = ask(&self.dfa, &mut self.cache).ok_or(TooLarge)?;
        let grown = self.cache.memory_usage().saturating_sub(before);
        if grown > 0 {
            self.sizes.insert(state, grown.saturating_sub(self.bare));
            self.work += NEW_STATE;
        }
        self.work += WAY;
        if is_first {
            self.work += self.sizes.get(&state).copied().unwrap_or_default();
        }
        if self.work > WORK { Err(TooLarge) } else { Ok(state) }
    }

    fn begin(&mut self) -> Result<LazyStateID, TooLarge> {
        let config = start::Config::new().anchored(Anchored::Yes);
        self.counted(true, |dfa, cache| dfa.start_state(cache, &config).ok())
    }

    /// Returns whether the ways of this state are followed for the first time.
    fn begin_ways(&mut self, state: LazyStateID) -> bool {
        self.followed.insert(state)
    }

    fn next(&mut self, state: LazyStateID, byte: u8, is_first: bool) -> Result<LazyStateID, TooLarge> {
        self.counted(is_first, |dfa, cache| dfa.next_state(cache, state, byte).ok())
    }

    fn at_end(&mut self, state: LazyStateID) -> Result<LazyStateID, TooLarge> {
        self.counted(false, |dfa, cache| dfa.next_eoi_state(cache, state).ok())
    }

    /// Returns the patterns that match, a bit for each.
    fn met(&self, state: LazyStateID) -> u32 {
        if !state.is_match() {
            return 0;
        }
        let count = self.dfa.match_len(&self.cache, state);
        (0..count).fold(0, |all, at| all | 1 << self.dfa.match_pattern(&self.cache, state, at).as_usize())
    }
}

/// The class of each byte, and a byte of each class. A NUL is in none, unless it stands for a blank or for itself.
fn classes(dfa: &dfa::DFA, ending: Ending) -> ([u8; 256], Vec<u8>) {
    let known = dfa.byte_classes();
    let mut classes = [0; 256];
    let mut samples: Vec<u8> = Vec::new();
    let first = u8::from(ending != Ending::Bytes);
    for byte in first..=u8::MAX {
        let same = samples.iter().position(|sample| known.get(*sample) == known.get(byte));
        let class = same.unwrap_or_else(|| {
            samples.push(byte);
            samples.len() - 1
        });
        classes[usize::from(byte)] = u8::try_from(class).unwrap_or(u8::MAX);
    }
    if ending == Ending::Length {
        classes[0] = classes[usize::from(b' ')];
    }
    (classes, samples)
}

/// For each node the questions whose answer is certain to be yes, and those for which it may be.
struct Settled {
    must: Vec<u16>,
    may: Vec<u16>,
}

impl Settled {
    fn of(graph: &Graph, questions: usize) -> Result<Self, TooLarge> {
        let all = u16::try_from((1_u32 << questions) - 1).unwrap_or(u16::MAX);
        let mut settled = Settled { must: vec![all; graph.nodes()], may: vec![0; graph.nodes()] };
        let mut looked_at = 0;
        while looked_at <= LOOKED_AT {
            looked_at += graph.next.len();
            let mut changed = false;
            // Backwards, as answers travel: a few turns are enough for most.
            for node in (0..graph.nodes()).rev() {
                let (mut must, mut may) = (graph.end[node], graph.end[node]);
                for (to, bits) in graph.ways(node) {
                    must &= bits | settled.must[*to as usize];
                    may |= bits | settled.may[*to as usize];
                }
                changed |= must != settled.must[node] || may != settled.may[node];
                settled.must[node] = must;
                settled.may[node] = may;
            }
            if !changed {
                return Ok(settled);
            }
        }
        Err(TooLarge)
    }
}

/// Which state each node becomes.
struct Rows {
    /// The state of each node.
    row: Vec<u32>,
    /// The node of each state that has one.
    node: Vec<Option<usize>>,
}

impl Rows {
    /// `first`: the states there are before, and the nodes whose ways they have.
    fn new(graph: &Graph, first: Vec<Option<usize>>) -> Self {
        Rows { row: vec![0; graph.nodes()], node: first }
    }

    fn stand_for(&mut self, node: usize, state: u32) {
        self.row[node] = state;
    }

    fn own(&mut self, node: usize) {
        self.row[node] = u32::try_from(self.node.len()).unwrap_or(u32::MAX);
        self.node.push(Some(node));
    }

    /// `at_end`: the state where the text ends with these questions answered.
    fn machine(&self, graph: &Graph, outcome: Outcome, at_end: impl Fn(u16) -> u32) -> Machine {
        let (end, width) = (graph.width, graph.width + 1);
        let mut next = Vec::with_capacity(self.node.len() * width);
        for node in &self.node {
            match node {
                Some(node) => {
                    let to = |(to, bits): &(u32, u16)| {
                        // What is answered on the way to it needs no way from it.
                        if outcome == Outcome::One && bits & 1 != 0 {
                            Machine::YES
                        } else {
                            self.row[*to as usize]
                        }
                    };
                    next.extend(graph.ways(*node).iter().map(to));
                    next.push(at_end(graph.end[*node]));
                }
                None => next.extend(std::iter::repeat_n(0, width)),
            }
        }
        let mut columns = graph.classes;
        if graph.ending == Ending::Nul {
            columns[0] = u8::try_from(end).unwrap_or(u8::MAX);
        }
        Machine {
            outcome,
            ending: graph.ending,
            columns,
            end,
            width,
            bits: vec![0; next.len()],
            next,
            open: vec![1; self.node.len()],
            start: 0,
            first: 0,
            patterns: 0,
        }
    }

    /// The bits on each way, and what is open in each state.
    fn gather(&self, graph: &Graph, settled: &Settled, machine: &mut Machine) {
        for (row, node) in self.node.iter().enumerate() {
            let Some(node) = node else { continue };
            machine.open[row] = settled.may[*node] & !settled.must[*node];
            let begin = row * machine.width;
            for (column, (to, bits)) in graph.ways(*node).iter().enumerate() {
                machine.bits[begin + column] = bits | settled.must[*to as usize];
            }
            machine.bits[begin + machine.end] = graph.end[*node];
        }
    }
}
