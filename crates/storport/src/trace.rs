//! Trace events (ETW) and telemetry.

use core::ptr;

use wdk_sys::STORPORT_TELEMETRY_EVENT;

use crate::{
    context::{AtMostDispatch, Context, Exclusion},
    ffi::{
        Place,
        system::{self as ffi, EtwHead, EtwParameter},
    },
    miniport::Miniport,
    srb::Address,
    status::TraceError,
    text::Wide,
};

/// Units of an event's description, the terminator included (`STORPORT_ETW_MAX_DESCRIPTION_LENGTH`).
pub const DESCRIPTION: usize = 32;
/// Units of a parameter's name, the terminator included (`STORPORT_ETW_MAX_PARAM_NAME_LENGTH`).
pub const PARAMETER_NAME: usize = 16;

/// How bad an event is (`STORPORT_ETW_LEVEL`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Level {
    /// Always logged.
    Always = 0,
    /// Critical.
    Critical = 1,
    /// An error.
    Error = 2,
    /// A warning.
    Warning = 3,
    /// Information.
    Informational = 4,
    /// Verbose.
    Verbose = 5,
}

/// What an event marks (`STORPORT_ETW_EVENT_OPCODE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Opcode {
    /// Information.
    Info = 0,
    /// A beginning.
    Start = 1,
    /// An end.
    Stop = 2,
    /// Suspended.
    Suspend = 8,
    /// Resumed.
    Resume = 7,
}

/// What an event is about (`STORPORT_ETW_EVENT_KEYWORD_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keywords(u64);

impl Keywords {
    /// Nothing in particular.
    pub const NONE: Self = Self(0);
    /// Input and output.
    pub const IO: Self = Self(wdk_sys::STORPORT_ETW_EVENT_KEYWORD_IO as u64);
    /// Performance.
    pub const PERFORMANCE: Self = Self(wdk_sys::STORPORT_ETW_EVENT_KEYWORD_PERFORMANCE as u64);
    /// Power.
    pub const POWER: Self = Self(wdk_sys::STORPORT_ETW_EVENT_KEYWORD_POWER as u64);
    /// Enumeration.
    pub const ENUMERATION: Self = Self(wdk_sys::STORPORT_ETW_EVENT_KEYWORD_ENUMERATION as u64);
    /// Commands.
    pub const COMMAND_TRACE: Self = Self(wdk_sys::STORPORT_ETW_EVENT_KEYWORD_COMMAND_TRACE as u64);

    /// The keywords with these bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits as u64)
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An event, without its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Event<'text> {
    /// The unit that it is about; `None` for the adapter.
    pub unit: Option<Address>,
    /// The miniport's number for this kind of event.
    pub id: u32,
    /// What it is; cut to 31 characters.
    pub description: &'text str,
    /// What it is about.
    pub keywords: Keywords,
    /// How bad it is.
    pub level: Level,
    /// What it marks.
    pub opcode: Opcode,
}

/// A parameter of an event.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    name: Wide<PARAMETER_NAME>,
    value: u64,
}

impl Parameter {
    /// No parameter: what a place holds that is not used.
    pub const NONE: Self = Self {
        name: Wide::EMPTY,
        value: 0,
    };

    /// A name, cut to 15 characters, and a value.
    #[must_use]
    pub fn new(name: &str, value: u64) -> Self {
        Self {
            name: Wide::new(name),
            value,
        }
    }
}

/// The first `N` parameters for the call; NULL where there is none.
fn parameters<const N: usize>(given: &[Parameter]) -> [EtwParameter; N] {
    let mut raw = [(ptr::null(), 0); N];
    for (place, parameter) in raw.iter_mut().zip(given) {
        if !parameter.name.is_empty() {
            *place = (parameter.name.pointer(), parameter.value);
        }
    }
    raw
}

fn head(event: &Event<'_>, place: &mut Place, description: &Wide<DESCRIPTION>) -> EtwHead {
    EtwHead {
        address: place.pointer(),
        id: event.id,
        description: description.pointer(),
        keywords: event.keywords.0,
        level: event.level as i32,
        opcode: event.opcode as i32,
    }
}

/// Telemetry that is collected from the field (`STORPORT_TELEMETRY_EVENT`).
#[derive(Debug, Clone, Copy)]
pub struct Telemetry<'data> {
    /// The unit that it is about; `None` for the adapter.
    pub unit: Option<Address>,
    /// The driver's version.
    pub driver_version: u32,
    /// The miniport's number for this kind of event.
    pub id: u32,
    /// Version of this kind of event.
    pub version: u32,
    /// ASCII; cut to 31 bytes.
    pub name: &'data str,
    /// Data, at most 4096 bytes.
    pub data: &'data [u8],
    /// Names, ASCII, cut to 31 bytes, and values; the first eight.
    pub parameters: &'data [(&'data str, u64)],
}

fn ascii(target: &mut [u8], text: &str) {
    let room = target.len().saturating_sub(1);
    for (place, byte) in target.iter_mut().take(room).zip(text.bytes()) {
        *place = if byte.is_ascii() { byte } else { b'?' };
    }
}

impl<M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'_, M, I, X> {
    /// Logs a trace event with up to eight parameters (`StorPortEtwEvent2`, 4 or 8, whichever is large enough; Windows 8.1;
    /// up to `DISPATCH_LEVEL`). More are ignored.
    ///
    /// # Errors
    /// See [`TraceError`].
    pub fn trace(&self, event: &Event<'_>, given: &[Parameter]) -> Result<(), TraceError> {
        let mut place = Place::new(event.unit);
        let description = Wide::new(event.description);
        let head = head(event, &mut place, &description);
        // SAFETY: the extension is live; the address and the texts outlive the call.
        let status = match given.len() {
            // SAFETY: as above.
            0..=2 => unsafe { ffi::etw_event2(self.raw(), &head, parameters(given)) },
            // SAFETY: as above.
            3..=4 => unsafe { ffi::etw_event4(self.raw(), &head, parameters(given)) },
            // SAFETY: as above.
            _ => unsafe { ffi::etw_event8(self.raw(), &head, parameters(given)) },
        };
        TraceError::check(status)
    }

    /// Logs telemetry (`StorPortLogTelemetry`; Windows 10 1703). The page names no IRQL; what traces takes this one here.
    ///
    /// # Errors
    /// See [`TraceError`]; data of more than 4096 bytes is an invalid parameter.
    pub fn log_telemetry(&self, telemetry: &Telemetry<'_>) -> Result<(), TraceError> {
        const MOST_DATA: usize = 4096;
        if telemetry.data.len() > MOST_DATA {
            return Err(TraceError::InvalidParameter);
        }
        let mut event = STORPORT_TELEMETRY_EVENT {
            DriverVersion: telemetry.driver_version,
            EventId: telemetry.id,
            EventVersion: telemetry.version,
            EventBufferLength: u32::try_from(telemetry.data.len()).unwrap_or(0),
            EventBuffer: telemetry.data.as_ptr().cast_mut(),
            ..Default::default()
        };
        ascii(&mut event.EventName, telemetry.name);
        let places = [
            (&mut event.ParameterName0, &mut event.ParameterValue0),
            (&mut event.ParameterName1, &mut event.ParameterValue1),
            (&mut event.ParameterName2, &mut event.ParameterValue2),
            (&mut event.ParameterName3, &mut event.ParameterValue3),
            (&mut event.ParameterName4, &mut event.ParameterValue4),
            (&mut event.ParameterName5, &mut event.ParameterValue5),
            (&mut event.ParameterName6, &mut event.ParameterValue6),
            (&mut event.ParameterName7, &mut event.ParameterValue7),
        ];
        for ((name, value), (given, number)) in places.into_iter().zip(telemetry.parameters) {
            ascii(name, given);
            *value = *number;
        }
        let mut place = Place::new(telemetry.unit);
        // SAFETY: the extension is live; the address, the event and its data outlive the call.
        TraceError::check(unsafe { ffi::log_telemetry(self.raw(), place.pointer(), &raw const event) })
    }
}

#[cfg(feature = "inferred-ddi")]
pub use inferred::Channel;

#[cfg(feature = "inferred-ddi")]
mod inferred {
    use super::{
        AtMostDispatch, Context, DESCRIPTION, Event, Exclusion, Miniport, Parameter, Place, TraceError, Wide,
        head, parameters,
    };
    use crate::{
        ffi::inferred as ffi,
        srb::Address,
        version::{Newer, Way, gate},
    };

    /// Where an event is logged (`STORPORT_ETW_EVENT_CHANNEL`; tier \[I\]).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    #[repr(i32)]
    pub enum Channel {
        /// Diagnostics.
        Diagnostic = 0,
        /// Operation.
        Operational = 1,
        /// Health.
        Health = 2,
    }

    impl<M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'_, M, I, X> {
        /// As [`Context::trace`], to a channel (`StorPortEtwChannelEvent8`; Windows 10 1809; tier \[I\]).
        ///
        /// # Errors
        /// See [`TraceError`].
        pub fn trace_to(
            &self,
            channel: Channel,
            event: &Event<'_>,
            given: &[Parameter],
        ) -> Result<(), TraceError> {
            let mut place = Place::new(event.unit);
            let description = Wide::new(event.description);
            let head = head(event, &mut place, &description);
            // SAFETY: the extension is live; the address and the texts outlive the call.
            TraceError::check(unsafe {
                ffi::etw_channel_event8(self.raw(), channel as i32, &head, parameters(given))
            })
        }
    }

    impl<M: Miniport, I: AtMostDispatch, X: Exclusion, W: Way> Newer<'_, '_, M, I, X, W> {
        /// Logs an error with data (`StorPortEtwLogError`; Windows 10 1903; tier \[I\]).
        ///
        /// # Errors
        /// See [`TraceError`].
        pub fn trace_error(
            &self,
            unit: Option<Address>,
            id: u32,
            description: &str,
            data: &[u8],
        ) -> Result<(), TraceError> {
            gate!(M, W, V10_1903);
            let mut place = Place::new(unit);
            let description = Wide::<DESCRIPTION>::new(description);
            let Ok(length) = u32::try_from(data.len()) else {
                return Err(TraceError::InvalidParameter);
            };
            // SAFETY: the extension is live; the address, the text and the data outlive the call.
            TraceError::check(unsafe {
                ffi::etw_log_error(
                    self.raw(),
                    place.pointer(),
                    id,
                    description.pointer(),
                    length,
                    data.as_ptr().cast(),
                )
            })
        }

        /// Logs bytes (`StorPortEtwLogByteStream`; Windows Server 2022; tier \[I\]).
        ///
        /// # Errors
        /// See [`TraceError`].
        pub fn trace_bytes(
            &self,
            channel: Channel,
            event: &Event<'_>,
            data: &[u8],
        ) -> Result<(), TraceError> {
            gate!(M, W, Server2022);
            let mut place = Place::new(event.unit);
            let description = Wide::new(event.description);
            let head = head(event, &mut place, &description);
            let Ok(length) = u16::try_from(data.len()) else {
                return Err(TraceError::InvalidParameter);
            };
            // SAFETY: the extension is live; the address, the text and the data outlive the call.
            TraceError::check(unsafe {
                ffi::etw_log_byte_stream(
                    self.raw(),
                    head.address,
                    channel as i32,
                    head.id,
                    head.description,
                    head.keywords,
                    head.level,
                    head.opcode,
                    length.into(),
                    data.as_ptr(),
                )
            })
        }
    }
}
