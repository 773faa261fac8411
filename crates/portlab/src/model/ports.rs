//! I/O ports: `StorPortReadPort*`, `StorPortWritePort*`. A port's "address" is its number. And registers, where they are accessed by a
//! call: `StorPortReadRegister*`, `StorPortWriteRegister*`.

use super::{machine::Machine, rules};
use crate::{
    abi::{GuestAddress, exports::Arguments, guest},
    device::{Bar, Width},
    trap,
};

const fn ones(width: Width) -> u64 {
    match width {
        Width::Byte => 0xFF,
        Width::Word => 0xFFFF,
        Width::Dword => 0xFFFF_FFFF,
        Width::Qword => u64::MAX,
    }
}

impl Machine {
    /// The BAR that holds an access to a port; a breach is written down.
    fn port(&self, extension: GuestAddress, port: GuestAddress, width: Width) -> Option<(Bar, u64)> {
        let bytes = width.bytes() as u64;
        let bars = self.options.device.ports();
        let found = bars.iter().find(|bar| {
            port >= bar.address && bytes <= bar.length && port - bar.address <= bar.length - bytes
        });
        let Some(bar) = found.filter(|_| port.is_multiple_of(bytes)) else {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("port {port:#x}, {bytes} bytes, was not assigned to the adapter, or is not aligned")
            });
            return None;
        };
        self.is_extension(extension).then_some((*bar, port - bar.address))
    }

    /// `StorPortReadPortX(HwDeviceExtension, Port)`.
    pub(super) fn read_port(&self, arguments: Arguments, width: Width) -> u64 {
        match self.port(arguments.pointer(0), arguments.pointer(1), width) {
            Some((bar, offset)) => self.options.device.read(bar.index, offset, width) & ones(width),
            None => ones(width),
        }
    }

    /// `StorPortWritePortX(HwDeviceExtension, Port, Value)`.
    pub(super) fn write_port(&self, arguments: Arguments, width: Width) {
        let value = arguments.get(2) & ones(width);
        if let Some((bar, offset)) = self.port(arguments.pointer(0), arguments.pointer(1), width) {
            self.options.device.write(bar.index, offset, width, value);
        }
    }

    /// `StorPortReadPortBufferX(HwDeviceExtension, Port, Buffer, Count)`: the one port, again and again.
    pub(super) fn read_port_buffer(&self, arguments: Arguments, width: Width) {
        let (buffer, count) = (arguments.pointer(2), arguments.u32(3));
        let Some((bar, offset)) = self.port(arguments.pointer(0), arguments.pointer(1), width) else {
            return;
        };
        for index in 0..u64::from(count) {
            let value = self.options.device.read(bar.index, offset, width).to_le_bytes();
            let bytes = value.get(..width.bytes()).unwrap_or_default();
            guest::write_bytes(buffer + index * width.bytes() as u64, bytes);
        }
    }

    /// `StorPortWritePortBufferX(HwDeviceExtension, Port, Buffer, Count)`.
    pub(super) fn write_port_buffer(&self, arguments: Arguments, width: Width) {
        let (buffer, count) = (arguments.pointer(2), arguments.u32(3));
        let Some((bar, offset)) = self.port(arguments.pointer(0), arguments.pointer(1), width) else {
            return;
        };
        for index in 0..u64::from(count) {
            let mut value = [0; 8];
            if let Some(bytes) = value.get_mut(..width.bytes()) {
                guest::read_bytes(buffer + index * width.bytes() as u64, bytes);
            }
            self.options
                .device
                .write(bar.index, offset, width, u64::from_le_bytes(value));
        }
    }

    fn no_register(&self, address: GuestAddress, width: Width) {
        self.violate(&rules::BAD_PARAMETER, || {
            format!(
                "{address:#x}, {} bytes, is no register that is mapped",
                width.bytes()
            )
        });
    }

    fn register(&self, address: GuestAddress, width: Width) -> u64 {
        trap::read_register(address, width).unwrap_or_else(|| {
            self.no_register(address, width);
            ones(width)
        })
    }

    fn set_register(&self, address: GuestAddress, width: Width, value: u64) {
        if trap::write_register(address, width, value).is_none() {
            self.no_register(address, width);
        }
    }

    /// `StorPortReadRegisterX(HwDeviceExtension, Register)`.
    pub(super) fn read_register(&self, arguments: Arguments, width: Width) -> u64 {
        self.is_extension(arguments.pointer(0));
        self.register(arguments.pointer(1), width)
    }

    /// `StorPortWriteRegisterX(HwDeviceExtension, Register, Value)`.
    pub(super) fn write_register(&self, arguments: Arguments, width: Width) -> u64 {
        self.is_extension(arguments.pointer(0));
        self.set_register(arguments.pointer(1), width, arguments.get(2) & ones(width));
        0
    }

    /// `StorPortReadRegisterBufferX(HwDeviceExtension, Register, Buffer, Count)`: consecutive registers.
    pub(super) fn read_register_buffer(&self, arguments: Arguments, width: Width) -> u64 {
        self.is_extension(arguments.pointer(0));
        for index in 0..u64::from(arguments.u32(3)) {
            let offset = index * width.bytes() as u64;
            let value = self.register(arguments.pointer(1) + offset, width).to_le_bytes();
            guest::write_bytes(
                arguments.pointer(2) + offset,
                value.get(..width.bytes()).unwrap_or_default(),
            );
        }
        0
    }

    /// `StorPortWriteRegisterBufferX(HwDeviceExtension, Register, Buffer, Count)`: consecutive registers.
    pub(super) fn write_register_buffer(&self, arguments: Arguments, width: Width) -> u64 {
        self.is_extension(arguments.pointer(0));
        for index in 0..u64::from(arguments.u32(3)) {
            let offset = index * width.bytes() as u64;
            let mut value = [0; 8];
            if let Some(bytes) = value.get_mut(..width.bytes()) {
                guest::read_bytes(arguments.pointer(2) + offset, bytes);
            }
            self.set_register(arguments.pointer(1) + offset, width, u64::from_le_bytes(value));
        }
        0
    }
}
