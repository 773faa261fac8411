//! The adapter's life: start, stop, restart, removal.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    activity::Activity, adapter::Phase, dump_mode::DumpMode, error::StartError, machine::Machine,
    options::SrbForm,
};
use crate::{
    abi::{
        GuestAddress,
        configuration::{AccessRange, PortConfigurationInformation, SP_RETURN_FOUND},
        entry::{Routine, boolean, ulong},
        guest,
        registration::SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK,
        srb::SRB_TYPE_STORAGE_REQUEST_BLOCK,
    },
    device::DeviceError,
    engine::Irql,
    memory::Request,
};

/// `STOR_FEATURE_ADAPTER_CONTROL_PRE_FINDADAPTER`.
const CONTROL_BEFORE_FIND: u32 = 0x100;

impl Machine {
    /// `FindAdapter` and what surrounds it, at PASSIVE_LEVEL. The interrupt messages are connected afterwards.
    pub(super) fn find_adapter(self: &Arc<Self>) -> Result<(), StartError> {
        self.adapter.enter(Phase::Starting);
        self.allocate_extension()?;
        let setup = self.setup();
        let before = setup.registration.feature_support & CONTROL_BEFORE_FIND != 0;
        let dumps = self.dump.is_some();
        if before && !dumps {
            self.query_controls();
        }
        let configuration = PortConfigurationInformation {
            dump_mode: self.dump.map_or(0, DumpMode::code),
            ..self.initial_configuration(&setup)
        };
        let address = setup.configuration_address;
        guest::write(address, &configuration);
        self.write_access_ranges(configuration.access_ranges, configuration.number_of_access_ranges);
        let offered = self.messages_offered();
        self.change_setup(|setup| setup.messages = offered);
        let routine = Routine::new(setup.registration.hw_find_adapter).ok_or(StartError::NotRegistered)?;
        // BOOLEAN Reserved3 lies behind the configuration.
        let reserved = address + size_of::<PortConfigurationInformation>() as u64;
        let (irql, string) = if dumps {
            (Irql::HIGH, self.argument_string()?)
        } else if self.finds_raised.load(Ordering::Acquire) {
            (Irql::DISPATCH, 0)
        } else {
            (Irql::PASSIVE, 0)
        };
        let arguments = [setup.extension, setup.hw_context, 0, string, address, reserved];
        let found = self.call(Activity::FindAdapter, irql, &[], routine, &arguments);
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
        let messages = Self::messages_wanted(&said, offered);
        self.change_setup(|setup| {
            setup.configuration = said;
            setup.extended_srbs = extended;
            setup.messages = messages;
            setup.line = messages == 0 && setup.registration.hw_interrupt != 0;
            setup.perf_flags = 0;
            setup.channels = 1;
            setup.passive_initialize = None;
        });
        self.units.lock().configure(
            said.initial_lun_queue_depth.min(said.max_ios_per_lun),
            said.max_number_of_io,
        );
        if !before && !dumps {
            self.query_controls();
        }
        Ok(())
    }

    /// `ArgumentString` of dump mode.
    fn argument_string(&self) -> Result<GuestAddress, StartError> {
        const TEXT: &[u8] = b"dump=1\0";
        let request = Request::new(TEXT.len(), "ArgumentString");
        let block = self.memory.port_pool(&request).ok_or(StartError::Memory)?;
        guest::write_bytes(block.address, TEXT);
        Ok(block.address)
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

    /// Connects the interrupt messages, or the line.
    pub(super) fn connect(self: &Arc<Self>) -> Result<(), StartError> {
        let setup = self.setup();
        let messages = setup.messages;
        if setup.line {
            return self.connect_line();
        }
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
        match self.options.device.enable_messages(messages, sink) {
            // Connecting is the system's own affair: nothing is asked of a device, and one that is gone interrupts nobody.
            Ok(()) | Err(DeviceError::Gone(_)) => Ok(()),
            Err(error) => Err(StartError::Device(error)),
        }
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

    /// Waits until no callback of the driver is running or queued; `false` if that takes too long.
    pub(super) fn settle(&self, limit: Duration) -> bool {
        self.engine.wait(limit, &mut || {
            let quiet = self.workers.busy() == 0
                && self.timers.running() == 0
                && self.dpcs.queued() == 0
                && self.kernel_dpcs.busy() == 0
                && self.lists.pending() == 0;
            quiet || self.journal.is_down()
        })
    }
}
