use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::fd::OwnedFd,
    time::Instant,
};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};

use super::*;
use crate::{
    frame::{self, Digests},
    parameters::Offer,
    pdu::{FINAL, Header, NO_TAG, opcode},
};

const TARGET: &str = "iqn.2026-11.io.github.ferroport:test";
/// WRITE(10), here: wait for a reset.
const HANGS: u8 = 0x2A;

/// Answers everything with GOOD; what hangs ends with the reset.
#[derive(Default)]
struct Good {
    hanging: Mutex<Vec<Done<Vec<u8>>>>,
}

impl Device for Good {
    type Data = Vec<u8>;

    fn execute(&self, _nexus: &Nexus, command: Command, done: Done<Vec<u8>>) {
        if command.cdb.first() == Some(&HANGS) {
            self.hanging.lock().push(done);
            return;
        }
        let length = command.expected as usize;
        done(Answer {
            completion: Completion {
                data: length,
                moved: length as u64,
                ..Completion::default()
            },
            data: Some(vec![0xAB; length]),
        });
    }

    fn reset(&self, _target: usize, _lun: Option<[u8; 8]>, done: Box<dyn FnOnce(bool) + Send>) {
        for hung in self.hanging.lock().drain(..) {
            hung(Answer {
                completion: Completion::status(0x08),
                data: None,
            });
        }
        done(true);
    }

    fn units(&self, _target: usize) -> Vec<[u8; 8]> {
        vec![[0; 8]]
    }

    fn opened(&self, _nexus: &Nexus) {}

    fn closed(&self, _nexus: &Nexus) {}
}

struct Client {
    stream: TcpStream,
    number: u32,
}

impl Client {
    fn log_in(address: SocketAddr, name: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut this = Self { stream, number: 1 };
        let mut header = Header::new(opcode::LOGIN | 0x40, 0x87);
        header.set_word(24, 1);
        this.send(
            header,
            format!("InitiatorName={name}\0TargetName={TARGET}\0").as_bytes(),
        );
        let (header, _) = this.receive().unwrap();
        assert_eq!((header.opcode(), header.0[36]), (opcode::LOGIN_RESPONSE, 0));
        this
    }

    fn send(&mut self, header: Header, data: &[u8]) {
        let mut bytes = Vec::new();
        frame::append(&mut bytes, header, Digests::default(), data.len(), |out| {
            out.copy_from_slice(data);
        });
        self.stream.write_all(&bytes).unwrap();
    }

    fn receive(&mut self) -> Option<(Header, Vec<u8>)> {
        let mut header = [0; 48];
        self.stream.read_exact(&mut header).ok()?;
        let header = Header(header);
        let mut data = vec![0; header.data_length().next_multiple_of(4)];
        self.stream.read_exact(&mut data).ok()?;
        data.truncate(header.data_length());
        Some((header, data))
    }

    fn start(&mut self, tag: u32, opcode: u8, expected: u32) {
        let mut header = Header::new(opcode::SCSI_COMMAND, FINAL | if expected > 0 { 0x40 } else { 0 });
        header.set_word(16, tag);
        header.set_word(20, expected);
        header.set_word(24, self.number);
        header.0[32] = opcode;
        self.number += 1;
        self.send(header, &[]);
    }

    /// Status and sense key.
    fn test_unit_ready(&mut self) -> (u8, u8) {
        self.start(77, 0, 0);
        let (header, data) = self.receive().unwrap();
        assert_eq!(header.task_tag(), 77);
        (header.0[3], data.get(4).copied().unwrap_or(0))
    }

    fn manage(&mut self, function: u8) {
        let mut header = Header::new(opcode::TASK_MANAGEMENT | 0x40, FINAL | function);
        header.set_word(16, 88);
        header.set_word(20, NO_TAG);
        header.set_word(24, self.number);
        self.send(header, &[]);
    }

    /// Leaves in order: a connection that is only closed is a broken one.
    fn log_out(mut self) {
        let mut header = Header::new(opcode::LOGOUT | 0x40, FINAL);
        header.set_word(16, 99);
        header.set_word(24, self.number);
        self.send(header, &[]);
        assert_eq!(self.receive().unwrap().0.opcode(), opcode::LOGOUT_RESPONSE);
        assert!(self.is_closed());
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }
}

/// Runs `body` against a server; what the server did.
fn with_server(change: impl FnOnce(&mut ServerConfig), body: impl FnOnce(SocketAddr)) -> Counts {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stop: OwnedFd = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    let login = LoginConfig {
        targets: vec![TARGET.to_owned()],
        chap: None,
        offer: Offer::default(),
    };
    let mut config = ServerConfig::new(Arc::new(login), 1 << 20);
    change(&mut config);
    let device = Good::default();
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, &device, &config, stop.as_fd()));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(address)));
        rustix::io::write(&stop, &1_u64.to_ne_bytes()).unwrap();
        let counts = server.join().unwrap().unwrap();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
        counts
    })
}

#[test]
fn many_reads_are_answered_with_their_data() {
    let counts = with_server(
        |_| {},
        |address| {
            let mut client = Client::log_in(address, "iqn.x:a");
            for tag in 0..100 {
                client.start(tag, 0x28, 4096);
            }
            for _ in 0..100 {
                let (header, data) = client.receive().unwrap();
                assert_eq!((header.opcode(), data.len()), (opcode::DATA_IN, 4096));
                assert!(data.iter().all(|&byte| byte == 0xAB));
            }
        },
    );
    assert_eq!((counts.logins, counts.commands), (1, 100));
}

#[test]
fn a_reset_ends_commands_silently_and_is_told_to_all_sessions_once() {
    let counts = with_server(
        |_| {},
        |address| {
            let mut one = Client::log_in(address, "iqn.x:one");
            let mut two = Client::log_in(address, "iqn.x:two");
            assert_eq!(two.test_unit_ready(), (0, 0));
            one.start(5, HANGS, 0);
            one.manage(5);
            let (header, _) = one.receive().unwrap();
            assert_eq!(
                (header.opcode(), header.0[2]),
                (opcode::TASK_MANAGEMENT_RESPONSE, 0)
            );
            for client in [&mut one, &mut two] {
                assert_eq!(client.test_unit_ready(), (2, 6));
                assert_eq!(client.test_unit_ready(), (0, 0));
            }
        },
    );
    assert_eq!(counts.resets, 1);
}

/// The reset and a command that follows it race to the other session's thread; the command comes second whatever happens.
#[test]
fn a_command_sent_after_a_reset_is_not_aborted_by_it() {
    with_server(
        |_| {},
        |address| {
            let mut one = Client::log_in(address, "iqn.x:one");
            let mut two = Client::log_in(address, "iqn.x:two");
            for _ in 0..500 {
                one.manage(5);
                one.receive().unwrap();
                assert_eq!(two.test_unit_ready(), (2, 6));
            }
        },
    );
}

#[test]
fn a_cold_reset_ends_the_sessions() {
    with_server(
        |_| {},
        |address| {
            let mut one = Client::log_in(address, "iqn.x:one");
            let mut two = Client::log_in(address, "iqn.x:two");
            one.manage(7);
            assert_eq!(
                one.receive().unwrap().0.opcode(),
                opcode::TASK_MANAGEMENT_RESPONSE
            );
            assert!(one.is_closed() && two.is_closed());
        },
    );
}

#[test]
fn a_second_login_of_the_same_session_takes_its_place() {
    with_server(
        |_| {},
        |address| {
            let mut first = Client::log_in(address, "iqn.x:a");
            let mut other = Client::log_in(address, "iqn.x:b");
            let mut second = Client::log_in(address, "iqn.x:a");
            assert!(first.is_closed());
            assert_eq!(second.test_unit_ready(), (0, 0));
            assert_eq!(other.test_unit_ready(), (0, 0));
        },
    );
}

#[test]
fn who_does_not_log_in_is_shown_out() {
    let counts = with_server(
        |config| config.login_time = Duration::from_millis(200),
        |address| {
            let began = Instant::now();
            let mut silent = Client {
                stream: TcpStream::connect(address).unwrap(),
                number: 0,
            };
            silent
                .stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            // Half a PDU is no login, either.
            silent.stream.write_all(&[0x43; 20]).unwrap();
            assert!(silent.is_closed());
            assert!(began.elapsed() < Duration::from_secs(15));
        },
    );
    assert_eq!((counts.broken, counts.logins), (1, 0));
}

#[test]
fn there_are_so_many_places_and_they_are_free_again() {
    let counts = with_server(
        |config| config.connections = 2,
        |address| {
            let one = Client::log_in(address, "iqn.x:one");
            let mut two = Client::log_in(address, "iqn.x:two");
            let mut third = Client {
                stream: TcpStream::connect(address).unwrap(),
                number: 0,
            };
            third
                .stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            assert!(third.is_closed());
            drop(one);
            let deadline = Instant::now() + Duration::from_secs(15);
            loop {
                let mut header = Header::new(opcode::LOGIN | 0x40, 0x87);
                header.set_word(24, 1);
                let mut again = Client {
                    stream: TcpStream::connect(address).unwrap(),
                    number: 0,
                };
                again
                    .stream
                    .set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
                let mut bytes = Vec::new();
                let keys = format!("InitiatorName=iqn.x:z\0TargetName={TARGET}\0");
                frame::append(&mut bytes, header, Digests::default(), keys.len(), |out| {
                    out.copy_from_slice(keys.as_bytes());
                });
                // Closed before it is read, if there is no place yet.
                if again.stream.write_all(&bytes).is_ok() && again.receive().is_some() {
                    break;
                }
                assert!(Instant::now() < deadline, "the place was never free again");
            }
            assert_eq!(two.test_unit_ready(), (0, 0));
        },
    );
    assert!(counts.refused >= 1);
}

#[test]
fn garbage_ends_its_own_connection_only() {
    let counts = with_server(
        |_| {},
        |address| {
            let mut good = Client::log_in(address, "iqn.x:good");
            for garbage in [
                &[0xFF_u8; 4096][..],
                &[0; 48],
                b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n\r\n\r\n",
            ] {
                let mut bad = Client {
                    stream: TcpStream::connect(address).unwrap(),
                    number: 0,
                };
                bad.stream
                    .set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
                bad.stream.write_all(garbage).unwrap();
                assert!(bad.is_closed());
            }
            assert_eq!(good.test_unit_ready(), (0, 0));
            good.log_out();
        },
    );
    assert_eq!(counts.broken, 3);
}

#[test]
fn who_reads_nothing_is_cut_off_when_output_stands_still() {
    with_server(
        |config| config.stall_time = Duration::from_millis(300),
        |address| {
            let mut client = Client::log_in(address, "iqn.x:a");
            client
                .stream
                .set_write_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            let began = Instant::now();
            let mut ping = Header::new(opcode::NOP_OUT | 0x40, FINAL);
            ping.set_word(16, 9);
            let mut bytes = Vec::new();
            frame::append(&mut bytes, ping, Digests::default(), 8192, |_| {});
            while client.stream.write_all(&bytes).is_ok() {
                assert!(began.elapsed() < Duration::from_secs(30), "still taken in");
            }
        },
    );
}
