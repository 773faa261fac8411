//! The command line: what it does, and what it says to every mistake a user may make.

mod demo;
mod failing;
mod flavours;
mod mistakes;
mod replay;
