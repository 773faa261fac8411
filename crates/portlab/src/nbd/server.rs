//! Where clients come in.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    export::Export,
    negotiation::negotiate,
    transmission::{self, HangUp},
};
use crate::workload::disk::Disk;

/// Clients at once; further ones are turned away.
const MAXIMUM_CLIENTS: usize = 16;
/// The whole handshake is over by then.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A client that does not take an answer for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(30);
/// How soon a server notices that it is to stop.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket; its file is made, and removed in the end.
    Unix(PathBuf),
    /// A TCP port of this machine's own: there is neither encryption nor log-in.
    Loopback(SocketAddr),
}

/// Why nobody can come in.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is not this machine's own.
    #[error("{0} can be reached from other machines: give a loopback address such as 127.0.0.1:10809")]
    NotLoopback(SocketAddr),
    /// Another server is there.
    #[error("{}: a server listens there: give another path", .0.display())]
    Taken(PathBuf),
    /// The system refuses.
    #[error("{place}: {error}")]
    System {
        /// Where.
        place: String,
        /// Why.
        error: io::Error,
    },
}

enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener, SocketAddr),
}

/// A server that clients can come to.
pub struct Server {
    listener: Listener,
}

impl Server {
    /// Opens the socket.
    ///
    /// # Errors
    /// If the address is not this machine's own, or the system refuses.
    pub fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        let listener = match endpoint {
            Endpoint::Unix(path) => {
                let system = |error| BindError::System {
                    place: path.display().to_string(),
                    error,
                };
                remove_stale(path)?;
                let listener = UnixListener::bind(path).map_err(system)?;
                listener.set_nonblocking(true).map_err(system)?;
                Listener::Unix(listener, path.clone())
            }
            Endpoint::Loopback(address) => {
                let system = |error| BindError::System {
                    place: address.to_string(),
                    error,
                };
                if !address.ip().is_loopback() {
                    return Err(BindError::NotLoopback(*address));
                }
                let listener = TcpListener::bind(address).map_err(system)?;
                listener.set_nonblocking(true).map_err(system)?;
                let address = listener.local_addr().map_err(system)?;
                Listener::Tcp(listener, address)
            }
        };
        Ok(Self { listener })
    }

    /// How a client names an export.
    #[must_use]
    pub fn uri(&self, export: &Export) -> String {
        let name = export.name();
        match &self.listener {
            Listener::Unix(_, path) => format!("nbd+unix:///{name}?socket={}", path.display()),
            Listener::Tcp(_, address) => format!("nbd://{address}/{name}"),
        }
    }

    /// Serves clients until `stop` is set; those that are there then are cut off, and what they asked for is completed.
    ///
    /// # Errors
    /// If the socket breaks.
    pub fn run<D: Disk>(&self, disk: &D, exports: &[Export], stop: &AtomicBool) -> io::Result<()> {
        let clients = AtomicUsize::new(0);
        thread::scope(|scope| {
            while !stop.load(Ordering::Acquire) {
                let mut ready = [PollFd::new(self, PollFlags::IN)];
                match poll(&mut ready, Some(&TICK)) {
                    Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                    Ok(_) => {}
                    Err(error) => return Err(error.into()),
                }
                let socket = match self.accept() {
                    Ok(socket) => socket,
                    Err(error) if is_passing(&error) => {
                        // Out of descriptors, perhaps: no reason to spin.
                        thread::sleep(Duration::from_millis(10));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if clients.fetch_add(1, Ordering::AcqRel) >= MAXIMUM_CLIENTS {
                    clients.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                let clients = &clients;
                let serve = move || {
                    let over = AtomicBool::new(false);
                    thread::scope(|inner| {
                        inner.spawn(|| cut_off(&socket, stop, &over));
                        client(disk, exports, &socket);
                        over.store(true, Ordering::Release);
                    });
                    clients.fetch_sub(1, Ordering::AcqRel);
                };
                let spawned = thread::Builder::new()
                    .name("nbd".to_owned())
                    .spawn_scoped(scope, serve);
                if spawned.is_err() {
                    clients.fetch_sub(1, Ordering::AcqRel);
                }
            }
            Ok(())
        })
    }

    fn accept(&self) -> io::Result<Socket> {
        match &self.listener {
            Listener::Unix(listener, _) => listener.accept().map(|(stream, _)| Socket::Unix(stream)),
            Listener::Tcp(listener, _) => listener.accept().map(|(stream, _)| Socket::Tcp(stream)),
        }
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Unix(listener, _) => listener.as_fd(),
            Listener::Tcp(listener, _) => listener.as_fd(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = &self.listener {
            let _ = fs::remove_file(path);
        }
    }
}

/// A client that vanished between poll and accept is no reason to stop; nor is a moment without descriptors.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, OutOfMemory, WouldBlock};
    matches!(
        error.kind(),
        ConnectionAborted | Interrupted | OutOfMemory | WouldBlock
    ) || matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

/// A socket whose server is gone is in the way.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    match UnixStream::connect(path) {
        Ok(_) => Err(BindError::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // Whether this works shows when the socket is bound.
            let _ = fs::remove_file(path);
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

/// Hangs up when the server stops.
fn cut_off(socket: &Socket, stop: &AtomicBool, over: &AtomicBool) {
    while !over.load(Ordering::Acquire) {
        if stop.load(Ordering::Acquire) {
            return socket.hang_up();
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn client<D: Disk>(disk: &D, exports: &[Export], socket: &Socket) {
    if socket.prepare().is_err() {
        return;
    }
    let mut timed = Timed {
        socket,
        deadline: Instant::now() + HANDSHAKE,
    };
    let Ok(agreed) = negotiate(&mut timed, exports) else {
        return;
    };
    if socket.be_patient().is_ok()
        && let Some(export) = exports.get(agreed.export)
    {
        transmission::serve(disk, export, agreed.structured, socket);
    }
}

/// A client's socket.
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_nonblocking(false),
            Self::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)
            }
        }
    }

    /// A client may be silent for as long as it likes, but takes its answers.
    pub(super) fn be_patient(&self) -> io::Result<()> {
        self.set_timeouts(None, PATIENCE)
    }

    fn set_timeouts(&self, read: Option<Duration>, write: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => {
                stream.set_read_timeout(read)?;
                stream.set_write_timeout(Some(write))
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(read)?;
                stream.set_write_timeout(Some(write))
            }
        }
    }
}

impl HangUp for Socket {
    fn hang_up(&self) {
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for &Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => (&*stream).read(out),
            Socket::Tcp(stream) => (&*stream).read(out),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => (&*stream).write(data),
            Socket::Tcp(stream) => (&*stream).write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket until a deadline, however the client doles out its bytes.
struct Timed<'a> {
    socket: &'a Socket,
    deadline: Instant,
}

impl Timed<'_> {
    fn arm(&self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_timeouts(Some(left), left)
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.arm()?;
        self.socket.read(out)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.arm()?;
        self.socket.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
