//! `HwStorAdapterControl`.

use core::{marker::PhantomData, ops::Deref, ptr::NonNull, time::Duration};

use wdk_sys::{
    _RAID_SYSTEM_POWER, _SCSI_ADAPTER_CONTROL_STATUS, _SCSI_ADAPTER_CONTROL_TYPE, BOOLEAN, PVOID,
    SCSI_ADAPTER_CONTROL_STATUS, SCSI_ADAPTER_CONTROL_TYPE, STOR_ADAPTER_CONTROL_POWER,
    STOR_MAX_OPERATIONAL_POWER, STOR_POFX_ACTIVE_CONTEXT, STOR_POFX_FSTATE_CONTEXT,
    STOR_POFX_PERF_STATE_CONTEXT, STOR_POWER_SETTING_INFO, STOR_SERIAL_NUMBER, STOR_SYSTEM_POWER_HINTS,
};

use super::{
    DevicePowerState, NotDone, PowerAction, PowerControl, Restored,
    parameters::{answer_supported, number, read},
};
use crate::{
    context::{Configuration, Context},
    extension::Extension,
    ffi,
    miniport::Miniport,
    power::Guid,
    srb::DataBuffer,
};

/// What happens to the adapter at `PASSIVE_LEVEL`, without a lock.
pub enum AdapterEvent<'call> {
    /// `ScsiPowerSettingNotification`: a power setting that the miniport registered for has changed.
    PowerSetting {
        /// Which.
        setting: Guid,
        /// Its new value.
        value: SettingValue<'call>,
    },
    /// `ScsiAdapterPrepareForBusReScan`: power up everything, the bus is about to be scanned.
    PrepareForBusRescan,
    /// `ScsiAdapterSystemPowerHints`.
    SystemPowerHints {
        /// How much power the system wants to use.
        power: SystemPower,
        /// How long a resume may take.
        resume_latency: Duration,
    },
}

/// The value of a power setting (`STOR_POWER_SETTING_INFO`): the system's, to be read and not written.
pub struct SettingValue<'call>(DataBuffer<'call>);

impl<'call> Deref for SettingValue<'call> {
    type Target = DataBuffer<'call>;

    fn deref(&self) -> &DataBuffer<'call> {
        &self.0
    }
}

/// `RAID_SYSTEM_POWER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemPower {
    /// Not known.
    Unknown,
    /// As little as possible.
    Lowest,
    /// Little.
    Low,
    /// Between.
    Medium,
    /// As much as is useful.
    High,
}

/// What happens to the adapter's power, at `DISPATCH_LEVEL` or below, without a lock.
pub enum AdapterPowerEvent<'call> {
    /// `ScsiAdapterPower`.
    Power {
        /// The new state.
        state: DevicePowerState,
        /// Why.
        action: PowerAction,
    },
    /// `ScsiAdapterPoFxPowerRequired`: whether the adapter's component needs power.
    PowerRequired(bool),
    /// `ScsiAdapterPoFxPowerActive`.
    Active {
        /// Which component.
        component: u32,
        /// Active, or idle.
        active: bool,
    },
    /// `ScsiAdapterPoFxPowerSetFState`.
    SetFState {
        /// Which component.
        component: u32,
        /// Its new F-state.
        f_state: u32,
    },
    /// `ScsiAdapterPoFxPowerControl`.
    Control(PowerControl<'call>),
}

/// What happens to the adapter at an IRQL that no page gives: nothing is assumed of it, or of locks.
pub enum AdapterNotice<'call> {
    /// `ScsiAdapterSurpriseRemoval`: the adapter is gone.
    SurpriseRemoval,
    /// `ScsiAdapterPoFxMaxOperationalPower`: the power to stay below, in the units of the registered states.
    MaxOperationalPower(i64),
    /// `ScsiAdapterPoFxSetPerfState`: a transition that the miniport asked for.
    PerfState {
        /// Which component.
        component: u32,
        /// Whether it may be made.
        succeeded: bool,
    },
    /// `ScsiAdapterSerialNumber`: the serial number is asked for.
    SerialNumber(SerialNumber<'call>),
}

/// Where the adapter's serial number goes (`STOR_SERIAL_NUMBER`).
pub struct SerialNumber<'call> {
    block: NonNull<STOR_SERIAL_NUMBER>,
    call: PhantomData<&'call mut ()>,
}

impl SerialNumber<'_> {
    /// Longest serial number, without the zero at its end.
    const MAX_LENGTH: usize = 127;

    /// Answers with a serial number in ASCII, cut to 127 characters.
    pub fn set(&mut self, serial_number: &[u8]) {
        // SAFETY: the parameter block is the miniport's for the call.
        let target = unsafe { &raw mut (*self.block.as_ptr()).SerialNumber }.cast::<u8>();
        let end = serial_number.len().min(Self::MAX_LENGTH);
        for (offset, byte) in (0..end).zip(serial_number) {
            // SAFETY: the block has room for 128 characters of 16 bits.
            let place = unsafe { target.add(offset) };
            // SAFETY: as above.
            unsafe { place.write(*byte) };
        }
        // SAFETY: as above: `end` is at most 127.
        let place = unsafe { target.add(end) };
        // SAFETY: as above.
        unsafe { place.write(0) };
        // SAFETY: the parameter block is the miniport's for the call.
        unsafe { (*self.block.as_ptr()).Unicode = ffi::boolean(false) };
    }
}

/// `HwStorAdapterControl`.
///
/// # Safety
/// Called by the port driver.
pub(crate) unsafe extern "C" fn adapter_control<M: Miniport>(
    extension: PVOID,
    kind: SCSI_ADAPTER_CONTROL_TYPE,
    parameters: PVOID,
) -> SCSI_ADAPTER_CONTROL_STATUS {
    use _SCSI_ADAPTER_CONTROL_TYPE as Kind;
    let result = match kind {
        Kind::ScsiQuerySupportedControlTypes => {
            const ALWAYS: &[u32] = &[
                Kind::ScsiQuerySupportedControlTypes as u32,
                Kind::ScsiStopAdapter as u32,
                Kind::ScsiRestartAdapter as u32,
            ];
            let supported = M::ADAPTER_CONTROLS.numbers(ALWAYS);
            // SAFETY: the parameter of this control type is the list.
            unsafe { answer_supported(parameters.cast(), supported) }
        }
        Kind::ScsiStopAdapter | Kind::ScsiRestartAdapter => {
            // SAFETY: the adapter was found.
            let live = unsafe { Extension::<M>::from_raw(extension) };
            // SAFETY: nothing is assumed of locks, and no more than DIRQL of the IRQL.
            let cx = unsafe { Context::new(live) };
            if kind == Kind::ScsiStopAdapter {
                M::stop(&cx, live.adapter());
                Ok(())
            } else {
                M::restart(&cx, live.adapter()).map_err(|_| NotDone)
            }
        }
        _ if !u32::try_from(kind).is_ok_and(|number| M::ADAPTER_CONTROLS.contains(number)) => Err(NotDone),
        // SAFETY: the adapter was found; the control type and its parameters are passed on.
        _ => unsafe { optional::<M>(extension, kind, parameters) },
    };
    match result {
        Ok(()) => _SCSI_ADAPTER_CONTROL_STATUS::ScsiAdapterControlSuccess,
        Err(NotDone) => _SCSI_ADAPTER_CONTROL_STATUS::ScsiAdapterControlUnsuccessful,
    }
}

/// Serves a control type that the miniport declares, on an adapter that is started and stays meanwhile.
///
/// # Safety
/// The adapter of `extension` was found, and `parameters` goes with `kind`.
unsafe fn optional<M: Miniport>(
    extension: PVOID,
    kind: SCSI_ADAPTER_CONTROL_TYPE,
    parameters: PVOID,
) -> Result<(), NotDone> {
    use _SCSI_ADAPTER_CONTROL_TYPE as Kind;
    // SAFETY: the caller's promise.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    if !live.header.started.is_open() || !live.header.rundown.acquire() {
        return Err(NotDone);
    }
    let result = match kind {
        Kind::ScsiSetBootConfig | Kind::ScsiSetRunningConfig => {
            let what = if kind == Kind::ScsiSetBootConfig {
                Restored::Boot
            } else {
                Restored::Running
            };
            // SAFETY: this type comes at PASSIVE_LEVEL without a lock.
            let context = unsafe { Context::new(live) };
            let mut cx = Configuration { context };
            M::configure(&mut cx, live.adapter(), what)
        }
        Kind::ScsiPowerSettingNotification
        | Kind::ScsiAdapterPrepareForBusReScan
        | Kind::ScsiAdapterSystemPowerHints => {
            // SAFETY: the caller's promise.
            unsafe { event(kind, parameters) }.and_then(|event| {
                // SAFETY: these types come at PASSIVE_LEVEL without a lock.
                let mut cx = unsafe { Context::new(live) };
                M::adapter_control(&mut cx, live.adapter(), event)
            })
        }
        Kind::ScsiAdapterPower
        | Kind::ScsiAdapterPoFxPowerRequired
        | Kind::ScsiAdapterPoFxPowerActive
        | Kind::ScsiAdapterPoFxPowerSetFState
        | Kind::ScsiAdapterPoFxPowerControl => {
            // SAFETY: the caller's promise.
            unsafe { power(kind, parameters) }.and_then(|event| {
                // SAFETY: these types come at DISPATCH_LEVEL or below without a lock.
                let mut cx = unsafe { Context::new(live) };
                M::adapter_power(&mut cx, live.adapter(), event)
            })
        }
        // SAFETY: the caller's promise.
        _ => unsafe { notice(kind, parameters) }.and_then(|event| {
            // SAFETY: nothing is assumed of locks, and no more than DIRQL of the IRQL.
            let cx = unsafe { Context::new(live) };
            M::adapter_notice(&cx, live.adapter(), event)
        }),
    };
    // SAFETY: our reference; nothing of the extension is used after this.
    unsafe { Extension::<M>::release_reference(extension) };
    result
}

/// # Safety
/// `parameters` goes with `kind`, for as long as the result is used.
unsafe fn event<'call>(
    kind: SCSI_ADAPTER_CONTROL_TYPE,
    parameters: PVOID,
) -> Result<AdapterEvent<'call>, NotDone> {
    use _SCSI_ADAPTER_CONTROL_TYPE as Kind;
    match kind {
        Kind::ScsiPowerSettingNotification => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_POWER_SETTING_INFO>(parameters) }.ok_or(NotDone)?;
            let base = NonNull::new(block.Value.cast::<u8>()).ok_or(NotDone)?;
            // SAFETY: the value has that length and lasts for the call.
            let value = unsafe { DataBuffer::new(base, block.ValueLength as usize) };
            Ok(AdapterEvent::PowerSetting {
                setting: Guid::from(block.PowerSettingGuid),
                value: SettingValue(value),
            })
        }
        Kind::ScsiAdapterSystemPowerHints => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_SYSTEM_POWER_HINTS>(parameters) }.ok_or(NotDone)?;
            Ok(AdapterEvent::SystemPowerHints {
                power: match block.SystemPower {
                    _RAID_SYSTEM_POWER::RaidSystemPowerLowest => SystemPower::Lowest,
                    _RAID_SYSTEM_POWER::RaidSystemPowerLow => SystemPower::Low,
                    _RAID_SYSTEM_POWER::RaidSystemPowerMedium => SystemPower::Medium,
                    _RAID_SYSTEM_POWER::RaidSystemPowerHigh => SystemPower::High,
                    _ => SystemPower::Unknown,
                },
                resume_latency: Duration::from_millis(u64::from(block.ResumeLatencyMSec)),
            })
        }
        _ => Ok(AdapterEvent::PrepareForBusRescan),
    }
}

/// # Safety
/// `parameters` goes with `kind`, for as long as the result is used.
unsafe fn power<'call>(
    kind: SCSI_ADAPTER_CONTROL_TYPE,
    parameters: PVOID,
) -> Result<AdapterPowerEvent<'call>, NotDone> {
    use _SCSI_ADAPTER_CONTROL_TYPE as Kind;
    match kind {
        Kind::ScsiAdapterPower => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_ADAPTER_CONTROL_POWER>(parameters) }.ok_or(NotDone)?;
            Ok(AdapterPowerEvent::Power {
                state: DevicePowerState::from(number(block.PowerState)),
                action: PowerAction::from(number(block.PowerAction)),
            })
        }
        Kind::ScsiAdapterPoFxPowerRequired => {
            // SAFETY: the parameter of this control type is a BOOLEAN.
            let required = unsafe { read::<BOOLEAN>(parameters) }.ok_or(NotDone)?;
            Ok(AdapterPowerEvent::PowerRequired(required != 0))
        }
        Kind::ScsiAdapterPoFxPowerActive => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_POFX_ACTIVE_CONTEXT>(parameters) }.ok_or(NotDone)?;
            Ok(AdapterPowerEvent::Active {
                component: block.ComponentIndex,
                active: block.Active != 0,
            })
        }
        Kind::ScsiAdapterPoFxPowerSetFState => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_POFX_FSTATE_CONTEXT>(parameters) }.ok_or(NotDone)?;
            Ok(AdapterPowerEvent::SetFState {
                component: block.ComponentIndex,
                f_state: block.FState,
            })
        }
        _ => {
            // SAFETY: the parameter of this control type.
            let control = unsafe { PowerControl::new(parameters) };
            control.map(AdapterPowerEvent::Control).ok_or(NotDone)
        }
    }
}

/// # Safety
/// `parameters` goes with `kind`, for as long as the result is used.
unsafe fn notice<'call>(
    kind: SCSI_ADAPTER_CONTROL_TYPE,
    parameters: PVOID,
) -> Result<AdapterNotice<'call>, NotDone> {
    use _SCSI_ADAPTER_CONTROL_TYPE as Kind;
    match kind {
        Kind::ScsiAdapterSurpriseRemoval => Ok(AdapterNotice::SurpriseRemoval),
        Kind::ScsiAdapterPoFxMaxOperationalPower => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_MAX_OPERATIONAL_POWER>(parameters) }.ok_or(NotDone)?;
            Ok(AdapterNotice::MaxOperationalPower(block.Value))
        }
        Kind::ScsiAdapterPoFxSetPerfState => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_POFX_PERF_STATE_CONTEXT>(parameters) }.ok_or(NotDone)?;
            Ok(AdapterNotice::PerfState {
                component: block.ComponentIndex,
                succeeded: block.Succeeded != 0,
            })
        }
        Kind::ScsiAdapterSerialNumber => Ok(AdapterNotice::SerialNumber(SerialNumber {
            block: NonNull::new(parameters.cast()).ok_or(NotDone)?,
            call: PhantomData,
        })),
        _ => Err(NotDone),
    }
}
