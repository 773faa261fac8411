//! An iSCSI target (RFC 7143) that passes SCSI commands on as they are.
//!
//! The protocol does no I/O: [`connection::Connection`] takes bytes and completions, gives bytes and events, and is tested alone.
//! [`server`] is the I/O around it: one thread for each connection, nothing unbounded. What answers the commands is the
//! [`server::Device`].
//!
//! | module | idea |
//! | --- | --- |
//! | [`pdu`] | the basic header segment and its fields |
//! | [`frame`] | PDUs out of a stream of bytes: lengths, padding, digests |
//! | [`text`] | `key=value` pairs |
//! | [`parameters`] | what is negotiated |
//! | [`chap`] | authentication |
//! | [`login`] | the login phase |
//! | [`connection`] | the full-feature phase: tasks, sequence numbers, data, task management |
//! | [`attention`] | unit attention conditions |
//! | [`sense`] | sense data that the target makes itself |
//! | [`server`] | sockets and threads |
//! | [`fuzz`] | arbitrary bytes against a connection |
//!
//! Offered: error recovery level 0, one connection a session, CRC32C digests, CHAP with MD5 and SHA-256, immediate and
//! unsolicited data, discovery by `SendTargets`.

pub mod attention;
pub mod chap;
pub mod connection;
pub mod frame;
pub mod fuzz;
pub mod login;
pub mod parameters;
pub mod pdu;
pub mod sense;
pub mod server;
pub mod text;
