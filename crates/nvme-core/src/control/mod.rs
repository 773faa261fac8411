//! The stepped control path: one machine for bring-up, reset, shutdown and rescans.
//!
//! [`Control::step`] takes what happened and says what to do next. It does no I/O and never waits; the caller performs
//! the action and steps again, by bounded stalls where it must not return (`HwStorFindAdapter`, `HwStorResetBus`,
//! crash dump), by timer and DPC otherwise. The same code runs in all of them: [`Control::advance`] is the loop between
//! two waits, over the small trait [`Hardware`].
//!
//! # Invariants
//!
//! * *Bounded*: every wait has a deadline (the controller's own time-out, cut by the caller's budget), every loop a
//!   count; a request ends with [`Action::Done`] or [`Action::Failed`] after finitely many steps, whatever the
//!   controller answers and even if the clock stands still.
//! * *One admin command at a time*: the data page is reused only after the completion of the command that wrote it,
//!   or when the controller was stopped.
//! * *Stale completions change nothing*: a completion counts only with the tag of the present command.
//! * *Stopping is proved*: a [`DmaStopped`] is made where CSTS.RDY was read as 0 after CC.EN was cleared, by us or by an NVM
//!   subsystem reset.

mod advance;
mod config;
mod info;
mod machine;
mod queues;
mod scan;
mod start;
mod step;
mod stop;

pub use advance::{Hardware, Progress};
pub use config::{ConfigError, ControlConfig, QueuePair};
pub use info::ControllerInfo;
pub use machine::Control;

use nvme::identify::ControllerType;
use nvme::log::LogPageId;
use nvme::{NamespaceId, Register, Status, SubmissionEntry};

use crate::namespace::{NamespaceChanges, NamespaceTable};
use crate::{DmaStopped, Epoch, Instant, Micros};

/// Bytes of the page that admin commands transfer to.
pub const DATA_SIZE: usize = nvme::PAGE_SIZE;

/// What the machine is asked to do. Those that begin by stopping the controller, and [`Request::Shutdown`], abandon
/// whatever is under way; the others are refused with [`Failure::Busy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Stop a controller that is enabled, enable it, Identify Controller. Ends with [`Outcome::Identified`].
    Identify,
    /// After [`Request::Identify`]: write cache, events, namespaces, I/O queues. Ends with [`Outcome::Ready`]. If it
    /// fails once a queue was created, only [`Request::Restart`] goes on from there.
    Queues {
        /// Queue pairs wanted; at most as many as [`Tables::queue_pairs`].
        pairs: u16,
    },
    /// [`Request::Identify`] and [`Request::Queues`] in one. Ends with [`Outcome::Ready`]. A controller that does not stop in
    /// time is reset with its subsystem, as by [`Request::StopForGood`]: nothing else lets its requests end.
    Restart {
        /// Queue pairs wanted.
        pairs: u16,
    },
    /// Clear CC.EN and wait for CSTS.RDY to follow. Ends with [`Outcome::Stopped`].
    Stop,
    /// As [`Request::Stop`], when the memory goes back afterwards: a controller that does not stop within half of the time
    /// is reset with its NVM subsystem, if CAP.NSSRS says that it can be. That is for want of anything better: it stops the
    /// subsystem's other controllers too, and its PCI Express ports lose their link, and so their configuration.
    StopForGood,
    /// Notify a normal shutdown and wait until it is complete. Ends with [`Outcome::ShutDown`]. No request may be in
    /// flight. The controller is not disabled by it: [`Request::Stop`] afterwards gives the proof.
    Shutdown {
        /// Delete the I/O queues first, as the specification recommends (Base 2.0, 3.6.1).
        delete_queues: bool,
    },
    /// Read the list of active namespaces and identify each. Ends with [`Outcome::Rescanned`].
    Rescan {
        /// Read the changed namespace list first, which lets the next event come.
        read_changed_list: bool,
    },
    /// Read a log page of up to [`DATA_SIZE`] bytes into the data page. Ends with [`Outcome::LogRead`].
    ReadLog {
        /// The page.
        page: LogPageId,
        /// NSID of the command; [`NamespaceId::ALL`] for pages of the controller.
        namespace: NamespaceId,
        /// Bytes, rounded up to a dword, 4 to [`DATA_SIZE`].
        bytes: u16,
    },
}

/// What happened since the last step.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Begin a request, to be finished within `budget` from now.
    Begin {
        /// What to do.
        request: Request,
        /// Longest time it may take; the controller's own limits apply within it.
        budget: Micros,
    },
    /// Answer to [`Action::Read`]; 32-bit registers zero extended. All ones if the device is gone.
    Value(u64),
    /// Answer to [`Action::Write`], [`Action::Reclaim`], [`Action::PrepareAdminQueue`], [`Action::PrepareQueuePair`]: it was done.
    Performed,
    /// The completion of the command of [`Action::Submit`].
    Completion {
        /// The tag of that action.
        tag: u32,
        /// Its status.
        status: Status,
        /// Its dword 0.
        result: u32,
        /// A copy of the data page, made after the completion was seen, if the action's `transfers` said so.
        data: Option<&'a [u8; DATA_SIZE]>,
    },
    /// Time has passed: the wait of [`Action::Wait`], or the deadline of [`Action::Submit`]. Early ones do no harm.
    Tick,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Read the register and answer with [`Event::Value`].
    Read(Register),
    /// Write the register (the low half for 32-bit ones) and answer with [`Event::Performed`].
    Write(Register, u64),
    /// Take every request in flight of that life from every command table and complete it: no transfer can reach its
    /// memory any more. Asynchronous event requests are gone too. Answer with [`Event::Performed`].
    Reclaim(DmaStopped),
    /// Zero the admin completion queue's memory and the buffers of the shadow doorbells, begin both admin rings (and the admin command table) anew with that
    /// many entries and answer with [`Event::Performed`].
    PrepareAdminQueue {
        /// Entries of both rings.
        entries: u16,
        /// The life that begins.
        epoch: Epoch,
    },
    /// Zero the completion queue's memory of [`Tables::queue_pairs`]`[index]`, begin its rings and its command table
    /// anew and answer with [`Event::Performed`]. Its queue identifier is `index + 1`.
    PrepareQueuePair {
        /// Index of the pair.
        index: u16,
        /// Entries of both rings.
        entries: u16,
        /// The life that has begun.
        epoch: Epoch,
    },
    /// Give the entry a command identifier, put it on the admin submission queue and ring its doorbell. Answer with
    /// [`Event::Completion`] when it completes, or [`Event::Tick`] at the deadline.
    Submit {
        /// Names the command in [`Event::Completion`].
        tag: u32,
        /// The command; its identifier is still 0.
        entry: SubmissionEntry,
        /// Whether the completion needs a copy of the data page.
        transfers: bool,
        /// When to give up.
        deadline: Instant,
    },
    /// Nothing to do until then; answer with [`Event::Tick`]. A completion that is awaited may come before.
    Wait {
        /// When to step again.
        until: Instant,
    },
    /// The event answered nothing that was asked: go on waiting for what was.
    None,
    /// The request is finished.
    Done(Outcome),
    /// The request has failed. Nothing is under way any more, but see [`Control::is_command_outstanding`]; and
    /// [`Failure::Busy`] leaves the request under way as it is.
    Failed(Failure),
}

/// How a request ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The admin queue works and [`Control::info`] is valid.
    Identified,
    /// I/O queues 1 to `pairs` exist, [`Tables::namespaces`] is valid; events may be requested.
    Ready {
        /// Pairs created: at least one, at most as many as were wanted.
        pairs: u16,
        /// What the scan changed in the table.
        changes: NamespaceChanges,
    },
    /// The controller is disabled and no longer transfers.
    Stopped(DmaStopped),
    /// Shutdown processing is complete: power may be removed.
    ShutDown,
    /// The table is up to date.
    Rescanned(NamespaceChanges),
    /// The last [`Event::Completion`] had the log page's data.
    LogRead {
        /// The page that was read.
        page: LogPageId,
    },
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// [`Control::configure`] was not called.
    NotConfigured,
    /// Another request is under way and goes on; this one was not begun.
    Busy,
    /// The request does not fit what was done before, such as queues before Identify.
    OutOfPhase,
    /// A command of an earlier request may still write to the data page: stop the controller first.
    CommandOutstanding,
    /// Registers read as all ones: the device is gone.
    Gone,
    /// CSTS.CFS is set.
    FatalStatus,
    /// CAP.MPSMIN excludes 4 KiB pages.
    PageSize {
        /// CAP.MPSMIN.
        mpsmin: u8,
    },
    /// CAP.CSS lacks the NVM command set.
    CommandSet {
        /// CAP.CSS.
        css: u8,
    },
    /// CAP.MQES allows a single entry only.
    QueueTooSmall,
    /// The doorbells lie outside the mapped registers.
    RegistersTooShort {
        /// Bytes that would have to be mapped.
        needed: u64,
    },
    /// CSTS.RDY was not set in time.
    ReadyTimeout,
    /// CSTS.RDY was not cleared in time: transfers may go on. Only a hardware reset helps.
    StopTimeout,
    /// CSTS.SHST did not say complete in time.
    ShutdownTimeout,
    /// An admin command was not completed in time and is outstanding: stop the controller.
    AdminTimeout {
        /// Its opcode.
        opcode: u8,
    },
    /// An admin command that cannot be done without was refused.
    AdminFailed {
        /// Its opcode.
        opcode: u8,
        /// Its status.
        status: Status,
    },
    /// A completion that needs data came without; an error of the caller.
    DataMissing,
    /// Queue entries of 64 and 16 bytes are not supported (SQES, CQES).
    EntrySizes,
    /// It is not an I/O controller.
    ControllerType(ControllerType),
    /// No queue pair is wanted or described, or its doorbells lie outside the registers.
    NoQueuePair,
    /// A queue pair's description is not usable.
    QueuePair {
        /// Its index.
        index: u16,
    },
    /// The budget was spent before the next command; none is outstanding.
    BudgetSpent,
    /// The clock has not advanced through a great many steps.
    ClockStopped,
}

/// How far the controller has been brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, zerocopy::FromZeros)]
#[repr(u8)]
pub enum Phase {
    /// Disabled, shut down or unknown.
    Down = 0,
    /// The admin queue works; the controller is identified.
    Identified,
    /// I/O queues exist.
    Ready,
}

/// What the machine fills and what it is told about memory, borrowed for a step.
#[derive(Debug)]
pub struct Tables<'a> {
    /// Memory of the I/O queue pairs; index 0 has queue identifier 1.
    pub queue_pairs: &'a [QueuePair],
    /// The namespaces.
    pub namespaces: &'a mut NamespaceTable,
}
