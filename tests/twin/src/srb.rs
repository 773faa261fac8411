//! Fields of a `STORAGE_REQUEST_BLOCK`, as the inline functions of srbhelper.h read them: the driver asks for this form
//! only.

use wdk_sys::{SRBEX_DATA_PNP, SRBEX_DATA_SCSI_CDB16, STOR_ADDR_BTL8, STORAGE_REQUEST_BLOCK};

pub type Srb = *mut STORAGE_REQUEST_BLOCK;

pub const FUNCTION_EXECUTE_SCSI: u32 = 0x00;
pub const FUNCTION_RESET_BUS: u32 = 0x12;
pub const FUNCTION_FLUSH: u32 = 0x08;
pub const FUNCTION_SHUTDOWN: u32 = 0x07;
pub const FUNCTION_POWER: u32 = 0x24;
pub const FUNCTION_PNP: u32 = 0x25;

pub const STATUS_SUCCESS: u8 = 0x01;
pub const STATUS_ERROR: u8 = 0x04;
pub const STATUS_BUSY: u8 = 0x05;
pub const STATUS_INVALID_REQUEST: u8 = 0x06;
pub const STATUS_NO_DEVICE: u8 = 0x08;
pub const STATUS_BUS_RESET: u8 = 0x0E;
const STATUS_AUTOSENSE_VALID: u8 = 0x80;

const FLAGS_DISABLE_AUTOSENSE: u32 = 0x20;
pub const FLAGS_DATA_IN: u32 = 0x40;
pub const FLAGS_DATA_OUT: u32 = 0x80;

const DATA_CDB16: i32 = 0x40;
const DATA_CDB32: i32 = 0x41;
const DATA_PNP: i32 = 0x62;

/// `SrbGetSrbExDataByType` for the two forms of CDB: the fields that are used lie at the same places.
#[inline]
pub unsafe fn scsi(srb: Srb) -> *mut SRBEX_DATA_SCSI_CDB16 {
    find(srb, |kind| kind == DATA_CDB16 || kind == DATA_CDB32).cast()
}

pub unsafe fn pnp(srb: Srb) -> *mut SRBEX_DATA_PNP {
    find(srb, |kind| kind == DATA_PNP).cast()
}

#[inline]
unsafe fn find(srb: Srb, wanted: impl Fn(i32) -> bool) -> *mut u8 {
    let offsets = (&raw const (*srb).SrbExDataOffset).cast::<u32>();
    for index in 0..(*srb).NumSrbExData as usize {
        let offset = offsets.add(index).read();
        if (offset as usize) < size_of::<STORAGE_REQUEST_BLOCK>() || offset >= (*srb).SrbLength {
            continue;
        }
        let data = srb.cast::<u8>().add(offset as usize);
        if wanted(data.cast::<i32>().read()) {
            return data;
        }
    }
    core::ptr::null_mut()
}

/// The CDB where it lies.
#[inline]
pub unsafe fn cdb<'a>(srb: Srb) -> &'a [u8] {
    let data = scsi(srb);
    if data.is_null() {
        return &[];
    }
    let length = usize::from((*data).CdbLength);
    core::slice::from_raw_parts((&raw const (*data).Cdb).cast(), length)
}

/// Path, target and LUN.
#[inline]
pub unsafe fn address(srb: Srb) -> (u8, u8, u8) {
    let address = srb
        .cast::<u8>()
        .add((*srb).AddressOffset as usize)
        .cast::<STOR_ADDR_BTL8>();
    ((*address).Path, (*address).Target, (*address).Lun)
}

#[inline]
pub unsafe fn set_success(srb: Srb, transferred: u32) {
    (*srb).DataTransferLength = transferred;
    if (*srb).SrbFunction == FUNCTION_EXECUTE_SCSI {
        let data = scsi(srb);
        if !data.is_null() {
            (*data).ScsiStatus = 0;
        }
    }
    (*srb).SrbStatus = STATUS_SUCCESS;
}

pub unsafe fn set_status(srb: Srb, status: u8) {
    if status != STATUS_BUSY {
        (*srb).DataTransferLength = 0;
    }
    (*srb).SrbStatus = status;
}

pub unsafe fn set_scsi_error(srb: Srb, outcome: &scsi_nvme::Outcome) {
    let mut status = STATUS_ERROR;
    let data = scsi(srb);
    if !data.is_null() {
        (*data).ScsiStatus = outcome.status.0;
        let buffer = (*data).SenseInfoBuffer.cast::<u8>();
        if let Some(sense) = outcome.sense
            && !buffer.is_null()
            && (*srb).SrbFlags & FLAGS_DISABLE_AUTOSENSE == 0
        {
            let sense = sense.to_fixed();
            let length = sense.len().min(usize::from((*data).SenseInfoBufferLength));
            buffer.copy_from_nonoverlapping(sense.as_ptr(), length);
            status |= STATUS_AUTOSENSE_VALID;
        }
    }
    (*srb).DataTransferLength = 0;
    (*srb).SrbStatus = status;
}
