//! Sockets and threads: a thread for each connection, all of them ended before [`serve`] returns.
//!
//! Limits: connections, the time a login may take, the time output may stand still; the rest is the connection's
//! ([`crate::connection`]). Completions come from the device's threads through a mailbox and leave in batches.

mod hub;
mod mailbox;
mod session;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{TcpListener, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::{hub::Hub, session::Session};
use crate::{
    connection::{Command, Completion},
    login::LoginConfig,
};

/// Stack of a connection's thread.
const STACK: usize = 512 << 10;
/// How long the server leaves a listener alone that gives no connections, for want of descriptors for example.
const PAUSE: Duration = Duration::from_millis(100);

/// An initiator's session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nexus {
    /// Which session it is; a number never comes again.
    pub id: u64,
    /// The initiator's name.
    pub initiator: String,
    /// The initiator's part of the session identifier.
    pub isid: [u8; 6],
    /// Index of the target.
    pub target: usize,
}

/// Data of a command that has ended.
pub trait Data: Send + 'static {
    /// Copies from `offset` to `out`; never beyond [`Completion::data`].
    fn read(&self, offset: usize, out: &mut [u8]);
}

impl Data for Vec<u8> {
    fn read(&self, offset: usize, out: &mut [u8]) {
        if let Some(part) = self.get(offset..offset + out.len()) {
            out.copy_from_slice(part);
        }
    }
}

/// How a command ended, and its data.
pub struct Answer<D> {
    /// How.
    pub completion: Completion,
    /// What the initiator gets.
    pub data: Option<D>,
}

/// Ends a command, on any thread; it never blocks.
pub type Done<D> = Box<dyn FnOnce(Answer<D>) + Send>;

/// What answers commands.
pub trait Device: Sync {
    /// Its data.
    type Data: Data;

    /// Carries out a command. `done` runs once, here or on any other thread.
    fn execute(&self, nexus: &Nexus, command: Command, done: Done<Self::Data>);

    /// Resets a logical unit, or the whole target without one. `done` runs once with whether it succeeded, on any thread.
    fn reset(&self, target: usize, lun: Option<[u8; 8]>, done: Box<dyn FnOnce(bool) + Send>);

    /// The logical units of a target.
    fn units(&self, target: usize) -> Vec<[u8; 8]>;

    /// A session has begun.
    fn opened(&self, nexus: &Nexus);

    /// A session is gone.
    fn closed(&self, nexus: &Nexus);
}

/// What a server is told.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The login's.
    pub login: Arc<LoginConfig>,
    /// Connections at a time; more are closed at once.
    pub connections: usize,
    /// Commands of one session at a time.
    pub window: u32,
    /// Bytes that a command may write.
    pub max_transfer: u32,
    /// Bytes of written data on their way to one session's commands.
    pub solicited: usize,
    /// How long a login may take.
    pub login_time: Duration,
    /// How long output may stand still.
    pub stall_time: Duration,
}

impl ServerConfig {
    /// The usual limits.
    #[must_use]
    pub fn new(login: Arc<LoginConfig>, max_transfer: u32) -> Self {
        Self {
            login,
            connections: 32,
            window: 128,
            max_transfer,
            solicited: 16 << 20,
            login_time: Duration::from_secs(15),
            stall_time: Duration::from_mins(1),
        }
    }
}

/// What a server did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections that were taken.
    pub connections: u64,
    /// Connections that were refused: there were too many.
    pub refused: u64,
    /// Logins that were completed.
    pub logins: u64,
    /// Connections that broke: what came was no iSCSI, or nothing came.
    pub broken: u64,
    /// Commands.
    pub commands: u64,
    /// Task management requests that concerned more than one session: resets, CLEAR TASK SET.
    pub resets: u64,
}

/// Serves until `stop` is readable.
///
/// # Errors
/// If the listener cannot be waited for.
pub fn serve<D: Device>(
    listener: &TcpListener,
    device: &D,
    config: &ServerConfig,
    stop: BorrowedFd<'_>,
) -> io::Result<Counts> {
    listener.set_nonblocking(true)?;
    let hub = Hub::default();
    thread::scope(|scope| {
        let result = accept(listener, stop, |stream| {
            let Some(place) = hub.enter(config.connections) else {
                return;
            };
            let hub = &hub;
            let run = move || {
                let _place = place;
                if let Ok(session) = Session::new(stream, device, hub, config, stop) {
                    session.run();
                }
            };
            // Without a thread the connection is closed.
            let _ = thread::Builder::new()
                .name("iscsi".to_owned())
                .stack_size(STACK)
                .spawn_scoped(scope, run);
        });
        hub.close();
        result
    })?;
    Ok(hub.counts())
}

fn accept(listener: &TcpListener, stop: BorrowedFd<'_>, mut take: impl FnMut(TcpStream)) -> io::Result<()> {
    loop {
        let mut waiting = [
            PollFd::from_borrowed_fd(stop, PollFlags::IN),
            PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN),
        ];
        match poll(&mut waiting, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if waiting[0].revents().intersects(PollFlags::IN) {
            return Ok(());
        }
        match listener.accept() {
            Ok((stream, _)) => take(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Too many open files, or a connection that was gone again.
            Err(_) => {
                let pause = timespec(PAUSE);
                let _ = poll(&mut [PollFd::from_borrowed_fd(stop, PollFlags::IN)], Some(&pause));
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
