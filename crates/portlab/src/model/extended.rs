//! `StorPortExtendedFunction`: the inline functions of storport.h, by code.

use std::sync::Arc;

use super::{limits::status, machine::Machine, memory::Origin, rules};
use crate::{
    abi::{
        codes::{self, function_code as code, stor_status},
        exports::Arguments,
        guest,
    },
    engine::Context,
    memory::GuestMemory,
};

/// What `StorPortMarkDumpMemory` may be told beside the address.
const MARK_DUMP_MEMORY_FLAG_PHYSICAL_ADDRESS: u32 = 1;
/// Codes above this one are in no kit that was checked.
const LAST_CHECKED: u32 = 80;

impl Machine {
    /// `StorPortExtendedFunction(FunctionCode, HwDeviceExtension, ...)`.
    pub(super) fn extended_function(self: &Arc<Self>, arguments: Arguments) -> u32 {
        let function = arguments.u32(0);
        let extension = arguments.pointer(1);
        match function {
            code::ALLOCATE_POOL => self.allocate_pool(arguments),
            code::FREE_POOL => self.free_pool(arguments),
            code::ALLOCATE_MDL => self.allocate_mdl(arguments),
            code::FREE_MDL => self.free_mdl(arguments),
            code::BUILD_MDL_FOR_NON_PAGED_POOL => self.build_mdl(arguments),
            code::GET_SYSTEM_ADDRESS => self.get_system_address(arguments),
            code::GET_ORIGINAL_MDL => self.get_original_mdl(arguments),
            code::GET_PFNS => self.get_pfns(arguments),
            code::BUILD_SCATTER_GATHER_LIST => self.build_scatter_gather_list(arguments),
            code::PUT_SCATTER_GATHER_LIST => self.put_scatter_gather_list(arguments),
            code::GET_DATA_IN_BUFFER_MDL
            | code::GET_DATA_IN_BUFFER_SYSTEM_ADDRESS
            | code::GET_DATA_IN_BUFFER_SCATTER_GATHER_LIST => self.get_data_in(arguments),
            code::ALLOCATE_HMB => self.allocate_host_buffer(arguments),
            code::FREE_HMB => self.free_host_buffer(arguments),
            code::ACQUIRE_MSI_SPIN_LOCK => self.acquire_msi_spin_lock(arguments),
            code::RELEASE_MSI_SPIN_LOCK => self.release_msi_spin_lock(arguments),
            code::GET_MESSAGE_INTERRUPT_INFORMATION => self.get_msi_info(arguments),
            code::INITIALIZE_PERFORMANCE_OPTIMIZATIONS => self.initialize_perf_opts(arguments),
            code::GET_START_IO_PERFORMANCE_PARAMETERS => self.get_start_io_perf_params(arguments),
            code::LOG_SYSTEM_EVENT => self.log_system_event(arguments),
            code::GET_CURRENT_PROCESSOR_NUMBER => self.get_current_processor_number(arguments),
            code::GET_ACTIVE_GROUP_COUNT => self.answer(arguments, 2, &1_u16),
            code::GET_GROUP_AFFINITY => self.get_group_affinity(arguments),
            code::GET_ACTIVE_NODE_COUNT => self.answer(arguments, 2, &1_u32),
            code::GET_NODE_AFFINITY => self.get_node_affinity(arguments),
            code::GET_HIGHEST_NODE_NUMBER => self.answer(arguments, 2, &0_u32),
            code::GET_PROCESSOR_INDEX_FROM_NUMBER => self.get_processor_index(arguments),
            code::ALLOCATE_CONTIGUOUS_MEMORY => self.allocate_contiguous(arguments, Origin::Contiguous),
            code::FREE_CONTIGUOUS_MEMORY => self.free_contiguous(arguments, Origin::Contiguous),
            code::ALLOCATE_DMA_MEMORY => {
                self.inferred(function);
                self.allocate_contiguous(arguments, Origin::Dma)
            }
            code::FREE_DMA_MEMORY => {
                self.inferred(function);
                self.free_contiguous(arguments, Origin::Dma)
            }
            code::GET_REQUEST_INFO => self.get_request_info(arguments),
            code::INITIALIZE_WORKER => self.initialize_worker(arguments),
            code::QUEUE_WORK_ITEM => self.queue_work_item(arguments),
            code::FREE_WORKER => self.free_worker(arguments),
            code::INITIALIZE_TIMER => self.initialize_timer(arguments),
            code::REQUEST_TIMER => self.request_timer(arguments),
            code::FREE_TIMER => self.free_timer(arguments),
            code::GET_SYSTEM_PORT_NUMBER => self.get_system_port_number(arguments),
            code::MARK_DUMP_MEMORY => self.mark_dump_memory(arguments),
            code::SET_UNIT_ATTRIBUTES => self.set_unit_attributes(arguments),
            code::QUERY_PERFORMANCE_COUNTER => self.stor_query_performance_counter(arguments),
            code::FLUSH_DATA_BUFFER_MDL => status(self.any_irql(extension).map(|()| stor_status::SUCCESS)),
            code::MINIPORT_ETW_EVENT2 => self.etw_event(arguments, 2),
            code::MINIPORT_ETW_EVENT4 => self.etw_event(arguments, 4),
            code::MINIPORT_ETW_EVENT8 => self.etw_event(arguments, 8),
            code::REGISTRY_READ_ADAPTER_KEY => self.registry_read_adapter_key(arguments),
            code::REGISTRY_WRITE_ADAPTER_KEY => self.registry_write_adapter_key(arguments),
            code::SET_ADAPTER_BUS_TYPE => self.set_adapter_bus_type(arguments),
            _ => {
                self.not_modelled(&codes::function_name(function).map_or_else(
                    || format!("extended function {function}"),
                    |name| format!("StorPort extended function {name} ({function})"),
                ));
                stor_status::NOT_IMPLEMENTED
            }
        }
    }

    /// Says that the lab cannot do what the driver asked for.
    pub(super) fn not_modelled(&self, what: &str) {
        self.violate(&rules::NOT_MODELLED, || what.to_owned());
    }

    fn inferred(&self, function: u32) {
        if function > LAST_CHECKED {
            self.violate(&rules::CODE_INFERRED, || {
                format!(
                    "{} is {function}",
                    codes::function_name(function).unwrap_or("the function")
                )
            });
        }
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
    fn get_system_address(&self, arguments: Arguments) -> u32 {
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
    fn get_data_in(&self, arguments: Arguments) -> u32 {
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

    /// `StorPortGetRequestInfo(HwDeviceExtension, Srb, RequestInfo)`; version 1 of the structure.
    fn get_request_info(&self, arguments: Arguments) -> u32 {
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

    /// `StorPortGetCurrentProcessorNumber(HwDeviceExtension, ProcNumber)`.
    fn get_current_processor_number(&self, arguments: Arguments) -> u32 {
        let number = crate::abi::performance::ProcessorNumber {
            number: u8::try_from(Context::processor()).unwrap_or(u8::MAX),
            ..Default::default()
        };
        self.answer(arguments, 2, &number)
    }

    /// `StorPortGetGroupAffinity(HwDeviceExtension, GroupNumber, GroupAffinityMask)`.
    fn get_group_affinity(&self, arguments: Arguments) -> u32 {
        let group = arguments.get(2).to_le_bytes();
        if (group[0], group[1]) != (0, 0) {
            self.violate(&rules::BAD_PARAMETER, || {
                format!(
                    "group {} does not exist",
                    u16::from_le_bytes([group[0], group[1]])
                )
            });
            return stor_status::INVALID_PARAMETER;
        }
        self.answer(arguments, 3, &self.all_processors())
    }

    /// `StorPortGetNodeAffinity(HwDeviceExtension, NodeNumber, NodeAffinityMask)`.
    fn get_node_affinity(&self, arguments: Arguments) -> u32 {
        if arguments.u32(2) != 0 {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("node {} does not exist", arguments.u32(2))
            });
            return stor_status::INVALID_PARAMETER;
        }
        let affinity = crate::abi::performance::GroupAffinity {
            mask: self.all_processors(),
            ..Default::default()
        };
        self.answer(arguments, 3, &affinity)
    }

    /// `StorPortGetProcessorIndexFromNumber(HwDeviceExtension, ProcNumber, ProcIndex)`.
    fn get_processor_index(&self, arguments: Arguments) -> u32 {
        let number = arguments.pointer(2);
        if number == 0 {
            return status(self.not_null("ProcNumber", number).map(|()| 0));
        }
        let number: crate::abi::performance::ProcessorNumber = guest::read(number);
        self.answer(arguments, 3, &u32::from(number.number))
    }

    /// Affinity mask of all virtual processors.
    pub(super) fn all_processors(&self) -> u64 {
        1_u64
            .checked_shl(self.engine.processors())
            .map_or(u64::MAX, |bit| bit - 1)
    }

    /// `StorPortGetSystemPortNumber(HwDeviceExtension, SystemAddress)`: the port number goes into the address.
    fn get_system_port_number(&self, arguments: Arguments) -> u32 {
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
    fn set_unit_attributes(&self, arguments: Arguments) -> u32 {
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("Address", arguments.pointer(2))?;
            Ok(stor_status::SUCCESS)
        })())
    }

    /// `StorPortSetAdapterBusType(HwDeviceExtension, BusType)`.
    fn set_adapter_bus_type(&self, arguments: Arguments) -> u32 {
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

    /// `StorPortMarkDumpMemory(HwDeviceExtension, Address, Length, Flags)`.
    fn mark_dump_memory(&self, arguments: Arguments) -> u32 {
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
            // Nothing is ever dumped in this life: the mark has no consequence.
            Ok(stor_status::SUCCESS)
        })())
    }
}
