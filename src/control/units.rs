//! Hands the namespaces of the control path to StartIo.

use core::sync::atomic::Ordering;

use scsi_nvme::{Eraser, Features, Formats, Geometry};
use storport::{
    Context,
    context::{AtMostDispatch, PassiveInitialize, Unshared},
    stepped,
};

use super::drive::stalls;
use crate::{
    FerroNvme, Locked,
    adapter::{Adapter, StartIoState},
    request::MAX_TRANSFER,
};

/// Hands the namespaces of the control path to StartIo, if they changed. Under the StartIo lock.
pub(crate) fn publish_units<'dev>(cx: &mut Locked<'dev>, adapter: &'dev Adapter<'dev>) -> bool {
    let changed = replace_units(cx.start_io_state(), adapter);
    stepped::serve_refused(&stalls(cx), &adapter.control);
    changed
}

/// As [`publish_units`], before the adapter is started.
pub(crate) fn publish_first_units<'dev>(
    cx: &mut PassiveInitialize<'dev, FerroNvme>,
    adapter: &'dev Adapter<'dev>,
) {
    replace_units(cx.start_io_state(), adapter);
    stepped::serve_refused(&stalls(cx), &adapter.control);
}

fn replace_units(state: &mut StartIoState, adapter: &Adapter<'_>) -> bool {
    if adapter.units_outdated.load(Ordering::Acquire) == 0 {
        return false;
    }
    // Whoever is in the control path now publishes after it: DPC, timer and work item do.
    let Some(path) = adapter.control.try_enter() else {
        return false;
    };
    adapter.units_outdated.store(0, Ordering::Release);
    let info = path.info();
    let alone = path.namespaces.is_alone();
    let formats = |offered| match offered {
        false => Formats::Nothing,
        true if info.formats_all_namespaces => Formats::All,
        true => Formats::One,
    };
    let has_exchanges = adapter.exchange_queue().is_some();
    let controller = *state.controller.put(scsi_nvme::Controller {
        serial_number: info.serial_number,
        model_number: info.model_number,
        firmware_revision: info.firmware_revision,
        volatile_write_cache: info.write_cache_present,
        write_cache_enabled: info.write_cache_enabled,
        max_transfer_bytes: info.max_transfer_bytes.min(MAX_TRANSFER),
        features: Features {
            compare: info.supports_compare,
            dataset_management: has_exchanges && info.supports_dataset_management,
            write_zeroes: info.supports_write_zeroes,
            verify: info.supports_verify,
            reservations: has_exchanges && info.supports_reservations,
            fused_compare_and_write: has_exchanges && info.supports_fused_compare_and_write,
            security: info.supports_security,
            firmware_download: info.supports_firmware_download,
            block_erase: Eraser::choose(alone, info.sanitizes_blocks, formats(info.supports_format)),
            crypto_erase: Eraser::choose(
                alone,
                info.sanitizes_cryptographically,
                formats(info.supports_format && info.formats_cryptographically),
            ),
            io_exchanges: has_exchanges,
        },
    });
    let changed = state
        .units
        .replace(path.namespaces.online().map(|(_, namespace)| *namespace));
    adapter.publish_geometries(|lun| Geometry::new(&state.units.of_lun(lun)?, &controller));
    changed
}

/// As [`publish_units`], taking the StartIo lock.
pub(crate) fn settle<'dev, I: AtMostDispatch>(
    cx: &mut Context<'dev, FerroNvme, I, Unshared>,
    adapter: &'dev Adapter<'dev>,
) -> bool {
    adapter.units_outdated.load(Ordering::Acquire) != 0
        && cx.with_start_io_lock(|cx| publish_units(cx, adapter))
}
