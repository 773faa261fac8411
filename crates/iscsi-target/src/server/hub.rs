//! What all connections know of each other.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use super::{
    Counts, Nexus,
    mailbox::{Mailbox, Message},
};
use crate::attention::Attention;

/// A session as others see it.
struct Entry<D> {
    nexus: Nexus,
    mailbox: Arc<Mailbox<D>>,
}

/// See the module's documentation.
pub(super) struct Hub<D> {
    sessions: Mutex<Vec<Entry<D>>>,
    present: Arc<AtomicUsize>,
    last: AtomicU64,
    closed: AtomicBool,
    counts: Counters,
}

#[derive(Default)]
pub(super) struct Counters {
    connections: AtomicU64,
    refused: AtomicU64,
    pub(super) logins: AtomicU64,
    pub(super) broken: AtomicU64,
    pub(super) commands: AtomicU64,
    pub(super) resets: AtomicU64,
}

impl<D> Default for Hub<D> {
    fn default() -> Self {
        Self {
            sessions: Mutex::new(Vec::new()),
            present: Arc::default(),
            last: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            counts: Counters::default(),
        }
    }
}

/// One of the places for connections; it is free again when this is dropped.
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<D> Hub<D> {
    /// A place, if one is free.
    pub(super) fn enter(&self, limit: usize) -> Option<Place> {
        if self.present.fetch_add(1, Ordering::AcqRel) >= limit {
            self.present.fetch_sub(1, Ordering::AcqRel);
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.counts.connections.fetch_add(1, Ordering::Relaxed);
        Some(Place(Arc::clone(&self.present)))
    }

    /// A number for a session.
    pub(super) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counts
    }

    pub(super) fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            connections: get(&self.counts.connections),
            refused: get(&self.counts.refused),
            logins: get(&self.counts.logins),
            broken: get(&self.counts.broken),
            commands: get(&self.counts.commands),
            resets: get(&self.counts.resets),
        }
    }

    /// Adds a session. One of the same initiator with the same identifier ends: this one takes its place (RFC 7143, 6.3.5).
    pub(super) fn join(&self, nexus: Nexus, mailbox: Arc<Mailbox<D>>) {
        let mut sessions = self.sessions.lock();
        sessions.retain(|entry| {
            let other = &entry.nexus;
            let replaced =
                (&other.initiator, other.isid, other.target) == (&nexus.initiator, nexus.isid, nexus.target);
            if replaced {
                entry.mailbox.send(Message::Close);
            }
            !replaced
        });
        sessions.push(Entry { nexus, mailbox });
    }

    /// Takes a session away.
    pub(super) fn leave(&self, id: u64) {
        self.sessions.lock().retain(|entry| entry.nexus.id != id);
    }

    /// Aborts the commands of all other sessions with a target.
    pub(super) fn abort(&self, from: &Nexus, lun: Option<[u8; 8]>, attention: Attention) {
        for entry in self.sessions.lock().iter() {
            if entry.nexus.target == from.target && entry.nexus.id != from.id {
                entry.mailbox.send(Message::Abort { lun, attention });
            }
        }
    }

    /// Ends all other sessions with a target.
    pub(super) fn expel(&self, from: &Nexus) {
        for entry in self.sessions.lock().iter() {
            if entry.nexus.target == from.target && entry.nexus.id != from.id {
                entry.mailbox.send(Message::Close);
            }
        }
    }

    /// No connection goes on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for entry in self.sessions.lock().iter() {
            entry.mailbox.send(Message::Close);
        }
    }
}
