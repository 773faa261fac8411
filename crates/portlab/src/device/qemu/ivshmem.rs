//! Interrupt messages as event counters: the machine has an `ivshmem-doorbell`, whose register 0xc signals an
//! event counter of a peer when it is written. A message pointed at that register therefore becomes a real eventfd in
//! the lab. The lab is peer 0, so that what is written fits into the 16 bits of data that an MSI message has.
//!
//! The lab is the ivshmem server (QEMU, docs/specs/ivshmem-spec.rst): it sends the protocol version, QEMU's own
//! id, the shared memory and then one eventfd for each vector of the lab's id. All of it fits into the socket's
//! buffer, so it is sent before QEMU starts and no server thread is needed.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rustix::{
    event::{EventfdFlags, epoll, eventfd},
    fs::{MemfdFlags, ftruncate, memfd_create},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};

use crate::device::InterruptSink;

/// Offset of the doorbell register in BAR 0.
pub(super) const DOORBELL: u64 = 0x0c;
/// The ids of the lab and of QEMU among the peers.
const LAB_PEER: u16 = 0;
const QEMU_PEER: i64 = 1;
/// epoll token of the event that ends the delivery thread.
const STOP: u64 = u64::MAX;

/// What a vector writes to the doorbell: the peer's id and the vector.
pub(super) const fn message_data(vector: u16) -> u32 {
    (LAB_PEER as u32) << 16 | vector as u32
}

/// The lab's half of the doorbell: one event counter for each vector.
#[derive(Debug)]
pub(super) struct Doorbell {
    vectors: Vec<OwnedFd>,
    /// Kept open until QEMU has read everything.
    _stream: UnixStream,
}

impl Doorbell {
    /// Makes `count` event counters and sends them to `stream`, whose other end QEMU will read.
    pub(super) fn serve(stream: UnixStream, count: u16) -> io::Result<Self> {
        let memory = memfd_create("portlab-ivshmem", MemfdFlags::CLOEXEC)?;
        ftruncate(&memory, 4096)?;
        // Protocol version 0, QEMU's id, then the shared memory under id -1.
        send(&stream, 0, None)?;
        send(&stream, QEMU_PEER, None)?;
        send(&stream, -1, Some(memory.as_fd()))?;
        let mut vectors = Vec::with_capacity(count.into());
        for _ in 0..count {
            let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            send(&stream, LAB_PEER.into(), Some(event.as_fd()))?;
            vectors.push(event);
        }
        Ok(Self {
            vectors,
            _stream: stream,
        })
    }

    /// Number of vectors.
    pub(super) fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Takes what a vector's counter holds: whether it was signalled.
    pub(super) fn take(&self, vector: u16) -> bool {
        self.vectors.get(usize::from(vector)).is_some_and(clear)
    }
}

fn clear(event: &OwnedFd) -> bool {
    rustix::io::read(event, &mut [0_u8; 8]).is_ok()
}

fn send(stream: &UnixStream, value: i64, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let bytes = value.to_le_bytes();
    let descriptors: Vec<_> = descriptor.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor in a control message"));
    }
    sendmsg(
        stream,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
    )?;
    Ok(())
}

/// The thread that turns event counters into calls of the sink.
#[derive(Debug)]
pub(super) struct Delivery {
    slot: Arc<Slot>,
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

/// The sink in force; the lock is held while it is called, so that taking it away is a barrier.
struct Slot(Mutex<Option<InterruptSink>>);

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slot")
    }
}

impl Delivery {
    /// Starts the thread; nothing is delivered until a sink is set.
    pub(super) fn start(doorbell: Arc<Doorbell>) -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (vector, event) in doorbell.vectors.iter().enumerate() {
            epoll::add(
                &poll,
                event,
                epoll::EventData::new_u64(vector as u64),
                epoll::EventFlags::IN,
            )?;
        }
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(
            &poll,
            &stop,
            epoll::EventData::new_u64(STOP),
            epoll::EventFlags::IN,
        )?;
        let slot = Arc::new(Slot(Mutex::new(None)));
        let theirs = Arc::clone(&slot);
        let thread = thread::Builder::new()
            .name("qemu-interrupts".to_owned())
            .spawn(move || deliver(&poll, &doorbell, &theirs))?;
        Ok(Self {
            slot,
            stop,
            thread: Some(thread),
        })
    }

    /// Replaces the sink. Once this returns, the sink before it is not called any more.
    pub(super) fn set_sink(&self, sink: Option<InterruptSink>) {
        *self.slot.0.lock().unwrap_or_else(PoisonError::into_inner) = sink;
    }
}

fn deliver(poll: &OwnedFd, doorbell: &Doorbell, slot: &Slot) {
    let mut events = Vec::with_capacity(64);
    loop {
        events.clear();
        match epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        for event in &events {
            let token = event.data.u64();
            if token == STOP {
                return;
            }
            let sink = slot.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Cleared before the call: a message sent during it makes another one.
            if let Ok(vector) = u16::try_from(token)
                && doorbell.take(vector)
                && let Some(sink) = sink.as_ref()
            {
                sink(vector);
            }
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.set_sink(None);
        // Fails only if the counter would overflow, which one write cannot.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
