//! Client of QEMU's qtest protocol: one text command a line, one reply a line.
//!
//! Writes are posted: the command is sent and its reply is read later, before the next read's reply or when
//! many are outstanding. A synchronous write costs some 50 us, a posted one about 1 us.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use rustix::net::RecvFlags;

use super::line::Line;
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
    line: Option<Arc<Line>>,
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
            line: None,
        })
    }

    /// A second descriptor of the connection, to wait on.
    pub(super) fn descriptor(&self) -> io::Result<UnixStream> {
        self.stream.try_clone()
    }

    /// Has the I/O APIC's inputs reported from now on, and tells `line` of its own.
    pub(super) fn intercept(&mut self, line: Arc<Line>) -> io::Result<()> {
        self.line = Some(line);
        self.send(format_args!("irq_intercept_in ioapic\n"))?;
        self.take_posted()?;
        self.reply()?;
        self.sweep()
    }

    /// Takes what has come unasked or for posted writes, without waiting. False when the connection has ended.
    pub(super) fn attend(&mut self) -> io::Result<bool> {
        loop {
            while self.buffered()?.is_some() {
                self.posted = self.posted.saturating_sub(1);
            }
            let mut chunk = [0_u8; 4096];
            match rustix::net::recv(&self.stream, &mut chunk, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Ok(false),
                Ok((count, _)) => self
                    .received
                    .extend_from_slice(chunk.get(..count).unwrap_or(&chunk)),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes reports that came with the last reply: nothing would wake anybody for them.
    fn sweep(&mut self) -> io::Result<()> {
        if self.posted == 0 && self.buffered()?.is_some() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "qtest answered unasked",
            ));
        }
        Ok(())
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
        self.take_posted()?;
        let reply = self.reply()?;
        self.sweep()?;
        let digits = reply.trim().strip_prefix("0x").unwrap_or_default();
        u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("qtest answered `OK {reply}`")))
    }

    /// Waits for the replies of all posted writes.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        self.take_posted()?;
        self.sweep()
    }

    fn take_posted(&mut self) -> io::Result<()> {
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
            if let Some(reply) = self.buffered()? {
                return Ok(reply);
            }
            let mut chunk = [0_u8; 4096];
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend_from_slice(&chunk[..count]);
        }
    }

    /// The text after `OK` of the next reply that is there already. Interrupt lines are reported unasked when they are
    /// intercepted: they are taken on the way.
    fn buffered(&mut self) -> io::Result<Option<String>> {
        loop {
            let pending = &self.received[self.consumed..];
            let Some(length) = pending.iter().position(|byte| *byte == b'\n') else {
                self.received.drain(..self.consumed);
                self.consumed = 0;
                return Ok(None);
            };
            let text = String::from_utf8_lossy(&pending[..length]).into_owned();
            self.consumed += length + 1;
            if let Some(value) = text.strip_prefix("OK") {
                return Ok(Some(value.to_owned()));
            }
            let Some(report) = text.strip_prefix("IRQ ") else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("qtest answered `{text}`"),
                ));
            };
            if let Some(line) = &self.line {
                line.report(report);
            }
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
