//! Where clients come in.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{
    export::Export,
    negotiation::negotiate,
    transmission::{self, HangUp},
};
use crate::{serve::Stop, workload::disk::Disk};

/// Clients at once; further ones are turned away.
const MAXIMUM_CLIENTS: usize = 16;
/// The whole handshake is over by then.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A client that does not take an answer for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(30);
/// Why nobody can come in.
#[derive(Debug, thiserror::Error)]
pub enum UnixError {
    /// Another server is there.
    #[error("{}: a server listens there: give another path", .0.display())]
    Taken(PathBuf),
    /// The system refuses.
    #[error("{}: {error}", path.display())]
    System {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What a server did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Clients that were let in.
    pub connections: u64,
    /// Clients that were turned away, because too many were there.
    pub connections_refused: u64,
}

enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener, SocketAddr),
}

/// A server that clients can come to.
pub struct Server {
    listener: Listener,
}

/// The clients that are there, so that they can be cut off.
type Clients = Mutex<BTreeMap<u64, Arc<Socket>>>;

fn lock(clients: &Clients) -> MutexGuard<'_, BTreeMap<u64, Arc<Socket>>> {
    clients.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Makes a Unix socket; its file is removed in the end.
    ///
    /// # Errors
    /// If another server has it, or the system refuses.
    pub fn unix(path: &Path) -> Result<Self, UnixError> {
        let system = |error| UnixError::System {
            path: path.to_owned(),
            error,
        };
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(system)?;
        listener.set_nonblocking(true).map_err(system)?;
        Ok(Self {
            listener: Listener::Unix(listener, path.to_owned()),
        })
    }

    /// Takes a listener. There is neither encryption nor log-in: whoever reaches it has the disks.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn tcp(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener: Listener::Tcp(listener, address),
        })
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

    /// Serves clients until the stop is pulled; those that are there then are cut off, and what they asked for is completed.
    ///
    /// # Errors
    /// If the socket breaks.
    pub fn run<D: Disk>(&self, disk: &D, exports: &[Export], stop: &Stop) -> io::Result<Counts> {
        let clients = Clients::default();
        thread::scope(|scope| {
            let mut counts = Counts::default();
            let ended = loop {
                let socket = match self.next(stop) {
                    Ok(Some(socket)) => Arc::new(socket),
                    Ok(None) => break Ok(()),
                    Err(error) if is_passing(&error) => {
                        // Out of descriptors, perhaps: no reason to spin.
                        thread::sleep(Duration::from_millis(10));
                        continue;
                    }
                    Err(error) => break Err(error),
                };
                if lock(&clients).len() >= MAXIMUM_CLIENTS {
                    counts.connections_refused += 1;
                    continue;
                }
                let id = counts.connections;
                counts.connections += 1;
                lock(&clients).insert(id, Arc::clone(&socket));
                let clients = &clients;
                let serve = move || {
                    client(disk, exports, &socket);
                    lock(clients).remove(&id);
                };
                let spawned = thread::Builder::new()
                    .name("nbd".to_owned())
                    .spawn_scoped(scope, serve);
                if spawned.is_err() {
                    lock(clients).remove(&id);
                }
            };
            for socket in lock(&clients).values() {
                socket.hang_up();
            }
            ended.map(|()| counts)
        })
    }

    /// Waits for the next client; `None` once the stop is pulled.
    fn next(&self, stop: &Stop) -> io::Result<Option<Socket>> {
        let mut ready = [PollFd::new(self, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        poll(&mut ready, None)?;
        let [_, stopped] = ready;
        if !stopped.revents().is_empty() {
            return Ok(None);
        }
        let accepted = match &self.listener {
            Listener::Unix(listener, _) => listener.accept().map(|(stream, _)| Socket::Unix(stream)),
            Listener::Tcp(listener, _) => listener.accept().map(|(stream, _)| Socket::Tcp(stream)),
        };
        accepted.map(Some)
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
fn remove_stale(path: &Path) -> Result<(), UnixError> {
    match UnixStream::connect(path) {
        Ok(_) => Err(UnixError::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // Whether this works shows when the socket is bound.
            let _ = fs::remove_file(path);
            Ok(())
        }
        Err(_) => Ok(()),
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
