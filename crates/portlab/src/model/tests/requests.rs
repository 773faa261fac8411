//! Requests: completion, statuses, sense, lengths, resets, time-outs, queues.

use std::time::Duration;

use super::bench::{
    Bench, Miniport, call, complete, eventually, extended, notify, out, srb_data, srb_function, srb_scsi,
    word,
};
use crate::{
    abi::{
        codes::{function_code as code, notification as kind, stor_status},
        guest,
        performance::StartIoPerformanceParameters,
        srb::{StorageRequestBlock, function, status},
        transfer::{ScatterGatherElement, ScatterGatherHeader},
    },
    model::{Address, Direction, SrbForm, SrbFunction},
};

/// Whether this is a SCSI command: PNP and the like are always answered rightly.
fn is_scsi(srb: u64) -> bool {
    srb_function(srb) == function::EXECUTE_SCSI
}

macro_rules! scsi_miniport {
    ($name:ident, |$extension:ident, $srb:ident| $body:block) => {
        struct $name;
        impl Miniport for $name {
            fn start_io($extension: u64, $srb: u64) -> bool {
                if is_scsi($srb) $body else {
                    complete($extension, $srb, status::SUCCESS);
                }
                true
            }
        }
    };
}

scsi_miniport!(Twice, |extension, srb| {
    complete(extension, srb, status::SUCCESS);
    notify(kind::REQUEST_COMPLETE, extension, &[srb]);
});

#[test]
fn completing_twice() {
    let bench = Bench::start::<Twice>();
    bench.execute(0x28, 512);
    assert_eq!(bench.broken(), ["srb-completed-twice"]);
}

scsi_miniport!(Invented, |extension, srb| {
    notify(kind::REQUEST_COMPLETE, extension, &[extension]);
    complete(extension, srb, status::SUCCESS);
});

#[test]
fn completing_what_is_no_srb() {
    let bench = Bench::start::<Invented>();
    bench.execute(0x28, 512);
    assert_eq!(bench.broken(), ["srb-unknown"]);
}

scsi_miniport!(Pending, |extension, srb| {
    complete(extension, srb, status::PENDING);
});

#[test]
fn completing_as_pending() {
    let bench = Bench::start::<Pending>();
    bench.execute(0x28, 512);
    assert_eq!(bench.broken(), ["srb-completed-pending"]);
}

scsi_miniport!(Toucher, |extension, srb| {
    let block: StorageRequestBlock = guest::read(srb);
    complete(extension, srb, status::SUCCESS);
    guest::write(srb + 40, &1_u32);
    guest::write(block.miniport_context + 8, &1_u32);
});

#[test]
fn touching_after_completion() {
    let bench = Bench::start::<Toucher>();
    bench.execute(0x28, 512);
    let broken = bench.broken();
    if broken.contains(&"guard-page-hit") {
        // This object had pages of its own: the write faulted.
        return;
    }
    assert_eq!(
        broken,
        [
            "srb-touched-after-completion",
            "srb-extension-touched-after-completion"
        ]
    );
}

scsi_miniport!(Scribbler, |extension, srb| {
    guest::write(srb + 24, &0_u32);
    complete(extension, srb, status::SUCCESS);
});

#[test]
fn changing_the_request() {
    let bench = Bench::start::<Scribbler>();
    bench.execute(0x28, 512);
    assert_eq!(bench.broken(), ["srb-header-changed"]);
}

scsi_miniport!(Mismatch, |extension, srb| {
    guest::write(srb_data(srb) + 8, &2_u8);
    complete(extension, srb, status::SUCCESS);
});

#[test]
fn a_scsi_status_with_success() {
    let bench = Bench::start::<Mismatch>();
    bench.execute(0x28, 512);
    assert_eq!(bench.broken(), ["scsi-status-with-srb-success"]);
}

scsi_miniport!(Sense, |extension, srb| {
    let scsi = srb_scsi(srb);
    let sense = [0x70_u8, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0];
    guest::write(scsi.sense_info_buffer, &sense);
    guest::write(srb_data(srb) + 8, &2_u8);
    complete(extension, srb, status::ERROR | status::AUTOSENSE_VALID);
});

#[test]
fn sense_data_comes_back() {
    let bench = Bench::start::<Sense>();
    let outcome = bench.execute(0x28, 512);
    assert_eq!((outcome.srb_status, outcome.scsi_status), (status::ERROR, 2));
    assert_eq!((outcome.sense[2], outcome.sense[12]), (5, 0x20));
    assert!(bench.broken().is_empty());
}

scsi_miniport!(SenseOverrun, |extension, srb| {
    guest::write(srb_data(srb) + 8, &[2_u8, 255]);
    complete(extension, srb, status::ERROR | status::AUTOSENSE_VALID);
});

#[test]
fn sense_beyond_its_buffer() {
    let bench = Bench::start::<SenseOverrun>();
    bench.execute(0x28, 512);
    assert_eq!(bench.broken(), ["sense-overrun"]);
}

scsi_miniport!(Grown, |extension, srb| {
    guest::write(srb + 60, &513_u32);
    complete(extension, srb, status::SUCCESS);
});

#[test]
fn a_grown_transfer_length() {
    let bench = Bench::start::<Grown>();
    bench.execute(0x28, 512);
    assert_eq!(bench.broken(), ["data-length-grown"]);
}

scsi_miniport!(BusyOnce, |extension, srb| {
    let seen: u64 = guest::read(extension);
    guest::write(extension, &(seen + 1));
    if seen == 0 {
        complete(extension, srb, status::BUSY);
    } else {
        complete(extension, srb, status::SUCCESS);
    }
});

#[test]
fn busy_is_tried_again() {
    let bench = Bench::start::<BusyOnce>();
    assert!(bench.execute(0x28, 512).is_success());
    assert_eq!(bench.lab.statistics().busy_retries, 1);
    assert!(bench.broken().is_empty());
}

scsi_miniport!(BusyForever, |extension, srb| {
    complete(extension, srb, status::BUSY);
});

#[test]
fn a_removal_ends_what_is_to_be_tried_again() {
    let bench = Bench::start::<BusyForever>();
    let (sender, receiver) = std::sync::mpsc::channel();
    for _ in 0..3 {
        let sender = sender.clone();
        bench.lab.submit(
            bench.command(0x28, 512),
            Box::new(move |outcome| sender.send(outcome).expect("a listener")),
        );
    }
    eventually("the first refusal", || bench.lab.statistics().busy_retries > 0);
    let (report, violations) = bench.finish();
    assert!(report.clean, "{report:?} {violations:?}");
    assert_eq!(
        receiver
            .iter()
            .take(3)
            .filter(|outcome| !outcome.is_success())
            .count(),
        3
    );
}

scsi_miniport!(BusyWithData, |extension, srb| {
    let seen: u64 = guest::read(extension);
    guest::write(extension, &(seen + 1));
    if seen == 0 {
        guest::write(srb + 60, &0_u32);
        complete(extension, srb, status::BUSY);
    } else {
        complete(extension, srb, status::SUCCESS);
    }
});

#[test]
fn busy_after_the_command_was_issued() {
    let bench = Bench::start::<BusyWithData>();
    bench.execute(0x28, 512);
    assert_eq!(bench.broken(), ["busy-after-issue"]);
}

struct Obliging;
impl Miniport for Obliging {
    fn start_io(extension: u64, srb: u64) -> bool {
        complete(extension, srb, status::SUCCESS);
        true
    }
}

#[test]
fn an_unknown_function_must_be_refused() {
    let bench = Bench::start::<Obliging>();
    let _ = bench
        .lab
        .srb_function(SrbFunction::Other(0x55), Address::default());
    assert_eq!(bench.broken(), ["unknown-function-not-refused"]);
}

struct Refusing;
impl Miniport for Refusing {
    fn start_io(extension: u64, srb: u64) -> bool {
        complete(extension, srb, status::SUCCESS);
        !is_scsi_after(extension)
    }
}

/// The SRB is gone by now: the extension says what it was.
fn is_scsi_after(extension: u64) -> bool {
    let seen: u64 = guest::read(extension);
    guest::write(extension, &(seen + 1));
    seen == 0
}

#[test]
fn start_io_returns_true() {
    let bench = Bench::start::<Refusing>();
    bench.execute(0x28, 512);
    assert_eq!(bench.broken(), ["start-io-returned-false"]);
}

/// Keeps one request; gives it back when told by the path it is reset with.
struct Keeper;
impl Miniport for Keeper {
    fn start_io(extension: u64, srb: u64) -> bool {
        match srb_function(srb) {
            function::EXECUTE_SCSI if guest::read::<u64>(extension) == 0 => guest::write(extension, &srb),
            function::RESET_LOGICAL_UNIT | function::RESET_DEVICE => {
                complete(extension, srb, status::INVALID_REQUEST);
            }
            _ => complete(extension, srb, status::SUCCESS),
        }
        true
    }

    fn reset_bus(extension: u64, _path: u64) -> bool {
        let resets: u64 = guest::read(word(extension, 1));
        guest::write(word(extension, 1), &(resets + 1));
        let srb: u64 = guest::read(extension);
        if srb != 0 {
            complete(extension, srb, status::BUS_RESET);
        }
        true
    }
}

#[test]
fn a_time_out_escalates_to_a_bus_reset() {
    let bench = Bench::start::<Keeper>();
    let outcome = bench.execute(0x28, 512);
    assert_eq!(outcome.srb_status, status::BUS_RESET);
    let statistics = bench.lab.statistics();
    assert_eq!((statistics.time_outs, statistics.resets), (1, 1));
    assert!(
        bench
            .lab
            .event_log()
            .iter()
            .filter(|event| event.id == 129)
            .count()
            >= 2
    );
    // Life goes on.
    assert!(bench.execute(0x28, 512).is_success());
    assert!(bench.broken().is_empty());
}

/// Loses a request over a reset.
struct Loser;
impl Miniport for Loser {
    fn start_io(extension: u64, srb: u64) -> bool {
        if !is_scsi(srb) {
            complete(extension, srb, status::SUCCESS);
        }
        true
    }
}

#[test]
fn a_reset_completes_what_it_covers() {
    let bench = Bench::start::<Loser>();
    let mut request = bench.command(0x28, 512);
    request.timeout = Duration::from_mins(1);
    let (sender, receiver) = std::sync::mpsc::channel();
    bench.lab.submit(
        request,
        Box::new(move |outcome| sender.send(outcome).expect("a listener")),
    );
    eventually("the issue", || bench.lab.statistics().srbs_issued == 1);
    std::thread::sleep(Duration::from_millis(20));
    let outcome = bench.lab.reset_bus(0);
    assert_eq!((outcome.success, outcome.left_behind), (true, 1));
    assert_eq!(receiver.recv().expect("an outcome").srb_status, status::BUS_RESET);
    assert_eq!(bench.broken(), ["srb-not-completed-by-reset"]);
}

#[test]
fn a_unit_reset_completes_what_it_covers() {
    let bench = Bench::start::<Loser>();
    // The time-out resets the unit; the miniport reports success and keeps the request.
    assert_eq!(bench.execute(0x28, 512).srb_status, status::BUS_RESET);
    assert_eq!(bench.broken(), ["srb-not-completed-by-reset"]);
}

// Checks the scatter/gather list.
scsi_miniport!(Lister, |extension, srb| {
    let list = call("StorPortGetScatterGatherList", &[extension, srb]);
    let head: ScatterGatherHeader = guest::read(list);
    let mut base = 0_u64;
    let mapped = extended(code::GET_SYSTEM_ADDRESS, extension, &[srb, out(&mut base)]);
    assert_eq!(mapped, 0);
    let mut total = 0;
    for index in 0..u64::from(head.number_of_elements) {
        let element: ScatterGatherElement = guest::read(list + 16 + 24 * index);
        assert_ne!(element.physical_address, 0);
        guest::write(base + u64::from(total), &0xAB_u8);
        total += element.length;
    }
    let block: StorageRequestBlock = guest::read(srb);
    assert_eq!(total, block.data_transfer_length);
    let mut parameters = StartIoPerformanceParameters {
        version: 1,
        size: 16,
        ..Default::default()
    };
    let status_of = extended(
        code::GET_START_IO_PERFORMANCE_PARAMETERS,
        extension,
        &[srb, out(&mut parameters)],
    );
    assert_eq!(status_of, stor_status::UNSUCCESSFUL);
    complete(extension, srb, status::SUCCESS);
});

#[test]
fn scatter_gather_lists_cover_the_buffer() {
    let bench = Bench::start::<Lister>();
    for length in [1, 512, 4097, 65_536] {
        let buffer = bench.lab.buffer(length).expect("a buffer");
        buffer.fill(0);
        let mut request = bench.command(0x2A, 0);
        request.direction = Direction::Out;
        request.buffer = Some(buffer.clone());
        assert!(bench.lab.execute(request).is_success());
        assert_eq!(buffer.to_vec()[0], 0xAB);
    }
    assert!(bench.broken().is_empty());
}

/// The old form.
struct Old;
impl Miniport for Old {
    fn start_io(extension: u64, srb: u64) -> bool {
        let block: crate::abi::srb::ScsiRequestBlock = guest::read(srb);
        if block.function == function::EXECUTE_SCSI {
            assert_eq!((block.cdb[0], block.cdb_length, block.lun), (0x12, 10, 0));
        }
        complete(extension, srb, status::SUCCESS);
        true
    }
}

#[test]
fn the_legacy_form() {
    let bench = Bench::load_with::<Old>(|options| options.srb_form = SrbForm::Legacy);
    bench.try_start().expect("a start");
    assert!(bench.execute(0x12, 36).is_success());
    assert!(bench.broken().is_empty());
}

/// Counts how many requests it has at a time.
struct Deep;
impl Miniport for Deep {
    fn start_io(extension: u64, srb: u64) -> bool {
        if !is_scsi(srb) {
            complete(extension, srb, status::SUCCESS);
            return true;
        }
        let opcode = srb_scsi(srb).cdb[0];
        if opcode == 0x12 {
            complete(extension, srb, status::SUCCESS);
            assert_eq!(
                call("StorPortSetDeviceQueueDepth", &[extension, 0, 0, 0, 2]) & 0xFF,
                1
            );
            return true;
        }
        let held: u64 = guest::read(extension);
        guest::write(extension, &(held + 1));
        guest::write(word(extension, 1 + held), &srb);
        true
    }

    fn message(extension: u64, _message: u64) -> bool {
        let held: u64 = guest::read(extension);
        guest::write(extension, &0_u64);
        for index in 0..held {
            complete(
                extension,
                guest::read(word(extension, 1 + index)),
                status::SUCCESS,
            );
        }
        true
    }
}

#[test]
fn the_queue_depth_holds() {
    let bench = Bench::start::<Deep>();
    bench.execute(0x12, 36);
    let (sender, receiver) = std::sync::mpsc::channel();
    for _ in 0..6 {
        let sender = sender.clone();
        let mut request = bench.command(0x28, 512);
        request.timeout = Duration::from_secs(30);
        bench.lab.submit(
            request,
            Box::new(move |outcome| sender.send(outcome).expect("a listener")),
        );
    }
    for issued in [3, 5, 7] {
        eventually("two more requests", || {
            bench.lab.statistics().srbs_issued == issued
        });
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(bench.lab.statistics().srbs_issued, issued);
        bench.device.fire(0);
    }
    for _ in 0..6 {
        assert!(
            receiver
                .recv_timeout(Duration::from_secs(5))
                .expect("an outcome")
                .is_success()
        );
    }
    assert!(bench.broken().is_empty());
}

/// Pauses itself for a while.
struct Pausing;
impl Miniport for Pausing {
    fn initialize(extension: u64) -> bool {
        call("StorPortPause", &[extension, 1]);
        true
    }
}

#[test]
fn a_pause_ends_by_its_time_out() {
    let bench = Bench::start::<Pausing>();
    let outcome = bench.execute(0x28, 512);
    assert!(outcome.is_success());
    assert!(outcome.elapsed > Duration::from_millis(700), "{outcome:?}");
    assert!(bench.broken().is_empty());
}

#[test]
fn a_removal_waits_for_no_lost_request() {
    let bench = Bench::start::<Loser>();
    let mut request = bench.command(0x28, 512);
    request.timeout = Duration::from_mins(1);
    let (sender, receiver) = std::sync::mpsc::channel();
    bench.lab.submit(
        request,
        Box::new(move |outcome| sender.send(outcome).expect("a listener")),
    );
    eventually("the issue", || bench.lab.statistics().srbs_issued == 1);
    let (report, violations) = bench.finish();
    assert_eq!(report.outstanding, 1);
    assert_eq!(violations[0].rule, "srb-not-completed-at-removal");
    assert_eq!(receiver.recv().expect("an outcome").srb_status, status::NO_HBA);
}

scsi_miniport!(Overrunner, |extension, srb| {
    let block: StorageRequestBlock = guest::read(srb);
    let mut address = 0_u64;
    let found = extended(code::GET_SYSTEM_ADDRESS, extension, &[srb, out(&mut address)]);
    assert_eq!(found, stor_status::SUCCESS);
    let end = address + u64::from(block.data_transfer_length);
    if !end.is_multiple_of(4096) {
        guest::write(end, &0x11_u8);
    }
    complete(extension, srb, status::SUCCESS);
});

#[test]
fn writing_beyond_the_data_buffer() {
    let bench = Bench::start::<Overrunner>();
    // Some buffers end with their page: there the write would fault.
    for length in [510, 511, 513, 514, 515, 516] {
        assert!(bench.execute(0x28, length).is_success());
    }
    let mut broken = bench.broken();
    broken.dedup();
    assert_eq!(broken, ["data-buffer-overrun"]);
}

scsi_miniport!(Wild, |extension, srb| {
    guest::write(8, &srb);
    complete(extension, srb, status::SUCCESS);
});

#[test]
fn a_wild_write_is_reported_and_ends_the_life() {
    let bench = Bench::start::<Wild>();
    assert_eq!(bench.execute(0x28, 512).srb_status, status::INTERNAL_ERROR);
    assert_eq!(bench.lab.bug_check().expect("a bug check").code, 0x50);
    let broken = bench.broken();
    assert_eq!(broken, ["guard-page-hit", "bug-check"]);
}

/// Reports a failed reset.
struct Helpless;
impl Miniport for Helpless {
    fn reset_bus(_extension: u64, _path: u64) -> bool {
        false
    }
}

#[test]
fn a_reset_that_fails() {
    let bench = Bench::start::<Helpless>();
    assert!(!bench.lab.reset_bus(0).success);
    assert_eq!(bench.broken(), ["reset-bus-failed"]);
}

/// Works in half duplex, where `HwStorStartIo` runs at DIRQL.
struct Half;
impl Miniport for Half {
    fn configure(configuration: &mut crate::abi::configuration::PortConfigurationInformation) {
        configuration.synchronization_model = 0;
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        assert_eq!(crate::engine::Context::irql(), crate::engine::Irql::DEVICE);
        assert!(crate::engine::Context::holds(crate::engine::LockName::Interrupt));
        complete(extension, srb, status::SUCCESS);
        true
    }
}

#[test]
fn half_duplex() {
    let bench = Bench::start::<Half>();
    assert!(bench.execute(0x28, 512).is_success());
    assert!(bench.lab.reset_bus(0).success);
    // With HwStorBuildIo it is written for full duplex.
    assert_eq!(bench.broken(), ["half-duplex-by-default"]);
}

#[test]
fn requests_wait_for_a_stopped_adapter() {
    struct Right;
    impl Miniport for Right {}
    let bench = Bench::start::<Right>();
    bench.lab.stop().expect("a stop");
    let (sender, receiver) = std::sync::mpsc::channel();
    let request = bench.command(0x28, 512);
    bench.lab.submit(
        request,
        Box::new(move |outcome| sender.send(outcome).expect("a listener")),
    );
    assert!(receiver.recv_timeout(Duration::from_millis(100)).is_err());
    bench.lab.restart().expect("a restart");
    assert!(receiver.recv().expect("an outcome").is_success());
    assert!(bench.broken().is_empty());
}
