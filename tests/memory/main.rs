//! Every memory call of the Storport DDI, executed by a miniport in every callback where it is legal, on a device in memory.

mod device;

#[path = "../miniports/memory/src/protocol.rs"]
mod protocol;

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use device::Scratch;
use portlab::{
    device::Device,
    model::{
        AdapterParameters, Address, Change, DataBuffer, Direction, Lab, LabOptions, Mutation, Outcome,
        Request,
    },
};
use protocol::{
    BUS, CHECKS, CONTIGUOUS, DMA_MEMORY, DPC, DUMP_BUFFER, DUMP_DRIVER, DUMP_MEMORY, DUMP_NAME, EXCHANGE,
    FIND_ADAPTER, FIRST_BYTE, HOST_BUFFER, INITIALIZE, KEPT, MDL, MESSAGE, NOT_RUN, PASSED,
    PASSIVE_INITIALIZE, PLACES, POOL, PORTS, REGISTERS, REPORT, REQUEST, RESET_BUS, RESTART, RUN,
    SCATTER_GATHER, START_IO, TIMER, UNCACHED, WORK_ITEM,
};

/// Legal at any IRQL.
const ANYWHERE: &[usize] = &[KEPT, UNCACHED, REGISTERS, PORTS];
/// Legal up to DISPATCH_LEVEL as well.
const UP_TO_DISPATCH: &[usize] = &[POOL, CONTIGUOUS, DMA_MEMORY, HOST_BUFFER, MDL];

/// The checks that run at each place: the whole list.
fn expected() -> Vec<(usize, Vec<usize>)> {
    let low = [ANYWHERE, UP_TO_DISPATCH].concat();
    let dispatch = [&low[..], &[SCATTER_GATHER]].concat();
    vec![
        (FIND_ADAPTER, [&low[..], &[BUS, DUMP_MEMORY]].concat()),
        (INITIALIZE, ANYWHERE.to_vec()),
        (PASSIVE_INITIALIZE, low.clone()),
        (START_IO, [&dispatch[..], &[REQUEST, DUMP_DRIVER]].concat()),
        (MESSAGE, ANYWHERE.to_vec()),
        (DPC, dispatch.clone()),
        (TIMER, dispatch.clone()),
        (RESET_BUS, dispatch),
        (WORK_ITEM, low),
        (RESTART, ANYWHERE.to_vec()),
    ]
}

struct Bench {
    lab: Lab,
}

fn driver() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| ferronvme_tests::repository().join("target"), PathBuf::from);
    let path = target.join("cross/x86_64-pc-windows-msvc/debug/memory_miniport.dll");
    assert!(
        path.exists(),
        "{} does not exist: `./x test` builds it",
        path.display()
    );
    path
}

impl Bench {
    fn start() -> Self {
        let mut options = LabOptions::new(driver(), Scratch::new() as Arc<dyn Device>);
        options.registry = AdapterParameters {
            msi_supported: true,
            ..AdapterParameters::default()
        };
        let lab = Lab::load(options).unwrap_or_else(|error| panic!("{error}"));
        lab.start()
            .unwrap_or_else(|error| panic!("{error}: {:#?} {:#?}", lab.debug_log(), lab.violations()));
        Self { lab }
    }

    fn command(&self, cdb: &[u8], direction: Direction, buffer: Option<DataBuffer>) -> Outcome {
        let mut bytes = cdb.to_vec();
        bytes.resize(10, 0);
        self.lab.execute(Request {
            processor: 1,
            address: Address::default(),
            cdb: bytes,
            direction,
            buffer,
            timeout: Duration::from_secs(20),
        })
    }

    fn matrix(&self) -> Vec<Vec<u8>> {
        let buffer = self
            .lab
            .buffer(PLACES.len() * CHECKS.len())
            .unwrap_or_else(|error| panic!("{error}"));
        let outcome = self.command(&[REPORT], Direction::In, Some(buffer.clone()));
        assert!(outcome.is_success(), "{outcome:?}");
        buffer.to_vec().chunks(CHECKS.len()).map(<[u8]>::to_vec).collect()
    }

    /// Waits until all that is expected at `place` has run.
    fn await_place(&self, place: usize, checks: &[usize]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while checks.iter().any(|check| self.matrix()[place][*check] == NOT_RUN) {
            assert!(
                Instant::now() < deadline && self.lab.bug_check().is_none(),
                "{}: {:?} {:#?}",
                PLACES[place],
                self.matrix()[place],
                self.lab.bug_check()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn exchange(&self) {
        const BYTES: usize = 3 * 4096;
        let buffer = self.lab.buffer(BYTES).unwrap_or_else(|error| panic!("{error}"));
        let wanted = |index: usize| FIRST_BYTE.wrapping_add(index.to_le_bytes()[0]);
        let bytes: Vec<u8> = (0..BYTES).map(wanted).collect();
        buffer.write(0, &bytes);
        let outcome = self.command(&[EXCHANGE], Direction::In, Some(buffer.clone()));
        assert!(outcome.is_success(), "{outcome:?} {:?}", self.matrix()[START_IO]);
        let turned: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        assert_eq!(buffer.to_vec(), turned, "what was written through the mapping");
    }
}

#[test]
fn every_memory_call_works_wherever_it_is_legal() {
    let bench = Bench::start();
    let expected = expected();
    let checks = |place: usize| {
        let found = expected.iter().find(|(other, _)| *other == place);
        found.map_or(&[][..], |(_, checks)| &checks[..])
    };
    bench.exchange();
    let dump = bench.lab.dump_driver().expect("DUMP_POINTERS is answered");
    assert_eq!((dump.name.as_str(), dump.common_buffer), (DUMP_NAME, DUMP_BUFFER));
    assert_eq!(dump.maximum_transfer_length, Some(4096));
    for place in [START_IO, MESSAGE, DPC, TIMER, WORK_ITEM] {
        let place_byte = u8::try_from(place).unwrap_or(u8::MAX);
        // Twice: whether a scatter/gather list comes at once or later alternates.
        for _ in 0..2 {
            let outcome = bench.command(&[RUN, place_byte], Direction::None, None);
            assert!(outcome.is_success(), "{}: {outcome:?}", PLACES[place]);
            bench.await_place(place, checks(place));
            thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(bench.lab.reset_bus(0).success);
    bench.await_place(RESET_BUS, checks(RESET_BUS));
    bench.lab.stop().unwrap_or_else(|error| panic!("{error}"));
    bench.lab.restart().unwrap_or_else(|error| panic!("{error}"));

    let matrix = bench.matrix();
    let mut wrong = Vec::new();
    for (place, name) in PLACES.iter().enumerate() {
        for (check, what) in CHECKS.iter().enumerate() {
            let wanted = if checks(place).contains(&check) {
                PASSED
            } else {
                NOT_RUN
            };
            let found = matrix[place][check];
            if found != wanted {
                wrong.push(format!("{name}: {what}: {found}, not {wanted}"));
            }
        }
    }
    let removal = bench.lab.remove();
    let violations = bench.lab.violations();
    assert!(wrong.is_empty(), "{wrong:#?}\n{violations:#?}");
    assert!(violations.is_empty(), "{violations:#?}");
    // What was allocated in HwStorFindAdapter is freed by nobody but the framework.
    assert!(removal.clean, "{removal:#?}");
}

/// A wrong answer of the model, and the check in `HwStorStartIo` that sees it.
fn mutations() -> Vec<(&'static str, Change, usize)> {
    const INSUFFICIENT_RESOURCES: u32 = 0xC100_0003;
    let refused = Change::Answer {
        from: 0,
        to: INSUFFICIENT_RESOURCES,
    };
    let ignored = |answer| Change::Ignored { answer };
    let argument = |index, value| Change::Argument { index, value };
    vec![
        ("StorPortAllocatePool", refused, POOL),
        ("StorPortAllocateMdl", refused, MDL),
        ("StorPortBuildMdlForNonPagedPool", refused, MDL),
        // HighestAcceptableAddress, NumberOfBytes, PreferredBytes, Length.
        (
            "StorPortAllocateContiguousMemorySpecifyCacheNode",
            argument(4, 0xFFF),
            CONTIGUOUS,
        ),
        ("StorPortGetPhysicalAddress", ignored(0x1000), CONTIGUOUS),
        ("StorPortAllocateDmaMemory", ignored(0), DMA_MEMORY),
        ("StorPortAllocateHmb", argument(3, 0x1000), HOST_BUFFER),
        ("StorPortBuildScatterGatherList", argument(4, 64), SCATTER_GATHER),
        ("StorPortGetOriginalMdl", ignored(0), REQUEST),
        ("StorPortGetPfns", ignored(0), REQUEST),
        ("StorPortGetSystemAddress", ignored(0), REQUEST),
        ("StorPortGetVirtualAddress", ignored(0), UNCACHED),
        ("StorPortMoveMemory", ignored(0), UNCACHED),
        ("StorPortReadPortUlong", ignored(5), PORTS),
        ("StorPortReadPortBufferUshort", ignored(0), PORTS),
        ("StorPortWritePortBufferUchar", ignored(0), PORTS),
    ]
}

#[test]
fn a_wrong_answer_fails_its_check() {
    let run = |bench: &Bench| {
        let start_io = u8::try_from(START_IO).unwrap_or(u8::MAX);
        let _ = bench.command(&[RUN, start_io], Direction::None, None);
        let buffer = bench
            .lab
            .buffer(3 * 4096)
            .unwrap_or_else(|error| panic!("{error}"));
        let bytes: Vec<u8> = (0..3 * 4096_usize)
            .map(|index| FIRST_BYTE.wrapping_add(index.to_le_bytes()[0]))
            .collect();
        buffer.write(0, &bytes);
        let _ = bench.command(&[EXCHANGE], Direction::In, Some(buffer));
        bench.await_place(START_IO, &[POOL, SCATTER_GATHER, REQUEST]);
    };
    let mut survived = Vec::new();
    for (call, change, check) in mutations() {
        let bench = Bench::start();
        bench.lab.mutate(Some(Mutation {
            call: call.to_owned(),
            change,
        }));
        run(&bench);
        bench.lab.mutate(None);
        let found = bench.matrix()[START_IO][check];
        if bench.lab.mutations_made() == 0 || found == PASSED || found == NOT_RUN {
            survived.push((call, bench.lab.mutations_made(), found));
        }
    }
    assert!(survived.is_empty(), "wrong, and nobody saw it: {survived:#?}");
}
