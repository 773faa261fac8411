//! The requests of one client: a thread reads them from the socket, another hands them to the driver, hears what became of
//! them, and answers.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    sync::{
        Condvar, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use super::{
    commands::{Data, Kind, Plan, Step, error_of},
    export::Export,
    negotiation::MAXIMUM_LENGTH,
    wire::{self, Error, Request, command},
};
use crate::{
    model::Outcome,
    workload::{
        disk::{Buffer as _, Command, Disk},
        status::Verdict,
    },
};

/// Requests of a client that are under way at once; more wait in its socket.
const MAXIMUM_REQUESTS: usize = 128;
/// Bytes of a client's requests that are under way at once. A request of the longest length has room alone.
const MAXIMUM_BYTES: usize = MAXIMUM_LENGTH as usize;
/// SCSI commands of one request that are under way at once.
const WINDOW: u32 = 8;
/// Time-out of a SCSI command.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a SCSI command is tried again.
const RETRIES: u32 = 32;

/// Ends a connection from either side of it.
pub(super) trait HangUp {
    /// Nothing more is read or written.
    fn hang_up(&self);
}

/// How much of a client's is under way.
#[derive(Default)]
struct Load {
    now: Mutex<(usize, usize)>,
    less: Condvar,
}

impl Load {
    /// Waits until there is room.
    fn take(&self, bytes: usize) {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |(requests, taken): &mut (usize, usize)| {
            *requests >= MAXIMUM_REQUESTS || *requests > 0 && *taken + bytes > MAXIMUM_BYTES
        };
        let waited = self.less.wait_while(now, full);
        let mut now = waited.unwrap_or_else(PoisonError::into_inner);
        *now = (now.0 + 1, now.1 + bytes);
    }

    fn give(&self, bytes: usize) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = (now.0.saturating_sub(1), now.1.saturating_sub(bytes));
        self.less.notify_one();
    }
}

/// What the answering thread hears.
enum Event<B> {
    /// A request to begin with; a WRITE's data with it.
    Begin(Plan, u64, Vec<u8>),
    /// A request that is refused.
    Refuse(u64, Error),
    /// A SCSI command is done.
    Done(u64, Attempt<B>, Outcome),
    /// The client asks for nothing more.
    End,
}

/// A SCSI command that was issued.
struct Attempt<B> {
    step: Step,
    buffer: Option<B>,
    number: u32,
}

/// Says what became of a command, even if that is nothing.
struct Told<B> {
    sender: Sender<Event<B>>,
    of: Option<(u64, Attempt<B>)>,
}

impl<B> Told<B> {
    fn tell(&mut self, outcome: Outcome) {
        if let Some((id, attempt)) = self.of.take() {
            let _ = self.sender.send(Event::Done(id, attempt, outcome));
        }
    }
}

impl<B> Drop for Told<B> {
    fn drop(&mut self) {
        self.tell(Outcome {
            srb_status: 0,
            scsi_status: 0,
            sense: Vec::new(),
            transferred: 0,
            elapsed: Duration::ZERO,
        });
    }
}

/// A request that is under way.
struct Open {
    plan: Plan,
    cookie: u64,
    /// What was written, or what has been read.
    data: Vec<u8>,
    commands: u32,
    failure: Option<(Error, String)>,
}

/// Serves a client until it is gone. Everything that it asked for is over by then.
pub(super) fn serve<D, S>(disk: &D, export: &Export, structured: bool, socket: &S)
where
    D: Disk,
    S: HangUp + Sync,
    for<'a> &'a S: Read + Write,
{
    let load = Load::default();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let engine = Engine {
            disk,
            export,
            structured,
            socket,
            load: &load,
            sender: sender.clone(),
            open: BTreeMap::new(),
            issued: 0,
            broken: false,
        };
        scope.spawn(move || engine.run(&receiver));
        // However the connection ends, what is under way is seen to its end.
        let _ = listen(socket, export, &load, &sender);
        let _ = sender.send(Event::End);
    });
    socket.hang_up();
}

/// Reads requests until the client is gone or makes no sense.
fn listen<B, S>(mut socket: &S, export: &Export, load: &Load, sender: &Sender<Event<B>>) -> io::Result<()>
where
    for<'a> &'a S: Read,
{
    loop {
        let mut header = [0; Request::SIZE];
        socket.read_exact(&mut header)?;
        let Some(request) = Request::parse(&header) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if request.command == command::DISCONNECT {
            return Ok(());
        }
        let kind = Kind::of(&request, export);
        let writes = request.command == command::WRITE;
        if writes && request.length > MAXIMUM_LENGTH {
            // Its data would have to be read to find the next request.
            return Err(io::ErrorKind::InvalidData.into());
        }
        let has_data = writes || kind == Ok(Kind::Read);
        let bytes = if has_data { request.length as usize } else { 0 };
        load.take(bytes);
        let mut data = Vec::new();
        if writes {
            data.resize(bytes, 0);
            socket.read_exact(&mut data)?;
        }
        let event = match kind {
            Ok(kind) => Event::Begin(Plan::new(kind, &request), request.cookie, data),
            Err(error) => {
                // A refused WRITE's data are dropped here.
                load.give(bytes);
                load.take(0);
                Event::Refuse(request.cookie, error)
            }
        };
        if sender.send(event).is_err() {
            return Ok(());
        }
    }
}

struct Engine<'a, D: Disk, S> {
    disk: &'a D,
    export: &'a Export,
    structured: bool,
    socket: &'a S,
    load: &'a Load,
    sender: Sender<Event<D::Buffer>>,
    open: BTreeMap<u64, Open>,
    /// Requests begun, and the number of the next.
    issued: u64,
    /// The client takes no answers any more.
    broken: bool,
}

impl<D, S> Engine<'_, D, S>
where
    D: Disk,
    S: HangUp,
    for<'a> &'a S: Write,
{
    fn run(mut self, receiver: &Receiver<Event<D::Buffer>>) {
        let mut ended = false;
        while !(ended && self.open.is_empty()) {
            match receiver.recv() {
                Ok(Event::Begin(plan, cookie, data)) => self.begin(plan, cookie, data),
                Ok(Event::Refuse(cookie, error)) => {
                    self.answer(cookie, Some((error, "refused".to_owned())), 0, None);
                    self.load.give(0);
                }
                Ok(Event::Done(id, attempt, outcome)) => self.done(id, attempt, &outcome),
                Ok(Event::End) | Err(_) => ended = true,
            }
        }
    }

    fn begin(&mut self, plan: Plan, cookie: u64, mut data: Vec<u8>) {
        if plan.kind == Kind::Read {
            data.resize(plan.length() as usize, 0);
        }
        let id = self.issued;
        self.issued += 1;
        let request = Open {
            plan,
            cookie,
            data,
            commands: 0,
            failure: None,
        };
        self.open.insert(id, request);
        self.proceed(id);
    }

    /// Issues what may be issued now, and answers when nothing is left.
    fn proceed(&mut self, id: u64) {
        while let Some(request) = self.open.get_mut(&id) {
            let go_on = request.failure.is_none() && request.commands < WINDOW;
            let step = go_on
                .then(|| request.plan.step(self.export, request.commands == 0))
                .flatten();
            let Some(step) = step else {
                let over = request.failure.is_some() || request.plan.is_finished();
                if over && request.commands == 0 {
                    self.finish(id);
                }
                return;
            };
            match buffer(self.disk, &step, &request.data) {
                Ok(buffer) => {
                    request.commands += 1;
                    let attempt = Attempt {
                        step,
                        buffer,
                        number: 0,
                    };
                    self.submit(id, attempt);
                }
                Err(words) => request.failure = Some((Error::NoMemory, words)),
            }
        }
    }

    fn submit(&self, id: u64, attempt: Attempt<D::Buffer>) {
        let processors = u64::from(self.disk.processors().max(1));
        let command = Command {
            processor: u32::try_from(id % processors).unwrap_or(0),
            unit: self.export.unit(),
            cdb: attempt.step.cdb.clone(),
            direction: attempt.step.data.direction(),
            buffer: attempt.buffer.clone(),
            timeout: TIMEOUT,
        };
        let mut told = Told {
            sender: self.sender.clone(),
            of: Some((id, attempt)),
        };
        self.disk
            .submit(command, Box::new(move |outcome| told.tell(outcome)));
    }

    fn done(&mut self, id: u64, mut attempt: Attempt<D::Buffer>, outcome: &Outcome) {
        let Some(request) = self.open.get_mut(&id) else {
            return;
        };
        let short = matches!(attempt.step.data, Data::In(length) if outcome.transferred != length);
        match outcome.verdict() {
            Verdict::Retry(pause) if attempt.number < RETRIES => {
                attempt.number += 1;
                thread::sleep(pause);
                return self.submit(id, attempt);
            }
            Verdict::Done if !short => {
                if let (Data::In(length), Some(buffer)) = (&attempt.step.data, &attempt.buffer) {
                    let start = attempt.step.start as usize;
                    let place = request.data.get_mut(start..start + *length as usize);
                    place.map(|place| buffer.read(0, place)).unwrap_or_default();
                }
            }
            Verdict::Done => {
                let words = format!(
                    "{} of {} bytes came back",
                    outcome.transferred,
                    attempt.step.data.length()
                );
                request.failure = Some((Error::Io, words));
            }
            Verdict::Retry(_) | Verdict::Failed => {
                request.failure = Some((error_of(outcome), outcome.to_string()));
            }
        }
        request.commands -= 1;
        drop(attempt);
        self.proceed(id);
    }

    fn finish(&mut self, id: u64) {
        let Some(request) = self.open.remove(&id) else {
            return;
        };
        let Open {
            plan,
            cookie,
            data,
            failure,
            ..
        } = request;
        let read = (plan.kind == Kind::Read && failure.is_none()).then_some(&data[..]);
        self.answer(cookie, failure, plan.offset(), read);
        self.load.give(data.len());
    }

    fn answer(&mut self, cookie: u64, failure: Option<(Error, String)>, offset: u64, read: Option<&[u8]>) {
        let length = read.map_or(0, |data| u32::try_from(data.len()).unwrap_or(u32::MAX));
        let head = match (self.structured, failure) {
            (true, Some((error, words))) => wire::structured_error(cookie, error, &words),
            (true, None) if read.is_some() => wire::structured_data(cookie, offset, length),
            (true, None) => wire::structured_done(cookie),
            (false, failure) => wire::simple_reply(cookie, failure.map(|(error, _)| error)),
        };
        if self.broken {
            return;
        }
        let mut socket = self.socket;
        let written = socket
            .write_all(&head)
            .and_then(|()| socket.write_all(read.unwrap_or_default()));
        if written.is_err() {
            self.broken = true;
            // Ends the listening too.
            self.socket.hang_up();
        }
    }
}

/// A command's buffer, with what it writes.
fn buffer<D: Disk>(disk: &D, step: &Step, payload: &[u8]) -> Result<Option<D::Buffer>, String> {
    if step.data == Data::None {
        return Ok(None);
    }
    let buffer = disk
        .buffer(step.data.length())
        .map_err(|error| error.to_string())?;
    match &step.data {
        Data::Own(bytes) => buffer.write(0, bytes),
        Data::Payload(length) => {
            let start = step.start as usize;
            buffer.write(
                0,
                payload.get(start..start + *length as usize).unwrap_or_default(),
            );
        }
        Data::None | Data::In(_) => {}
    }
    Ok(Some(buffer))
}
