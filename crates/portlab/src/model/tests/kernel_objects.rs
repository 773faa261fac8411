//! The kernel's objects, DPCs, lists, memory and registry, as other people's miniports use them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::bench::{Bench, Miniport, call, complete, eventually, out, srb_function, word};
use crate::{
    abi::{guest, srb::status},
    engine::{Context, Irql},
};

const EVENT: u64 = 16;
const DPC: u64 = 24;
const TIMER: u64 = 40;
const DONE: u64 = 56;
const SUCCESS: u64 = 0;
const TIMEOUT: u64 = 0x102;

fn address_of(entry: *const ()) -> u64 {
    entry.expose_provenance() as u64
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [units, vec![0, 0]].concat()
}

fn text(bytes: &[u8]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

/// `KDEFERRED_ROUTINE`: says with what it was called, and sets the event.
extern "win64" fn deferred(dpc: u64, context: u64, first: u64, second: u64) -> u64 {
    assert_eq!((Context::irql(), dpc), (Irql::DISPATCH, word(context, DPC)));
    guest::write(word(context, DONE), &[first, second]);
    call("KeSetEvent", &[word(context, EVENT), 0, 0]);
    0
}

/// Waits for a DPC, for a timer's DPC, and for a periodic timer.
struct Deferring;
impl Miniport for Deferring {
    fn passive_initialize(extension: u64) -> bool {
        let [event, dpc, timer] = [EVENT, DPC, TIMER].map(|index| word(extension, index));
        call("KeInitializeEvent", &[event, 1, 0]);
        call(
            "KeInitializeDpc",
            &[dpc, address_of(deferred as *const ()), extension],
        );
        assert_eq!(guest::read::<u8>(dpc), 0x13);
        let old = call("KfRaiseIrql", &[2]);
        assert_eq!(call("KeInsertQueueDpc", &[dpc, 7, 8]), 1);
        assert_eq!(call("KeInsertQueueDpc", &[dpc, 9, 9]), 0);
        call("KeLowerIrql", &[old]);
        assert_eq!(call("KeWaitForSingleObject", &[event, 0, 0, 0, 0]), SUCCESS);
        assert_eq!(guest::read::<[u64; 2]>(word(extension, DONE)), [7, 8]);
        // A synchronisation event is taken by the wait that it ends.
        let mut none = 0_i64;
        assert_eq!(
            call("KeWaitForSingleObject", &[event, 0, 0, 0, out(&mut none)]),
            TIMEOUT
        );

        call("KeInitializeTimer", &[timer]);
        let relative = (-10_000_i64).cast_unsigned();
        assert_eq!(call("KeSetTimer", &[timer, relative, dpc]), 0);
        assert_eq!(call("KeWaitForSingleObject", &[event, 0, 0, 0, 0]), SUCCESS);
        assert_eq!(call("KeReadStateTimer", &[timer]), 1);
        call("KeInitializeTimerEx", &[timer, 1]);
        assert_eq!(call("KeSetTimerEx", &[timer, relative, 1, 0]), 0);
        for _ in 0..3 {
            let objects = [event, timer];
            let objects = objects.as_ptr().expose_provenance() as u64;
            let ended = call("KeWaitForMultipleObjects", &[2, objects, 1, 0, 0, 0, 0, 0]);
            assert_eq!(ended, SUCCESS + 1);
        }
        assert_eq!(call("KeCancelTimer", &[timer]), 1);
        assert_eq!(call("KeCancelTimer", &[timer]), 0);
        call("KeFlushQueuedDpcs", &[]);
        true
    }
}

#[test]
fn dpcs_and_timers_of_the_kernel_run_and_end_waits() {
    let bench = Bench::start::<Deferring>();
    assert_eq!(bench.broken(), [""; 0]);
}

/// Uses what was never initialised, waits where nobody may, releases too often.
struct Careless;
impl Miniport for Careless {
    fn passive_initialize(extension: u64) -> bool {
        let event = word(extension, EVENT);
        call("KeSetEvent", &[event, 0, 0]);
        call("KeInsertQueueDpc", &[word(extension, DPC), 0, 0]);
        call("KeSetTimer", &[word(extension, TIMER), 0, 0]);
        call("KeInitializeSemaphore", &[event, 1, 2]);
        call("KeReleaseSemaphore", &[event, 0, 2, 0]);
        assert_eq!(call("KeReadStateSemaphore", &[event]), 1);
        let old = call("KfRaiseIrql", &[2]);
        call("KeWaitForSingleObject", &[event, 0, 0, 0, 0]);
        call("KeFlushQueuedDpcs", &[]);
        call("KeLowerIrql", &[old]);
        call("ZwClose", &[0x1234]);
        true
    }
}

#[test]
fn misuse_of_the_kernels_objects() {
    let broken = Bench::start::<Careless>().broken();
    let uninitialised = "kernel-object-uninitialized";
    assert_eq!(
        broken,
        [
            uninitialised,
            uninitialised,
            uninitialised,
            "bad-parameter",
            "irql-too-high",
            "irql-too-high",
            "stale-handle"
        ]
    );
}

/// Leaves a timer set when it is removed.
struct Leaving;
impl Miniport for Leaving {
    fn passive_initialize(extension: u64) -> bool {
        call("KeInitializeTimer", &[word(extension, TIMER)]);
        let an_hour = (-36_000_000_000_i64).cast_unsigned();
        call("KeSetTimer", &[word(extension, TIMER), an_hour, 0]);
        true
    }
}

#[test]
fn a_kernel_timer_does_not_outlive_its_device_extension() {
    let bench = Bench::start::<Leaving>();
    assert_eq!(bench.broken(), ["timer-after-removal"]);
}

static ENDED: AtomicU64 = AtomicU64::new(0);

extern "win64" fn thread(context: u64) -> u64 {
    assert_eq!(Context::irql(), Irql::PASSIVE);
    call("KeSetEvent", &[word(context, EVENT), 0, 0]);
    ENDED.fetch_add(1, Ordering::SeqCst);
    // Returning ends it.
    0
}

/// A thread, its handle and its object.
struct Threaded;
impl Miniport for Threaded {
    fn passive_initialize(extension: u64) -> bool {
        let event = word(extension, EVENT);
        call("KeInitializeEvent", &[event, 0, 0]);
        let (mut handle, mut object) = (0_u64, 0_u64);
        let start = address_of(thread as *const ());
        let made = call(
            "PsCreateSystemThread",
            &[out(&mut handle), 0, 0, 0, 0, start, extension],
        );
        assert_eq!(made, SUCCESS);
        assert_eq!(
            call(
                "ObReferenceObjectByHandle",
                &[handle, 0, 0, 0, out(&mut object), 0]
            ),
            SUCCESS
        );
        assert_eq!(call("KeWaitForSingleObject", &[object, 0, 0, 0, 0]), SUCCESS);
        assert_eq!(call("KeReadStateEvent", &[event]), 1);
        call("ObfDereferenceObject", &[object]);
        assert_eq!(call("ZwClose", &[handle]), SUCCESS);
        true
    }
}

#[test]
fn a_thread_of_the_kernels_can_be_waited_for() {
    let bench = Bench::start::<Threaded>();
    eventually("the thread's end", || ENDED.load(Ordering::SeqCst) > 0);
    assert_eq!(bench.broken(), [""; 0]);
}

/// Lists, and lookaside lists as the headers' inline functions use them.
struct Listing;
impl Miniport for Listing {
    fn passive_initialize(extension: u64) -> bool {
        let (head, lock) = (word(extension, 16), word(extension, 18));
        call("KeInitializeSpinLock", &[lock]);
        guest::write(head, &[head, head]);
        let entries = [word(extension, 20), word(extension, 22)];
        assert_eq!(call("ExInterlockedInsertTailList", &[head, entries[0], lock]), 0);
        assert_eq!(
            call("ExInterlockedInsertHeadList", &[head, entries[1], lock]),
            entries[0]
        );
        assert_eq!(call("ExInterlockedRemoveHeadList", &[head, lock]), entries[1]);
        assert_eq!(call("ExInterlockedRemoveHeadList", &[head, lock]), entries[0]);
        assert_eq!(call("ExInterlockedRemoveHeadList", &[head, lock]), 0);

        let list = word(extension, 32).next_multiple_of(16);
        call(
            "ExInitializeNPagedLookasideList",
            &[list, 0, 0, 0, 96, 0x4b4f_4f4c, 0],
        );
        let [pool, tag, size]: [u32; 3] = guest::read(list + 36);
        assert_eq!((pool, tag, size), (0, 0x4b4f_4f4c, 96));
        assert_eq!(call("ExpInterlockedPopEntrySList", &[list]), 0);
        let entry = call("ExAllocatePoolWithTag", &[0, 96, 0x4b4f_4f4c]);
        assert_eq!(call("ExpInterlockedPushEntrySList", &[list, entry]), 0);
        // The inline depth is the lowest 16 bits of the head.
        assert_eq!(guest::read::<u16>(list), 1);
        assert_eq!(call("ExpInterlockedPopEntrySList", &[list]), entry);
        call("ExpInterlockedPushEntrySList", &[list, entry]);
        call("ExDeleteNPagedLookasideList", &[list]);
        true
    }
}

#[test]
fn lists_and_lookaside_lists() {
    let bench = Bench::start::<Listing>();
    assert_eq!(bench.broken(), [""; 0]);
}

/// Contiguous memory, an MDL, registers by the kernel's own functions.
struct Mapping;
impl Miniport for Mapping {
    fn passive_initialize(_extension: u64) -> bool {
        let memory = call("MmAllocateContiguousMemory", &[8192, u64::MAX]);
        assert_ne!(memory, 0);
        let physical = call("MmGetPhysicalAddress", &[memory]);
        assert_ne!(physical, 0);
        let mdl = call("IoAllocateMdl", &[memory, 8192, 0, 0, 0]);
        call("MmBuildMdlForNonPagedPool", &[mdl]);
        let (mapped, start): (u64, u64) = (guest::read(mdl + 24), guest::read(mdl + 32));
        assert_eq!((mapped, start), (memory, memory));
        assert_eq!(guest::read::<[u32; 2]>(mdl + 40), [8192, 0]);
        assert_eq!(guest::read::<u64>(mdl + 48), physical / 4096);
        assert_eq!(
            call("MmMapLockedPagesSpecifyCache", &[mdl, 0, 1, 0, 0, 0]),
            memory
        );
        let part = call("IoAllocateMdl", &[memory + 4096, 100, 0, 0, 0]);
        call("IoBuildPartialMdl", &[mdl, part, memory + 4096, 100]);
        assert_eq!(guest::read::<u64>(part + 48), physical / 4096 + 1);
        call("IoFreeMdl", &[part]);
        call("IoFreeMdl", &[mdl]);
        call("MmFreeContiguousMemory", &[memory]);
        let registers = call("MmMapIoSpace", &[super::bench::BAR_ADDRESS, 0x1000, 0]);
        assert_ne!(registers, 0);
        call("MmUnmapIoSpace", &[registers, 0x1000]);
        true
    }
}

#[test]
fn memory_of_the_kernels() {
    let bench = Bench::start::<Mapping>();
    assert_eq!(bench.broken(), ["physical-address-from-kernel"]);
}

/// Strings of both widths.
struct Spelling;
impl Miniport for Spelling {
    fn passive_initialize(extension: u64) -> bool {
        let buffer = word(extension, 16);
        let (pattern, name) = (wide("%s-%04x-%S"), wide("disk"));
        let length = call(
            "_snwprintf",
            &[buffer, 40, text(&pattern), text(&name), 0x2A, text(b"x\0")],
        );
        assert_eq!(
            (length, guest::read_wide_string(buffer, 40).as_str()),
            (11, "disk-002a-x")
        );
        assert_eq!(call("_wcsicmp", &[text(&wide("DISK")), text(&name)]), 0);
        assert_eq!(call("wcschr", &[text(&name), u64::from(b's')]), text(&name) + 4);
        assert_eq!(call("strcpy_s", &[buffer, 3, text(b"four\0")]), 34);
        assert_eq!(call("strcpy_s", &[buffer, 5, text(b"four\0")]), 0);
        assert_eq!(
            call("_snprintf_s", &[buffer, 5, u64::MAX, text(b"%d\0"), 123_456]),
            0xFFFF_FFFF
        );
        assert_eq!(guest::read_c_string(buffer, 5), "1234");
        assert_eq!(call("atoi", &[text(b" -12x\0")]).cast_signed(), -12);
        // A UNICODE_STRING from an ANSI_STRING, in pool of the callee's.
        let (ansi, unicode) = (word(extension, 24), word(extension, 28));
        call("RtlInitAnsiString", &[ansi, text(b"abc\0")]);
        assert_eq!(call("RtlAnsiStringToUnicodeString", &[unicode, ansi, 1]), SUCCESS);
        assert_eq!(guest::read_wide_string(guest::read(unicode + 8), 8), "abc");
        call("RtlFreeUnicodeString", &[unicode]);
        true
    }
}

#[test]
fn strings_of_both_widths() {
    let bench = Bench::start::<Spelling>();
    assert_eq!(bench.broken(), [""; 0]);
}

/// Takes an event in its interrupt-driven path: every request sets one, a worker's thread waits.
struct Late;
impl Miniport for Late {
    fn passive_initialize(extension: u64) -> bool {
        call("KeInitializeEvent", &[word(extension, EVENT), 0, 0]);
        true
    }

    fn build_io(extension: u64, srb: u64) -> bool {
        if srb_function(srb) != 0 {
            return true;
        }
        call("KeSetEvent", &[word(extension, EVENT), 0, 0]);
        // Strings of the kernel's are for PASSIVE_LEVEL.
        call("RtlFreeUnicodeString", &[word(extension, 30)]);
        complete(extension, srb, status::SUCCESS);
        false
    }
}

#[test]
fn limits_are_judged_before_the_function() {
    let bench = Bench::start::<Late>();
    let mut request = bench.command(0x28, 512);
    request.timeout = Duration::from_secs(5);
    assert!(bench.lab.execute(request).is_success());
    assert_eq!(bench.broken(), ["irql-too-high"]);
}
