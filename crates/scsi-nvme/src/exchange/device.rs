//! Commands that become admin commands whose data, if they have any, are the request's own buffer: SECURITY PROTOCOL IN and
//! OUT, WRITE BUFFER of microcode (SPC-4; SNTL on the same commands).

use nvme::{Status, StatusCode, SubmissionEntry, device};
use scsi::cdb::{SecurityProtocol, WriteBuffer, WriteBufferMode};
use scsi::sense::{FieldPointer, Sense};

use super::{Command, Data, Exchange, Kind, Next};
use crate::request::{Request, Translation};
use crate::status::outcome;
use crate::translate::WRONG_DIRECTION;
use crate::unit::{Controller, Namespace};

/// An admin command under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Device {
    entry: SubmissionEntry,
    /// Bytes of the request's buffer that it transfers.
    bytes: u32,
    then: Then,
}

/// What comes after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    /// Nothing.
    End,
    /// The image is committed to this slot.
    Commit(u8),
    /// The image that was committed is activated.
    Activate,
}

impl Exchange {
    /// SECURITY PROTOCOL OUT (`sends`) or IN. The controller does not tell how much it has written of what an IN allows: all of
    /// it is said to be transferred.
    pub(crate) fn security(
        request: &Request<'_>,
        controller: &Controller,
        namespace: &Namespace,
        command: SecurityProtocol,
        sends: bool,
    ) -> Translation {
        let SecurityProtocol {
            protocol, specific, ..
        } = command;
        let (entry, bytes): (fn(u8, u16, u32) -> SubmissionEntry, u32) = if sends {
            (device::security_send, command.bytes)
        } else {
            (device::security_receive, command.bytes.min(request.data_length))
        };
        let state = Device {
            entry: entry(protocol, specific, bytes),
            bytes,
            then: Then::End,
        };
        Self::of_device(
            request,
            controller,
            namespace,
            state,
            sends,
            SecurityProtocol::LENGTH_FIELD,
        )
    }

    /// WRITE BUFFER of microcode: Firmware Image Download, Firmware Commit, or both. BUFFER ID is the slot, 0 the controller's
    /// choice. What was committed is in force after a reset of the controller, which the end of the exchange asks for.
    pub(crate) fn write_buffer(
        request: &Request<'_>,
        controller: &Controller,
        namespace: &Namespace,
        command: WriteBuffer,
    ) -> Translation {
        const DWORD: u32 = 4;
        const SLOTS: u8 = 7;
        let WriteBuffer {
            buffer,
            offset,
            bytes,
            ..
        } = command;
        let download = device::firmware_image_download(offset / DWORD, bytes / DWORD);
        let (entry, bytes, then) = match command.mode {
            WriteBufferMode::DownloadSaveActivate => (download, bytes, Then::Commit(buffer)),
            WriteBufferMode::DownloadSaveDefer => (download, bytes, Then::End),
            WriteBufferMode::ActivateDeferred => (device::firmware_commit(buffer), 0, Then::Activate),
        };
        let wrong = if buffer > SLOTS {
            Some(WriteBuffer::BUFFER_FIELD)
        } else if then == Then::Activate {
            None
        } else if offset % DWORD != 0 || offset != 0 && then != Then::End {
            Some(WriteBuffer::OFFSET_FIELD)
        } else if bytes % DWORD != 0 || bytes == 0 && then != Then::End {
            Some(WriteBuffer::LENGTH_FIELD)
        } else if bytes == 0 {
            return Translation::GOOD;
        } else {
            None
        };
        if let Some(field) = wrong {
            return Translation::check_condition(Sense::invalid_field(field));
        }
        let state = Device { entry, bytes, then };
        Self::of_device(
            request,
            controller,
            namespace,
            state,
            true,
            WriteBuffer::LENGTH_FIELD,
        )
    }

    /// The exchange, if the request's buffer and the controller's limit allow it to transfer that much, that way.
    fn of_device(
        request: &Request<'_>,
        controller: &Controller,
        namespace: &Namespace,
        state: Device,
        sends: bool,
        length_field: FieldPointer,
    ) -> Translation {
        let (bytes, limit) = (state.bytes, controller.max_transfer_bytes);
        if bytes > request.data_length || limit != 0 && bytes > limit {
            return Translation::check_condition(Sense::invalid_field(length_field));
        }
        let direction = request.data_direction;
        let permitted = if sends {
            direction.permits_out()
        } else {
            direction.permits_in()
        };
        if bytes != 0 && !permitted {
            return WRONG_DIRECTION;
        }
        Translation::Exchange(Self::new(request, namespace, Kind::Device(state)))
    }
}

impl Device {
    pub(super) const fn bytes(&self) -> u32 {
        self.bytes
    }

    pub(super) const fn begin(&self) -> Next {
        let data = if self.bytes == 0 { Data::None } else { Data::Buffer };
        Next::Submit(Command::admin(self.entry, data, self.bytes))
    }

    pub(super) fn next(&mut self, status: Status) -> Next {
        let transferred = self.bytes;
        match (self.then, status.code()) {
            (Then::Commit(slot), StatusCode::SUCCESS) => {
                self.then = Then::Activate;
                Next::Submit(Command::admin(device::firmware_commit(slot), Data::None, 0))
            }
            (Then::Activate, StatusCode::SUCCESS | StatusCode::FIRMWARE_NEEDS_CONTROLLER_RESET) => {
                Next::Activate { transferred }
            }
            // It is committed; what puts it in force is beyond a reset of the controller.
            (
                Then::Activate,
                StatusCode::FIRMWARE_NEEDS_CONVENTIONAL_RESET | StatusCode::FIRMWARE_NEEDS_SUBSYSTEM_RESET,
            )
            | (Then::End, StatusCode::SUCCESS) => Next::Done { transferred },
            _ => Next::Fail(outcome(status)),
        }
    }
}
