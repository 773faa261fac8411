//! The registry, as far as a miniport sees it: values by name, from [`super::AdapterParameters`].

use std::sync::Arc;

use super::{
    activity::Activity, adapter::Phase, limits::status, machine::Machine, options::RegistryValue, rules,
};
use crate::{
    abi::{GuestAddress, codes::stor_status, entry::Routine, exports::Arguments, guest},
    engine::Irql,
};

/// `REG_SZ`, `REG_BINARY`, `REG_DWORD` and `REG_QWORD`.
const REG_SZ: u32 = 1;
const REG_BINARY: u32 = 3;
const REG_DWORD: u32 = 4;
const REG_QWORD: u32 = 11;
/// What changes of are told: values below it.
const DEVICE_KEY: &str = "Device\\";
/// Longest name of a value or key.
const NAME: usize = 255;
/// The largest buffer that `StorPortAllocateRegistryBuffer` gives.
const LARGEST_BUFFER: u32 = 16 << 10;

fn encode(value: &RegistryValue) -> (u32, Vec<u8>) {
    match value {
        RegistryValue::Dword(value) => (REG_DWORD, value.to_le_bytes().to_vec()),
        RegistryValue::Qword(value) => (REG_QWORD, value.to_le_bytes().to_vec()),
        RegistryValue::Text(text) => (REG_SZ, text.bytes().chain([0]).collect()),
        RegistryValue::Binary(bytes) => (REG_BINARY, bytes.clone()),
    }
}

fn decode(kind: u32, bytes: &[u8]) -> Option<RegistryValue> {
    match kind {
        REG_DWORD => Some(RegistryValue::Dword(u32::from_le_bytes(
            bytes.first_chunk().copied()?,
        ))),
        REG_QWORD => Some(RegistryValue::Qword(u64::from_le_bytes(
            bytes.first_chunk().copied()?,
        ))),
        REG_SZ => {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            Some(RegistryValue::Text(
                String::from_utf8_lossy(bytes.get(..end)?).into_owned(),
            ))
        }
        REG_BINARY => Some(RegistryValue::Binary(bytes.to_vec())),
        _ => None,
    }
}

impl Machine {
    pub(super) fn registry_value(&self, key: &str) -> Option<RegistryValue> {
        let values = self.registry.lock();
        values
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.clone())
    }

    /// `StorPortAllocateRegistryBuffer(HwDeviceExtension, *Length)`.
    pub(super) fn allocate_registry_buffer(&self, arguments: Arguments) -> GuestAddress {
        let length = arguments.pointer(1);
        if !self.is_extension(arguments.pointer(0))
            || !self.at_passive()
            || self.not_null("Length", length).is_err()
        {
            return 0;
        }
        let wanted = guest::read::<u32>(length).min(LARGEST_BUFFER);
        guest::write(length, &wanted);
        self.driver_registry_buffer(wanted as usize)
    }

    /// `StorPortFreeRegistryBuffer(HwDeviceExtension, Buffer)`.
    pub(super) fn free_registry_buffer(&self, arguments: Arguments) {
        if self.is_extension(arguments.pointer(0)) && self.at_passive() {
            self.driver_free(super::memory::Origin::Registry, arguments.pointer(1), None);
        }
    }

    /// `StorPortRegistryRead(HwDeviceExtension, ValueName, Global, Type, Buffer, *BufferLength)`.
    pub(super) fn registry_read(&self, arguments: Arguments) -> bool {
        let (name, kind) = (arguments.pointer(1), arguments.u32(3));
        let (buffer, length) = (arguments.pointer(4), arguments.pointer(5));
        if !self.is_extension(arguments.pointer(0))
            || !self.at_passive()
            || self.not_null("BufferLength", length).is_err()
        {
            return false;
        }
        let key = format!("Device\\{}", guest::read_c_string(name, NAME));
        self.read_value(&key, kind, buffer, length) == stor_status::SUCCESS
    }

    /// `StorPortRegistryWrite(HwDeviceExtension, ValueName, Global, Type, Buffer, BufferLength)`.
    pub(super) fn registry_write(self: &Arc<Self>, arguments: Arguments) -> bool {
        let (name, kind) = (arguments.pointer(1), arguments.u32(3));
        let (buffer, length) = (arguments.pointer(4), arguments.u32(5));
        if !self.is_extension(arguments.pointer(0)) || !self.at_passive() {
            return false;
        }
        let key = format!("Device\\{}", guest::read_c_string(name, NAME));
        self.write_value(key, kind, buffer, length) == stor_status::SUCCESS
    }

    /// `StorPortRegistryReadAdapterKey(HwDeviceExtension, SubKeyName, ValueName, ValueType, *ValueData,
    /// *ValueDataLength)`.
    pub(super) fn registry_read_adapter_key(&self, arguments: Arguments) -> u32 {
        let (key, name, kind) = (arguments.pointer(2), arguments.pointer(3), arguments.u32(4));
        let (data, length) = (arguments.pointer(5), arguments.pointer(6));
        status((|| {
            self.passive(arguments.pointer(1))?;
            self.not_null("ValueName", name)?;
            self.not_null("ValueData", data)?;
            self.not_null("ValueDataLength", length)?;
            let buffer: GuestAddress = guest::read(data);
            Ok(self.read_value(&path(key, name), kind, buffer, length))
        })())
    }

    /// `StorPortRegistryWriteAdapterKey(HwDeviceExtension, SubKeyName, ValueName, ValueType, ValueData,
    /// ValueDataLength)`.
    pub(super) fn registry_write_adapter_key(self: &Arc<Self>, arguments: Arguments) -> u32 {
        let (key, name, kind) = (arguments.pointer(2), arguments.pointer(3), arguments.u32(4));
        let (data, length) = (arguments.pointer(5), arguments.u32(6));
        status((|| {
            self.passive(arguments.pointer(1))?;
            self.not_null("ValueName", name)?;
            self.not_null("ValueData", data)?;
            Ok(self.write_value(path(key, name), kind, data, length))
        })())
    }

    fn read_value(&self, key: &str, kind: u32, buffer: GuestAddress, length: GuestAddress) -> u32 {
        let Some(value) = self.registry_value(key) else {
            return stor_status::UNSUCCESSFUL;
        };
        let (found, bytes) = encode(&value);
        if found != kind {
            return stor_status::INVALID_PARAMETER;
        }
        let capacity: u32 = guest::read(length);
        guest::write(length, &u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        if (capacity as usize) < bytes.len() || buffer == 0 {
            return stor_status::BUFFER_TOO_SMALL;
        }
        guest::write_bytes(buffer, &bytes);
        stor_status::SUCCESS
    }

    fn write_value(self: &Arc<Self>, key: String, kind: u32, buffer: GuestAddress, length: u32) -> u32 {
        let mut bytes = vec![0; length.min(LARGEST_BUFFER) as usize];
        guest::read_bytes(buffer, &mut bytes);
        let Some(value) = decode(kind, &bytes) else {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("registry type {kind}, {length} bytes")
            });
            return stor_status::INVALID_PARAMETER;
        };
        self.set_registry_value(key, value);
        stor_status::SUCCESS
    }

    /// Sets a value, and tells the driver if it asked to be told.
    pub(super) fn set_registry_value(self: &Arc<Self>, key: String, value: RegistryValue) {
        let of_device = key
            .get(..DEVICE_KEY.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(DEVICE_KEY));
        {
            let mut values = self.registry.lock();
            let known = values
                .keys()
                .find(|name| name.eq_ignore_ascii_case(&key))
                .cloned();
            values.insert(known.unwrap_or(key), value);
        }
        let Some(routine) = self.registry_notification.lock().filter(|_| of_device) else {
            return;
        };
        // The page names neither thread nor IRQL; the registry tells of changes in system threads.
        let machine = Arc::clone(self);
        self.engine.work(Box::new(move || {
            if matches!(machine.phase(), Phase::Running | Phase::Stopped) {
                let extension = machine.setup().extension;
                machine.call(
                    Activity::RegistryNotification,
                    Irql::PASSIVE,
                    &[],
                    routine,
                    &[extension],
                );
            }
        }));
    }

    /// `StorPortEnableRegistryKeyNotification(HwDeviceExtension, NotificationCallback)`.
    pub(super) fn enable_registry_notification(&self, arguments: Arguments) -> u32 {
        let callback = arguments.pointer(2);
        status((|| {
            self.any_irql(arguments.pointer(1))?;
            self.not_null("NotificationCallback", callback)?;
            self.resources()?;
            *self.registry_notification.lock() = Routine::new(callback);
            Ok(stor_status::SUCCESS)
        })())
    }
}

fn path(key: GuestAddress, name: GuestAddress) -> String {
    let (key, name) = (guest::read_c_string(key, NAME), guest::read_c_string(name, NAME));
    if key.is_empty() {
        name
    } else {
        format!("{key}\\{name}")
    }
}
