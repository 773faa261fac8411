//! Exchanges: SCSI commands that take more than one NVMe command, or one whose data are not the initiator's.
//!
//! An [`Exchange`] is a small state that a driver keeps while the request is open. [`Exchange::begin`] looks at the
//! Data-Out Buffer, the only time that anything does, and names the first command; [`Exchange::resume`] takes the
//! completion of the last and names the next, or the end. What the controller reads or writes meanwhile lies in the
//! exchange's [`Area`], memory that the driver owns, or is the request's own buffer. No exchange has more than one
//! command, or one fused pair, outstanding; each but SANITIZE, which waits, ends after a number of commands that is known when it
//! begins.
//!
//! An exchange that is abandoned between two commands (a reset, a stop) leaves nothing behind: the request is completed
//! with whatever says so, and the state is dropped.

mod compare;
mod device;
mod mode_select;
mod parameters;
mod sanitize;
mod sweep;
mod unmap;

pub(crate) use sweep::Sweep;
pub(crate) use unmap::MOST_RANGES;

use nvme::{DataPointer, NamespaceId, Status, SubmissionEntry, admin, log::LogPageId};

use crate::data_in::{Answer, DataIn};
use crate::log::LogPage;
use crate::request::{DataDirection, Outcome, Request, Translation};
use crate::reserve::{ReserveIn, ReserveOut};
use crate::status::outcome;
use crate::unit::Namespace;

/// Bytes of an [`Area`]: one page of memory.
pub const AREA_BYTES: usize = 4096;

/// Memory of an exchange that the controller can reach: [`AREA_BYTES`] of it.
pub trait Area {
    /// Puts `bytes` at `offset`; what lies beyond the area is dropped.
    fn write(&mut self, offset: usize, bytes: &[u8]);
    /// Copies from `offset` to `target`; what lies beyond the area stays as it is.
    fn read(&self, offset: usize, target: &mut [u8]);
}

/// The Data-Out Buffer of a request.
pub trait DataOut {
    /// Copies from `offset` to `target`; returns how many bytes there were.
    fn read(&mut self, offset: usize, target: &mut [u8]) -> usize;
}

/// Memory that the initiator's data were copied to.
impl DataOut for &[u8] {
    fn read(&mut self, offset: usize, target: &mut [u8]) -> usize {
        let mut count = 0_usize;
        for (to, from) in target.iter_mut().zip(self.iter().skip(offset)) {
            *to = *from;
            count = count.saturating_add(1);
        }
        count
    }
}

/// Where the data of a command lie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Data {
    /// Nowhere: it has none.
    None,
    /// In the request's own buffer, from its start.
    Buffer,
    /// In the request's own buffer, behind the first of [`Exchange::buffer_bytes`].
    BufferRest,
    /// In the area, from its start.
    Area,
    /// In the area, page after page the same one.
    Repeat,
}

/// The queue that a command belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Queue {
    /// An I/O queue.
    Io,
    /// The admin queue.
    Admin,
}

/// A command of an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Command {
    /// The entry, but for its data pointer and its command identifier.
    pub entry: SubmissionEntry,
    /// Its data.
    pub data: Data,
    /// Bytes of them.
    pub bytes: u32,
    /// Its queue.
    pub queue: Queue,
}

impl Command {
    const fn io(entry: SubmissionEntry, data: Data, bytes: u32) -> Self {
        Self {
            entry,
            data,
            bytes,
            queue: Queue::Io,
        }
    }

    const fn admin(entry: SubmissionEntry, data: Data, bytes: u32) -> Self {
        Self {
            entry,
            data,
            bytes,
            queue: Queue::Admin,
        }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// This command.
    Submit(Command),
    /// These two, fused: next to each other in one I/O queue, told to the controller at once. They count as one; the status
    /// of the pair is that of the half that failed by itself.
    SubmitFused(Command, Command),
    /// Nothing yet: some time later, a fraction of a second, [`Exchange::resume`] is called again, with success.
    Later,
    /// The end, with status GOOD.
    Done {
        /// Bytes of the Data-Out Buffer that were used.
        transferred: u32,
    },
    /// The end, with status GOOD: the write cache is now enabled, or disabled.
    CacheSet {
        /// Bytes of the Data-Out Buffer that were used.
        transferred: u32,
        /// Enabled.
        enabled: bool,
    },
    /// The end, with status GOOD: a firmware image was committed that a reset of the controller puts in force.
    Activate {
        /// Bytes of the Data-Out Buffer that were used.
        transferred: u32,
    },
    /// The end, with status GOOD: [`Exchange::answer`] writes the data.
    Answer,
    /// The end.
    Fail(Outcome),
}

impl Next {
    const fn check_condition(sense: scsi::sense::Sense) -> Self {
        Self::Fail(Outcome::check_condition(sense))
    }
}

/// The commands that are exchanges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Sweep(sweep::Progress),
    WriteAndVerify(sweep::WriteAndVerify),
    CompareAndWrite(compare::CompareAndWrite),
    Unmap(unmap::Unmap),
    ModeSelect(mode_select::ModeSelect),
    Log(LogPage),
    ReserveIn(ReserveIn),
    ReserveOut(ReserveOut),
    Device(device::Device),
    Sanitize(sanitize::Sanitize),
    SanitizeSense(sanitize::SanitizeSense),
}

/// An exchange: see the module's page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exchange {
    namespace: NamespaceId,
    block_shift: u8,
    data_length: u32,
    kind: Kind,
}

impl Exchange {
    const fn new(request: &Request<'_>, namespace: &Namespace, kind: Kind) -> Self {
        Self {
            namespace: namespace.id(),
            block_shift: namespace.block_shift(),
            data_length: request.data_length,
            kind,
        }
    }

    /// The exchange of a command that takes `bytes` of data from the initiator.
    fn with_data_out(
        request: &Request<'_>,
        namespace: &Namespace,
        bytes: u32,
        too_short: Translation,
        kind: Kind,
    ) -> Translation {
        if bytes != 0 && !request.data_direction.permits_out() {
            return crate::translate::WRONG_DIRECTION;
        }
        if request.data_length < bytes {
            return too_short;
        }
        Translation::Exchange(Self::new(request, namespace, kind))
    }

    /// The exchange of a command that answers.
    fn with_data_in(request: &Request<'_>, namespace: &Namespace, kind: Kind) -> Translation {
        if request.data_length != 0 && !request.data_direction.permits_in() {
            return crate::translate::WRONG_DIRECTION;
        }
        Translation::Exchange(Self::new(request, namespace, kind))
    }

    /// LOG SENSE of a page that the health log tells.
    pub(crate) fn log(request: &Request<'_>, namespace: &Namespace, page: LogPage) -> Translation {
        Self::with_data_in(request, namespace, Kind::Log(page))
    }

    /// PERSISTENT RESERVE IN.
    pub(crate) fn reserve_in(
        request: &Request<'_>,
        namespace: &Namespace,
        command: ReserveIn,
    ) -> Translation {
        Self::with_data_in(request, namespace, Kind::ReserveIn(command))
    }

    /// PERSISTENT RESERVE OUT, whose parameter list has been found long enough.
    pub(crate) fn reserve_out(
        request: &Request<'_>,
        namespace: &Namespace,
        command: ReserveOut,
    ) -> Translation {
        if !request.data_direction.permits_out() {
            return crate::translate::WRONG_DIRECTION;
        }
        Translation::Exchange(Self::new(request, namespace, Kind::ReserveOut(command)))
    }

    /// The namespace that the exchange is about.
    #[must_use]
    pub const fn namespace(&self) -> NamespaceId {
        self.namespace
    }

    /// Bytes of the request's own buffer that its commands transfer: from its start, and behind that. Zeroes: none.
    #[must_use]
    pub const fn buffer_bytes(&self) -> [u32; 2] {
        match &self.kind {
            Kind::WriteAndVerify(state) => [state.bytes(), 0],
            Kind::CompareAndWrite(state) => state.halves(),
            Kind::Device(state) => [state.bytes(), 0],
            _ => [0; 2],
        }
    }

    /// Looks at the Data-Out Buffer, and says what is to be submitted first.
    #[inline(never)]
    pub fn begin(&mut self, data: &mut dyn DataOut, area: &mut dyn Area) -> Next {
        match &mut self.kind {
            Kind::Sweep(state) => state.begin(self.namespace, self.block_shift, data, area),
            Kind::WriteAndVerify(state) => state.begin(self.namespace),
            Kind::CompareAndWrite(state) => state.begin(self.namespace),
            Kind::Unmap(state) => state.begin(self.namespace, data, area),
            Kind::ModeSelect(state) => state.begin(data),
            Kind::Log(_) => {
                const DWORDS: u32 = 128;
                const { assert!(DWORDS as usize * 4 == nvme::log::SMART_LOG_SIZE) };
                let entry = admin::get_log_page(
                    LogPageId::SMART,
                    NamespaceId::ALL,
                    DWORDS,
                    true,
                    DataPointer::NONE,
                );
                Next::Submit(Command::admin(entry, Data::Area, DWORDS.saturating_mul(4)))
            }
            Kind::ReserveIn(_) => {
                const DWORDS: u32 = 1024;
                const { assert!(DWORDS as usize * 4 == AREA_BYTES) };
                let entry = nvme::reservation::report(self.namespace, DWORDS, DataPointer::NONE);
                Next::Submit(Command::io(entry, Data::Area, DWORDS.saturating_mul(4)))
            }
            Kind::ReserveOut(state) => match state.command(self.namespace, data, area) {
                Ok((entry, bytes)) => Next::Submit(Command::io(entry, Data::Area, bytes)),
                Err(sense) => Next::check_condition(sense),
            },
            Kind::Device(state) => state.begin(),
            Kind::Sanitize(state) => state.begin(),
            Kind::SanitizeSense(_) => sanitize::SanitizeSense::begin(),
        }
    }

    /// Takes the status of what was submitted last, and says what comes next.
    #[inline(never)]
    pub fn resume(&mut self, status: Status, area: &dyn Area) -> Next {
        if let Kind::ReserveOut(state) = &self.kind {
            return match state.outcome(status) {
                Outcome::GOOD => Next::Done {
                    transferred: self.data_length.min(ReserveOut::LENGTH),
                },
                outcome => Next::Fail(outcome),
            };
        }
        if let Kind::Device(state) = &mut self.kind {
            return state.next(status);
        }
        if let Kind::Sanitize(state) = &mut self.kind {
            return state.next(status, area);
        }
        if !status.is_success() {
            return Next::Fail(outcome(status));
        }
        match &mut self.kind {
            Kind::Sweep(state) => state.next(self.namespace, self.block_shift),
            Kind::WriteAndVerify(state) => state.next(self.namespace),
            Kind::CompareAndWrite(state) => Next::Done {
                transferred: state.transferred(),
            },
            Kind::Unmap(state) => Next::Done {
                transferred: state.transferred(),
            },
            Kind::ModeSelect(state) => state.done(),
            Kind::Log(_) | Kind::ReserveIn(_) | Kind::SanitizeSense(_) => Next::Answer,
            Kind::ReserveOut(_) | Kind::Device(_) | Kind::Sanitize(_) => Next::Done { transferred: 0 },
        }
    }

    /// Writes the answer that [`Next::Answer`] announces; returns its length in bytes, at most what the CDB and the request
    /// allow.
    #[inline(never)]
    pub fn answer(&self, area: &dyn Area, data_in: &mut dyn DataIn) -> u32 {
        let (allocation_length, write): (_, &dyn Fn(&mut Answer<'_>)) = match &self.kind {
            Kind::Log(page) => (page.allocation_length(), &|answer| page.write(area, answer)),
            Kind::ReserveIn(state) => (state.allocation_length(), &|answer| state.write(area, answer)),
            Kind::SanitizeSense(state) => (state.allocation_length(), &|answer| state.write(area, answer)),
            _ => return 0,
        };
        let mut answer = Answer::new(data_in, self.data_length, allocation_length);
        write(&mut answer);
        match answer.complete() {
            Translation::Complete { length } => length,
            _ => 0,
        }
    }
}

impl DataDirection {
    /// Whether an exchange's answer can be written.
    #[must_use]
    pub const fn is_in(self) -> bool {
        self.permits_in()
    }
}
