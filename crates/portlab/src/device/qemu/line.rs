//! The controller's interrupt line (INTx), as the machine's I/O APIC sees it.
//!
//! qtest reports each change of an intercepted input, in the middle of its replies. Whoever reads a reply takes the
//! reports before it; a thread waits for those that come when nobody reads.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustix::event::{EventfdFlags, epoll, eventfd};

use super::qtest::Qtest;
use crate::device::LineSink;

/// epoll token of the event that ends the thread.
const STOP: u64 = 1;

/// The line's level, and who wants to know that it rises.
pub(super) struct Line {
    /// Input of the I/O APIC.
    input: u32,
    asserted: AtomicBool,
    sink: Mutex<Option<LineSink>>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({}, {})", self.input, self.is_asserted())
    }
}

impl Line {
    /// The line of pin A of the function in `slot` of bus 0.
    ///
    /// The q35 chipset (ICH9 LPC, D25IR to D31IR at their reset values, and fixed for slots below 25) routes it to PIRQ E
    /// to H in turn, which are inputs 20 to 23.
    pub(super) fn of_slot(slot: u8) -> Self {
        Self {
            input: 20 + u32::from(slot % 4),
            asserted: AtomicBool::new(false),
            sink: Mutex::new(None),
        }
    }

    /// Takes a report: `raise N` or `lower N`.
    pub(super) fn report(&self, text: &str) {
        let Some((change, input)) = text.trim().split_once(' ') else {
            return;
        };
        if input.parse() != Ok(self.input) {
            return;
        }
        let rises = change == "raise";
        self.asserted.store(rises, Ordering::SeqCst);
        if rises {
            self.tell();
        }
    }

    fn tell(&self) {
        if let Some(sink) = self.sink.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            sink();
        }
    }

    /// The level that was reported last.
    pub(super) fn is_asserted(&self) -> bool {
        self.asserted.load(Ordering::SeqCst)
    }

    /// Replaces the sink. Once this returns, the sink before it is not called any more; a line that is up already is told
    /// to the new one.
    pub(super) fn set_sink(&self, sink: Option<LineSink>) {
        let connected = sink.is_some();
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = sink;
        if connected && self.is_asserted() {
            self.tell();
        }
    }
}

/// The thread that takes reports when nobody reads replies.
#[derive(Debug)]
pub(super) struct Watch {
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts the thread.
    pub(super) fn start(qtest: &Arc<Mutex<Qtest>>) -> io::Result<Self> {
        let connection = qtest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .descriptor()?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &poll,
            &connection,
            epoll::EventData::new_u64(0),
            epoll::EventFlags::IN,
        )?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(
            &poll,
            &stop,
            epoll::EventData::new_u64(STOP),
            epoll::EventFlags::IN,
        )?;
        let qtest = Arc::clone(qtest);
        let thread = thread::Builder::new()
            .name("qemu-line".to_owned())
            .spawn(move || {
                // The connection stays in the poll set as long as it is open.
                let _connection = connection;
                watch(&poll, &qtest);
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

fn watch(poll: &OwnedFd, qtest: &Mutex<Qtest>) {
    let mut events = Vec::with_capacity(2);
    loop {
        events.clear();
        match epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        if events.iter().any(|event: &epoll::Event| event.data.u64() == STOP) {
            return;
        }
        // An error, or the end of the connection, shows at the next access.
        if !matches!(
            qtest.lock().unwrap_or_else(PoisonError::into_inner).attend(),
            Ok(true)
        ) {
            return;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Fails only if the counter would overflow, which one write cannot.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
