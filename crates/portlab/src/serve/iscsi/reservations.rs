//! Persistent reservations of several initiators over one host.
//!
//! To the driver, and to the controller below, all initiators are one host: a registration that passes is the host's, whoever made
//! it. If a second initiator's registration passed, too, it would replace the first one's key, and nobody would be kept out. So one
//! initiator is the host's owner at a time:
//!
//! - another one that registers is told that there is no room for it: INSUFFICIENT REGISTRATION RESOURCES (SPC-4, 5.12.7);
//! - it is not registered, and is refused what a reservation refuses those (SPC-4, table 65; SBC-3, table 12).
//!
//! Nobody gets access that a reservation denies. Reservations for all registrants have one registrant. An owner without a session
//! can be replaced: what it registered is still the host's.

use std::collections::HashMap;

use iscsi_target::{connection::Completion, sense::Sense, server::Nexus};

use crate::model::Address;

const PERSISTENT_RESERVE_OUT: u8 = 0x5F;
const RESERVATION_CONFLICT: u8 = 0x18;

/// Service actions of PERSISTENT RESERVE OUT (SPC-4, 6.16.2).
mod action {
    pub(super) const REGISTER: u8 = 0;
    pub(super) const RESERVE: u8 = 1;
    pub(super) const RELEASE: u8 = 2;
    pub(super) const CLEAR: u8 = 3;
    pub(super) const REGISTER_AND_IGNORE: u8 = 6;
}

/// Allowed whatever the reservation.
const HARMLESS: [u8; 9] = [0x00, 0x03, 0x12, 0x25, 0x4D, 0x5E, 0x9E, 0xA0, 0xA3];
/// Allowed unless the reservation is for access, too.
const READING: [u8; 11] = [0x08, 0x1A, 0x28, 0x2F, 0x34, 0x5A, 0x88, 0x8F, 0x90, 0xA8, 0xAF];
/// Reservation types that keep others from writing only (SPC-4, 6.15.3.4).
const WRITE_EXCLUSIVE: [u8; 3] = [1, 5, 7];

#[derive(Debug, Default)]
struct Host {
    owner: Option<Owner>,
    reservation: Option<u8>,
}

#[derive(Debug)]
struct Owner {
    initiator: String,
    isid: [u8; 6],
    sessions: u32,
}

impl Owner {
    fn is(&self, nexus: &Nexus) -> bool {
        self.initiator == nexus.initiator && self.isid == nexus.isid
    }
}

/// What a command that passes does to a registration, should it succeed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Passage {
    /// Nothing.
    #[default]
    Plain,
    /// It registers an initiator.
    Registers(Box<(String, [u8; 6])>),
    /// It takes the registration back.
    Unregisters,
    /// It reserves.
    Reserves(u8),
    /// It releases.
    Releases,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Gate {
    hosts: HashMap<Address, Host>,
}

impl Gate {
    /// Whether a command may pass; how it ends if not.
    pub(super) fn ask(
        &self,
        unit: Address,
        nexus: &Nexus,
        cdb: &[u8],
        data: &[u8],
    ) -> Result<Passage, Completion> {
        let opcode = cdb.first().copied().unwrap_or(0);
        let host = self.hosts.get(&unit);
        let owner = host.and_then(|host| host.owner.as_ref());
        let stranger = owner.is_some_and(|owner| !owner.is(nexus));
        if opcode != PERSISTENT_RESERVE_OUT {
            let kind = host.and_then(|host| host.reservation).filter(|_| stranger);
            let refused = kind.is_some_and(|kind| {
                !(HARMLESS.contains(&opcode) || WRITE_EXCLUSIVE.contains(&kind) && READING.contains(&opcode))
            });
            return if refused {
                Err(Completion::status(RESERVATION_CONFLICT))
            } else {
                Ok(Passage::Plain)
            };
        }
        let action = cdb.get(1).map_or(0, |byte| byte & 0x1F);
        let registers = matches!(action, action::REGISTER | action::REGISTER_AND_IGNORE);
        if stranger && !(registers && owner.is_some_and(|owner| owner.sessions == 0)) {
            return Err(if registers {
                Completion::refused(Sense::INSUFFICIENT_REGISTRATION_RESOURCES)
            } else {
                Completion::status(RESERVATION_CONFLICT)
            });
        }
        let removes = data.get(8..16).is_none_or(|key| key == [0; 8]);
        Ok(match action {
            action::REGISTER | action::REGISTER_AND_IGNORE if removes => Passage::Unregisters,
            action::REGISTER | action::REGISTER_AND_IGNORE => {
                Passage::Registers(Box::new((nexus.initiator.clone(), nexus.isid)))
            }
            action::CLEAR => Passage::Unregisters,
            action::RESERVE => Passage::Reserves(cdb.get(2).map_or(0, |byte| byte & 0x0F)),
            action::RELEASE => Passage::Releases,
            _ => Passage::Plain,
        })
    }

    /// A command that passed has ended.
    pub(super) fn ended(&mut self, unit: Address, passage: Passage, success: bool) {
        if !success || passage == Passage::Plain {
            return;
        }
        let host = self.hosts.entry(unit).or_default();
        match passage {
            Passage::Plain => {}
            Passage::Registers(who) => {
                let (initiator, isid) = *who;
                let same = host
                    .owner
                    .as_ref()
                    .is_some_and(|owner| (&owner.initiator, owner.isid) == (&initiator, isid));
                if !same {
                    host.owner = Some(Owner {
                        initiator,
                        isid,
                        sessions: 1,
                    });
                }
            }
            Passage::Unregisters => *host = Host::default(),
            Passage::Reserves(kind) => host.reservation = Some(kind),
            Passage::Releases => host.reservation = None,
        }
    }

    /// An initiator has logged in.
    pub(super) fn opened(&mut self, nexus: &Nexus) {
        for owner in self.hosts.values_mut().filter_map(|host| host.owner.as_mut()) {
            owner.sessions += u32::from(owner.is(nexus));
        }
    }

    /// A session has ended.
    pub(super) fn closed(&mut self, nexus: &Nexus) {
        for owner in self.hosts.values_mut().filter_map(|host| host.owner.as_mut()) {
            owner.sessions = owner.sessions.saturating_sub(u32::from(owner.is(nexus)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Address = Address {
        path: 0,
        target: 0,
        lun: 0,
    };
    const READ: [u8; 10] = [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    const WRITE: [u8; 10] = [0x2A, 0, 0, 0, 0, 0, 0, 0, 1, 0];

    fn nexus(name: &str) -> Nexus {
        Nexus {
            id: 1,
            initiator: name.to_owned(),
            isid: [0; 6],
            target: 0,
        }
    }

    fn out(action: u8, kind: u8) -> [u8; 10] {
        [0x5F, action, kind, 0, 0, 0, 0, 0, 24, 0]
    }

    const KEY: [u8; 24] = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    fn pass(gate: &mut Gate, who: &str, cdb: &[u8], data: &[u8]) -> Result<(), u8> {
        let passage = gate
            .ask(UNIT, &nexus(who), cdb, data)
            .map_err(|refused| refused.status)?;
        gate.ended(UNIT, passage, true);
        Ok(())
    }

    #[test]
    fn a_second_registration_is_refused_and_the_second_kept_out() {
        let mut gate = Gate::default();
        pass(&mut gate, "a", &out(0, 0), &KEY).unwrap();
        let refused = gate.ask(UNIT, &nexus("b"), &out(6, 0), &KEY).unwrap_err();
        assert_eq!(
            (refused.sense[2], refused.sense[12], refused.sense[13]),
            (5, 0x55, 4)
        );
        // Registered, but nothing is reserved yet.
        pass(&mut gate, "b", &WRITE, &[]).unwrap();
        pass(&mut gate, "a", &out(1, 1), &KEY).unwrap();
        assert_eq!(pass(&mut gate, "b", &WRITE, &[]), Err(RESERVATION_CONFLICT));
        pass(&mut gate, "b", &READ, &[]).unwrap();
        pass(&mut gate, "a", &WRITE, &[]).unwrap();
        assert_eq!(pass(&mut gate, "b", &out(2, 1), &KEY), Err(RESERVATION_CONFLICT));
        pass(&mut gate, "a", &out(2, 1), &KEY).unwrap();
        pass(&mut gate, "b", &WRITE, &[]).unwrap();
    }

    #[test]
    fn exclusive_access_denies_reads_but_not_inquiry() {
        let mut gate = Gate::default();
        pass(&mut gate, "a", &out(0, 0), &KEY).unwrap();
        pass(&mut gate, "a", &out(1, 3), &KEY).unwrap();
        assert_eq!(pass(&mut gate, "b", &READ, &[]), Err(RESERVATION_CONFLICT));
        pass(&mut gate, "b", &[0x12, 0, 0, 0, 36, 0], &[]).unwrap();
        pass(&mut gate, "a", &out(0, 0), &[0; 24]).unwrap();
        pass(&mut gate, "b", &READ, &[]).unwrap();
    }

    #[test]
    fn what_fails_changes_nothing() {
        let mut gate = Gate::default();
        let passage = gate.ask(UNIT, &nexus("a"), &out(0, 0), &KEY).unwrap();
        gate.ended(UNIT, passage, false);
        pass(&mut gate, "b", &out(0, 0), &KEY).unwrap();
    }

    #[test]
    fn an_owner_that_is_gone_can_be_replaced() {
        let mut gate = Gate::default();
        pass(&mut gate, "a", &out(0, 0), &KEY).unwrap();
        pass(&mut gate, "a", &out(1, 1), &KEY).unwrap();
        gate.closed(&nexus("a"));
        // Its reservation holds all the same.
        assert_eq!(pass(&mut gate, "b", &WRITE, &[]), Err(RESERVATION_CONFLICT));
        pass(&mut gate, "b", &out(6, 0), &KEY).unwrap();
        pass(&mut gate, "b", &WRITE, &[]).unwrap();
    }
}
