//! `PORT_CONFIGURATION_INFORMATION`: how Storport fills it, and what may be left in it.

use super::{adapter::Setup, bus::SLOT, machine::Machine, options::SrbForm, rules};
use crate::{
    abi::{
        GuestAddress,
        configuration::{
            AccessRange, INTERRUPT_SYNCHRONIZE_ALL, INTERRUPT_SYNCHRONIZE_PER_MESSAGE, PCI_BUS,
            PortConfigurationInformation, SCSI_DMA64_SYSTEM_SUPPORTED, SP_UNINITIALIZED_VALUE,
        },
        guest,
        registration::SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK,
        srb::{SRB_TYPE_SCSI_REQUEST_BLOCK, SRB_TYPE_STORAGE_REQUEST_BLOCK},
    },
    engine::Irql,
};

/// Storport's defaults of 10.0.17763.
const MAX_NUMBER_OF_IO: u32 = 1000;
const MAX_IOS_PER_LUN: u32 = 255;
const INITIAL_LUN_QUEUE_DEPTH: u32 = 20;
/// The widest alignment mask that is documented.
const WIDEST_ALIGNMENT: u32 = 0x1FF;

impl Machine {
    pub(super) fn initial_configuration(&self, setup: &Setup) -> PortConfigurationInformation {
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

    pub(super) fn write_access_ranges(&self, address: GuestAddress, count: u32) {
        let device = &self.options.device;
        let memory = self.memory_bars().into_iter().map(|bar| (bar, 1));
        let ports = device.ports().iter().map(|bar| (*bar, 0));
        let mut bars: Vec<_> = memory.chain(ports).collect();
        bars.sort_by_key(|(bar, _)| bar.index);
        let mut bars = bars.into_iter();
        for index in 0..u64::from(count) {
            let range = bars
                .next()
                .map_or_else(AccessRange::default, |(bar, in_memory)| AccessRange {
                    range_start: bar.address,
                    range_length: u32::try_from(bar.length).unwrap_or(u32::MAX),
                    range_in_memory: in_memory,
                    padding: [0; 3],
                });
            guest::write(address + index * size_of::<AccessRange>() as u64, &range);
        }
    }

    /// Messages that Windows would allocate: what the INF allows, what the device has, one per processor and one.
    pub(super) fn messages_offered(&self) -> u16 {
        let registry = &self.options.registry;
        if !registry.msi_supported {
            return 0;
        }
        let device = self.options.device.message_count();
        let processors = u16::try_from(self.engine.processors() + 1).unwrap_or(u16::MAX);
        let limit = registry
            .message_number_limit
            .map_or(u16::MAX, |limit| u16::try_from(limit).unwrap_or(u16::MAX));
        device.min(processors).min(limit).min(self.assignment.messages())
    }

    pub(super) fn messages_wanted(said: &PortConfigurationInformation, offered: u16) -> u16 {
        let mode = said.interrupt_synchronization_mode;
        let message_mode = matches!(
            mode,
            INTERRUPT_SYNCHRONIZE_ALL | INTERRUPT_SYNCHRONIZE_PER_MESSAGE
        );
        if said.hw_ms_interrupt_routine != 0 && message_mode && offered > 0 {
            return offered;
        }
        0
    }

    pub(super) fn judge_configuration(&self, said: &PortConfigurationInformation) {
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
        // Half duplex is what zero means: only a miniport with the marks of full duplex can have forgotten to choose.
        let registration = self.setup().registration;
        let full = registration.hw_build_io != 0 || said.hw_ms_interrupt_routine != 0;
        if said.synchronization_model == 0 && full {
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
}
