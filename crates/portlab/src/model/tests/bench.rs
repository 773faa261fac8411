//! A device without logic, fake miniports, and the calls they make.

use std::{
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use crate::{
    abi::{
        GuestAddress,
        codes::{function_code as code, notification as kind},
        configuration::{
            INTERRUPT_SYNCHRONIZE_PER_MESSAGE, PortConfigurationInformation, SYNCHRONIZE_FULL_DUPLEX,
        },
        control::{adapter_control, unit_control},
        entry::{Routine, ulong},
        exports, guest,
        registration::HwInitializationData,
        srb::{SRB_EX_DATA_OFFSETS, SrbexDataScsiCdb16, StorageRequestBlock, function, status},
    },
    device::{Bar, Device, DeviceError, DmaRegion, InterruptSink, LineSink, Movable, Width},
    model::{
        AdapterParameters, Address, Direction, DumpError, DumpMode, DumpPlan, DumpReport, Lab, LabOptions,
        Outcome, RemovalReport, Request, StartError, Violation,
    },
};

/// A PCI function whose registers are a word of memory.
pub(super) struct Dummy {
    dma: DmaRegion,
    bars: Vec<Bar>,
    sink: Mutex<Option<InterruptSink>>,
    register: Mutex<u64>,
    line: Mutex<Option<LineSink>>,
    /// How often the line is still seen up.
    up: AtomicU32,
    gone: AtomicBool,
    /// How often it lost its power.
    pub(super) power_cycles: AtomicU32,
}

/// Memory shared with it.
const SHARED: u64 = 48 << 20;
pub(super) const BAR_ADDRESS: u64 = 0xFE00_0000;

impl Dummy {
    pub(super) fn new() -> Arc<Self> {
        let memory: OwnedFd = memfd_create("dummy", MemfdFlags::CLOEXEC).expect("a memfd");
        ftruncate(&memory, SHARED).expect("its size");
        Arc::new(Self {
            dma: DmaRegion {
                memory,
                offset: 0,
                device_address: 0x1_0000_0000,
                length: SHARED,
            },
            bars: vec![Bar {
                index: 0,
                address: BAR_ADDRESS,
                length: 0x4000,
            }],
            sink: Mutex::new(None),
            register: Mutex::new(0),
            line: Mutex::new(None),
            up: AtomicU32::new(0),
            gone: AtomicBool::new(false),
            power_cycles: AtomicU32::new(0),
        })
    }

    /// Raises the interrupt line, which stays up for that many looks at it.
    pub(super) fn raise(&self, looks: u32) {
        self.up.store(looks, Ordering::SeqCst);
        let sink = self.line.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink {
            sink();
        }
    }

    /// Sends an interrupt message.
    pub(super) fn fire(&self, message: u16) {
        let sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink {
            sink(message);
        }
    }
}

impl Movable for Dummy {
    fn wants_to_move(&self) -> bool {
        false
    }

    fn advance(&self, _now: Duration) -> Option<Duration> {
        None
    }
}

impl Device for Dummy {
    fn movable(self: Arc<Self>) -> Option<Arc<dyn Movable>> {
        Some(self)
    }

    fn name(&self) -> &'static str {
        "dummy"
    }

    fn config_read(&self, offset: u16, buffer: &mut [u8]) {
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = u8::try_from((usize::from(offset) + index) & 0xFF).unwrap_or(0);
        }
    }

    fn config_write(&self, _offset: u16, _data: &[u8]) {}

    fn bars(&self) -> &[Bar] {
        &self.bars
    }

    fn read(&self, _bar: u8, offset: u64, width: Width) -> u64 {
        if !self.alive() {
            return u64::MAX >> (64 - 8 * width.bytes());
        }
        *self.register.lock().unwrap_or_else(PoisonError::into_inner) + offset
    }

    fn write(&self, _bar: u8, _offset: u64, _width: Width, value: u64) {
        *self.register.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    fn dma(&self) -> &DmaRegion {
        &self.dma
    }

    fn message_count(&self) -> u16 {
        8
    }

    fn enable_messages(&self, _count: u16, sink: InterruptSink) -> Result<(), DeviceError> {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
        Ok(())
    }

    fn disable_messages(&self) {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn enable_line(&self, sink: LineSink) -> Result<(), DeviceError> {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
        Ok(())
    }

    fn disable_line(&self) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn line_asserted(&self) -> bool {
        let less = |looks: u32| looks.checked_sub(1);
        self.up
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
    }

    fn alive(&self) -> bool {
        !self.gone.load(Ordering::SeqCst)
    }

    fn pull(&self) -> Result<(), DeviceError> {
        self.gone.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn cycle_power(&self) -> Result<(), DeviceError> {
        self.power_cycles.fetch_add(1, Ordering::SeqCst);
        *self.register.lock().unwrap_or_else(PoisonError::into_inner) = 0;
        Ok(())
    }
}

/// Calls an export of the model, as driver code does.
pub(super) fn call(name: &str, arguments: &[u64]) -> u64 {
    let address = ["storport.sys", "ntoskrnl.exe"]
        .iter()
        .find_map(|module| exports::resolve(module, name));
    let address = address.expect("the model exports it").expose_provenance();
    Routine::new(address as u64).expect("an address").call(arguments)
}

/// `StorPortExtendedFunction`.
pub(super) fn extended(function: u32, extension: u64, arguments: &[u64]) -> u32 {
    let all: Vec<u64> = [u64::from(function), extension]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    ulong(call("StorPortExtendedFunction", &all))
}

/// `StorPortNotification`.
pub(super) fn notify(notification: u32, extension: u64, arguments: &[u64]) {
    let all: Vec<u64> = [u64::from(notification), extension]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    call("StorPortNotification", &all);
}

/// The address of a local variable.
pub(super) fn out<T>(variable: &mut T) -> u64 {
    std::ptr::from_mut(variable).expose_provenance() as u64
}

/// Completes an SRB.
pub(super) fn complete(extension: u64, srb: u64, srb_status: u8) {
    guest::write(srb + 3, &srb_status);
    notify(kind::REQUEST_COMPLETE, extension, &[srb]);
}

/// The SRB function of an extended SRB.
pub(super) fn srb_function(srb: u64) -> u8 {
    u8::try_from(guest::read::<StorageRequestBlock>(srb).srb_function).unwrap_or(0xFF)
}

/// Address of the `SRBEX_DATA` of an extended SRB.
pub(super) fn srb_data(srb: u64) -> u64 {
    srb + u64::from(guest::read::<u32>(srb + SRB_EX_DATA_OFFSETS as u64))
}

/// The SCSI part of an extended SRB.
pub(super) fn srb_scsi(srb: u64) -> SrbexDataScsiCdb16 {
    guest::read(srb_data(srb))
}

/// Allocates a pool block, as a driver does.
pub(super) fn pool(extension: u64, length: u32) -> u64 {
    let mut address = 0_u64;
    let tag = u64::from(u32::from_le_bytes(*b"tseT"));
    extended(
        code::ALLOCATE_POOL,
        extension,
        &[u64::from(length), tag, out(&mut address)],
    );
    address
}

/// Offset in the device extension of words that fake miniports use.
pub(super) fn word(extension: u64, index: u64) -> GuestAddress {
    extension + 8 * index
}

/// The word that says whether a fake miniport is in dump mode.
const DUMPING: u64 = 62;

/// A miniport that does everything right; tests override what is to go wrong.
pub(super) trait Miniport: 'static {
    fn registration(_data: &mut HwInitializationData) {}

    fn find_adapter(_extension: u64, _configuration: u64) -> u32 {
        1
    }

    fn configure(configuration: &mut PortConfigurationInformation) {
        let _ = configuration;
    }

    fn initialize(_extension: u64) -> bool {
        true
    }

    fn passive_initialize(_extension: u64) -> bool {
        true
    }

    fn build_io(_extension: u64, _srb: u64) -> bool {
        true
    }

    fn start_io(extension: u64, srb: u64) -> bool {
        let known = matches!(
            srb_function(srb),
            function::EXECUTE_SCSI
                | function::PNP
                | function::POWER
                | function::FLUSH
                | function::SHUTDOWN
                | function::RESET_LOGICAL_UNIT
                | function::RESET_DEVICE
        );
        complete(
            extension,
            srb,
            if known {
                status::SUCCESS
            } else {
                status::INVALID_REQUEST
            },
        );
        true
    }

    fn reset_bus(_extension: u64, _path: u64) -> bool {
        true
    }

    fn message(_extension: u64, _message: u64) -> bool {
        true
    }

    fn line(_extension: u64) -> bool {
        true
    }

    fn stop(_extension: u64) -> bool {
        true
    }

    /// Whether it supports `ScsiRestartAdapter`.
    const RESTARTS: bool = true;

    /// Adapter control types beside stop, restart and the query.
    const CONTROLS: &'static [u32] = &[];

    fn control(_extension: u64, _kind: u32, _parameters: u64) -> bool {
        true
    }

    /// Unit control types beside the query.
    const UNIT_CONTROLS: &'static [u32] = &[];

    fn unit_control(_extension: u64, _kind: u32, _parameters: u64) -> bool {
        true
    }
}

extern "win64" fn find_adapter<M: Miniport>(
    extension: u64,
    _: u64,
    _: u64,
    _: u64,
    configuration: u64,
    _: u64,
) -> u64 {
    let mut said: PortConfigurationInformation = guest::read(configuration);
    said.maximum_transfer_length = 1 << 20;
    said.number_of_physical_breaks = 257;
    said.alignment_mask = 3;
    said.number_of_buses = 1;
    said.scatter_gather = 1;
    said.master = 1;
    said.synchronization_model = SYNCHRONIZE_FULL_DUPLEX;
    said.reset_target_supported = 1;
    said.hw_ms_interrupt_routine = (message::<M> as *const ()).expose_provenance() as u64;
    said.interrupt_synchronization_mode = INTERRUPT_SYNCHRONIZE_PER_MESSAGE;
    // Nothing runs at PASSIVE_LEVEL in dump mode.
    guest::write(word(extension, DUMPING), &u64::from(said.dump_mode));
    M::configure(&mut said);
    guest::write(configuration, &said);
    u64::from(M::find_adapter(extension, configuration))
}

extern "win64" fn initialize<M: Miniport>(extension: u64) -> u64 {
    let mut enabled = 0_i32;
    let routine = address_of(passive_initialize::<M> as *const ());
    notify(
        kind::ENABLE_PASSIVE_INITIALIZATION,
        extension,
        &[routine, out(&mut enabled)],
    );
    let dumping = guest::read::<u64>(word(extension, DUMPING)) != 0;
    assert!(enabled == 0 || !dumping);
    u64::from((enabled != 0 || dumping) && M::initialize(extension))
}

extern "win64" fn passive_initialize<M: Miniport>(extension: u64) -> u64 {
    u64::from(M::passive_initialize(extension))
}

extern "win64" fn build_io<M: Miniport>(extension: u64, srb: u64) -> u64 {
    u64::from(M::build_io(extension, srb))
}

extern "win64" fn start_io<M: Miniport>(extension: u64, srb: u64) -> u64 {
    u64::from(M::start_io(extension, srb))
}

extern "win64" fn reset_bus<M: Miniport>(extension: u64, path: u64) -> u64 {
    u64::from(M::reset_bus(extension, path & 0xFFFF_FFFF))
}

extern "win64" fn message<M: Miniport>(extension: u64, message: u64) -> u64 {
    u64::from(M::message(extension, message & 0xFFFF_FFFF))
}

extern "win64" fn line<M: Miniport>(extension: u64) -> u64 {
    u64::from(M::line(extension))
}

extern "win64" fn adapter_control_routine<M: Miniport>(extension: u64, control: u64, parameters: u64) -> u64 {
    let kind = ulong(control);
    match kind {
        adapter_control::QUERY_SUPPORTED_CONTROL_TYPES => {
            let always = [
                adapter_control::QUERY_SUPPORTED_CONTROL_TYPES,
                adapter_control::STOP_ADAPTER,
            ];
            let restart = M::RESTARTS.then_some(&adapter_control::RESTART_ADAPTER);
            for &supported in always.iter().chain(restart).chain(M::CONTROLS) {
                guest::write(parameters + 4 + u64::from(supported), &1_u8);
            }
            0
        }
        adapter_control::STOP_ADAPTER => u64::from(!M::stop(extension)),
        _ if kind == adapter_control::RESTART_ADAPTER || M::CONTROLS.contains(&kind) => {
            u64::from(!M::control(extension, kind, parameters))
        }
        _ => panic!("control type {kind} was not reported as supported"),
    }
}

extern "win64" fn unit_control_routine<M: Miniport>(extension: u64, control: u64, parameters: u64) -> u64 {
    let kind = ulong(control);
    if kind == unit_control::QUERY_SUPPORTED_CONTROL_TYPES {
        for &supported in [kind].iter().chain(M::UNIT_CONTROLS) {
            guest::write(parameters + 4 + u64::from(supported), &1_u8);
        }
        return 0;
    }
    assert!(
        M::UNIT_CONTROLS.contains(&kind),
        "{kind} was not reported as supported"
    );
    u64::from(!M::unit_control(extension, kind, parameters))
}

fn address_of(routine: *const ()) -> u64 {
    routine.expose_provenance() as u64
}

extern "win64" fn driver_entry<M: Miniport>(driver: u64, path: u64) -> u64 {
    let mut data = HwInitializationData {
        size: u32::try_from(size_of::<HwInitializationData>()).unwrap_or(0),
        adapter_interface_type: 5,
        hw_initialize: address_of(initialize::<M> as *const ()),
        hw_start_io: address_of(start_io::<M> as *const ()),
        hw_build_io: address_of(build_io::<M> as *const ()),
        hw_find_adapter: address_of(find_adapter::<M> as *const ()),
        hw_reset_bus: address_of(reset_bus::<M> as *const ()),
        hw_interrupt: address_of(line::<M> as *const ()),
        hw_adapter_control: address_of(adapter_control_routine::<M> as *const ()),
        hw_unit_control: address_of(unit_control_routine::<M> as *const ()),
        device_extension_size: 512,
        srb_extension_size: 64,
        number_of_access_ranges: 2,
        map_buffers: 2,
        need_physical_addresses: 1,
        tagged_queuing: 1,
        auto_request_sense: 1,
        multiple_request_per_lu: 1,
        srb_type_flags: 2,
        address_type_flags: 1,
        ..HwInitializationData::default()
    };
    M::registration(&mut data);
    call("StorPortInitialize", &[driver, path, out(&mut data), 0])
}

/// A fake miniport on the bench.
pub(super) struct Bench {
    pub(super) lab: Lab,
    pub(super) device: Arc<Dummy>,
}

impl Bench {
    /// Loaded, not started.
    pub(super) fn load<M: Miniport>() -> Self {
        Self::load_with::<M>(|_| {})
    }

    /// Loaded, with other options.
    pub(super) fn load_with<M: Miniport>(change: impl FnOnce(&mut LabOptions)) -> Self {
        let device = Dummy::new();
        let mut options = LabOptions::new(PathBuf::from("fake.sys"), Arc::clone(&device) as Arc<dyn Device>);
        options.registry = AdapterParameters {
            bus_type: 0x11,
            msi_supported: true,
            ..AdapterParameters::default()
        };
        change(&mut options);
        let lab = Lab::build(options).expect("a machine");
        lab.driver_entry(Routine::new(address_of(driver_entry::<M> as *const ())))
            .expect("DriverEntry");
        Self { lab, device }
    }

    /// Loaded and started.
    pub(super) fn start<M: Miniport>() -> Self {
        let bench = Self::load::<M>();
        bench.try_start().expect("a start");
        bench
    }

    /// Runs the dump stack with this miniport.
    pub(super) fn dump<M: Miniport>(
        &self,
        mode: DumpMode,
        contents: &[u8],
        identity: Option<Vec<u8>>,
    ) -> Result<DumpReport, DumpError> {
        let plan = DumpPlan {
            unit: Address::default(),
            block_bytes: 512,
            first_block: 4,
            contents: contents.to_vec(),
        };
        let entry = Routine::new(address_of(driver_entry::<M> as *const ()));
        self.lab.dump_from(entry, mode, &plan, identity)
    }

    pub(super) fn try_start(&self) -> Result<(), StartError> {
        self.lab.start()
    }

    /// A command with `length` bytes of data.
    pub(super) fn command(&self, opcode: u8, length: usize) -> Request {
        let mut cdb = vec![0; 10];
        cdb[0] = opcode;
        let buffer = (length > 0).then(|| self.lab.buffer(length).expect("a buffer"));
        Request {
            processor: 0,
            address: Address::default(),
            cdb,
            direction: if length > 0 {
                Direction::In
            } else {
                Direction::None
            },
            buffer,
            timeout: Duration::from_secs(2),
        }
    }

    /// Executes a command.
    pub(super) fn execute(&self, opcode: u8, length: usize) -> Outcome {
        self.lab.execute(self.command(opcode, length))
    }

    /// Removes the adapter; every rule that was broken in its life, warnings included.
    pub(super) fn finish(self) -> (RemovalReport, Vec<Violation>) {
        let report = self.lab.remove();
        let mut all = self.lab.violations();
        all.extend(self.lab.warnings());
        (report, all)
    }

    /// The ids of every rule broken, after the removal.
    pub(super) fn broken(self) -> Vec<&'static str> {
        self.finish().1.iter().map(|violation| violation.rule).collect()
    }
}

/// Waits until `condition` holds.
pub(super) fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}
