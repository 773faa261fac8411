//! The processor is the judge: each instruction runs on memory and on registers, with the same outcome.

mod differential;
mod faults;
pub(crate) mod machine;
mod patching;
mod points;
mod step;
mod window;
