//! Reading and writing the fields of an SRB of either form.

use core::{ffi::c_void, ptr::NonNull};

use wdk_sys::{
    SCSI_REQUEST_BLOCK, SRBEX_DATA_BIDIRECTIONAL, SRBEX_DATA_IO_INFO, SRBEX_DATA_PNP, SRBEX_DATA_POWER,
    SRBEX_DATA_SCSI_CDB_VAR, SRBEX_DATA_SCSI_CDB16, SRBEX_DATA_SCSI_CDB32, SRBEX_DATA_WMI, STOR_ADDR_BTL8,
    STORAGE_REQUEST_BLOCK,
};

use super::{
    classic::{ClassicPnp, ClassicPower, ClassicWmi},
    extended::{self, Element},
    fields::{IoInformation, Power, Wmi},
    function::{Function, PnpAction},
};

const SRB_FUNCTION_STORAGE_REQUEST_BLOCK: u8 = 0x28;
const SRB_FUNCTION_EXECUTE_SCSI: u32 = 0x00;
const SRB_FUNCTION_PNP: u32 = 0x25;
const SRB_SIGNATURE: u32 = 0x5352_4258;
const STOR_ADDRESS_TYPE_BTL8: u16 = 1;
const SRB_FLAGS_DISABLE_AUTOSENSE: u32 = 0x20;
const SRB_FLAGS_DATA_IN: u32 = 0x40;
const SRB_FLAGS_DATA_OUT: u32 = 0x80;
/// `SRB_PNP_FLAGS_ADAPTER_REQUEST`, `SRB_POWER_FLAGS_ADAPTER_REQUEST`, `SRB_WMI_FLAGS_ADAPTER_REQUEST`.
const ADAPTER_REQUEST: u32 = 1;

/// What a [`Cdb`] holds of a CDB.
const MAX_CDB: usize = 32;

/// What a PNP SRB asks for.
pub(super) struct Pnp {
    pub(super) action: PnpAction,
    pub(super) adapter: bool,
}

/// Path, target, logical unit (`STOR_ADDR_BTL8`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Path (bus).
    pub path: u8,
    /// Target.
    pub target: u8,
    /// Logical unit.
    pub lun: u8,
}

/// A copy of an SRB's CDB.
#[derive(Debug, Clone, Copy)]
pub struct Cdb {
    bytes: [u8; MAX_CDB],
    length: u8,
    whole: bool,
}

impl Cdb {
    /// The CDB's bytes, the first 32 of them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// Whether these are all: a CDB of variable length may be longer
    /// ([`Fields::read_cdb`](super::Fields::read_cdb)).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

/// Direction of the data phase, seen from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// No data.
    None,
    /// From the device.
    In,
    /// To the device.
    Out,
    /// Both bits set.
    Both,
}

/// An SRB of either form.
///
/// # Invariants
/// `Classic` and `Extended` point to a valid SRB of that form that the miniport owns at present; for
/// `Extended` the signature was checked.
#[derive(Clone, Copy)]
pub(crate) enum View {
    Classic(NonNull<SCSI_REQUEST_BLOCK>),
    Extended(NonNull<STORAGE_REQUEST_BLOCK>),
}

/// Reads one field through a pointer that the view's invariant makes valid.
macro_rules! field {
    ($pointer:expr, $field:ident) => {{
        // SAFETY: the view's invariant: the SRB is valid and ours.
        unsafe { (*$pointer.as_ptr()).$field }
    }};
}

/// Writes one field through a pointer that the view's invariant makes valid.
macro_rules! set_field {
    ($pointer:expr, $($field:ident).+, $value:expr) => {{
        let value = $value;
        // SAFETY: the view's invariant: the SRB is valid and ours.
        unsafe { (*$pointer.as_ptr()).$($field).+ = value };
    }};
}

impl View {
    /// Tells the form of the SRB at `srb`; `None` for NULL and for an extended SRB without its signature.
    ///
    /// # Safety
    /// `srb` is NULL or an SRB that the port driver handed to the miniport, and the miniport still owns it.
    pub(crate) unsafe fn new(srb: *mut c_void) -> Option<Self> {
        let classic = NonNull::new(srb.cast::<SCSI_REQUEST_BLOCK>())?;
        if field!(classic, Function) != SRB_FUNCTION_STORAGE_REQUEST_BLOCK {
            return Some(Self::Classic(classic));
        }
        let extended = classic.cast::<STORAGE_REQUEST_BLOCK>();
        (field!(extended, Signature) == SRB_SIGNATURE).then_some(Self::Extended(extended))
    }

    #[inline]
    pub(crate) fn is_extended(self) -> bool {
        matches!(self, Self::Extended(_))
    }

    #[inline]
    pub(crate) fn pointer(self) -> *mut c_void {
        match self {
            Self::Classic(srb) => srb.as_ptr().cast(),
            Self::Extended(srb) => srb.as_ptr().cast(),
        }
    }

    pub(crate) fn function(self) -> Function {
        self.function_code().into()
    }

    /// `SRB_FUNCTION_*` as it stands there.
    #[inline]
    fn function_code(self) -> u32 {
        match self {
            Self::Classic(srb) => u32::from(field!(srb, Function)),
            Self::Extended(srb) => field!(srb, SrbFunction),
        }
    }

    /// `SRB_FUNCTION_EXECUTE_SCSI`, as most are.
    #[inline]
    pub(crate) fn executes_scsi(self) -> bool {
        self.function_code() == SRB_FUNCTION_EXECUTE_SCSI
    }

    /// `SRB_FUNCTION_PNP`.
    #[inline]
    pub(super) fn is_pnp(self) -> bool {
        self.function_code() == SRB_FUNCTION_PNP
    }

    #[inline]
    pub(crate) fn address(self) -> Option<Address> {
        match self {
            Self::Classic(srb) => Some(Address {
                path: field!(srb, PathId),
                target: field!(srb, TargetId),
                lun: field!(srb, Lun),
            }),
            Self::Extended(srb) => {
                let offset = field!(srb, AddressOffset);
                if !extended::address_fits(field!(srb, SrbLength), offset) {
                    return None;
                }
                // SAFETY: the offset lies within the SRB.
                let address = unsafe { srb.byte_add(offset as usize) }.cast::<STOR_ADDR_BTL8>();
                // SAFETY: the address lies within the SRB, as just checked; no alignment is assumed.
                let address = unsafe { address.read_unaligned() };
                (address.Type == STOR_ADDRESS_TYPE_BTL8).then_some(Address {
                    path: address.Path,
                    target: address.Target,
                    lun: address.Lun,
                })
            }
        }
    }

    pub(crate) fn flags(self) -> u32 {
        match self {
            Self::Classic(srb) => field!(srb, SrbFlags),
            Self::Extended(srb) => field!(srb, SrbFlags),
        }
    }

    pub(crate) fn direction(self) -> Direction {
        match self.flags() & (SRB_FLAGS_DATA_IN | SRB_FLAGS_DATA_OUT) {
            SRB_FLAGS_DATA_IN => Direction::In,
            SRB_FLAGS_DATA_OUT => Direction::Out,
            0 => Direction::None,
            _ => Direction::Both,
        }
    }

    /// Bytes of the input buffer of a bidirectional request.
    pub(crate) fn data_in_length(self) -> Option<u32> {
        let Self::Extended(srb) = self else {
            return None;
        };
        let element = Self::element(srb, &[extended::BIDIRECTIONAL])?;
        let data = Self::at::<SRBEX_DATA_BIDIRECTIONAL>(srb, element)?;
        Some(field!(data, DataInTransferLength))
    }

    pub(crate) fn data_transfer_length(self) -> u32 {
        match self {
            Self::Classic(srb) => field!(srb, DataTransferLength),
            Self::Extended(srb) => field!(srb, DataTransferLength),
        }
    }

    pub(crate) fn set_data_transfer_length(self, length: u32) {
        match self {
            Self::Classic(srb) => set_field!(srb, DataTransferLength, length),
            Self::Extended(srb) => set_field!(srb, DataTransferLength, length),
        }
    }

    pub(super) fn timeout(self) -> u32 {
        match self {
            Self::Classic(srb) => field!(srb, TimeOutValue),
            Self::Extended(srb) => field!(srb, TimeOutValue),
        }
    }

    pub(super) fn tag(self) -> u32 {
        match self {
            Self::Classic(srb) => u32::from(field!(srb, QueueTag)),
            Self::Extended(srb) => field!(srb, RequestTag),
        }
    }

    pub(super) fn task_attribute(self) -> u16 {
        match self {
            Self::Classic(srb) => u16::from(field!(srb, QueueAction)),
            Self::Extended(srb) => field!(srb, RequestAttribute),
        }
    }

    pub(super) fn priority(self) -> Option<u16> {
        match self {
            Self::Classic(_) => None,
            Self::Extended(srb) => Some(field!(srb, RequestPriority)),
        }
    }

    pub(crate) fn set_srb_status(self, status: u8) {
        match self {
            Self::Classic(srb) => set_field!(srb, SrbStatus, status),
            Self::Extended(srb) => set_field!(srb, SrbStatus, status),
        }
    }

    pub(crate) fn data_buffer(self) -> *mut u8 {
        match self {
            Self::Classic(srb) => field!(srb, DataBuffer).cast(),
            Self::Extended(srb) => field!(srb, DataBuffer).cast(),
        }
    }

    /// The SRB extension: `SrbExtension` or `MiniportContext`.
    pub(crate) fn extension(self) -> *mut u8 {
        match self {
            Self::Classic(srb) => field!(srb, SrbExtension).cast(),
            Self::Extended(srb) => field!(srb, MiniportContext).cast(),
        }
    }

    /// The element of a CDB of 16 bytes, if it is the first one, as it is in most requests.
    #[inline]
    fn usual_element(srb: NonNull<STORAGE_REQUEST_BLOCK>) -> Option<NonNull<SRBEX_DATA_SCSI_CDB16>> {
        const SIZE: u32 = {
            assert!(size_of::<SRBEX_DATA_SCSI_CDB16>() <= 64);
            #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
            {
                size_of::<SRBEX_DATA_SCSI_CDB16>() as u32
            }
        };
        let (length, count) = (field!(srb, SrbLength), field!(srb, NumSrbExData));
        let offset = extended::first(length, count, extended::SCSI_CDB16, SIZE, |offset| {
            // SAFETY: `first` reads only within SrbLength.
            let word = unsafe { srb.byte_add(offset as usize) }.cast::<u32>();
            // SAFETY: as above; no alignment is assumed.
            unsafe { word.read_unaligned() }
        })?;
        // SAFETY: the element lies within the SRB and is long enough.
        Some(unsafe { srb.byte_add(offset as usize) }.cast())
    }

    /// The element with the SCSI status: the three forms keep it at the same place.
    #[inline]
    fn scsi_element(srb: NonNull<STORAGE_REQUEST_BLOCK>) -> Option<NonNull<SRBEX_DATA_SCSI_CDB16>> {
        Self::usual_element(srb).or_else(|| {
            Self::element(srb, &SCSI).and_then(|element| Self::at::<SRBEX_DATA_SCSI_CDB16>(srb, element))
        })
    }

    /// A copy of a CDB of at most 16 bytes and its length, if it lies where it does in most requests; the SCSI status
    /// beside it is made GOOD.
    #[inline]
    pub(super) fn begin_usual(self) -> Option<([u8; 16], usize)> {
        let (source, length) = match self {
            Self::Classic(srb) => {
                set_field!(srb, ScsiStatus, 0);
                // SAFETY: the view's invariant.
                let source = unsafe { &raw const (*srb.as_ptr()).Cdb };
                (source.cast::<[u8; 16]>(), field!(srb, CdbLength))
            }
            Self::Extended(srb) => {
                let data = Self::usual_element(srb)?;
                set_field!(data, ScsiStatus, 0);
                // SAFETY: the element is whole.
                let source = unsafe { &raw const (*data.as_ptr()).Cdb };
                (source.cast::<[u8; 16]>(), field!(data, CdbLength))
            }
        };
        // SAFETY: 16 bytes lie in the SRB; no alignment is assumed.
        let bytes = unsafe { source.read_unaligned() };
        Some((bytes, usize::from(length).min(16)))
    }

    #[cold]
    #[inline(never)]
    fn element(srb: NonNull<STORAGE_REQUEST_BLOCK>, wanted: &[u32]) -> Option<Element> {
        extended::find(
            field!(srb, SrbLength),
            field!(srb, NumSrbExData),
            wanted,
            |offset| {
                // SAFETY: `find` reads only within SrbLength.
                let word = unsafe { srb.byte_add(offset as usize) }.cast::<u32>();
                // SAFETY: as above; no alignment is assumed.
                unsafe { word.read_unaligned() }
            },
        )
    }

    fn at<T>(srb: NonNull<STORAGE_REQUEST_BLOCK>, element: Element) -> Option<NonNull<T>> {
        if (element.length as usize).saturating_add(8) < size_of::<T>() {
            return None;
        }
        // SAFETY: the element lies within the SRB and is long enough for a T.
        Some(unsafe { srb.byte_add(element.offset as usize) }.cast())
    }

    /// Where the CDB lies, how many bytes it has there, and how many lie there in any case.
    fn cdb_place(self) -> Option<(*const u8, usize, usize)> {
        let srb = match self {
            Self::Classic(srb) => {
                // SAFETY: the view's invariant.
                let source = unsafe { &raw const (*srb.as_ptr()).Cdb };
                return Some((source.cast(), usize::from(field!(srb, CdbLength)).min(16), 16));
            }
            Self::Extended(srb) => srb,
        };
        let element = Self::element(srb, &SCSI)?;
        match element.kind {
            extended::SCSI_CDB16 => {
                let data = Self::at::<SRBEX_DATA_SCSI_CDB16>(srb, element)?;
                // SAFETY: the element is whole.
                let source = unsafe { &raw const (*data.as_ptr()).Cdb };
                Some((source.cast(), usize::from(field!(data, CdbLength)).min(16), 16))
            }
            extended::SCSI_CDB32 => {
                let data = Self::at::<SRBEX_DATA_SCSI_CDB32>(srb, element)?;
                // SAFETY: the element is whole.
                let source = unsafe { &raw const (*data.as_ptr()).Cdb };
                Some((source.cast(), usize::from(field!(data, CdbLength)).min(32), 32))
            }
            _ => {
                let data = Self::at::<SRBEX_DATA_SCSI_CDB_VAR>(srb, element)?;
                // SAFETY: the element is whole.
                let source = unsafe { &raw const (*data.as_ptr()).Cdb };
                // Type, Length, the fixed fields and the sense pointer come before the CDB: 32 bytes.
                let room = (element.length as usize).checked_sub(24)?;
                Some((source.cast(), (field!(data, CdbLength) as usize).min(room), room))
            }
        }
    }

    /// Copies the CDB, cut to `target`; its whole length.
    pub(super) fn read_cdb(self, target: &mut [u8]) -> Option<usize> {
        let (source, length, _) = self.cdb_place()?;
        let count = length.min(target.len());
        // SAFETY: `length` bytes of the CDB lie in the SRB, `target` has `count`; they do not overlap.
        unsafe { source.copy_to_nonoverlapping(target.as_mut_ptr(), count) };
        Some(length)
    }

    /// A copy of the CDB; `None` if there is none or it is malformed.
    pub(crate) fn cdb(self) -> Option<Cdb> {
        let (source, length, room) = self.cdb_place()?;
        let mut bytes = [0; MAX_CDB];
        if room == 16 {
            // The common form: what lies behind a shorter CDB is copied, too, and not shown.
            let target = bytes.first_chunk_mut::<16>()?;
            // SAFETY: 16 bytes lie in the SRB; no alignment is assumed.
            *target = unsafe { source.cast::<[u8; 16]>().read_unaligned() };
        } else {
            let count = length.min(MAX_CDB);
            // SAFETY: `length` bytes of the CDB lie in the SRB, `bytes` has `count`; they do not overlap.
            unsafe { source.copy_to_nonoverlapping(bytes.as_mut_ptr(), count) };
        }
        Some(Cdb {
            bytes,
            length: u8::try_from(length.min(MAX_CDB)).ok()?,
            whole: length <= MAX_CDB,
        })
    }

    /// Puts the SCSI status where the form keeps it.
    pub(crate) fn set_scsi_status(self, status: u8) {
        match self {
            Self::Classic(srb) => set_field!(srb, ScsiStatus, status),
            Self::Extended(srb) => {
                if let Some(data) = Self::scsi_element(srb) {
                    set_field!(data, ScsiStatus, status);
                }
            }
        }
    }

    fn sense_buffer(self) -> Option<(NonNull<u8>, usize)> {
        let (buffer, length): (*mut c_void, u8) = match self {
            Self::Classic(srb) => (field!(srb, SenseInfoBuffer), field!(srb, SenseInfoBufferLength)),
            Self::Extended(srb) => {
                let element = Self::element(srb, &SCSI)?;
                if element.kind == extended::SCSI_CDB_VAR {
                    let data = Self::at::<SRBEX_DATA_SCSI_CDB_VAR>(srb, element)?;
                    (field!(data, SenseInfoBuffer), field!(data, SenseInfoBufferLength))
                } else {
                    // CDB16 and CDB32 differ only in the length of the CDB, which comes last.
                    let data = Self::at::<SRBEX_DATA_SCSI_CDB16>(srb, element)?;
                    (field!(data, SenseInfoBuffer), field!(data, SenseInfoBufferLength))
                }
            }
        };
        Some((NonNull::new(buffer.cast())?, usize::from(length)))
    }

    /// Bytes of the sense buffer.
    pub(super) fn sense_capacity(self) -> usize {
        self.sense_buffer().map_or(0, |(_, length)| length)
    }

    /// Puts an NTSTATUS where `SRB_STATUS_INTERNAL_ERROR` has it looked for: `InternalStatus` or `SystemStatus`.
    pub(crate) fn set_internal_status(self, status: u32) {
        match self {
            Self::Classic(srb) => set_field!(srb, __bindgen_anon_1.InternalStatus, status),
            Self::Extended(srb) => set_field!(srb, SystemStatus, status),
        }
    }

    /// Copies sense data, cut to the buffer. True if any was stored; none is if the request does not want it.
    pub(crate) fn set_sense(self, sense: &[u8]) -> bool {
        if self.flags() & SRB_FLAGS_DISABLE_AUTOSENSE != 0 {
            return false;
        }
        let Some((buffer, capacity)) = self.sense_buffer() else {
            return false;
        };
        let length = sense.len().min(capacity);
        if length == 0 {
            return false;
        }
        // SAFETY: the sense buffer has `capacity` bytes, and `sense` is not in it.
        unsafe { sense.as_ptr().copy_to_nonoverlapping(buffer.as_ptr(), length) };
        true
    }

    /// What a PNP SRB asks for.
    pub(super) fn pnp(self) -> Option<Pnp> {
        let (action, flags) = match self {
            Self::Classic(srb) => {
                let pnp = srb.cast::<ClassicPnp>();
                (field!(pnp, action), field!(pnp, flags))
            }
            Self::Extended(srb) => {
                let data = Self::at::<SRBEX_DATA_PNP>(srb, Self::element(srb, &[extended::PNP])?)?;
                (number(field!(data, PnPAction)), field!(data, SrbPnPFlags))
            }
        };
        Some(Pnp {
            action: action.into(),
            adapter: flags & ADAPTER_REQUEST != 0,
        })
    }

    /// What a POWER SRB asks for.
    pub(super) fn power(self) -> Option<Power> {
        let (flags, state, action) = match self {
            Self::Classic(srb) => {
                let power = srb.cast::<ClassicPower>();
                (field!(power, flags), field!(power, state), field!(power, action))
            }
            Self::Extended(srb) => {
                let data = Self::at::<SRBEX_DATA_POWER>(srb, Self::element(srb, &[extended::POWER])?)?;
                let (state, action) = (field!(data, DevicePowerState), field!(data, PowerAction));
                (field!(data, SrbPowerFlags), number(state), number(action))
            }
        };
        Some(Power {
            adapter: u32::from(flags) & ADAPTER_REQUEST != 0,
            state: state.into(),
            action: action.into(),
        })
    }

    /// What a WMI SRB asks for.
    pub(super) fn wmi(self) -> Option<Wmi> {
        let (flags, sub_function) = match self {
            Self::Classic(srb) => {
                let wmi = srb.cast::<ClassicWmi>();
                (field!(wmi, flags), field!(wmi, sub_function))
            }
            Self::Extended(srb) => {
                let data = Self::at::<SRBEX_DATA_WMI>(srb, Self::element(srb, &[extended::WMI])?)?;
                (field!(data, WMIFlags), field!(data, WMISubFunction))
            }
        };
        Some(Wmi {
            adapter: u32::from(flags) & ADAPTER_REQUEST != 0,
            sub_function,
        })
    }

    /// What an extended SRB tells of its read or write.
    pub(super) fn io_information(self) -> Option<IoInformation> {
        let Self::Extended(srb) = self else {
            return None;
        };
        let element = Self::element(srb, &[extended::IO_INFORMATION])?;
        let data = Self::at::<SRBEX_DATA_IO_INFO>(srb, element)?;
        Some(IoInformation {
            flags: field!(data, Flags),
            key: field!(data, Key),
            length: field!(data, RWLength),
            is_write: field!(data, IsWriteRequest) != 0,
            cache_priority: field!(data, CachePriority),
        })
    }
}

/// The elements that hold a CDB.
const SCSI: [u32; 3] = [extended::SCSI_CDB16, extended::SCSI_CDB32, extended::SCSI_CDB_VAR];

/// A C enumeration's value, whichever sign the header's reading gives it.
fn number(value: impl TryInto<u32>) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}

/// Compile-time agreement of the three SCSI elements on what is used of them in common.
const _: () = {
    assert!(
        core::mem::offset_of!(SRBEX_DATA_SCSI_CDB16, ScsiStatus)
            == core::mem::offset_of!(SRBEX_DATA_SCSI_CDB32, ScsiStatus)
    );
    assert!(
        core::mem::offset_of!(SRBEX_DATA_SCSI_CDB16, ScsiStatus)
            == core::mem::offset_of!(SRBEX_DATA_SCSI_CDB_VAR, ScsiStatus)
    );
    assert!(
        core::mem::offset_of!(SRBEX_DATA_SCSI_CDB16, SenseInfoBuffer)
            == core::mem::offset_of!(SRBEX_DATA_SCSI_CDB32, SenseInfoBuffer)
    );
    assert!(core::mem::offset_of!(SRBEX_DATA_SCSI_CDB_VAR, Cdb) == 32);
    assert!(core::mem::size_of::<SRBEX_DATA_POWER>() >= 16);
};
