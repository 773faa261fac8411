//! Commands that become an admin command whose data, if it has any, are the request's own buffer: SECURITY PROTOCOL IN and OUT
//! (SPC-4; SNTL on the same commands).

use nvme::{SubmissionEntry, device};
use scsi::cdb::SecurityProtocol;
use scsi::sense::Sense;

use super::{Command, Data, Exchange, Kind, Next};
use crate::request::{Request, Translation};
use crate::translate::WRONG_DIRECTION;
use crate::unit::{Controller, Namespace};

/// An admin command under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Device {
    entry: SubmissionEntry,
    bytes: u32,
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
        let bytes = if sends {
            command.bytes
        } else {
            command.bytes.min(request.data_length)
        };
        let limit = controller.max_transfer_bytes;
        if bytes > request.data_length || limit != 0 && bytes > limit {
            return Translation::check_condition(Sense::invalid_field(SecurityProtocol::LENGTH_FIELD));
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
        let entry = if sends {
            device::security_send(protocol, specific, bytes)
        } else {
            device::security_receive(protocol, specific, bytes)
        };
        Translation::Exchange(Self::new(
            request,
            namespace,
            Kind::Device(Device { entry, bytes }),
        ))
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
}
