//! A small driver image, put together field by field ("PE Format").

/// What the image is to be.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) machine: u16,
    pub(crate) subsystem: u16,
    pub(crate) dll_characteristics: u16,
    pub(crate) text_characteristics: u32,
    pub(crate) version: Option<[u16; 4]>,
    pub(crate) imports: Vec<(&'static str, Vec<&'static str>)>,
}

/// Raw data of each section, and the file alignment.
const SECTION: usize = 0x200;
const FIRST_RAW: usize = 0x200;
const IMPORTS_RVA: usize = 0x2000;
const RESOURCES_RVA: usize = 0x3000;

impl Default for Image {
    /// A native x64 driver as the cross build links one.
    fn default() -> Self {
        Self {
            machine: 0x8664,
            subsystem: 1,
            dll_characteristics: 0x0020 | 0x0040 | 0x0100,
            text_characteristics: 0x6000_0020,
            version: Some([0, 1, 0, 0]),
            imports: vec![("storport.sys", vec!["StorPortInitialize", "StorPortNotification"])],
        }
    }
}

impl Image {
    /// The file, without a checksum.
    pub(crate) fn build(&self) -> Vec<u8> {
        let imports = self.import_section();
        let resources = self.version.map(resource_section);
        let mut sections: Vec<(&[u8], usize, u32, Vec<u8>)> = vec![
            (
                b".text\0\0\0",
                0x1000,
                self.text_characteristics,
                vec![0xCC; 0x180],
            ),
            (b".rdata\0\0", IMPORTS_RVA, 0x4000_0040, imports),
        ];
        if let Some(resources) = resources {
            sections.push((b".rsrc\0\0\0", RESOURCES_RVA, 0x4000_0040, resources));
        }

        let mut file = vec![0; FIRST_RAW];
        put(&mut file, 0, b"MZ");
        put(&mut file, 0x3C, &0x40_u32.to_le_bytes());
        put(&mut file, 0x40, b"PE\0\0");
        put(&mut file, 0x44, &self.machine.to_le_bytes());
        put(
            &mut file,
            0x46,
            &u16::try_from(sections.len()).unwrap().to_le_bytes(),
        );
        put(&mut file, 0x54, &240_u16.to_le_bytes());
        put(&mut file, 0x56, &0x0022_u16.to_le_bytes());
        let optional = 0x58;
        put(&mut file, optional, &0x020B_u16.to_le_bytes());
        put(&mut file, optional + 32, &0x1000_u32.to_le_bytes());
        put(&mut file, optional + 36, &0x200_u32.to_le_bytes());
        put(&mut file, optional + 56, &0x4000_u32.to_le_bytes());
        put(&mut file, optional + 60, &0x200_u32.to_le_bytes());
        put(&mut file, optional + 68, &self.subsystem.to_le_bytes());
        put(&mut file, optional + 70, &self.dll_characteristics.to_le_bytes());
        put(&mut file, optional + 108, &16_u32.to_le_bytes());
        if !self.imports.is_empty() {
            put(
                &mut file,
                optional + 120,
                &u32::try_from(IMPORTS_RVA).unwrap().to_le_bytes(),
            );
            put(&mut file, optional + 124, &0x100_u32.to_le_bytes());
        }
        if self.version.is_some() {
            put(
                &mut file,
                optional + 128,
                &u32::try_from(RESOURCES_RVA).unwrap().to_le_bytes(),
            );
            put(&mut file, optional + 132, &0xB4_u32.to_le_bytes());
        }
        for (index, (name, rva, characteristics, data)) in sections.iter().enumerate() {
            let header = optional + 240 + index * 40;
            put(&mut file, header, name);
            put(
                &mut file,
                header + 8,
                &u32::try_from(data.len()).unwrap().to_le_bytes(),
            );
            put(
                &mut file,
                header + 12,
                &u32::try_from(*rva).unwrap().to_le_bytes(),
            );
            put(
                &mut file,
                header + 16,
                &u32::try_from(SECTION).unwrap().to_le_bytes(),
            );
            put(
                &mut file,
                header + 20,
                &u32::try_from(FIRST_RAW + index * SECTION).unwrap().to_le_bytes(),
            );
            put(&mut file, header + 36, &characteristics.to_le_bytes());
        }
        for (.., mut data) in sections {
            data.resize(SECTION, 0);
            file.extend(data);
        }
        file
    }

    fn import_section(&self) -> Vec<u8> {
        let rva = |offset: usize| u32::try_from(IMPORTS_RVA + offset).unwrap().to_le_bytes();
        let mut section = vec![0; 20 * (self.imports.len() + 1)];
        for (index, (module, functions)) in self.imports.iter().enumerate() {
            let names: Vec<usize> = functions
                .iter()
                .map(|function| {
                    let at = section.len();
                    section.extend([0, 0]);
                    section.extend(function.bytes());
                    section.push(0);
                    at
                })
                .collect();
            let module_name = section.len();
            section.extend(module.bytes());
            section.push(0);
            section.resize(section.len().next_multiple_of(8), 0);
            let thunks = section.len();
            for name in names {
                section.extend(u64::try_from(IMPORTS_RVA + name).unwrap().to_le_bytes());
            }
            section.extend([0; 8]);
            put(&mut section, index * 20, &rva(thunks));
            put(&mut section, index * 20 + 12, &rva(module_name));
            put(&mut section, index * 20 + 16, &rva(thunks));
        }
        section
    }
}

/// Three directory levels with one entry each (type, name, language), the data entry, the version block.
fn resource_section(version: [u16; 4]) -> Vec<u8> {
    let mut section = Vec::new();
    for (id, next) in [(16_u32, 0x8000_0018_u32), (1, 0x8000_0030), (0x409, 0x48)] {
        section.extend([0; 12]);
        section.extend([0, 0, 1, 0]);
        section.extend(id.to_le_bytes());
        section.extend(next.to_le_bytes());
    }
    section.extend(u32::try_from(RESOURCES_RVA + 0x58).unwrap().to_le_bytes());
    section.extend(92_u32.to_le_bytes());
    section.extend([0; 8]);
    for field in [92_u16, 52, 0] {
        section.extend(field.to_le_bytes());
    }
    section.extend("VS_VERSION_INFO\0".encode_utf16().flat_map(u16::to_le_bytes));
    section.extend([0; 2]);
    section.extend(0xFEEF_04BD_u32.to_le_bytes());
    section.extend(0x0001_0000_u32.to_le_bytes());
    let [major, minor, build, revision] = version.map(u32::from);
    section.extend((major << 16 | minor).to_le_bytes());
    section.extend((build << 16 | revision).to_le_bytes());
    section.resize(0x58 + 92, 0);
    section
}

fn put(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..at + with.len()].copy_from_slice(with);
}
