//! What was done, each once, and how often and by whom.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::IpAddr,
    rc::Rc,
};

use super::{
    deed::{Deed, Kind, List, Unlearned},
    known::Known,
    name::{Name, Pids},
    seen::Seen,
};
use crate::{
    backend::{Attached, Backend, BackendError, Clock, InScope, Passed, Recorded, Request},
    event::{Event, Value},
    facts::bpf::Program,
    probe::Spec,
    raw,
    system::places::Places,
};

/// Different things that are remembered, so that memory is bounded: about 300 bytes each.
const MOST: usize = 50_000;

/// All that was learned.
#[derive(Debug, Default)]
pub struct Learned {
    pub names: BTreeMap<List, BTreeMap<Name, Seen>>,
    pub addresses: BTreeMap<Kind, BTreeMap<(IpAddr, u16), Seen>>,
    pub families: BTreeMap<Kind, BTreeMap<String, Seen>>,
    /// Events that it was learned from.
    pub events: u64,
    /// Of which nothing was learned, since what they are about could not be read or is too long.
    pub unread: u64,
    /// Of which nothing was learned, since there are too many different things.
    pub beyond: u64,
    pids: Pids,
    size: usize,
}

impl Learned {
    /// Learns from an event what `known` does not allow yet.
    pub fn learn(&mut self, event: &Event, kinds: &[Kind], known: Option<&Known>) {
        let deed = match Deed::of(event) {
            Ok(deed) if kinds.contains(&deed.kind()) => deed,
            Ok(_) | Err(Unlearned::Stranger) => return,
            Err(Unlearned::Unread) => {
                self.events += 1;
                self.unread += 1;
                return;
            }
        };
        self.events += 1;
        for field in ["pid", "ppid"] {
            self.pids.saw(u32::try_from(event.number(field)).unwrap_or_default());
        }
        if known.is_some_and(|known| known.allows(&deed)) || is_told_there(&deed) {
            return;
        }
        let by = match event.get("exe") {
            Some(Value::Text(bytes)) => raw::text(&bytes),
            _ => String::new(),
        };
        // A program that is unpacked anew each time has another name each time.
        let by = Name::of(&by, true, &self.pids);
        let by = by.exact().unwrap_or_else(|| by.pattern().trim_start_matches('^').to_owned());
        let room = self.size < MOST;
        let seen = match deed {
            Deed::Named { list, path } => {
                let name = Name::of(&path, list == List::Programs, &self.pids);
                place(self.names.entry(list).or_default(), name, room)
            }
            Deed::Address { kind, address, port } => {
                place(self.addresses.entry(kind).or_default(), (address, port), room)
            }
            Deed::Family { kind, family } => place(self.families.entry(kind).or_default(), family, room),
        };
        match seen {
            Some(seen) => {
                self.size += usize::from(seen.times == 0);
                seen.once(&by);
            }
            None => self.beyond += 1,
        }
    }
}

/// The directory where commands read what they are refused, with its slash: a profile lets them by itself.
pub(super) fn denials() -> String {
    format!("{}/", Places::of_this_user().denials.display())
}

fn is_told_there(deed: &Deed) -> bool {
    matches!(deed, Deed::Named { list: List::Read, path } if path.contains("/krsi-") && path.starts_with(&denials()))
}

fn place<K: Ord>(map: &mut BTreeMap<K, Seen>, key: K, room: bool) -> Option<&mut Seen> {
    if room { Some(map.entry(key).or_default()) } else { map.get_mut(&key) }
}

/// A backend that learns from what happens at another one.
pub struct Learner {
    inner: Box<dyn Backend>,
    learned: Rc<RefCell<Learned>>,
    kinds: Vec<Kind>,
    known: Option<Rc<Known>>,
    attached: Cell<usize>,
    /// Is called when all of these are attached.
    ready: Box<dyn Fn()>,
}

impl Learner {
    /// Makes one that learns these kinds, of each of which there will be a probe.
    #[must_use]
    pub fn new(
        inner: Box<dyn Backend>,
        learned: Rc<RefCell<Learned>>,
        kinds: Vec<Kind>,
        known: Option<Rc<Known>>,
        ready: Box<dyn Fn()>,
    ) -> Self {
        Learner { inner, learned, kinds, known, attached: Cell::new(0), ready }
    }

    /// Whether a probe is one of these, which are named by what they learn; others are those of a script under which it is learned.
    fn is_own(&self, probe: &str) -> bool {
        self.kinds.iter().any(|kind| kind.template() == probe)
    }
}

impl Backend for Learner {
    fn attach(&self, request: Request<'_>) -> Result<Box<dyn Attached>, BackendError> {
        let attached = self.inner.attach(request)?;
        if !self.is_own(&request.spec.name) {
            return Ok(attached);
        }
        self.attached.set(self.attached.get() + 1);
        if self.attached.get() == self.kinds.len() {
            (self.ready)();
        }
        Ok(attached)
    }

    fn preview(&self, spec: &Spec) -> Result<Vec<InScope>, BackendError> {
        self.inner.preview(spec)
    }

    fn programs(&self) -> Result<Vec<Program>, BackendError> {
        self.inner.programs()
    }

    fn is_live(&self) -> bool {
        self.inner.is_live()
    }

    fn clock(&self) -> Rc<Clock> {
        self.inner.clock()
    }

    fn passed(&self, step: Passed<'_>) {
        if let Passed::Event(event) = step
            && self.is_own(event.probe())
        {
            self.learned.borrow_mut().learn(event, &self.kinds, self.known.as_deref());
        }
        self.inner.passed(step);
    }

    fn notice(&self) -> Option<String> {
        self.inner.notice()
    }

    fn recorded(&self) -> Option<&dyn Recorded> {
        self.inner.recorded()
    }
}
