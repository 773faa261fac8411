//! A Network Block Device server: every disk of a started adapter is an export, and block-level clients (`nbdcopy`, `fio`,
//! `qemu-img`) become its users.
//!
//! | module | idea |
//! | --- | --- |
//! | [`export`] | what a disk offers, asked of the driver |
//! | `wire` | the protocol's numbers and messages |
//! | `negotiation` | the fixed newstyle handshake |
//! | `commands` | an NBD command as SCSI commands |
//! | `transmission` | requests of one client, from the socket to the driver and back |
//! | [`server`] | sockets, and how many clients there may be |
//!
//! Clients are not trusted: a length is looked at before memory is taken for it, a client's requests in flight are bounded in
//! number and in bytes, whoever does not finish the handshake or does not take its answers in time is dropped, and what it sent
//! by then is completed as if it were still there.
//!
//! Source: the NBD protocol, <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>. There is no TLS, no meta
//! context (block status), no resize. A command of the client's becomes SCSI: READ and WRITE as READ(10/16) and WRITE(10/16),
//! FUA as their FUA bit, FLUSH as SYNCHRONIZE CACHE(10), TRIM as UNMAP, `WRITE_ZEROES` as WRITE SAME(16), or as WRITEs of zeroes
//! where the driver refuses that. What the driver says it does not have is not offered.

mod commands;
pub mod export;
mod negotiation;
pub mod server;
#[cfg(test)]
mod tests;
mod transmission;
mod wire;
