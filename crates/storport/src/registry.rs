//! The registry: the adapter's own key, typed, and the driver's `Parameters\\Device` key. `PASSIVE_LEVEL`.

use core::{ffi::CStr, ptr, ptr::NonNull};

use wdk_sys::storage::{
    StorPortAllocateRegistryBuffer, StorPortFreeRegistryBuffer, StorPortRegistryRead, StorPortRegistryWrite,
};

use crate::{
    context::{Context, Exclusion, Passive},
    ffi::system as ffi,
    miniport::Miniport,
    status::RegistryError,
};

const REG_SZ: u32 = 1;
const REG_BINARY: u32 = 3;
const REG_DWORD: u32 = 4;
const REG_QWORD: u32 = 11;

/// A value of the adapter's key: below `DeviceParameters` of the device's instance, where the INF's `HW` section writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'name> {
    /// The key below it; `None` for the adapter's key itself.
    pub key: Option<&'name CStr>,
    /// The value's name.
    pub name: &'name CStr,
}

impl<'name> Value<'name> {
    /// A value of the adapter's key itself.
    #[must_use]
    pub const fn new(name: &'name CStr) -> Self {
        Self { key: None, name }
    }

    /// A value of a key below it.
    #[must_use]
    pub const fn below(key: &'name CStr, name: &'name CStr) -> Self {
        Self { key: Some(key), name }
    }

    fn key(&self) -> *const u8 {
        self.key.map_or(ptr::null(), |key| key.as_ptr().cast())
    }
}

/// A registry buffer (`StorPortAllocateRegistryBuffer`); there is one at a time for each adapter.
///
/// Freed when it is dropped: it exists at `PASSIVE_LEVEL` only, bound to the context.
pub struct RegistryBuffer<'cx, 'dev, M: Miniport, X: Exclusion> {
    context: &'cx Context<'dev, M, Passive, X>,
    base: NonNull<u8>,
    length: u32,
}

impl<M: Miniport, X: Exclusion> RegistryBuffer<'_, '_, M, X> {
    /// Bytes.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.length
    }

    /// There is no byte in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn copy_out(&self, target: &mut [u8], length: u32) -> usize {
        let length = (length.min(self.length) as usize).min(target.len());
        // SAFETY: both have `length` bytes, and the buffer is nobody else's.
        unsafe { ptr::copy_nonoverlapping(self.base.as_ptr(), target.as_mut_ptr(), length) };
        length
    }

    fn copy_in(&mut self, source: &[u8]) -> Option<u32> {
        let length = u32::try_from(source.len())
            .ok()
            .filter(|length| *length <= self.length)?;
        // SAFETY: both have `length` bytes, and the buffer is nobody else's.
        unsafe { ptr::copy_nonoverlapping(source.as_ptr(), self.base.as_ptr(), source.len()) };
        Some(length)
    }

    /// Reads a value of the driver's `Parameters\\Device` key, or of `Parameters\\DeviceN` (`StorPortRegistryRead`).
    /// Returns its length; `None` if there is none of that type, or it is longer than the buffer.
    pub fn read(
        &mut self,
        name: &CStr,
        kind: ValueKind,
        all_adapters: bool,
        target: &mut [u8],
    ) -> Option<usize> {
        let mut length = self.length;
        // SAFETY: PASSIVE_LEVEL; the buffer came from StorPortAllocateRegistryBuffer and has `length` bytes.
        let read = unsafe {
            StorPortRegistryRead(
                self.context.raw(),
                name.as_ptr().cast_mut().cast(),
                u32::from(all_adapters),
                kind as u32,
                self.base.as_ptr(),
                &raw mut length,
            )
        };
        (read != 0).then(|| self.copy_out(target, length))
    }

    /// Writes a value there (`StorPortRegistryWrite`). False if it was not written.
    pub fn write(&mut self, name: &CStr, kind: ValueKind, all_adapters: bool, source: &[u8]) -> bool {
        let Some(length) = self.copy_in(source) else {
            return false;
        };
        // SAFETY: PASSIVE_LEVEL; the buffer came from StorPortAllocateRegistryBuffer and has `length` bytes.
        let written = unsafe {
            StorPortRegistryWrite(
                self.context.raw(),
                name.as_ptr().cast_mut().cast(),
                u32::from(all_adapters),
                kind as u32,
                self.base.as_ptr().cast(),
                length,
            )
        };
        written != 0
    }
}

impl<M: Miniport, X: Exclusion> Drop for RegistryBuffer<'_, '_, M, X> {
    fn drop(&mut self) {
        // SAFETY: PASSIVE_LEVEL, as the context says; the buffer is freed once.
        unsafe { StorPortFreeRegistryBuffer(self.context.raw(), self.base.as_ptr()) };
    }
}

/// The type of a value in `Parameters\\Device` (`MINIPORT_REG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ValueKind {
    /// A text, in ANSI characters.
    Text = 1,
    /// Bytes.
    Binary = 3,
    /// 32 bits.
    Dword = 4,
}

impl<'dev, M: Miniport, X: Exclusion> Context<'dev, M, Passive, X> {
    /// Reads raw data; returns the length that the value has.
    fn read_raw(&self, value: Value<'_>, kind: u32, target: &mut [u8]) -> Result<u32, RegistryError> {
        let mut length = u32::try_from(target.len()).unwrap_or(u32::MAX);
        let mut data = target.as_mut_ptr().cast();
        // SAFETY: PASSIVE_LEVEL; the names are terminated, the target has `length` bytes.
        let status = unsafe {
            ffi::registry_read_adapter_key(
                self.raw(),
                value.key(),
                value.name.as_ptr().cast(),
                kind,
                &raw mut data,
                &raw mut length,
            )
        };
        RegistryError::check(status)?;
        Ok(length)
    }

    fn write_raw(&self, value: Value<'_>, kind: u32, source: &[u8]) -> Result<(), RegistryError> {
        let Ok(length) = u32::try_from(source.len()) else {
            return Err(RegistryError::InvalidParameter);
        };
        // SAFETY: PASSIVE_LEVEL; the names are terminated, the source has `length` bytes and is only read.
        RegistryError::check(unsafe {
            ffi::registry_write_adapter_key(
                self.raw(),
                value.key(),
                value.name.as_ptr().cast(),
                kind,
                source.as_ptr().cast(),
                length,
            )
        })
    }

    /// Reads a `REG_DWORD` of the adapter's key (`StorPortRegistryReadAdapterKey`).
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn read_dword(&self, value: Value<'_>) -> Result<u32, RegistryError> {
        let mut bytes = [0; 4];
        self.read_raw(value, REG_DWORD, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Reads a `REG_QWORD` of the adapter's key (`StorPortRegistryReadAdapterKey`).
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn read_qword(&self, value: Value<'_>) -> Result<u64, RegistryError> {
        let mut bytes = [0; 8];
        self.read_raw(value, REG_QWORD, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Reads a `REG_SZ` of the adapter's key, which the port driver turns into terminated ASCII
    /// (`StorPortRegistryReadAdapterKey`).
    ///
    /// # Errors
    /// See [`RegistryError`]; [`RegistryError::InvalidParameter`] if what was read is not terminated.
    pub fn read_text<'buffer>(
        &self,
        value: Value<'_>,
        buffer: &'buffer mut [u8],
    ) -> Result<&'buffer CStr, RegistryError> {
        let length = self.read_raw(value, REG_SZ, buffer)? as usize;
        let text = buffer.get(..length.min(buffer.len())).unwrap_or_default();
        CStr::from_bytes_until_nul(text).map_err(|_| RegistryError::InvalidParameter)
    }

    /// Reads a `REG_BINARY` of the adapter's key (`StorPortRegistryReadAdapterKey`). Returns its length.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn read_binary(&self, value: Value<'_>, buffer: &mut [u8]) -> Result<usize, RegistryError> {
        let length = self.read_raw(value, REG_BINARY, buffer)? as usize;
        Ok(length.min(buffer.len()))
    }

    /// Writes a `REG_DWORD` of the adapter's key (`StorPortRegistryWriteAdapterKey`).
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn write_dword(&self, value: Value<'_>, data: u32) -> Result<(), RegistryError> {
        self.write_raw(value, REG_DWORD, &data.to_le_bytes())
    }

    /// Writes a `REG_QWORD` of the adapter's key (`StorPortRegistryWriteAdapterKey`).
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn write_qword(&self, value: Value<'_>, data: u64) -> Result<(), RegistryError> {
        self.write_raw(value, REG_QWORD, &data.to_le_bytes())
    }

    /// Writes a `REG_SZ` of the adapter's key, from terminated ASCII (`StorPortRegistryWriteAdapterKey`).
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn write_text(&self, value: Value<'_>, data: &CStr) -> Result<(), RegistryError> {
        self.write_raw(value, REG_SZ, data.to_bytes_with_nul())
    }

    /// Writes a `REG_BINARY` of the adapter's key (`StorPortRegistryWriteAdapterKey`).
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn write_binary(&self, value: Value<'_>, data: &[u8]) -> Result<(), RegistryError> {
        self.write_raw(value, REG_BINARY, data)
    }

    /// A registry buffer of `length` bytes, or fewer (`StorPortAllocateRegistryBuffer`). The context is borrowed for as
    /// long: there is one at a time.
    pub fn registry_buffer(&mut self, length: u32) -> Option<RegistryBuffer<'_, 'dev, M, X>> {
        let mut granted = length;
        // SAFETY: PASSIVE_LEVEL; the place outlives the call.
        let base = unsafe { StorPortAllocateRegistryBuffer(self.raw(), &raw mut granted) };
        let base = NonNull::new(base)?;
        // SAFETY: the buffer has `granted` bytes, which a copy may read before anything was written.
        unsafe { base.write_bytes(0, granted as usize) };
        Some(RegistryBuffer {
            context: self,
            base,
            length: granted,
        })
    }
}
