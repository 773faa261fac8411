//! `HwStorAdapterControl` and `HwStorUnitControl`.

use std::sync::Arc;

use zerocopy::IntoBytes as _;

use super::{
    activity::Activity, error::StartError, machine::Machine, options::AdapterControls, request::Address,
    rules,
};
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

    /// An adapter control, if the miniport supports the type; whether it succeeded.
    pub(super) fn adapter_control(&self, kind: u32, parameters: &[u8]) -> Result<Answer, StartError> {
        self.adapter_control_into(kind, &mut parameters.to_vec())
    }

    fn adapter_control_into(&self, kind: u32, parameters: &mut [u8]) -> Result<Answer, StartError> {
        let setup = self.setup();
        let routine = Routine::new(setup.registration.hw_adapter_control)
            .filter(|_| setup.supports_adapter_control(kind));
        let Some(routine) = routine else {
            return Ok(Answer::NotSupported);
        };
        let (irql, locked) = self.control_place(kind);
        let lock = Arc::clone(&self.adapter.interrupt);
        let locks: &[&Arc<SpinLock>] = if locked { &[&lock] } else { &[] };
        let activity = Activity::AdapterControl(kind);
        let extension = setup.extension;
        self.with_parameters(&activity.to_string(), parameters, |address| {
            self.call(
                activity,
                irql,
                locks,
                routine,
                &[extension, u64::from(kind), address],
            )
        })
    }

    /// As [`Self::adapter_control`], with what the miniport left in the parameters.
    pub(super) fn adapter_control_answer(
        &self,
        kind: u32,
        parameters: &[u8],
    ) -> Result<(Answer, Vec<u8>), StartError> {
        let mut bytes = parameters.to_vec();
        let answer = self.adapter_control_into(kind, &mut bytes)?;
        Ok((answer, bytes))
    }

    /// Lends the miniport a parameter block for one control, and takes over what it leaves there.
    fn with_parameters(
        &self,
        what: &str,
        parameters: &mut [u8],
        call: impl FnOnce(GuestAddress) -> Option<u64>,
    ) -> Result<Answer, StartError> {
        let mut block = None;
        if !parameters.is_empty() {
            let request = Request::new(parameters.len(), format!("the parameters of {what}"));
            let memory = self.memory.port_pool(&request).ok_or(StartError::Memory)?;
            guest::write_bytes(memory.address, parameters);
            block = Some(memory.address);
        }
        let result = call(block.unwrap_or(0));
        if let Some(address) = block {
            guest::read_bytes(address, parameters);
            let _ = self.memory.pool.free(address);
        }
        let status = ulong(result.ok_or_else(|| self.down())?);
        Ok(if status == CONTROL_SUCCESS {
            Answer::Done
        } else {
            Answer::Failed
        })
    }

    /// IRQL of an adapter control, and whether it comes under the interrupt lock. Of stop and restart the documentation gives
    /// two accounts: [`AdapterControls`] chooses.
    /// Power control types come at DISPATCH_LEVEL or below: the seed's second bit decides.
    fn control_place(&self, kind: u32) -> (Irql, bool) {
        let seed = self.options.seed;
        let locked = match self.options.adapter_controls {
            AdapterControls::BySeed => seed & 1 != 0,
            AdapterControls::Locked => true,
            AdapterControls::Unlocked => false,
        };
        match kind {
            adapter_control::STOP_ADAPTER | adapter_control::RESTART_ADAPTER if locked => {
                (Irql::DEVICE, true)
            }
            adapter_control::ADAPTER_POWER..=adapter_control::POFX_POWER_CONTROL if seed & 2 != 0 => {
                (Irql::DISPATCH, false)
            }
            _ => (Irql::PASSIVE, false),
        }
    }

    /// Whether a control type comes on a processor's thread in this life.
    pub(super) fn raised_control(&self, kind: u32) -> bool {
        self.control_place(kind).0 > Irql::DISPATCH
    }

    /// `HwStorUnitControl` for one unit, if the miniport supports the type; at PASSIVE_LEVEL. Its parameter is the unit's address.
    pub(super) fn unit_control(&self, kind: u32, address: Address) {
        let unit = unit_address(address);
        let result = self.unit_control_with(kind, address, Irql::PASSIVE, unit.as_bytes());
        if matches!(result, Ok(Answer::Failed)) {
            self.violate(&rules::RETURN_VALUE, || {
                format!("HwStorUnitControl({kind}) failed for unit {address}")
            });
        }
    }

    /// `HwStorUnitControl` with a structure as its parameter.
    pub(super) fn unit_control_with(
        &self,
        kind: u32,
        address: Address,
        irql: Irql,
        parameters: &[u8],
    ) -> Result<Answer, StartError> {
        let setup = self.setup();
        let routine =
            Routine::new(setup.registration.hw_unit_control).filter(|_| setup.supports_unit_control(kind));
        let Some(routine) = routine else {
            return Ok(Answer::NotSupported);
        };
        let activity = Activity::UnitControl(kind);
        let extension = setup.extension;
        self.with_parameters(
            &format!("{activity} for unit {address}"),
            &mut parameters.to_vec(),
            |parameters| {
                self.call(
                    activity,
                    irql,
                    &[],
                    routine,
                    &[extension, u64::from(kind), parameters],
                )
            },
        )
    }

    /// A unit's `STOR_ADDRESS` in memory of its own, for as long as `use_it` runs.
    pub(super) fn with_unit_address<R>(
        &self,
        address: Address,
        use_it: impl FnOnce(GuestAddress) -> R,
    ) -> Result<R, StartError> {
        let request = Request::new(size_of::<StorAddrBtl8>(), format!("address of unit {address}"));
        let block = self.memory.port_pool(&request).ok_or(StartError::Memory)?;
        guest::write(block.address, &unit_address(address));
        let result = use_it(block.address);
        let _ = self.memory.pool.free(block.address);
        Ok(result)
    }
}

/// What became of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The miniport does not report the type as supported: it was not called.
    NotSupported,
    /// Success.
    Done,
    /// Anything else.
    Failed,
}

fn unit_address(address: Address) -> StorAddrBtl8 {
    StorAddrBtl8 {
        kind: STOR_ADDRESS_TYPE_BTL8,
        address_length: 4,
        path: address.path,
        target: address.target,
        lun: address.lun,
        ..StorAddrBtl8::default()
    }
}
