//! Every call of the driver into the kernel arrives here.

use std::thread;

use super::{activity, counting, machine::Machine};
use crate::{
    abi::exports::{Arguments, Call, Export},
    device::Width,
    engine::Context,
    observe::Event,
    trap,
};

/// Answers one call.
pub(super) fn dispatch(call: Call) -> u64 {
    let Some(machine) = activity::machine() else {
        // Not a thread of a lab: nobody can answer.
        return 0;
    };
    if machine.journal.is_down() {
        park();
    }
    let before = Context::with(|context| context.call.replace(Some(call)));
    machine.counters.calls();
    counting::note_call(call);
    machine.calls.note(call);
    machine.judge_dump_call(call);
    machine.observation.tell(|| Event::Call(Machine::call_name(call)));
    let code = match call.export {
        Export::StorPortExtendedFunction | Export::StorPortNotification => call.arguments.u32(0),
        _ => 0,
    };
    let processor = u64::from(Context::processor());
    machine.engine.note(call.export.name(), [code.into(), processor]);
    let site = trap::call_site();
    let site_before = activity::set_call_site(site);
    let result = machine.mutations.around(call, || route(&machine, call));
    machine.engine.mix(&[result]);
    // While it still stands at the call: a livelock is told with its place.
    machine.engine.preempt();
    activity::set_call_site(site_before);
    Context::with(|context| context.call.set(before));
    machine.change_buffers();
    if machine.journal.is_down() {
        park();
    }
    result
}

/// Where activities end that were inside the driver when it brought the system down.
pub(super) fn park() -> ! {
    // Also from the signal handler: what it interrupted never goes on.
    if let Some(machine) = activity::machine_in_signal() {
        machine.engine.abandon();
    }
    loop {
        thread::park();
    }
}

fn route(machine: &std::sync::Arc<Machine>, call: Call) -> u64 {
    if let Some(result) = ports(machine, call).or_else(|| registers(machine, call)) {
        return result;
    }
    let arguments = call.arguments;
    match call.export {
        Export::StorPortInitialize => u64::from(machine.stor_port_initialize(arguments)),
        Export::StorPortExtendedFunction => u64::from(machine.extended_function(arguments)),
        Export::StorPortNotification => {
            machine.notification(arguments);
            0
        }
        Export::StorPortGetDeviceBase => machine.get_device_base(arguments),
        Export::StorPortFreeDeviceBase => {
            machine.free_device_base(arguments);
            0
        }
        Export::StorPortGetBusData => u64::from(machine.get_bus_data(arguments)),
        Export::StorPortSetBusDataByOffset => u64::from(machine.set_bus_data(arguments)),
        Export::StorPortValidateRange => u64::from(machine.validate_range(arguments)),
        Export::StorPortGetUncachedExtension => machine.get_uncached_extension(arguments),
        Export::StorPortGetPhysicalAddress => machine.get_physical_address(arguments),
        Export::StorPortGetVirtualAddress => machine.get_virtual_address(arguments),
        Export::StorPortGetScatterGatherList => machine.get_scatter_gather_list(arguments),
        Export::StorPortMoveMemory => {
            Machine::move_memory(arguments);
            0
        }
        Export::StorPortPause => u64::from(machine.pause(arguments)),
        Export::StorPortResume => u64::from(machine.resume(arguments)),
        Export::StorPortBusy => u64::from(machine.busy(arguments)),
        Export::StorPortReady => u64::from(machine.ready(arguments)),
        Export::StorPortPauseDevice => u64::from(machine.pause_device(arguments)),
        Export::StorPortResumeDevice => u64::from(machine.resume_device(arguments)),
        Export::StorPortDeviceBusy => u64::from(machine.device_busy(arguments)),
        Export::StorPortDeviceReady => u64::from(machine.device_ready(arguments)),
        Export::StorPortSetDeviceQueueDepth => u64::from(machine.set_device_queue_depth(arguments)),
        Export::StorPortGetLogicalUnit => machine.get_logical_unit(arguments),
        Export::StorPortCompleteRequest => {
            machine.complete_requests(arguments);
            0
        }
        Export::StorPortStallExecution => {
            machine.stall_execution(arguments);
            0
        }
        Export::StorPortQuerySystemTime => {
            machine.query_system_time(arguments);
            0
        }
        Export::StorPortLogError => {
            machine.log_error(arguments);
            0
        }
        Export::StorPortDebugPrint => {
            machine.debug_print(arguments, 1);
            0
        }
        Export::StorPortAllocateRegistryBuffer => machine.allocate_registry_buffer(arguments),
        Export::StorPortFreeRegistryBuffer => {
            machine.free_registry_buffer(arguments);
            0
        }
        Export::StorPortRegistryRead => u64::from(machine.registry_read(arguments)),
        Export::StorPortRegistryWrite => u64::from(machine.registry_write(arguments)),
        Export::StorPortSynchronizeAccess => u64::from(machine.synchronize_access(arguments)),
        Export::DbgPrint => {
            machine.debug_print(arguments, 0);
            0
        }
        Export::DbgPrintEx => {
            machine.debug_print(arguments, 2);
            0
        }
        Export::ExAllocatePool2 => machine.ex_allocate_pool2(arguments),
        Export::ExAllocatePoolWithTag => machine.ex_allocate_pool_with_tag(arguments),
        Export::ExFreePool | Export::ExFreePoolWithTag => {
            machine.ex_free_pool(arguments);
            0
        }
        Export::KeBugCheck | Export::KeBugCheckEx => machine.bug_check(arguments, call.export),
        Export::KeGetCurrentIrql => u64::from(Context::irql().0),
        Export::KeQueryPerformanceCounter => machine.query_performance_counter(arguments.pointer(0)),
        Export::__C_specific_handler => machine.structured_exception(),
        // Those of `ports` and the kernel's.
        _ => machine.kernel(call).unwrap_or(0),
    }
}

/// One access to a port.
type Access = fn(&Machine, Arguments, Width) -> u64;

/// The accessors of ports, by what they do and how wide they are.
fn ports(machine: &Machine, call: Call) -> Option<u64> {
    let read: Access = Machine::read_port;
    let write: Access = |machine, arguments, width| {
        machine.write_port(arguments, width);
        0
    };
    let read_buffer: Access = |machine, arguments, width| {
        machine.read_port_buffer(arguments, width);
        0
    };
    let write_buffer: Access = |machine, arguments, width| {
        machine.write_port_buffer(arguments, width);
        0
    };
    let (access, width) = match call.export {
        Export::StorPortReadPortUchar => (read, Width::Byte),
        Export::StorPortReadPortUshort => (read, Width::Word),
        Export::StorPortReadPortUlong => (read, Width::Dword),
        Export::StorPortReadPortBufferUchar => (read_buffer, Width::Byte),
        Export::StorPortReadPortBufferUshort => (read_buffer, Width::Word),
        Export::StorPortReadPortBufferUlong => (read_buffer, Width::Dword),
        Export::StorPortWritePortUchar => (write, Width::Byte),
        Export::StorPortWritePortUshort => (write, Width::Word),
        Export::StorPortWritePortUlong => (write, Width::Dword),
        Export::StorPortWritePortBufferUchar => (write_buffer, Width::Byte),
        Export::StorPortWritePortBufferUshort => (write_buffer, Width::Word),
        Export::StorPortWritePortBufferUlong => (write_buffer, Width::Dword),
        _ => return None,
    };
    Some(access(machine, call.arguments, width))
}

/// The accessors of registers: calls in checked builds and in drivers of older kits only.
fn registers(machine: &Machine, call: Call) -> Option<u64> {
    use Width::{Byte, Dword, Word};
    let (width, read, buffer) = match call.export {
        Export::StorPortReadRegisterUchar => (Byte, true, false),
        Export::StorPortReadRegisterUshort => (Word, true, false),
        Export::StorPortReadRegisterUlong => (Dword, true, false),
        Export::StorPortReadRegisterBufferUchar => (Byte, true, true),
        Export::StorPortReadRegisterBufferUshort => (Word, true, true),
        Export::StorPortReadRegisterBufferUlong => (Dword, true, true),
        Export::StorPortWriteRegisterUchar => (Byte, false, false),
        Export::StorPortWriteRegisterUshort => (Word, false, false),
        Export::StorPortWriteRegisterUlong => (Dword, false, false),
        Export::StorPortWriteRegisterBufferUchar => (Byte, false, true),
        Export::StorPortWriteRegisterBufferUshort => (Word, false, true),
        Export::StorPortWriteRegisterBufferUlong => (Dword, false, true),
        _ => return None,
    };
    Some(match (read, buffer) {
        (true, false) => machine.read_register(call.arguments, width),
        (true, true) => machine.read_register_buffer(call.arguments, width),
        (false, false) => machine.write_register(call.arguments, width),
        (false, true) => machine.write_register_buffer(call.arguments, width),
    })
}
