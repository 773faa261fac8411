//! Bytes around objects that nobody may change.

use super::{Block, Damage, object::Object, reservation::Reservation, size};

/// Canary bytes that are written and checked on each side of an object, as far as its home reaches.
const CANARIES: usize = 64;

/// The canary at an address: neighbours differ, so that a copied canary is noticed.
pub(super) const fn canary(address: u64) -> u8 {
    // Two bytes that are added: no division, as each request of a driver writes and checks some hundred of these.
    let [low, high, ..] = address.to_le_bytes();
    // Never zero, the byte most often written by mistake.
    0x80 | low.wrapping_add(high.wrapping_mul(29))
}

/// The canaries of a stretch of slack.
fn canaries(slack: Block) -> ([u8; CANARIES], usize) {
    let mut bytes = [0; CANARIES];
    for (address, byte) in (slack.address..).zip(&mut bytes) {
        *byte = canary(address);
    }
    (bytes, slack.length.min(CANARIES))
}

/// Writes the canaries around an object.
pub(super) fn set_canaries(space: &Reservation, object: &Object) {
    for slack in slack(object) {
        let (bytes, length) = canaries(slack);
        space.write(slack.address, bytes.get(..length).unwrap_or(&bytes));
    }
}

/// The bytes around an object that hold canaries.
fn slack(object: &Object) -> [Block; 2] {
    let Object { block, home, .. } = object;
    let front = (block.address - home.address).min(CANARIES as u64);
    let end = block.address + block.length as u64;
    let back = (home.address + home.length as u64 - end).min(CANARIES as u64);
    [
        Block {
            address: block.address - front,
            length: size(front),
        },
        Block {
            address: end,
            length: size(back),
        },
    ]
}

/// The first canary of an object that is gone.
pub(super) fn canary_damage(space: &Reservation, object: &Object) -> Option<Damage> {
    slack(object).into_iter().find_map(|slack| {
        let (expected, length) = canaries(slack);
        let expected = expected.get(..length)?;
        let (address, found) = space.first_difference(slack.address, expected)?;
        Some(Damage {
            label: object.label.clone(),
            object: object.block.address,
            length: object.block.length,
            address,
            after_free: false,
            found,
            expected: canary(address),
        })
    })
}
