//! The system's event log, and debug output.
//!
//! `StorPortLogError` is deprecated: [`Context::log_system_event`] replaces it.

use core::ffi::CStr;

use wdk_sys::{
    _STOR_EVENT_ASSOCIATION_ENUM as Association, STOR_CURRENT_LOG_INTERFACE_REVISION, STOR_LOG_EVENT_DETAILS,
    storage::StorPortDebugPrint,
};

use crate::{
    context::{AtMostDispatch, Context, Exclusion, Irql},
    ffi::system as ffi,
    miniport::Miniport,
    srb::Address,
    status::LogSystemEventError,
    text::Wide,
};

/// Characters of an entry's text.
pub const TEXT: usize = 64;

/// An entry of the system's event log (`STOR_LOG_EVENT_DETAILS`).
#[derive(Debug, Clone, Copy)]
pub struct LogEntry<'data> {
    /// The unit that it is about; `None` for the adapter.
    pub unit: Option<Address>,
    /// The message's id in the driver's message file, an NTSTATUS. The event's id is its low half.
    pub error: u32,
    /// Where in the driver it comes from.
    pub unique_id: u32,
    /// What is put in the place of `%2` in the message; `%1` is the device.
    pub text: &'data Wide<TEXT>,
    /// Data to be dumped with it: with the text and its terminator at most 150 bytes.
    pub data: &'data [u8],
}

impl<M: Miniport, I: AtMostDispatch, X: Exclusion> Context<'_, M, I, X> {
    /// Writes an entry to the system's event log (`StorPortLogSystemEvent`; up to `DISPATCH_LEVEL`).
    ///
    /// # Errors
    /// See [`LogSystemEventError`].
    pub fn log_system_event(&self, entry: &LogEntry<'_>) -> Result<(), LogSystemEventError> {
        let mut texts = [entry.text.pointer().cast_mut()];
        let mut details = STOR_LOG_EVENT_DETAILS {
            InterfaceRevision: STOR_CURRENT_LOG_INTERFACE_REVISION,
            Size: u32::try_from(size_of::<STOR_LOG_EVENT_DETAILS>()).unwrap_or(0),
            EventAssociation: match entry.unit {
                Some(_) => Association::StorEventLunAssociation,
                None => Association::StorEventAdapterAssociation,
            },
            PathId: entry.unit.map_or(0, |unit| unit.path.into()),
            TargetId: entry.unit.map_or(0, |unit| unit.target.into()),
            LunId: entry.unit.map_or(0, |unit| unit.lun.into()),
            ErrorCode: entry.error,
            UniqueId: entry.unique_id,
            DumpDataSize: u32::try_from(entry.data.len()).unwrap_or(0),
            DumpData: entry.data.as_ptr().cast_mut().cast(),
            StringCount: 1,
            StringList: texts.as_mut_ptr(),
            ..Default::default()
        };
        let mut maximum = 0;
        // SAFETY: the extension is live; what the details point to outlives the call, which only reads it.
        LogSystemEventError::check(unsafe {
            ffi::log_system_event(self.raw(), &raw mut details, &raw mut maximum)
        })
    }
}

impl<M: Miniport, I: Irql, X: Exclusion> Context<'_, M, I, X> {
    /// Prints to the kernel debugger (`StorPortDebugPrint`). `level`: 0 for errors, 3 for what is verbose.
    pub fn debug_print(&self, level: u32, text: &CStr) {
        // SAFETY: both texts are terminated, and the format takes one of them.
        unsafe { StorPortDebugPrint(level, c"%s".as_ptr().cast_mut(), text.as_ptr()) };
    }
}
