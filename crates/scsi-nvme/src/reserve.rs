//! PERSISTENT RESERVE IN and OUT by NVMe's reservations (SPC-4; SNTL on the same commands).
//!
//! A host is to NVMe what an initiator's nexus is to SCSI: all requests of this driver come through one nexus. The host identifier is
//! that of the controller; whoever shares a namespace between hosts sets it.

use nvme::reservation::{self, Acquire, Keys, Kind, Register, Registrant, ReportHeader};
use nvme::{DataPointer, NamespaceId, Status as NvmeStatus, StatusCode, SubmissionEntry};
use scsi::cdb::{PersistentReserveIn, PersistentReserveOut};
use scsi::sense::{AdditionalSense, Sense, SenseKey};
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::data_in::{Answer, DataIn};
use crate::exchange::{AREA_BYTES, Area, DataOut, Exchange};
use crate::request::{Outcome, Request, Translation};
use crate::status::outcome;
use crate::translate::answer;
use crate::unit::Namespace;

/// The types of the two standards, SCSI's first, and the bit of each in the mask of REPORT CAPABILITIES.
const KINDS: [(u8, Kind, u16); 6] = [
    (1, Kind::WriteExclusive, 0x0200),
    (3, Kind::ExclusiveAccess, 0x0800),
    (5, Kind::WriteExclusiveRegistrants, 0x2000),
    (6, Kind::ExclusiveAccessRegistrants, 0x4000),
    (7, Kind::WriteExclusiveAll, 0x8000),
    (8, Kind::ExclusiveAccessAll, 0x0001),
];

/// PERSISTENT RESERVE IN that waits for the report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ReserveIn {
    service_action: u8,
    allocation_length: u16,
}

/// PERSISTENT RESERVE IN.
pub(crate) fn reserve_in(
    request: &Request<'_>,
    namespace: &Namespace,
    command: PersistentReserveIn,
    data_in: &mut dyn DataIn,
) -> Translation {
    const PTPL_C: u8 = 0x01;
    const TYPE_MASK_VALID: u8 = 0x80;
    if command.service_action == PersistentReserveIn::REPORT_CAPABILITIES {
        let capabilities = namespace.reservation_capabilities;
        let mask = KINDS
            .iter()
            .filter(|(_, kind, _)| capabilities >> (*kind as u8) & 1 != 0)
            .fold(0, |mask, (_, _, bit)| mask | bit);
        let [high, low] = u16::to_be_bytes(mask);
        let data = [0, 8, capabilities & PTPL_C, TYPE_MASK_VALID, high, low, 0, 0];
        return answer(request, u32::from(command.allocation_length), data_in, |answer| {
            answer.put(&data);
        });
    }
    let command = ReserveIn {
        service_action: command.service_action,
        allocation_length: command.allocation_length,
    };
    Exchange::reserve_in(request, namespace, command)
}

#[derive(Immutable, IntoBytes)]
#[repr(C)]
struct Header {
    generation: U32,
    additional_length: U32,
}

/// A full status descriptor with the transport identifier of a PCI Express port (SPC-4, "Full status descriptor").
#[derive(Immutable, IntoBytes, Unaligned)]
#[repr(C)]
struct FullStatus {
    key: U64,
    reserved: [u8; 4],
    flags: u8,
    scope_and_type: u8,
    reserved_14: [u8; 4],
    relative_target_port: U16,
    additional_length: U32,
    protocol: u8,
    reserved_25: u8,
    routing_id: U16,
    reserved_28: [u8; 20],
}

impl ReserveIn {
    pub(crate) fn allocation_length(self) -> u32 {
        u32::from(self.allocation_length)
    }

    /// The answer; the report lies in the area.
    pub(crate) fn write(self, area: &dyn Area, answer: &mut Answer<'_>) {
        const ALL_FIT: usize = (AREA_BYTES - size_of::<ReportHeader>()) / size_of::<Registrant>();
        let mut report = ReportHeader::new_zeroed();
        area.read(0, report.as_mut_bytes());
        // The controller's word, which is not taken beyond the area.
        let count = usize::from(report.registered.get()).min(ALL_FIT);
        let registrant = |index: usize| {
            let mut registrant = Registrant::new_zeroed();
            let offset = index
                .saturating_mul(size_of::<Registrant>())
                .saturating_add(size_of::<ReportHeader>());
            area.read(offset, registrant.as_mut_bytes());
            registrant
        };
        let holds = |registrant: &Registrant| registrant.status & 1 != 0;
        let kind = KINDS.iter().find(|(_, kind, _)| *kind as u8 == report.kind);
        let scope_and_type = kind.map_or(0, |(kind, _, _)| *kind);
        let head = |length: usize| Header {
            generation: U32::new(report.generation.get()),
            additional_length: U32::new(u32::try_from(length).unwrap_or(u32::MAX)),
        };
        match self.service_action {
            PersistentReserveIn::READ_KEYS => {
                answer.put(head(count.saturating_mul(8)).as_bytes());
                for index in 0..count {
                    answer.put(&registrant(index).key.get().to_be_bytes());
                }
            }
            PersistentReserveIn::READ_RESERVATION if kind.is_none() => answer.put(head(0).as_bytes()),
            PersistentReserveIn::READ_RESERVATION => {
                let all_registrants = matches!(scope_and_type, 7 | 8);
                let holder = (0..count)
                    .map(registrant)
                    .find(holds)
                    .filter(|_| !all_registrants);
                answer.put(head(16).as_bytes());
                answer.put(&holder.map_or(0, |holder| holder.key.get()).to_be_bytes());
                answer.put(&[0, 0, 0, 0, 0, scope_and_type, 0, 0]);
            }
            _ => {
                answer.put(head(count.saturating_mul(size_of::<FullStatus>())).as_bytes());
                for index in 0..count {
                    const SOP: u8 = 0x0A;
                    let registrant = registrant(index);
                    let holder = holds(&registrant);
                    let status = FullStatus {
                        key: U64::new(registrant.key.get()),
                        reserved: [0; 4],
                        flags: u8::from(holder),
                        scope_and_type: if holder { scope_and_type } else { 0 },
                        reserved_14: [0; 4],
                        relative_target_port: U16::new(1),
                        // The TransportID.
                        additional_length: U32::new(24),
                        protocol: SOP,
                        reserved_25: 0,
                        routing_id: U16::new(0),
                        reserved_28: [0; 20],
                    };
                    answer.put(status.as_bytes());
                }
            }
        }
    }
}

/// The parameter list of PERSISTENT RESERVE OUT.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Parameters {
    reservation_key: U64,
    service_action_key: U64,
    obsolete: [u8; 4],
    flags: u8,
    rest: [u8; 3],
}

/// PERSISTENT RESERVE OUT under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ReserveOut {
    service_action: u8,
    kind: Option<Kind>,
    can_persist: bool,
    /// A registration that is not there may be removed.
    forgiving: bool,
}

/// PERSISTENT RESERVE OUT.
pub(crate) fn reserve_out(
    request: &Request<'_>,
    namespace: &Namespace,
    command: PersistentReserveOut,
) -> Translation {
    let needs_type = matches!(
        command.service_action,
        PersistentReserveOut::RESERVE
            | PersistentReserveOut::RELEASE
            | PersistentReserveOut::PREEMPT
            | PersistentReserveOut::PREEMPT_AND_ABORT
    );
    let kind = KINDS.iter().find(|(kind, _, _)| *kind == command.kind);
    let kind = kind.map(|(_, kind, _)| *kind).filter(|kind| {
        // RELEASE names what is held, whatever can be.
        let bit = namespace.reservation_capabilities >> (*kind as u8) & 1;
        bit != 0 || command.service_action == PersistentReserveOut::RELEASE
    });
    if needs_type && command.scope != 0 {
        return Translation::check_condition(Sense::invalid_field(PersistentReserveOut::SCOPE_FIELD));
    }
    if needs_type && kind.is_none() {
        return Translation::check_condition(Sense::invalid_field(PersistentReserveOut::TYPE_FIELD));
    }
    if command.parameter_list_length != ReserveOut::LENGTH || request.data_length < ReserveOut::LENGTH {
        return Translation::check_condition(Sense::PARAMETER_LIST_LENGTH_ERROR);
    }
    let command = ReserveOut {
        service_action: command.service_action,
        kind,
        can_persist: namespace.reservation_capabilities & 1 != 0,
        forgiving: false,
    };
    Exchange::reserve_out(request, namespace, command)
}

impl ReserveOut {
    /// Bytes of the parameter list.
    pub(crate) const LENGTH: u32 = 24;

    /// Reads the parameter list, puts the keys into the area, and makes the command of it.
    pub(crate) fn command(
        &mut self,
        namespace: NamespaceId,
        data: &mut dyn DataOut,
        area: &mut dyn Area,
    ) -> Result<(SubmissionEntry, u32), Sense> {
        const ACTIVATE_PERSIST: u8 = 0x01;
        const ALL_TARGET_PORTS: u8 = 0x04;
        const SPECIFY_INITIATOR_PORTS: u8 = 0x08;
        let mut list = Parameters::new_zeroed();
        if data.read(0, list.as_mut_bytes()) != size_of::<Parameters>() {
            return Err(Sense::PARAMETER_LIST_LENGTH_ERROR);
        }
        let (current, other) = (list.reservation_key.get(), list.service_action_key.get());
        let nowhere = DataPointer::NONE;
        let entry = match self.service_action {
            PersistentReserveOut::REGISTER | PersistentReserveOut::REGISTER_AND_IGNORE_EXISTING_KEY => {
                let persist = list.flags & ACTIVATE_PERSIST != 0;
                if list.flags & (ALL_TARGET_PORTS | SPECIFY_INITIATOR_PORTS) != 0
                    || persist && !self.can_persist
                {
                    return Err(Sense::INVALID_FIELD_IN_PARAMETER_LIST);
                }
                let ignore = self.service_action == PersistentReserveOut::REGISTER_AND_IGNORE_EXISTING_KEY;
                self.forgiving = other == 0 && (ignore || current == 0);
                let action = if other == 0 {
                    Register::Remove
                } else if ignore || current != 0 {
                    Register::Replace
                } else {
                    Register::New
                };
                let persist = self.can_persist.then_some(persist);
                reservation::register(namespace, action, ignore, persist, nowhere)
            }
            PersistentReserveOut::CLEAR => reservation::release(namespace, None, nowhere),
            PersistentReserveOut::RELEASE => reservation::release(namespace, self.kind, nowhere),
            action => {
                let action = match action {
                    PersistentReserveOut::RESERVE => Acquire::Acquire,
                    PersistentReserveOut::PREEMPT => Acquire::Preempt,
                    _ => Acquire::PreemptAndAbort,
                };
                let kind = self.kind.unwrap_or(Kind::WriteExclusive);
                reservation::acquire(namespace, action, kind, nowhere)
            }
        };
        let keys = Keys {
            current: current.into(),
            other: other.into(),
        };
        area.write(0, keys.as_bytes());
        let releases = matches!(
            self.service_action,
            PersistentReserveOut::CLEAR | PersistentReserveOut::RELEASE
        );
        let bytes = if releases {
            Keys::RELEASE_LENGTH
        } else {
            Keys::LENGTH
        };
        Ok((entry, bytes))
    }

    /// How it ends.
    pub(crate) fn outcome(self, status: NvmeStatus) -> Outcome {
        match status.code() {
            // Nothing was registered, and nothing is to be (SPC-4, "Unregistering").
            StatusCode::RESERVATION_CONFLICT if self.forgiving => Outcome::GOOD,
            // Another type is held (SPC-4, "Releasing").
            StatusCode::INVALID_FIELD if self.service_action == PersistentReserveOut::RELEASE => {
                Outcome::check_condition(Sense::new(
                    SenseKey::IllegalRequest,
                    AdditionalSense::INVALID_RELEASE_OF_PERSISTENT_RESERVATION,
                ))
            }
            _ => outcome(status),
        }
    }
}
