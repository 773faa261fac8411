//! A disk in memory for the workloads' own tests, made to misbehave on demand.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
    time::Instant,
};

use super::{
    disk::{Buffer, BufferError, Command, Disk, Function, Reset},
    status::Sense,
};
use crate::{
    abi::srb::status as srb,
    model::{Address, Limits, Outcome, ResetOutcome},
};

/// What the disk does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Defect {
    /// Nothing.
    #[default]
    None,
    /// One write in ten goes to the wrong block.
    Misdirects,
    /// One write in ten is acknowledged and lost.
    Loses,
    /// One read in ten does not move its last block.
    FallsShort,
    /// Reads report one block less than they moved.
    Miscounts,
    /// The bus reset leaves its requests in flight.
    LeavesBehind,
    /// Unknown commands succeed.
    AcceptsAll,
    /// Reads beyond the end succeed.
    NoEnd,
    /// INQUIRY reports response data format 0.
    OldInquiry,
    /// READ CAPACITY(10) and (16) differ.
    TwoSizes,
    /// VPD page 83h has a designator that runs over its end.
    LongDesignator,
    /// The mode page is a byte short.
    ShortModePage,
    /// VPD page 00h lists a page that is refused.
    ListsTooMuch,
    /// Every write fails with a medium error.
    MediumError,
}

#[derive(Debug, Clone)]
pub(crate) struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Buffer for Bytes {
    fn write(&self, offset: usize, data: &[u8]) {
        self.0.lock().expect("buffer")[offset..offset + data.len()].copy_from_slice(data);
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        let end = offset + out.len();
        out.copy_from_slice(&self.0.lock().expect("buffer")[offset..end]);
    }

    fn fill(&self, byte: u8) {
        self.0.lock().expect("buffer").fill(byte);
    }
}

type Done = Box<dyn FnOnce(Outcome) + Send>;

pub(crate) struct MemoryDisk(Arc<Medium>);

struct Medium {
    block: u32,
    bytes: Mutex<Vec<u8>>,
    defect: Defect,
    pending: Mutex<VecDeque<(Command<Bytes>, Done)>>,
    count: AtomicU32,
    began: Instant,
}

fn good(transferred: usize) -> Outcome {
    let transferred = u32::try_from(transferred).expect("small");
    Outcome {
        srb_status: srb::SUCCESS,
        scsi_status: 0,
        sense: Vec::new(),
        transferred,
        elapsed: Duration::ZERO,
    }
}

fn check(sense: Sense) -> Outcome {
    let sense = vec![0x72, sense.key, sense.code, sense.qualifier, 0, 0, 0, 0];
    Outcome {
        srb_status: srb::ERROR,
        scsi_status: 2,
        sense,
        transferred: 0,
        elapsed: Duration::ZERO,
    }
}

impl MemoryDisk {
    /// A disk whose reads and writes are done by a thread of its own, a little later.
    pub(crate) fn new(blocks: usize, block: u32, defect: Defect) -> Self {
        let medium = Arc::new(Medium {
            block,
            bytes: Mutex::new(vec![0; blocks * block as usize]),
            defect,
            pending: Mutex::default(),
            count: AtomicU32::new(0),
            began: Instant::now(),
        });
        let theirs = Arc::downgrade(&medium);
        thread::spawn(move || {
            while let Some(medium) = theirs.upgrade() {
                let next = medium.pending.lock().expect("pending").pop_front();
                if let Some((command, done)) = next {
                    done(medium.perform(&command));
                } else {
                    drop(medium);
                    thread::sleep(Duration::from_micros(100));
                }
            }
        });
        Self(medium)
    }

    pub(crate) fn image(&self) -> Vec<u8> {
        self.0.bytes.lock().expect("medium").clone()
    }
}

impl Medium {
    fn blocks(&self) -> u64 {
        self.bytes.lock().expect("medium").len() as u64 / u64::from(self.block)
    }

    fn one_in_ten(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) % 10 == 9
    }

    fn perform(&self, command: &Command<Bytes>) -> Outcome {
        let cdb = &command.cdb;
        if command.unit.lun != 0 {
            return Outcome {
                srb_status: 0x20,
                ..good(0)
            };
        }
        let answer = match cdb[0] {
            0x00 | 0x1b | 0x35 => return good(0),
            0x28 | 0x2a => {
                let lba = u32::from_be_bytes(cdb[2..6].try_into().expect("4")).into();
                return self.transfer(
                    command,
                    lba,
                    u16::from_be_bytes(cdb[7..9].try_into().expect("2")).into(),
                );
            }
            0x88 | 0x8a => {
                let lba = u64::from_be_bytes(cdb[2..10].try_into().expect("8"));
                return self.transfer(
                    command,
                    lba,
                    u32::from_be_bytes(cdb[10..14].try_into().expect("4")),
                );
            }
            0x42 | 0x93 => return self.zero(command),
            0x12 => self.inquiry(cdb),
            0xa0 => Some(vec![0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            0x25 => {
                let blocks = self.blocks() - u64::from(self.defect == Defect::TwoSizes);
                let last = u32::try_from(blocks - 1).expect("small");
                Some([last.to_be_bytes(), self.block.to_be_bytes()].concat())
            }
            0x9e => {
                let mut data = (self.blocks() - 1).to_be_bytes().to_vec();
                data.extend(self.block.to_be_bytes());
                data.resize(32, 0);
                Some(data)
            }
            0x1a | 0x5a => {
                let page = self.mode_page();
                let length = u8::try_from(page.len()).expect("small");
                let header = if cdb[0] == 0x1a {
                    vec![3 + length, 0, 0, 0]
                } else {
                    vec![0, 6 + length, 0, 0, 0, 0, 0, 0]
                };
                Some([header, page].concat())
            }
            _ if self.defect == Defect::AcceptsAll => return good(0),
            _ => return check(super::status::INVALID_OPCODE),
        };
        let Some(answer) = answer else {
            return check(super::status::INVALID_FIELD);
        };
        let buffer = command.buffer.as_ref().expect("a buffer");
        let length = answer.len().min(buffer.0.lock().expect("buffer").len());
        buffer.write(0, &answer[..length]);
        good(length)
    }

    fn mode_page(&self) -> Vec<u8> {
        let mut page = vec![0; 20 - usize::from(self.defect == Defect::ShortModePage)];
        page[..3].copy_from_slice(&[8, 0x12, 4]);
        page
    }

    fn inquiry(&self, cdb: &[u8]) -> Option<Vec<u8>> {
        if cdb[1] == 0 {
            if cdb[2] != 0 {
                return None;
            }
            let mut data = vec![
                0,
                0,
                6,
                if self.defect == Defect::OldInquiry { 0 } else { 2 },
                31,
                0,
                0,
                2,
            ];
            data.extend(b"LAB     MEMORY DISK     1.0 ");
            return Some(data[..data.len().min(cdb[4].into())].to_vec());
        }
        let mut body = match cdb[2] {
            0x00 if self.defect == Defect::ListsTooMuch => vec![0x00, 0x80, 0x83, 0xb2],
            0x00 => vec![0x00, 0x80, 0x83, 0xb0],
            0x80 => b"SERIAL".to_vec(),
            0x83 => {
                let length = if self.defect == Defect::LongDesignator {
                    9
                } else {
                    8
                };
                vec![1, 2, 0, length, 1, 2, 3, 4, 5, 6, 7, 8]
            }
            0xb0 => vec![0; 0x3c],
            _ => return None,
        };
        let mut data = vec![0, cdb[2], 0, u8::try_from(body.len()).expect("small")];
        data.append(&mut body);
        Some(data)
    }

    /// UNMAP of one descriptor, WRITE SAME of a block: what is unmapped reads as zeroes.
    fn zero(&self, command: &Command<Bytes>) -> Outcome {
        let buffer = command.buffer.as_ref().expect("a buffer");
        let mut data = vec![
            0;
            if command.cdb[0] == 0x42 {
                24
            } else {
                self.block as usize
            }
        ];
        buffer.read(0, &mut data);
        let (range, block) = if command.cdb[0] == 0x42 {
            (&data[8..20], vec![0; self.block as usize])
        } else {
            (&command.cdb[2..14], data.clone())
        };
        let lba = u64::from_be_bytes(range[..8].try_into().expect("8"));
        let count = u32::from_be_bytes(range[8..].try_into().expect("4"));
        let end = lba.checked_add(count.into()).filter(|end| *end <= self.blocks());
        let Some(end) = end else {
            return check(super::status::LBA_OUT_OF_RANGE);
        };
        let [start, end] = [lba, end].map(|lba| usize::try_from(lba).expect("small") * block.len());
        let mut bytes = self.bytes.lock().expect("medium");
        for place in bytes[start..end].chunks_exact_mut(block.len()) {
            place.copy_from_slice(&block);
        }
        good(data.len())
    }

    fn transfer(&self, command: &Command<Bytes>, mut lba: u64, blocks: u32) -> Outcome {
        let end = lba.checked_add(blocks.into()).filter(|end| *end <= self.blocks());
        if end.is_none() {
            return if self.defect == Defect::NoEnd {
                good(0)
            } else {
                check(super::status::LBA_OUT_OF_RANGE)
            };
        }
        let buffer = command.buffer.as_ref().expect("a buffer");
        let mut length = blocks as usize * self.block as usize;
        let mut data = vec![0; length];
        if matches!(command.cdb[0], 0x2a | 0x8a) {
            match self.defect {
                Defect::MediumError => {
                    return check(Sense {
                        key: 3,
                        code: 0x0c,
                        qualifier: 0,
                    });
                }
                Defect::Loses if self.one_in_ten() => return good(length),
                Defect::Misdirects if self.one_in_ten() => lba = lba.saturating_sub(1),
                _ => {}
            }
            buffer.read(0, &mut data);
            let start = usize::try_from(lba).expect("small") * self.block as usize;
            self.bytes.lock().expect("medium")[start..start + length].copy_from_slice(&data);
            return good(length);
        }
        let start = usize::try_from(lba).expect("small") * self.block as usize;
        data.copy_from_slice(&self.bytes.lock().expect("medium")[start..start + length]);
        if self.defect == Defect::FallsShort && self.one_in_ten() {
            data.truncate(length - self.block as usize);
        }
        buffer.write(0, &data);
        if self.defect == Defect::Miscounts {
            length -= self.block as usize;
        }
        good(length)
    }
}

impl Disk for MemoryDisk {
    type Buffer = Bytes;

    fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    fn wait(&self, timeout: Duration, ready: &mut dyn FnMut() -> bool) -> bool {
        let deadline = self.now().saturating_add(timeout);
        loop {
            if ready() {
                return true;
            }
            if self.now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_micros(100));
        }
    }

    fn buffer(&self, length: usize) -> Result<Bytes, BufferError> {
        Ok(Bytes(Arc::new(Mutex::new(vec![0; length]))))
    }

    fn submit(&self, command: Command<Bytes>, done: Done) {
        if matches!(command.cdb[0], 0x28 | 0x2a | 0x88 | 0x8a) {
            self.0.pending.lock().expect("pending").push_back((command, done));
        } else {
            done(self.0.perform(&command));
        }
    }

    fn function(&self, _function: Function, _unit: Address) -> Outcome {
        good(0)
    }

    fn submit_reset(&self, _reset: Reset, done: Box<dyn FnOnce(bool) + Send>) {
        done(self.reset_bus(0).success);
    }

    fn reset_bus(&self, _path: u8) -> ResetOutcome {
        let pending = std::mem::take(&mut *self.0.pending.lock().expect("pending"));
        let count = pending.len();
        let left_behind = if self.0.defect == Defect::LeavesBehind {
            count
        } else {
            0
        };
        for (_, done) in pending {
            done(Outcome {
                srb_status: srb::BUS_RESET,
                ..good(0)
            });
        }
        ResetOutcome {
            success: true,
            completed: count,
            left_behind,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            max_transfer: 256 << 10,
            buses: 1,
            targets: 1,
            luns: 2,
            ..Limits::default()
        }
    }

    fn processors(&self) -> u32 {
        2
    }
}
