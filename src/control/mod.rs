//! The control path: brings the controller up, resets it, asks it.
//!
//! One state, [`Path`], and three drivers (`storport::stepped`): bounded stalls where the caller must not return before
//! the end ([`run`]), DPC and timer ([`recover`], [`pump`]), and the work item ([`work`]), which steps under the StartIo
//! lock. Who holds the state alone steps; who is refused leaves a note and returns.
//!
//! | module | idea |
//! | --- | --- |
//! | `path` | the state, and what each step of it means for the adapter |
//! | `hardware` | performs what the machine says |
//! | `drive` | who steps, and when |
//! | `units` | hands the namespaces to StartIo |

mod drive;
mod hardware;
mod path;
mod units;

pub(crate) use drive::{abort, enter, pump, recover, run, submit_exchange, work, write_cache_set};
pub(crate) use path::Path;
pub(crate) use units::{publish_first_units, publish_units, settle};

/// The DPC of message 0: completions of the admin queue.
pub(crate) const CONTROL_DPC: usize = 0;
/// The DPC of the first I/O queue pair; those of the others follow.
pub(crate) const FIRST_IO_DPC: usize = 1;
