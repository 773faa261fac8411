//! The run-time power framework (`PoFx`), power settings, ACPI methods.

use core::{mem::offset_of, ptr, time::Duration};

use wdk_sys::{
    GUID, STOR_POFX_COMPONENT, STOR_POFX_COMPONENT_IDLE_STATE, STOR_POFX_COMPONENT_IDLE_STATE_VERSION_V1,
    STOR_POFX_COMPONENT_VERSION_V1, STOR_POFX_DEVICE_V2, STOR_POFX_DEVICE_VERSION_V2,
};

use crate::{
    context::{AtMostDispatch, Context, Exclusion, Irql, Passive},
    ffi::{Place, system as ffi},
    miniport::Miniport,
    srb::Address,
    status::{AcpiError, IdleTimeoutError, PowerError},
};

/// Most idle states of an adapter (`STOR_POFX_ADAPTER_MAX_IDLE_STATES`); a unit has at most two.
pub const MOST_IDLE_STATES: usize = 8;
/// Power that is not known (`STOR_POFX_UNKNOWN_POWER`).
pub const UNKNOWN_POWER: u32 = 0xFFFF_FFFF;

/// An F-state of the component (`STOR_POFX_COMPONENT_IDLE_STATE`); the first one is F0, fully on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleState {
    /// How long the way back to F0 takes.
    pub transition_latency: Duration,
    /// How long to be in it that it pays.
    pub residency: Duration,
    /// Microwatts, or [`UNKNOWN_POWER`].
    pub nominal_power: u32,
}

/// How a device takes part (`STOR_POFX_DEVICE_V2`, with the one component that adapters and units have).
#[derive(Debug, Clone, Copy)]
pub struct PowerDevice<'states> {
    /// `STOR_POFX_DEVICE_FLAG_*`.
    pub flags: u32,
    /// Idle time before power goes, of the adapter or at least of the unit; whole milliseconds.
    pub idle_timeout: Duration,
    /// The component's id.
    pub component: Guid,
    /// The deepest F-state that the device wakes from.
    pub deepest_wakeable: u32,
    /// F0 first.
    pub states: &'states [IdleState],
}

/// A GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Guid {
    /// First part.
    pub data1: u32,
    /// Second part.
    pub data2: u16,
    /// Third part.
    pub data3: u16,
    /// The rest.
    pub data4: [u8; 8],
}

impl Guid {
    const fn raw(self) -> GUID {
        GUID {
            Data1: self.data1,
            Data2: self.data2,
            Data3: self.data3,
            Data4: self.data4,
        }
    }
}

impl From<GUID> for Guid {
    fn from(guid: GUID) -> Self {
        Self {
            data1: guid.Data1,
            data2: guid.Data2,
            data3: guid.Data3,
            data4: guid.Data4,
        }
    }
}

/// The device with room for all its states behind the first.
#[repr(C)]
#[derive(Default)]
struct Registration {
    device: STOR_POFX_DEVICE_V2,
    more: [STOR_POFX_COMPONENT_IDLE_STATE; MOST_IDLE_STATES - 1],
}

const FIRST_STATE: usize = offset_of!(STOR_POFX_COMPONENT, FStates);
const FIRST_COMPONENT: usize = offset_of!(STOR_POFX_DEVICE_V2, Components);
const STATE: usize = size_of::<STOR_POFX_COMPONENT_IDLE_STATE>();
// The states follow one another without a gap.
const _: () = assert!(offset_of!(Registration, more) == FIRST_COMPONENT + FIRST_STATE + STATE);

/// Units of 100 ns.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().checked_div(100).unwrap_or(0)).unwrap_or(u64::MAX)
}

impl Registration {
    /// `None` without a state, or with too many.
    fn new(device: &PowerDevice<'_>) -> Option<Self> {
        let count = device.states.len();
        if count == 0 || count > MOST_IDLE_STATES {
            return None;
        }
        let component_bytes = STATE.checked_mul(count)?.checked_add(FIRST_STATE)?;
        let mut states = device.states.iter().map(|state| STOR_POFX_COMPONENT_IDLE_STATE {
            Version: STOR_POFX_COMPONENT_IDLE_STATE_VERSION_V1,
            Size: u32::try_from(STATE).unwrap_or(0),
            TransitionLatency: ticks(state.transition_latency),
            ResidencyRequirement: ticks(state.residency),
            NominalPower: state.nominal_power,
        });
        let mut registration = Self::default();
        let raw = &mut registration.device;
        raw.Version = STOR_POFX_DEVICE_VERSION_V2;
        raw.Size = u32::try_from(component_bytes.checked_add(FIRST_COMPONENT)?).ok()?;
        raw.ComponentCount = 1;
        raw.Flags = device.flags;
        raw.__bindgen_anon_1.AdapterIdleTimeoutInMS =
            u32::try_from(device.idle_timeout.as_millis()).unwrap_or(u32::MAX);
        for component in &mut raw.Components {
            component.Version = STOR_POFX_COMPONENT_VERSION_V1;
            component.Size = u32::try_from(component_bytes).ok()?;
            component.FStateCount = u32::try_from(count).ok()?;
            component.DeepestWakeableFState = device.deepest_wakeable;
            component.Id = device.component.raw();
            for place in &mut component.FStates {
                *place = states.next()?;
            }
        }
        for (place, state) in registration.more.iter_mut().zip(states) {
            *place = state;
        }
        Some(registration)
    }
}

impl<M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'_, M, I, X> {
    /// Registers the adapter (`None`) or a unit with the run-time power framework (`StorPortInitializePoFxPower`; Windows
    /// 8). `d3_cold` is what is wished; returned is whether D3 cold is enabled.
    ///
    /// # Errors
    /// See [`PowerError`]; without a state, or with more than [`MOST_IDLE_STATES`], a parameter is invalid.
    pub fn register_power(
        &self,
        unit: Option<Address>,
        device: &PowerDevice<'_>,
        d3_cold: bool,
    ) -> Result<bool, PowerError> {
        let Some(mut registration) = Registration::new(device) else {
            return Err(PowerError::InvalidParameter);
        };
        let mut place = Place::new(unit);
        let mut enabled = u8::from(d3_cold);
        // SAFETY: the extension is live; the address and the registration, with all its states, outlive the call.
        PowerError::check(unsafe {
            ffi::initialize_pofx_power(
                self.raw(),
                place.pointer(),
                (&raw mut registration).cast(),
                &raw mut enabled,
            )
        })?;
        Ok(enabled != 0)
    }

    /// The component is needed (`StorPortPoFxActivateComponent`; Windows 8; up to `DISPATCH_LEVEL`).
    ///
    /// # Errors
    /// See [`PowerError`]; busy means that it becomes active later.
    pub fn activate_component(
        &self,
        unit: Option<Address>,
        component: u32,
        flags: u32,
    ) -> Result<(), PowerError> {
        let mut place = Place::new(unit);
        // SAFETY: the extension is live; the address outlives the call.
        PowerError::check(unsafe {
            ffi::pofx_activate_component(self.raw(), place.pointer(), ptr::null_mut(), component, flags)
        })
    }

    /// How long the component may take to come back (`StorPortPoFxSetComponentLatency`; Windows 8).
    ///
    /// # Errors
    /// See [`PowerError`].
    pub fn set_component_latency(
        &self,
        unit: Option<Address>,
        component: u32,
        latency: Duration,
    ) -> Result<(), PowerError> {
        let mut place = Place::new(unit);
        // SAFETY: the extension is live; the address outlives the call.
        PowerError::check(unsafe {
            ffi::pofx_set_component_latency(self.raw(), place.pointer(), component, ticks(latency))
        })
    }

    /// How long the component is likely to be idle (`StorPortPoFxSetComponentResidency`; Windows 8).
    ///
    /// # Errors
    /// See [`PowerError`].
    pub fn set_component_residency(
        &self,
        unit: Option<Address>,
        component: u32,
        residency: Duration,
    ) -> Result<(), PowerError> {
        let mut place = Place::new(unit);
        // SAFETY: the extension is live; the address outlives the call.
        PowerError::check(unsafe {
            ffi::pofx_set_component_residency(self.raw(), place.pointer(), component, ticks(residency))
        })
    }

    /// Sends a power control to the platform's power plug-in (`StorPortPoFxPowerControl`; Windows 8). Returns how many
    /// bytes were answered.
    ///
    /// # Errors
    /// See [`PowerError`].
    pub fn power_control(
        &self,
        unit: Option<Address>,
        code: Guid,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, PowerError> {
        let mut place = Place::new(unit);
        let code = code.raw();
        let mut returned = 0;
        // SAFETY: the extension is live; everything outlives the call, with the lengths that are told.
        PowerError::check(unsafe {
            ffi::pofx_power_control(
                self.raw(),
                place.pointer(),
                &raw const code,
                input.as_ptr().cast(),
                input.len(),
                output.as_mut_ptr().cast(),
                output.len(),
                &raw mut returned,
            )
        })?;
        Ok(usize::try_from(returned).unwrap_or(0).min(output.len()))
    }
}

impl<M: Miniport, I: Irql, X: Exclusion> Context<'_, M, I, X> {
    /// The component is not needed any more (`StorPortPoFxIdleComponent`; Windows 8; any IRQL).
    ///
    /// # Errors
    /// See [`PowerError`].
    pub fn idle_component(
        &self,
        unit: Option<Address>,
        component: u32,
        flags: u32,
    ) -> Result<(), PowerError> {
        let mut place = Place::new(unit);
        // SAFETY: the extension is live; the address outlives the call.
        PowerError::check(unsafe {
            ffi::pofx_idle_component(self.raw(), place.pointer(), ptr::null_mut(), component, flags)
        })
    }

    /// Asks to be told when these power settings change (`StorPortSetPowerSettingNotificationGuids`; Windows 8; any IRQL).
    /// At most eight.
    ///
    /// # Errors
    /// See [`PowerError`]; with none, or more than eight, a parameter is invalid.
    pub fn notify_power_settings(&self, settings: &[Guid]) -> Result<(), PowerError> {
        const MOST: usize = 8;
        if settings.is_empty() || settings.len() > MOST {
            return Err(PowerError::InvalidParameter);
        }
        let mut raw = [Guid::default().raw(); MOST];
        for (place, setting) in raw.iter_mut().zip(settings) {
            *place = setting.raw();
        }
        let count = u32::try_from(settings.len()).unwrap_or(0);
        // SAFETY: the extension is live; there are at least `count` GUIDs, which the call copies.
        PowerError::check(unsafe {
            ffi::set_power_setting_notification_guids(self.raw(), count, raw.as_ptr())
        })
    }
}

impl<M: Miniport, X: Exclusion> Context<'_, M, Passive, X> {
    /// Changes how long the adapter is idle before it needs no power (`StorPortPoFxSetIdleTimeout`; Windows 8; its page names
    /// no IRQL). Whole milliseconds; in place of [`PowerDevice::idle_timeout`].
    ///
    /// # Errors
    /// See [`IdleTimeoutError`].
    pub fn set_idle_timeout(&self, timeout: Duration) -> Result<(), IdleTimeoutError> {
        let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: the extension is live; without an address, as the page demands.
        IdleTimeoutError::check(unsafe {
            ffi::pofx_set_idle_timeout(self.raw(), ptr::null_mut(), milliseconds)
        })
    }

    /// Evaluates an ACPI method of the adapter or of a unit (`StorPortInvokeAcpiMethod`; Windows 8; `PASSIVE_LEVEL`).
    /// `method` is its name as it is written, `b"_SDD"`. Returns how many bytes of the answer were written to `output`.
    ///
    /// # Errors
    /// See [`AcpiError`].
    pub fn invoke_acpi_method(
        &self,
        unit: Option<Address>,
        method: [u8; 4],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, AcpiError> {
        let (Ok(input_length), Ok(output_length)) = (u32::try_from(input.len()), u32::try_from(output.len()))
        else {
            return Err(AcpiError::InvalidParameter);
        };
        let mut place = Place::new(unit);
        let mut returned = 0;
        // SAFETY: the extension is live; everything outlives the call, with the lengths that are told.
        AcpiError::check(unsafe {
            ffi::invoke_acpi_method(
                self.raw(),
                place.pointer(),
                u32::from_le_bytes(method),
                input.as_ptr().cast(),
                input_length,
                output.as_mut_ptr().cast(),
                output_length,
                &raw mut returned,
            )
        })?;
        Ok((returned as usize).min(output.len()))
    }
}
