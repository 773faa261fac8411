//! The registry by the kernel's own functions: `ZwOpenKey`, `ZwQueryValueKey`. Keys of the driver's own service are there; others are
//! not found.
//!
//! The values are those that Storport reads too (`Parameters` and what lies below it). Source: Microsoft Learn, wdm.h.

use super::{
    kernel::{SUCCESS, read_unicode},
    kernel_threads::Object,
    machine::Machine,
    options::RegistryValue,
    rules,
};
use crate::abi::{
    GuestAddress,
    exports::{Arguments, Export},
    guest,
};

/// `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_BUFFER_TOO_SMALL`, `STATUS_BUFFER_OVERFLOW`, `STATUS_INVALID_PARAMETER`.
const NOT_FOUND: u64 = 0xC000_0034;
const TOO_SMALL: u64 = 0xC000_0023;
const OVERFLOW: u64 = 0x8000_0005;
const INVALID_PARAMETER: u64 = 0xC000_000D;
/// What values of the service lie below.
const PARAMETERS: &str = "Parameters";
/// `KEY_VALUE_INFORMATION_CLASS`.
const BASIC: u32 = 0;
const FULL: u32 = 1;
const PARTIAL: u32 = 2;

/// Type and bytes of a value as the kernel keeps them: texts are UTF-16.
fn kept(value: &RegistryValue) -> (u32, Vec<u8>) {
    match value {
        RegistryValue::Text(text) => {
            let units = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
            (1, units.collect())
        }
        RegistryValue::Binary(bytes) => (3, bytes.clone()),
        RegistryValue::Dword(value) => (4, value.to_le_bytes().to_vec()),
        RegistryValue::Qword(value) => (11, value.to_le_bytes().to_vec()),
    }
}

fn without<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let start = path.get(..prefix.len())?;
    let rest = path.get(prefix.len()..)?;
    let whole = rest.is_empty() || rest.starts_with('\\');
    (start.eq_ignore_ascii_case(prefix) && whole).then(|| rest.trim_matches('\\'))
}

impl Machine {
    pub(super) fn kernel_registry(&self, export: Export, arguments: Arguments) -> Option<u64> {
        match export {
            Export::ZwOpenKey => Some(self.zw_open_key(arguments)),
            Export::ZwQueryValueKey => Some(self.zw_query_value_key(arguments)),
            _ => None,
        }
    }

    /// `ZwOpenKey(*KeyHandle, DesiredAccess, ObjectAttributes)`.
    fn zw_open_key(&self, arguments: Arguments) -> u64 {
        let (out, attributes) = (arguments.pointer(0), arguments.pointer(2));
        if self.not_null("KeyHandle", out).is_err() || self.not_null("ObjectAttributes", attributes).is_err()
        {
            return INVALID_PARAMETER;
        }
        // OBJECT_ATTRIBUTES: its length, a directory, a name.
        let (root, name): (u64, GuestAddress) = (guest::read(attributes + 8), guest::read(attributes + 16));
        let name = if name == 0 {
            String::new()
        } else {
            read_unicode(name)
        };
        let key = if root == 0 {
            let (_, path) = *self.driver_objects.lock();
            let service = if path == 0 {
                String::new()
            } else {
                read_unicode(path)
            };
            without(&name, &service).map(str::to_owned)
        } else {
            match self.kernel_handles.find(root) {
                Some(Object::Key(parent)) => {
                    let path = format!("{parent}\\{name}");
                    Some(path.trim_matches('\\').to_owned())
                }
                _ => return self.wrong_handle(root),
            }
        };
        let Some(key) = key.filter(|key| self.key_exists(key)) else {
            self.journal
                .debug_line(format!("portlab: ZwOpenKey: the lab has no key {name}"));
            return NOT_FOUND;
        };
        let handle = self.kernel_handles.open(Object::Key(key), Self::place());
        guest::write(out, &handle);
        SUCCESS
    }

    fn key_exists(&self, key: &str) -> bool {
        let Some(below) = without(key, PARAMETERS) else {
            return key.is_empty();
        };
        let values = self.registry.lock();
        below.is_empty()
            || values
                .keys()
                .any(|name| without(name, below).is_some_and(|rest| !rest.is_empty()))
    }

    /// `ZwQueryValueKey(KeyHandle, ValueName, KeyValueInformationClass, KeyValueInformation, Length, *ResultLength)`.
    fn zw_query_value_key(&self, arguments: Arguments) -> u64 {
        let (handle, name) = (arguments.get(0), arguments.pointer(1));
        let (class, out) = (arguments.u32(2), arguments.pointer(3));
        let (room, out_length) = (arguments.u32(4) as usize, arguments.pointer(5));
        let Some(Object::Key(key)) = self.kernel_handles.find(handle) else {
            return self.wrong_handle(handle);
        };
        if self.not_null("ValueName", name).is_err() || self.not_null("ResultLength", out_length).is_err() {
            return INVALID_PARAMETER;
        }
        let name = read_unicode(name);
        let path = without(&key, PARAMETERS).map(|below| format!("{below}\\{name}"));
        let value = path.and_then(|path| self.registry_value(path.trim_matches('\\')));
        let Some((kind, data)) = value.as_ref().map(kept) else {
            return NOT_FOUND;
        };
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
        let head = [0_u32.to_le_bytes(), kind.to_le_bytes()].concat();
        let (least, bytes) = match class {
            BASIC => (12, [head, word(units.len()).to_vec(), units].concat()),
            FULL => {
                let offset = (20 + units.len()).next_multiple_of(8);
                let sizes = [word(offset), word(data.len()), word(units.len())].concat();
                let mut bytes = [head, sizes, units].concat();
                bytes.resize(offset, 0);
                bytes.extend(data);
                (20, bytes)
            }
            PARTIAL => (12, [head, word(data.len()).to_vec(), data].concat()),
            other => {
                self.not_modelled(&format!("ZwQueryValueKey with information class {other}"));
                return INVALID_PARAMETER;
            }
        };
        guest::write(out_length, &u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        if room < least {
            return TOO_SMALL;
        }
        if out == 0 {
            self.violate(&rules::BAD_PARAMETER, || {
                format!("KeyValueInformation is NULL with {room} bytes")
            });
            return INVALID_PARAMETER;
        }
        guest::write_bytes(out, bytes.get(..room.min(bytes.len())).unwrap_or_default());
        if room < bytes.len() { OVERFLOW } else { SUCCESS }
    }
}
