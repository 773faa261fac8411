//! What makes one controller differ from another on QEMU's command line.

use super::pci::Function;
use crate::device::spec::{AdapterModel, AdapterSpec, NvmeSpec, PvscsiSpec, QemuSpec};

/// Slot of the doorbell, of the controller and of the subsystem's second controller on bus 0.
const SLOTS: [u8; 3] = [2, 3, 4];

/// Class code of an NVM Express I/O controller.
const CLASS_NVME: u32 = 0x01_08_02;
/// Vendor and device id of VMware's paravirtual SCSI adapter.
const ID_PVSCSI: u32 = 0x07c0_15ad;

/// Vendor and device id of another controller.
const fn id(model: AdapterModel) -> u32 {
    match model {
        AdapterModel::Ahci => 0x2922_8086,
        AdapterModel::VirtioScsi => 0x1048_1af4,
        AdapterModel::VirtioBlk => 0x1042_1af4,
        AdapterModel::Megasas => 0x0079_1000,
        AdapterModel::MptSas => 0x0054_1000,
    }
}

/// How the controller is called in messages.
pub(super) fn name(spec: &QemuSpec) -> &'static str {
    match spec {
        QemuSpec::Nvme(_) => "NVMe controller",
        QemuSpec::Pvscsi(_) => "PVSCSI adapter",
        QemuSpec::Adapter(spec) => match spec.model {
            AdapterModel::Ahci => "AHCI controller",
            AdapterModel::VirtioScsi => "virtio SCSI host",
            AdapterModel::VirtioBlk => "virtio disk",
            AdapterModel::Megasas => "MegaRAID controller",
            AdapterModel::MptSas => "Fusion MPT SAS controller",
        },
    }
}

/// Whether a PCI function is the controller.
pub(super) fn is_it(spec: &QemuSpec, function: &Function) -> bool {
    match spec {
        QemuSpec::Nvme(_) => function.class == CLASS_NVME,
        QemuSpec::Pvscsi(_) => function.id == ID_PVSCSI,
        QemuSpec::Adapter(spec) => function.id == id(spec.model),
    }
}

/// Interrupt messages that the controller has.
pub(super) fn messages(spec: &QemuSpec) -> u16 {
    match spec {
        QemuSpec::Nvme(nvme) => nvme.queues + 1,
        QemuSpec::Pvscsi(_) => 1,
        QemuSpec::Adapter(spec) => match spec.model {
            AdapterModel::Ahci | AdapterModel::MptSas => 1,
            // Control, events and configuration changes besides the requests; a disk has configuration changes only.
            AdapterModel::VirtioScsi => spec.queues + 3,
            AdapterModel::VirtioBlk => spec.queues + 1,
            AdapterModel::Megasas => 15,
        },
    }
}

/// The doorbell and the controller.
pub(super) fn arguments(spec: &QemuSpec) -> Vec<String> {
    let vectors = messages(spec);
    let mut arguments = vec![
        "-device".to_owned(),
        format!(
            "ivshmem-doorbell,chardev=doorbell,vectors={vectors},addr={}",
            SLOTS[0]
        ),
    ];
    match spec {
        QemuSpec::Nvme(nvme) => arguments.extend(nvme_arguments(nvme, vectors)),
        QemuSpec::Pvscsi(_) => {
            arguments.extend(["-device".to_owned(), format!("pvscsi,id=scsi0,addr={}", SLOTS[1])]);
        }
        QemuSpec::Adapter(spec) => arguments.extend(["-device".to_owned(), adapter_argument(spec, vectors)]),
    }
    arguments
}

fn adapter_argument(spec: &AdapterSpec, vectors: u16) -> String {
    let (queues, block, serial) = (spec.queues, spec.backing.block, &spec.serial);
    let device = match spec.model {
        AdapterModel::Ahci => String::from("ich9-ahci"),
        AdapterModel::VirtioScsi => {
            format!("virtio-scsi-pci,disable-legacy=on,num_queues={queues},vectors={vectors}")
        }
        // Its disk is itself.
        AdapterModel::VirtioBlk => format!(
            "virtio-blk-pci,disable-legacy=on,num-queues={queues},vectors={vectors},drive=unit1,serial={serial},\
             logical_block_size={block},physical_block_size={block}"
        ),
        AdapterModel::Megasas => String::from("megasas-gen2"),
        AdapterModel::MptSas => String::from("mptsas1068"),
    };
    format!("{device},id=scsi0,addr={}", SLOTS[1])
}

fn nvme_arguments(spec: &NvmeSpec, vectors: u16) -> Vec<String> {
    let [_, first, second] = SLOTS;
    let NvmeSpec {
        serial, mdts, queues, ..
    } = spec;
    let mut arguments = Vec::new();
    let subsystem = if spec.subsystem { ",subsys=subsys0" } else { "" };
    let controller = |id: &str, slot: u8| {
        format!(
            "nvme,id={id},serial={serial},mdts={mdts},max_ioqpairs={queues},msix_qsize={vectors},addr={slot}{subsystem}"
        )
    };
    if spec.subsystem {
        arguments.extend([
            "-device".to_owned(),
            "nvme-subsys,id=subsys0,nqn=ferroport".to_owned(),
        ]);
    }
    arguments.extend(["-device".to_owned(), controller("nvme0", first)]);
    if spec.subsystem {
        arguments.extend(["-device".to_owned(), controller("nvme1", second)]);
    }
    arguments
}

/// Unit `number` (from 1) on the image `file`.
pub(super) fn unit_arguments(spec: &QemuSpec, number: usize, file: &str) -> Vec<String> {
    let block = spec.backing().block;
    let blocks = format!("logical_block_size={block},physical_block_size={block}");
    let device = match spec {
        QemuSpec::Nvme(_) => Some(format!(
            "nvme-ns,id=ns{number},bus=nvme0,drive=unit{number},nsid={number},{blocks}"
        )),
        QemuSpec::Pvscsi(PvscsiSpec { serial, .. }) => Some(scsi_disk(number, serial, &blocks)),
        QemuSpec::Adapter(AdapterSpec { model, serial, .. }) => match model {
            AdapterModel::VirtioBlk => None,
            AdapterModel::Ahci => Some(format!(
                "ide-hd,id=hd{number},bus=scsi0.{},drive=unit{number},serial={serial}{},{blocks}",
                number - 1,
                suffix(number)
            )),
            AdapterModel::VirtioScsi | AdapterModel::Megasas | AdapterModel::MptSas => {
                Some(scsi_disk(number, serial, &blocks))
            }
        },
    };
    let drive = format!("if=none,id=unit{number},format=raw,file={file},discard=unmap");
    let mut arguments = vec!["-drive".to_owned(), drive];
    arguments.extend(
        device
            .into_iter()
            .flat_map(|device| ["-device".to_owned(), device]),
    );
    arguments
}

/// What the serial numbers of disks after the first end with.
fn suffix(number: usize) -> String {
    if number == 1 {
        String::new()
    } else {
        format!("-{number}")
    }
}

fn scsi_disk(number: usize, serial: &str, blocks: &str) -> String {
    let (target, suffix) = (number - 1, suffix(number));
    // Without a name QEMU's page 83h names nothing: NAA 3h is for names of local administration (SPC-4 7.8.6.6).
    let name = 0x3000_0000_0000_0000_u64 + number as u64;
    format!(
        "scsi-hd,id=hd{number},bus=scsi0.0,channel=0,scsi-id={target},lun=0,drive=unit{number},serial={serial}{suffix},wwn={name:#x},{blocks}"
    )
}
