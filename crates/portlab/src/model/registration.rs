//! `StorPortInitialize`: what a driver registers.

use super::{activity::Activity, adapter::Phase, machine::Machine, rules};
use crate::abi::{
    exports::Arguments,
    guest,
    registration::{
        HwInitializationData, SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK, SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK,
        STOR_FEATURE_VIRTUAL_MINIPORT,
    },
};

/// `STATUS_SUCCESS`, `STATUS_INVALID_PARAMETER` and `STATUS_REVISION_MISMATCH`.
const SUCCESS: u32 = 0;
const INVALID_PARAMETER: u32 = 0xC000_000D;
const REVISION_MISMATCH: u32 = 0xC000_0059;
/// The structure's size before Windows 8, and the least a driver can pass.
const OLD_SIZE: usize = 136;

impl Machine {
    /// `StorPortInitialize(DriverObject, RegistryPath, HwInitializationData, HwContext)`; NTSTATUS.
    pub(super) fn stor_port_initialize(&self, arguments: Arguments) -> u32 {
        let (driver, path) = (arguments.pointer(0), arguments.pointer(1));
        let (data, context) = (arguments.pointer(2), arguments.pointer(3));
        if !self.within("DriverEntry", |activity| activity == Activity::DriverEntry)
            || self.not_null("HwInitializationData", data).is_err()
        {
            return INVALID_PARAMETER;
        }
        let objects = *self.driver_objects.lock();
        if (driver, path) != objects {
            self.violate(&rules::BAD_PARAMETER, || {
                String::from("the first two arguments are those that DriverEntry was given")
            });
            return INVALID_PARAMETER;
        }
        let size = guest::read::<u32>(data) as usize;
        let full = size_of::<HwInitializationData>();
        if size < OLD_SIZE {
            self.violate(&rules::REGISTRATION, || {
                format!("HwInitializationDataSize is {size}")
            });
            return REVISION_MISMATCH;
        }
        let mut bytes = vec![0; full];
        if let Some(part) = bytes.get_mut(..size.min(full)) {
            guest::read_bytes(data, part);
        }
        let Ok(registration) = zerocopy::FromBytes::read_from_bytes(&bytes) else {
            return INVALID_PARAMETER;
        };
        if !self.judge_registration(&registration) {
            return INVALID_PARAMETER;
        }
        self.change_setup(|setup| {
            setup.registration = registration;
            setup.hw_context = context;
        });
        self.adapter.enter(Phase::Loaded);
        SUCCESS
    }

    /// Judges what was registered; `false` if Storport cannot work with it.
    fn judge_registration(&self, data: &HwInitializationData) -> bool {
        let mut usable = true;
        let mandatory = [
            ("HwInitialize", data.hw_initialize),
            ("HwStartIo", data.hw_start_io),
            ("HwFindAdapter", data.hw_find_adapter),
            ("HwResetBus", data.hw_reset_bus),
        ];
        for (name, routine) in mandatory {
            if routine == 0 {
                self.violate(&rules::REGISTRATION, || format!("{name} is NULL"));
                usable = false;
            }
        }
        let flags = [
            ("NeedPhysicalAddresses", data.need_physical_addresses),
            ("TaggedQueuing", data.tagged_queuing),
            ("AutoRequestSense", data.auto_request_sense),
            ("MultipleRequestPerLu", data.multiple_request_per_lu),
        ];
        for (name, flag) in flags {
            if flag == 0 {
                self.violate(&rules::REGISTRATION, || format!("{name} is FALSE"));
            }
        }
        if data.feature_support & STOR_FEATURE_VIRTUAL_MINIPORT != 0 {
            self.not_modelled("virtual miniports");
            return false;
        }
        let foreign = [
            ("HwFreeAdapterResources", data.hw_free_adapter_resources),
            ("HwProcessServiceRequest", data.hw_process_service_request),
            ("HwCompleteServiceIrp", data.hw_complete_service_irp),
        ];
        for (name, routine) in foreign {
            if routine != 0 {
                self.violate(&rules::VIRTUAL_CALLBACKS, || format!("{name} is set"));
            }
        }
        let known = SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK | SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK;
        if data.srb_type_flags & !known != 0 {
            self.violate(&rules::REGISTRATION, || {
                format!("SrbTypeFlags is {:#x}", data.srb_type_flags)
            });
        }
        if data.device_extension_size == 0 {
            self.violate(&rules::REGISTRATION, || String::from("DeviceExtensionSize is 0"));
        }
        usable
    }
}
