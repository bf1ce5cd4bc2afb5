//! Trees of processes that a script has stopped: a handle for scripts, and a list by which those that are forgotten go on when the session ends.

use std::{cell::RefCell, rc::Rc};

use crate::reaction::Frozen;

/// A stopped tree, as a script has it; clones share it.
#[derive(Debug, Clone)]
pub struct FrozenHandle {
    pub tree: Rc<RefCell<Frozen>>,
    /// Whom the script meant.
    pub pid: i32,
}

impl FrozenHandle {
    /// Says what it is, in a line.
    pub fn describe(&self) -> String {
        let tree = self.tree.borrow();
        let how = if tree.is_rehearsed() { "would be stopped" } else { "stopped" };
        match tree.pids().count() {
            0 => format!("tree of process {}: goes on", self.pid),
            count => format!("tree of process {}: {count} {how}", self.pid),
        }
    }
}

/// The trees that a session has stopped.
#[derive(Debug, Default)]
pub struct FrozenTrees(RefCell<Vec<Rc<RefCell<Frozen>>>>);

impl FrozenTrees {
    /// Keeps a new one until it goes on: a handle that a callback lets go of does not end what it was for.
    pub fn add(&self, tree: Frozen, pid: i32) -> FrozenHandle {
        let tree = Rc::new(RefCell::new(tree));
        let mut all = self.0.borrow_mut();
        all.retain(|tree| tree.borrow().pids().next().is_some());
        all.push(Rc::clone(&tree));
        FrozenHandle { tree, pid }
    }

    /// Continues all but those that are to stay; gives how many processes that were.
    pub fn thaw_all(&self) -> usize {
        let all = std::mem::take(&mut *self.0.borrow_mut());
        all.iter()
            .map(|tree| tree.borrow_mut())
            .filter(|tree| !tree.is_rehearsed() && !tree.stays())
            .map(|mut tree| tree.thaw())
            .sum()
    }
}
