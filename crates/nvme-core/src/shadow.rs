//! Shadow doorbells (Base 2.0, section 5.8, Doorbell Buffer Config): a queue's index goes to memory, and the register is
//! written only where the controller asks for it.
//!
//! The controller says in an `EventIdx` which index it has seen last; the host writes the register when its index moves past
//! that. One stores an index and then looks at the other's, with a full fence between; so that of a host that moves on and a
//! controller that goes to sleep at the same time at least one sees the other.
//!
//! # Distrust
//!
//! `EventIdx` is memory that the device writes. Whatever it holds decides about one register write and nothing else: no index of
//! the ring means one too many. And the register is written once in each pass over the ring whatever it holds, so that a
//! controller that lost a doorbell is told again as long as requests come; when none come, the port driver's time-out of the
//! request bounds the wait, and its reset tells the controller everything anew.

use crate::sync::{Ordering, fence};

/// The two words of one doorbell.
pub trait ShadowDoorbell {
    /// Stores the queue's index, in one access, after what was stored before.
    fn store(&self, index: u32);
    /// Reads `EventIdx` once.
    fn event_index(&self) -> u32;
}

/// An index of a ring moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The index that was told last.
    pub from: u16,
    /// The index now.
    pub to: u16,
    /// Entries of the ring.
    pub entries: u16,
}

impl Move {
    /// Whether the controller is to be told by the register, as its `event_index` says.
    #[must_use]
    pub const fn rings(self, event_index: u32) -> bool {
        let (from, to, entries) = (self.from as u32, self.to as u32, self.entries as u32);
        // The ring begins anew, or the index is none of the ring's.
        to <= from || event_index >= entries || from <= event_index && event_index < to
    }
}

/// Tells the controller of a move. True: the register is to be written, with the same index.
#[must_use]
pub fn tell(shadow: &impl ShadowDoorbell, step: Move) -> bool {
    // The entries before the index, also for the compiler.
    fence(Ordering::Release);
    shadow.store(u32::from(step.to));
    // The store before the load: nothing less than this orders them.
    fence(Ordering::SeqCst);
    step.rings(shadow.event_index())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// As the specification has it: the register is written when the index moves past `EventIdx`.
    #[test]
    fn the_register_is_written_when_the_index_moves_past_the_event_index() {
        let step = Move {
            from: 4,
            to: 6,
            entries: 16,
        };
        for event in 0..16 {
            assert_eq!(step.rings(event), event == 4 || event == 5, "{event}");
        }
    }

    #[test]
    fn each_pass_over_the_ring_writes_it_whatever_the_event_index_is() {
        for event in [0, 1, 7, 14, 15, 16, 0xFFFF, 0x1_0000, u32::MAX] {
            for (from, to) in [(15, 0), (14, 1), (15, 3)] {
                let step = Move {
                    from,
                    to,
                    entries: 16,
                };
                assert!(step.rings(event), "{event} {from} {to}");
            }
        }
    }

    #[test]
    fn an_event_index_outside_the_ring_costs_a_register_write() {
        let step = Move {
            from: 4,
            to: 5,
            entries: 16,
        };
        for event in [16, 255, 0x1_0004, u32::MAX] {
            assert!(step.rings(event), "{event}");
        }
    }

    /// However the moves are cut and wherever an honest controller has stopped: the move past its index is told.
    #[test]
    fn no_move_past_an_honest_index_is_untold() {
        const ENTRIES: u16 = 8;
        for event in 0..ENTRIES {
            for from in 0..ENTRIES {
                for length in 1..ENTRIES {
                    let step = Move {
                        from,
                        to: (from + length) % ENTRIES,
                        entries: ENTRIES,
                    };
                    let passes = (0..length).any(|place| (from + place) % ENTRIES == event);
                    assert!(!passes || step.rings(event.into()), "{event}: {step:?}");
                }
            }
        }
    }
}
