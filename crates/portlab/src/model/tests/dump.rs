//! Dump mode: the right miniport, and what each rule finds.

use std::sync::{Mutex, PoisonError};

use super::bench::{
    Bench, Miniport, call, complete, extended, notify, out, pool, srb_data, srb_function, word,
};
use crate::{
    abi::{
        codes::{function_code as code, notification as kind},
        configuration::{PortConfigurationInformation, STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE},
        guest,
        registration::HwInitializationData,
        srb::{SrbexDataScsiCdb16, StorageRequestBlock, function, status},
    },
    engine::{Context, Irql},
    model::{DumpError, DumpMode, DumpReport},
};

const RIGHT: u8 = 0;
const FORGETS: u8 = 1;
const DEFERS: u8 = 2;
const ASKS_THE_TIME: u8 = 3;
const ALLOCATES: u8 = 4;
const NOT_READY: u8 = 5;
const OTHER: u8 = 6;
const MARKS: u8 = 7;
const TAKES_POOL: u8 = 8;

static DISKS: [Mutex<Vec<u8>>; 9] = [const { Mutex::new(Vec::new()) }; 9];

/// A disk in memory that completes when it is polled; `WRONG` in one way.
struct Disk<const WRONG: u8>;

impl<const WRONG: u8> Disk<WRONG> {
    fn execute(extension: u64, srb: u64) -> u8 {
        let block: StorageRequestBlock = guest::read(srb);
        let scsi: SrbexDataScsiCdb16 = guest::read(srb_data(srb));
        let length = block.data_transfer_length as usize;
        let lba = u32::from_be_bytes([scsi.cdb[2], scsi.cdb[3], scsi.cdb[4], scsi.cdb[5]]) as usize;
        let mut disk = DISKS[usize::from(WRONG)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        disk.resize(1 << 20, 0);
        let dumping = guest::read::<u64>(word(extension, 62)) != 0;
        match scsi.cdb[0] {
            0x12 => {
                let name = if WRONG == OTHER && dumping { b'O' } else { b'R' };
                guest::write_bytes(block.data_buffer, &vec![name; length]);
            }
            0x28 => guest::write_bytes(block.data_buffer, &disk[lba * 512..lba * 512 + length]),
            0x2A => guest::read_bytes(block.data_buffer, &mut disk[lba * 512..lba * 512 + length]),
            _ => {}
        }
        status::SUCCESS
    }
}

impl<const WRONG: u8> Miniport for Disk<WRONG> {
    fn registration(data: &mut HwInitializationData) {
        data.map_buffers = STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE;
    }

    fn find_adapter(extension: u64, configuration: u64) -> u32 {
        let said: PortConfigurationInformation = guest::read(configuration);
        if said.dump_mode == 0 {
            return 1;
        }
        assert_eq!(Context::irql(), Irql::HIGH);
        match WRONG {
            MARKS => {
                let marked = extended(code::MARK_DUMP_MEMORY, extension, &[extension, 64, 0]);
                assert_eq!(marked, 0);
            }
            ALLOCATES => {
                call(
                    "StorPortGetUncachedExtension",
                    &[extension, configuration, 40 << 10],
                );
            }
            TAKES_POOL => assert_eq!(pool(extension, 64), 0),
            _ => {}
        }
        1
    }

    fn initialize(extension: u64) -> bool {
        if guest::read::<u64>(word(extension, 62)) == 0 {
            return true;
        }
        match WRONG {
            DEFERS => {
                let routine = 0x1000;
                notify(kind::INITIALIZE_DPC, extension, &[word(extension, 16), routine]);
            }
            ASKS_THE_TIME => {
                let mut now = 0_u64;
                call("StorPortQuerySystemTime", &[out(&mut now)]);
            }
            _ => {}
        }
        true
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        if srb_function(srb) != function::EXECUTE_SCSI {
            complete(extension, srb, status::SUCCESS);
        } else if guest::read::<u64>(word(extension, 62)) == 0 {
            let status = Self::execute(extension, srb);
            complete(extension, srb, status);
        } else if WRONG == NOT_READY {
            complete(extension, srb, status::ERROR);
        } else {
            guest::write(word(extension, 1), &srb);
        }
        true
    }

    fn line(extension: u64) -> bool {
        let srb: u64 = guest::read(word(extension, 1));
        if srb == 0 || WRONG == FORGETS {
            return false;
        }
        guest::write(word(extension, 1), &0_u64);
        let status = Self::execute(extension, srb);
        complete(extension, srb, status);
        true
    }
}

fn dump<const WRONG: u8>(mode: DumpMode) -> (Result<DumpReport, DumpError>, Vec<&'static str>) {
    let bench = Bench::start::<Disk<WRONG>>();
    let identity = bench.lab.identity(crate::model::Address::default());
    assert!(identity.is_some());
    bench.lab.stop().expect("a stop");
    let contents: Vec<u8> = (0..200 * 512_usize)
        .map(|at| ((at / 512 + at) % 256).try_into().unwrap_or(0))
        .collect();
    let result = bench.dump::<Disk<WRONG>>(mode, &contents, identity);
    bench.lab.restart().expect("a restart");
    if let Ok(report) = &result
        && report.bytes_written > 0
    {
        let disk = DISKS[usize::from(WRONG)].lock().expect("a disk");
        assert_eq!(disk[4 * 512..204 * 512], contents, "seen from outside");
    }
    let (_, violations) = bench.finish();
    (
        result,
        violations.iter().map(|violation| violation.rule).collect(),
    )
}

#[test]
fn a_dump_is_written_by_polling() {
    let (result, rules) = dump::<RIGHT>(DumpMode::Crash);
    let report = result.expect("a dump");
    assert_eq!(
        (report.bytes_written, report.bytes_verified),
        (200 * 512, 200 * 512)
    );
    assert!(
        report.polls >= report.requests && report.requests >= 6,
        "{report:?}"
    );
    assert!(rules.is_empty(), "{rules:?}");
}

#[test]
fn a_request_that_polling_does_not_complete_is_found() {
    let (result, rules) = dump::<FORGETS>(DumpMode::Crash);
    assert!(matches!(result, Err(DumpError::Lost(_))));
    assert!(rules.contains(&"dump-request-not-completed"), "{rules:?}");
}

#[test]
fn work_is_not_deferred_in_dump_mode() {
    assert!(dump::<DEFERS>(DumpMode::Crash).1.contains(&"dump-deferred-work"));
}

#[test]
fn time_is_not_asked_for_in_dump_mode() {
    assert_eq!(dump::<ASKS_THE_TIME>(DumpMode::Crash).1, ["dump-time-query"]);
}

#[test]
fn memory_is_scarce_in_dump_mode() {
    assert_eq!(dump::<ALLOCATES>(DumpMode::Crash).1, ["dump-memory-limit"]);
    assert_eq!(dump::<TAKES_POOL>(DumpMode::Crash).1, ["irql-too-high"]);
}

#[test]
fn the_disk_is_ready_after_initialize() {
    let (result, rules) = dump::<NOT_READY>(DumpMode::Crash);
    assert!(matches!(result, Err(DumpError::Failed { .. })));
    assert_eq!(rules, ["dump-disk-not-ready"]);
}

#[test]
fn a_disk_keeps_its_address_in_dump_mode() {
    assert_eq!(dump::<OTHER>(DumpMode::Crash).1, ["dump-other-address"]);
}

#[test]
fn memory_is_marked_where_it_is_asked_for() {
    let (result, rules) = dump::<MARKS>(DumpMode::MarkMemory);
    assert_eq!(result.expect("no dump").marked, 1);
    assert!(rules.is_empty(), "{rules:?}");
    assert_eq!(dump::<RIGHT>(DumpMode::MarkMemory).1, ["dump-memory-not-marked"]);
}
