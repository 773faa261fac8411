//! A connection's thread.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    ops::ControlFlow,
    os::fd::{AsFd as _, BorrowedFd},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    net::sockopt,
};

use super::{
    Answer, Device, Nexus, ServerConfig,
    hub::Hub,
    mailbox::{Mailbox, Message},
    timespec,
};
use crate::{
    attention::{Attention, Attentions},
    connection::{Command, Completion, Config, Connection, Event, Function, TaskId},
    login::{Identity, SessionKind},
    server::Data as _,
};

/// Bytes of input to begin with.
const INBOX: usize = 64 << 10;
/// When a peer that says nothing is asked whether it is there, by TCP.
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// REQUEST SENSE.
const REQUEST_SENSE: u8 = 0x03;

/// A connection and what it needs.
pub(super) struct Session<'a, D: Device> {
    stream: TcpStream,
    device: &'a D,
    hub: &'a Hub<D::Data>,
    config: &'a ServerConfig,
    stop: BorrowedFd<'a>,
    connection: Connection,
    mailbox: Arc<Mailbox<D::Data>>,
    nexus: Nexus,
    attentions: Attentions,
    /// Commands that have ended and wait for room.
    ended: VecDeque<(TaskId, Answer<D::Data>)>,
    inbox: Vec<u8>,
    filled: usize,
    readable: bool,
    /// What is in the inbox waits for room in the output.
    stuck: bool,
    began: Instant,
    /// When output last moved.
    moved: Instant,
}

/// Why a connection ends.
enum End {
    /// In order: logout, server stopped, replaced.
    Closed,
    /// It is gone, or what came cannot be read.
    Broken,
}

impl<'a, D: Device> Session<'a, D> {
    pub(super) fn new(
        stream: TcpStream,
        device: &'a D,
        hub: &'a Hub<D::Data>,
        config: &'a ServerConfig,
        stop: BorrowedFd<'a>,
    ) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
        let id = hub.number();
        let connection = Connection::new(
            Config {
                login: Arc::clone(&config.login),
                portal: stream.local_addr()?.to_string(),
                window: config.window,
                max_transfer: config.max_transfer,
                solicited: config.solicited,
            },
            // Never 0, which stands for a new session.
            u16::try_from(id % 0xFFFF).unwrap_or(0) + 1,
        );
        let now = Instant::now();
        Ok(Self {
            stream,
            device,
            hub,
            config,
            stop,
            connection,
            mailbox: Arc::new(Mailbox::new()?),
            nexus: Nexus {
                id,
                initiator: String::new(),
                isid: [0; 6],
                target: 0,
            },
            attentions: Attentions::default(),
            ended: VecDeque::new(),
            inbox: vec![0; INBOX],
            filled: 0,
            readable: true,
            stuck: false,
            began: now,
            moved: now,
        })
    }

    /// Serves the connection until it ends.
    pub(super) fn run(mut self) {
        let end = self.go_on();
        self.hub.leave(self.nexus.id);
        if !self.nexus.initiator.is_empty() {
            self.device.closed(&self.nexus);
        }
        if matches!(end, End::Broken) {
            self.hub.counters().broken.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn go_on(&mut self) -> End {
        let mut messages = Vec::new();
        let mut events = Vec::new();
        loop {
            let takes = self.has_input();
            if takes && self.readable && !matches!(self.fill(), Ok(true)) {
                return End::Broken;
            }
            // Between the bytes and what they say: a reset that was answered before a command was sent must not
            // abort it, so what it left here is dealt with first. What comes later concerns commands that are here.
            if self.heed(&mut messages).is_break() {
                return End::Closed;
            }
            if takes {
                if self.receive(&mut events).is_err() {
                    return End::Broken;
                }
                for event in events.drain(..) {
                    self.happen(event);
                }
                if self.heed(&mut messages).is_break() {
                    return End::Closed;
                }
            }
            self.answer();
            if self.write().is_err() {
                return End::Broken;
            }
            if self.connection.is_closing() && self.connection.output().is_empty() {
                return End::Closed;
            }
            match self.wait() {
                Ok(true) => {}
                Ok(false) => return End::Closed,
                Err(()) => return End::Broken,
            }
        }
    }

    /// Does what others say; it breaks if they end the session.
    fn heed(&mut self, messages: &mut Vec<Message<D::Data>>) -> ControlFlow<()> {
        self.mailbox.take(messages);
        for message in messages.drain(..) {
            match message {
                Message::Done(task, answer) => self.ended.push_back((task, answer)),
                Message::Managed { id, success, closes } => {
                    self.answer();
                    self.connection.managed(id, success);
                    if closes {
                        self.connection.close();
                    }
                }
                Message::Abort { lun, attention } => {
                    self.connection.abort_all(lun);
                    self.establish(lun, attention);
                }
                Message::Close => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether there is, or may be, something to take in now.
    fn has_input(&self) -> bool {
        (self.readable || self.stuck) && self.takes_input()
    }

    fn takes_input(&self) -> bool {
        !self.connection.is_congested() && !self.connection.is_closing()
    }

    /// Tells how commands ended, as far as there is room.
    fn answer(&mut self) {
        while !self.connection.is_congested()
            && let Some((task, answer)) = self.ended.pop_front()
        {
            let Answer { completion, data } = answer;
            self.connection.complete(task, &completion, |offset, out| {
                if let Some(data) = &data {
                    data.read(offset, out);
                }
            });
        }
    }

    fn write(&mut self) -> Result<(), ()> {
        while !self.connection.output().is_empty() {
            match (&self.stream).write(self.connection.output()) {
                Ok(0) => return Err(()),
                Ok(count) => {
                    self.connection.sent(count);
                    self.moved = Instant::now();
                    self.answer();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(()),
            }
        }
        self.moved = Instant::now();
        Ok(())
    }

    /// Waits until there is something to do. `false` if the server stops.
    fn wait(&mut self) -> Result<bool, ()> {
        let stalls = !self.connection.output().is_empty();
        let logging_in = !self.connection.is_logged_in() && !self.connection.is_closing();
        let deadlines = [
            stalls.then(|| self.moved + self.config.stall_time),
            logging_in.then(|| self.began + self.config.login_time),
        ];
        let now = Instant::now();
        let deadline = deadlines.into_iter().flatten().min();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(());
        }
        let waits = self.mailbox.fall_asleep() && !self.has_input();
        let timeout = if waits {
            deadline.map(|deadline| timespec(deadline - now))
        } else {
            Some(timespec(Duration::ZERO))
        };
        let mut interest = PollFlags::empty();
        if self.takes_input() {
            interest |= PollFlags::IN;
        }
        if stalls {
            interest |= PollFlags::OUT;
        }
        let mut waiting = [
            PollFd::from_borrowed_fd(self.stop, PollFlags::IN),
            PollFd::from_borrowed_fd(self.mailbox.bell(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.stream.as_fd(), interest),
        ];
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(()),
        }
        let [stop, bell, stream] = waiting.map(|descriptor| descriptor.revents());
        self.mailbox.wake_up(bell.intersects(PollFlags::IN));
        // A peer that hung up shows when it is read from or written to; one that is not read from now would be polled for ever.
        if stream.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) && !self.takes_input() {
            return Err(());
        }
        self.readable |= stream.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
        Ok(!stop.intersects(PollFlags::IN))
    }

    /// Understands what came in.
    fn receive(&mut self, events: &mut Vec<Event>) -> Result<(), ()> {
        let taken = self
            .connection
            .receive(&self.inbox[..self.filled], events)
            .map_err(|_| ())?;
        self.stuck = self.connection.is_congested();
        self.inbox.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(())
    }

    /// Takes what came in. `false` at its end.
    fn fill(&mut self) -> Result<bool, ()> {
        if self.filled == self.inbox.len() {
            // One PDU is longer than this.
            let length = (self.inbox.len() * 2).min(self.connection.longest().max(INBOX));
            self.inbox.resize(length.max(self.filled), 0);
        }
        let room = &mut self.inbox[self.filled..];
        let wanted = room.len();
        if wanted == 0 {
            return Ok(true);
        }
        match (&self.stream).read(room) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                self.filled += count;
                self.readable = count == wanted;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(()),
        }
        Ok(true)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::LoggedIn(identity) => self.logged_in(identity),
            Event::Command(command) => self.command(command),
            Event::Manage { id, function, lun } => self.manage(id, function, lun),
        }
    }

    fn logged_in(&mut self, identity: Identity) {
        self.hub.counters().logins.fetch_add(1, Ordering::Relaxed);
        if let SessionKind::Normal(target) = identity.kind {
            self.nexus.initiator = identity.initiator;
            self.nexus.isid = identity.isid;
            self.nexus.target = target;
            self.hub.join(self.nexus.clone(), Arc::clone(&self.mailbox));
            self.device.opened(&self.nexus);
        }
    }

    fn command(&mut self, command: Command) {
        self.hub.counters().commands.fetch_add(1, Ordering::Relaxed);
        let task = command.task;
        let opcode = command.cdb.first().copied().unwrap_or(0);
        if let Some(attention) = self.attentions.take(command.lun, opcode) {
            let answer = tell(attention, opcode, &command);
            self.connection
                .complete(task, &answer.0, |offset, out| answer.1.read(offset, out));
            return;
        }
        let mailbox = Arc::clone(&self.mailbox);
        let done = Box::new(move |answer| mailbox.send(Message::Done(task, answer)));
        self.device.execute(&self.nexus, command, done);
    }

    fn manage(&mut self, id: u64, function: Function, lun: [u8; 8]) {
        self.hub.counters().resets.fetch_add(1, Ordering::Relaxed);
        let (lun, attention) = match function {
            Function::ClearTaskSet => (Some(lun), Attention::CommandsCleared),
            Function::LogicalUnitReset => (Some(lun), Attention::LogicalUnitReset),
            Function::TargetWarmReset | Function::TargetColdReset => (None, Attention::TargetReset),
        };
        if function == Function::TargetColdReset {
            self.hub.expel(&self.nexus);
        } else {
            self.hub.abort(&self.nexus, lun, attention);
        }
        if function == Function::ClearTaskSet {
            // Nothing is reset; what is under way ends by itself.
            self.connection.managed(id, true);
            return;
        }
        self.establish(lun, attention);
        let mailbox = Arc::clone(&self.mailbox);
        let closes = function == Function::TargetColdReset;
        let done = Box::new(move |success| mailbox.send(Message::Managed { id, success, closes }));
        self.device.reset(self.nexus.target, lun, done);
    }

    fn establish(&mut self, lun: Option<[u8; 8]>, attention: Attention) {
        match lun {
            Some(lun) => self.attentions.establish(lun, attention),
            None => {
                for lun in self.device.units(self.nexus.target) {
                    self.attentions.establish(lun, attention);
                }
            }
        }
    }
}

/// A unit attention condition as the answer to a command; REQUEST SENSE gets it as its data (SPC-4, 6.39).
fn tell(attention: Attention, opcode: u8, command: &Command) -> (Completion, Vec<u8>) {
    let sense = attention.sense();
    if opcode != REQUEST_SENSE {
        return (Completion::refused(sense), Vec::new());
    }
    let mut data = sense.data().to_vec();
    data.truncate(command.cdb.get(4).map_or(0, |&length| usize::from(length)));
    let completion = Completion {
        data: data.len(),
        moved: data.len() as u64,
        ..Completion::default()
    };
    (completion, data)
}
