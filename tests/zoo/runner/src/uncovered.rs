//! Rules that no driver of the zoo breaks, and why.

/// What is said of a rule that was forgotten: nobody's reason.
pub const UNWRITTEN: &str = "no driver has been written for it";

/// What is said of the rules of dump mode.
const DUMP: &str =
    "no life of the zoo loads a driver a second time for a dump; the lab's own tests of dump mode break it";

/// Why a rule has no driver.
const REASONS: &[(&str, &str)] = &[
    (
        "not-modelled",
        "the lab says it of itself: a call that it cannot judge, not a rule of the DDI",
    ),
    ("dump-memory-limit", DUMP),
    ("dump-deferred-work", DUMP),
    ("dump-time-query", DUMP),
    ("dump-request-not-completed", DUMP),
    ("dump-disk-not-ready", DUMP),
    ("dump-other-address", DUMP),
    ("dump-memory-not-marked", DUMP),
    (
        "dma-not-entitled",
        "only a device that moves data reaches memory, which the zoo's do not; a test of the model has its device access what was freed",
    ),
    (
        "dma-against-direction",
        "only a device that moves data reaches memory, which the zoo's do not; a test of the model has its device write to a request's data",
    ),
    (
        "kernel-object-uninitialized",
        "a test of the model sets an event, queues a DPC and sets a timer that were never initialised",
    ),
    (
        "physical-address-from-kernel",
        "a test of the model asks the kernel for the physical address of its contiguous memory",
    ),
    ("thread-leaked", "a test of the model leaves a thread behind"),
    (
        "thread-not-own",
        "a test of the model ends a thread of the system's",
    ),
    (
        "thread-use-undocumented",
        "a test of the model has a start routine that returns",
    ),
];

/// The reason for a rule, or that there is none.
#[must_use]
pub fn why(rule: &str) -> &'static str {
    REASONS
        .iter()
        .find(|(id, _)| *id == rule)
        .map_or(UNWRITTEN, |(_, why)| why)
}
