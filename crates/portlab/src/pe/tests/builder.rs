//! A small linker: sections, imports, relocations, unwind information.

/// A section to be.
pub(super) struct Part {
    pub(super) name: &'static [u8],
    pub(super) address: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) characteristics: u32,
}

pub(super) const CODE: u32 = 0x6000_0020;
pub(super) const READ_ONLY: u32 = 0x4000_0040;
pub(super) const DATA: u32 = 0xc000_0040;

pub(crate) const TEXT_ADDRESS: u32 = 0x1000;
pub(super) const RDATA_ADDRESS: u32 = 0x2000;
pub(crate) const DATA_ADDRESS: u32 = 0x3000;
pub(super) const RELOC_ADDRESS: u32 = 0x4000;
pub(super) const PREFERRED: u64 = 0x1_4000_0000;
const HEADERS: u32 = 0x400;

/// An image to be; every header field of interest can be spoilt.
pub(crate) struct Builder {
    pub(super) machine: u16,
    pub(super) magic: u16,
    pub(super) subsystem: u16,
    pub(super) entry: u32,
    pub(super) alignment: u32,
    pub(super) size: u32,
    pub(super) characteristics: u16,
    pub(super) directories: [(u32, u32); 16],
    pub(super) parts: Vec<Part>,
}

/// Offsets of the import address table's slots, all in `.rdata`: two modules, three symbols.
pub(super) const SLOTS: [u32; 3] = [
    RDATA_ADDRESS + 0x100,
    RDATA_ADDRESS + 0x108,
    RDATA_ADDRESS + 0x118,
];

impl Builder {
    /// A driver whose entry is `text`, with the imports `storport.sys!StorPortInitialize`,
    /// `storport.sys!Unheard` and `ntoskrnl.exe!Variable`; `.data` begins with its own address and a default
    /// security cookie.
    pub(crate) fn driver(text: &[u8]) -> Self {
        let mut rdata = vec![0; 0x400];
        let mut put = |at: usize, bytes: &[u8]| rdata[at..at + bytes.len()].copy_from_slice(bytes);
        let word = |value: u32| value.to_le_bytes();
        // Two descriptors: names, -, -, module name, slots.
        for (index, (names, module, slots)) in [(0x80, 0x200, 0x100), (0x98, 0x210, 0x118)]
            .into_iter()
            .enumerate()
        {
            let fields = [
                RDATA_ADDRESS + names,
                0,
                0,
                RDATA_ADDRESS + module,
                RDATA_ADDRESS + slots,
            ];
            for (field, value) in fields.into_iter().enumerate() {
                put(20 * index + 4 * field, &word(value));
            }
        }
        put(0x200, b"storport.sys\0");
        put(0x210, b"ntoskrnl.exe\0");
        put(0x220, b"\0\0StorPortInitialize\0");
        put(0x240, b"\0\0Unheard\0");
        put(0x250, b"\0\0Variable\0");
        for table in [0x80, 0x100] {
            put(table, &u64::from(RDATA_ADDRESS + 0x220).to_le_bytes());
            put(table + 8, &u64::from(RDATA_ADDRESS + 0x240).to_le_bytes());
            put(table + 24, &u64::from(RDATA_ADDRESS + 0x250).to_le_bytes());
        }
        // Load configuration: size, address of the cookie.
        put(0x300, &word(0x60));
        put(0x358, &(PREFERRED + u64::from(DATA_ADDRESS) + 8).to_le_bytes());
        // One function, no prologue: version 1, nothing else.
        put(0x380, &[1, 0, 0, 0]);
        put(0x390, &word(TEXT_ADDRESS));
        put(0x394, &word(TEXT_ADDRESS + u32::try_from(text.len()).unwrap()));
        put(0x398, &word(RDATA_ADDRESS + 0x380));

        let mut data = vec![0; 64];
        data[..8].copy_from_slice(&(PREFERRED + u64::from(DATA_ADDRESS)).to_le_bytes());
        data[8..16].copy_from_slice(&0x2b99_2ddf_a232_u64.to_le_bytes());

        let mut reloc = Vec::new();
        for (page, offset) in [(DATA_ADDRESS, 0_u16), (RDATA_ADDRESS, 0x358)] {
            reloc.extend(word(page));
            reloc.extend(word(12));
            reloc.extend((0xa000 | offset).to_le_bytes());
            reloc.extend([0, 0]);
        }
        let mut directories = [(0, 0); 16];
        directories[1] = (RDATA_ADDRESS, 60);
        directories[3] = (RDATA_ADDRESS + 0x390, 12);
        directories[5] = (RELOC_ADDRESS, u32::try_from(reloc.len()).unwrap());
        directories[10] = (RDATA_ADDRESS + 0x300, 0x60);
        let part = |name, address, bytes, characteristics| Part {
            name,
            address,
            bytes,
            characteristics,
        };
        Self {
            machine: 0x8664,
            magic: 0x20b,
            subsystem: 1,
            entry: TEXT_ADDRESS,
            alignment: 0x1000,
            size: 0x5000,
            characteristics: 0x22,
            directories,
            parts: vec![
                part(b".text", TEXT_ADDRESS, text.to_vec(), CODE),
                part(b".rdata", RDATA_ADDRESS, rdata, READ_ONLY),
                part(b".data", DATA_ADDRESS, data, DATA),
                part(b".reloc", RELOC_ADDRESS, reloc, READ_ONLY),
            ],
        }
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut file = vec![0; HEADERS as usize];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3c, &0x40_u32.to_le_bytes());
        put(0x40, b"PE\0\0");
        put(0x44, &self.machine.to_le_bytes());
        put(0x46, &u16::try_from(self.parts.len()).unwrap().to_le_bytes());
        put(0x54, &240_u16.to_le_bytes());
        put(0x56, &self.characteristics.to_le_bytes());
        let optional = 0x58;
        put(optional, &self.magic.to_le_bytes());
        put(optional + 16, &self.entry.to_le_bytes());
        put(optional + 24, &PREFERRED.to_le_bytes());
        put(optional + 32, &self.alignment.to_le_bytes());
        put(optional + 36, &0x200_u32.to_le_bytes());
        put(optional + 56, &self.size.to_le_bytes());
        put(optional + 60, &HEADERS.to_le_bytes());
        put(optional + 68, &self.subsystem.to_le_bytes());
        put(optional + 108, &16_u32.to_le_bytes());
        for (index, (address, size)) in self.directories.into_iter().enumerate() {
            put(optional + 112 + 8 * index, &address.to_le_bytes());
            put(optional + 116 + 8 * index, &size.to_le_bytes());
        }
        let mut offset = HEADERS;
        for (index, part) in self.parts.iter().enumerate() {
            let at = optional + 240 + 40 * index;
            let size = u32::try_from(part.bytes.len()).unwrap();
            put(at, part.name);
            for (field, value) in [size, part.address, size.next_multiple_of(0x200), offset]
                .into_iter()
                .enumerate()
            {
                put(at + 8 + 4 * field, &value.to_le_bytes());
            }
            put(at + 36, &part.characteristics.to_le_bytes());
            offset += size.next_multiple_of(0x200);
        }
        for part in &self.parts {
            file.extend(&part.bytes);
            file.resize(file.len().next_multiple_of(0x200), 0);
        }
        file
    }
}
