//! Imports: binding by name, thunks between the driver and the model.
#![expect(
    unsafe_code,
    reason = "the shim of missing imports is entered from machine code"
)]

use std::{
    fmt,
    sync::{PoisonError, RwLock},
};

use object::{
    LittleEndian as LE, pe,
    read::pe::{ImageThunkData, ImportTable},
};

use super::{LoadError, headers::Headers};
use crate::trap;

/// What a driver imports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportName {
    /// The exporting module as the import table spells it (`storport.sys`).
    pub module: String,
    /// The symbol (`StorPortInitialize`).
    pub symbol: String,
}

impl fmt::Display for ImportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.symbol, self.module)
    }
}

/// What the model has for an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// A function with the Windows x64 calling convention. The driver reaches it through a thunk that notes the
    /// call site ([`trap::call_site`]) and changes no register, no stack slot and no flag, so that variadic
    /// functions work too.
    Function(*const ()),
    /// A variable: the driver gets this very address.
    Data(*const ()),
}

/// One entry of the import tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) name: ImportName,
    /// Where in the image the address goes.
    pub(super) slot: u32,
}

/// Modules and symbols a driver may import; more is damage.
const LIMIT: usize = 16_384;

/// Reads the import tables.
pub(super) fn imports(headers: &Headers<'_>, file: &[u8]) -> Result<Vec<Import>, LoadError> {
    let bad = |error: object::Error| LoadError::malformed("import table", error.to_string());
    let mut imports = Vec::new();
    let Some(table) = headers
        .directories
        .import_table(file, &headers.table)
        .map_err(bad)?
    else {
        return Ok(imports);
    };
    let mut descriptors = table.descriptors().map_err(bad)?;
    while let Some(descriptor) = descriptors.next().map_err(bad)? {
        let module = text(table.name(descriptor.name.get(LE)).map_err(bad)?);
        let names = match descriptor.original_first_thunk.get(LE) {
            0 => descriptor.first_thunk.get(LE),
            address => address,
        };
        module_imports(
            &table,
            &module,
            names,
            descriptor.first_thunk.get(LE),
            &mut imports,
        )?;
    }
    Ok(imports)
}

fn module_imports(
    table: &ImportTable<'_>,
    module: &str,
    names: u32,
    slots: u32,
    imports: &mut Vec<Import>,
) -> Result<(), LoadError> {
    let bad = |error: object::Error| LoadError::malformed("import table", error.to_string());
    let mut thunks = table.thunks(names).map_err(bad)?;
    let mut slot = slots;
    while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>().map_err(bad)? {
        if thunk.is_ordinal() {
            return Err(LoadError::ImportByOrdinal {
                module: module.to_owned(),
                ordinal: thunk.ordinal(),
            });
        }
        let (_, symbol) = table.hint_name(thunk.address()).map_err(bad)?;
        imports.push(Import {
            name: ImportName {
                module: module.to_owned(),
                symbol: text(symbol),
            },
            slot,
        });
        slot = slot
            .checked_add(8)
            .ok_or_else(|| LoadError::malformed("import table", "it runs beyond the image"))?;
        if imports.len() > LIMIT {
            return Err(LoadError::malformed(
                "import table",
                format!("more than {LIMIT} entries"),
            ));
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every thunk takes this many bytes at most.
pub(super) const THUNK_SIZE: usize = 128;

/// `mov gs:[offset], register`.
fn save_call_site(code: &mut Vec<u8>) {
    for saved in trap::CALL_SITE_OFFSETS {
        let rex = if saved.number >= 8 { 0x4c } else { 0x48 };
        code.extend([0x65, rex, 0x89, 0x04 | (saved.number & 7) << 3, 0x25]);
        code.extend(saved.offset.to_le_bytes());
    }
}

/// The thunk of an import that the model has.
pub(super) fn function_thunk(target: *const ()) -> Vec<u8> {
    let mut code = Vec::with_capacity(THUNK_SIZE);
    save_call_site(&mut code);
    // jmp [rip + 0]
    code.extend([0xff, 0x25, 0, 0, 0, 0]);
    code.extend((target.expose_provenance() as u64).to_le_bytes());
    code
}

/// The thunk of an import that the model lacks; `name` must stay where it is.
pub(super) fn missing_thunk(name: *const ImportName) -> Vec<u8> {
    let mut code = Vec::with_capacity(THUNK_SIZE);
    save_call_site(&mut code);
    // sub rsp, 40: home space and alignment; mov rcx, name; mov rax, shim; call rax; int3
    code.extend([0x48, 0x83, 0xec, 0x28, 0x48, 0xb9]);
    code.extend((name.expose_provenance() as u64).to_le_bytes());
    code.extend([0x48, 0xb8]);
    code.extend((missing_import as *const () as u64).to_le_bytes());
    code.extend([0xff, 0xd0, 0xcc]);
    code
}

static HOOK: RwLock<Option<fn(&ImportName) -> !>> = RwLock::new(None);

/// Sets what happens when the driver calls an import that the model lacks. [`trap::call_site`] tells from where.
///
/// Without a hook the import is named on standard error and the process exits with status 1.
pub fn set_missing_import_hook(hook: fn(&ImportName) -> !) {
    *HOOK.write().unwrap_or_else(PoisonError::into_inner) = Some(hook);
}

extern "win64" fn missing_import(name: *const ImportName) -> ! {
    // SAFETY: the thunk passes the name that was leaked for it.
    let name = unsafe { &*name };
    let hook = *HOOK.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(hook) = hook {
        hook(name)
    }
    eprintln!("portlab: the driver called {name}, which is not in the model");
    std::process::exit(1)
}
