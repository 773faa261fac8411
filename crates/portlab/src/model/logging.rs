//! Time, debug output, events.

use std::{sync::Arc, time::Duration};

use super::{EtwEvent, Value, activity, dispatch::park, format, limits::status, machine::Machine, rules};
use crate::{
    abi::{
        codes::stor_status,
        exports::{Arguments, Export},
        guest,
        performance::{STOR_CURRENT_LOG_INTERFACE_REVISION, StorLogEventDetails, TelemetryEventHead},
    },
    engine::Irql,
};

/// Microseconds from which on a stall is too long.
const STALL_LIMIT: u32 = 1000;
/// Seconds from 1601 to 1970.
const EPOCH_DIFFERENCE: u64 = 11_644_473_600;
/// Frequency of the performance counter, as on current machines.
const PERFORMANCE_FREQUENCY: u64 = 10_000_000;
/// Characters of an ETW event's description and of a parameter's name (`STORPORT_ETW_MAX`_*).
const ETW_DESCRIPTION: usize = 32;
const ETW_PARAMETER: usize = 16;
/// Most data of a telemetry event.
const TELEMETRY_BYTES: u32 = 4096;
/// The provider that Storport writes a miniport's events under, as Windows lists it; its channels are Microsoft-Windows-Storage-Storport/*.
const STORPORT_PROVIDER: &str = "Microsoft-Windows-StorPort";
/// Most bytes of an entry's data and texts together.
const LOG_BYTES: usize = 150;
/// Texts of an entry that are looked at.
const STRINGS: u32 = 32;
/// Event id of an error that a miniport logs.
const EVENT_ERROR: u32 = 11;

impl Machine {
    /// `StorPortStallExecution(Delay)`; microseconds.
    pub(super) fn stall_execution(&self, arguments: Arguments) {
        let delay = arguments.u32(0);
        if delay >= STALL_LIMIT {
            self.violate(&rules::STALL_TOO_LONG, || format!("{delay} microseconds"));
        }
        let duration = Duration::from_micros(u64::from(delay));
        self.counters.stalled(duration);
        activity::stall(duration);
        self.engine.stall(duration);
    }

    /// `StorPortQuerySystemTime(CurrentTime)`: 100 ns units since 1601.
    pub(super) fn query_system_time(&self, arguments: Arguments) {
        let out = arguments.pointer(0);
        if self.not_null("CurrentTime", out).is_err() {
            return;
        }
        guest::write(out, &self.system_time());
    }

    /// 100 ns units since 1601.
    pub(super) fn system_time(&self) -> u64 {
        let now = self.engine.time_of_day();
        (now.as_secs() + EPOCH_DIFFERENCE) * 10_000_000 + u64::from(now.subsec_nanos()) / 100
    }

    /// `KeQueryPerformanceCounter(*PerformanceFrequency)`.
    pub(super) fn query_performance_counter(&self, frequency: u64) -> u64 {
        if frequency != 0 {
            guest::write(frequency, &PERFORMANCE_FREQUENCY);
        }
        u64::try_from(self.engine.now().as_nanos() / 100).unwrap_or(u64::MAX)
    }

    /// `StorPortQueryPerformanceCounter(HwDeviceExtension, PerformanceFrequency, PerformanceCounter)`.
    pub(super) fn stor_query_performance_counter(&self, arguments: Arguments) -> u32 {
        let (frequency, out) = (arguments.pointer(2), arguments.pointer(3));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("PerformanceCounter", out)?;
            let counter = self.query_performance_counter(frequency);
            guest::write(out, &counter);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `DbgPrint` and its kin; the format string is argument `format`.
    pub(super) fn debug_print(&self, arguments: Arguments, format: usize) {
        let text = format::format(arguments.pointer(format), arguments, format + 1);
        for line in text.lines() {
            self.journal.debug_line(line.to_owned());
        }
    }

    /// `StorPortLogError(HwDeviceExtension, Srb, PathId, TargetId, Lun, ErrorCode, UniqueId)`.
    pub(super) fn log_error(&self, arguments: Arguments) {
        if !self.is_extension(arguments.pointer(0)) {
            return;
        }
        self.deprecated("StorPortLogError");
        let [path, target, lun] = [2, 3, 4].map(|index| arguments.u8(index));
        let (code, id) = (arguments.u32(5), arguments.u32(6));
        self.journal.event(
            EVENT_ERROR,
            format!("error {code:#x}, id {id:#x}, unit {path}:{target}:{lun}"),
        );
    }

    /// `StorPortLogSystemEvent(HwDeviceExtension, LogDetails, *MaximumSize)`.
    pub(super) fn log_system_event(&self, arguments: Arguments) -> u32 {
        let (details, maximum) = (arguments.pointer(2), arguments.pointer(3));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("LogDetails", details)?;
            self.not_null("MaximumSize", maximum)?;
            let details: StorLogEventDetails = guest::read(details);
            if details.interface_revision != STOR_CURRENT_LOG_INTERFACE_REVISION {
                return Err(stor_status::UNSUPPORTED_VERSION);
            }
            if (details.size as usize) < size_of::<StorLogEventDetails>() {
                self.violate(&rules::BAD_PARAMETER, || format!("Size is {}", details.size));
                return Err(stor_status::INVALID_PARAMETER);
            }
            let texts: Vec<String> = (0..details.string_count.min(STRINGS))
                .map(|index| {
                    let place = details.string_list.wrapping_add(8 * u64::from(index));
                    guest::read_wide_string(guest::read(place), LOG_BYTES)
                })
                .collect();
            let text_bytes: usize = texts
                .iter()
                .map(|text| 2 * (text.encode_utf16().count() + 1))
                .sum();
            if details.dump_data_size as usize + text_bytes > LOG_BYTES {
                guest::write(maximum, &u32::try_from(LOG_BYTES).unwrap_or(0));
                return Err(stor_status::INVALID_BUFFER_SIZE);
            }
            self.resources()?;
            let text = self.message(details.error_code, &texts).unwrap_or_else(|| {
                format!(
                    "event {:#x}, id {:#x}; {}",
                    details.error_code,
                    details.unique_id,
                    texts.join("; ")
                )
            });
            self.journal.event(details.error_code & 0xFFFF, text);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortLogTelemetry(HwDeviceExtension, StorAddress, Event)`.
    pub(super) fn log_telemetry(&self, arguments: Arguments) -> u32 {
        let event = arguments.pointer(3);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Event", event)?;
            let event: TelemetryEventHead = guest::read(event);
            if event.event_buffer_length > TELEMETRY_BYTES
                || (event.event_buffer_length != 0 && event.event_buffer == 0)
            {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("{} bytes of data", event.event_buffer_length)
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            let name = String::from_utf8_lossy(&event.event_name);
            let name = name.trim_end_matches('\0');
            self.journal
                .debug_line(format!("telemetry {}: {name}", event.event_id));
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortLogTelemetryEx(HwDeviceExtension, StorAddress, Event, Category)`: as `StorPortLogTelemetry`, with a category.
    pub(super) fn log_telemetry_ex(&self, arguments: Arguments) -> u32 {
        let event = arguments.pointer(3);
        if event != 0 {
            let event: TelemetryEventHead = guest::read(event);
            if event.event_buffer_length > TELEMETRY_BYTES {
                return stor_status::INVALID_BUFFER_SIZE;
            }
        }
        self.log_telemetry(arguments)
    }

    /// `StorPortEtwChannelEvent2/4/8`: as `StorPortEtwEvent2/4/8`, with a channel after the address.
    pub(super) fn etw_channel_event(&self, arguments: Arguments, parameters: usize) -> u32 {
        let channel = arguments.u32(3);
        if channel > 2 {
            self.violate(&rules::BAD_PARAMETER, || format!("channel {channel}"));
            return stor_status::INVALID_PARAMETER;
        }
        self.etw_event_at(arguments, parameters, 4)
    }

    /// `StorPortEtwEvent2/4/8(HwDeviceExtension, Address, EventId, EventDescription, EventKeywords, EventLevel,
    /// EventOpcode, Srb, Parameter1Name, Parameter1Value, ...)`.
    pub(super) fn etw_event(&self, arguments: Arguments, parameters: usize) -> u32 {
        self.etw_event_at(arguments, parameters, 3)
    }

    /// As above, with the event's id in argument `first`.
    fn etw_event_at(&self, arguments: Arguments, parameters: usize, first: usize) -> u32 {
        let (id, description) = (arguments.u32(first), arguments.pointer(first + 1));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("EventDescription", description)?;
            let name = guest::read_wide_string(description, 4 * ETW_DESCRIPTION);
            let mut too_long = name.chars().count() > ETW_DESCRIPTION;
            let mut values = Vec::new();
            for index in 0..parameters {
                let name =
                    guest::read_wide_string(arguments.pointer(first + 6 + 2 * index), 4 * ETW_PARAMETER);
                too_long |= name.chars().count() > ETW_PARAMETER;
                if !name.is_empty() {
                    let value = arguments.get(first + 7 + 2 * index);
                    values.push(Value { name, value });
                }
            }
            let event = EtwEvent {
                provider: String::from(STORPORT_PROVIDER),
                id,
                name,
                level: arguments.u32(first + 3),
                keywords: arguments.get(first + 2),
                opcode: arguments.u32(first + 4),
                values,
            };
            if too_long {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!(
                        "a description has at most {ETW_DESCRIPTION} characters, a name {ETW_PARAMETER}: {}",
                        event.text()
                    )
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            self.journal.etw_event(event);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `KeBugCheckEx(Code, Parameter1..4)` and `KeBugCheck(Code)`: never returns.
    pub(super) fn bug_check(self: &Arc<Self>, arguments: Arguments, export: Export) -> ! {
        let code = arguments.u32(0);
        let parameters = if export == Export::KeBugCheckEx {
            [1, 2, 3, 4].map(|index| arguments.get(index))
        } else {
            [0; 4]
        };
        let meaning = super::bug_check::meaning(code, parameters);
        let backtrace = self.backtrace();
        self.crash(code, parameters, meaning, backtrace);
        park()
    }

    /// `__C_specific_handler`: called only while an exception is on its way through the driver.
    pub(super) fn structured_exception(self: &Arc<Self>) -> ! {
        self.not_modelled("structured exception handling");
        let backtrace = self.backtrace();
        // KMODE_EXCEPTION_NOT_HANDLED
        self.crash(
            0x1E,
            [0; 4],
            String::from("an exception that the driver wanted to handle itself"),
            backtrace,
        );
        park()
    }

    /// Whether the current IRQL is PASSIVE_LEVEL, for exports that return BOOLEAN.
    pub(super) fn at_passive(&self) -> bool {
        self.at_most(Irql::PASSIVE)
    }
}
