//! What a script may do to the system about an event, and ask of it: run a program, signal a process, look at its
//! capabilities and its executable, stop it with all that it has started, and keep what it is.
//!
//! Always after the kernel decided; nothing here waits inside of a hook. In: words of a command
//! line, a process. Out: what became of them. A child never outlives the
//! script that waits for it, and a signal never hits who only inherited a process id.

mod capabilities;
mod child;
mod continued;
mod evidence;
mod executable;
mod held;
mod orphans;
mod process;
mod signal;
mod thaw;
mod tree;

pub use self::{
    capabilities::{capabilities, capability, effective},
    child::{Child, Ended, StartError},
    continued::{continue_process, has_process, has_thread, is_stopped, spare_from_oom},
    evidence::{Evidence, Kept, Wanted, keep},
    executable::{Executed, open_executable},
    held::{Held, Streams},
    orphans::{Orphans, Swept},
    signal::{Deed, SignalError, signal},
    tree::{FreezeError, Frozen, freeze},
};
