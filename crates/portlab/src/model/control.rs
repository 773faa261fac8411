//! `HwStorAdapterControl` and `HwStorUnitControl`.

use std::sync::Arc;

use super::{activity::Activity, error::StartError, machine::Machine, request::Address, rules};
use crate::{
    abi::{
        GuestAddress,
        control::{CONTROL_SUCCESS, SupportedControlTypeList, adapter_control, unit_control},
        entry::{Routine, ulong},
        guest,
        srb::{STOR_ADDRESS_TYPE_BTL8, StorAddrBtl8},
    },
    engine::{Irql, SpinLock},
    memory::Request,
};

impl Machine {
    pub(super) fn query_controls(&self) {
        let setup = self.setup();
        let adapter = Routine::new(setup.registration.hw_adapter_control).map_or_else(Vec::new, |routine| {
            let query = Activity::AdapterControl(adapter_control::QUERY_SUPPORTED_CONTROL_TYPES);
            self.query_list(query, routine, setup.extension, adapter_control::MAX)
        });
        if adapter.get(adapter_control::STOP_ADAPTER as usize) != Some(&true) {
            self.violate(&rules::CONTROL_NOT_SUPPORTED, || {
                String::from("ScsiStopAdapter is not supported")
            });
        }
        let unit = Routine::new(setup.registration.hw_unit_control).map_or_else(Vec::new, |routine| {
            let query = Activity::UnitControl(unit_control::QUERY_SUPPORTED_CONTROL_TYPES);
            self.query_list(query, routine, setup.extension, unit_control::MAX)
        });
        self.change_setup(|setup| {
            setup.adapter_controls = adapter;
            setup.unit_controls = unit;
        });
    }

    fn query_list(
        &self,
        activity: Activity,
        routine: Routine,
        extension: GuestAddress,
        count: u32,
    ) -> Vec<bool> {
        let head = size_of::<SupportedControlTypeList>();
        let request = Request::new(head + count as usize, "SCSI_SUPPORTED_CONTROL_TYPE_LIST").zeroed();
        let Some(block) = self.memory.port_pool(&request) else {
            return Vec::new();
        };
        guest::write(
            block.address,
            &SupportedControlTypeList {
                max_control_type: count,
            },
        );
        let status = self.call(
            activity,
            Irql::PASSIVE,
            &[],
            routine,
            &[extension, 0, block.address],
        );
        let mut bytes = vec![0; count as usize];
        guest::read_bytes(block.address + head as u64, &mut bytes);
        let _ = self.memory.pool.free(block.address);
        if status.is_some_and(|rax| ulong(rax) != CONTROL_SUCCESS) {
            self.violate(&rules::CONTROL_NOT_SUPPORTED, || format!("{activity} failed"));
            return Vec::new();
        }
        bytes.iter().map(|&byte| byte != 0).collect()
    }

    /// An adapter control that stops or restarts. The documentation gives two accounts of IRQL and locks: an
    /// odd seed follows the callback's page (DIRQL under the interrupt lock), an even one the spin-lock page.
    pub(super) fn adapter_control(&self, kind: u32) -> Result<bool, StartError> {
        let setup = self.setup();
        if !setup.supports_adapter_control(kind) {
            return Ok(false);
        }
        let Some(routine) = Routine::new(setup.registration.hw_adapter_control) else {
            return Ok(false);
        };
        let lock = Arc::clone(&self.adapter.interrupt);
        let locks: &[&Arc<SpinLock>] = if self.locked_controls(kind) { &[&lock] } else { &[] };
        let irql = if self.locked_controls(kind) {
            Irql::DEVICE
        } else {
            Irql::PASSIVE
        };
        let arguments = [setup.extension, u64::from(kind), 0];
        let result = self.call(Activity::AdapterControl(kind), irql, locks, routine, &arguments);
        let status = ulong(result.ok_or_else(|| self.down())?);
        Ok(status == CONTROL_SUCCESS)
    }

    /// Whether this life follows the callback's page for a control type.
    pub(super) fn locked_controls(&self, kind: u32) -> bool {
        !self.options.seed.is_multiple_of(2)
            && matches!(
                kind,
                adapter_control::STOP_ADAPTER | adapter_control::RESTART_ADAPTER
            )
    }

    /// `HwStorUnitControl` for one unit, if the miniport supports the type; at PASSIVE_LEVEL.
    pub(super) fn unit_control(&self, kind: u32, address: Address) {
        let setup = self.setup();
        if !setup.supports_unit_control(kind) {
            return;
        }
        let Some(routine) = Routine::new(setup.registration.hw_unit_control) else {
            return;
        };
        let parameter = StorAddrBtl8 {
            kind: STOR_ADDRESS_TYPE_BTL8,
            address_length: 4,
            path: address.path,
            target: address.target,
            lun: address.lun,
            ..StorAddrBtl8::default()
        };
        let request = Request::new(size_of::<StorAddrBtl8>(), format!("address of unit {address}"));
        let Some(block) = self.memory.port_pool(&request) else {
            return;
        };
        guest::write(block.address, &parameter);
        let arguments = [setup.extension, u64::from(kind), block.address];
        let result = self.call(
            Activity::UnitControl(kind),
            Irql::PASSIVE,
            &[],
            routine,
            &arguments,
        );
        let _ = self.memory.pool.free(block.address);
        if result.is_some_and(|rax| ulong(rax) != CONTROL_SUCCESS) {
            self.violate(&rules::RETURN_VALUE, || {
                format!("HwStorUnitControl({kind}) failed for unit {address}")
            });
        }
    }
}
