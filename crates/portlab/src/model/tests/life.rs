//! Registration, `FindAdapter`, call windows, removal.

use super::bench::{BAR_ADDRESS, Bench, Miniport, call, eventually, extended, notify, out, pool};
use crate::{
    abi::{
        codes::{function_code as code, notification as kind, stor_status},
        configuration::PortConfigurationInformation,
        guest,
        performance::{MessageInterruptInformation, PerfConfigurationData},
        registration::HwInitializationData,
    },
    model::StartError,
};

struct Right;
impl Miniport for Right {}

#[test]
fn a_right_miniport_breaks_no_rule() {
    let bench = Bench::start::<Right>();
    assert!(bench.execute(0x12, 36).is_success());
    for length in [0, 512, 4096, 100_000] {
        assert!(bench.execute(0x28, length).is_success());
    }
    bench.lab.stop().expect("stop");
    bench.lab.restart().expect("restart");
    assert!(bench.execute(0x28, 512).is_success());
    assert!(bench.lab.reset_bus(0).success);
    let limits = bench.lab.limits();
    assert_eq!(
        (limits.max_transfer, limits.alignment_mask, limits.messages),
        (1 << 20, 3, 3)
    );
    let (report, violations) = bench.finish();
    assert!(report.clean, "{report:?} {violations:#?}");
    assert!(violations.is_empty(), "{violations:#?}");
}

struct Interrupted;
impl Miniport for Interrupted {
    fn message(extension: u64, message: u64) -> bool {
        guest::write(extension, &(guest::read::<u64>(extension) + 1));
        message != 2
    }
}

#[test]
fn messages_are_delivered_and_unclaimed_ones_noticed() {
    let bench = Bench::start::<Interrupted>();
    bench.device.fire(0);
    eventually("the interrupt", || bench.lab.statistics().interrupts == 1);
    bench.device.fire(2);
    eventually("the unclaimed interrupt", || {
        bench.lab.statistics().unclaimed_interrupts == 1
    });
    assert_eq!(bench.broken(), ["interrupt-unclaimed"]);
}

struct Incomplete;
impl Miniport for Incomplete {
    fn registration(data: &mut HwInitializationData) {
        data.auto_request_sense = 0;
        data.hw_free_adapter_resources = data.hw_initialize;
    }
}

#[test]
fn registration_is_judged() {
    let broken = Bench::start::<Incomplete>().broken();
    assert_eq!(broken, ["registration-incomplete", "virtual-miniport-callback"]);
}

struct Unset;
impl Miniport for Unset {
    fn configure(configuration: &mut PortConfigurationInformation) {
        configuration.maximum_transfer_length = u32::MAX;
        configuration.number_of_physical_breaks = u32::MAX;
        configuration.alignment_mask = 0x1000;
    }
}

#[test]
fn find_adapter_must_set_its_limits() {
    let broken = Bench::start::<Unset>().broken();
    assert_eq!(
        broken,
        [
            "maximum-transfer-length-unset",
            "number-of-physical-breaks-unset",
            "configuration-invalid"
        ]
    );
}

struct WrongWindow;
impl Miniport for WrongWindow {
    fn find_adapter(extension: u64, configuration: u64) -> u32 {
        let mut success = 7_i32;
        notify(
            kind::ENABLE_PASSIVE_INITIALIZATION,
            extension,
            &[configuration, out(&mut success)],
        );
        assert_eq!(success, 0);
        1
    }

    fn initialize(extension: u64) -> bool {
        assert_eq!(
            call("StorPortGetUncachedExtension", &[extension, extension, 4096]),
            0
        );
        let mut bytes = [0_u8; 64];
        assert_eq!(
            call("StorPortGetBusData", &[extension, 4, 0, 3, out(&mut bytes), 64]),
            0
        );
        assert_eq!(
            call("StorPortGetDeviceBase", &[extension, 5, 0, BAR_ADDRESS, 4096, 0]),
            0
        );
        let marked = extended(code::MARK_DUMP_MEMORY, extension, &[extension, 16, 0]);
        assert_eq!(marked, stor_status::UNSUCCESSFUL);
        true
    }

    fn message(extension: u64, message: u64) -> bool {
        let mut information = MessageInterruptInformation::default();
        let status = extended(
            code::GET_MESSAGE_INTERRUPT_INFORMATION,
            extension,
            &[message, out(&mut information)],
        );
        assert_eq!(status, stor_status::INVALID_DEVICE_REQUEST);
        true
    }
}

#[test]
fn calls_are_tied_to_their_windows() {
    let bench = Bench::start::<WrongWindow>();
    bench.device.fire(1);
    eventually("the interrupt", || bench.lab.statistics().interrupts == 1);
    let (_, violations) = bench.finish();
    let calls: Vec<&str> = violations
        .iter()
        .map(|violation| violation.call.as_str())
        .collect();
    assert!(
        violations
            .iter()
            .all(|violation| violation.rule.contains("-outside-")),
        "{violations:#?}"
    );
    assert_eq!(
        calls,
        [
            "StorPortNotification(EnablePassiveInitialization) in HwStorFindAdapter",
            "StorPortGetUncachedExtension in HwStorInitialize",
            "StorPortGetBusData in HwStorInitialize",
            "StorPortGetDeviceBase in HwStorInitialize",
            "StorPortMarkDumpMemory in HwStorInitialize",
            "StorPortGetMessageInterruptInformation in HwMSInterruptRoutine(message 1)",
        ]
    );
}

struct Resources;
impl Miniport for Resources {
    fn find_adapter(extension: u64, configuration: u64) -> u32 {
        let mut bytes = [0_u8; 64];
        assert_eq!(
            call("StorPortGetBusData", &[extension, 4, 0, 3, out(&mut bytes), 64]),
            64
        );
        assert_eq!(bytes[63], 63);
        let registers = call(
            "StorPortGetDeviceBase",
            &[extension, 5, 0, BAR_ADDRESS, 0x1000, 0],
        );
        assert_ne!(registers, 0);
        let uncached = call("StorPortGetUncachedExtension", &[extension, configuration, 8192]);
        let mut length = 0_u32;
        let device = call(
            "StorPortGetPhysicalAddress",
            &[extension, 0, uncached, out(&mut length)],
        );
        assert_eq!(length, 8192);
        assert_eq!(call("StorPortGetVirtualAddress", &[extension, device]), uncached);
        // A register is plain memory to the driver.
        guest::write(registers + 8, &0x55_u32);
        assert_eq!(guest::read::<u32>(registers + 16), 0x65);
        1
    }

    fn initialize(extension: u64) -> bool {
        let mut data = PerfConfigurationData {
            version: 5,
            size: 40,
            ..PerfConfigurationData::default()
        };
        let query = extended(
            code::INITIALIZE_PERFORMANCE_OPTIMIZATIONS,
            extension,
            &[1, out(&mut data)],
        );
        assert_eq!(query, stor_status::SUCCESS);
        assert_eq!(data.concurrent_channels, 2);
        data.flags = 0x2 | 0x4 | 0x8;
        (
            data.first_redirection_message_number,
            data.last_redirection_message_number,
        ) = (1, 2);
        let mut targets = [0_u64; 2 * 3];
        data.message_targets = out(&mut targets);
        let set = extended(
            code::INITIALIZE_PERFORMANCE_OPTIMIZATIONS,
            extension,
            &[0, out(&mut data)],
        );
        assert_eq!(set, stor_status::SUCCESS);
        assert_eq!((targets[0], targets[2], targets[4]), (1, 1, 2));
        let mut information = MessageInterruptInformation::default();
        let get = |message: u64, information: &mut MessageInterruptInformation| {
            extended(
                code::GET_MESSAGE_INTERRUPT_INFORMATION,
                extension,
                &[message, out(information)],
            )
        };
        assert_eq!(get(2, &mut information), stor_status::SUCCESS);
        assert_eq!(get(3, &mut information), stor_status::INVALID_PARAMETER);
        true
    }
}

#[test]
fn resources_are_as_documented() {
    let bench = Bench::start::<Resources>();
    assert!(bench.execute(0x28, 4096).is_success());
    assert!(bench.lab.reset_bus(0).success);
    let (report, violations) = bench.finish();
    assert!(report.clean && violations.is_empty(), "{violations:#?}");
}

struct Failing;
impl Miniport for Failing {
    fn find_adapter(_extension: u64, _configuration: u64) -> u32 {
        2
    }
}

#[test]
fn a_failing_find_adapter_is_an_error() {
    let bench = Bench::load::<Failing>();
    assert!(matches!(bench.try_start(), Err(StartError::FindAdapter(2))));
}

struct Leaky;
impl Miniport for Leaky {
    fn initialize(_extension: u64) -> bool {
        true
    }

    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        assert_ne!(pool(extension, 100), 0);
        let mut handle = 0_u64;
        assert_eq!(
            extended(code::INITIALIZE_WORKER, extension, &[out(&mut handle)]),
            0
        );
        assert_eq!(
            extended(code::INITIALIZE_TIMER, extension, &[out(&mut handle)]),
            0
        );
        call("StorPortPause", &[extension, 0]);
        1
    }
}

#[test]
fn leaks_are_found_at_removal() {
    let (report, violations) = Bench::start::<Leaky>().finish();
    assert_eq!(report.leaks.len(), 3, "{report:?}");
    let rules: Vec<&str> = violations.iter().map(|violation| violation.rule).collect();
    assert_eq!(
        rules,
        ["paused-forever", "worker-leaked", "timer-leaked", "memory-leaked"]
    );
}

struct BadFree;
impl Miniport for BadFree {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        let block = pool(extension, 64);
        assert_eq!(
            extended(code::FREE_POOL, extension, &[block]),
            stor_status::SUCCESS
        );
        assert_eq!(
            extended(code::FREE_POOL, extension, &[block]),
            stor_status::INVALID_PARAMETER
        );
        let other = pool(extension, 64);
        guest::write(other + 64, &0_u8);
        extended(code::FREE_POOL, extension, &[other]);
        1
    }
}

#[test]
fn bad_frees_and_overruns_are_found() {
    let broken = Bench::start::<BadFree>().broken();
    assert_eq!(broken, ["memory-bad-free", "pool-overrun"]);
}

struct Unknown;
impl Miniport for Unknown {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        assert_eq!(extended(77, extension, &[]), stor_status::NOT_IMPLEMENTED);
        extended(code::FREE_POOL, extension + 8, &[extension]);
        1
    }
}

#[test]
fn what_is_not_modelled_says_so() {
    let (_, violations) = Bench::start::<Unknown>().finish();
    assert_eq!(violations[0].rule, "not-modelled");
    assert!(
        violations[0].detail.contains("InitializeCryptoEngine (77)"),
        "{}",
        violations[0].detail
    );
    assert_eq!(violations[1].rule, "wrong-device-extension");
}

struct Crashing;
impl Miniport for Crashing {
    fn start_io(_extension: u64, _srb: u64) -> bool {
        let file = "src/lib.rs";
        let at = file.as_ptr().expose_provenance() as u64;
        call("KeBugCheckEx", &[0x5250_4E43, at, file.len() as u64, 12, 5]);
        true
    }
}

#[test]
fn a_bug_check_ends_everything_with_a_report() {
    let bench = Bench::start::<Crashing>();
    assert_eq!(bench.execute(0x28, 512).srb_status, 0x30);
    let check = bench.lab.bug_check().expect("a bug check");
    assert_eq!(check.code, 0x5250_4E43);
    assert!(
        check.meaning.starts_with("a panic in the driver's Rust code"),
        "{}",
        check.meaning
    );
    assert_eq!(bench.execute(0x28, 512).srb_status, 0x30);
    let (report, violations) = bench.finish();
    assert!(!report.clean);
    assert_eq!(violations[0].rule, "bug-check");
}

struct Talking;
impl Miniport for Talking {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        let text = c"unit %02x: %s, %d of %I64u (%5.3s|%-4u|)\n";
        let name = c"ready";
        let at = |text: &std::ffi::CStr| text.as_ptr().expose_provenance() as u64;
        call(
            "DbgPrint",
            &[at(text), 10, at(name), u64::from(u32::MAX), 1 << 40, at(name), 7],
        );
        call("StorPortLogError", &[extension, 0, 1, 2, 3, 6, 99]);
        1
    }
}

#[test]
fn output_is_kept() {
    let bench = Bench::start::<Talking>();
    assert_eq!(
        bench.lab.debug_log(),
        ["unit 0a: ready, -1 of 1099511627776 (  rea|7   |)"]
    );
    assert_eq!(bench.lab.event_log()[0].text, "error 0x6, id 0x63, unit 1:2:3");
    assert_eq!(bench.broken(), ["deprecated-call"], "StorPortLogError's");
}

struct Stale;
impl Miniport for Stale {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        let block = pool(extension, 64);
        extended(code::FREE_POOL, extension, &[block]);
        guest::write(block + 16, &1_u8);
        1
    }
}

#[test]
fn use_after_free_is_found() {
    let broken = Bench::load::<Stale>();
    if broken.try_start().is_err() {
        // The block had pages of its own: the write faulted.
        assert_eq!(broken.broken(), ["guard-page-hit", "bug-check"]);
        return;
    }
    assert_eq!(broken.broken(), ["pool-use-after-free"]);
}

struct Unstoppable;
impl Miniport for Unstoppable {
    fn stop(_extension: u64) -> bool {
        false
    }
}

#[test]
fn a_refused_stop_is_no_clean_removal() {
    let (report, violations) = Bench::start::<Unstoppable>().finish();
    assert!(!report.clean);
    assert_eq!(violations[0].rule, "callback-failed");
}

#[test]
fn the_other_reading_of_stop_holds_the_interrupt_lock() {
    struct Locked;
    impl Miniport for Locked {
        fn stop(_extension: u64) -> bool {
            assert!(crate::engine::Context::holds(crate::engine::LockName::Interrupt));
            true
        }
    }
    let bench = Bench::load_with::<Locked>(|options| options.seed = 1);
    bench.try_start().expect("a start");
    let (report, violations) = bench.finish();
    assert!(report.clean && violations.is_empty(), "{violations:#?}");
}
