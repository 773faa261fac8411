//! `StorPortNotification`, by type.

use std::sync::Arc;

use super::{activity::Activity, journal::StateChange, machine::Machine, rules};
use crate::{
    abi::{
        GuestAddress,
        codes::{notification as kind, stor_status},
        entry::Routine,
        exports::Arguments,
        guest,
        srb::{STOR_ADDRESS_TYPE_BTL8, StorAddrBtl8},
    },
    engine::{Irql, Level, SpinLock},
};

/// Bytes of a `WNODE_HEADER`; `WNODE_FLAG_EVENT_ITEM`.
const WNODE_HEADER: u32 = 48;
const WNODE_FLAG_EVENT_ITEM: u32 = 0x80;
/// `STATE_CHANGE_LUN`, _TARGET and _BUS.
const ENTITIES: u32 = 0x7;

impl Machine {
    /// `StorPortNotification(NotificationType, HwDeviceExtension, ...)`.
    pub(super) fn notification(self: &Arc<Self>, arguments: Arguments) {
        match arguments.u32(0) {
            kind::REQUEST_COMPLETE => self.request_complete(arguments),
            // Obsolete under Storport: it sends the next request by itself.
            kind::NEXT_REQUEST | kind::NEXT_LU_REQUEST => {
                self.is_extension(arguments.pointer(1));
            }
            kind::RESET_DETECTED | kind::LINK_UP | kind::LINK_DOWN => {
                if self.is_extension(arguments.pointer(1)) {
                    let name = kind::name(arguments.u32(0)).unwrap_or("notification");
                    self.journal.event(0, format!("the miniport reports {name}"));
                }
            }
            kind::BUS_CHANGE_DETECTED => {
                if self.is_extension(arguments.pointer(1)) {
                    self.counters.state_changes();
                    self.journal.state_change(StateChange::Bus(arguments.u8(2)));
                }
            }
            kind::REQUEST_TIMER_CALL => self.request_timer_call(arguments),
            kind::ENABLE_PASSIVE_INITIALIZATION => self.enable_passive_initialization(arguments),
            kind::INITIALIZE_DPC => self.initialize_dpc(arguments),
            kind::ISSUE_DPC => self.issue_dpc(arguments),
            kind::ACQUIRE_SPIN_LOCK => self.acquire_spin_lock(arguments),
            kind::RELEASE_SPIN_LOCK => self.release_spin_lock(arguments),
            kind::STATE_CHANGE_DETECTED => self.state_change_detected(arguments),
            kind::MARK_DEVICE_FAILED_EX => self.mark_device_failed(arguments),
            kind::MARK_DEVICE_FAILED => self.mark_device_failed_plainly(arguments),
            kind::TERMINATE_SYSTEM_THREAD => self.terminate_system_thread(arguments),
            kind::WMI_EVENT => self.wmi_event(arguments),
            kind::WMI_REREGISTER => self.wmi_reregister(arguments),
            kind::ASYNC_NOTIFICATION_DETECTED => self.async_notification_detected(arguments),
            other => self.not_modelled(&kind::name(other).map_or_else(
                || format!("notification {other}"),
                |name| format!("StorPortNotification({name})"),
            )),
        }
    }

    /// `(EnablePassiveInitialization, HwDeviceExtension, HwPassiveInitRoutine, *Success)`.
    fn enable_passive_initialization(&self, arguments: Arguments) {
        let (extension, routine, out) = (arguments.pointer(1), arguments.pointer(2), arguments.pointer(3));
        let legal = self.is_extension(extension)
            && self.within("HwStorInitialize", |activity| activity == Activity::Initialize)
            && self.not_null("HwPassiveInitRoutine", routine).is_ok()
            // Nothing runs at PASSIVE_LEVEL any more.
            && self.dump.is_none();
        if legal {
            self.change_setup(|setup| setup.passive_initialize = Routine::new(routine));
        }
        if out != 0 {
            guest::write(out, &i32::from(legal));
        }
    }

    /// `(StateChangeDetectedCall, HwDeviceExtension, ChangedEntity, Address, Attributes, HwStateChange,
    /// HwStateChangeContext, *Status)`.
    fn state_change_detected(self: &Arc<Self>, arguments: Arguments) {
        let (extension, entity) = (arguments.pointer(1), arguments.u32(2));
        let (address, attributes) = (arguments.pointer(3), arguments.u32(4));
        let (callback, context, out) = (arguments.pointer(5), arguments.pointer(6), arguments.pointer(7));
        let answer = |status: u32| {
            if out != 0 {
                guest::write(out, &status);
            }
        };
        if self.any_irql(extension).is_err() || self.not_null("Address", address).is_err() {
            return answer(stor_status::INVALID_PARAMETER);
        }
        let place: StorAddrBtl8 = guest::read(address);
        if entity == 0 || entity & !ENTITIES != 0 || place.kind != STOR_ADDRESS_TYPE_BTL8 {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("entity {entity:#x}, address type {}", place.kind)
            });
            return answer(stor_status::INVALID_PARAMETER);
        }
        if !self.begin_state_change() {
            self.violate(&rules::STATE_CHANGE_OUTSTANDING, || {
                String::from("another state change has not been processed yet")
            });
            return answer(stor_status::BUSY);
        }
        self.counters.state_changes();
        let change = StateChange::State {
            entity,
            address: [place.path, place.target, place.lun],
            attributes,
        };
        let machine = Arc::clone(self);
        // Storport processes it in a thread of its own, then calls back at DISPATCH_LEVEL.
        self.engine.work(Box::new(move || {
            machine.journal.state_change(change);
            let after = Arc::clone(&machine);
            let job = Box::new(move || after.state_change_processed(callback, extension, context, address));
            machine.engine.post(0, Level::Dpc, job);
        }));
        answer(stor_status::SUCCESS);
    }

    /// `HwStorStateChange(HwDeviceExtension, Context, AddressType, Address, Status)`.
    fn state_change_processed(
        &self,
        callback: GuestAddress,
        extension: GuestAddress,
        context: GuestAddress,
        address: GuestAddress,
    ) {
        self.end_state_change();
        if let Some(routine) = Routine::new(callback) {
            let locks = self.timer_locks();
            let locks: Vec<&Arc<SpinLock>> = locks.iter().collect();
            let arguments = [
                extension,
                context,
                u64::from(STOR_ADDRESS_TYPE_BTL8),
                address,
                u64::from(stor_status::SUCCESS),
            ];
            self.call(Activity::StateChange, Irql::DISPATCH, &locks, routine, &arguments);
        }
    }

    /// `(WMIEvent, HwDeviceExtension, WnodeEventItem, PathId, TargetId, Lun)`: Storport sends a copy to whoever listens.
    fn wmi_event(&self, arguments: Arguments) {
        let item = arguments.pointer(2);
        if self.any_irql(arguments.pointer(1)).is_err() || self.not_null("WnodeEventItem", item).is_err() {
            return;
        }
        // WNODE_HEADER: its size with all behind it, ..., flags at 44.
        let (size, flags): (u32, u32) = (guest::read(item), guest::read(item + 44));
        if size < WNODE_HEADER || flags & WNODE_FLAG_EVENT_ITEM == 0 {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("a WNODE of {size} bytes with the flags {flags:#x} is no event item")
            });
            return;
        }
        let [path, target, lun] = [3, 4, 5].map(|index| arguments.u8(index));
        self.journal
            .event(0, format!("WMI event of {size} bytes from {path}:{target}:{lun}"));
    }

    /// `(WMIReregister, HwDeviceExtension, PathId, TargetId, Lun)`: the data blocks have changed.
    fn wmi_reregister(&self, arguments: Arguments) {
        if self.any_irql(arguments.pointer(1)).is_err() {
            return;
        }
        if self.setup().configuration.wmi_data_provider == 0 {
            self.violate(&rules::BAD_PARAMETER, || {
                String::from("HwStorFindAdapter left WmiDataProvider FALSE")
            });
            return;
        }
        let [path, target, lun] = [2, 3, 4].map(|index| arguments.u8(index));
        self.journal
            .event(0, format!("WMI data of {path}:{target}:{lun} registered again"));
    }

    /// `(AsyncNotificationDetected, HwDeviceExtension, Address, Flags, *Status)`.
    fn async_notification_detected(&self, arguments: Arguments) {
        let (extension, address) = (arguments.pointer(1), arguments.pointer(2));
        let (flags, out) = (arguments.get(3), arguments.pointer(4));
        let status = if self.any_irql(extension).is_err() || self.not_null("Address", address).is_err() {
            stor_status::INVALID_PARAMETER
        } else {
            let place: StorAddrBtl8 = guest::read(address);
            self.counters.state_changes();
            let address = [place.path, place.target, place.lun];
            self.journal
                .state_change(StateChange::AsyncNotification { address, flags });
            stor_status::SUCCESS
        };
        if out != 0 {
            guest::write(out, &status);
        }
    }
}
