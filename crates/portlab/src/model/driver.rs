//! The driver's file: loading it, its objects, and the hooks for what goes wrong in it.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Once},
};

use super::{
    activity,
    dispatch::{dispatch, park},
    error::LabError,
    kept,
    machine::{LoadedImage, Machine},
    options::EngineKind,
    rules, shared_user_data,
};
use crate::{
    abi::{GuestAddress, entry::Routine, exports, guest},
    debugger,
    engine::{Context, Irql},
    memory::{Ground, Request},
    pe::{self, Binding, Image, ImportName, Origin, Symbols},
    trap,
};

/// `sizeof(DRIVER_OBJECT)`.
const DRIVER_OBJECT: usize = 336;

/// Maps the image and binds its imports to the model; for the deterministic engine at the life's own address, with its scheduling
/// points patched, or as an earlier life left it.
pub(super) fn load(machine: &Arc<Machine>, path: &Path) -> Result<(), LabError> {
    let ground = machine.ground.as_deref().map(Ground::image);
    let key = ground.and_then(|address| kept::Key::of(path, address));
    let loaded = match key.as_ref().and_then(kept::take) {
        Some(loaded) => loaded,
        None => fresh(machine, path, ground, key)?,
    };
    for missing in loaded.image.missing_imports() {
        machine
            .journal
            .debug_line(format!("portlab: the model lacks {missing}"));
    }
    let _ = machine.image.set(loaded);
    Ok(())
}

fn fresh(
    machine: &Machine,
    path: &Path,
    address: Option<usize>,
    key: Option<kept::Key>,
) -> Result<LoadedImage, LabError> {
    let mut resolve = |name: &ImportName| {
        exports::resolve(&name.module, &name.symbol)
            .map(Binding::Function)
            .or_else(|| exports::variable(&name.module, &name.symbol).map(Binding::Data))
    };
    if let Some(address) = address {
        kept::clear(address);
    }
    let image = Image::load_at(path, address, &mut resolve)?;
    if machine.options.engine == EngineKind::Deterministic {
        let base = image.range().start as u64;
        let sites: Vec<u64> = image
            .sites()
            .into_iter()
            .map(|site| base + u64::from(site))
            .collect();
        let refused = trap::patch_sites(&sites);
        if refused != 0 {
            machine.journal.debug_line(format!(
                "portlab: {refused} of {} scheduling points could not be made",
                sites.len()
            ));
        }
        // No more: what an earlier life patched would make a difference to the next one's steps.
        trap::end_patching(base..base + image.range().len() as u64);
    }
    debugger::portlab_driver_loaded(image.range().start as u64);
    // Without a PDB back-traces are offsets only.
    let symbols = Symbols::open(&image).ok();
    let messages = messages_of(path).unwrap_or_else(|error| {
        machine.journal.debug_line(format!("portlab: {error}"));
        BTreeMap::new()
    });
    Ok(LoadedImage {
        key,
        image,
        symbols,
        messages,
    })
}

/// `DriverEntry`.
pub(super) fn entry(image: &Image) -> Option<Routine> {
    Routine::new(image.entry().expose_provenance() as GuestAddress)
}

/// `DRIVER_OBJECT` and the registry path, which a miniport only passes on.
pub(super) fn objects(machine: &Machine) -> Option<(GuestAddress, GuestAddress)> {
    let name = machine.image.get().map_or("test", |loaded| loaded.image.name());
    let service = name.strip_suffix(".sys").unwrap_or(name);
    let path: Vec<u8> = format!("\\Registry\\Machine\\System\\CurrentControlSet\\Services\\{service}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let object = machine
        .memory
        .port_pool(&Request::new(DRIVER_OBJECT, "DRIVER_OBJECT").zeroed())?;
    let string = machine
        .memory
        .port_pool(&Request::new(16 + path.len(), "RegistryPath").zeroed())?;
    let length = u16::try_from(path.len()).ok()?;
    guest::write(string.address, &[length, length]);
    guest::write(string.address + 8, &(string.address + 16));
    guest::write_bytes(string.address + 16, &path);
    *machine.driver_objects.lock() = (object.address, string.address);
    Some((object.address, string.address))
}

/// Routes the driver's calls, its faults and its calls of missing imports to the machine of their thread.
pub(super) fn install_hooks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        exports::set_handler(dispatch);
        trap::set_fault_hook(on_fault);
        trap::set_hooks(trap::Hooks {
            point: on_point,
            time_stamp: || activity::machine().map_or(0, |machine| machine.engine.time_stamp()),
            random: || activity::machine().map_or(0, |machine| machine.engine.random()),
            set_irql: on_set_irql,
        });
        pe::set_missing_import_hook(on_missing_import);
        // Without it a read faults, and is reported as one.
        let _ = shared_user_data::show();
    });
}

/// The driver's code is at a scheduling point.
fn on_point(point: trap::Point) -> u32 {
    let Some(machine) = activity::machine() else {
        return 0;
    };
    if machine.journal.is_down() {
        drop(machine);
        park();
    }
    let address = trap::interrupted().map_or(0, |registers| registers.rip);
    let steps = machine.engine.point(point, address);
    if machine.journal.is_down() {
        drop(machine);
        park();
    }
    steps
}

/// The driver moves a level to CR8, as `KeRaiseIrql` and `KeLowerIrql` do on x64.
fn on_set_irql(level: u8) {
    match activity::machine() {
        Some(machine) if Irql(level) > Context::irql() => {
            machine.engine.raise(Irql(level));
        }
        Some(machine) => machine.engine.lower(Irql(level)),
        None => trap::set_current_irql(level),
    }
}

fn on_missing_import(name: &ImportName) -> ! {
    if let Some(machine) = activity::machine() {
        machine.not_modelled(&format!("the import {name}"));
        let frames = trap::call_site()
            .map(|site| machine.frames(&site, Origin::Call))
            .unwrap_or_default();
        // DRIVER_ENTRYPOINT_NOT_FOUND has no bug check of its own: the driver cannot go on.
        machine.crash(
            0,
            [0; 4],
            format!("the driver called {name}, which the lab does not model"),
            frames,
        );
    }
    park()
}

fn on_fault(fault: &trap::Fault) -> ! {
    let Some(machine) = activity::machine_in_signal() else {
        eprintln!("portlab: {fault}\n{}", fault.registers);
        std::process::exit(70);
    };
    let frames = machine.frames(&fault.registers, Origin::Interrupted);
    let shown = frames.clone();
    let image = machine.image.get().map(|loaded| &loaded.image);
    let address = fault.address.unwrap_or(0);
    if let Some(name) = image.and_then(|image| image.missing_variable(address)) {
        let what = format!("the variable {name}");
        machine.violate_at(&rules::NOT_MODELLED, || what.clone(), shown);
        machine.crash(0x50, [address, 0, fault.registers.rip, 0], what, frames);
        park();
    }
    machine.violate_at(&rules::GUARD_PAGE, || fault.to_string(), shown);
    // The check of the stack cookie is a handler, too; one that catches comes from the kernel's.
    let catches = |image: &Image| {
        image
            .imports()
            .iter()
            .any(|import| import.symbol == "__C_specific_handler")
    };
    if image.is_some_and(|image| {
        catches(image) && frames.iter().any(|frame| image.handles_exceptions(frame.address))
    }) {
        machine.not_modelled(
            "the driver's structured exception handler: it is not called, the fault is the end",
        );
    }
    // PAGE_FAULT_IN_NONPAGED_AREA
    machine.crash(
        0x50,
        [address, 0, fault.registers.rip, 0],
        fault.to_string(),
        frames,
    );
    park()
}

/// The texts of a driver's message table.
fn messages_of(path: &Path) -> Result<BTreeMap<u32, String>, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let image = object::read::pe::PeFile64::parse(&*bytes).map_err(|error| error.to_string())?;
    drvpkg::pe::messages::messages(&image).map_err(|error| error.to_string())
}

impl Machine {
    /// What lies in the device extension; nothing if there is none.
    pub(super) fn extension_bytes(&self) -> Vec<u8> {
        let (address, length) = {
            let setup = self.setup();
            (setup.extension, setup.registration.device_extension_size as usize)
        };
        let mut bytes = vec![0; if address == 0 { 0 } else { length }];
        guest::read_bytes(address, &mut bytes);
        bytes
    }

    /// A message of the driver's message table with its places filled: `%1` is the device, `%2` and the following are `texts`.
    pub(super) fn message(&self, id: u32, texts: &[String]) -> Option<String> {
        let template = self.image.get()?.messages.get(&id)?;
        let device = String::from("\\Device\\RaidPort0");
        let filled = std::iter::once(&device)
            .chain(texts)
            .enumerate()
            .fold(template.clone(), |text, (index, insert)| {
                text.replace(&format!("%{}", index + 1), insert)
            });
        Some(filled)
    }
}
