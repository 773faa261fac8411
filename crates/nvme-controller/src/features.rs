//! Features (Base 1.4, 5.21).

use std::collections::BTreeMap;

use crate::{
    Memory,
    command::{Answer, Command},
    controller::Controller,
    fault::Kind,
    status::Status,
    transfer,
};

const ARBITRATION: u8 = 0x01;
const POWER_MANAGEMENT: u8 = 0x02;
const TEMPERATURE_THRESHOLD: u8 = 0x04;
const ERROR_RECOVERY: u8 = 0x05;
pub(crate) const VOLATILE_WRITE_CACHE: u8 = 0x06;
const NUMBER_OF_QUEUES: u8 = 0x07;
pub(crate) const INTERRUPT_COALESCING: u8 = 0x08;
const INTERRUPT_VECTOR_CONFIGURATION: u8 = 0x09;
const WRITE_ATOMICITY: u8 = 0x0A;
pub(crate) const ASYNC_EVENT_CONFIGURATION: u8 = 0x0B;
const TIMESTAMP: u8 = 0x0E;
const HOST_IDENTIFIER: u8 = 0x81;
const RESERVATION_PERSISTENCE: u8 = 0x83;

/// Features that are a dword and nothing else, and their default.
const PLAIN: [(u8, u32); 9] = [
    (ARBITRATION, 0),
    (POWER_MANAGEMENT, 0),
    // 343 K, over temperature.
    (TEMPERATURE_THRESHOLD, 0x157),
    (ERROR_RECOVERY, 0),
    (VOLATILE_WRITE_CACHE, 1),
    (INTERRUPT_COALESCING, 0),
    (INTERRUPT_VECTOR_CONFIGURATION, 0),
    (WRITE_ATOMICITY, 0),
    (ASYNC_EVENT_CONFIGURATION, 0),
];

/// Values that were set; they do not survive a reset.
#[derive(Debug, Clone, Default)]
pub(crate) struct Features {
    set: BTreeMap<u8, u32>,
    pub(crate) host: u64,
    timestamp: u64,
}

impl Features {
    /// The value of a plain feature.
    pub(crate) fn get(&self, id: u8) -> u32 {
        let default = PLAIN
            .iter()
            .find(|(plain, _)| *plain == id)
            .map_or(0, |(_, value)| *value);
        self.set.get(&id).copied().unwrap_or(default)
    }

    /// A controller reset: the host identifier and the timestamp stay until power is lost.
    pub(crate) fn reset(&mut self) {
        self.set.clear();
    }
}

impl Controller {
    /// Whether writes go to the volatile cache.
    pub(crate) fn caches_writes(&self) -> bool {
        self.config.write_cache && self.features.get(VOLATILE_WRITE_CACHE) & 1 != 0
    }

    pub(crate) fn get_features(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let id = command.dword(10).to_le_bytes()[0];
        // Select: current, default; nothing is saved.
        let select = command.dword(10) >> 8 & 7;
        let defaults = Features::default();
        let features = match select {
            0 => &self.features,
            1 | 2 => &defaults,
            // Capabilities: changeable.
            3 => return Ok(Answer::success(1 << 2)),
            _ => return Err(Status::INVALID_FIELD),
        };
        match id {
            VOLATILE_WRITE_CACHE if !self.config.write_cache => Err(Status::INVALID_FIELD),
            NUMBER_OF_QUEUES => {
                let most = u32::from(self.config.queues - 1);
                Ok(Answer::success(most << 16 | most))
            }
            TIMESTAMP => {
                let mut data = [0; 8];
                data[..6].copy_from_slice(&features.timestamp.to_le_bytes()[..6]);
                let segments = transfer::segments(memory, command, 8)?;
                transfer::to_host(memory, &segments, &data)?;
                Ok(Answer::success(0))
            }
            HOST_IDENTIFIER => {
                // The 64-bit form.
                let segments = transfer::segments(memory, command, 8)?;
                transfer::to_host(memory, &segments, &features.host.to_le_bytes())?;
                Ok(Answer::success(0))
            }
            RESERVATION_PERSISTENCE => {
                let namespace = self.namespace(command.namespace())?;
                Ok(Answer::success(u32::from(namespace.reservations.persists)))
            }
            _ if PLAIN.iter().any(|(plain, _)| *plain == id) => Ok(Answer::success(features.get(id))),
            _ => Err(Status::INVALID_FIELD),
        }
    }

    pub(crate) fn set_features(
        &mut self,
        command: &Command,
        memory: &dyn Memory,
        faults: &[Kind],
    ) -> Result<Answer, Status> {
        let id = command.dword(10).to_le_bytes()[0];
        let value = command.dword(11);
        if command.dword(10) >> 31 != 0 {
            return Err(Status::FEATURE_NOT_SAVEABLE);
        }
        match id {
            VOLATILE_WRITE_CACHE if !self.config.write_cache => Err(Status::INVALID_FIELD),
            VOLATILE_WRITE_CACHE => {
                if value & 1 == 0 {
                    self.flush_all()?;
                }
                self.features.set.insert(id, value & 1);
                Ok(Answer::success(0))
            }
            NUMBER_OF_QUEUES => {
                if self.has_io_queues() {
                    return Err(Status::COMMAND_SEQUENCE);
                }
                let [submission, completion] = [value & 0xffff, value >> 16];
                if submission == 0xffff || completion == 0xffff {
                    return Err(Status::INVALID_FIELD);
                }
                let fewer = faults.iter().find_map(|fault| match fault {
                    Kind::FewerQueues(queues) => Some(*queues),
                    _ => None,
                });
                let granted = fewer.unwrap_or(self.config.queues).min(self.config.queues);
                self.granted_queues = granted;
                let most = u32::from(granted - 1);
                Ok(Answer::success(most << 16 | most))
            }
            TIMESTAMP => {
                let mut data = [0; 8];
                let segments = transfer::segments(memory, command, 8)?;
                transfer::from_host(memory, &segments, &mut data)?;
                self.features.timestamp = u64::from_le_bytes(data) & 0xffff_ffff_ffff;
                Ok(Answer::success(0))
            }
            HOST_IDENTIFIER => {
                if value & 1 != 0 {
                    return Err(Status::INVALID_FIELD);
                }
                let mut data = [0; 8];
                let segments = transfer::segments(memory, command, 8)?;
                transfer::from_host(memory, &segments, &mut data)?;
                self.features.host = u64::from_le_bytes(data);
                Ok(Answer::success(0))
            }
            RESERVATION_PERSISTENCE => {
                let namespace = self.namespace_mut(command.namespace())?;
                namespace.reservations.persists = value & 1 != 0;
                Ok(Answer::success(0))
            }
            POWER_MANAGEMENT if value & 0x1f != 0 => Err(Status::INVALID_FIELD),
            _ if PLAIN.iter().any(|(plain, _)| *plain == id) => {
                self.features.set.insert(id, value);
                Ok(Answer::success(0))
            }
            _ => Err(Status::FEATURE_NOT_CHANGEABLE),
        }
    }
}
