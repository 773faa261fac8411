//! Many short lives of a driver, each decided by its seed: start, requests, faults, resets, restarts, power cuts, removal.
//!
//! The invariant: every request ends exactly once and in time; no write that was acknowledged and flushed is lost; nothing is
//! left behind; no rule is broken. A driver may refuse to start or give its adapter up where a fault excuses it
//! ([`faults::Excuses`]), and then has to do that properly.
//!
//! | module | idea |
//! | --- | --- |
//! | [`plan`] | what a seed decides about a life |
//! | [`faults`] | what controllers do wrong in lives, and the twenty faults |
//! | [`life`] | the life lived and judged |
//! | [`traffic`] | requests in flight, each judged when it is over |
//! | [`ledger`] | what each block may hold, by what was acknowledged |
//! | [`pattern`] | what the blocks hold |

pub mod faults;
pub mod ledger;
pub mod life;
pub mod pattern;
pub mod plan;
pub mod traffic;

pub use self::{
    life::{Life, LifeError, Subject, Wrong, live},
    plan::Plan,
};
