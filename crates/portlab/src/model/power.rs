//! The run-time power framework, power settings, ACPI.

use std::collections::BTreeMap;

use super::{limits::status, machine::Machine, rules};
use crate::abi::{
    GuestAddress,
    codes::stor_status,
    exports::Arguments,
    guest,
    power::{DEVICE_HEADS, PofxComponent, PofxDeviceHead, PofxIdleState},
    srb::{STOR_ADDRESS_TYPE_BTL8, StorAddrBtl8},
};

/// `STOR_POFX_ADAPTER_MAX_IDLE_STATES` and `STOR_POFX_UNIT_MAX_IDLE_STATES`.
const ADAPTER_IDLE_STATES: u32 = 8;
const UNIT_IDLE_STATES: u32 = 2;
/// Most power settings that a driver may watch.
const SETTINGS: u32 = 8;

/// Path, target, unit; `None` is the adapter.
type Place = Option<[u8; 3]>;

/// A device that is registered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registered {
    /// How often its component was activated.
    pub(super) active: u32,
    /// F-states of its component.
    pub(super) states: u32,
    /// `STOR_POFX_DEVICE_FLAG_*`.
    pub(super) flags: u32,
}

/// What is registered.
#[derive(Default)]
pub(super) struct Pofx(BTreeMap<Place, Registered>);

impl Pofx {
    /// The adapter's registration.
    pub(super) fn adapter(&self) -> Option<Registered> {
        self.0.get(&None).copied()
    }
}

impl Machine {
    fn place_of(&self, address: GuestAddress) -> Result<Place, u32> {
        if address == 0 {
            return Ok(None);
        }
        let unit: StorAddrBtl8 = guest::read(address);
        if unit.kind != STOR_ADDRESS_TYPE_BTL8 {
            self.violate(&rules::BAD_PARAMETER, || format!("address type {}", unit.kind));
            return Err(stor_status::INVALID_PARAMETER);
        }
        Ok(Some([unit.path, unit.target, unit.lun]))
    }

    /// `StorPortInitializePoFxPower(HwDeviceExtension, Address, Device, *D3ColdEnabled)`.
    pub(super) fn initialize_pofx_power(&self, arguments: Arguments) -> u32 {
        let (device, d3_cold) = (arguments.pointer(3), arguments.pointer(4));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("Device", device)?;
            self.not_null("D3ColdEnabled", d3_cold)?;
            let place = self.place_of(arguments.pointer(2))?;
            let registered = self.judge_pofx_device(device, place)?;
            self.resources()?;
            if self.pofx.lock().0.insert(place, registered).is_some() {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("{place:?} is registered already")
                });
                return Err(stor_status::INVALID_DEVICE_STATE);
            }
            // The lab's devices have no D3 cold.
            guest::write(d3_cold, &0_u8);
            Ok(stor_status::SUCCESS)
        })())
    }

    fn judge_pofx_device(&self, device: GuestAddress, place: Place) -> Result<Registered, u32> {
        let wrong = |detail: String| {
            self.violate(&rules::BAD_PARAMETER, || detail);
            Err(stor_status::INVALID_PARAMETER)
        };
        let head: PofxDeviceHead = guest::read(device);
        let Some(&components) =
            (head.version.checked_sub(1)).and_then(|index| DEVICE_HEADS.get(index as usize))
        else {
            return wrong(format!("version {} of STOR_POFX_DEVICE", head.version));
        };
        if head.component_count != 1 {
            return wrong(format!(
                "{} components; adapters and units have one",
                head.component_count
            ));
        }
        let component: PofxComponent = guest::read(device + components);
        let most = if place.is_some() {
            UNIT_IDLE_STATES
        } else {
            ADAPTER_IDLE_STATES
        };
        let states = component.f_state_count;
        if component.version != 1 || states == 0 || states > most {
            return wrong(format!(
                "version {}, {states} idle states, at most {most}",
                component.version
            ));
        }
        let state_size = size_of::<PofxIdleState>() as u64;
        let size = size_of::<PofxComponent>() as u64 + u64::from(states) * state_size;
        if u64::from(component.size) != size || u64::from(head.size) != components + size {
            return wrong(format!(
                "sizes {} and {}, of {size} and {}",
                component.size,
                head.size,
                components + size
            ));
        }
        if component.deepest_wakeable_f_state >= states {
            return wrong(format!(
                "state {} wakes, of {states}",
                component.deepest_wakeable_f_state
            ));
        }
        for index in 0..u64::from(states) {
            let at = device + components + size_of::<PofxComponent>() as u64 + index * state_size;
            let state: PofxIdleState = guest::read(at);
            if state.version != 1 || u64::from(state.size) != state_size {
                return wrong(format!(
                    "idle state {index}: version {}, size {}",
                    state.version, state.size
                ));
            }
            if index == 0 && (state.transition_latency, state.residency_requirement) != (0, 0) {
                return wrong(String::from("F0 has neither latency nor residency"));
            }
        }
        Ok(Registered {
            active: 0,
            states,
            flags: head.flags,
        })
    }

    fn registered(&self, arguments: Arguments, component: u32) -> Result<Place, u32> {
        let place = self.place_of(arguments.pointer(2))?;
        if component != 0 || !self.pofx.lock().0.contains_key(&place) {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("component {component} of {place:?} is not registered")
            });
            return Err(stor_status::INVALID_PARAMETER);
        }
        Ok(place)
    }

    /// `StorPortPoFxActivateComponent(HwDeviceExtension, Address, Srb, Component, Flags)`. The lab's components are
    /// always powered: activation is immediate.
    pub(super) fn pofx_activate_component(&self, arguments: Arguments) -> u32 {
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            let place = self.registered(arguments, arguments.u32(4))?;
            if let Some(registered) = self.pofx.lock().0.get_mut(&place) {
                registered.active += 1;
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortPoFxIdleComponent(HwDeviceExtension, Address, Srb, Component, Flags)`.
    pub(super) fn pofx_idle_component(&self, arguments: Arguments) -> u32 {
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            let place = self.registered(arguments, arguments.u32(4))?;
            let balanced = {
                let mut pofx = self.pofx.lock();
                pofx.0.get_mut(&place).is_some_and(|registered| {
                    let balanced = registered.active > 0;
                    registered.active = registered.active.saturating_sub(1);
                    balanced
                })
            };
            if !balanced {
                self.violate(&rules::POFX_UNBALANCED, || format!("{place:?} is idle already"));
                return Err(stor_status::INVALID_DEVICE_STATE);
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortPoFxSetComponentLatency(HwDeviceExtension, Address, Component, Latency)`, and `Residency` likewise.
    pub(super) fn pofx_set_component(&self, arguments: Arguments) -> u32 {
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.registered(arguments, arguments.u32(3))?;
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortPoFxSetIdleTimeout(HwDeviceExtension, Address, IdleTimeoutInMS)`: of the adapter.
    pub(super) fn pofx_set_idle_timeout(&self, arguments: Arguments) -> u32 {
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            if arguments.pointer(2) != 0 {
                self.violate(&rules::BAD_PARAMETER, || {
                    String::from("an idle timeout is the adapter's")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            self.registered(arguments, 0)
                .map_err(|_| stor_status::UNSUCCESSFUL)?;
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortPoFxPowerControl(HwDeviceExtension, Address, Code, InBuffer, InSize, OutBuffer, OutSize, *Returned)`: the
    /// lab's platform has no power plug-in.
    pub(super) fn pofx_power_control(&self, arguments: Arguments) -> u32 {
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("PowerControlCode", arguments.pointer(3))?;
            self.registered(arguments, 0)?;
            Err(stor_status::UNSUCCESSFUL)
        })())
    }

    /// `StorPortSetPowerSettingNotificationGuids(HwDeviceExtension, GuidCount, Guids)`. They change by
    /// [`super::Lab::change_power_setting`].
    pub(super) fn set_power_setting_guids(&self, arguments: Arguments) -> u32 {
        let count = arguments.u32(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Guid", arguments.pointer(3))?;
            if count == 0 || count > SETTINGS {
                self.violate(&rules::BAD_PARAMETER, || format!("{count} power settings"));
                return Err(stor_status::INVALID_PARAMETER);
            }
            self.resources()?;
            let guids = (0..u64::from(count)).map(|index| guest::read(arguments.pointer(3) + 16 * index));
            *self.power_settings.lock() = guids.collect();
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortInvokeAcpiMethod(HwDeviceExtension, Address, MethodName, Input, InputLength, Output, OutputLength,
    /// *Returned)`: the lab's firmware describes no method of the device.
    pub(super) fn invoke_acpi_method(&self, arguments: Arguments) -> u32 {
        status((|| {
            self.passive(arguments.pointer(1))?;
            self.place_of(arguments.pointer(2))?;
            let name = arguments.u32(3).to_le_bytes();
            if !name
                .iter()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
            {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("{name:x?} is no name of a method")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            Err(stor_status::UNSUCCESSFUL)
        })())
    }
}
