//! What a connection's thread is told by other threads.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};

use super::Answer;
use crate::{attention::Attention, connection::TaskId};

/// One message.
pub(super) enum Message<D> {
    /// A command has ended.
    Done(TaskId, Answer<D>),
    /// A task management request is done.
    Managed {
        id: u64,
        success: bool,
        /// The connection ends afterwards.
        closes: bool,
    },
    /// Somebody else aborts commands: of one logical unit, or all.
    Abort {
        lun: Option<[u8; 8]>,
        attention: Attention,
    },
    /// The session is to end.
    Close,
}

/// See the module's documentation.
pub(super) struct Mailbox<D> {
    messages: Mutex<Vec<Message<D>>>,
    asleep: AtomicBool,
    bell: OwnedFd,
}

impl<D> Mailbox<D> {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            messages: Mutex::new(Vec::new()),
            asleep: AtomicBool::new(false),
            bell: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        })
    }

    /// Leaves a message; the reader is only woken if it sleeps.
    pub(super) fn send(&self, message: Message<D>) {
        self.messages.lock().push(message);
        if self.asleep.swap(false, Ordering::AcqRel) {
            // It can only fail if 2^64 - 2 wakes were not noticed.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// Takes all messages, into a list that is empty.
    pub(super) fn take(&self, into: &mut Vec<Message<D>>) {
        let mut messages = self.messages.lock();
        std::mem::swap(&mut *messages, into);
    }

    /// Whether the reader may sleep until the bell rings. After `false` it does not ring.
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::Release);
        if self.messages.lock().is_empty() {
            return true;
        }
        self.asleep.store(false, Ordering::Release);
        false
    }

    /// The reader is awake.
    pub(super) fn wake_up(&self, rung: bool) {
        self.asleep.store(false, Ordering::Release);
        if rung {
            let mut count = [0; 8];
            let _ = rustix::io::read(&self.bell, &mut count);
        }
    }

    /// Readable when it rings.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
