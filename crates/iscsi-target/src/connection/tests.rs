use super::*;
use crate::{
    frame::Digests,
    parameters::Offer,
    pdu::{FINAL, NO_TAG},
    sense::Sense,
};

const TARGET: &str = "iqn.2026-11.io.github.ferroport:test";
const READ: u8 = 0x40;
const WRITE: u8 = 0x20;
const CONTINUE: u8 = 0x40;

/// The other side.
struct Initiator {
    connection: Connection,
    digests: Digests,
    number: u32,
}

/// A PDU of the target.
struct Answer {
    header: Header,
    data: Vec<u8>,
}

impl Initiator {
    fn new(kind: &str, keys: &str) -> Self {
        let login = LoginConfig {
            targets: vec![TARGET.to_owned()],
            chap: None,
            offer: Offer::default(),
        };
        let config = Config {
            login: Arc::new(login),
            portal: "127.0.0.1:3260".to_owned(),
            window: 8,
            max_transfer: 1 << 20,
            solicited: 1 << 20,
        };
        let mut this = Self {
            connection: Connection::new(config, 1),
            digests: Digests::default(),
            number: 100,
        };
        let keys = format!("InitiatorName=iqn.x:a\nTargetName={TARGET}\n{kind}\n{keys}").replace('\n', "\0");
        let mut header = Header::new(opcode::LOGIN | 0x40, 0x87);
        header.set_word(24, this.number);
        let events = this.send(header, keys.as_bytes());
        assert!(matches!(events.as_slice(), [Event::LoggedIn(_)]));
        assert_eq!(this.answers().len(), 1);
        let chosen = |key: &str| keys.contains(&format!("{key}=CRC32C"));
        this.digests = Digests {
            header: chosen("HeaderDigest"),
            data: chosen("DataDigest"),
        };
        this
    }

    fn normal(keys: &str) -> Self {
        Self::new("SessionType=Normal", keys)
    }

    fn bytes(&self, header: Header, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        frame::append(&mut out, header, self.digests, data.len(), |place| {
            place.copy_from_slice(data);
        });
        out
    }

    fn send(&mut self, header: Header, data: &[u8]) -> Vec<Event> {
        let bytes = self.bytes(header, data);
        self.feed(&bytes)
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        assert_eq!(self.connection.receive(bytes, &mut events), Ok(bytes.len()));
        events
    }

    fn answers(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        let mut rest = self.connection.output();
        while let Some((frame, length)) = frame::next(rest, self.digests, 1 << 24).unwrap() {
            assert!(frame.intact);
            answers.push(Answer {
                header: frame.header,
                data: frame.data.to_vec(),
            });
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        let count = self.connection.output().len();
        self.connection.sent(count);
        answers
    }

    fn answer(&mut self) -> Answer {
        let mut answers = self.answers();
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    fn command_header(&mut self, tag: u32, flags: u8, expected: u32) -> Header {
        let mut header = Header::new(opcode::SCSI_COMMAND, flags);
        header.set_word(16, tag);
        header.set_word(20, expected);
        header.set_word(24, self.number);
        self.number += 1;
        header
    }

    fn command(&mut self, tag: u32, flags: u8, expected: u32, data: &[u8]) -> Vec<Event> {
        let header = self.command_header(tag, flags, expected);
        self.send(header, data)
    }

    fn data_out(
        &mut self,
        (tag, transfer): (u32, u32),
        (number, offset): (u32, u32),
        last: bool,
        data: &[u8],
    ) -> Vec<Event> {
        let mut header = Header::new(opcode::DATA_OUT, if last { FINAL } else { 0 });
        header.set_word(16, tag);
        header.set_word(20, transfer);
        header.set_word(36, number);
        header.set_word(40, offset);
        self.send(header, data)
    }

    fn manage(&mut self, function: u8, referred: u32) -> Vec<Event> {
        let mut header = Header::new(opcode::TASK_MANAGEMENT | 0x40, FINAL | function);
        header.set_word(16, 0x7777);
        header.set_word(20, referred);
        header.set_word(24, self.number);
        self.send(header, &[])
    }

    fn end(&mut self, id: TaskId, completion: &Completion) {
        self.connection.complete(id, completion, |offset, out| {
            for (at, byte) in out.iter_mut().enumerate() {
                *byte = u8::try_from((offset + at) % 251).unwrap();
            }
        });
    }
}

fn read(length: usize) -> Completion {
    Completion {
        data: length,
        moved: length as u64,
        ..Completion::default()
    }
}

fn only(events: Vec<Event>) -> Command {
    match events.into_iter().next() {
        Some(Event::Command(command)) => command,
        other => panic!("no command but {other:?}"),
    }
}

fn sense(answer: &Answer) -> (u8, Sense) {
    let at = |index: usize| answer.data.get(index + 2).copied().unwrap_or(0);
    (answer.header.0[3], Sense(at(2), at(12), at(13)))
}

#[test]
fn reads_leave_in_segments_and_bursts_with_the_status_in_the_last() {
    let mut it = Initiator::normal("MaxRecvDataSegmentLength=512\nMaxBurstLength=1024\n");
    let command = only(it.command(1, FINAL | READ, 2100, &[]));
    assert_eq!((command.direction, command.expected), (Direction::In, 2100));
    it.end(command.task, &read(2048));
    let answers = it.answers();
    let seen: Vec<_> = answers
        .iter()
        .map(|pdu| {
            (
                pdu.header.opcode(),
                pdu.header.flags(),
                pdu.data.len(),
                pdu.header.word(36),
                pdu.header.word(40),
            )
        })
        .collect();
    let data_in = opcode::DATA_IN;
    assert_eq!(
        seen,
        [
            (data_in, 0x00, 512, 0, 0),
            (data_in, 0x80, 512, 1, 512),
            (data_in, 0x00, 512, 2, 1024),
            // Final, underflow, status.
            (data_in, 0x83, 512, 3, 1536),
        ]
    );
    assert_eq!(answers[3].header.word(44), 52);
    let data: Vec<u8> = answers.into_iter().flat_map(|pdu| pdu.data).collect();
    assert!(
        data.iter()
            .enumerate()
            .all(|(at, &byte)| usize::from(byte) == at % 251)
    );
}

#[test]
fn more_than_expected_is_an_overflow() {
    let mut it = Initiator::normal("");
    let command = only(it.command(1, FINAL | READ, 200, &[]));
    it.end(
        command.task,
        &Completion {
            data: 512,
            moved: 512,
            ..Completion::default()
        },
    );
    let answer = it.answer();
    assert_eq!(
        (answer.data.len(), answer.header.flags(), answer.header.word(44)),
        (200, 0x85, 312)
    );
}

#[test]
fn writes_take_immediate_unsolicited_and_solicited_data() {
    let mut it = Initiator::normal("InitialR2T=No\nFirstBurstLength=1024\nMaxBurstLength=1024\n");
    assert!(it.command(5, WRITE, 3072, &[1; 512]).is_empty());
    assert!(it.data_out((5, NO_TAG), (0, 512), true, &[2; 512]).is_empty());
    for (count, offset) in [(0, 1024), (1, 2048)] {
        let r2t = it.answer();
        assert_eq!((r2t.header.opcode(), r2t.header.word(36)), (opcode::R2T, count));
        assert_eq!((r2t.header.word(40), r2t.header.word(44)), (offset, 1024));
        let transfer = r2t.header.word(20);
        assert!(
            it.data_out((5, transfer), (0, offset), false, &[3; 512])
                .is_empty()
        );
        let events = it.data_out((5, transfer), (1, offset + 512), true, &[4; 512]);
        if count == 0 {
            assert!(events.is_empty());
        } else {
            let command = only(events);
            assert_eq!(command.data.len(), 3072);
            assert_eq!(
                [
                    command.data[0],
                    command.data[512],
                    command.data[1024],
                    command.data[3071]
                ],
                [1, 2, 3, 4]
            );
            it.end(
                command.task,
                &Completion {
                    moved: 3072,
                    ..Completion::default()
                },
            );
        }
    }
    let answer = it.answer();
    assert_eq!(
        (
            answer.header.opcode(),
            answer.header.flags(),
            answer.header.word(36)
        ),
        (opcode::SCSI_RESPONSE, FINAL, 2)
    );
}

#[test]
fn data_out_of_order_fails_the_command_when_the_sequence_ends() {
    for (first, second, offset) in [(0, 0, 512), (27, 1, 512), (0, 1, 0)] {
        let mut it = Initiator::normal("ImmediateData=No\n");
        assert!(it.command(5, FINAL | WRITE, 1024, &[]).is_empty());
        let transfer = it.answer().header.word(20);
        assert!(
            it.data_out((5, transfer), (first, 0), false, &[3; 512])
                .is_empty()
        );
        assert!(
            it.data_out((5, transfer), (second, offset), true, &[3; 512])
                .is_empty()
        );
        assert_eq!(sense(&it.answer()), (2, Sense::INCORRECT_AMOUNT_OF_DATA));
    }
}

#[test]
fn unsolicited_data_that_was_not_agreed_on_is_refused() {
    let mut it = Initiator::normal("ImmediateData=No\n");
    assert!(it.command(1, FINAL | WRITE, 512, &[0; 512]).is_empty());
    assert_eq!(sense(&it.answer()), (2, Sense::UNEXPECTED_UNSOLICITED_DATA));
    let mut it = Initiator::normal("InitialR2T=No\nFirstBurstLength=512\n");
    assert!(it.command(1, FINAL | WRITE, 1024, &[0; 1024]).is_empty());
    assert_eq!(sense(&it.answer()), (2, Sense::UNEXPECTED_UNSOLICITED_DATA));
}

#[test]
fn a_broken_data_segment_is_rejected_and_its_command_fails() {
    let mut it = Initiator::normal("HeaderDigest=CRC32C\nDataDigest=CRC32C\n");
    let header = it.command_header(1, FINAL | WRITE, 512);
    let mut bytes = it.bytes(header, &[7; 512]);
    bytes[60] ^= 1;
    assert!(it.feed(&bytes).is_empty());
    let answers = it.answers();
    assert_eq!(
        (answers[0].header.opcode(), answers[0].header.0[2]),
        (opcode::REJECT, reject::DATA_DIGEST_ERROR)
    );
    assert_eq!(sense(&answers[1]), (2, Sense::PROTOCOL_SERVICE_CRC_ERROR));
    let mut bytes = it.bytes(Header::new(opcode::NOP_OUT, FINAL), &[]);
    bytes[20] ^= 1;
    assert_eq!(
        it.connection.receive(&bytes, &mut Vec::new()),
        Err(Broken::Frame(FrameError::HeaderDigest))
    );
}

#[test]
fn commands_outside_the_window_are_ignored_and_early_ones_wait() {
    let mut it = Initiator::normal("");
    it.number = 108;
    assert!(it.command(1, FINAL, 0, &[]).is_empty());
    it.number = 99;
    assert!(it.command(1, FINAL, 0, &[]).is_empty());
    it.number = 101;
    assert!(it.command(2, FINAL, 0, &[]).is_empty());
    it.number = 100;
    let tags: Vec<_> = it
        .command(3, FINAL, 0, &[])
        .into_iter()
        .map(|event| match event {
            Event::Command(command) => command.task.tag,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tags, [3, 2]);
    assert!(it.answers().is_empty());
}

#[test]
fn the_window_closes_with_commands_under_way_and_opens_with_their_end() {
    let mut it = Initiator::normal("");
    let commands: Vec<_> = (0..8).map(|tag| only(it.command(tag, FINAL, 0, &[]))).collect();
    // All eight numbers are taken: a ninth is ignored.
    assert!(it.command(9, FINAL, 0, &[]).is_empty());
    it.number -= 1;
    it.end(commands[0].task, &Completion::default());
    let answer = it.answer();
    assert_eq!((answer.header.word(28), answer.header.word(32)), (108, 108));
    only(it.command(9, FINAL, 0, &[]));
}

#[test]
fn a_tag_names_one_command() {
    let mut it = Initiator::normal("");
    only(it.command(1, FINAL, 0, &[]));
    assert!(it.command(1, FINAL, 0, &[]).is_empty());
    let answer = it.answer();
    assert_eq!(
        (answer.header.opcode(), answer.header.0[2]),
        (opcode::REJECT, reject::TASK_IN_PROGRESS)
    );
}

#[test]
fn an_aborted_command_is_not_answered_and_the_abort_waits_for_its_end() {
    let mut it = Initiator::normal("");
    let command = only(it.command(1, FINAL, 0, &[]));
    assert!(it.manage(1, 1).is_empty());
    assert!(it.answers().is_empty());
    it.end(command.task, &Completion::default());
    let answer = it.answer();
    assert_eq!(
        (answer.header.opcode(), answer.header.0[2]),
        (opcode::TASK_MANAGEMENT_RESPONSE, 0)
    );
    // It is gone: no such task.
    it.manage(1, 1);
    assert_eq!(it.answer().header.0[2], 1);
}

#[test]
fn a_command_that_waits_for_data_is_aborted_at_once() {
    let mut it = Initiator::normal("ImmediateData=No\n");
    it.command(1, FINAL | WRITE, 512, &[]);
    let transfer = it.answer().header.word(20);
    it.manage(2, NO_TAG);
    assert_eq!(it.answer().header.0[2], 0);
    // Its data comes all the same, and is nobody's.
    assert!(it.data_out((1, transfer), (0, 0), true, &[0; 512]).is_empty());
    assert!(it.answers().is_empty());
}

#[test]
fn a_reset_is_answered_when_it_is_done_and_its_commands_have_ended() {
    let mut it = Initiator::normal("");
    let command = only(it.command(1, FINAL, 0, &[]));
    let events = it.manage(5, NO_TAG);
    let [
        Event::Manage {
            id,
            function: Function::LogicalUnitReset,
            ..
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}");
    };
    it.connection.managed(*id, true);
    assert!(it.answers().is_empty());
    it.end(command.task, &Completion::refused(Sense::ABORTED));
    assert_eq!(it.answer().header.0[2], 0);
    it.manage(8, NO_TAG);
    assert_eq!(it.answer().header.0[2], 4);
    it.manage(99, NO_TAG);
    assert_eq!(it.answer().header.0[2], 5);
}

#[test]
fn a_ping_is_echoed_and_a_logout_ends() {
    let mut it = Initiator::normal("");
    let mut ping = Header::new(opcode::NOP_OUT | 0x40, FINAL);
    ping.set_word(16, 9);
    it.send(ping, b"hello");
    let answer = it.answer();
    assert_eq!(
        (answer.header.opcode(), answer.data.as_slice()),
        (opcode::NOP_IN, &b"hello"[..])
    );
    it.send(Header::new(opcode::LOGOUT | 0x40, FINAL), &[]);
    assert_eq!(it.answer().header.opcode(), opcode::LOGOUT_RESPONSE);
    assert!(it.connection.is_closing());
}

#[test]
fn discovery_lists_targets_and_does_nothing_else() {
    let mut it = Initiator::new("SessionType=Discovery", "");
    let mut request = Header::new(opcode::TEXT | 0x40, FINAL);
    request.set_word(20, NO_TAG);
    it.send(request, b"SendTargets=All\0");
    let answer = it.answer();
    let expected = format!("TargetName={TARGET}\0TargetAddress=127.0.0.1:3260,1\0");
    assert_eq!(
        (answer.header.flags(), answer.data),
        (FINAL, expected.into_bytes())
    );
    assert!(it.command(1, FINAL, 0, &[]).is_empty());
    assert_eq!(it.answer().header.opcode(), opcode::REJECT);
}

#[test]
fn a_long_answer_comes_in_pieces() {
    let mut it = Initiator::new("SessionType=Discovery", "MaxRecvDataSegmentLength=512\n");
    let mut request = Header::new(opcode::TEXT | 0x40, FINAL);
    request.set_word(20, NO_TAG);
    let keys: String = (0..40)
        .flat_map(|number| ["X-com.example.".to_owned(), number.to_string(), "=1\0".to_owned()])
        .collect();
    it.send(request, keys.as_bytes());
    let mut whole = Vec::new();
    loop {
        let piece = it.answer();
        whole.extend_from_slice(&piece.data);
        if piece.header.flags() == FINAL {
            break;
        }
        assert_eq!((piece.header.flags(), piece.data.len()), (CONTINUE, 512));
        request.set_word(20, piece.header.word(20));
        it.send(request, &[]);
    }
    assert_eq!(crate::text::parse(&whole).unwrap().len(), 40);
}

#[test]
fn a_flood_that_nobody_reads_the_answers_of_is_not_taken() {
    let mut it = Initiator::normal("");
    let mut ping = Header::new(opcode::NOP_OUT | 0x40, FINAL);
    ping.set_word(16, 9);
    let bytes = it.bytes(ping, &[0; 4096]);
    let mut taken = 0;
    for _ in 0..1000 {
        taken += it.connection.receive(&bytes, &mut Vec::new()).unwrap();
    }
    assert!(it.connection.is_congested());
    assert!(taken < 300 * bytes.len());
    assert!(it.connection.output().len() < (1 << 20) + 2 * bytes.len());
}

#[test]
fn a_write_beyond_the_limit_is_refused_before_its_data() {
    let mut it = Initiator::normal("");
    assert!(it.command(1, FINAL | WRITE, (1 << 20) + 512, &[]).is_empty());
    assert_eq!(sense(&it.answer()), (2, Sense::INVALID_FIELD_IN_CDB));
}

#[test]
fn solicited_data_has_a_budget_and_one_command_always_goes_on() {
    let mut it = Initiator::normal("ImmediateData=No\n");
    for tag in 1..4 {
        it.command(tag, FINAL | WRITE, 768 << 10, &[]);
    }
    // Two of them would be more than the budget.
    let r2t = it.answer();
    assert_eq!(r2t.header.task_tag(), 1);
    it.manage(1, 1);
    let tags: Vec<_> = it
        .answers()
        .iter()
        .map(|pdu| (pdu.header.opcode(), pdu.header.task_tag()))
        .collect();
    assert!(tags.contains(&(opcode::R2T, 2)));
    assert!(!tags.contains(&(opcode::R2T, 3)));
}

#[test]
fn nothing_but_a_login_comes_first() {
    let mut it = Initiator::normal("");
    let config = it.connection.config.clone();
    it.connection = Connection::new(config, 1);
    let bytes = it.bytes(Header::new(opcode::NOP_OUT, FINAL), &[]);
    assert_eq!(
        it.connection.receive(&bytes, &mut Vec::new()),
        Err(Broken::NotLoggedIn(0))
    );
}
