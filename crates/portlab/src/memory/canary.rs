//! Bytes around objects that nobody may change.

use super::{Block, Damage, object::Object, reservation::Reservation, size};

/// Canary bytes that are written and checked on each side of an object, as far as its home reaches.
const CANARIES: usize = 64;

/// The canary at an address: neighbours differ, so that a copied canary is noticed.
pub(super) fn canary(address: u64) -> u8 {
    0xa0 ^ (address % 251) as u8
}

/// The bytes around an object that hold canaries.
pub(super) fn slack(object: &Object) -> [Block; 2] {
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
        let (address, found) = space.mismatch(slack.address, slack.length, canary)?;
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
