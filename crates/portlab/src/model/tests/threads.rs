//! Threads of the driver's own, and events between them.

use super::bench::{Bench, Miniport, eventually, extended, notify, out, word};
use crate::{
    abi::{codes::stor_status, guest},
    engine::{Context, Irql},
    model::{EngineKind, RegistryValue},
};

const INITIALIZE_EVENT: u32 = 99;
const WAIT: u32 = 100;
const SET_EVENT: u32 = 101;
const CREATE_THREAD: u32 = 110;
const SET_PRIORITY: u32 = 111;
const ENABLE_REGISTRY_NOTIFICATION: u32 = 118;
const TERMINATE_THREAD: u32 = 0x100E;

/// Words of the device extension.
const STOP: u64 = 1;
const GONE: u64 = 2;
const THREAD: u64 = 3;
const RUNS: u64 = 4;

fn address_of(routine: *const ()) -> u64 {
    routine.expose_provenance() as u64
}

fn event(extension: u64, index: u64) {
    let status = extended(INITIALIZE_EVENT, extension, &[word(extension, index), 0, 0]);
    assert_eq!(status, 0);
}

fn wait(extension: u64, index: u64) -> u32 {
    extended(WAIT, extension, &[word(extension, index), 0, 0])
}

fn create(extension: u64, routine: *const ()) -> u32 {
    let mut priority = 1_u32;
    let arguments = [
        address_of(routine),
        extension,
        out(&mut priority),
        word(extension, THREAD),
    ];
    extended(CREATE_THREAD, extension, &arguments)
}

/// Has a thread that waits for the word to end, and waits for it when it stops.
struct Threaded;
impl Miniport for Threaded {
    fn passive_initialize(extension: u64) -> bool {
        event(extension, STOP);
        event(extension, GONE);
        assert_eq!(create(extension, body as *const ()), 0);
        let thread = guest::read::<u64>(word(extension, THREAD));
        assert_eq!(extended(SET_PRIORITY, extension, &[thread, 6]), 0);
        // As many as there are processors, no more: one here.
        assert_eq!(create(extension, body as *const ()), stor_status::UNSUCCESSFUL);
        true
    }

    fn stop(extension: u64) -> bool {
        assert_eq!(extended(SET_EVENT, extension, &[word(extension, STOP)]), 0);
        wait(extension, GONE) == 0
    }
}

extern "win64" fn body(extension: u64) {
    assert_eq!(Context::irql(), Irql::PASSIVE);
    assert_eq!(wait(extension, STOP), 0);
    let runs: u64 = guest::read(word(extension, RUNS));
    guest::write(word(extension, RUNS), &(runs + 1));
    assert_eq!(extended(SET_EVENT, extension, &[word(extension, GONE)]), 0);
    notify(TERMINATE_THREAD, extension, &[0]);
    unreachable!("a thread that ended goes on");
}

#[test]
fn a_thread_waits_and_ends_itself() {
    for engine in [EngineKind::Parallel, EngineKind::Deterministic] {
        let bench = Bench::load_with::<Threaded>(|options| {
            options.processors = 1;
            options.engine = engine;
        });
        bench.try_start().expect("a start");
        let (report, broken) = bench.finish();
        assert!(report.clean, "{engine:?} {report:?}");
        let rules: Vec<_> = broken.iter().map(|violation| violation.rule).collect();
        assert!(
            rules.iter().all(|rule| *rule == "function-code-inferred"),
            "{broken:#?}"
        );
    }
}

/// Leaves its thread behind, and does what only a thread of its own may do.
struct Leaving;
impl Miniport for Leaving {
    fn passive_initialize(extension: u64) -> bool {
        event(extension, STOP);
        assert_eq!(create(extension, forever as *const ()), 0);
        // This is a thread of the system's.
        notify(TERMINATE_THREAD, extension, &[0]);
        assert_eq!(
            extended(SET_PRIORITY, extension, &[word(extension, THREAD), 1]),
            stor_status::INVALID_PARAMETER
        );
        assert_eq!(
            extended(CREATE_THREAD, extension, &[0, 0, 0, 0]),
            stor_status::INVALID_PARAMETER
        );
        true
    }
}

extern "win64" fn forever(extension: u64) {
    wait(extension, STOP);
}

#[test]
fn a_thread_that_never_ends_is_told() {
    let (report, broken) = Bench::start::<Leaving>().finish();
    assert!(report.leaks.iter().any(|leak| leak.kind == "thread"));
    for rule in ["thread-leaked", "thread-not-own", "stale-handle", "bad-parameter"] {
        assert!(
            broken.iter().any(|violation| violation.rule == rule),
            "{rule}: {broken:#?}"
        );
    }
}

/// Is told of changes of the registry.
struct Told;
impl Miniport for Told {
    fn passive_initialize(extension: u64) -> bool {
        let refused = extended(ENABLE_REGISTRY_NOTIFICATION, extension, &[0]);
        assert_eq!(refused, stor_status::INVALID_PARAMETER);
        let enabled = extended(
            ENABLE_REGISTRY_NOTIFICATION,
            extension,
            &[address_of(changed as *const ())],
        );
        enabled == 0
    }
}

extern "win64" fn changed(extension: u64) {
    assert_eq!(Context::irql(), Irql::PASSIVE);
    let runs: u64 = guest::read(word(extension, RUNS));
    guest::write(word(extension, RUNS), &(runs + 1));
}

#[test]
fn changes_below_the_device_key_are_told() {
    let bench = Bench::start::<Told>();
    let extension = bench.lab.machine.setup().extension;
    let runs = || guest::read::<u64>(word(extension, RUNS));
    bench.lab.set_registry_value("Elsewhere", RegistryValue::Dword(1));
    bench
        .lab
        .set_registry_value("Device\\Depth", RegistryValue::Dword(7));
    eventually("the notification", || runs() == 1);
    let (_, broken) = bench.finish();
    assert!(
        broken.iter().any(|violation| violation.rule == "bad-parameter"),
        "the NULL"
    );
}
