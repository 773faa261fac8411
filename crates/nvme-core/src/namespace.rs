//! The namespaces of a controller, each at a place of its own that it keeps for as long as it exists, so that the
//! place can serve as its LUN.

use nvme::NamespaceId;
use nvme::identify::{IdentifyNamespace, LbaFormatError, NamespaceIdentifiers};
use zerocopy::FromZeros;

/// Places in a table. Namespaces past them are not shown.
pub const MAX_NAMESPACES: usize = 64;

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub enum NamespaceState {
    /// Nothing.
    Vacant = 0,
    /// A namespace that is listed, but was not identified yet.
    Pending,
    /// A namespace that can be used.
    Online,
    /// A namespace that exists but cannot be used; see [`NamespaceInfo::hidden`].
    Hidden,
}

/// Why a namespace is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub enum Hidden {
    /// It is shown, or there is none.
    No = 0,
    /// The format index lies outside the table of formats.
    FormatIndex,
    /// The block size is not 512 to 4096 bytes.
    BlockSize,
    /// Blocks carry metadata: a buffer of blocks alone would not be what the controller transfers.
    Metadata,
    /// End-to-end protection information is in use.
    Protection,
    /// Size and block size exceed 64 bits of bytes.
    Capacity,
    /// It belongs to another command set (zoned, key value).
    CommandSet,
    /// Identify Namespace failed.
    IdentifyFailed,
}

/// One namespace. All zeroes is a vacant place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(C)]
pub struct NamespaceInfo {
    /// NSID.
    pub id: NamespaceId,
    /// What this place holds.
    pub state: NamespaceState,
    /// Why it is hidden.
    pub hidden: Hidden,
    /// LBADS: blocks are 2^`block_shift` bytes; 9 to 12 if online.
    pub block_shift: u8,
    /// Write protected (NSATTR).
    pub write_protected: bool,
    /// Size in blocks; at least 1 if online, and the size in bytes fits 64 bits.
    pub blocks: u64,
    /// NOIOB, optimal I/O boundary in blocks, 0 if not reported.
    pub optimal_io_boundary: u16,
    /// Thin provisioned.
    pub thin_provisioned: bool,
    /// Deallocated blocks read as zeroes.
    pub deallocated_reads_zero: bool,
    /// RESCAP: the reservations that it can have; 0: none.
    pub reservation_capabilities: u8,
    /// FLBAS, the format that it has.
    pub formatted: u8,
    /// EUI64, zero if there is none.
    pub eui64: [u8; 8],
    /// NGUID, zero if there is none.
    pub nguid: [u8; 16],
    /// UUID, zero if there is none.
    pub uuid: [u8; 16],
    /// Whether the scan under way has found it.
    listed: bool,
    /// Whether the scan under way has identified it.
    identified: bool,
}

impl NamespaceInfo {
    /// A vacant place.
    pub const VACANT: Self = Self {
        id: NamespaceId::NONE,
        state: NamespaceState::Vacant,
        hidden: Hidden::No,
        block_shift: 0,
        write_protected: false,
        blocks: 0,
        optimal_io_boundary: 0,
        thin_provisioned: false,
        deallocated_reads_zero: false,
        reservation_capabilities: 0,
        formatted: 0,
        eui64: [0; 8],
        nguid: [0; 16],
        uuid: [0; 16],
        listed: false,
        identified: false,
    };

    /// Whether it can be used for I/O.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.state, NamespaceState::Online)
    }

    /// Checks an Identify Namespace answer. `None` if the namespace is inactive.
    fn identified(id: NamespaceId, view: IdentifyNamespace<'_>) -> Option<Self> {
        if view.size_blocks() == 0 {
            return None;
        }
        let mut info = Self {
            id,
            state: NamespaceState::Online,
            blocks: view.size_blocks(),
            write_protected: view.is_write_protected(),
            optimal_io_boundary: view.optimal_io_boundary(),
            thin_provisioned: view.is_thin_provisioned(),
            deallocated_reads_zero: view.deallocated_reads_zero(),
            reservation_capabilities: view.reservation_capabilities(),
            formatted: view.formatted(),
            eui64: view.eui64().unwrap_or_default(),
            nguid: view.nguid().unwrap_or_default(),
            listed: true,
            identified: true,
            ..Self::VACANT
        };
        match view.format() {
            Err(LbaFormatError::IndexOutOfRange { .. }) => info.hide(Hidden::FormatIndex),
            Err(LbaFormatError::BlockSize { .. }) => info.hide(Hidden::BlockSize),
            Ok(format) => {
                info.block_shift = format.block_shift;
                if format.block_shift > 12 {
                    info.hide(Hidden::BlockSize);
                } else if format.metadata_bytes != 0 {
                    info.hide(Hidden::Metadata);
                } else if view.protection_type() != 0 {
                    info.hide(Hidden::Protection);
                } else if info.blocks > u64::MAX.wrapping_shr(u32::from(format.block_shift)) {
                    info.hide(Hidden::Capacity);
                }
            }
        }
        Some(info)
    }

    fn hide(&mut self, why: Hidden) {
        self.state = NamespaceState::Hidden;
        self.hidden = why;
    }
}

/// Which places a scan changed, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
#[repr(C)]
pub struct NamespaceChanges {
    /// A namespace that can be used appeared.
    pub added: u64,
    /// A namespace that could be used is gone or hidden now.
    pub removed: u64,
    /// A namespace stayed, with another size, format or identity.
    pub changed: u64,
    /// Namespaces for which no place was left.
    pub ignored: u32,
}

impl NamespaceChanges {
    /// Whether nothing changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added == 0 && self.removed == 0 && self.changed == 0
    }
}

/// The namespaces by place. All zeroes is an empty table. Belongs to whoever steps the control machine.
#[derive(Clone, Debug, FromZeros)]
#[repr(C)]
pub struct NamespaceTable {
    places: [NamespaceInfo; MAX_NAMESPACES],
    /// What the scan learns about the place it is at, until it is complete.
    staged: NamespaceInfo,
    changes: NamespaceChanges,
}

impl NamespaceTable {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            places: [NamespaceInfo::VACANT; MAX_NAMESPACES],
            staged: NamespaceInfo::VACANT,
            changes: NamespaceChanges {
                added: 0,
                removed: 0,
                changed: 0,
                ignored: 0,
            },
        }
    }

    /// The namespace at a place, unless it is vacant.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&NamespaceInfo> {
        self.places
            .get(place)
            .filter(|info| !matches!(info.state, NamespaceState::Vacant))
    }

    /// Whether there is at most one namespace, those that cannot be used among them.
    #[must_use]
    #[inline(never)]
    pub fn is_alone(&self) -> bool {
        let is_there = |info: &&NamespaceInfo| !matches!(info.state, NamespaceState::Vacant);
        self.places.iter().filter(is_there).nth(1).is_none() && self.changes.ignored == 0
    }

    /// The places with a namespace that can be used, ascending.
    pub fn online(&self) -> impl Iterator<Item = (usize, &NamespaceInfo)> {
        self.places
            .iter()
            .enumerate()
            .filter(|(_, info)| info.is_online())
    }

    /// What the last scan changed.
    #[must_use]
    pub const fn last_changes(&self) -> NamespaceChanges {
        self.changes
    }

    /// Begins a scan.
    pub(crate) fn begin_scan(&mut self) {
        self.changes = NamespaceChanges::default();
        self.staged = NamespaceInfo::VACANT;
        for info in &mut self.places {
            info.listed = false;
            info.identified = false;
        }
    }

    /// Notes that the scan found `id`: at its place, or at the first vacant one.
    pub(crate) fn list(&mut self, id: NamespaceId) {
        let known =
            |info: &&mut NamespaceInfo| info.id == id && !matches!(info.state, NamespaceState::Vacant);
        if let Some(info) = self.places.iter_mut().find(known) {
            info.listed = true;
            return;
        }
        let vacant = |info: &&mut NamespaceInfo| matches!(info.state, NamespaceState::Vacant);
        if let Some(info) = self.places.iter_mut().find(vacant) {
            *info = NamespaceInfo {
                id,
                state: NamespaceState::Pending,
                listed: true,
                ..NamespaceInfo::VACANT
            };
        } else {
            self.changes.ignored = self.changes.ignored.saturating_add(1);
        }
    }

    /// The next place that was listed and not identified.
    pub(crate) fn next_to_identify(&self) -> Option<(u8, NamespaceId)> {
        (0_u8..)
            .zip(&self.places)
            .find(|(_, info)| info.listed && !info.identified)
            .map(|(place, info)| (place, info.id))
    }

    /// Takes the answer of Identify Namespace for a place, to be committed; `None` if the command failed in a way that
    /// does not mean that the namespace is gone.
    pub(crate) fn identify(&mut self, place: u8, answer: Option<&[u8; nvme::identify::IDENTIFY_SIZE]>) {
        let Some(info) = self.places.get(usize::from(place)) else {
            return;
        };
        let id = info.id;
        let failed = NamespaceInfo {
            id,
            state: NamespaceState::Hidden,
            hidden: Hidden::IdentifyFailed,
            listed: true,
            identified: true,
            ..NamespaceInfo::VACANT
        };
        self.staged = match answer {
            Some(bytes) => {
                NamespaceInfo::identified(id, IdentifyNamespace::new(bytes)).unwrap_or(NamespaceInfo::VACANT)
            }
            None => failed,
        };
    }

    /// Takes the identification descriptors of the namespace that is to be committed.
    pub(crate) fn describe(&mut self, identifiers: &NamespaceIdentifiers) {
        let info = &mut self.staged;
        info.uuid = identifiers.uuid.unwrap_or_default();
        if let Some(eui64) = identifiers.eui64 {
            info.eui64 = eui64;
        }
        if let Some(nguid) = identifiers.nguid {
            info.nguid = nguid;
        }
        if info.is_online() && identifiers.command_set.is_some_and(|set| set != 0) {
            info.hide(Hidden::CommandSet);
        }
    }

    /// Forgets that the scan found what a place holds: the namespace has gone since it was listed.
    pub(crate) fn unlist(&mut self, place: u8) {
        if let Some(info) = self.places.get_mut(usize::from(place)) {
            info.listed = false;
            info.identified = true;
        }
    }

    /// Whether what is to be committed is a namespace at all.
    pub(crate) const fn is_staged(&self) -> bool {
        !matches!(self.staged.state, NamespaceState::Vacant)
    }

    /// Commits what was identified at a place and notes what it changes.
    pub(crate) fn commit(&mut self, place: u8) {
        if matches!(self.staged.state, NamespaceState::Vacant) {
            self.unlist(place);
            return;
        }
        let Some(info) = self.places.get_mut(usize::from(place)) else {
            return;
        };
        let before = NamespaceInfo {
            listed: true,
            identified: true,
            ..*info
        };
        let bit = 1_u64.wrapping_shl(u32::from(place));
        match (before.is_online(), self.staged.is_online()) {
            (false, true) => self.changes.added |= bit,
            (true, false) => self.changes.removed |= bit,
            (true, true) if before != self.staged => self.changes.changed |= bit,
            _ => {}
        }
        *info = self.staged;
        self.staged = NamespaceInfo::VACANT;
    }

    /// Ends a scan: what was not found is gone.
    pub(crate) fn end_scan(&mut self) -> NamespaceChanges {
        for (place, info) in (0_u32..).zip(&mut self.places) {
            if info.listed || matches!(info.state, NamespaceState::Vacant) {
                continue;
            }
            if info.is_online() {
                self.changes.removed |= 1_u64.wrapping_shl(place);
            }
            *info = NamespaceInfo::VACANT;
        }
        self.changes
    }
}

impl Default for NamespaceTable {
    fn default() -> Self {
        Self::new()
    }
}
