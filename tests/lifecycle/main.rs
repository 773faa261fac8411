//! The ends of work items, timers and DPCs: the `lifecycle` miniport, as built for Windows, in the lab.

mod bench;
mod removal;
mod starts;
