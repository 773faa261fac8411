//! `HwStorUnitControl`.

use core::{marker::PhantomData, ptr::NonNull};

use wdk_sys::{
    _SCSI_UC_DEVICE_USAGE_TYPE, _SCSI_UNIT_CONTROL_STATUS, _SCSI_UNIT_CONTROL_TYPE, PVOID,
    SCSI_UNIT_CONTROL_STATUS, SCSI_UNIT_CONTROL_TYPE, STOR_POFX_ACTIVE_CONTEXT, STOR_POFX_FSTATE_CONTEXT,
    STOR_POFX_POWER_REQUIRED_CONTEXT, STOR_POFX_UNIT_POWER_INFO, STOR_POWER_CONTROL_HEADER,
    STOR_RICH_DEVICE_DESCRIPTION_V2, STOR_UC_DEVICE_USAGE, STOR_UNIT_CONTROL_POWER,
};

use super::{
    DevicePowerState, NotDone, PowerAction, PowerControl,
    parameters::{answer_supported, number, read, unit},
};
use crate::{context::Context, extension::Extension, miniport::Miniport, srb::Address};

/// What happens to a logical unit at `PASSIVE_LEVEL`, without a lock.
pub enum UnitEvent<'call> {
    /// `ScsiUnitStart`.
    Start,
    /// `ScsiUnitRemove`.
    Remove,
    /// `ScsiUnitSurpriseRemoval`.
    SurpriseRemoval,
    /// `ScsiUnitUsage`.
    Usage {
        /// What for.
        usage: UnitUsage,
        /// From now on, or no longer.
        in_use: bool,
    },
    /// `ScsiUnitPoFxPowerInfo`: whether idle power management is enabled. A miniport that has run-time power management
    /// for the unit registers it from here.
    PoFxPowerInfo {
        /// Whether it is enabled.
        idle_power_enabled: bool,
    },
    /// `ScsiUnitRichDescription`: longer identification than INQUIRY has room for is asked for.
    RichDescription(RichDescription<'call>),
}

/// `SCSI_UC_DEVICE_USAGE_TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitUsage {
    /// It holds a paging file.
    Paging,
    /// It holds the hibernation file.
    Hibernation,
    /// It holds the dump file.
    DumpFile,
    /// The system boots from it.
    Boot,
    /// Undefined, or a value that this crate does not know.
    Other(u32),
}

/// What happens to a logical unit's power, at `DISPATCH_LEVEL`, without a lock.
pub enum UnitPowerEvent<'call> {
    /// `ScsiUnitPower`.
    Power {
        /// The new state.
        state: DevicePowerState,
        /// Why.
        action: PowerAction,
    },
    /// `ScsiUnitPoFxPowerRequired`: whether the unit's component needs power.
    PowerRequired(bool),
    /// `ScsiUnitPoFxPowerActive`.
    Active {
        /// Which component.
        component: u32,
        /// Active, or idle.
        active: bool,
    },
    /// `ScsiUnitPoFxPowerSetFState`.
    SetFState {
        /// Which component.
        component: u32,
        /// Its new F-state.
        f_state: u32,
    },
    /// `ScsiUnitPoFxPowerControl`.
    Control(PowerControl<'call>),
}

/// Where a unit's long identification goes (`STOR_RICH_DEVICE_DESCRIPTION_V2`).
pub struct RichDescription<'call> {
    block: NonNull<STOR_RICH_DEVICE_DESCRIPTION_V2>,
    call: PhantomData<&'call mut ()>,
}

impl RichDescription<'_> {
    /// Answers with ASCII text: vendor and firmware revision cut to 16 characters, the model number to 64.
    pub fn set(&mut self, vendor: &[u8], model_number: &[u8], firmware_revision: &[u8]) {
        let block = self.block.as_ptr();
        // SAFETY: the parameter block is the miniport's for the call.
        fill(unsafe { &mut (*block).VendorId }, vendor);
        // SAFETY: as above.
        fill(unsafe { &mut (*block).ModelNumber }, model_number);
        // SAFETY: as above.
        fill(unsafe { &mut (*block).FirmwareRevision }, firmware_revision);
    }
}

/// Copies as much as leaves room for a zero, and the zero.
fn fill(target: &mut [u8], source: &[u8]) {
    let room = target.len().saturating_sub(1);
    let text = source.iter().copied().take(room).chain(core::iter::repeat(0));
    for (place, byte) in target.iter_mut().zip(text) {
        *place = byte;
    }
}

/// `HwStorUnitControl`.
///
/// # Safety
/// Called by the port driver.
pub(crate) unsafe extern "C" fn unit_control<M: Miniport>(
    extension: PVOID,
    kind: SCSI_UNIT_CONTROL_TYPE,
    parameters: PVOID,
) -> SCSI_UNIT_CONTROL_STATUS {
    use _SCSI_UNIT_CONTROL_TYPE as Kind;
    let result = if kind == Kind::ScsiQuerySupportedUnitControlTypes {
        const ALWAYS: &[u32] = &[Kind::ScsiQuerySupportedUnitControlTypes as u32];
        // SAFETY: the parameter of this control type is the list.
        unsafe { answer_supported(parameters.cast(), M::UNIT_CONTROLS.numbers(ALWAYS)) }
    } else if u32::try_from(kind).is_ok_and(|number| M::UNIT_CONTROLS.contains(number)) {
        // SAFETY: the adapter was found; the control type and its parameters are passed on.
        unsafe { serve::<M>(extension, kind, parameters) }
    } else {
        Err(NotDone)
    };
    match result {
        Ok(()) => _SCSI_UNIT_CONTROL_STATUS::ScsiUnitControlSuccess,
        Err(NotDone) => _SCSI_UNIT_CONTROL_STATUS::ScsiUnitControlUnsuccessful,
    }
}

/// Serves a control type that the miniport declares, on an adapter that is started and stays meanwhile.
///
/// # Safety
/// The adapter of `extension` was found, and `parameters` goes with `kind`.
unsafe fn serve<M: Miniport>(
    extension: PVOID,
    kind: SCSI_UNIT_CONTROL_TYPE,
    parameters: PVOID,
) -> Result<(), NotDone> {
    use _SCSI_UNIT_CONTROL_TYPE as Kind;
    // SAFETY: the caller's promise.
    let live = unsafe { Extension::<M>::from_raw(extension) };
    if !live.header.started.is_open() || !live.header.rundown.acquire() {
        // After a surprise removal the units go when the adapter is gone: there is nothing left to be done for them.
        let removal = matches!(kind, Kind::ScsiUnitRemove | Kind::ScsiUnitSurpriseRemoval);
        return if removal { Ok(()) } else { Err(NotDone) };
    }
    let result = match kind {
        Kind::ScsiUnitPower
        | Kind::ScsiUnitPoFxPowerRequired
        | Kind::ScsiUnitPoFxPowerActive
        | Kind::ScsiUnitPoFxPowerSetFState
        | Kind::ScsiUnitPoFxPowerControl => {
            // SAFETY: the caller's promise.
            unsafe { power(kind, parameters) }.and_then(|(unit, event)| {
                // SAFETY: these types come at DISPATCH_LEVEL without a lock.
                let mut cx = unsafe { Context::new(live) };
                M::unit_power(&mut cx, live.adapter(), unit, event)
            })
        }
        // SAFETY: the caller's promise.
        _ => unsafe { event(kind, parameters) }.and_then(|(unit, event)| {
            // SAFETY: these types come at PASSIVE_LEVEL without a lock.
            let mut cx = unsafe { Context::new(live) };
            M::unit_control(&mut cx, live.adapter(), unit, event)
        }),
    };
    // SAFETY: our reference; nothing of the extension is used after this.
    unsafe { Extension::<M>::release_reference(extension) };
    result
}

/// # Safety
/// `parameters` goes with `kind`, for as long as the result is used.
unsafe fn event<'call>(
    kind: SCSI_UNIT_CONTROL_TYPE,
    parameters: PVOID,
) -> Result<(Address, UnitEvent<'call>), NotDone> {
    use _SCSI_UC_DEVICE_USAGE_TYPE as Usage;
    use _SCSI_UNIT_CONTROL_TYPE as Kind;
    let (address, event) = match kind {
        Kind::ScsiUnitStart => (parameters.cast_const().cast(), UnitEvent::Start),
        Kind::ScsiUnitRemove => (parameters.cast_const().cast(), UnitEvent::Remove),
        Kind::ScsiUnitSurpriseRemoval => (parameters.cast_const().cast(), UnitEvent::SurpriseRemoval),
        Kind::ScsiUnitUsage => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_UC_DEVICE_USAGE>(parameters) }.ok_or(NotDone)?;
            let usage = match block.UsageType {
                Usage::ScsiDeviceUsageTypePaging => UnitUsage::Paging,
                Usage::ScsiDeviceUsageTypeHibernation => UnitUsage::Hibernation,
                Usage::ScsiDeviceUsageTypeDumpFile => UnitUsage::DumpFile,
                Usage::ScsiDeviceUsageTypeBoot => UnitUsage::Boot,
                other => UnitUsage::Other(number(other)),
            };
            let in_use = block.InUse != 0;
            (block.Address.cast_const(), UnitEvent::Usage { usage, in_use })
        }
        Kind::ScsiUnitPoFxPowerInfo => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_POFX_UNIT_POWER_INFO>(parameters) }.ok_or(NotDone)?;
            let idle_power_enabled = block.IdlePowerEnabled != 0;
            (
                block.Header.Address.cast_const(),
                UnitEvent::PoFxPowerInfo { idle_power_enabled },
            )
        }
        Kind::ScsiUnitRichDescription => {
            const STOR_RICH_DEVICE_DESCRIPTION_STRUCTURE_VERSION_V2: u32 = 2;
            // SAFETY: the parameter of this control type begins with its version in each version.
            let version = unsafe { read::<u32>(parameters) }.ok_or(NotDone)?;
            // The first version names no unit.
            if version < STOR_RICH_DEVICE_DESCRIPTION_STRUCTURE_VERSION_V2 {
                return Err(NotDone);
            }
            // SAFETY: the parameter of this control type, by its version.
            let copy = unsafe { read::<STOR_RICH_DEVICE_DESCRIPTION_V2>(parameters) }.ok_or(NotDone)?;
            let block = NonNull::new(parameters.cast()).ok_or(NotDone)?;
            let description = RichDescription {
                block,
                call: PhantomData,
            };
            (copy.Address.cast_const(), UnitEvent::RichDescription(description))
        }
        _ => return Err(NotDone),
    };
    // SAFETY: the address in the parameter block, or the block itself, lasts for the call.
    let unit = unsafe { unit(address) }.ok_or(NotDone)?;
    Ok((unit, event))
}

/// # Safety
/// `parameters` goes with `kind`, for as long as the result is used.
unsafe fn power<'call>(
    kind: SCSI_UNIT_CONTROL_TYPE,
    parameters: PVOID,
) -> Result<(Address, UnitPowerEvent<'call>), NotDone> {
    use _SCSI_UNIT_CONTROL_TYPE as Kind;
    let (address, event) = match kind {
        Kind::ScsiUnitPower => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_UNIT_CONTROL_POWER>(parameters) }.ok_or(NotDone)?;
            let event = UnitPowerEvent::Power {
                state: DevicePowerState::from(number(block.PowerState)),
                action: PowerAction::from(number(block.PowerAction)),
            };
            (block.Address, event)
        }
        Kind::ScsiUnitPoFxPowerRequired => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_POFX_POWER_REQUIRED_CONTEXT>(parameters) }.ok_or(NotDone)?;
            (
                block.Header.Address,
                UnitPowerEvent::PowerRequired(block.PowerRequired != 0),
            )
        }
        Kind::ScsiUnitPoFxPowerActive => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_POFX_ACTIVE_CONTEXT>(parameters) }.ok_or(NotDone)?;
            let event = UnitPowerEvent::Active {
                component: block.ComponentIndex,
                active: block.Active != 0,
            };
            (block.Header.Address, event)
        }
        Kind::ScsiUnitPoFxPowerSetFState => {
            // SAFETY: the parameter of this control type.
            let block = unsafe { read::<STOR_POFX_FSTATE_CONTEXT>(parameters) }.ok_or(NotDone)?;
            let event = UnitPowerEvent::SetFState {
                component: block.ComponentIndex,
                f_state: block.FState,
            };
            (block.Header.Address, event)
        }
        _ => {
            // SAFETY: the parameter of this control type begins with this header.
            let header = unsafe { read::<STOR_POWER_CONTROL_HEADER>(parameters) }.ok_or(NotDone)?;
            // SAFETY: the parameter of this control type.
            let control = unsafe { PowerControl::new(parameters) }.ok_or(NotDone)?;
            (header.Address, UnitPowerEvent::Control(control))
        }
    };
    // SAFETY: the address in the parameter block lasts for the call.
    let unit = unsafe { unit(address.cast_const()) }.ok_or(NotDone)?;
    Ok((unit, event))
}
