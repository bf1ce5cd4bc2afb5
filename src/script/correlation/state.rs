//! What a script remembers beyond its session, as it holds it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Instant,
};

use crate::{
    correlation::{
        Key,
        store::{Store, StoreError},
    },
    raw,
};

/// A state that a script holds; clones are the same one.
#[derive(Clone)]
pub struct StateHandle(Rc<State>);

struct State {
    store: RefCell<Store>,
    /// That its file cannot be written has been said.
    told_failing: Cell<bool>,
}

impl StateHandle {
    pub fn new(store: Store) -> Self {
        StateHandle(Rc::new(State { store: RefCell::new(store), told_failing: Cell::new(false) }))
    }

    pub fn name(&self) -> String {
        self.0.store.borrow().name().to_owned()
    }

    /// See [`Store::first`].
    pub fn first(&self, key: &Key, now: i64, within: i64) -> bool {
        self.0.store.borrow_mut().first(key, now, within)
    }

    /// See [`Store::remembers`].
    pub fn remembers(&self, key: &str) -> bool {
        self.0.store.borrow().remembers(key)
    }

    /// See [`Store::forget`].
    pub fn forget(&self, key: &str) -> bool {
        self.0.store.borrow_mut().forget(key)
    }

    pub fn len(&self) -> usize {
        self.0.store.borrow().seen().len()
    }

    /// See [`Store::save`].
    ///
    /// # Errors
    /// As there.
    pub fn save(&self) -> Result<(), StoreError> {
        self.0.store.borrow_mut().save()
    }

    /// Writes its file if that is due, or in any case. Returns what is wrong, the first time.
    pub fn keep(&self, due: Option<Instant>) -> Option<StoreError> {
        let mut store = self.0.store.borrow_mut();
        let saved = match due {
            Some(now) => store.save_if_due(now),
            None => store.save(),
        };
        match saved {
            Ok(()) => {
                self.0.told_failing.set(false);
                None
            }
            Err(error) => (!self.0.told_failing.replace(true) || due.is_none()).then_some(error),
        }
    }

    /// Returns what it is, in a line.
    pub fn describe(&self) -> String {
        let store = self.0.store.borrow();
        let (seen, path) = (store.seen(), raw::from_os(store.path()));
        let dropped = seen.dropped();
        let dropped = if dropped > 0 { format!(", {dropped} dropped") } else { String::new() };
        format!("state {}: {} keys{dropped}, in {path}", store.name(), seen.len())
    }
}
