//! Interrupt messages and performance options.

use std::{mem::offset_of, sync::Arc};

use zerocopy::IntoBytes;

use super::{activity::Activity, limits::status, machine::Machine, rules};
use crate::{
    abi::{
        GuestAddress,
        codes::stor_status,
        entry::{Routine, boolean},
        exports::Arguments,
        guest,
        performance::{GroupAffinity, MessageInterruptInformation, PerfConfigurationData, perf},
    },
    engine::Irql,
};

/// Flags the model honours; redirection is a hint that it takes without effect.
const SUPPORTED: u32 = perf::DPC_REDIRECTION
    | perf::CONCURRENT_CHANNELS
    | perf::INTERRUPT_MESSAGE_RANGES
    | perf::ADV_CONFIG_LOCALITY
    | perf::OPTIMIZE_FOR_COMPLETION_DURING_STARTIO
    | perf::DPC_REDIRECTION_CURRENT_CPU
    | perf::NO_SGL;
/// Flags that came with version 2, 3, 4 and 5 of `PERF_CONFIGURATION_DATA`.
const SINCE: [(u32, u32); 4] = [
    (
        2,
        perf::DPC_REDIRECTION | perf::CONCURRENT_CHANNELS | perf::INTERRUPT_MESSAGE_RANGES,
    ),
    (3, perf::ADV_CONFIG_LOCALITY),
    (
        4,
        perf::OPTIMIZE_FOR_COMPLETION_DURING_STARTIO | perf::DPC_REDIRECTION_CURRENT_CPU,
    ),
    (5, perf::NO_SGL),
];
/// Vector of message 0; the others follow.
const FIRST_VECTOR: u32 = 0x60;

impl Machine {
    /// The processor that a message interrupts: message 0 the first one, the others in turn.
    pub(super) fn target_of(&self, message: u16) -> u32 {
        u32::from(message).saturating_sub(1) % self.engine.processors()
    }

    /// The message that interrupts a processor.
    pub(super) fn message_of(&self, processor: u32) -> u32 {
        let messages = u32::from(self.setup().messages);
        if messages <= 1 {
            0
        } else {
            1 + processor % (messages - 1)
        }
    }

    /// Calls the routine of a message, at the device's IRQL on the message's processor.
    pub(super) fn deliver(&self, message: u16) {
        let setup = self.setup();
        let Some(routine) = Routine::new(setup.configuration.hw_ms_interrupt_routine) else {
            return;
        };
        if message >= setup.messages || self.phase() == super::adapter::Phase::Removed {
            return;
        }
        if self.masked_messages.lock().keeps(message) {
            return;
        }
        let Ok(lock) = self.message_lock(u32::from(message)) else {
            return;
        };
        self.counters.interrupts();
        let arguments = [setup.extension, u64::from(message)];
        let result = self.call(
            Activity::Message(message),
            Irql::DEVICE,
            &[&lock],
            routine,
            &arguments,
        );
        if result.is_some_and(|rax| !boolean(rax)) {
            self.counters.unclaimed_interrupts();
            self.violate(&rules::INTERRUPT_UNCLAIMED, || format!("message {message}"));
        }
    }

    /// `StorPortGetMSIInfo(HwDeviceExtension, MessageId, InterruptInfo)`.
    pub(super) fn get_msi_info(&self, arguments: Arguments) -> u32 {
        let (message, out) = (arguments.u32(2), arguments.pointer(3));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("InterruptInfo", out)?;
            if matches!(super::activity::current(), Some(Activity::Message(_))) {
                self.violate(&rules::CALL_WINDOW, || {
                    String::from("not allowed in a message's interrupt routine")
                });
                return Err(stor_status::INVALID_DEVICE_REQUEST);
            }
            let messages = u32::from(self.setup().messages);
            // Asking for one message too many is how drivers count them.
            if message >= messages {
                return Err(stor_status::INVALID_PARAMETER);
            }
            let information = MessageInterruptInformation {
                message_id: message,
                message_data: message,
                message_address: 0xFEE0_0000,
                interrupt_vector: FIRST_VECTOR + message,
                interrupt_level: u32::from(Irql::DEVICE.0),
                interrupt_mode: 1,
                padding: [0; 4],
            };
            guest::write(out, &information);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortInitializePerfOpts(HwDeviceExtension, Query, PerfConfigData)`.
    pub(super) fn initialize_perf_opts(&self, arguments: Arguments) -> u32 {
        let (query, address) = (arguments.boolean(2), arguments.pointer(3));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("PerfConfigData", address)?;
            if !self.within("HwStorInitialize and HwStorPassiveInitialize", |activity| {
                matches!(activity, Activity::Initialize | Activity::PassiveInitialize)
            }) {
                return Err(stor_status::INVALID_DEVICE_REQUEST);
            }
            if self.dump.is_some() {
                return Err(stor_status::UNSUCCESSFUL);
            }
            let mut data: PerfConfigurationData = guest::read(address);
            if !(2..=5).contains(&data.version) {
                return Err(stor_status::UNSUPPORTED_VERSION);
            }
            // MessageTargets came with version 3: what a driver of the time before has on its stack ends there.
            let full = if data.version < 3 {
                offset_of!(PerfConfigurationData, message_targets)
            } else {
                size_of::<PerfConfigurationData>()
            };
            if (data.size as usize) < full {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("Size is {}, at least {full}", data.size)
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            let possible = SINCE
                .iter()
                .filter(|(since, _)| *since <= data.version)
                .fold(0, |all, (_, flags)| all | flags);
            if query {
                data.flags = possible & SUPPORTED;
                data.concurrent_channels = self.engine.processors();
                guest::write_bytes(address, data.as_bytes().get(..full).unwrap_or_default());
                return Ok(stor_status::SUCCESS);
            }
            self.apply_perf_opts(&data, possible)
        })())
    }

    fn apply_perf_opts(&self, data: &PerfConfigurationData, possible: u32) -> Result<u32, u32> {
        let beyond = data.flags & !(possible & SUPPORTED);
        if beyond != 0 {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("flags {beyond:#x} are not offered for version {}", data.version)
            });
            return Err(stor_status::INVALID_PARAMETER);
        }
        let messages = u32::from(self.setup().messages);
        if data.flags & perf::INTERRUPT_MESSAGE_RANGES != 0 {
            let (first, last) = (
                data.first_redirection_message_number,
                data.last_redirection_message_number,
            );
            if first > last || last >= messages.max(1) {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("messages {first} to {last} of {messages} that are connected")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
        }
        if data.flags & perf::ADV_CONFIG_LOCALITY != 0 {
            self.not_null("MessageTargets", data.message_targets)?;
            self.write_targets(data.message_targets, messages);
        }
        let processors = self.engine.processors();
        let mut channels = 1;
        if data.flags & perf::CONCURRENT_CHANNELS != 0 {
            channels = data.concurrent_channels;
            if channels == 0 || channels > processors {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("{channels} concurrent channels on {processors} processors")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
        }
        let flags = data.flags;
        self.change_setup(|setup| {
            setup.perf_flags = flags;
            setup.channels = channels;
        });
        Ok(stor_status::SUCCESS)
    }

    fn write_targets(&self, address: GuestAddress, messages: u32) {
        for message in 0..messages {
            let target = self.target_of(u16::try_from(message).unwrap_or(0));
            let affinity = GroupAffinity {
                mask: 1 << target,
                ..GroupAffinity::default()
            };
            let offset = u64::from(message) * size_of::<GroupAffinity>() as u64;
            guest::write(address + offset, &affinity);
        }
    }

    /// `StorPortSynchronizeAccess(HwDeviceExtension, SynchronizedAccessRoutine, Context)`.
    pub(super) fn synchronize_access(self: &Arc<Self>, arguments: Arguments) -> bool {
        let (extension, routine, context) =
            (arguments.pointer(0), arguments.pointer(1), arguments.pointer(2));
        if !self.is_extension(extension) {
            return false;
        }
        let Some(routine) = Routine::new(routine) else {
            let _ = self.not_null("SynchronizedAccessRoutine", 0);
            return false;
        };
        if crate::engine::Context::holds(self.adapter.interrupt.name()) {
            self.violate(&rules::LOCK_RECURSION, || {
                String::from("the interrupt lock is held already")
            });
            return false;
        }
        let lock = Arc::clone(&self.adapter.interrupt);
        let result = self.call(
            Activity::SynchronizedAccess,
            Irql::DEVICE,
            &[&lock],
            routine,
            &[extension, context],
        );
        result.is_some_and(boolean)
    }
}
