//! Logical units: which namespace stands behind which LUN.
//!
//! LUN n is the namespace with NSID n + 1, so that a unit keeps its number whatever comes and goes beside it.

use nvme_core::namespace::{MAX_NAMESPACES, NamespaceInfo};
use scsi_nvme::{LunSet, Namespace};
use storport::{cell::Late, srb::Address};
use zerocopy::FromZeros;

/// Logical units of the one target.
pub(crate) const MAX_UNITS: u8 = 64;

/// The namespaces as StartIo sees them. All zeroes: no unit.
#[derive(FromZeros)]
pub(crate) struct Units {
    namespaces: [NamespaceInfo; MAX_NAMESPACES],
    luns: Late<LunSet>,
}

/// LUN of a namespace, if it has one.
fn lun_of(namespace: &NamespaceInfo) -> Option<u8> {
    let lun = u8::try_from(namespace.id.0.checked_sub(1)?).ok()?;
    (lun < MAX_UNITS && namespace.is_online()).then_some(lun)
}

impl Units {
    /// Takes the namespaces of a finished scan. True if a unit came, went or changed.
    pub(crate) fn replace(&mut self, namespaces: impl Iterator<Item = NamespaceInfo>) -> bool {
        let mut changed = false;
        let rest = core::iter::repeat(NamespaceInfo::VACANT);
        for (place, namespace) in self.namespaces.iter_mut().zip(namespaces.chain(rest)) {
            changed |= *place != namespace;
            *place = namespace;
        }
        self.luns.put(self.namespaces.iter().filter_map(lun_of).collect());
        changed
    }

    /// The namespace behind a unit's address.
    pub(crate) fn get(&self, unit: Address) -> Option<Namespace> {
        if unit.path != 0 || unit.target != 0 {
            return None;
        }
        self.of_lun(unit.lun)
    }

    /// The namespace of a LUN.
    pub(crate) fn of_lun(&self, lun: u8) -> Option<Namespace> {
        let info = self
            .namespaces
            .iter()
            .find(|namespace| lun_of(namespace) == Some(lun))?;
        let mut namespace = Namespace::new(info.id, info.blocks, info.block_shift)?;
        namespace.eui64 = info.eui64;
        namespace.nguid = info.nguid;
        namespace.write_protected = info.write_protected;
        namespace.thin_provisioned = info.thin_provisioned;
        namespace.deallocated_reads_zero = info.deallocated_reads_zero;
        namespace.reservation_capabilities = info.reservation_capabilities;
        namespace.formatted = info.formatted;
        Some(namespace)
    }

    /// The units that exist.
    pub(crate) fn luns(&self) -> LunSet {
        self.luns.get().copied().unwrap_or_default()
    }
}
