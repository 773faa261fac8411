//! Callbacks as Storport makes them: locks held, channels, messages, redirected DPCs, layouts of requests, user threads.

use std::{
    collections::BTreeSet,
    sync::mpsc,
    time::{Duration, Instant},
};

use super::bench::{
    BAR_ADDRESS, Bench, Miniport, call, complete, eventually, extended, notify, out, srb_function, word,
};
use crate::{
    abi::{
        codes::{function_code as code, notification as kind, stor_status},
        configuration::PortConfigurationInformation,
        guest,
        performance::{PerfConfigurationData, StartIoPerformanceParameters, perf},
        registration::{HwInitializationData, STOR_FEATURE_EXTRA_IO_INFORMATION},
        srb::{self, StorAddrBtl8, StorageRequestBlock, status},
    },
    engine::{Context, Irql, LockName},
    model::{AdapterControls, Outcome},
};

/// Patience of callbacks that wait for each other.
const PATIENCE: Duration = Duration::from_millis(300);

fn address_of(entry: *const ()) -> u64 {
    entry.expose_provenance() as u64
}

fn add(address: u64, value: i64) -> u64 {
    // Under whatever lock the test is about; the others look at it from outside.
    let sum = guest::read::<u64>(address).wrapping_add_signed(value);
    guest::write(address, &sum);
    sum
}

/// Counts itself in, waits until `wanted` are in at once or patience ends, notes the most there were, counts itself out.
fn meet(count: u64, most: u64, wanted: u64) {
    use std::sync::atomic::{AtomicU64, Ordering};
    let count: *const AtomicU64 = std::ptr::with_exposed_provenance(usize::try_from(count).unwrap());
    let most: *const AtomicU64 = std::ptr::with_exposed_provenance(usize::try_from(most).unwrap());
    #[expect(
        unsafe_code,
        reason = "a word of the device extension, which two processors share"
    )]
    // SAFETY: an aligned word of the live device extension, touched only through atomics.
    let count = unsafe { &*count };
    #[expect(
        unsafe_code,
        reason = "a word of the device extension, which two processors share"
    )]
    // SAFETY: as above.
    let most = unsafe { &*most };
    let inside = count.fetch_add(1, Ordering::SeqCst) + 1;
    most.fetch_max(inside, Ordering::SeqCst);
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end && most.load(Ordering::SeqCst) < wanted {
        std::thread::yield_now();
    }
    count.fetch_sub(1, Ordering::SeqCst);
}

fn submit(bench: &Bench, processors: &[u32]) -> Vec<Outcome> {
    let (sender, receiver) = mpsc::channel();
    for &processor in processors {
        let mut request = bench.command(0x28, 512);
        request.processor = processor;
        let sender = sender.clone();
        bench.lab.submit(
            request,
            Box::new(move |outcome| sender.send(outcome).expect("a listener")),
        );
    }
    processors
        .iter()
        .map(|_| receiver.recv().expect("an outcome"))
        .collect()
}

fn extension_of(bench: &Bench) -> u64 {
    bench.lab.machine.setup().extension
}

/// In half duplex everything but `HwStorBuildIo`, DPCs and work items excludes the interrupt routine.
struct Half;

fn exclusive(extension: u64, times: u64) {
    assert_eq!(
        Context::irql(),
        Irql::DEVICE,
        "the interrupt lock is held at DIRQL"
    );
    assert!(Context::holds(LockName::StartIo) && Context::holds(LockName::Interrupt));
    guest::write(extension, &1_u64);
    for _ in 0..20 {
        call("StorPortStallExecution", &[50]);
    }
    guest::write(extension, &0_u64);
    add(word(extension, times), 1);
}

extern "win64" fn half_timer(extension: u64) -> u64 {
    exclusive(extension, 2);
    0
}

extern "win64" fn half_state_change(extension: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    exclusive(extension, 3);
    0
}

impl Miniport for Half {
    fn registration(data: &mut HwInitializationData) {
        data.hw_build_io = 0;
    }

    fn configure(configuration: &mut PortConfigurationInformation) {
        configuration.synchronization_model = 0;
        // InterruptSynchronizeAll
        configuration.interrupt_synchronization_mode = 1;
    }

    fn passive_initialize(extension: u64) -> bool {
        let timer = address_of(half_timer as *const ());
        notify(kind::REQUEST_TIMER_CALL, extension, &[timer, 1000]);
        let address = StorAddrBtl8 {
            kind: 1,
            address_length: 4,
            ..StorAddrBtl8::default()
        };
        guest::write(word(extension, 16), &address);
        let mut answer = 0_u32;
        let changed = address_of(half_state_change as *const ());
        notify(
            kind::STATE_CHANGE_DETECTED,
            extension,
            &[1, word(extension, 16), 0, changed, 0, out(&mut answer)],
        );
        true
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        exclusive(extension, 4);
        complete(extension, srb, status::SUCCESS);
        true
    }

    fn reset_bus(extension: u64, _path: u64) -> bool {
        exclusive(extension, 5);
        true
    }

    fn message(extension: u64, _message: u64) -> bool {
        assert!(Context::holds(LockName::Interrupt) && !Context::holds(LockName::StartIo));
        if guest::read::<u64>(extension) != 0 {
            guest::write(word(extension, 6), &1_u64);
        }
        add(word(extension, 7), 1);
        true
    }
}

#[test]
fn half_duplex_excludes_interrupts_from_timers_state_changes_resets_and_start_io() {
    let bench = Bench::start::<Half>();
    let extension = extension_of(&bench);
    for message in [1, 2, 3, 4, 1, 2] {
        bench.device.fire(message);
    }
    assert!(submit(&bench, &[0, 1, 0, 1]).iter().all(Outcome::is_success));
    for message in [1, 2, 3, 4, 1, 2] {
        bench.device.fire(message);
    }
    assert!(bench.lab.reset_bus(0).success);
    for times in [2, 3, 4, 5] {
        eventually("every callback", || {
            guest::read::<u64>(word(extension, times)) > 0
        });
    }
    eventually("interrupts", || guest::read::<u64>(word(extension, 7)) >= 4);
    assert_eq!(
        guest::read::<u64>(word(extension, 6)),
        0,
        "an interrupt in between"
    );
    assert_eq!(bench.broken(), ["half-duplex-by-default"]);
}

/// Two messages of two processors.
struct Messages<const MODE: u32>;
impl<const MODE: u32> Miniport for Messages<MODE> {
    fn configure(configuration: &mut PortConfigurationInformation) {
        configuration.interrupt_synchronization_mode = MODE;
    }

    fn message(extension: u64, message: u64) -> bool {
        let own = LockName::Message(u32::try_from(message).unwrap());
        assert_eq!(Context::holds(own), MODE == 2);
        assert_eq!(Context::holds(LockName::Interrupt), MODE == 1);
        meet(extension, word(extension, 1), 2);
        true
    }
}

fn most_messages_at_once<const MODE: u32>() -> u64 {
    let bench = Bench::start::<Messages<MODE>>();
    let extension = extension_of(&bench);
    bench.device.fire(1);
    bench.device.fire(2);
    eventually("both messages", || bench.lab.statistics().interrupts == 2);
    eventually("their end", || guest::read::<u64>(extension) == 0);
    let most = guest::read(word(extension, 1));
    assert!(bench.broken().is_empty());
    most
}

#[test]
fn messages_exclude_each_other_only_under_one_lock() {
    assert_eq!(most_messages_at_once::<2>(), 2, "InterruptSynchronizePerMessage");
    assert_eq!(most_messages_at_once::<1>(), 1, "InterruptSynchronizeAll");
}

fn optimise(extension: u64, flags: u32, channels: u32) {
    let mut data = PerfConfigurationData {
        version: 5,
        size: u32::try_from(size_of::<PerfConfigurationData>()).unwrap(),
        flags,
        concurrent_channels: channels,
        ..PerfConfigurationData::default()
    };
    let set = extended(
        code::INITIALIZE_PERFORMANCE_OPTIMIZATIONS,
        extension,
        &[0, out(&mut data)],
    );
    assert_eq!(set, stor_status::SUCCESS);
}

/// As many requests in `HwStorStartIo` as there are channels, unless a bus reset runs.
struct Channels<const COUNT: u32>;
impl<const COUNT: u32> Miniport for Channels<COUNT> {
    fn initialize(extension: u64) -> bool {
        if COUNT > 1 {
            optimise(extension, perf::CONCURRENT_CHANNELS, COUNT);
        }
        true
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        assert_eq!(
            guest::read::<u64>(word(extension, 3)),
            0,
            "a bus reset is running"
        );
        if srb_function(srb) == 0 {
            assert_eq!(Context::holds(LockName::StartIo), COUNT == 1);
            if COUNT > 1 {
                let mut parameters = StartIoPerformanceParameters {
                    version: 1,
                    size: u32::try_from(size_of::<StartIoPerformanceParameters>()).unwrap(),
                    ..StartIoPerformanceParameters::default()
                };
                let got = extended(
                    code::GET_START_IO_PERFORMANCE_PARAMETERS,
                    extension,
                    &[srb, out(&mut parameters)],
                );
                assert_eq!(got, stor_status::SUCCESS);
                let seen: u64 = guest::read(word(extension, 2));
                guest::write(word(extension, 2), &(seen | 1 << parameters.channel_number));
            }
            meet(extension, word(extension, 1), 2);
        }
        complete(extension, srb, status::SUCCESS);
        true
    }

    fn reset_bus(extension: u64, _path: u64) -> bool {
        assert!(Context::holds(LockName::StartIo));
        for channel in 0..if COUNT > 1 { COUNT } else { 0 } {
            assert!(Context::holds(LockName::Channel(channel)));
        }
        assert_eq!(guest::read::<u64>(extension), 0, "a request is in HwStorStartIo");
        guest::write(word(extension, 3), &1_u64);
        std::thread::sleep(Duration::from_millis(20));
        guest::write(word(extension, 3), &0_u64);
        true
    }
}

fn most_requests_at_once<const COUNT: u32>() -> (u64, u64) {
    let bench = Bench::start::<Channels<COUNT>>();
    let extension = extension_of(&bench);
    let rounds = std::thread::scope(|scope| {
        let resets = scope.spawn(|| (0..4).all(|_| bench.lab.reset_bus(0).success));
        let outcomes = submit(&bench, &[0, 1, 0, 1]);
        outcomes.iter().all(Outcome::is_success) && resets.join().unwrap()
    });
    assert!(rounds);
    let most = guest::read(word(extension, 1));
    let channels = guest::read(word(extension, 2));
    assert!(bench.broken().is_empty());
    (most, channels)
}

#[test]
fn channels_run_at_once_and_a_bus_reset_excludes_them_all() {
    assert_eq!(most_requests_at_once::<2>(), (2, 0b11));
    assert_eq!(most_requests_at_once::<1>().0, 1, "one lock");
}

/// Issues a DPC with each request; word 1 is the set of processors on which it ran.
struct Redirected<const FLAGS: u32>;

extern "win64" fn redirected(_: u64, extension: u64, _: u64, _: u64) -> u64 {
    let seen: u64 = guest::read(word(extension, 1));
    guest::write(word(extension, 1), &(seen | 1 << Context::processor()));
    add(word(extension, 2), 1);
    0
}

impl<const FLAGS: u32> Miniport for Redirected<FLAGS> {
    fn initialize(extension: u64) -> bool {
        optimise(extension, FLAGS, 0);
        true
    }

    fn passive_initialize(extension: u64) -> bool {
        let routine = address_of(redirected as *const ());
        notify(kind::INITIALIZE_DPC, extension, &[word(extension, 8), routine]);
        true
    }

    fn build_io(extension: u64, srb: u64) -> bool {
        if srb_function(srb) == 0 {
            let mut queued = 0_i32;
            notify(
                kind::ISSUE_DPC,
                extension,
                &[word(extension, 8), 0, 0, out(&mut queued)],
            );
        }
        true
    }
}

fn processors_of_dpcs<const FLAGS: u32>() -> u64 {
    let bench = Bench::start::<Redirected<FLAGS>>();
    let extension = extension_of(&bench);
    for round in 1..=8 {
        assert!(bench.execute(0x28, 512).is_success());
        eventually("the DPC", || guest::read::<u64>(word(extension, 2)) == round);
    }
    let seen = guest::read(word(extension, 1));
    assert!(bench.broken().is_empty());
    seen
}

#[test]
fn a_redirected_dpc_runs_on_any_processor() {
    assert_eq!(processors_of_dpcs::<{ perf::DPC_REDIRECTION }>(), 0b11);
    let here = perf::DPC_REDIRECTION | perf::DPC_REDIRECTION_CURRENT_CPU;
    assert_eq!(here, 0x21);
    assert_eq!(processors_of_dpcs::<0x21>(), 0b01);
}

/// Reads extended SRBs as they are documented: by their offsets.
struct Reader;
static LAYOUTS: parking_lot::Mutex<BTreeSet<Vec<u32>>> = parking_lot::Mutex::new(BTreeSet::new());

impl Miniport for Reader {
    fn registration(data: &mut HwInitializationData) {
        data.feature_support |= STOR_FEATURE_EXTRA_IO_INFORMATION;
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        let block: StorageRequestBlock = guest::read(srb);
        if block.srb_function == 0 {
            let offset = |index: u32| -> u32 {
                guest::read(srb + srb::SRB_EX_DATA_OFFSETS as u64 + 4 * u64::from(index))
            };
            let offsets: Vec<u32> = (0..block.num_srb_ex_data).map(offset).collect();
            let header = u32::try_from(srb::SRB_EX_DATA_OFFSETS).unwrap() + 4 * block.num_srb_ex_data;
            let mut parts = vec![(block.address_offset, 16)];
            let mut kinds = BTreeSet::new();
            for &offset in &offsets {
                let [kind, length]: [u32; 2] = guest::read(srb + u64::from(offset));
                kinds.insert(kind);
                parts.push((offset, 8 + length));
            }
            parts.sort_unstable();
            assert!(
                parts
                    .iter()
                    .all(|(start, _)| start.is_multiple_of(8) && *start >= header)
            );
            assert!(parts.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
            assert!(
                parts
                    .iter()
                    .all(|(start, length)| start + length <= block.srb_length)
            );
            assert_eq!(kinds, BTreeSet::from([0x40, 0x80]));
            LAYOUTS
                .lock()
                .insert([vec![block.address_offset], offsets].concat());
        }
        complete(extension, srb, status::SUCCESS);
        true
    }
}

#[test]
fn extended_requests_are_laid_out_in_many_ways() {
    let bench = Bench::start::<Reader>();
    for _ in 0..24 {
        assert!(bench.execute(0x28, 512).is_success());
    }
    let count = LAYOUTS.lock().len();
    assert!(count >= 8, "{count} layouts");
    assert!(bench.broken().is_empty());
}

/// Looks twice at the parameter list of an UNMAP.
struct Twice;
impl Miniport for Twice {
    fn build_io(extension: u64, srb: u64) -> bool {
        let block: StorageRequestBlock = guest::read(srb);
        if block.srb_function == 0 {
            let first: u8 = guest::read(block.data_buffer);
            call("StorPortStallExecution", &[1]);
            let second: u8 = guest::read(block.data_buffer);
            guest::write(extension, &u64::from(first != second));
        }
        true
    }
}

#[test]
fn a_users_thread_writes_to_a_buffer_meanwhile() {
    let bench = Bench::start::<Twice>();
    let request = bench.command(0x42, 24);
    assert!(bench.lab.execute(request).is_success());
    assert_eq!(guest::read::<u64>(extension_of(&bench)), 0);
    let request = bench.command(0x42, 24);
    request.buffer.as_ref().expect("a buffer").keep_changing();
    assert!(bench.lab.execute(request).is_success());
    assert_eq!(guest::read::<u64>(extension_of(&bench)), 1);
    assert!(bench.broken().is_empty());
}

#[test]
fn the_reading_of_stop_can_be_chosen() {
    struct Says;
    static HELD: parking_lot::Mutex<Vec<(bool, Irql)>> = parking_lot::Mutex::new(Vec::new());
    impl Miniport for Says {
        fn stop(_extension: u64) -> bool {
            HELD.lock()
                .push((Context::holds(LockName::Interrupt), Context::irql()));
            true
        }
    }
    for (controls, seed) in [(AdapterControls::Locked, 0), (AdapterControls::Unlocked, 1)] {
        let bench = Bench::load_with::<Says>(|options| {
            options.adapter_controls = controls;
            options.seed = seed;
        });
        bench.try_start().expect("a start");
        assert!(bench.broken().is_empty());
    }
    assert_eq!(*HELD.lock(), [(true, Irql::DEVICE), (false, Irql::PASSIVE)]);
}

/// Waits in `HwStorBuildIo` for an interrupt of its own processor, and does nothing but look at a register meanwhile.
struct Polling;
impl Miniport for Polling {
    fn find_adapter(extension: u64, _configuration: u64) -> u32 {
        let base = call("StorPortGetDeviceBase", &[extension, 5, 0, BAR_ADDRESS, 4096, 0]);
        guest::write(word(extension, 1), &base);
        1
    }

    fn build_io(extension: u64, srb: u64) -> bool {
        if srb_function(srb) == 0 {
            let register: u64 = guest::read(word(extension, 1));
            guest::write(word(extension, 2), &1_u64);
            let end = Instant::now() + 10 * PATIENCE;
            while Instant::now() < end && guest::read::<u64>(extension) == 0 {
                #[expect(unsafe_code, reason = "an access as driver code makes it")]
                // SAFETY: reads a register through its trapped address.
                unsafe {
                    std::arch::asm!("mov {value:e}, dword ptr [{register}]", value = out(reg) _, register = in(reg) register);
                }
            }
            assert_eq!(guest::read::<u64>(extension), 1, "the interrupt did not nest");
            assert_eq!(Context::irql(), Irql::DISPATCH);
        }
        true
    }

    fn message(extension: u64, _message: u64) -> bool {
        guest::write(extension, &1_u64);
        true
    }
}

#[test]
fn interrupts_nest_at_register_accesses() {
    let bench = Bench::start::<Polling>();
    let (sender, receiver) = mpsc::channel();
    bench.lab.submit(
        bench.command(0x28, 512),
        Box::new(move |outcome| sender.send(outcome).expect("a listener")),
    );
    let extension = extension_of(&bench);
    eventually("HwStorBuildIo", || guest::read::<u64>(word(extension, 2)) == 1);
    bench.device.fire(1);
    assert!(receiver.recv().expect("an outcome").is_success());
    assert!(bench.broken().is_empty());
}

/// Looks at what each request comes with.
struct Looker;
static LISTS: parking_lot::Mutex<Vec<Vec<(u64, u32)>>> = parking_lot::Mutex::new(Vec::new());

impl Miniport for Looker {
    fn build_io(extension: u64, srb: u64) -> bool {
        let block: StorageRequestBlock = guest::read(srb);
        if block.srb_function == 0 {
            let own = block.miniport_context;
            assert!(
                guest::is_filled_with(own, 64, crate::memory::FRESH),
                "a zeroed extension"
            );
            guest::fill(own, 64, 0);
            let list = call("StorPortGetScatterGatherList", &[extension, srb]);
            let count: u32 = guest::read(list);
            let element = |index: u64| -> (u64, u32) {
                let at = list + 16 + 24 * index;
                (guest::read(at), guest::read(at + 8))
            };
            LISTS.lock().push((0..u64::from(count)).map(element).collect());
        }
        true
    }
}

#[test]
fn extensions_are_garbage_and_lists_break_where_it_hurts() {
    let bench = Bench::start::<Looker>();
    for _ in 0..16 {
        assert!(bench.execute(0x28, 5 * 4096 + 512).is_success());
    }
    let lists = LISTS.lock();
    let apart = |list: &Vec<(u64, u32)>| {
        list.windows(2)
            .any(|pair| pair[0].0 + u64::from(pair[0].1) != pair[1].0)
    };
    assert!(lists.iter().any(apart), "no list is scattered");
    assert!(
        lists.iter().any(|list| !list[0].0.is_multiple_of(4096)),
        "all begin on a page"
    );
    assert!(
        lists.iter().any(|list| list[0].0.is_multiple_of(4096)),
        "none begins on a page"
    );
    for list in lists.iter() {
        assert_eq!(list.iter().map(|(_, length)| length).sum::<u32>(), 5 * 4096 + 512);
    }
    assert!(bench.broken().is_empty());
}
