//! What miniports call of the kernel.

use std::time::Duration;

use super::bench::{Bench, Miniport, call, complete, out, srb_function, word};
use crate::{
    abi::{exports, guest, srb::status},
    engine::{Context, Irql},
};

fn text(bytes: &[u8]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [units, vec![0, 0]].concat()
}

/// Adds under a spin lock of its own, as drivers do that keep their own lists.
struct Own;
impl Miniport for Own {
    fn initialize(extension: u64) -> bool {
        call("KeInitializeSpinLock", &[word(extension, 1)]);
        true
    }

    fn build_io(extension: u64, srb: u64) -> bool {
        if srb_function(srb) != 0 {
            return true;
        }
        for _ in 0..500 {
            let old = call("KeAcquireSpinLockRaiseToDpc", &[word(extension, 1)]);
            assert_eq!(old, 2);
            guest::write(extension, &(guest::read::<u64>(extension) + 1));
            call("KeReleaseSpinLock", &[word(extension, 1), old]);
        }
        complete(extension, srb, status::SUCCESS);
        false
    }
}

#[test]
fn a_drivers_own_spin_lock_excludes_other_processors() {
    let bench = Bench::start::<Own>();
    let (sender, receiver) = std::sync::mpsc::channel();
    for processor in [0, 1, 0, 1] {
        let mut request = bench.command(0x28, 512);
        request.processor = processor;
        let sender = sender.clone();
        bench.lab.submit(
            request,
            Box::new(move |outcome| sender.send(outcome).expect("a listener")),
        );
    }
    for _ in 0..4 {
        assert!(receiver.recv().expect("an outcome").is_success());
    }
    assert_eq!(guest::read::<u64>(bench.lab.machine.setup().extension), 2000);
    assert!(bench.broken().is_empty());
}

/// Releases what it does not hold, and takes a lock twice.
struct Clumsy;
impl Miniport for Clumsy {
    fn passive_initialize(extension: u64) -> bool {
        call("KeReleaseSpinLock", &[word(extension, 1), 0]);
        let old = call("KeAcquireSpinLockRaiseToDpc", &[word(extension, 1)]);
        assert_eq!((old, Context::irql()), (0, Irql::DISPATCH));
        call("KeAcquireSpinLockAtDpcLevel", &[word(extension, 1)]);
        call("KeReleaseSpinLockFromDpcLevel", &[word(extension, 1)]);
        call("KeReleaseSpinLock", &[word(extension, 1), old]);
        assert_eq!(Context::irql(), Irql::PASSIVE);
        call("KeAcquireSpinLockAtDpcLevel", &[word(extension, 1)]);
        call("KeReleaseSpinLockFromDpcLevel", &[word(extension, 1)]);
        true
    }
}

#[test]
fn misuse_of_own_spin_locks() {
    let broken = Bench::start::<Clumsy>().broken();
    assert_eq!(broken, ["lock-not-held", "lock-recursion", "irql-too-low"]);
}

/// Everything else, at `PASSIVE_LEVEL`.
struct Curious;
impl Miniport for Curious {
    fn passive_initialize(extension: u64) -> bool {
        let buffer = word(extension, 8);
        let length = call(
            "_snprintf",
            &[buffer, 64, text(b"%s %u%%\0"), text(b"about\0"), 42],
        );
        assert_eq!(
            (guest::read_c_string(buffer, 64).as_str(), length),
            ("about 42%", 9)
        );
        // The terminator goes where there is room for it, and -1 says that the text was cut.
        assert_eq!(
            call("_snprintf", &[buffer, 5, text(b"%s\0"), text(b"longer\0")]),
            0xFFFF_FFFF
        );
        assert_eq!(guest::read_c_string(buffer, 5), "longe");
        let list = [7_u64, text(b"x\0")];
        let list = list.as_ptr().expose_provenance() as u64;
        call("_vsnprintf", &[buffer, 64, text(b"%d-%s\0"), list]);
        assert_eq!(guest::read_c_string(buffer, 64), "7-x");
        assert_eq!(call("strlen", &[text(b"four\0")]), 4);
        assert_eq!(call("strncmp", &[text(b"abcd\0"), text(b"abxx\0"), 2]), 0);
        assert_eq!(call("_stricmp", &[text(b"NVMe\0"), text(b"nvmE\0")]), 0);
        assert_eq!(call("RtlCompareMemory", &[text(b"abcd"), text(b"abxd"), 4]), 2);

        let (name, missing) = (wide("KeStallExecutionProcessor"), wide("NoSuchRoutine"));
        call("RtlInitUnicodeString", &[buffer, text(&name)]);
        assert_eq!(guest::read::<[u16; 2]>(buffer), [50, 52]);
        let known = exports::resolve("ntoskrnl.exe", "KeStallExecutionProcessor").expect("an export");
        assert_eq!(
            call("MmGetSystemRoutineAddress", &[buffer]),
            known.expose_provenance() as u64
        );
        call("RtlInitUnicodeString", &[buffer, text(&missing)]);
        assert_eq!(call("MmGetSystemRoutineAddress", &[buffer]), 0);

        let mut mask = 0_u64;
        assert_eq!(call("KeQueryActiveProcessorCount", &[out(&mut mask)]), 2);
        assert_eq!(mask, 0b11);
        assert_eq!(call("KeQueryActiveProcessorCountEx", &[0xFFFF]), 2);
        let mut version = [276_u32, 0, 0, 0, 0];
        call("RtlGetVersion", &[out(&mut version)]);
        assert_eq!(version, [276, 10, 0, 17763, 2]);
        let before = call("KeQueryInterruptTimePrecise", &[0]);
        let mut interval = -20_000_i64;
        call("KeDelayExecutionThread", &[0, 0, out(&mut interval)]);
        assert!(call("KeQueryInterruptTimePrecise", &[0]) - before >= 20_000);
        let mut handle = 0_u64;
        assert_eq!(call("EtwRegister", &[0, 0, 0, out(&mut handle)]), 0);
        assert_ne!(handle, 0);
        assert_eq!(call("EtwWrite", &[handle, 0, 0, 0, 0]), 0);
        true
    }
}

#[test]
fn the_kernels_functions_answer() {
    let bench = Bench::start::<Curious>();
    assert!(
        bench
            .lab
            .debug_log()
            .iter()
            .any(|line| line.contains("lacks NoSuchRoutine"))
    );
    assert!(bench.broken().is_empty());
}

/// Sleeps where nobody may.
struct Sleepy;
impl Miniport for Sleepy {
    fn build_io(_extension: u64, srb: u64) -> bool {
        if srb_function(srb) == 0 {
            let mut interval = -10_i64;
            call("KeDelayExecutionThread", &[0, 0, out(&mut interval)]);
        }
        true
    }
}

#[test]
fn nobody_sleeps_at_dispatch_level() {
    let bench = Bench::start::<Sleepy>();
    let mut request = bench.command(0x28, 512);
    request.timeout = Duration::from_secs(5);
    assert!(bench.lab.execute(request).is_success());
    assert_eq!(bench.broken(), ["irql-too-high"]);
}
