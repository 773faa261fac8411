//! Log pages and asynchronous events (Base 1.4, 5.14 and 5.2).

use std::collections::VecDeque;

use crate::{
    Memory,
    command::{Answer, Command},
    controller::Controller,
    features::ASYNC_EVENT_CONFIGURATION,
    status::Status,
    transfer,
};

const ERROR: u8 = 0x01;
const HEALTH: u8 = 0x02;
const FIRMWARE_SLOT: u8 = 0x03;
const CHANGED_NAMESPACES: u8 = 0x04;
const RESERVATION_NOTIFICATION: u8 = 0x80;
const SANITIZE_STATUS: u8 = 0x81;

/// Event requests that the controller takes: AERL + 1.
const MOST_REQUESTS: usize = 4;
/// Entries of the changed namespace list.
const MOST_CHANGED: usize = 1024;
/// Namespace attribute notices, in the event configuration.
const NAMESPACE_NOTICES: u32 = 1 << 8;

/// An asynchronous event: type, information, the log page that clears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    kind: u8,
    information: u8,
    page: u8,
}

impl Event {
    /// Namespace attributes changed.
    pub(crate) const NAMESPACES: Self = Self {
        kind: 2,
        information: 0,
        page: CHANGED_NAMESPACES,
    };

    /// A sanitize operation has ended: I/O command set specific (figure 149).
    pub(crate) const SANITIZED: Self = Self {
        kind: 6,
        information: 1,
        page: SANITIZE_STATUS,
    };

    /// An invalid doorbell (information 0 or 1).
    pub(crate) const fn doorbell(information: u8) -> Self {
        Self {
            kind: 0,
            information,
            page: ERROR,
        }
    }

    /// SMART: a critical warning.
    pub(crate) const fn health(information: u8) -> Self {
        Self {
            kind: 1,
            information,
            page: HEALTH,
        }
    }

    fn result(self) -> u32 {
        u32::from(self.kind) | u32::from(self.information) << 8 | u32::from(self.page) << 16
    }
}

/// Events and who waits for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events {
    /// Command identifiers of the event requests.
    requests: VecDeque<u16>,
    pending: VecDeque<Event>,
    /// Pages whose event was told and that were not read since: no event of that type meanwhile.
    masked: Vec<u8>,
    changed: Vec<u32>,
    too_many_changed: bool,
}

/// What the health log tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    pub(crate) critical_warning: u8,
    pub(crate) read_blocks: u64,
    pub(crate) written_blocks: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) power_cycles: u64,
    pub(crate) unsafe_shutdowns: u64,
    pub(crate) media_errors: u64,
}

impl Controller {
    /// Asynchronous Event Request. `None`: it stays outstanding.
    pub(crate) fn async_event_request(&mut self, command: &Command) -> Option<Answer> {
        if self.events.requests.len() >= MOST_REQUESTS {
            return Some(Status::EVENT_LIMIT.into());
        }
        self.events.requests.push_back(command.command_id());
        self.deliver_events();
        None
    }

    /// Takes an event request away, for Abort.
    pub(crate) fn abort_event_request(&mut self, command_id: u16) -> bool {
        let before = self.events.requests.len();
        self.events.requests.retain(|request| *request != command_id);
        self.events.requests.len() != before
    }

    /// Tells an event as soon as there is a request for it.
    pub(crate) fn notify(&mut self, event: Event) {
        if !self.events.pending.contains(&event) {
            self.events.pending.push_back(event);
        }
        self.deliver_events();
    }

    /// A namespace came, went or changed.
    pub(crate) fn namespace_changed(&mut self, id: u32) {
        if !self.events.changed.contains(&id) {
            if self.events.changed.len() < MOST_CHANGED {
                self.events.changed.push(id);
            } else {
                self.events.too_many_changed = true;
            }
        }
        self.notify(Event::NAMESPACES);
    }

    /// A critical warning of the health log begins.
    pub(crate) fn warn(&mut self, bit: u8) {
        self.health.critical_warning |= 1 << bit;
        // 0 reliability, 1 temperature, 2 spare below threshold.
        let information = match bit {
            0 => 2,
            1 => 1,
            _ => 0,
        };
        if self.features.get(ASYNC_EVENT_CONFIGURATION) & 1 << bit != 0 {
            self.notify(Event::health(information));
        }
    }

    pub(crate) fn deliver_events(&mut self) {
        let notices = self.features.get(ASYNC_EVENT_CONFIGURATION) & NAMESPACE_NOTICES != 0;
        let mut at = 0;
        while at < self.events.pending.len() {
            let event = self.events.pending[at];
            let silent = event == Event::NAMESPACES && !notices;
            if silent || self.events.masked.contains(&event.kind) {
                at += 1;
                continue;
            }
            let Some(command_id) = self.events.requests.pop_front() else {
                return;
            };
            self.events.pending.remove(at);
            self.events.masked.push(event.kind);
            self.complete(0, command_id, Answer::success(event.result()), &[]);
        }
    }

    /// A reset: requests and events are forgotten.
    pub(crate) fn forget_events(&mut self) {
        let changed = std::mem::take(&mut self.events.changed);
        self.events = Events {
            changed,
            too_many_changed: self.events.too_many_changed,
            ..Events::default()
        };
    }

    pub(crate) fn get_log_page(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let page = command.dword(10).to_le_bytes()[0];
        let retain = command.dword(10) & 1 << 15 != 0;
        let dwords = u64::from(command.dword(10) >> 16) | u64::from(command.dword(11) & 0xffff) << 16;
        let offset = u64::from(command.dword(12)) | u64::from(command.dword(13)) << 32;
        let data = match page {
            // No error was logged: one entry of zeroes.
            // Nor is a reservation told: there is one host.
            ERROR | RESERVATION_NOTIFICATION => vec![0; 64],
            HEALTH => self.health_page(),
            FIRMWARE_SLOT => self.firmware.page(),
            SANITIZE_STATUS if self.config.management => {
                self.sanitize.page(self.now(), self.config.sanitize_time)
            }
            CHANGED_NAMESPACES => self.changed_page(retain),
            _ => return Err(Status::INVALID_LOG_PAGE),
        };
        if offset % 4 != 0 || offset > data.len() as u64 {
            return Err(Status::INVALID_FIELD);
        }
        let length = 4 * (dwords + 1);
        let segments = transfer::segments(memory, command, length)?;
        // What is asked for beyond the page reads as zeroes.
        let mut answer = data[usize::try_from(offset).unwrap_or(0)..].to_vec();
        answer.resize(usize::try_from(length.min(1 << 20)).unwrap_or(0), 0);
        transfer::to_host(memory, &segments, &answer)?;
        if !retain {
            let kind = match page {
                ERROR => 0,
                HEALTH => 1,
                SANITIZE_STATUS => Event::SANITIZED.kind,
                _ => 2,
            };
            self.events.masked.retain(|masked| *masked != kind);
        }
        Ok(Answer::success(0))
    }

    /// Figure 194.
    fn health_page(&self) -> Vec<u8> {
        let health = &self.health;
        let mut data = vec![0; 512];
        data[0] = health.critical_warning;
        data[1..3].copy_from_slice(&313_u16.to_le_bytes());
        data[3] = 100;
        data[4] = 10;
        // Data units are thousands of 512-byte blocks, rounded up.
        let units = |blocks: u64| blocks.div_ceil(1000).to_le_bytes();
        data[32..40].copy_from_slice(&units(health.read_blocks));
        data[48..56].copy_from_slice(&units(health.written_blocks));
        data[64..72].copy_from_slice(&health.reads.to_le_bytes());
        data[80..88].copy_from_slice(&health.writes.to_le_bytes());
        data[112..120].copy_from_slice(&health.power_cycles.to_le_bytes());
        data[144..152].copy_from_slice(&health.unsafe_shutdowns.to_le_bytes());
        data[160..168].copy_from_slice(&health.media_errors.to_le_bytes());
        data
    }

    fn changed_page(&mut self, retain: bool) -> Vec<u8> {
        let mut data = vec![0; 4096];
        if self.events.too_many_changed {
            data[0..4].fill(0xff);
        } else {
            self.events.changed.sort_unstable();
            for (place, id) in data.chunks_exact_mut(4).zip(&self.events.changed) {
                place.copy_from_slice(&id.to_le_bytes());
            }
        }
        if !retain {
            self.events.changed.clear();
            self.events.too_many_changed = false;
        }
        data
    }
}
