//! `SRB_FUNCTION_DUMP_POINTERS`: what the miniport tells of its dump driver.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{
    lab::Lab,
    request::{Address, Direction, SrbFunction},
    rules,
};
use crate::abi::{configuration::PCI_BUS, srb::function};

/// `STOR_FEATURE_DUMP_POINTERS`.
const STOR_FEATURE_DUMP_POINTERS: u32 = 0x8;
/// `DUMP_MINIPORT_VERSION_1` and `DUMP_MINIPORT_VERSION`.
const VERSIONS: [u16; 2] = [0x0100, 0x0200];
/// The largest common buffer that is documented.
const MAX_COMMON_BUFFER: u32 = 64 << 10;
/// `SP_UNINITIALIZED_VALUE`.
const UNLIMITED: u32 = u32::MAX;

/// `MINIPORT_DUMP_POINTERS`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
struct MiniportDumpPointers {
    version: u16,
    size: u16,
    driver_name: [u16; 15],
    padding: [u8; 6],
    adapter_object: u64,
    mapped_register_base: u64,
    common_buffer_size: u32,
    padding_2: [u8; 4],
    miniport_private_dump_data: u64,
    system_io_bus_number: u32,
    adapter_interface_type: u32,
    maximum_transfer_length: u32,
    number_of_physical_breaks: u32,
    alignment_mask: u32,
    number_of_access_ranges: u32,
    access_ranges: u64,
    number_of_buses: u8,
    master: u8,
    map_buffers: u8,
    maximum_number_of_targets: u8,
    padding_3: [u8; 4],
}

/// What a miniport said of its dump driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpDriver {
    /// `Version`.
    pub version: u16,
    /// `DriverName`.
    pub name: String,
    /// `CommonBufferSize`, in bytes.
    pub common_buffer: u32,
    /// `MaximumTransferLength`; none if the miniport left it at "unlimited".
    pub maximum_transfer_length: Option<u32>,
}

impl Lab {
    /// Asks the miniport for its dump driver, as Storport does when a disk of the adapter is to take a dump; then tells it that
    /// the answer is not needed any more. `None` if it has not registered for it (`STOR_FEATURE_DUMP_POINTERS`), or refuses.
    #[must_use]
    pub fn dump_driver(&self) -> Option<DumpDriver> {
        let setup = self.machine.setup();
        if setup.registration.feature_support & STOR_FEATURE_DUMP_POINTERS == 0 {
            return None;
        }
        let given = MiniportDumpPointers {
            adapter_interface_type: PCI_BUS,
            maximum_transfer_length: UNLIMITED,
            number_of_physical_breaks: setup.configuration.number_of_physical_breaks,
            alignment_mask: setup.configuration.alignment_mask,
            number_of_access_ranges: setup.configuration.number_of_access_ranges,
            number_of_buses: setup.configuration.number_of_buses,
            master: 1,
            map_buffers: setup.configuration.map_buffers,
            maximum_number_of_targets: setup.configuration.maximum_number_of_targets,
            ..MiniportDumpPointers::default()
        };
        let buffer = self.buffer(size_of::<MiniportDumpPointers>()).ok()?;
        buffer.write(0, given.as_bytes());
        let asked = SrbFunction::WithData(function::DUMP_POINTERS, buffer.clone(), Direction::Out);
        let outcome = self.srb_function(asked, Address::default());
        if !outcome.is_success() {
            return None;
        }
        let said = MiniportDumpPointers::read_from_bytes(&buffer.to_vec()).ok()?;
        self.judge_dump_pointers(&given, &said);
        let _ = self.srb_function(
            SrbFunction::Other(function::FREE_DUMP_POINTERS),
            Address::default(),
        );
        let name: Vec<u16> = said
            .driver_name
            .into_iter()
            .take_while(|unit| *unit != 0)
            .collect();
        Some(DumpDriver {
            version: said.version,
            name: String::from_utf16_lossy(&name),
            common_buffer: said.common_buffer_size,
            maximum_transfer_length: (said.maximum_transfer_length != UNLIMITED)
                .then_some(said.maximum_transfer_length),
        })
    }

    fn judge_dump_pointers(&self, given: &MiniportDumpPointers, said: &MiniportDumpPointers) {
        let wrong = |what: String| self.machine.violate(&rules::DUMP_POINTERS, || what);
        if !VERSIONS.contains(&said.version) {
            wrong(format!("Version is {:#x}", said.version));
        }
        if usize::from(said.size) != size_of::<MiniportDumpPointers>() {
            wrong(format!("Size is {}", said.size));
        }
        if said.common_buffer_size > MAX_COMMON_BUFFER {
            wrong(format!("CommonBufferSize is {}", said.common_buffer_size));
        }
        let fixed = |pointers: &MiniportDumpPointers| {
            (
                pointers.system_io_bus_number,
                pointers.adapter_interface_type,
                pointers.master,
                pointers.access_ranges,
            )
        };
        if fixed(given) != fixed(said) {
            wrong(String::from("a member that Storport fills in was changed"));
        }
    }
}
