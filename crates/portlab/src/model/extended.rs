//! `StorPortExtendedFunction`: the inline functions of storport.h, by code.

use std::sync::Arc;

use super::{ddi::Ddi, limits::status, machine::Machine, rules};
use crate::{
    abi::{codes::stor_status, exports::Arguments, guest},
    memory::GuestMemory,
};

/// What `StorPortMarkDumpMemory` may be told beside the address.
const MARK_DUMP_MEMORY_FLAG_PHYSICAL_ADDRESS: u32 = 1;

impl Machine {
    /// `StorPortExtendedFunction(FunctionCode, HwDeviceExtension, ...)`.
    pub(super) fn extended_function(self: &Arc<Self>, arguments: Arguments) -> u32 {
        let function = arguments.u32(0);
        let Some(ddi) = Ddi::extended(function) else {
            self.not_modelled(&format!("extended function {function}"));
            return stor_status::NOT_IMPLEMENTED;
        };
        let Some(answer) = ddi.answer() else {
            self.not_modelled(&format!("StorPort{} ({function})", ddi.name));
            return stor_status::NOT_IMPLEMENTED;
        };
        if ddi.tier == rules::Tier::Inferred {
            self.violate(&rules::CODE_INFERRED, || {
                format!("StorPort{} is {function}", ddi.name)
            });
        }
        answer(self, arguments)
    }

    /// Says that the lab cannot do what the driver asked for.
    pub(super) fn not_modelled(&self, what: &str) {
        self.violate(&rules::NOT_MODELLED, || what.to_owned());
    }

    /// Writes `value` to the pointer in argument `index`; legal up to DISPATCH_LEVEL.
    pub(super) fn answer<T: zerocopy::IntoBytes + zerocopy::Immutable>(
        &self,
        arguments: Arguments,
        index: usize,
        value: &T,
    ) -> u32 {
        let out = arguments.pointer(index);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("the result's pointer", out)?;
            guest::write(out, value);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortGetSystemAddress(HwDeviceExtension, Srb, *SystemAddress)`.
    pub(super) fn get_system_address(&self, arguments: Arguments) -> u32 {
        let (srb, out) = (arguments.pointer(2), arguments.pointer(3));
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("SystemAddress", out)?;
            let request = self.requests.owned(srb);
            let Some(request) = request.filter(|_| self.is_srb(srb)) else {
                self.is_srb(srb);
                return Err(stor_status::INVALID_PARAMETER);
            };
            let address = request
                .buffer
                .as_ref()
                .map_or(0, super::buffer::DataBuffer::address);
            guest::write(out, &address);
            Ok(if address == 0 {
                stor_status::INVALID_PARAMETER
            } else {
                stor_status::SUCCESS
            })
        })())
    }

    /// `StorPortGetDataInBuffer...(HwDeviceExtension, Srb, *Answer)`: of bidirectional requests, which the lab does not send.
    pub(super) fn get_data_in(&self, arguments: Arguments) -> u32 {
        let srb = arguments.pointer(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            if self.is_srb(srb) {
                self.violate(&rules::BAD_PARAMETER, || {
                    String::from("the request is not bidirectional")
                });
            }
            Err(stor_status::INVALID_PARAMETER)
        })())
    }

    /// `StorPortGetActivityIdSrb(HwDeviceExtension, Srb, *ActivityId)`. In the lab all requests are of one
    /// activity.
    pub(super) fn get_activity_id(&self, arguments: Arguments) -> u32 {
        const ACTIVITY: u32 = 0x4645_5252;
        let (srb, out) = (arguments.pointer(2), arguments.pointer(3));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("ActivityId", out)?;
            if !self.is_srb(srb) {
                return Err(stor_status::INVALID_PARAMETER);
            }
            let id: [u32; 4] = [ACTIVITY, 0, 0, 0];
            guest::write(out, &id);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortGetRequestInfo(HwDeviceExtension, Srb, RequestInfo)`; version 1 of the structure.
    pub(super) fn get_request_info(&self, arguments: Arguments) -> u32 {
        let (srb, out) = (arguments.pointer(2), arguments.pointer(3));
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("RequestInfo", out)?;
            if !self.is_srb(srb) {
                return Err(stor_status::INVALID_PARAMETER);
            }
            let head: [u16; 2] = guest::read(out);
            let [version, size] = head;
            if version == 0 || size < 24 {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("version {version}, size {size}")
                });
                return Err(stor_status::INVALID_PARAMETER);
            }
            // PriorityHint normal, no flags, no key.
            let request = self.requests.owned(srb);
            let length = request.as_ref().map_or(0, |request| request.length());
            let write = request.is_some_and(|request| request.direction == super::request::Direction::Out);
            let rest: [u32; 5] = [2, 0, 0, length, u32::from(write)];
            guest::write(out + 4, &rest);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortGetSystemPortNumber(HwDeviceExtension, SystemAddress)`: the port number goes into the address.
    pub(super) fn get_system_port_number(&self, arguments: Arguments) -> u32 {
        let out = arguments.pointer(2);
        status((|| {
            self.dispatch_limited(arguments.pointer(1))?;
            self.not_null("SystemAddress", out)?;
            let head: [u16; 2] = guest::read(out);
            if head[0] != crate::abi::srb::STOR_ADDRESS_TYPE_BTL8 {
                self.violate(&rules::BAD_PARAMETER, || format!("address type {}", head[0]));
                return Err(stor_status::INVALID_PARAMETER);
            }
            guest::write(out + 2, &0_u16);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortSetUnitAttributes(HwDeviceExtension, Address, Attributes)`.
    pub(super) fn set_unit_attributes(&self, arguments: Arguments) -> u32 {
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Address", arguments.pointer(2))?;
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortSetAdapterBusType(HwDeviceExtension, BusType)`.
    pub(super) fn set_adapter_bus_type(&self, arguments: Arguments) -> u32 {
        let bus_type = arguments.u32(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            if bus_type == 0 || bus_type >= 20 {
                self.violate(&rules::BAD_PARAMETER, || format!("bus type {bus_type}"));
                return Err(stor_status::INVALID_PARAMETER);
            }
            self.change_setup(|setup| setup.bus_type = bus_type);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortUpdateAdapterMaxIO(HwDeviceExtension, MaxIoCount)`.
    pub(super) fn update_adapter_max_io(&self, arguments: Arguments) -> u32 {
        self.update_max_io(arguments, None)
    }

    /// `StorPortUpdatePortConfigMaxIOInfo(HwDeviceExtension, MaxIoCount, MaxIosPerLun)`.
    pub(super) fn update_port_config_max_io(&self, arguments: Arguments) -> u32 {
        self.update_max_io(arguments, Some(arguments.u32(3)))
    }

    fn update_max_io(&self, arguments: Arguments, per_unit: Option<u32>) -> u32 {
        use super::activity::Activity;
        let count = arguments.u32(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            if !self.within("HwStorInitialize and HwStorPassiveInitialize", |activity| {
                matches!(activity, Activity::Initialize | Activity::PassiveInitialize)
            }) {
                return Err(stor_status::INVALID_DEVICE_REQUEST);
            }
            if count == 0 || per_unit == Some(0) {
                self.violate(&rules::BAD_PARAMETER, || String::from("no request at a time"));
                return Err(stor_status::INVALID_PARAMETER);
            }
            self.change_setup(|setup| {
                setup.configuration.max_number_of_io = count;
                if let Some(per_unit) = per_unit {
                    setup.configuration.max_ios_per_lun = per_unit;
                    let initial = setup.configuration.initial_lun_queue_depth.min(per_unit);
                    setup.configuration.initial_lun_queue_depth = initial;
                }
            });
            let depth = self.setup().configuration.initial_lun_queue_depth;
            self.units.lock().configure(depth, count);
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortMarkDumpMemory(HwDeviceExtension, Address, Length, Flags)`.
    pub(super) fn mark_dump_memory(&self, arguments: Arguments) -> u32 {
        use super::activity::Activity;
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            if !self.within("DriverEntry and HwStorFindAdapter", |activity| {
                matches!(activity, Activity::DriverEntry | Activity::FindAdapter)
            }) {
                return Err(stor_status::UNSUCCESSFUL);
            }
            let (address, length, flags) = (arguments.pointer(2), arguments.get(3), arguments.u32(4));
            self.not_null("Address", address)?;
            if flags & !MARK_DUMP_MEMORY_FLAG_PHYSICAL_ADDRESS != 0 {
                return Err(stor_status::INVALID_PARAMETER);
            }
            let bytes = usize::try_from(length).unwrap_or(usize::MAX);
            if flags == 0 && !GuestMemory::is_valid(address, bytes, false) {
                self.violate(&rules::BAD_PARAMETER, || {
                    format!("{length:#x} bytes at {address:#x} are no memory of the driver's")
                });
            }
            self.marked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(stor_status::SUCCESS)
        })())
    }
}
