//! What newer versions of Windows tell and do: configuration, delays, watchdogs, resets, dumps. Codes of tier I.

use std::{collections::BTreeSet, time::Duration};

use super::{activity::Activity, limits::status, machine::Machine, rules};
use crate::{
    abi::{
        GuestAddress, codes::stor_status, exports::Arguments, guest, performance::DpcWatchdogInformation,
        srb::StorAddrBtl8,
    },
    engine::{Context, Irql},
};

/// Event ids under which the system's log gets what a miniport reports.
const EVENT_FAILED: u32 = 0x9D;
const EVENT_LIVE_DUMP: u32 = 0x1000;
/// Features that `STORPORT_FEATURE_TYPE` has.
const FEATURES: u32 = 6;
/// Clock ticks of 15.625 ms: a DPC has 20 s, all of them in a row have 2 minutes.
const DPC_TICKS: u32 = 1280;
const DPC_TOTAL_TICKS: u32 = 7680;
/// `STORPORT_MARK_DEVICE_FAILED_FLAG_REMOVE_DEVICE` \[I\].
const MARK_DEVICE_FAILED_FLAG_REMOVE_DEVICE: u32 = 1;
/// Longest text of a failure.
const TEXT: usize = 512;
/// `STORPORT_CAPTURE_LIVEDUMP`.
const LIVE_DUMP_BYTES: u32 = 40;
/// Most bytes of a stream that is logged, and of an error's data.
const LOGGED_BYTES: u32 = 4096;

/// Messages that the driver has masked, and those that came meanwhile.
#[derive(Default)]
pub(super) struct MaskedMessages {
    masked: BTreeSet<u16>,
    pending: BTreeSet<u16>,
}

impl MaskedMessages {
    /// Whether a message is kept back; it is delivered once it is unmasked.
    pub(super) fn keeps(&mut self, message: u16) -> bool {
        let masked = self.masked.contains(&message);
        if masked {
            self.pending.insert(message);
        }
        masked
    }
}

impl Machine {
    /// `StorPortDelayExecution(HwDeviceExtension, DelayInMicroseconds)`.
    pub(super) fn delay_execution(&self, arguments: Arguments) -> u32 {
        let delay = Duration::from_micros(u64::from(arguments.u32(2)));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.sleep(delay);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// Lets time pass for the caller: asleep below `DISPATCH_LEVEL`, busy from there on.
    pub(super) fn sleep(&self, delay: Duration) {
        if Context::irql() < Irql::DISPATCH {
            self.engine.wait(delay, &mut || false);
        } else {
            super::activity::stall(delay);
            self.counters.stalled(delay);
            self.engine.stall(delay);
        }
    }

    /// `StorPortQueryConfiguration(HwDeviceExtension, Type, *Enabled)`.
    pub(super) fn query_configuration(&self, arguments: Arguments) -> u32 {
        let (kind, out) = (arguments.u32(2), arguments.pointer(3));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Enabled", out)?;
            if kind != 0 {
                self.violate(&rules::BAD_PARAMETER, || format!("configuration {kind}"));
                return Err(stor_status::INVALID_PARAMETER);
            }
            // Units are not put into D3 here.
            guest::write(out, &0_u8);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortSetFeatureList(HwDeviceExtension, FeatureCount, FeatureList)`.
    pub(super) fn set_feature_list(&self, arguments: Arguments) -> u32 {
        let count = arguments.u32(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("FeatureList", arguments.pointer(3))?;
            if !self.within("HwStorFindAdapter", |activity| activity == Activity::FindAdapter) {
                return Err(stor_status::UNSUCCESSFUL);
            }
            if count == 0 || count > FEATURES {
                self.violate(&rules::BAD_PARAMETER, || format!("{count} features"));
                return Err(stor_status::INVALID_PARAMETER);
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortHardwareReset(HwDeviceExtension, Type)`: the lab's bus offers no reset, so that it fails, as documented.
    pub(super) fn hardware_reset(&self, arguments: Arguments) -> u32 {
        status((|| {
            self.passive(arguments.pointer(1))?;
            if arguments.u32(2) != 0 {
                return Err(stor_status::NOT_IMPLEMENTED);
            }
            self.journal
                .event(0, String::from("a hardware reset was asked for; there is none"));
            Err(stor_status::UNSUCCESSFUL)
        })())
    }

    /// `StorPortCaptureLiveDump(HwDeviceExtension, StorAddress, CaptureLivedump)`: noted in the log.
    pub(super) fn capture_live_dump(&self, arguments: Arguments) -> u32 {
        let dump = arguments.pointer(3);
        status((|| {
            self.passive(arguments.pointer(1))?;
            self.not_null("CaptureLivedump", dump)?;
            let head: [u32; 4] = guest::read(dump);
            let [version, size, kind, issue] = head;
            if version != LIVE_DUMP_BYTES || size < version || !(1..=2).contains(&kind) || issue != 1 {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("version {version}, size {size}, type {kind}, issue {issue}")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            let name = guest::read_wide_string(guest::read(dump + 16), TEXT);
            self.journal
                .event(EVENT_LIVE_DUMP, format!("live dump of {name}, type {kind}"));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortQueryDpcWatchdogInformation(HwDeviceExtension, Information)`: nothing of the time is used up.
    pub(super) fn query_dpc_watchdog(&self, arguments: Arguments) -> u32 {
        let out = arguments.pointer(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("DpcWatchdogInformation", out)?;
            if Context::irql() < Irql::DISPATCH {
                return Err(stor_status::UNSUCCESSFUL);
            }
            let information = DpcWatchdogInformation {
                dpc_time_limit: DPC_TICKS,
                dpc_time_count: DPC_TICKS,
                dpc_watchdog_limit: DPC_TOTAL_TICKS,
                dpc_watchdog_count: DPC_TOTAL_TICKS,
                reserved: 0,
            };
            guest::write(out, &information);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortQueryTimerMinInterval(HwDeviceExtension, *TimerMinInterval)`; the unit is taken to be that of timers.
    pub(super) fn query_timer_min_interval(&self, arguments: Arguments) -> u32 {
        let out = arguments.pointer(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("TimerMinInterval", out)?;
            guest::write(out, &1000_u32);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortGetCurrentIrql(HwDeviceExtension, *Irql)`.
    pub(super) fn get_current_irql(&self, arguments: Arguments) -> u32 {
        let out = arguments.pointer(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Irql", out)?;
            guest::write(out, &Context::irql().0);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortMaskMsixInterrupt(HwDeviceExtension, MessageId, Mask)`.
    pub(super) fn mask_msix_interrupt(&self, arguments: Arguments) -> u32 {
        let (message, mask) = (arguments.u32(2), arguments.boolean(3));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            let message = u16::try_from(message)
                .ok()
                .filter(|&message| message < self.setup().messages)
                .ok_or(stor_status::INVALID_PARAMETER)?;
            let due = {
                let mut messages = self.masked_messages.lock();
                if mask {
                    messages.masked.insert(message);
                    false
                } else {
                    messages.masked.remove(&message);
                    messages.pending.remove(&message)
                }
            };
            if due {
                self.engine.interrupt(self.target_of(message), message);
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortCancelDpc(HwDeviceExtension, Dpc, *ReturnValue)`.
    pub(super) fn cancel_dpc(&self, arguments: Arguments) -> u32 {
        let (dpc, out) = (arguments.pointer(2), arguments.pointer(3));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Dpc", dpc)?;
            self.not_null("ReturnValue", out)?;
            let cancelled = self.dpcs.cancel(dpc).ok_or(stor_status::INVALID_PARAMETER)?;
            guest::write(out, &u8::from(cancelled));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortEtwLogError(HwDeviceExtension, Address, Id, Description, DataBufferLength, DataBuffer)`.
    pub(super) fn etw_log_error(&self, arguments: Arguments) -> u32 {
        let (id, description, length) = (arguments.u32(3), arguments.pointer(4), arguments.u32(5));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Description", description)?;
            if length > LOGGED_BYTES || (length != 0 && arguments.pointer(6) == 0) {
                self.violate(&rules::BAD_PARAMETER, || format!("{length} bytes of data"));
                return Err(stor_status::INVALID_PARAMETER);
            }
            let text = guest::read_wide_string(description, TEXT);
            self.journal
                .debug_line(format!("etw error {id}: {text}, {length} bytes"));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortEtwLogByteStream(HwDeviceExtension, Address, EventChannel, EventId, EventDescription, EventKeywords,
    /// EventLevel, EventOpcode, DataLength, Data)`.
    pub(super) fn etw_log_byte_stream(&self, arguments: Arguments) -> u32 {
        let (channel, id, description) = (arguments.u32(3), arguments.u32(4), arguments.pointer(5));
        let length = arguments.u32(9) & 0xFFFF;
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("EventDescription", description)?;
            if channel > 2 || (length != 0 && arguments.pointer(10) == 0) {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("channel {channel}, {length} bytes")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            let text = guest::read_wide_string(description, TEXT);
            self.journal
                .debug_line(format!("etw {id}: {text}, {length} bytes"));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `(MarkDeviceFailedEx, HwDeviceExtension, StorAddress, Flags, FaultCode, FaultDescription, AdditionalDataSize,
    /// AdditionalData, CriticalDataSize, CriticalData)`.
    pub(super) fn mark_device_failed(&self, arguments: Arguments) {
        let code = arguments.u32(4) & 0xFFFF;
        self.device_failed(
            "MarkDeviceFailedEx",
            arguments,
            arguments.pointer(5),
            &format!(", code {code:#x}"),
        );
    }

    /// `(MarkDeviceFailed, HwDeviceExtension, StorAddress, Flags, FailReason)`.
    pub(super) fn mark_device_failed_plainly(&self, arguments: Arguments) {
        self.device_failed("MarkDeviceFailed", arguments, arguments.pointer(4), "");
    }

    /// Noted in the log, as Storport does. With the flag Plug and Play would query the device's state and try to remove it: whoever
    /// drives the lab decides about removals, and reads of the wish in the log.
    fn device_failed(&self, name: &str, arguments: Arguments, text: GuestAddress, code: &str) {
        let (address, flags) = (arguments.pointer(2), arguments.u32(3));
        if self.any_irql(arguments.pointer(1)).is_err() {
            return;
        }
        self.violate(&rules::CODE_INFERRED, || {
            format!("the notification {name} is {:#06X}", arguments.u32(0))
        });
        if flags & !MARK_DEVICE_FAILED_FLAG_REMOVE_DEVICE != 0 {
            self.violate(&rules::BAD_PARAMETER, || format!("Flags are {flags:#x}"));
        }
        let whom = if address == 0 {
            String::from("the adapter")
        } else {
            let unit: StorAddrBtl8 = guest::read(address);
            format!("unit {}:{}:{}", unit.path, unit.target, unit.lun)
        };
        let wish = if flags & MARK_DEVICE_FAILED_FLAG_REMOVE_DEVICE == 0 {
            ""
        } else {
            "; to be removed"
        };
        let text = guest::read_wide_string(text, TEXT);
        self.journal
            .event(EVENT_FAILED, format!("{whom} marked failed{code}{wish}: {text}"));
    }
}
