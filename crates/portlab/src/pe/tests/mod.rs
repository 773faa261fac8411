//! The loader on images made by hand.

mod builder;
mod load;
mod mutation;
mod run;
mod symbols;
