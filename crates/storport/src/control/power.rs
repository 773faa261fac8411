//! Power states and actions, and a power engine's private operations.

use core::{marker::PhantomData, ptr::NonNull};

use wdk_sys::{PVOID, SIZE_T, STOR_POFX_POWER_CONTROL};

use super::parameters::read;
use crate::{power::Guid, srb::DataBuffer};

/// `STOR_DEVICE_POWER_STATE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevicePowerState {
    /// `StorPowerDeviceD0`: on.
    D0,
    /// `StorPowerDeviceD1`.
    D1,
    /// `StorPowerDeviceD2`.
    D2,
    /// `StorPowerDeviceD3`: off.
    D3,
    /// Unspecified, or a value that this crate does not know.
    Other(u32),
}

impl From<u32> for DevicePowerState {
    fn from(value: u32) -> Self {
        match value {
            1 => Self::D0,
            2 => Self::D1,
            3 => Self::D2,
            4 => Self::D3,
            other => Self::Other(other),
        }
    }
}

/// `STOR_POWER_ACTION`: why the power state changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerAction {
    /// `StorPowerActionNone`: at run time, while the system stays up.
    None,
    /// `StorPowerActionSleep`.
    Sleep,
    /// `StorPowerActionHibernate`.
    Hibernate,
    /// `StorPowerActionShutdown`.
    Shutdown,
    /// `StorPowerActionShutdownReset`.
    ShutdownReset,
    /// `StorPowerActionShutdownOff`.
    ShutdownOff,
    /// `StorPowerActionWarmEject`.
    WarmEject,
    /// A value that this crate does not know.
    Other(u32),
}

impl From<u32> for PowerAction {
    fn from(value: u32) -> Self {
        match value {
            0 => Self::None,
            2 => Self::Sleep,
            3 => Self::Hibernate,
            4 => Self::Shutdown,
            5 => Self::ShutdownReset,
            6 => Self::ShutdownOff,
            7 => Self::WarmEject,
            other => Self::Other(other),
        }
    }
}

/// A private operation that a power engine plug-in asks for (`STOR_POFX_POWER_CONTROL`).
pub struct PowerControl<'call> {
    code: Guid,
    input: Option<DataBuffer<'call>>,
    output: Option<DataBuffer<'call>>,
    output_length: usize,
    returned: Option<NonNull<SIZE_T>>,
    call: PhantomData<&'call mut ()>,
}

impl<'call> PowerControl<'call> {
    /// # Safety
    /// `parameters` is NULL or a `STOR_POFX_POWER_CONTROL` whose pointers are valid for `'call`.
    pub(super) unsafe fn new(parameters: PVOID) -> Option<Self> {
        // SAFETY: the caller's promise.
        let block = unsafe { read::<STOR_POFX_POWER_CONTROL>(parameters) }?;
        // SAFETY: the caller's promise.
        let code = unsafe { read::<wdk_sys::GUID>(block.PowerControlCode.cast_mut().cast()) }?;
        let (input, output) = (NonNull::new(block.InBuffer), NonNull::new(block.OutBuffer));
        let input_length = usize::try_from(block.InBufferSize).unwrap_or(0);
        let output_length = usize::try_from(block.OutBufferSize).unwrap_or(0);
        Some(Self {
            code: Guid::from(code),
            // SAFETY: the buffer has that length and lasts for the call.
            input: input.map(|base| unsafe { DataBuffer::new(base.cast(), input_length) }),
            // SAFETY: the buffer has that length and lasts for the call.
            output: output.map(|base| unsafe { DataBuffer::new(base.cast(), output_length) }),
            output_length,
            returned: NonNull::new(block.BytesReturned),
            call: PhantomData,
        })
    }

    /// Which operation (`PowerControlCode`).
    #[must_use]
    pub fn code(&self) -> Guid {
        self.code
    }

    /// Its parameters.
    #[must_use]
    pub fn input(&self) -> Option<&DataBuffer<'call>> {
        self.input.as_ref()
    }

    /// Where its results go; [`Self::set_returned`] tells how many bytes there are.
    pub fn output(&mut self) -> Option<&mut DataBuffer<'call>> {
        self.output.as_mut()
    }

    /// Says how many bytes of the output are valid; never more than it has.
    pub fn set_returned(&mut self, bytes: usize) {
        if let Some(returned) = self.returned {
            let bytes = SIZE_T::try_from(bytes.min(self.output_length)).unwrap_or(0);
            // SAFETY: the place is the parameter block's, valid for the call.
            unsafe { returned.write_unaligned(bytes) };
        }
    }
}
