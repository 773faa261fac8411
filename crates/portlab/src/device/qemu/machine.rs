//! The virtual machine around the controller: its command line and its start.

use std::{
    fs::File,
    io::{self, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::{
    controller,
    ivshmem::Doorbell,
    process::{Inheritance, Process, StartError},
    qmp::Qmp,
    qtest::Qtest,
};
use crate::device::{
    image::{Image, ImageError},
    spec::QemuSpec,
};

/// Environment variable that names a file for every register access, as QEMU sees it.
const QTEST_LOG_VARIABLE: &str = "PORTLAB_QTEST_LOG";

/// Why the emulator could not be brought up. Each message names the remedy where there is one.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// QEMU or what starts it is not installed.
    #[error("{0}")]
    Missing(String),
    /// An image cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// QEMU ended while it started.
    #[error("QEMU did not start: {0}")]
    Refused(String),
    /// The system refused something.
    #[error("cannot start QEMU: {0}")]
    Io(#[from] io::Error),
    /// The machine has no such controller after its start.
    #[error(
        "QEMU's machine has no {0}: QEMU 6.0 or newer with its nvme, pvscsi and ivshmem devices is needed"
    )]
    Lacking(&'static str),
}

impl From<StartError> for OpenError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Io(error) => Self::Io(error),
            missing => Self::Missing(missing.to_string()),
        }
    }
}

/// A machine that answers.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) process: Process,
    pub(super) qtest: Qtest,
    pub(super) qmp: Qmp,
    pub(super) doorbell: Doorbell,
    pub(super) memory: OwnedFd,
    pub(super) images: Vec<Image>,
}

impl Machine {
    /// Opens the images and starts QEMU; `on_exit` runs once when QEMU is gone.
    pub(super) fn start(spec: &QemuSpec, on_exit: impl FnOnce() + Send + 'static) -> Result<Self, OpenError> {
        let mut images = Vec::new();
        let started = open_images(spec, &mut images).and_then(|()| Parts::start(spec, &images, on_exit));
        match started {
            Ok(Parts {
                process,
                qtest,
                qmp,
                doorbell,
                memory,
            }) => Ok(Self {
                process,
                qtest,
                qmp,
                doorbell,
                memory,
                images,
            }),
            Err(error) => {
                images.into_iter().for_each(Image::discard);
                Err(error)
            }
        }
    }
}

fn open_images(spec: &QemuSpec, images: &mut Vec<Image>) -> Result<(), OpenError> {
    let backing = spec.backing();
    for unit in 1..=backing.units {
        images.push(Image::open(backing, unit)?);
    }
    Ok(())
}

struct Parts {
    process: Process,
    qtest: Qtest,
    qmp: Qmp,
    doorbell: Doorbell,
    memory: OwnedFd,
}

impl Parts {
    fn start(
        spec: &QemuSpec,
        images: &[Image],
        on_exit: impl FnOnce() + Send + 'static,
    ) -> Result<Self, OpenError> {
        let memory = memfd_create("portlab-ram", MemfdFlags::CLOEXEC).map_err(io::Error::from)?;
        ftruncate(&memory, spec.backing().ram).map_err(io::Error::from)?;
        let (qtest, qtest_end) = UnixStream::pair()?;
        let (qmp, qmp_end) = UnixStream::pair()?;
        let (doorbell, doorbell_end) = UnixStream::pair()?;
        let vectors = controller::messages(spec);
        let doorbell = Doorbell::serve(doorbell, vectors)?;

        let mut inheritance = Inheritance::default();
        let mut arguments = machine_arguments(
            spec,
            &inheritance.add_path(memory.try_clone()?),
            &inheritance.add_path(firmware()?),
        );
        for (name, end) in [("qtest", qtest_end), ("qmp", qmp_end), ("doorbell", doorbell_end)] {
            let number = inheritance.add(end);
            arguments.extend(["-chardev".to_owned(), format!("socket,id={name},fd={number}")]);
        }
        let log = std::env::var(QTEST_LOG_VARIABLE).unwrap_or_else(|_| "/dev/null".to_owned());
        arguments.extend(["-qtest", "chardev:qtest", "-qtest-log"].map(String::from));
        arguments.push(log);
        arguments.extend(["-mon", "chardev=qmp,mode=control"].map(String::from));
        arguments.extend(controller::arguments(spec));
        for (index, image) in images.iter().enumerate() {
            let file = inheritance.add_path(image.share()?);
            arguments.extend(controller::unit_arguments(spec, index + 1, &file));
        }

        let process = Process::start(arguments, inheritance, on_exit)?;
        // QEMU answers on QMP when the whole machine is built; if it cannot be built, it ends instead.
        match Qmp::new(qmp) {
            Ok(qmp) => Ok(Self {
                process,
                qtest: Qtest::new(qtest)?,
                qmp,
                doorbell,
                memory,
            }),
            Err(error) => {
                let ending = process.wait(Duration::from_secs(2));
                Err(classify(ending.unwrap_or_else(|| error.to_string()), images))
            }
        }
    }
}

/// Turns QEMU's complaint into an error with a remedy.
fn classify(complaint: String, images: &[Image]) -> OpenError {
    let locked =
        complaint.contains("Failed to get \"write\" lock") || complaint.contains("another process using");
    match images.iter().find_map(Image::path) {
        Some(path) if locked => ImageError::InUse {
            path: path.to_owned(),
        }
        .into(),
        _ => OpenError::Refused(complaint),
    }
}

/// 64 KiB that hold a processor at its reset vector: `cli; hlt; jmp` back to the halt.
fn firmware() -> io::Result<File> {
    let mut image = vec![0xf4_u8; 64 << 10];
    let reset = image.len() - 16;
    image[reset..reset + 4].copy_from_slice(&[0xfa, 0xf4, 0xeb, 0xfd]);
    let mut file = File::from(memfd_create("portlab-firmware", MemfdFlags::CLOEXEC)?);
    file.write_all(&image)?;
    Ok(file)
}

fn machine_arguments(spec: &QemuSpec, memory: &str, firmware: &str) -> Vec<String> {
    let ram = spec.backing().ram;
    [
        "-name".to_owned(),
        "portlab".to_owned(),
        "-nodefaults".to_owned(),
        "-no-user-config".to_owned(),
        "-display".to_owned(),
        "none".to_owned(),
        "-machine".to_owned(),
        "q35,memory-backend=ram,sata=off,smbus=off,usb=off,vmport=off".to_owned(),
        "-accel".to_owned(),
        "tcg".to_owned(),
        "-smp".to_owned(),
        "1".to_owned(),
        "-m".to_owned(),
        format!("{}M", ram >> 20),
        "-object".to_owned(),
        format!("memory-backend-file,id=ram,size={ram},mem-path={memory},share=on"),
        "-bios".to_owned(),
        firmware.to_owned(),
    ]
    .into()
}
