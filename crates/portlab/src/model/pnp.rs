//! The adapter's life: start, stop, restart, removal.

use std::{sync::Arc, time::Duration};

use super::{
    activity::Activity,
    adapter::{Phase, Setup},
    bus::SLOT,
    error::StartError,
    machine::Machine,
    options::SrbForm,
    request::Address,
    rules,
};
use crate::{
    abi::{
        GuestAddress,
        configuration::{
            AccessRange, INTERRUPT_SYNCHRONIZE_ALL, INTERRUPT_SYNCHRONIZE_PER_MESSAGE, PCI_BUS,
            PortConfigurationInformation, SCSI_DMA64_SYSTEM_SUPPORTED, SP_RETURN_FOUND,
            SP_UNINITIALIZED_VALUE,
        },
        control::{CONTROL_SUCCESS, SupportedControlTypeList, adapter_control, unit_control},
        entry::{Routine, boolean, ulong},
        guest,
        registration::SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK,
        srb::{
            SRB_TYPE_SCSI_REQUEST_BLOCK, SRB_TYPE_STORAGE_REQUEST_BLOCK, STOR_ADDRESS_TYPE_BTL8, StorAddrBtl8,
        },
    },
    engine::{Irql, SpinLock},
    memory::Request,
};

/// Storport's defaults of 10.0.17763.
const MAX_NUMBER_OF_IO: u32 = 1000;
const MAX_IOS_PER_LUN: u32 = 255;
const INITIAL_LUN_QUEUE_DEPTH: u32 = 20;
/// The widest alignment mask that is documented.
const WIDEST_ALIGNMENT: u32 = 0x1FF;
/// `STOR_FEATURE_ADAPTER_CONTROL_PRE_FINDADAPTER`.
const CONTROL_BEFORE_FIND: u32 = 0x100;

impl Machine {
    /// `FindAdapter` and what surrounds it, at PASSIVE_LEVEL. The interrupt messages are connected afterwards.
    pub(super) fn find_adapter(self: &Arc<Self>) -> Result<(), StartError> {
        self.adapter.enter(Phase::Starting);
        self.allocate_extension()?;
        let setup = self.setup();
        let before = setup.registration.feature_support & CONTROL_BEFORE_FIND != 0;
        if before {
            self.query_controls();
        }
        let configuration = self.initial_configuration(&setup);
        let address = setup.configuration_address;
        guest::write(address, &configuration);
        self.write_access_ranges(configuration.access_ranges, configuration.number_of_access_ranges);
        let offered = self.messages_offered();
        self.change_setup(|setup| setup.messages = offered);
        let routine = Routine::new(setup.registration.hw_find_adapter).ok_or(StartError::NotRegistered)?;
        // BOOLEAN Reserved3 lies behind the configuration.
        let reserved = address + size_of::<PortConfigurationInformation>() as u64;
        let arguments = [setup.extension, setup.hw_context, 0, 0, address, reserved];
        let found = self.call(Activity::FindAdapter, Irql::PASSIVE, &[], routine, &arguments);
        let found = ulong(found.ok_or_else(|| self.down())?);
        if found != SP_RETURN_FOUND {
            return Err(StartError::FindAdapter(found));
        }
        let said: PortConfigurationInformation = guest::read(address);
        self.judge_configuration(&said);
        let extended = said.srb_type == SRB_TYPE_STORAGE_REQUEST_BLOCK
            && setup.registration.srb_type_flags & SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK != 0;
        if extended && self.options.srb_form == SrbForm::Legacy {
            return Err(StartError::LegacyRefused);
        }
        let messages = self.messages_wanted(&said, offered);
        self.change_setup(|setup| {
            setup.configuration = said;
            setup.extended_srbs = extended;
            setup.messages = messages;
            setup.perf_flags = 0;
            setup.channels = 1;
            setup.passive_initialize = None;
        });
        self.units.lock().configure(
            said.initial_lun_queue_depth.min(said.max_ios_per_lun),
            said.max_number_of_io,
        );
        if !before {
            self.query_controls();
        }
        Ok(())
    }

    /// The bug check that ended things, as an error.
    pub(super) fn down(&self) -> StartError {
        self.journal
            .bug_check()
            .map_or(StartError::NotRegistered, |check| {
                StartError::BugCheck(check.meaning)
            })
    }

    /// The device extension: zeroed, before the first `FindAdapter` only.
    fn allocate_extension(&self) -> Result<(), StartError> {
        let setup = self.setup();
        if setup.extension != 0 {
            return Ok(());
        }
        let length = setup.registration.device_extension_size as usize;
        let request = Request::new(length, "device extension").guarded().zeroed();
        let extension = self.memory.port_pool(&request).ok_or(StartError::Memory)?.address;
        let ranges = setup.registration.number_of_access_ranges as usize * size_of::<AccessRange>();
        let length = size_of::<PortConfigurationInformation>() + 8 + ranges;
        let request = Request::new(length, "PORT_CONFIGURATION_INFORMATION").zeroed();
        let configuration = self.memory.port_pool(&request).ok_or(StartError::Memory)?.address;
        self.change_setup(|setup| {
            setup.extension = extension;
            setup.configuration_address = configuration;
        });
        Ok(())
    }

    fn initial_configuration(&self, setup: &Setup) -> PortConfigurationInformation {
        let registration = &setup.registration;
        let ranges = setup.configuration_address + size_of::<PortConfigurationInformation>() as u64 + 8;
        let extended = registration.srb_type_flags & SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK != 0
            && self.options.srb_form == SrbForm::AsDriverAsks;
        PortConfigurationInformation {
            length: u32::try_from(size_of::<PortConfigurationInformation>()).unwrap_or(0),
            adapter_interface_type: PCI_BUS,
            bus_interrupt_level: u32::from(Irql::DEVICE.0),
            bus_interrupt_vector: 0x60,
            maximum_transfer_length: SP_UNINITIALIZED_VALUE,
            number_of_physical_breaks: SP_UNINITIALIZED_VALUE,
            dma_channel: SP_UNINITIALIZED_VALUE,
            dma_port: SP_UNINITIALIZED_VALUE,
            number_of_access_ranges: registration.number_of_access_ranges,
            access_ranges: ranges,
            initiator_bus_id: [0xFF; 8],
            map_buffers: registration.map_buffers,
            need_physical_addresses: registration.need_physical_addresses,
            tagged_queuing: registration.tagged_queuing,
            auto_request_sense: registration.auto_request_sense,
            multiple_request_per_lu: registration.multiple_request_per_lu,
            receive_event: registration.receive_event,
            maximum_number_of_targets: 8,
            srb_type: if extended {
                SRB_TYPE_STORAGE_REQUEST_BLOCK
            } else {
                SRB_TYPE_SCSI_REQUEST_BLOCK
            },
            slot_number: SLOT,
            device_extension_size: registration.device_extension_size,
            specific_lu_extension_size: registration.specific_lu_extension_size,
            srb_extension_size: registration.srb_extension_size,
            dma64_bit_addresses: SCSI_DMA64_SYSTEM_SUPPORTED,
            maximum_number_of_logical_units: 8,
            max_number_of_io: MAX_NUMBER_OF_IO,
            max_ios_per_lun: MAX_IOS_PER_LUN,
            initial_lun_queue_depth: INITIAL_LUN_QUEUE_DEPTH,
            ..PortConfigurationInformation::default()
        }
    }

    fn write_access_ranges(&self, address: GuestAddress, count: u32) {
        let mut bars = self.options.device.bars().iter();
        for index in 0..u64::from(count) {
            let range = bars.next().map_or_else(AccessRange::default, |bar| AccessRange {
                range_start: bar.address,
                range_length: u32::try_from(bar.length).unwrap_or(u32::MAX),
                range_in_memory: 1,
                padding: [0; 3],
            });
            guest::write(address + index * size_of::<AccessRange>() as u64, &range);
        }
    }

    /// Messages that Windows would allocate: what the INF allows, what the device has, one per processor and one.
    fn messages_offered(&self) -> u16 {
        let registry = &self.options.registry;
        if !registry.msi_supported {
            return 0;
        }
        let device = self.options.device.message_count();
        let processors = u16::try_from(self.engine.processors() + 1).unwrap_or(u16::MAX);
        let limit = registry
            .message_number_limit
            .map_or(u16::MAX, |limit| u16::try_from(limit).unwrap_or(u16::MAX));
        device.min(processors).min(limit)
    }

    fn messages_wanted(&self, said: &PortConfigurationInformation, offered: u16) -> u16 {
        let mode = said.interrupt_synchronization_mode;
        let message_mode = matches!(
            mode,
            INTERRUPT_SYNCHRONIZE_ALL | INTERRUPT_SYNCHRONIZE_PER_MESSAGE
        );
        if said.hw_ms_interrupt_routine != 0 && message_mode && offered > 0 {
            return offered;
        }
        if self.setup().registration.hw_interrupt != 0 {
            self.not_modelled("line-based interrupts (the miniport has no routine for messages, or the INF no MSISupported)");
        }
        0
    }

    fn judge_configuration(&self, said: &PortConfigurationInformation) {
        if matches!(said.maximum_transfer_length, 0 | SP_UNINITIALIZED_VALUE) {
            self.violate(&rules::TRANSFER_LENGTH_UNSET, || {
                String::from("it is as Storport left it")
            });
        }
        if matches!(said.number_of_physical_breaks, 0 | SP_UNINITIALIZED_VALUE) {
            self.violate(&rules::PHYSICAL_BREAKS_UNSET, || {
                String::from("it is as Storport left it")
            });
        }
        let mask = said.alignment_mask;
        if mask > WIDEST_ALIGNMENT || !(u64::from(mask) + 1).is_power_of_two() {
            self.violate(&rules::CONFIGURATION, || format!("AlignmentMask is {mask:#x}"));
        }
        if said.number_of_buses == 0 {
            self.violate(&rules::CONFIGURATION, || String::from("NumberOfBuses is 0"));
        }
        if said.synchronization_model > 1 {
            self.violate(&rules::CONFIGURATION, || {
                format!("SynchronizationModel is {}", said.synchronization_model)
            });
        }
        if said.synchronization_model == 0 {
            self.violate(&rules::HALF_DUPLEX_CHANNELS, || {
                String::from("SynchronizationModel is as Storport left it")
            });
        }
        if said.scatter_gather == 0 || said.master == 0 {
            self.violate(&rules::CONFIGURATION, || {
                format!(
                    "ScatterGather is {}, Master is {}",
                    said.scatter_gather, said.master
                )
            });
        }
        if said.max_number_of_io == 0 || said.max_ios_per_lun == 0 || said.initial_lun_queue_depth == 0 {
            self.violate(&rules::CONFIGURATION, || String::from("a queue depth is 0"));
        }
    }

    /// Connects the interrupt messages.
    pub(super) fn connect(self: &Arc<Self>) -> Result<(), StartError> {
        let messages = self.setup().messages;
        if messages == 0 {
            return Ok(());
        }
        // The device outlives this life of the driver: it must not keep the machine.
        let machine = Arc::downgrade(self);
        let sink = Arc::new(move |message: u16| {
            if let Some(machine) = machine.upgrade() {
                machine.engine.interrupt(machine.target_of(message), message);
            }
        });
        self.options
            .device
            .enable_messages(messages, sink)
            .map_err(StartError::Device)
    }

    /// `HwStorInitialize` at the device's IRQL under the interrupt lock; runs on a processor's thread.
    pub(super) fn initialize(&self) -> Result<(), StartError> {
        let setup = self.setup();
        let routine = Routine::new(setup.registration.hw_initialize).ok_or(StartError::NotRegistered)?;
        let lock = Arc::clone(&self.adapter.interrupt);
        let result = self.call(
            Activity::Initialize,
            Irql::DEVICE,
            &[&lock],
            routine,
            &[setup.extension],
        );
        if boolean(result.ok_or_else(|| self.down())?) {
            Ok(())
        } else {
            Err(StartError::Initialize)
        }
    }

    /// `HwStorPassiveInitialize`, if the miniport asked for it.
    pub(super) fn passive_initialize(&self) -> Result<(), StartError> {
        let setup = self.setup();
        let Some(routine) = setup.passive_initialize else {
            return Ok(());
        };
        let result = self.call(
            Activity::PassiveInitialize,
            Irql::PASSIVE,
            &[],
            routine,
            &[setup.extension],
        );
        if boolean(result.ok_or_else(|| self.down())?) {
            Ok(())
        } else {
            Err(StartError::PassiveInitialize)
        }
    }

    fn query_controls(&self) {
        let setup = self.setup();
        let adapter = Routine::new(setup.registration.hw_adapter_control).map_or_else(Vec::new, |routine| {
            let query = Activity::AdapterControl(adapter_control::QUERY_SUPPORTED_CONTROL_TYPES);
            self.query_list(query, routine, setup.extension, adapter_control::MAX)
        });
        if adapter.get(adapter_control::STOP_ADAPTER as usize) != Some(&true) {
            self.violate(&rules::CONTROL_NOT_SUPPORTED, || {
                String::from("ScsiStopAdapter is not supported")
            });
        }
        let unit = Routine::new(setup.registration.hw_unit_control).map_or_else(Vec::new, |routine| {
            let query = Activity::UnitControl(unit_control::QUERY_SUPPORTED_CONTROL_TYPES);
            self.query_list(query, routine, setup.extension, unit_control::MAX)
        });
        self.change_setup(|setup| {
            setup.adapter_controls = adapter;
            setup.unit_controls = unit;
        });
    }

    fn query_list(
        &self,
        activity: Activity,
        routine: Routine,
        extension: GuestAddress,
        count: u32,
    ) -> Vec<bool> {
        let head = size_of::<SupportedControlTypeList>();
        let request = Request::new(head + count as usize, "SCSI_SUPPORTED_CONTROL_TYPE_LIST").zeroed();
        let Some(block) = self.memory.port_pool(&request) else {
            return Vec::new();
        };
        guest::write(
            block.address,
            &SupportedControlTypeList {
                max_control_type: count,
            },
        );
        let status = self.call(
            activity,
            Irql::PASSIVE,
            &[],
            routine,
            &[extension, 0, block.address],
        );
        let mut bytes = vec![0; count as usize];
        guest::read_bytes(block.address + head as u64, &mut bytes);
        let _ = self.memory.pool.free(block.address);
        if status.is_some_and(|rax| ulong(rax) != CONTROL_SUCCESS) {
            self.violate(&rules::CONTROL_NOT_SUPPORTED, || format!("{activity} failed"));
            return Vec::new();
        }
        bytes.iter().map(|&byte| byte != 0).collect()
    }

    /// An adapter control that stops or restarts. The documentation gives two accounts of IRQL and locks: an
    /// odd seed follows the callback's page (DIRQL under the interrupt lock), an even one the spin-lock page.
    pub(super) fn adapter_control(&self, kind: u32) -> Result<bool, StartError> {
        let setup = self.setup();
        if !setup.supports_adapter_control(kind) {
            return Ok(false);
        }
        let Some(routine) = Routine::new(setup.registration.hw_adapter_control) else {
            return Ok(false);
        };
        let lock = Arc::clone(&self.adapter.interrupt);
        let locks: &[&Arc<SpinLock>] = if self.locked_controls(kind) { &[&lock] } else { &[] };
        let irql = if self.locked_controls(kind) {
            Irql::DEVICE
        } else {
            Irql::PASSIVE
        };
        let arguments = [setup.extension, u64::from(kind), 0];
        let result = self.call(Activity::AdapterControl(kind), irql, locks, routine, &arguments);
        let status = ulong(result.ok_or_else(|| self.down())?);
        Ok(status == CONTROL_SUCCESS)
    }

    /// Whether this life follows the callback's page for a control type.
    pub(super) fn locked_controls(&self, kind: u32) -> bool {
        !self.options.seed.is_multiple_of(2)
            && matches!(
                kind,
                adapter_control::STOP_ADAPTER | adapter_control::RESTART_ADAPTER
            )
    }

    /// `HwStorUnitControl` for one unit, if the miniport supports the type; at PASSIVE_LEVEL.
    pub(super) fn unit_control(&self, kind: u32, address: Address) {
        let setup = self.setup();
        if !setup.supports_unit_control(kind) {
            return;
        }
        let Some(routine) = Routine::new(setup.registration.hw_unit_control) else {
            return;
        };
        let parameter = StorAddrBtl8 {
            kind: STOR_ADDRESS_TYPE_BTL8,
            address_length: 4,
            path: address.path,
            target: address.target,
            lun: address.lun,
            ..StorAddrBtl8::default()
        };
        let request = Request::new(size_of::<StorAddrBtl8>(), format!("address of unit {address}"));
        let Some(block) = self.memory.port_pool(&request) else {
            return;
        };
        guest::write(block.address, &parameter);
        let arguments = [setup.extension, u64::from(kind), block.address];
        let result = self.call(
            Activity::UnitControl(kind),
            Irql::PASSIVE,
            &[],
            routine,
            &arguments,
        );
        let _ = self.memory.pool.free(block.address);
        if result.is_some_and(|rax| ulong(rax) != CONTROL_SUCCESS) {
            self.violate(&rules::RETURN_VALUE, || {
                format!("HwStorUnitControl({kind}) failed for unit {address}")
            });
        }
    }

    /// Waits until no callback of the driver is running or queued; `false` if that takes too long.
    pub(super) fn settle(&self, limit: Duration) -> bool {
        let deadline = self.engine.now() + limit;
        let mut phase = self.adapter.phase.lock();
        loop {
            let quiet = self.workers.busy() == 0 && self.timers.running() == 0 && self.dpcs.queued() == 0;
            if quiet || self.journal.is_down() {
                return true;
            }
            if self.engine.now() > deadline {
                return false;
            }
            self.adapter.wait(&mut phase, Duration::from_millis(20));
        }
    }
}
