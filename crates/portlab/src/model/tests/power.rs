//! Stop and restart, D0 and D3, surprise removal, rebalance.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use zerocopy::IntoBytes as _;

use super::bench::{
    BAR_ADDRESS, Bench, Miniport, call, complete, extended, out, srb_data, srb_function, word,
};
use crate::{
    abi::{
        codes::{function_code as code, stor_status},
        configuration::PortConfigurationInformation,
        control::{
            AdapterControlPower, PofxActive, PofxFState, PowerSettingInfo, SystemPowerHints,
            UnitControlPower, adapter_control, power_state, unit_control,
        },
        guest,
        performance::MessageInterruptInformation,
        power::{PofxComponent, PofxDeviceHead, PofxIdleState},
        srb::{SrbexDataPnp, SrbexDataPower, StorAddrBtl8, function, pnp_action, status},
    },
    device::Device as _,
    engine::{Context, Irql},
    model::{PowerAction, Resources, StartError, SystemPower},
};

/// Where the miniport keeps what it mapped.
const MAPPED: u64 = 8;

/// Maps the first BAR where it is assigned.
fn map(extension: u64, configuration: u64) -> u64 {
    let said: PortConfigurationInformation = guest::read(configuration);
    let start: u64 = guest::read(said.access_ranges);
    let address = call("StorPortGetDeviceBase", &[extension, 5, 0, start, 0x1000, 0]);
    guest::write(word(extension, MAPPED), &address);
    start
}

fn touch(extension: u64) -> u32 {
    let register: u64 = guest::read(word(extension, MAPPED));
    // The read is what counts, whether or not its value is used.
    std::hint::black_box(guest::read(register))
}

/// What Storport told a miniport, in order.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn note(&self, line: String) {
        self.0.lock().expect("a diary").push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("a diary"))
    }
}

/// Notes POWER and PNP requests and FLUSH.
fn note_request(diary: &Diary, srb: u64) {
    match srb_function(srb) {
        function::POWER => {
            let data: SrbexDataPower = guest::read(srb_data(srb));
            diary.note(format!(
                "power request {} {} {}",
                data.srb_power_flags, data.device_power_state, data.power_action
            ));
        }
        function::PNP => {
            let data: SrbexDataPnp = guest::read(srb_data(srb));
            diary.note(format!(
                "pnp request {:#x} {}",
                data.pnp_action, data.srb_pnp_flags
            ));
        }
        function::FLUSH => diary.note(String::from("flush")),
        _ => {}
    }
}

static OLD: Diary = Diary::new();

/// Knows nothing of `ScsiAdapterPower`.
struct Old;
impl Miniport for Old {
    const CONTROLS: &'static [u32] = &[
        adapter_control::SET_RUNNING_CONFIG,
        adapter_control::SET_BOOT_CONFIG,
    ];

    fn configure(configuration: &mut PortConfigurationInformation) {
        configuration.caches_data = 1;
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        note_request(&OLD, srb);
        complete(extension, srb, status::SUCCESS);
        true
    }

    fn stop(_extension: u64) -> bool {
        OLD.note(String::from("stop"));
        true
    }

    fn control(_extension: u64, kind: u32, parameters: u64) -> bool {
        assert_eq!(parameters, 0);
        OLD.note(format!("control {kind}"));
        true
    }
}

#[test]
fn without_adapter_power_an_adapter_is_flushed_told_and_stopped() {
    let bench = Bench::start::<Old>();
    assert!(bench.execute(0x12, 36).is_success());
    assert!(matches!(
        bench.lab.power_up(PowerAction::Sleep),
        Err(StartError::Phase(_))
    ));
    bench.lab.power_down(PowerAction::Sleep).expect("D3");
    assert_eq!(
        OLD.take(),
        [
            "power request 0 4 2",
            "flush",
            "power request 1 4 2",
            "stop",
            "control 3"
        ]
    );
    bench.lab.power_up(PowerAction::Sleep).expect("D0");
    assert_eq!(
        OLD.take(),
        [
            "control 4",
            "control 2",
            "power request 1 1 2",
            "power request 0 1 2"
        ]
    );
    assert!(bench.execute(0x28, 512).is_success());
    assert_eq!(bench.device.power_cycles.load(Ordering::SeqCst), 1);
    assert!(bench.broken().is_empty());
}

static MODERN: Diary = Diary::new();

/// Has both power control types.
struct Modern;
impl Miniport for Modern {
    const CONTROLS: &'static [u32] = &[adapter_control::ADAPTER_POWER];
    const UNIT_CONTROLS: &'static [u32] = &[unit_control::POWER];

    fn configure(configuration: &mut PortConfigurationInformation) {
        configuration.caches_data = 1;
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        note_request(&MODERN, srb);
        complete(extension, srb, status::SUCCESS);
        true
    }

    fn stop(_extension: u64) -> bool {
        MODERN.note(String::from("stop"));
        true
    }

    fn control(_extension: u64, _kind: u32, parameters: u64) -> bool {
        let said: AdapterControlPower = guest::read(parameters);
        assert_eq!((said.header.version, said.header.size), (1, 24));
        assert_eq!(Context::irql(), Irql::DISPATCH);
        MODERN.note(format!("adapter {} {}", said.power_state, said.power_action));
        true
    }

    fn unit_control(_extension: u64, _kind: u32, parameters: u64) -> bool {
        let said: UnitControlPower = guest::read(parameters);
        let unit: StorAddrBtl8 = guest::read(said.address);
        MODERN.note(format!(
            "unit {}:{}:{} {} {}",
            unit.path, unit.target, unit.lun, said.power_state, said.power_action
        ));
        true
    }
}

#[test]
fn adapter_power_replaces_the_power_request_and_the_stop() {
    let bench = Bench::load_with::<Modern>(|options| options.seed = 2);
    bench.try_start().expect("a start");
    assert!(bench.execute(0x12, 36).is_success());
    bench.lab.power_down(PowerAction::Hibernate).expect("D3");
    assert_eq!(MODERN.take(), ["unit 0:0:0 4 3", "flush", "adapter 4 3"]);
    bench.lab.power_up(PowerAction::Hibernate).expect("D0");
    assert_eq!(MODERN.take(), ["adapter 1 3", "unit 0:0:0 1 3"]);
    assert!(bench.broken().is_empty());
    assert_eq!(
        MODERN.take().last().map(String::as_str),
        Some("stop"),
        "a removal stops all the same"
    );
}

struct Refusing;
impl Miniport for Refusing {
    const CONTROLS: &'static [u32] = &[adapter_control::ADAPTER_POWER];

    fn control(_extension: u64, _kind: u32, parameters: u64) -> bool {
        let said: AdapterControlPower = guest::read(parameters);
        said.power_state == power_state::D0
    }
}

#[test]
fn a_control_type_that_is_supported_succeeds() {
    let bench = Bench::start::<Refusing>();
    bench.lab.power_down(PowerAction::None).expect("D3 all the same");
    bench.lab.power_up(PowerAction::None).expect("D0");
    assert_eq!(bench.broken(), ["power-refused"]);
}

static ISSUED: AtomicU32 = AtomicU32::new(0);

struct Counting;
impl Miniport for Counting {
    fn start_io(extension: u64, srb: u64) -> bool {
        if srb_function(srb) == function::EXECUTE_SCSI {
            ISSUED.fetch_add(1, Ordering::SeqCst);
        }
        complete(extension, srb, status::SUCCESS);
        true
    }
}

#[test]
fn requests_of_a_powered_down_adapter_wait_and_go_on_afterwards() {
    let bench = Bench::start::<Counting>();
    bench.lab.power_down(PowerAction::Sleep).expect("D3");
    let (sender, receiver) = mpsc::channel();
    for _ in 0..8 {
        let sender = sender.clone();
        bench.lab.submit(
            bench.command(0x28, 512),
            Box::new(move |outcome| sender.send(outcome).expect("a receiver")),
        );
    }
    assert!(receiver.recv_timeout(Duration::from_millis(200)).is_err());
    assert_eq!(ISSUED.load(Ordering::SeqCst), 0, "given to an adapter in D3");
    bench.lab.power_up(PowerAction::Sleep).expect("D0");
    for _ in 0..8 {
        let outcome = receiver.recv_timeout(Duration::from_secs(5)).expect("an outcome");
        assert!(outcome.is_success());
    }
    assert!(bench.broken().is_empty());
}

/// Reads a register when it is told to stop a second time, or by a late interrupt.
struct Late;
impl Miniport for Late {
    const UNIT_CONTROLS: &'static [u32] = &[unit_control::SURPRISE_REMOVAL];

    fn find_adapter(extension: u64, configuration: u64) -> u32 {
        map(extension, configuration);
        1
    }

    fn unit_control(extension: u64, _kind: u32, _parameters: u64) -> bool {
        assert_eq!(touch(extension), u32::MAX);
        true
    }
}

#[test]
fn registers_of_an_adapter_in_d3_are_not_touched() {
    let bench = Bench::start::<Late>();
    assert!(bench.execute(0x12, 36).is_success());
    bench.lab.power_down(PowerAction::Sleep).expect("D3");
    bench.lab.notice_absence().expect("it was started");
    let (_, violations) = bench.finish();
    assert_eq!(
        violations[0].rule, "register-access-without-power",
        "{violations:#?}"
    );
}

/// Forgets a request.
struct Forgetful;
impl Miniport for Forgetful {
    fn start_io(extension: u64, srb: u64) -> bool {
        match srb_function(srb) {
            function::EXECUTE_SCSI | function::RESET_LOGICAL_UNIT => {}
            _ => complete(extension, srb, status::SUCCESS),
        }
        true
    }

    fn reset_bus(_extension: u64, _path: u64) -> bool {
        false
    }
}

#[test]
fn an_adapter_that_keeps_a_request_is_not_powered_down() {
    let bench = Bench::start::<Forgetful>();
    let mut command = bench.command(0x28, 512);
    command.timeout = Duration::from_secs(100);
    bench.lab.submit(command, Box::new(drop));
    assert!(matches!(
        bench.lab.power_down(PowerAction::Sleep),
        Err(StartError::NotAtRest)
    ));
    let broken = bench.broken();
    assert_eq!(broken, ["requests-block-stop", "srb-not-completed-at-removal"]);
}

static PULLED: Diary = Diary::new();

struct Hot;
impl Miniport for Hot {
    const CONTROLS: &'static [u32] = &[adapter_control::SURPRISE_REMOVAL];
    const UNIT_CONTROLS: &'static [u32] = &[unit_control::SURPRISE_REMOVAL, unit_control::REMOVE];

    fn find_adapter(extension: u64, configuration: u64) -> u32 {
        map(extension, configuration);
        1
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        note_request(&PULLED, srb);
        complete(extension, srb, status::SUCCESS);
        true
    }

    fn stop(extension: u64) -> bool {
        PULLED.note(format!("stop {:#x}", touch(extension)));
        true
    }

    fn control(_extension: u64, kind: u32, _parameters: u64) -> bool {
        PULLED.note(format!("control {kind}"));
        true
    }

    fn unit_control(_extension: u64, kind: u32, _parameters: u64) -> bool {
        PULLED.note(format!("unit control {kind}"));
        true
    }
}

#[test]
fn a_surprise_removal_is_told_and_then_a_removal() {
    let bench = Bench::start::<Hot>();
    assert!(bench.execute(0x12, 36).is_success());
    bench.lab.pull_device().expect("it can be pulled");
    assert!(!bench.device.alive());
    bench.lab.notice_absence().expect("it was started");
    assert_eq!(bench.execute(0x28, 512).srb_status, status::NO_DEVICE);
    let surprise = pnp_action::SURPRISE_REMOVAL;
    assert_eq!(
        PULLED.take(),
        [
            String::from("unit control 10"),
            format!("pnp request {surprise:#x} 0"),
            String::from("control 16"),
            format!("pnp request {surprise:#x} 1"),
        ]
    );
    let (report, violations) = bench.finish();
    assert!(report.clean && violations.is_empty(), "{violations:#?}");
    assert_eq!(
        PULLED.take(),
        [
            "unit control 9",
            "pnp request 0x2 0",
            "pnp request 0x2 1",
            "stop 0xffffffff"
        ]
    );
}

/// Keeps what it has when its device is pulled out.
#[test]
fn a_surprise_removal_brings_requests_back() {
    let bench = Bench::start::<Forgetful>();
    let mut command = bench.command(0x28, 512);
    command.timeout = Duration::from_secs(100);
    let (sender, receiver) = mpsc::channel();
    bench.lab.submit(
        command,
        Box::new(move |outcome| sender.send(outcome).expect("a receiver")),
    );
    let report = bench.lab.surprise_remove().expect("it was started");
    assert!(!report.clean);
    assert_eq!(report.outstanding, 1);
    assert!(receiver.recv().is_ok(), "the request ended");
    let rules: Vec<_> = bench.lab.violations().iter().map(|found| found.rule).collect();
    assert_eq!(rules, ["srb-not-completed-at-removal"]);
}

static STARTS: Mutex<Vec<(u64, u16)>> = Mutex::new(Vec::new());

/// Notes where its BAR is.
struct Moving;
impl Miniport for Moving {
    fn find_adapter(extension: u64, configuration: u64) -> u32 {
        let start = map(extension, configuration);
        let mut space = [0_u8; 64];
        let length = call(
            "StorPortGetBusData",
            &[extension, 4, 0, 3, super::bench::out(&mut space), 64],
        );
        assert_eq!(length, 64);
        STARTS
            .lock()
            .expect("starts")
            .push((start, u16::from(space[0x12])));
        1
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        touch(extension);
        complete(extension, srb, status::SUCCESS);
        true
    }
}

#[test]
fn a_rebalance_gives_other_addresses_and_messages() {
    let bench = Bench::start::<Moving>();
    let before = bench.lab.limits().messages;
    assert!(before > 1);
    let resources = Resources {
        moved_by: 0x10_0000,
        messages: Some(1),
    };
    bench.lab.rebalance(resources).expect("a rebalance");
    assert_eq!(bench.lab.limits().messages, 1);
    assert!(bench.execute(0x28, 512).is_success());
    bench.lab.rebalance(Resources::default()).expect("and back");
    assert_eq!(bench.lab.limits().messages, before);
    assert!(bench.execute(0x28, 512).is_success());
    // The dummy's configuration space counts: byte 12h is 12h.
    assert_eq!(
        *STARTS.lock().expect("starts"),
        [
            (BAR_ADDRESS, 0x12),
            (BAR_ADDRESS + 0x10_0000, 0x22),
            (BAR_ADDRESS, 0x12)
        ]
    );
    assert!(bench.broken().is_empty());
}

/// Needs more than one message, and says so.
struct Demanding;
impl Miniport for Demanding {
    fn initialize(extension: u64) -> bool {
        let mut information = MessageInterruptInformation::default();
        let second = extended(
            code::GET_MESSAGE_INTERRUPT_INFORMATION,
            extension,
            &[1, out(&mut information)],
        );
        second == stor_status::SUCCESS
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        complete(extension, srb, status::SUCCESS);
        true
    }
}

#[test]
fn what_waits_for_an_adapter_that_does_not_start_again_ends() {
    let bench = Bench::start::<Demanding>();
    bench
        .lab
        .rebalance(Resources {
            moved_by: 0,
            messages: Some(1),
        })
        .expect_err("one message is too few");
    let submit = || {
        let (sender, receiver) = mpsc::channel();
        bench.lab.submit(
            bench.command(0x28, 512),
            Box::new(move |outcome| sender.send(outcome).expect("a receiver")),
        );
        receiver
    };
    let waits = submit();
    assert!(waits.try_recv().is_err(), "it waits for the restart");
    bench.lab.give_up();
    let outcome = waits.recv_timeout(Duration::from_secs(10)).expect("it ended");
    assert_eq!(outcome.srb_status, status::NO_HBA);
    let late = submit().recv_timeout(Duration::from_secs(10)).expect("it ended");
    assert_eq!(late.srb_status, status::NO_HBA);
    assert!(bench.broken().is_empty());
}

/// Goes on with the registers of its first start.
struct Staying;
impl Miniport for Staying {
    fn find_adapter(extension: u64, configuration: u64) -> u32 {
        if guest::read::<u64>(word(extension, MAPPED)) == 0 {
            map(extension, configuration);
        }
        1
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        touch(extension);
        complete(extension, srb, status::SUCCESS);
        true
    }
}

#[test]
fn registers_mapped_before_a_rebalance_are_gone() {
    let bench = Bench::start::<Staying>();
    assert!(bench.execute(0x28, 512).is_success());
    bench
        .lab
        .rebalance(Resources {
            moved_by: 0x10_0000,
            messages: None,
        })
        .expect("a rebalance");
    assert!(bench.execute(0x28, 512).is_success());
    let broken = bench.broken();
    // The removal's requests touch them, too.
    assert!(
        broken.len() > 1 && broken.iter().all(|rule| *rule == "register-range-released"),
        "{broken:?}"
    );
}

static IDLE: Diary = Diary::new();

/// Registers with the power framework.
struct Idling;
impl Miniport for Idling {
    const CONTROLS: &'static [u32] = &[
        adapter_control::ADAPTER_POWER,
        adapter_control::POFX_POWER_REQUIRED,
        adapter_control::POFX_POWER_ACTIVE,
        adapter_control::POFX_POWER_SET_F_STATE,
    ];

    fn passive_initialize(extension: u64) -> bool {
        let head = PofxDeviceHead {
            version: 1,
            size: 128,
            component_count: 1,
            flags: 0,
        };
        let component = PofxComponent {
            version: 1,
            size: 112,
            f_state_count: 2,
            ..PofxComponent::default()
        };
        let state = PofxIdleState {
            version: 1,
            size: 32,
            ..PofxIdleState::default()
        };
        let mut device = [
            head.as_bytes(),
            component.as_bytes(),
            state.as_bytes(),
            state.as_bytes(),
        ]
        .concat();
        let size = u32::try_from(device.len()).expect("a size");
        device[4..8].copy_from_slice(&size.to_le_bytes());
        device[20..24].copy_from_slice(&(size - 16).to_le_bytes());
        let mut cold = 0_u8;
        let status = extended(48, extension, &[0, out(&mut device[0]), out(&mut cold)]);
        assert_eq!(status, 0);
        true
    }

    fn control(_extension: u64, kind: u32, parameters: u64) -> bool {
        IDLE.note(match kind {
            adapter_control::POFX_POWER_REQUIRED => format!("required {}", guest::read::<u8>(parameters)),
            adapter_control::POFX_POWER_ACTIVE => {
                format!("active {}", guest::read::<PofxActive>(parameters).active)
            }
            adapter_control::POFX_POWER_SET_F_STATE => {
                format!("F{}", guest::read::<PofxFState>(parameters).f_state)
            }
            _ => format!(
                "D{}",
                guest::read::<AdapterControlPower>(parameters).power_state - 1
            ),
        });
        true
    }
}

#[test]
fn an_idle_adapter_goes_to_its_deepest_state_and_comes_back_before_the_first_request() {
    let bench = Bench::start::<Idling>();
    assert!(bench.lab.idle().expect("it is registered"));
    assert_eq!(IDLE.take(), ["active 0", "F1", "required 0", "D3"]);
    bench.lab.wake().expect("it wakes");
    assert_eq!(IDLE.take(), ["required 1", "D0", "F0", "active 1"]);
    assert!(bench.execute(0x28, 512).is_success());
    assert!(bench.broken().is_empty());
}

#[test]
fn an_adapter_that_did_not_register_does_not_idle() {
    let bench = Bench::start::<Counting>();
    assert!(!bench.lab.idle().expect("no harm"));
    assert!(bench.broken().is_empty());
}

/// Is asked and told everything.
struct Hearing;
impl Miniport for Hearing {
    const CONTROLS: &'static [u32] = &[
        adapter_control::POWER_SETTING_NOTIFICATION,
        adapter_control::PREPARE_FOR_BUS_RESCAN,
        adapter_control::SYSTEM_POWER_HINTS,
        adapter_control::SERIAL_NUMBER,
    ];

    fn passive_initialize(extension: u64) -> bool {
        let mut guids = [[1_u8; 16], [2; 16]];
        extended(26, extension, &[2, out(&mut guids)]) == 0
    }

    fn control(_extension: u64, kind: u32, parameters: u64) -> bool {
        assert_eq!(Context::irql(), Irql::PASSIVE);
        match kind {
            adapter_control::POWER_SETTING_NOTIFICATION => {
                let said: PowerSettingInfo = guest::read(parameters);
                said.setting == [2; 16] && said.length == 4 && guest::read::<u32>(said.value) == 7
            }
            adapter_control::SYSTEM_POWER_HINTS => {
                let said: SystemPowerHints = guest::read(parameters);
                (said.version, said.size, said.power, said.resume_latency) == (1, 16, 2, 250)
            }
            adapter_control::SERIAL_NUMBER => {
                guest::write_bytes(parameters + 9, b"LAB-7\0");
                true
            }
            _ => parameters == 0,
        }
    }
}

#[test]
fn what_a_miniport_reports_as_supported_it_is_told_and_asked() {
    let bench = Bench::start::<Hearing>();
    let lab = &bench.lab;
    assert!(!lab.change_power_setting([3; 16], &[0; 4]).expect("not asked for"));
    assert!(
        lab.change_power_setting([2; 16], &7_u32.to_le_bytes())
            .expect("told")
    );
    let resume = Duration::from_millis(250);
    assert!(lab.hint_power(SystemPower::Low, resume).expect("told"));
    assert!(lab.prepare_rescan().expect("told"));
    assert_eq!(lab.serial_number().expect("asked").as_deref(), Some("LAB-7"));
    assert!(bench.broken().is_empty());
    let silent = Bench::start::<Counting>();
    assert_eq!(silent.lab.serial_number().expect("not supported"), None);
    assert!(!silent.lab.prepare_rescan().expect("not supported"));
    assert!(silent.broken().is_empty());
}

static FOUND_AT: Mutex<Vec<Irql>> = Mutex::new(Vec::new());

/// Has no `ScsiRestartAdapter`.
struct Unrestartable;
impl Miniport for Unrestartable {
    const RESTARTS: bool = false;

    fn find_adapter(_extension: u64, _configuration: u64) -> u32 {
        FOUND_AT.lock().expect("a list").push(Context::irql());
        1
    }
}

#[test]
fn without_restart_the_adapter_is_found_again_at_dispatch_level() {
    let bench = Bench::start::<Unrestartable>();
    bench.lab.power_down(PowerAction::Sleep).expect("D3");
    bench.lab.power_up(PowerAction::Sleep).expect("D0");
    assert!(bench.execute(0x28, 512).is_success());
    bench.lab.rebalance(Resources::default()).expect("a rebalance");
    assert_eq!(
        *FOUND_AT.lock().expect("a list"),
        [Irql::PASSIVE, Irql::DISPATCH, Irql::PASSIVE]
    );
    assert!(bench.broken().is_empty());
}
