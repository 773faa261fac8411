//! Clients, good and bad, of a disk in memory.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{
    export::Export,
    negotiation::MAXIMUM_LENGTH,
    server::{Server, Socket, UnixError},
    transmission,
    wire::{Error, Request, SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC, command, command_flag},
};
use crate::{
    serve::Stop,
    workload::memory_disk::{Defect, MemoryDisk},
};

const SIZE: usize = 1 << 20;

struct Client {
    stream: UnixStream,
    structured: bool,
}

impl Client {
    fn send(&mut self, request: &Request, data: &[u8]) {
        let bytes = [request.bytes(), data.to_vec()].concat();
        self.stream.write_all(&bytes).expect("sent");
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).expect("an answer");
        bytes
    }

    /// Cookie, error, and the data of a READ of `length(cookie)` bytes.
    fn hear(&mut self, length: impl Fn(u64) -> usize) -> (u64, u32, Vec<u8>) {
        let magic = u32::from_be_bytes(self.bytes());
        if !self.structured {
            assert_eq!(magic, SIMPLE_REPLY_MAGIC);
            let error = u32::from_be_bytes(self.bytes());
            let cookie = u64::from_be_bytes(self.bytes());
            let mut data = vec![0; if error == 0 { length(cookie) } else { 0 }];
            self.stream.read_exact(&mut data).expect("data");
            return (cookie, error, data);
        }
        assert_eq!(magic, STRUCTURED_REPLY_MAGIC);
        let [done, kind] = [self.bytes(), self.bytes()].map(u16::from_be_bytes);
        let cookie = u64::from_be_bytes(self.bytes());
        let mut payload = vec![0; u32::from_be_bytes(self.bytes()) as usize];
        self.stream.read_exact(&mut payload).expect("payload");
        assert_eq!(done, 1, "the only chunk is the last");
        match kind {
            0 => (cookie, 0, Vec::new()),
            1 => {
                assert_eq!(payload.len(), 8 + length(cookie));
                (cookie, 0, payload.split_off(8))
            }
            0x8001 => {
                let count = u16::from_be_bytes([payload[4], payload[5]]);
                assert_eq!(payload.len(), 6 + usize::from(count));
                (
                    cookie,
                    u32::from_be_bytes(payload[..4].try_into().expect("4")),
                    Vec::new(),
                )
            }
            other => panic!("chunk type {other}"),
        }
    }

    fn ask(&mut self, command: u16, flags: u16, offset: u64, length: u32, data: &[u8]) -> (u32, Vec<u8>) {
        let request = Request {
            flags,
            command,
            cookie: offset ^ 0x5eed,
            offset,
            length,
        };
        self.send(&request, data);
        let reads = if command == command::READ {
            length as usize
        } else {
            0
        };
        let (cookie, error, data) = self.hear(|_| reads);
        assert_eq!(cookie, request.cookie);
        (error, data)
    }
}

/// Runs `talk` as the only client of a disk, past the handshake.
fn with_client<T>(
    disk: &MemoryDisk,
    export: &Export,
    structured: bool,
    talk: impl FnOnce(&mut Client) -> T,
) -> T {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let socket = Socket::Unix(theirs);
    socket.be_patient().expect("set");
    thread::scope(|scope| {
        scope.spawn(|| transmission::serve(disk, export, structured, &socket));
        let mut client = Client {
            stream: ours,
            structured,
        };
        talk(&mut client)
    })
}

fn disk(defect: Defect) -> MemoryDisk {
    MemoryDisk::new(SIZE / 512, 512, defect)
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from((at * 31 + seed) % 251).expect("below 251");
    (0..length).map(byte).collect()
}

#[test]
fn what_is_written_is_read() {
    for structured in [false, true] {
        let disk = disk(Defect::None);
        let export = Export::of_bytes(SIZE as u64, 512);
        with_client(&disk, &export, structured, |client| {
            // More than one transfer's worth.
            let data = pattern(300 << 10, 7);
            let length = 300 << 10;
            let answer = client.ask(command::WRITE, command_flag::FUA, 1024, length, &data);
            assert_eq!(answer, (0, Vec::new()));
            assert_eq!(client.ask(command::FLUSH, 0, 0, 0, &[]).0, 0);
            assert_eq!(client.ask(command::READ, 0, 1024, length, &[]), (0, data.clone()));
            assert_eq!(client.ask(command::READ, 0, 1536, 512, &[]).1, data[512..1024]);
        });
        assert_eq!(disk.image()[1024..1024 + (300 << 10)], pattern(300 << 10, 7));
    }
}

#[test]
fn zeroes_come_by_write_same_by_unmap_and_by_writes() {
    let plain = Export::of_bytes(SIZE as u64, 512);
    for (export, command) in [
        (plain.clone(), command::WRITE_ZEROES),
        (plain.clone().zeroing(100), command::WRITE_ZEROES),
        (plain.zeroing(100), command::TRIM),
    ] {
        let disk = disk(Defect::None);
        with_client(&disk, &export, true, |client| {
            let length = 512 << 10;
            let data = vec![0xee; length as usize];
            assert_eq!(client.ask(command::WRITE, 0, 0, length, &data).0, 0);
            assert_eq!(
                client.ask(command, command_flag::FUA, 512, length - 1024, &[]).0,
                0
            );
        });
        let image = disk.image();
        let zeroes = 512..(512 << 10) - 512;
        assert!(image[zeroes.clone()].iter().all(|byte| *byte == 0));
        assert_eq!((image[511], image[zeroes.end]), (0xee, 0xee), "not a block more");
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_number() {
    let export = Export::of_bytes(SIZE as u64, 512);
    let end = SIZE as u64;
    let disk = disk(Defect::None);
    with_client(&disk, &export, false, |client| {
        for (command, flags, offset, length, error) in [
            (command::READ, 0, end, 512, Error::Invalid),
            (command::READ, 0, u64::MAX - 511, 512, Error::Invalid),
            (command::READ, 0, 1, 512, Error::Invalid),
            (command::READ, 0, 0, 511, Error::Invalid),
            (command::READ, 0, 0, 0, Error::Invalid),
            (command::READ, 0, 0, MAXIMUM_LENGTH + 512, Error::TooLong),
            (command::READ, 0x80, 0, 512, Error::Invalid),
            (command::FLUSH, 0, 512, 0, Error::Invalid),
            (command::TRIM, 0, 0, 512, Error::Unsupported),
            (command::WRITE_ZEROES, 0, end - 512, 1024, Error::NoSpace),
            (99, 0, 0, 0, Error::Invalid),
        ] {
            let answer = client.ask(command, flags, offset, length, &[]);
            assert_eq!(answer.0, error as u32, "{command} {flags} {offset} {length}");
        }
        let answer = client.ask(command::WRITE, 0, end, 512, &[1; 512]);
        assert_eq!(answer.0, Error::NoSpace as u32, "and its data are passed over");
        assert_eq!(client.ask(command::READ, 0, 0, 512, &[]).0, 0);
    });
    with_client(&disk, &export.protected(), false, |client| {
        assert_eq!(
            client.ask(command::WRITE, 0, 0, 512, &[1; 512]).0,
            Error::NotPermitted as u32
        );
    });
    assert!(disk.image().iter().all(|byte| *byte == 0));
}

#[test]
fn a_failure_of_the_medium_is_told() {
    let export = Export::of_bytes(SIZE as u64, 512);
    with_client(&disk(Defect::MediumError), &export, true, |client| {
        let data = vec![1; 256 << 10];
        assert_eq!(
            client.ask(command::WRITE, 0, 0, 256 << 10, &data).0,
            Error::Io as u32
        );
    });
    with_client(&disk(Defect::Miscounts), &export, true, |client| {
        assert_eq!(client.ask(command::READ, 0, 0, 4096, &[]).0, Error::Io as u32);
    });
}

#[test]
fn a_write_that_is_too_long_ends_the_connection() {
    let export = Export::of_bytes(SIZE as u64, 512);
    with_client(&disk(Defect::None), &export, false, |client| {
        let request = Request {
            flags: 0,
            command: command::WRITE,
            cookie: 1,
            offset: 0,
            length: u32::MAX,
        };
        client.send(&request, &[]);
        assert_eq!(client.stream.read(&mut [0]).expect("ended"), 0);
    });
}

fn requests() -> impl Strategy<Value = Vec<(u16, u16, u64, u32)>> {
    let one = (0u16..8, 0u16..4, 0u64..40, 0u32..20, any::<bool>()).prop_map(
        |(command, flags, block, blocks, odd)| {
            // DISCONNECT would end the talk.
            let command = if command == command::DISCONNECT {
                command::READ
            } else {
                command
            };
            (
                command,
                flags,
                block * 512,
                blocks * 512 + u32::from(odd && block == 0),
            )
        },
    );
    proptest::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// All are sent before any answer is read; what comes back is compared after a second pass in order.
    #[test]
    fn every_request_is_answered_once(requests in requests(), structured: bool) {
        let disk = MemoryDisk::new(32, 512, Defect::None);
        let export = Export::of_bytes(32 * 512, 512).zeroing(3);
        with_client(&disk, &export, structured, |client| {
            let lengths: Vec<usize> = requests
                .iter()
                .map(|(command, _, _, length)| if *command == command::READ { *length as usize } else { 0 })
                .collect();
            for (cookie, (command, flags, offset, length)) in (0u64..).zip(&requests) {
                let request = Request { flags: *flags, command: *command, cookie, offset: *offset, length: *length };
                let data = if *command == command::WRITE { vec![1; *length as usize] } else { Vec::new() };
                client.send(&request, &data);
            }
            let mut open: BTreeSet<u64> = (0..requests.len() as u64).collect();
            while !open.is_empty() {
                let (cookie, _, _) = client.hear(|cookie| lengths[usize::try_from(cookie).expect("small")]);
                assert!(open.remove(&cookie), "{cookie} is answered twice");
            }
        });
    }

    /// One after the other, against bytes in memory.
    #[test]
    fn answers_are_those_of_a_disk(requests in requests()) {
        let disk = MemoryDisk::new(32, 512, Defect::None);
        let export = Export::of_bytes(32 * 512, 512).zeroing(3);
        let mut model = vec![0u8; 32 * 512];
        with_client(&disk, &export, true, |client| {
            for (seed, (command, flags, offset, length)) in requests.iter().enumerate() {
                let data = if *command == command::WRITE { pattern(*length as usize, seed) } else { Vec::new() };
                let (error, read) = client.ask(*command, *flags, *offset, *length, &data);
                if error != 0 {
                    continue;
                }
                let start = usize::try_from(*offset).expect("small");
                let range = start..start + *length as usize;
                match *command {
                    command::READ => assert_eq!(read, model[range]),
                    command::WRITE => model[range].copy_from_slice(&data),
                    command::TRIM | command::WRITE_ZEROES => model[range].fill(0),
                    _ => {}
                }
            }
        });
        assert_eq!(disk.image(), model);
    }

    #[test]
    fn no_bytes_hang_the_server(said in proptest::collection::vec(any::<u8>(), 0..200), requests in requests()) {
        let disk = MemoryDisk::new(32, 512, Defect::None);
        let export = Export::of_bytes(32 * 512, 512);
        with_client(&disk, &export, true, |client| {
            for (command, flags, offset, length) in requests {
                let request = Request { flags, command, cookie: 0, offset, length };
                // A WRITE's data are whatever comes next.
                let _ = client.stream.write_all(&request.bytes());
            }
            let _ = client.stream.write_all(&said);
            // And gone, in the middle of whatever it was.
        });
    }
}

/// Pulls a stop at its end.
struct Stopped<'a>(&'a Stop);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.pull();
    }
}

#[test]
fn clients_come_and_go_while_others_hang() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nbd");
    let disk = disk(Defect::None);
    let exports = [Export::of_bytes(SIZE as u64, 512)];
    let server = Server::unix(&path).expect("bound");
    assert!(matches!(Server::unix(&path), Err(UnixError::Taken(_))));
    let stop = Stop::new().expect("a stop");
    thread::scope(|scope| {
        scope.spawn(|| server.run(&disk, &exports, &stop).expect("served"));
        // Also when an assertion fails: the server would be waited for.
        let _stopped = Stopped(&stop);
        let hello = |stream: &mut UnixStream| {
            let mut greeting = [0; 18];
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .expect("set");
            stream.read_exact(&mut greeting).map(|()| greeting)
        };
        let mut silent: Vec<_> = (0..15)
            .map(|_| UnixStream::connect(&path).expect("connected"))
            .collect();
        assert!(silent.iter_mut().all(|stream| hello(stream).is_ok()));
        let enter = || {
            let began = Instant::now();
            loop {
                let mut stream = UnixStream::connect(&path).expect("connected");
                if hello(&mut stream).is_ok() {
                    return stream;
                }
                assert!(began.elapsed() < Duration::from_secs(20), "no place is free");
                thread::sleep(Duration::from_millis(20));
            }
        };
        // One is left, as soon as whoever asked whether the socket is taken is seen to be gone. It does real work beside those
        // who only hang about.
        let mut stream = enter();
        stream.write_all(&[0, 0, 0, 3]).expect("sent");
        stream.write_all(b"IHAVEOPT\0\0\0\x01\0\0\0\0").expect("sent");
        let mut export = [0; 10];
        stream.read_exact(&mut export).expect("an export");
        let mut client = Client {
            stream,
            structured: false,
        };
        assert_eq!(client.ask(command::WRITE, 0, 0, 4096, &pattern(4096, 1)).0, 0);
        // One too many is turned away.
        let mut late = UnixStream::connect(&path).expect("connected");
        assert!(hello(&mut late).is_err());
        drop(silent);
        enter();
    });
    assert_eq!(disk.image()[..4096], pattern(4096, 1));
    drop(server);
    assert!(!path.exists());
}

#[test]
fn an_export_is_named_by_where_it_is_served() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let server = Server::tcp(listener).expect("served");
    let uri = server.uri(&Export::of_bytes(512, 512));
    assert_eq!(uri, format!("nbd://127.0.0.1:{port}/0:0:0"));
}

#[test]
fn a_socket_left_behind_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nbd");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    assert!(path.exists());
    Server::unix(&path).expect("bound again");
}

#[test]
fn what_a_disk_does_not_say_is_not_offered() {
    let disk = disk(Defect::None);
    let startup = crate::workload::startup::run(&disk, &crate::workload::progress::Silent);
    let export = Export::of(&disk, startup.disks().next().expect("a disk"));
    // The memory disk flushes, and says nothing of FUA, UNMAP and write protection.
    assert_eq!(export.transmission_flags(), 1 | 1 << 2 | 1 << 6 | 1 << 8);
    assert_eq!((export.size(), export.block()), (SIZE as u64, 512));
}
