//! How much memory this process holds, and how deep its values are nested: known at every step of a script, for a
//! comparison each.
//!
//! The global allocator counts. Each thread keeps its own difference and adds it to the sum now and then, so that
//! no allocation waits for another thread. Rhai's own limits walk a value at each operation on it, which makes a loop
//! that collects quadratic; and they bound one value, not all of them.
//!
//! A value that is nested deeper than the stack reaches ends the process when it is copied, printed or dropped, and
//! enforcement with it. To copy it is to allocate far down the stack: that is noticed here, long before the end.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicIsize, Ordering},
};

/// A thread's difference beyond which it is added to the sum.
const UNTOLD: isize = 64 << 10;
/// How far below the last [`mark`] a value may be copied: nothing else that a script calls goes down as far, and it is
/// an eighth of the main thread's stack.
const DEPTH: usize = 1 << 20;

static HELD: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static DIFFERENCE: Cell<isize> = const { Cell::new(0) };
    /// Allocations below this address are too deep; 0 where nobody looks.
    static FLOOR: Cell<usize> = const { Cell::new(0) };
    static TOO_DEEP: Cell<bool> = const { Cell::new(false) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

// SAFETY: each call is the system allocator's, with the same arguments; what is counted besides allocates nothing, since
// the thread's variables need neither a first use nor a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-layout.size().cast_signed());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.cast_signed() - layout.size().cast_signed());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(bytes: isize) {
    add(bytes);
    if here() < FLOOR.get() {
        TOO_DEEP.set(true);
    }
}

fn add(bytes: isize) {
    let difference = DIFFERENCE.get() + bytes;
    if difference.abs() < UNTOLD {
        DIFFERENCE.set(difference);
    } else {
        DIFFERENCE.set(0);
        HELD.fetch_add(difference, Ordering::Relaxed);
    }
}

/// About where the stack ends now.
#[inline(always)]
fn here() -> usize {
    let local = 0_u8;
    std::hint::black_box(&raw const local).addr()
}

/// Returns the bytes that the process has allocated and not given back, but for 64 KiB of each other thread.
#[must_use]
pub fn held() -> usize {
    usize::try_from(HELD.load(Ordering::Relaxed) + DIFFERENCE.get()).unwrap_or_default()
}

/// Says that this is how deep the stack is where values are worked with.
pub fn mark() {
    FLOOR.set(here().saturating_sub(DEPTH));
}

/// Returns whether something was allocated too far below the mark since the last time this was asked, and forgets it.
#[must_use]
pub fn was_too_deep() -> bool {
    TOO_DEEP.replace(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_is_counted_until_it_is_given_back() {
        // Other tests allocate meanwhile, but not as much.
        const SIZE: usize = 1 << 30;
        let before = held();
        // Or it is seen that nothing uses it, and nothing is allocated.
        let block: Vec<u8> = std::hint::black_box(Vec::with_capacity(SIZE));
        assert!(held() > before + SIZE / 2);
        drop(block);
        assert!(held() < before + SIZE / 2);
    }

    #[test]
    fn an_allocation_far_down_the_stack_is_noticed() {
        fn down(levels: usize) -> Box<usize> {
            let room = std::hint::black_box([0_u8; 1024]);
            if levels == 0 { Box::new(room.len()) } else { Box::new(*down(levels - 1) + 1) }
        }
        let deep = |levels| {
            std::thread::Builder::new().stack_size(16 << 20).spawn(move || {
                mark();
                std::hint::black_box(down(levels));
                was_too_deep()
            })
        };
        assert!(!deep(100).unwrap().join().unwrap());
        assert!(deep(4000).unwrap().join().unwrap());
    }
}
