//! The NVM command set (Base 1.4, 6).

use crate::{
    Memory,
    command::{Answer, Command, nvm},
    controller::Controller,
    namespace::Namespace,
    reservation::{Access, Conflict},
    status::Status,
    transfer,
};

/// Force Unit Access.
const FUA: u32 = 1 << 30;
/// Ranges of a Dataset Management command, of 16 bytes each.
const RANGE_BYTES: u64 = 16;
/// Deallocate.
const DEALLOCATE: u32 = 1 << 2;

impl From<Conflict> for Status {
    fn from(_: Conflict) -> Self {
        Self::RESERVATION_CONFLICT
    }
}

/// The blocks that a command touches, for fault conditions.
pub(crate) fn blocks_of(command: &Command) -> Option<std::ops::Range<u64>> {
    match command.opcode() {
        nvm::READ
        | nvm::WRITE
        | nvm::COMPARE
        | nvm::WRITE_ZEROES
        | nvm::WRITE_UNCORRECTABLE
        | nvm::VERIFY => {
            let start = command.lba();
            Some(start..start.saturating_add(command.blocks()))
        }
        _ => None,
    }
}

impl Controller {
    /// An attached namespace.
    pub(crate) fn namespace(&self, id: u32) -> Result<&Namespace, Status> {
        self.namespaces
            .get(&id)
            .filter(|namespace| namespace.attached)
            .ok_or(Status::INVALID_NAMESPACE)
    }

    /// An attached namespace.
    pub(crate) fn namespace_mut(&mut self, id: u32) -> Result<&mut Namespace, Status> {
        self.namespaces
            .get_mut(&id)
            .filter(|namespace| namespace.attached)
            .ok_or(Status::INVALID_NAMESPACE)
    }

    /// Executes an I/O command.
    pub(crate) fn execute_io(&mut self, command: &Command, memory: &dyn Memory) -> Answer {
        let answer = match command.opcode() {
            nvm::FLUSH => self.flush(command),
            nvm::READ => self.execute_read(command, memory),
            nvm::WRITE => self.execute_write(command, memory),
            nvm::COMPARE => self.compare(command, memory),
            nvm::WRITE_ZEROES => self.write_zeroes(command),
            nvm::WRITE_UNCORRECTABLE => self.write_uncorrectable(command),
            nvm::VERIFY => self.verify(command),
            nvm::DATASET_MANAGEMENT if self.config.thin => self.dataset_management(command, memory),
            nvm::RESERVATION_REGISTER => self.reservation_register(command, memory),
            nvm::RESERVATION_ACQUIRE => self.reservation_acquire(command, memory),
            nvm::RESERVATION_RELEASE => self.reservation_release(command, memory),
            nvm::RESERVATION_REPORT => self.reservation_report(command, memory),
            _ => Err(Status::INVALID_OPCODE),
        };
        answer.unwrap_or_else(Into::into)
    }

    /// The namespace, after the range, the transfer limit and reservations were checked; bytes of the transfer.
    fn checked(
        &mut self,
        command: &Command,
        access: Access,
        transfers: bool,
    ) -> Result<(&mut Namespace, u64), Status> {
        let (mdts, host) = (self.config.mdts, self.features.host);
        let namespace = self.namespace_mut(command.namespace())?;
        let bytes = command.blocks() << namespace.shift;
        if transfers && mdts != 0 && bytes > 4096 << mdts {
            return Err(Status::INVALID_FIELD);
        }
        namespace.check(command.lba(), command.blocks())?;
        namespace.reservations.allows(host, access)?;
        Ok((namespace, bytes))
    }

    pub(crate) fn flush_all(&mut self) -> Result<(), Status> {
        self.namespaces.values_mut().try_for_each(Namespace::flush)
    }

    fn flush(&mut self, command: &Command) -> Result<Answer, Status> {
        if command.namespace() == u32::MAX {
            self.flush_all()?;
        } else {
            let host = self.features.host;
            let namespace = self.namespace_mut(command.namespace())?;
            namespace.reservations.allows(host, Access::Write)?;
            namespace.flush()?;
        }
        Ok(Answer::success(0))
    }

    fn execute_read(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let mut data = std::mem::take(&mut self.scratch);
        let result = self.read_into(command, memory, &mut data);
        self.scratch = data;
        result
    }

    fn read_into(
        &mut self,
        command: &Command,
        memory: &dyn Memory,
        data: &mut Vec<u8>,
    ) -> Result<Answer, Status> {
        let (namespace, bytes) = self.checked(command, Access::Read, true)?;
        let segments = transfer::segments(memory, command, bytes)?;
        data.resize(usize::try_from(bytes).map_err(|_| Status::INVALID_FIELD)?, 0);
        let result = namespace.read(command.lba(), data);
        let blocks_of_512 = bytes / 512;
        if result.is_err() {
            self.health.media_errors += 1;
        }
        result?;
        self.health.reads += 1;
        self.health.read_blocks += blocks_of_512;
        transfer::to_host(memory, &segments, data)?;
        Ok(Answer::success(0))
    }

    fn execute_write(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let through = !self.caches_writes() || command.dword(12) & FUA != 0;
        let mut data = std::mem::take(&mut self.scratch);
        let result = (|| {
            let (namespace, bytes) = self.checked(command, Access::Write, true)?;
            let segments = transfer::segments(memory, command, bytes)?;
            data.resize(usize::try_from(bytes).map_err(|_| Status::INVALID_FIELD)?, 0);
            transfer::from_host(memory, &segments, &mut data)?;
            namespace.write(command.lba(), &data, through)?;
            self.health.writes += 1;
            self.health.written_blocks += bytes / 512;
            Ok(Answer::success(0))
        })();
        self.scratch = data;
        result
    }

    pub(crate) fn compare(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let (namespace, bytes) = self.checked(command, Access::Read, true)?;
        let segments = transfer::segments(memory, command, bytes)?;
        let length = usize::try_from(bytes).map_err(|_| Status::INVALID_FIELD)?;
        let mut stored = vec![0; length];
        namespace.read(command.lba(), &mut stored)?;
        let mut given = vec![0; length];
        transfer::from_host(memory, &segments, &mut given)?;
        if stored == given {
            Ok(Answer::success(0))
        } else {
            Err(Status::COMPARE_FAILURE)
        }
    }

    fn write_zeroes(&mut self, command: &Command) -> Result<Answer, Status> {
        let through = !self.caches_writes() || command.dword(12) & FUA != 0;
        let (namespace, _) = self.checked(command, Access::Write, false)?;
        namespace.zero(command.lba(), command.blocks(), through)?;
        Ok(Answer::success(0))
    }

    fn write_uncorrectable(&mut self, command: &Command) -> Result<Answer, Status> {
        let (namespace, _) = self.checked(command, Access::Write, false)?;
        namespace.spoil(command.lba(), command.blocks());
        Ok(Answer::success(0))
    }

    fn verify(&mut self, command: &Command) -> Result<Answer, Status> {
        let (namespace, bytes) = self.checked(command, Access::Read, false)?;
        let mut data = vec![0; usize::try_from(bytes).map_err(|_| Status::INVALID_FIELD)?];
        namespace.read(command.lba(), &mut data)?;
        Ok(Answer::success(0))
    }

    fn dataset_management(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let host = self.features.host;
        let count = u64::from(command.dword(10) & 0xff) + 1;
        let through = !self.caches_writes();
        let namespace = self.namespace_mut(command.namespace())?;
        namespace.reservations.allows(host, Access::Write)?;
        let segments = transfer::segments(memory, command, count * RANGE_BYTES)?;
        let mut list = vec![0; usize::try_from(count * RANGE_BYTES).unwrap_or(0)];
        transfer::from_host(memory, &segments, &mut list)?;
        let ranges: Vec<(u64, u64)> = list
            .as_chunks::<16>()
            .0
            .iter()
            .map(|[_, _, _, _, n0, n1, n2, n3, start @ ..]| {
                (
                    u64::from_le_bytes(*start),
                    u64::from(u32::from_le_bytes([*n0, *n1, *n2, *n3])),
                )
            })
            .collect();
        // All or nothing: a bad range is found before anything is deallocated.
        for (start, blocks) in &ranges {
            namespace.check(*start, *blocks)?;
        }
        if command.dword(11) & DEALLOCATE != 0 {
            for (start, blocks) in ranges {
                namespace.zero(start, blocks, through)?;
            }
        }
        Ok(Answer::success(0))
    }

    fn keys<const N: usize>(command: &Command, memory: &dyn Memory) -> Result<[u64; N], Status> {
        let mut bytes = vec![0; 8 * N];
        let segments = transfer::segments(memory, command, 8 * N as u64)?;
        transfer::from_host(memory, &segments, &mut bytes)?;
        let mut keys = [0; N];
        for (key, bytes) in keys.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *key = u64::from_le_bytes(*bytes);
        }
        Ok(keys)
    }

    fn reservation_register(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let [current, new] = Self::keys(command, memory)?;
        let host = self.features.host;
        let ignore = command.dword(10) & 1 << 3 != 0;
        let persistence = command.dword(10) >> 30;
        let action = command.dword(10) & 7;
        let reservations = &mut self.namespace_mut(command.namespace())?.reservations;
        match action {
            0 => reservations.register(host, new)?,
            1 => reservations.unregister(host, current, ignore)?,
            2 => reservations.replace(host, current, new, ignore)?,
            _ => return Err(Status::INVALID_FIELD),
        }
        match persistence {
            2 => reservations.persists = false,
            3 => reservations.persists = true,
            _ => {}
        }
        Ok(Answer::success(0))
    }

    fn reservation_acquire(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let [current, preempted] = Self::keys(command, memory)?;
        let host = self.features.host;
        let kind = command.dword(10).to_le_bytes()[1];
        if !(1..=6).contains(&kind) {
            return Err(Status::INVALID_FIELD);
        }
        let reservations = &mut self.namespace_mut(command.namespace())?.reservations;
        match command.dword(10) & 7 {
            0 => reservations.acquire(host, current, kind)?,
            // There is one controller, so that nothing of another host's is in flight to be aborted.
            1 | 2 => reservations.preempt(host, current, preempted, kind)?,
            _ => return Err(Status::INVALID_FIELD),
        }
        Ok(Answer::success(0))
    }

    fn reservation_release(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let [current] = Self::keys(command, memory)?;
        let host = self.features.host;
        let kind = command.dword(10).to_le_bytes()[1];
        let reservations = &mut self.namespace_mut(command.namespace())?.reservations;
        match command.dword(10) & 7 {
            0 => {
                if !reservations.release(host, current, kind)? {
                    return Err(Status::INVALID_FIELD);
                }
            }
            1 => reservations.clear(host, current)?,
            _ => return Err(Status::INVALID_FIELD),
        }
        Ok(Answer::success(0))
    }

    fn reservation_report(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        // The extended structure is for 128-bit host identifiers.
        if command.dword(11) & 1 != 0 {
            return Err(Status::INVALID_FIELD);
        }
        let length = 4 * (u64::from(command.dword(10)) + 1);
        let mut report = self.namespace(command.namespace())?.reservations.report();
        let segments = transfer::segments(memory, command, length.min(1 << 20))?;
        report.resize(usize::try_from(length.min(1 << 20)).unwrap_or(0), 0);
        transfer::to_host(memory, &segments, &report)?;
        Ok(Answer::success(0))
    }
}
