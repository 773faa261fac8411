//! The requests: what right drivers do with them. SPC-4 and SBC-3 as far as a disk in memory needs them.

use wdk_sys::SCSI_PNP_REQUEST_BLOCK;

use crate::animal::{Adapter, Animal, BLOCK, BLOCKS, HELD, Srb};

/// `SRB_STATUS_*`.
pub mod status {
    pub const PENDING: u8 = 0x00;
    pub const SUCCESS: u8 = 0x01;
    pub const ERROR: u8 = 0x04;
    pub const BUSY: u8 = 0x05;
    pub const INVALID_REQUEST: u8 = 0x06;
    pub const NO_DEVICE: u8 = 0x08;
    pub const BUS_RESET: u8 = 0x0E;
    pub const DATA_OVERRUN: u8 = 0x12;
    pub const AUTOSENSE_VALID: u8 = 0x80;
}

/// `SRB_FUNCTION_*`.
pub mod function {
    pub const EXECUTE_SCSI: u8 = 0x00;
    pub const SHUTDOWN: u8 = 0x07;
    pub const FLUSH: u8 = 0x08;
    pub const RESET_BUS: u8 = 0x12;
    pub const RESET_DEVICE: u8 = 0x13;
    pub const RESET_LOGICAL_UNIT: u8 = 0x20;
    pub const POWER: u8 = 0x24;
    pub const PNP: u8 = 0x25;
}

/// SCSI status CHECK CONDITION.
pub const CHECK_CONDITION: u8 = 0x02;

/// Operation codes.
pub mod opcode {
    pub const TEST_UNIT_READY: u8 = 0x00;
    pub const INQUIRY: u8 = 0x12;
    pub const START_STOP_UNIT: u8 = 0x1B;
    pub const READ_CAPACITY: u8 = 0x25;
    pub const READ: u8 = 0x28;
    pub const WRITE: u8 = 0x2A;
    pub const SYNCHRONIZE_CACHE: u8 = 0x35;
    pub const READ_16: u8 = 0x88;
    pub const WRITE_16: u8 = 0x8A;
    pub const SERVICE_ACTION_IN_16: u8 = 0x9E;
    pub const REPORT_LUNS: u8 = 0xA0;
    /// The zoo's own: the disk keeps the request until a reset, a stop or the removal.
    pub const HOLD: u8 = 0xC5;
}

const PNP_REMOVE: i64 = 2;
const SRB_PNP_FLAGS_ADAPTER_REQUEST: u32 = 1;

const INQUIRY: [u8; 36] = *b"\0\0\x06\x02\x1f\0\0\x02FERROPRTZoo             1.0 ";
const PAGES: [u8; 6] = [0, 0, 0, 2, 0, 0x83];
const DESIGNATORS: [u8; 24] = *b"\0\x83\0\x14\x02\x01\0\x10FERROPRT00000001";
const LUNS: [u8; 16] = [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const INVALID_COMMAND: (u8, u8) = (0x05, 0x20);
const OUT_OF_RANGE: (u8, u8) = (0x05, 0x21);
const INVALID_FIELD: (u8, u8) = (0x05, 0x24);

/// The requests of `HwStorStartIo`.
pub unsafe fn start<A: Animal>(adapter: *mut Adapter, srb: Srb) {
    match (*srb).Function {
        function::EXECUTE_SCSI => execute::<A>(adapter, srb),
        function::RESET_LOGICAL_UNIT | function::RESET_DEVICE | function::RESET_BUS => {
            if A::reset(adapter) {
                finish::<A>(adapter, srb, status::SUCCESS);
            } else {
                finish::<A>(adapter, srb, status::ERROR);
            }
        }
        function::PNP => {
            let pnp = srb.cast::<SCSI_PNP_REQUEST_BLOCK>();
            if i64::from((*pnp).PnPAction) == PNP_REMOVE
                && (*pnp).SrbPnPFlags & SRB_PNP_FLAGS_ADAPTER_REQUEST != 0
            {
                release::<A>(adapter, status::NO_DEVICE);
                A::remove(adapter);
            }
            finish::<A>(adapter, srb, status::SUCCESS);
        }
        function::FLUSH | function::SHUTDOWN | function::POWER => finish::<A>(adapter, srb, status::SUCCESS),
        _ => finish::<A>(adapter, srb, status::INVALID_REQUEST),
    }
}

/// Completes a request without data.
pub unsafe fn finish<A: Animal>(adapter: *mut Adapter, srb: Srb, srb_status: u8) {
    (*srb).DataTransferLength = 0;
    (*srb).SrbStatus = srb_status;
    A::complete(adapter, srb);
}

/// Keeps a request; no room is BUSY.
pub unsafe fn hold<A: Animal>(adapter: *mut Adapter, srb: Srb) {
    for index in 0..HELD {
        let slot = (&raw mut (*adapter).held).cast::<Srb>().add(index);
        if (*slot).is_null() {
            *slot = srb;
            return;
        }
    }
    (*srb).SrbStatus = status::BUSY;
    A::complete(adapter, srb);
}

/// Gives back what is held.
pub unsafe fn release<A: Animal>(adapter: *mut Adapter, srb_status: u8) {
    for index in 0..HELD {
        let slot = (&raw mut (*adapter).held).cast::<Srb>().add(index);
        let srb = core::mem::take(&mut *slot);
        if !srb.is_null() {
            finish::<A>(adapter, srb, srb_status);
        }
    }
}

/// Completes a request with data: as much as there is room for.
pub unsafe fn answer<A: Animal>(adapter: *mut Adapter, srb: Srb, data: *const u8, length: usize) {
    let length = length.min((*srb).DataTransferLength as usize);
    let buffer = (*srb).DataBuffer.cast::<u8>();
    for index in 0..length {
        buffer.add(index).write_volatile(data.add(index).read());
    }
    #[allow(clippy::cast_possible_truncation)]
    {
        (*srb).DataTransferLength = length as u32;
    }
    (*srb).SrbStatus = status::SUCCESS;
    A::complete(adapter, srb);
}

/// Completes a request with CHECK CONDITION and sense data in fixed format.
pub unsafe fn fail<A: Animal>(adapter: *mut Adapter, srb: Srb, sense: (u8, u8)) {
    let mut data = [0_u8; 18];
    data[0] = 0x70;
    data[2] = sense.0;
    data[7] = 10;
    data[12] = sense.1;
    (*srb).DataTransferLength = 0;
    (*srb).ScsiStatus = CHECK_CONDITION;
    (*srb).SrbStatus = status::ERROR;
    let buffer = (*srb).SenseInfoBuffer.cast::<u8>();
    if !buffer.is_null() {
        let length = data.len().min(usize::from((*srb).SenseInfoBufferLength));
        buffer.copy_from_nonoverlapping(data.as_ptr(), length);
        (*srb).SrbStatus |= status::AUTOSENSE_VALID;
    }
    A::complete(adapter, srb);
}

unsafe fn execute<A: Animal>(adapter: *mut Adapter, srb: Srb) {
    if (*srb).PathId != 0 || (*srb).TargetId != 0 || (*srb).Lun != 0 {
        return finish::<A>(adapter, srb, status::NO_DEVICE);
    }
    let cdb = (*srb).Cdb;
    match cdb[0] {
        opcode::TEST_UNIT_READY => {
            if !(*adapter).tricked {
                (*adapter).tricked = true;
                A::trick(adapter, srb);
            }
            finish::<A>(adapter, srb, status::SUCCESS);
        }
        opcode::START_STOP_UNIT | opcode::SYNCHRONIZE_CACHE => finish::<A>(adapter, srb, status::SUCCESS),
        opcode::INQUIRY => match (cdb[1], cdb[2]) {
            (0, 0) => answer::<A>(
                adapter,
                srb,
                INQUIRY.as_ptr(),
                INQUIRY.len().min(usize::from(cdb[4])),
            ),
            (1, 0) => answer::<A>(adapter, srb, PAGES.as_ptr(), PAGES.len().min(usize::from(cdb[4]))),
            (1, 0x83) => {
                answer::<A>(
                    adapter,
                    srb,
                    DESIGNATORS.as_ptr(),
                    DESIGNATORS.len().min(usize::from(cdb[4])),
                );
            }
            _ => fail::<A>(adapter, srb, INVALID_FIELD),
        },
        opcode::SERVICE_ACTION_IN_16 if cdb[1] & 0x1F == 0x10 => {
            let mut data = [0_u8; 32];
            data[..8].copy_from_slice(&(BLOCKS as u64 - 1).to_be_bytes());
            #[allow(clippy::cast_possible_truncation)]
            data[8..12].copy_from_slice(&(BLOCK as u32).to_be_bytes());
            answer::<A>(adapter, srb, data.as_ptr(), data.len());
        }
        opcode::READ_CAPACITY => {
            #[allow(clippy::cast_possible_truncation)]
            let (last, block) = ((BLOCKS as u32 - 1).to_be_bytes(), (BLOCK as u32).to_be_bytes());
            let data = [
                last[0], last[1], last[2], last[3], block[0], block[1], block[2], block[3],
            ];
            answer::<A>(adapter, srb, data.as_ptr(), data.len());
        }
        opcode::REPORT_LUNS => answer::<A>(adapter, srb, LUNS.as_ptr(), LUNS.len()),
        opcode::READ | opcode::WRITE | opcode::READ_16 | opcode::WRITE_16 => transfer::<A>(adapter, srb),
        opcode::HOLD => hold::<A>(adapter, srb),
        _ => fail::<A>(adapter, srb, INVALID_COMMAND),
    }
}

/// First block and number of blocks.
fn place(cdb: &[u8; 16]) -> (u64, u64) {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    if cdb[0] == opcode::READ || cdb[0] == opcode::WRITE {
        (number(&cdb[2..6]), number(&cdb[7..9]))
    } else {
        (number(&cdb[2..10]), number(&cdb[10..14]))
    }
}

unsafe fn transfer<A: Animal>(adapter: *mut Adapter, srb: Srb) {
    let cdb = (*srb).Cdb;
    let (first, count) = place(&cdb);
    if first.saturating_add(count) > BLOCKS as u64
        || count * BLOCK as u64 > u64::from((*srb).DataTransferLength)
    {
        return fail::<A>(adapter, srb, OUT_OF_RANGE);
    }
    #[allow(clippy::cast_possible_truncation)]
    let (first, count) = (first as usize, count as usize);
    let disk = (&raw mut (*adapter).blocks).cast::<u8>().add(first * BLOCK);
    if matches!(cdb[0], opcode::READ | opcode::READ_16) {
        return answer::<A>(adapter, srb, disk, count * BLOCK);
    }
    let buffer = (*srb).DataBuffer.cast::<u8>();
    for index in 0..count * BLOCK {
        disk.add(index).write(buffer.add(index).read_volatile());
    }
    #[allow(clippy::cast_possible_truncation)]
    {
        (*srb).DataTransferLength = (count * BLOCK) as u32;
    }
    (*srb).SrbStatus = status::SUCCESS;
    A::complete(adapter, srb);
}
