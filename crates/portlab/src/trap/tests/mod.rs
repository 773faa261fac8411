//! The processor is the judge: each instruction runs on memory and on registers, with the same outcome.

mod differential;
mod faults;
mod machine;
mod patching;
mod step;
mod window;
