//! Reservations (Base 1.4, 8.8): which host may read and write a namespace.

/// A host, by its Host Identifier.
pub(crate) type Host = u64;

/// Reservation types (figure 408).
const WRITE_EXCLUSIVE: u8 = 1;
const EXCLUSIVE_ACCESS: u8 = 2;
const WRITE_EXCLUSIVE_REGISTRANTS: u8 = 3;
const EXCLUSIVE_ACCESS_REGISTRANTS: u8 = 4;
const WRITE_EXCLUSIVE_ALL: u8 = 5;
const EXCLUSIVE_ACCESS_ALL: u8 = 6;

/// A command is not allowed for this host, or names the wrong key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict;

/// What a command does to the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Registrant {
    host: Host,
    key: u64,
}

/// The reservation state of a namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reservations {
    registrants: Vec<Registrant>,
    /// Type and holder; of the all-registrants types every registrant is one.
    reservation: Option<(u8, Host)>,
    generation: u32,
    /// Whether it survives a power loss.
    pub(crate) persists: bool,
}

const fn is_all_registrants(kind: u8) -> bool {
    matches!(kind, WRITE_EXCLUSIVE_ALL | EXCLUSIVE_ACCESS_ALL)
}

impl Reservations {
    fn key_of(&self, host: Host) -> Option<u64> {
        self.registrants
            .iter()
            .find(|registrant| registrant.host == host)
            .map(|registrant| registrant.key)
    }

    fn holds(&self, host: Host) -> bool {
        match self.reservation {
            Some((kind, _)) if is_all_registrants(kind) => self.key_of(host).is_some(),
            Some((_, holder)) => holder == host,
            None => false,
        }
    }

    /// Whether a host's command is allowed (figure 409).
    pub(crate) fn allows(&self, host: Host, access: Access) -> Result<(), Conflict> {
        let Some((kind, _)) = self.reservation else {
            return Ok(());
        };
        let registered = self.key_of(host).is_some();
        let allowed = self.holds(host)
            || match kind {
                WRITE_EXCLUSIVE => access == Access::Read,
                EXCLUSIVE_ACCESS => false,
                WRITE_EXCLUSIVE_REGISTRANTS | WRITE_EXCLUSIVE_ALL => registered || access == Access::Read,
                EXCLUSIVE_ACCESS_REGISTRANTS | EXCLUSIVE_ACCESS_ALL => registered,
                _ => true,
            };
        allowed.then_some(()).ok_or(Conflict)
    }

    /// Reservation Register, action 0: registers `new`.
    pub(crate) fn register(&mut self, host: Host, new: u64) -> Result<(), Conflict> {
        match self.key_of(host) {
            Some(key) if key != new => return Err(Conflict),
            Some(_) => {}
            None => self.registrants.push(Registrant { host, key: new }),
        }
        self.changed();
        Ok(())
    }

    /// Action 1: the registration ends, and with it a reservation that the host holds.
    pub(crate) fn unregister(&mut self, host: Host, current: u64, ignore_key: bool) -> Result<(), Conflict> {
        let key = self.key_of(host).ok_or(Conflict)?;
        if key != current && !ignore_key {
            return Err(Conflict);
        }
        let held = self.holds(host);
        self.registrants.retain(|registrant| registrant.host != host);
        if let Some((kind, _)) = self.reservation
            && held
            && (!is_all_registrants(kind) || self.registrants.is_empty())
        {
            self.reservation = None;
        }
        self.changed();
        Ok(())
    }

    /// Action 2: another key.
    pub(crate) fn replace(
        &mut self,
        host: Host,
        current: u64,
        new: u64,
        ignore_key: bool,
    ) -> Result<(), Conflict> {
        let known = self.key_of(host);
        if !ignore_key && known != Some(current) {
            return Err(Conflict);
        }
        match self
            .registrants
            .iter_mut()
            .find(|registrant| registrant.host == host)
        {
            Some(registrant) => registrant.key = new,
            // With the key ignored, a host that is not registered becomes so.
            None => self.registrants.push(Registrant { host, key: new }),
        }
        self.changed();
        Ok(())
    }

    /// Reservation Acquire, action 0.
    pub(crate) fn acquire(&mut self, host: Host, current: u64, kind: u8) -> Result<(), Conflict> {
        if self.key_of(host) != Some(current) {
            return Err(Conflict);
        }
        match self.reservation {
            None => self.reservation = Some((kind, host)),
            Some((held, _)) if self.holds(host) && held == kind => {}
            Some(_) => return Err(Conflict),
        }
        Ok(())
    }

    /// Actions 1 and 2: registrants with key `victim` are removed, and the reservation taken if it was theirs.
    pub(crate) fn preempt(
        &mut self,
        host: Host,
        current: u64,
        victim: u64,
        kind: u8,
    ) -> Result<(), Conflict> {
        if self.key_of(host) != Some(current) {
            return Err(Conflict);
        }
        let all = self.reservation.is_some_and(|(held, _)| is_all_registrants(held));
        let holder_key = self.reservation.and_then(|(_, holder)| self.key_of(holder));
        if all && victim == 0 {
            self.registrants.retain(|registrant| registrant.host == host);
            self.reservation = Some((kind, host));
        } else if !all && self.reservation.is_some() && holder_key == Some(victim) {
            self.registrants
                .retain(|registrant| registrant.host == host || registrant.key != victim);
            self.reservation = Some((kind, host));
        } else {
            let before = self.registrants.len();
            self.registrants
                .retain(|registrant| registrant.host == host || registrant.key != victim);
            if self.registrants.len() == before && self.reservation.is_some() {
                return Err(Conflict);
            }
        }
        self.changed();
        Ok(())
    }

    /// Reservation Release, action 0. A host that does not hold it releases nothing, which is no error.
    pub(crate) fn release(&mut self, host: Host, current: u64, kind: u8) -> Result<bool, Conflict> {
        if self.key_of(host) != Some(current) {
            return Err(Conflict);
        }
        if !self.holds(host) {
            return Ok(true);
        }
        match self.reservation {
            Some((held, _)) if held != kind => Ok(false),
            _ => {
                self.reservation = None;
                Ok(true)
            }
        }
    }

    /// Action 1: everything goes.
    pub(crate) fn clear(&mut self, host: Host, current: u64) -> Result<(), Conflict> {
        if self.key_of(host) != Some(current) {
            return Err(Conflict);
        }
        self.registrants.clear();
        self.reservation = None;
        self.changed();
        Ok(())
    }

    fn changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// The reservation status data structure (figure 413) for 64-bit host identifiers.
    pub(crate) fn report(&self) -> Vec<u8> {
        let mut data = vec![0; 24];
        data[0..4].copy_from_slice(&self.generation.to_le_bytes());
        data[4] = self.reservation.map_or(0, |(kind, _)| kind);
        let count = u16::try_from(self.registrants.len()).unwrap_or(u16::MAX);
        data[5..7].copy_from_slice(&count.to_le_bytes());
        data[9] = u8::from(self.persists);
        for registrant in &self.registrants {
            let mut entry = [0; 24];
            // Controller 0 for every host: there is one.
            entry[2] = u8::from(self.holds(registrant.host));
            entry[8..16].copy_from_slice(&registrant.host.to_le_bytes());
            entry[16..24].copy_from_slice(&registrant.key.to_le_bytes());
            data.extend_from_slice(&entry);
        }
        data
    }

    pub(crate) fn lose_power(&mut self) {
        if !self.persists {
            self.registrants.clear();
            self.reservation = None;
            self.generation = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusive_reservation_keeps_others_out() {
        let mut state = Reservations::default();
        state.register(1, 10).unwrap();
        assert_eq!(
            state.acquire(2, 0, EXCLUSIVE_ACCESS),
            Err(Conflict),
            "not registered"
        );
        state.acquire(1, 10, EXCLUSIVE_ACCESS).unwrap();
        assert_eq!(state.allows(2, Access::Read), Err(Conflict));
        assert_eq!(state.allows(1, Access::Write), Ok(()));
        state.register(2, 20).unwrap();
        assert_eq!(
            state.allows(2, Access::Read),
            Err(Conflict),
            "registrants do not count"
        );
        assert_eq!(
            state.release(2, 20, EXCLUSIVE_ACCESS),
            Ok(true),
            "nothing of its own"
        );
        assert_eq!(state.allows(2, Access::Read), Err(Conflict));
        state.preempt(2, 20, 10, WRITE_EXCLUSIVE).unwrap();
        assert_eq!(state.allows(1, Access::Read), Ok(()));
        assert_eq!(state.allows(1, Access::Write), Err(Conflict));
        assert_eq!(state.report()[4], WRITE_EXCLUSIVE);
    }

    #[test]
    fn all_registrants_hold_it_together() {
        let mut state = Reservations::default();
        state.register(1, 10).unwrap();
        state.register(2, 20).unwrap();
        state.acquire(1, 10, WRITE_EXCLUSIVE_ALL).unwrap();
        assert_eq!(state.allows(2, Access::Write), Ok(()));
        state.unregister(1, 10, false).unwrap();
        assert_eq!(
            state.allows(3, Access::Write),
            Err(Conflict),
            "one registrant is left"
        );
        state.unregister(2, 0, true).unwrap();
        assert_eq!(state.allows(3, Access::Write), Ok(()));
    }

    #[test]
    fn what_persists_survives_a_power_loss() {
        let mut state = Reservations::default();
        state.register(1, 10).unwrap();
        state.acquire(1, 10, WRITE_EXCLUSIVE).unwrap();
        state.persists = true;
        state.lose_power();
        assert_eq!(state.allows(2, Access::Write), Err(Conflict));
        state.persists = false;
        state.lose_power();
        assert_eq!(state.allows(2, Access::Write), Ok(()));
    }
}
