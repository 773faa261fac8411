//! The loader on images made by hand.

pub(crate) mod builder;
mod load;
mod mutation;
mod run;
mod symbols;
