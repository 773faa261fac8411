//! Front-ends: a started lab as a disk that other programs use over a socket.
//!
//! | module | idea |
//! | --- | --- |
//! | [`iscsi`] | the driver's logical units behind an iSCSI target |
//! | [`pool`] | data buffers that are used again |
//!
//! A front-end takes a [`Disk`](crate::workload::disk::Disk), a listener from [`listen`] and a [`Stop`]; it serves until the
//! stop is pulled and returns what it did.

pub mod iscsi;
pub mod pool;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::event::{EventfdFlags, eventfd};

use crate::engine::parallel::spin;

/// Tells front-ends to stop. A handle: clones are the same.
#[derive(Debug, Clone)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    /// One that is not pulled.
    ///
    /// # Errors
    /// If the host has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?)))
    }

    /// Stops every front-end that watches, now and later.
    pub fn pull(&self) {
        // The counter only overflows after 2^64 pulls.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Stop {
    /// Readable from the moment it is pulled; nobody reads it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Others could reach the address, and nobody said that they may.
    #[error("{0} can be reached from other machines; say --allow-remote if that is meant")]
    Remote(SocketAddr),
    /// The host does not give it.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
}

/// Lets the lab's threads sleep whenever they have nothing to do: clients on the same machine are what they wait for.
pub fn give_way() {
    spin::give_way();
}

/// Listens on `address`; only on loopback unless `remote`. Port 0 is any free one.
///
/// # Errors
/// See [`ListenError`].
pub fn listen(address: SocketAddr, remote: bool) -> Result<TcpListener, ListenError> {
    if !remote && !address.ip().is_loopback() {
        return Err(ListenError::Remote(address));
    }
    TcpListener::bind(address).map_err(|error| ListenError::Bind { address, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_refused_unless_asked_for() {
        let any = "0.0.0.0:0".parse().expect("address");
        assert!(matches!(listen(any, false), Err(ListenError::Remote(_))));
        assert!(listen(any, true).is_ok());
        let loopback = listen("127.0.0.1:0".parse().expect("address"), false).expect("loopback");
        assert_ne!(loopback.local_addr().expect("bound").port(), 0);
    }
}
