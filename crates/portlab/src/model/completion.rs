//! The way back: StorPortNotification(RequestComplete) and `StorPortCompleteRequest`.

use std::sync::Arc;

use super::{
    machine::Machine,
    request::{Address, Outcome},
    requests::{Command, PortRequest, Stage},
    rules,
    srb_memory::{Report, SrbMemory},
};
use crate::{
    abi::{
        GuestAddress,
        exports::Arguments,
        guest,
        srb::{function, status},
    },
    engine::Level,
    observe::Event,
};

/// `StorPortCompleteRequest`'s "all of them".
const ALL: u8 = 0xFF;

/// SRB functions that a miniport may know.
const KNOWN: [u8; 14] = [
    function::EXECUTE_SCSI,
    function::IO_CONTROL,
    function::SHUTDOWN,
    function::FLUSH,
    function::ABORT_COMMAND,
    function::RESET_BUS,
    function::RESET_DEVICE,
    function::WMI,
    function::RESET_LOGICAL_UNIT,
    function::POWER,
    function::PNP,
    function::DUMP_POINTERS,
    function::FREE_DUMP_POINTERS,
    // PROTOCOL_COMMAND
    0x09,
];

impl Machine {
    /// `StorPortNotification(RequestComplete, HwDeviceExtension, Srb)`.
    pub(super) fn request_complete(self: &Arc<Self>, arguments: Arguments) {
        let (extension, srb) = (arguments.pointer(1), arguments.pointer(2));
        if !self.is_extension(extension) || self.not_null("Srb", srb).is_err() {
            return;
        }
        self.complete(srb);
    }

    /// `StorPortCompleteRequest(HwDeviceExtension, PathId, TargetId, Lun, SrbStatus)`.
    pub(super) fn complete_requests(self: &Arc<Self>, arguments: Arguments) {
        if !self.is_extension(arguments.pointer(0)) {
            return;
        }
        let [path, target, lun, srb_status] = [1, 2, 3, 4].map(|index| arguments.u8(index));
        let matches = |address: Address| {
            (path == ALL || path == address.path)
                && (target == ALL || target == address.target)
                && (lun == ALL || lun == address.lun)
        };
        for (srb, _) in self.requests.outstanding(|request| matches(request.address)) {
            guest::write(srb + 3, &srb_status);
            self.complete(srb);
        }
    }

    fn complete(self: &Arc<Self>, srb: GuestAddress) {
        let Some(request) = self.requests.take_back(srb) else {
            if self.requests.was_returned(srb) {
                self.violate(&rules::SRB_COMPLETED_TWICE, || format!("the SRB at {srb:#x}"));
            } else {
                self.violate(&rules::SRB_UNKNOWN, || {
                    format!("{srb:#x} is no SRB that Storport handed out")
                });
            }
            return;
        };
        request.set_stage(Stage::Done);
        let Some(memory) = request.memory().lock().take() else {
            return;
        };
        let mut report = memory.report();
        if !matches!(request.command, Command::Scsi(_)) {
            // In the legacy form the byte is another's: flags of a POWER request.
            report.scsi_status = 0;
        }
        self.observation.tell(|| Event::Returned {
            request: request.id,
            srb_status: status::without_flags(report.srb_status),
        });
        let outcome = self.judge_completion(&request, &memory, &report);
        self.end_lending(&request, memory.extension);
        self.free_srb(&memory);
        if status::without_flags(report.srb_status) == status::BUSY {
            self.judge_busy(&request, &report);
            self.retry(&request);
            return;
        }
        self.counters.srbs_completed();
        let machine = Arc::clone(self);
        let processor = request.processor;
        let job = Box::new(move || machine.finish(&request, outcome));
        self.engine.post(processor, Level::Dpc, job);
    }

    fn judge_completion(&self, request: &PortRequest, memory: &SrbMemory, report: &Report) -> Outcome {
        let srb_status = status::without_flags(report.srb_status);
        let sense_valid = report.srb_status & status::AUTOSENSE_VALID != 0;
        let of = || request.describe();
        if srb_status == status::PENDING {
            self.violate(&rules::SRB_COMPLETED_PENDING, of);
        }
        if !status::EXISTING.contains(&srb_status) {
            self.violate(&rules::SRB_STATUS_UNKNOWN, || {
                format!("SRB status {srb_status:#04x} for the {}", of())
            });
        }
        if memory.scatter_list_changed() {
            self.violate(&rules::SCATTER_LIST_CHANGED, of);
        }
        if let Some(offset) = report.changed {
            self.violate(&rules::SRB_HEADER_CHANGED, || {
                format!("byte {offset} of the SRB of the {}", of())
            });
        }
        if srb_status == status::SUCCESS && report.scsi_status != 0 {
            self.violate(&rules::STATUS_MISMATCH, || {
                format!("SCSI status {:#04x} for the {}", report.scsi_status, of())
            });
        }
        let asked = request.length();
        if report.transferred > asked {
            self.violate(&rules::DATA_LENGTH_GROWN, || {
                format!(
                    "{} bytes reported, {asked} asked for, by the {}",
                    report.transferred,
                    of()
                )
            });
        }
        let capacity = memory.sense_capacity();
        let mut sense = Vec::new();
        if sense_valid {
            if capacity == 0 {
                self.violate(&rules::SENSE_MISSING_BUFFER, of);
            }
            if usize::from(report.sense_length) > capacity {
                self.violate(&rules::SENSE_OVERRUN, || {
                    format!(
                        "SenseInfoBufferLength {} of a buffer of {capacity} for the {}",
                        report.sense_length,
                        of()
                    )
                });
            }
            sense = memory.sense(usize::from(report.sense_length).min(capacity));
        }
        if let Command::Plain(code) = request.command
            && !KNOWN.contains(&code)
            && srb_status != status::INVALID_REQUEST
        {
            self.violate(&rules::FUNCTION_NOT_REFUSED, || {
                format!("function {code:#04x} ended with SRB status {srb_status:#04x}")
            });
        }
        Outcome {
            srb_status,
            scsi_status: report.scsi_status,
            sense,
            transferred: report.transferred.min(asked),
            elapsed: std::time::Duration::ZERO,
        }
    }

    fn judge_busy(&self, request: &PortRequest, report: &Report) {
        if report.transferred != request.length() {
            self.violate(&rules::BUSY_AFTER_ISSUE, || {
                format!(
                    "DataTransferLength went from {} to {} for the {}",
                    request.length(),
                    report.transferred,
                    request.describe()
                )
            });
        }
        if report.scsi_status != 0 || report.srb_status & status::AUTOSENSE_VALID != 0 {
            self.violate(&rules::BUSY_AFTER_ISSUE, || {
                format!(
                    "a SCSI status or sense data came with it, for the {}",
                    request.describe()
                )
            });
        }
    }

    /// `StorPortGetScatterGatherList(HwDeviceExtension, Srb)`.
    pub(super) fn get_scatter_gather_list(&self, arguments: Arguments) -> GuestAddress {
        let (extension, srb) = (arguments.pointer(0), arguments.pointer(1));
        if !self.is_extension(extension) || !self.is_srb(srb) {
            return 0;
        }
        if self.setup().perf_flags & crate::abi::performance::perf::NO_SGL != 0 {
            return 0;
        }
        self.requests
            .owned(srb)
            .and_then(|request| request.memory().lock().as_ref().map(SrbMemory::scatter_list))
            .unwrap_or(0)
    }
}
