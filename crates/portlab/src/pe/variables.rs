//! What the kernel exports as variables, and where those lie that the model lacks.
//!
//! An import table does not tell a variable from a function. These are declared as variables in the WDK's headers (`wdm.h`,
//! `ntddk.h`, `ntifs.h`).

use super::ImportName;

/// The variables, ascending.
const VARIABLES: [&str; 34] = [
    "CcFastMdlReadWait",
    "ExDesktopObjectType",
    "ExEventObjectType",
    "ExSemaphoreObjectType",
    "FsRtlLegalAnsiCharacterArray",
    "HalDispatchTable",
    "HalPrivateDispatchTable",
    "InitSafeBootMode",
    "IoAdapterObjectType",
    "IoDeviceHandlerObjectType",
    "IoDeviceObjectType",
    "IoDriverObjectType",
    "IoFileObjectType",
    "KdDebuggerEnabled",
    "KdDebuggerNotPresent",
    "KeLoaderBlock",
    "KeNumberProcessors",
    "KeTickCount",
    "LpcPortObjectType",
    "MmBadPointer",
    "MmHighestUserAddress",
    "MmSectionObjectType",
    "MmSystemRangeStart",
    "MmUserProbeAddress",
    "NlsAnsiCodePage",
    "NlsMbCodePageTag",
    "NlsMbOemCodePageTag",
    "NtBuildGUID",
    "NtBuildNumber",
    "NtGlobalFlag",
    "PsInitialSystemProcess",
    "PsProcessType",
    "PsThreadType",
    "SeExports",
];

/// Where they begin: nothing is ever mapped in the first 64 KiB.
const BEGIN: usize = 0x8000;
/// From one to the next; the larger ones are tables of pointers.
const STRIDE: usize = 0x100;

/// Whether the kernel exports `name` as a variable.
pub(super) fn is_variable(name: &str) -> bool {
    VARIABLES.binary_search(&name).is_ok()
}

/// The address for the `index`th import that the model lacks: reading there faults.
pub(super) const fn place(index: usize) -> usize {
    BEGIN + (index % (BEGIN / STRIDE)) * STRIDE
}

/// The variable that lies at `address`, of the imports that are missing.
pub(super) fn at(missing: &[ImportName], address: u64) -> Option<&ImportName> {
    let address = usize::try_from(address).ok()?;
    let variable = |(index, name): &(usize, &ImportName)| {
        is_variable(&name.symbol) && (place(*index)..place(*index) + STRIDE).contains(&address)
    };
    missing.iter().enumerate().find(variable).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{import::Import, layout::bind},
        *,
    };

    #[test]
    fn the_list_is_in_order() {
        assert!(VARIABLES.is_sorted());
    }

    #[test]
    fn a_variable_that_the_model_lacks_is_nowhere() {
        let import = |symbol: &str, slot| Import {
            name: ImportName {
                module: String::from("ntoskrnl.exe"),
                symbol: symbol.to_owned(),
            },
            slot,
        };
        let imports = [
            import("Unheard", 0),
            import("KeTickCount", 8),
            import("PsThreadType", 16),
        ];
        let mut memory = [0; 24];
        let (thunks, missing) = bind(&imports, &mut memory, 0x7_0000_0000, &mut |_| None).unwrap();
        assert_eq!(thunks.len(), crate::pe::import::THUNK_SIZE, "one function");
        let slot = |at: usize| u64::from_le_bytes(memory[at..at + 8].try_into().unwrap());
        assert_eq!(slot(0), 0x7_0000_0000);
        assert!(slot(8) < 0x1_0000 && slot(16) < 0x1_0000);
        let named = |address| at(&missing, address).map(|name| name.symbol.as_str());
        assert_eq!(named(slot(8) + 3), Some("KeTickCount"));
        assert_eq!(named(slot(16)), Some("PsThreadType"));
        assert_eq!(named(place(0) as u64), None, "that is the function's number");
    }
}
