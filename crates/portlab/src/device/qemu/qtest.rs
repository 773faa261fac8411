//! Client of QEMU's qtest protocol: one text command a line, one reply a line.
//!
//! Writes are posted: the command is sent and its reply is read later, before the next read's reply or when
//! many are outstanding. A synchronous write costs some 50 us, a posted one about 1 us.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::device::Width;

/// Replies that may be outstanding. QEMU blocks when the socket holds some 270 unread ones, and would then no
/// longer read commands either.
const MOST_POSTED: usize = 96;

/// An emulator that does not answer for this long counts as gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where an access goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// Guest-physical memory.
    Memory,
    /// I/O ports.
    Port,
}

/// One qtest connection.
#[derive(Debug)]
pub(super) struct Qtest {
    stream: UnixStream,
    posted: usize,
    received: Vec<u8>,
    consumed: usize,
}

impl Qtest {
    /// Takes the lab's end of the connection.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            posted: 0,
            received: Vec::with_capacity(4096),
            consumed: 0,
        })
    }

    /// Posts a write.
    pub(super) fn write(&mut self, space: Space, address: u64, width: Width, value: u64) -> io::Result<()> {
        if self.posted >= MOST_POSTED {
            self.drain()?;
        }
        let verb = match space {
            Space::Memory => "write",
            Space::Port => "out",
        };
        self.send(format_args!("{verb}{} {address:#x} {value:#x}\n", suffix(width)))?;
        self.posted += 1;
        Ok(())
    }

    /// Waits for the replies of all posted writes, then reads.
    pub(super) fn read(&mut self, space: Space, address: u64, width: Width) -> io::Result<u64> {
        let verb = match space {
            Space::Memory => "read",
            Space::Port => "in",
        };
        self.send(format_args!("{verb}{} {address:#x}\n", suffix(width)))?;
        self.drain()?;
        let reply = self.reply()?;
        let digits = reply.trim().strip_prefix("0x").unwrap_or_default();
        u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("qtest answered `OK {reply}`")))
    }

    /// Waits for the replies of all posted writes.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        while self.posted > 0 {
            self.reply()?;
            self.posted -= 1;
        }
        Ok(())
    }

    /// Sends one command, formatted without touching the heap: register accesses come from a fault handler.
    fn send(&mut self, command: std::fmt::Arguments<'_>) -> io::Result<()> {
        let mut line = [0_u8; 80];
        let room = line.len();
        let mut rest = &mut line[..];
        rest.write_fmt(command)?;
        let used = room - rest.len();
        self.stream.write_all(&line[..used])
    }

    /// The text after `OK` of the next reply.
    fn reply(&mut self) -> io::Result<String> {
        loop {
            let line = self.line()?;
            if let Some(value) = line.strip_prefix("OK") {
                return Ok(value.to_owned());
            }
            // Interrupt lines are reported unasked when they are intercepted.
            if !line.starts_with("IRQ") {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("qtest answered `{line}`"),
                ));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            let pending = &self.received[self.consumed..];
            if let Some(length) = pending.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&pending[..length]).into_owned();
                self.consumed += length + 1;
                return Ok(line);
            }
            self.received.drain(..self.consumed);
            self.consumed = 0;
            let mut chunk = [0_u8; 4096];
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(&chunk[..count]);
        }
    }
}

const fn suffix(width: Width) -> char {
    match width {
        Width::Byte => 'b',
        Width::Word => 'w',
        Width::Dword => 'l',
        Width::Qword => 'q',
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        thread,
    };

    use super::*;

    #[test]
    fn a_read_drains_the_writes_posted_before_it() {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        let server = thread::spawn(move || {
            let mut commands = Vec::new();
            let mut answers = theirs.try_clone().expect("clone");
            for line in BufReader::new(theirs).lines() {
                let line = line.expect("line");
                answers
                    .write_all(if line.starts_with("read") {
                        b"OK 0x2a\n"
                    } else {
                        b"IRQ raise 3\nOK\n"
                    })
                    .expect("send");
                commands.push(line);
            }
            commands
        });
        let mut qtest = Qtest::new(ours).expect("client");
        for index in 0..300 {
            qtest
                .write(Space::Memory, 0x1000 + index, Width::Dword, index)
                .expect("posted");
        }
        assert_eq!(qtest.read(Space::Memory, 0x14, Width::Qword).expect("read"), 0x2a);
        assert_eq!(qtest.posted, 0);
        drop(qtest);
        let commands = server.join().expect("server");
        assert_eq!(commands.len(), 301);
        assert_eq!(commands[0], "writel 0x1000 0x0");
        assert_eq!(commands[300], "readq 0x14");
    }

    #[test]
    fn a_refused_command_is_an_error() {
        let (ours, mut theirs) = UnixStream::pair().expect("socket pair");
        theirs.write_all(b"FAIL Unknown command\n").expect("send");
        let mut qtest = Qtest::new(ours).expect("client");
        let error = qtest.read(Space::Port, 0xcfc, Width::Dword).expect_err("refused");
        assert!(error.to_string().contains("Unknown command"));
    }
}
