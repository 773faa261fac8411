//! The PCI function: configuration space and register windows.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::{
    activity::{self, Activity},
    machine::Machine,
    rules,
};
use crate::{
    abi::{
        GuestAddress, configuration::PCI_CONFIGURATION, control::adapter_control, exports::Arguments, guest,
    },
    device::{Bar, Device, Width},
    engine::Engine,
    trap::{Mmio, Window},
};

/// The function's configuration space.
const CONFIGURATION_LENGTH: u32 = 4096;
/// `PCI_SLOT_NUMBER` of the function: device 3, function 0.
pub(super) const SLOT: u32 = 3;

struct Registers {
    device: Arc<dyn Device>,
    bar: u8,
    offset: u64,
    engine: Arc<dyn Engine>,
    powered_down: Arc<AtomicBool>,
    released: Arc<AtomicBool>,
}

impl Registers {
    /// Whether the function answers; an access to one without power, or to a range that was taken back, is written down.
    fn answers(&self, offset: u64) -> bool {
        let rule = if self.released.load(Ordering::Acquire) {
            &rules::REGISTER_RELEASED
        } else if self.powered_down.load(Ordering::Acquire) {
            &rules::REGISTER_IN_D3
        } else {
            return true;
        };
        if let Some(machine) = activity::machine() {
            let at = self.offset + offset;
            machine.violate(rule, || format!("BAR {}, offset {at:#x}", self.bar));
        }
        false
    }
}

impl Mmio for Registers {
    fn read(&self, offset: u64, width: Width) -> u64 {
        if !self.answers(offset) {
            return u64::MAX >> (64 - 8 * width.bytes());
        }
        let value = self.device.read(self.bar, self.offset + offset, width);
        self.engine.note("register read", [self.offset + offset, value]);
        self.engine.register_accessed();
        value
    }

    fn write(&self, offset: u64, width: Width, value: u64) {
        if !self.answers(offset) {
            return;
        }
        self.device.write(self.bar, self.offset + offset, width, value);
        self.engine.note("register write", [self.offset + offset, value]);
        self.engine.register_accessed();
    }
}

/// The windows that are mapped, by their addresses: each call maps anew.
#[derive(Default)]
pub(super) struct Windows {
    /// How many were mapped in this life.
    mapped: AtomicUsize,
    table: Mutex<BTreeMap<u64, Mapped>>,
    /// Taken back: they stay mapped, so that nothing else takes their addresses.
    released: Mutex<Vec<Window>>,
}

struct Mapped {
    window: Window,
    released: Arc<AtomicBool>,
}

impl Windows {
    /// Takes all back.
    pub(super) fn release(&self) {
        let table = std::mem::take(&mut *self.table.lock());
        for mapped in table.into_values() {
            mapped.released.store(true, Ordering::Release);
            self.released.lock().push(mapped.window);
        }
    }

    /// Unmaps all.
    pub(super) fn clear(&self) {
        self.table.lock().clear();
        self.released.lock().clear();
    }
}

impl Machine {
    /// `StorPortGetDeviceBase(HwDeviceExtension, BusType, SystemIoBusNumber, IoAddress, NumberOfBytes,
    /// InIoSpace)`.
    pub(super) fn get_device_base(&self, arguments: Arguments) -> GuestAddress {
        let (extension, bus_address) = (arguments.pointer(0), arguments.get(3));
        let (length, in_io_space) = (u64::from(arguments.u32(4)), arguments.boolean(5));
        let legal = self.is_extension(extension)
            && self.within("HwStorFindAdapter", |activity| activity == Activity::FindAdapter);
        if !legal {
            return 0;
        }
        if in_io_space {
            let ports = self.options.device.ports().to_vec();
            // Ports are not mapped: their address is their number.
            return self
                .assigned(&ports, bus_address, length)
                .map_or(0, |_| bus_address);
        }
        self.map_registers(bus_address, length)
    }

    /// The BAR that holds a range of bus addresses; a breach is written down.
    fn assigned(&self, bars: &[Bar], bus_address: u64, length: u64) -> Option<Bar> {
        let bar = bars.iter().find(|bar| {
            bus_address >= bar.address
                && length <= bar.length
                && bus_address - bar.address <= bar.length - length
        });
        let bar = bar.filter(|_| length != 0);
        if bar.is_none() {
            self.violate(&rules::BUS_ADDRESS, || {
                format!("{length:#x} bytes at bus address {bus_address:#x} were not assigned to the adapter")
            });
        }
        bar.copied()
    }

    /// Maps registers; NULL if they are not the adapter's, or there is no memory.
    pub(super) fn map_registers(&self, bus_address: u64, length: u64) -> GuestAddress {
        let Some(bar) = self.assigned(&self.memory_bars(), bus_address, length) else {
            return 0;
        };
        if !self.memory_left() {
            return 0;
        }
        let released = Arc::<AtomicBool>::default();
        let registers = Registers {
            device: Arc::clone(&self.options.device),
            bar: bar.index,
            offset: bus_address - bar.address,
            engine: Arc::clone(&self.engine),
            powered_down: Arc::clone(&self.powered_down),
            released: Arc::clone(&released),
        };
        let number = self.windows.mapped.fetch_add(1, Ordering::AcqRel);
        let place = self.ground.as_ref().and_then(|ground| ground.window(number));
        match Window::map_at(place, length, Arc::new(registers)) {
            Ok(window) => {
                let address = window.address();
                self.windows
                    .table
                    .lock()
                    .insert(address, Mapped { window, released });
                address
            }
            Err(_) => 0,
        }
    }

    /// `MmUnmapIoSpace(BaseAddress, NumberOfBytes)`.
    pub(super) fn unmap_registers(&self, address: GuestAddress) {
        if self.windows.table.lock().remove(&address).is_none() {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("{address:#x} is no mapped register range")
            });
        }
    }

    /// `StorPortFreeDeviceBase(HwDeviceExtension, MappedAddress)`.
    pub(super) fn free_device_base(&self, arguments: Arguments) {
        let (extension, address) = (arguments.pointer(0), arguments.pointer(1));
        let legal = self.is_extension(extension)
            && self.within("HwStorFindAdapter", |activity| activity == Activity::FindAdapter);
        if !legal {
            return;
        }
        self.unmap_registers(address);
    }

    /// `StorPortValidateRange`: deprecated; Storport always agrees.
    pub(super) fn validate_range(&self, arguments: Arguments) -> bool {
        self.deprecated("StorPortValidateRange");
        self.is_extension(arguments.pointer(0))
    }

    /// `StorPortGetBusData(HwDeviceExtension, BusDataType, SystemIoBusNumber, SlotNumber, Buffer, Length)`.
    pub(super) fn get_bus_data(&self, arguments: Arguments) -> u32 {
        let (extension, data_type) = (arguments.pointer(0), arguments.u32(1));
        let (slot, buffer, length) = (arguments.u32(3), arguments.pointer(4), arguments.u32(5));
        let legal = self.is_extension(extension)
            && self.bus_data_window()
            && self.is_own_slot(data_type, slot)
            && self.not_null("Buffer", buffer).is_ok();
        if !legal {
            return 0;
        }
        let mut bytes = vec![0; length.min(CONFIGURATION_LENGTH) as usize];
        self.options.device.config_read(0, &mut bytes);
        self.show_bars(&mut bytes);
        guest::write_bytes(buffer, &bytes);
        u32::try_from(bytes.len()).unwrap_or(0)
    }

    /// `StorPortSetBusDataByOffset(HwDeviceExtension, BusDataType, SystemIoBusNumber, SlotNumber, Buffer,
    /// Offset, Length)`.
    pub(super) fn set_bus_data(&self, arguments: Arguments) -> u32 {
        let (extension, data_type) = (arguments.pointer(0), arguments.u32(1));
        let (slot, buffer) = (arguments.u32(3), arguments.pointer(4));
        let (offset, length) = (arguments.u32(5), arguments.u32(6));
        let legal = self.is_extension(extension)
            && self.bus_data_window()
            && self.is_own_slot(data_type, slot)
            && self.not_null("Buffer", buffer).is_ok();
        let end = offset.checked_add(length);
        if !legal || end.is_none_or(|end| end > CONFIGURATION_LENGTH) {
            return 0;
        }
        let mut bytes = vec![0; length as usize];
        guest::read_bytes(buffer, &mut bytes);
        self.options
            .device
            .config_write(u16::try_from(offset).unwrap_or(0), &bytes);
        length
    }

    fn bus_data_window(&self) -> bool {
        self.within("HwStorFindAdapter and ScsiSetRunningConfig", |activity| {
            matches!(
                activity,
                Activity::FindAdapter | Activity::AdapterControl(adapter_control::SET_RUNNING_CONFIG)
            )
        })
    }

    fn is_own_slot(&self, data_type: u32, slot: u32) -> bool {
        if data_type == PCI_CONFIGURATION && slot == SLOT {
            return true;
        }
        self.violate(&rules::BAD_PARAMETER, || {
            format!(
                "BUS_DATA_TYPE {data_type}, slot {slot:#x}; the adapter is PCIConfiguration, slot {SLOT:#x}"
            )
        });
        false
    }
}
