//! Arbitrary bytes against a connection: for fuzzers and property tests.

use std::sync::Arc;

use crate::{
    connection::{Command, Completion, Config, Connection, Direction, Event},
    login::LoginConfig,
    parameters::Offer,
    pdu::{HEADER, Header, opcode},
};

/// The target's name.
const TARGET: &str = "iqn.2026-11.io.github.ferroport:fuzz";
/// Bytes that any input may make a connection keep for output: what it may have waiting, and the longest answer to one command.
const OUTPUT: usize = (1 << 20) + (2 << 20);

/// Feeds a connection: the first byte chooses whether it is logged in first and how the stream is cut, the rest is the stream.
/// Commands that come of it are answered at once.
///
/// # Panics
/// If the connection breaks a promise: takes more than there is, answers a write without all of its data, keeps too much.
pub fn fuzz(data: &[u8]) {
    let Some((&how, stream)) = data.split_first() else {
        return;
    };
    let mut connection = connection();
    if how & 1 == 0 {
        log_in(&mut connection, how & 2 != 0);
    }
    let mut stream = stream.to_vec();
    if how & 4 != 0 {
        make_plausible(&mut stream);
    }
    let step = usize::from(how >> 3) * 7 + 1;
    let (mut begin, mut end) = (0, 0);
    while end < stream.len() {
        end = (end + step).min(stream.len());
        let mut events = Vec::new();
        let Ok(taken) = connection.receive(&stream[begin..end], &mut events) else {
            return;
        };
        assert!(taken <= end - begin, "took {taken} of {} bytes", end - begin);
        begin += taken;
        for event in events {
            answer(&mut connection, event);
        }
        let waiting = connection.output().len();
        assert!(waiting <= OUTPUT, "{waiting} bytes of output");
        connection.sent(waiting);
    }
}

fn connection() -> Connection {
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
    Connection::new(config, 1)
}

fn log_in(connection: &mut Connection, discovery: bool) {
    let mut header = Header::new(opcode::LOGIN | 0x40, 0x87);
    let kind = if discovery {
        "SessionType=Discovery"
    } else {
        "InitialR2T=No"
    };
    let keys = format!("InitiatorName=iqn.x:fuzz\0TargetName={TARGET}\0{kind}\0");
    header.set_data_length(keys.len());
    let mut request = header.0.to_vec();
    request.extend_from_slice(keys.as_bytes());
    request.resize(request.len().next_multiple_of(4), 0);
    let taken = connection.receive(&request, &mut Vec::new());
    assert!(connection.is_logged_in(), "{taken:?}");
    connection.sent(connection.output().len());
}

/// Gives every 64 bytes the form of a PDU that goes past the first checks.
fn make_plausible(stream: &mut [u8]) {
    const KINDS: [u8; 8] = [
        opcode::NOP_OUT,
        opcode::SCSI_COMMAND,
        opcode::TASK_MANAGEMENT,
        opcode::DATA_OUT,
        opcode::TEXT,
        opcode::SCSI_COMMAND,
        opcode::SNACK,
        opcode::DATA_OUT,
    ];
    let mut number = 0_u32;
    for pdu in stream.chunks_exact_mut(HEADER + 16) {
        let kind = KINDS[usize::from(pdu[0] & 7)];
        let immediate = pdu[0] & 0x40;
        pdu[0] = kind | immediate;
        // No additional header segments, 16 bytes of data; few tags.
        pdu[4..8].copy_from_slice(&[0, 0, 0, 16]);
        let tag = pdu[19] & 3;
        pdu[16..20].copy_from_slice(&[0, 0, 0, tag]);
        if kind == opcode::SCSI_COMMAND {
            pdu[20..22].fill(0);
        }
        if kind != opcode::DATA_OUT {
            pdu[24..28].copy_from_slice(&number.to_be_bytes());
            number += u32::from(immediate == 0);
        }
    }
}

fn answer(connection: &mut Connection, event: Event) {
    match event {
        Event::LoggedIn(_) => {}
        Event::Command(command) => complete(connection, &command),
        Event::Manage { id, .. } => connection.managed(id, true),
    }
}

fn complete(connection: &mut Connection, command: &Command) {
    let expected = command.expected as usize;
    if command.direction == Direction::Out {
        assert_eq!(command.data.len(), expected, "a write without all of its data");
    } else {
        assert!(command.data.is_empty(), "data that nobody wrote");
    }
    let length = expected.min(1 << 20);
    let completion = Completion {
        data: length,
        moved: length as u64,
        ..Completion::default()
    };
    connection.complete(command.task, &completion, |offset, out| {
        assert!(offset + out.len() <= length, "read beyond the data");
        out.fill(0xDA);
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn nothing_breaks(data in prop::collection::vec(any::<u8>(), 0..1500)) {
            super::fuzz(&data);
        }
    }
}
