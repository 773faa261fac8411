//! All interleavings of work items, timers, DPCs and removal, against a little port driver that promises no more order than it must.
//!
//! `./x loom`, or `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p storport --release --test loom`
#![cfg(loom)]
#![expect(unsafe_code, reason = "the extension goes when the port driver says so")]

mod adapter;
mod dpcs;
mod mutations;
mod small;
mod timers;
mod work_items;

/// Runs `body` in every interleaving with at most `preemptions` forced switches.
fn explore(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.max_branches = 10_000;
    model.check(body);
}
