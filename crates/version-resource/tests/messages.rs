//! The message table against a message compiler's output, and its refusals.

use version_resource::{Message, MessageError, message_table};

fn message(id: u32, text: &str) -> Message {
    Message {
        id,
        text: text.to_owned(),
    }
}

/// `messages.bin` was made by GNU binutils 2.40: `windmc -c -U messages.mc`.
#[test]
fn bytes_are_those_of_a_message_compiler() {
    let messages = [
        message(0xE004_03EB, "%1: three."),
        message(0xA004_044E, "%1: the next, longer (%2)."),
        message(0xA004_044D, "%1: one (%2)."),
    ];
    assert_eq!(
        message_table(&messages),
        Ok(include_bytes!("data/messages.bin").to_vec())
    );
}

#[test]
fn messages_that_cannot_be_told_apart_or_ended_are_refused() {
    assert_eq!(
        message_table(&[message(1, "a"), message(1, "b")]),
        Err(MessageError::Twice(1))
    );
    assert_eq!(message_table(&[message(1, "a\0b")]), Err(MessageError::Nul(1)));
    assert_eq!(
        message_table(&[message(1, &"x".repeat(40_000))]),
        Err(MessageError::TooLong(1))
    );
}
