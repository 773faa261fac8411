//! Identify (Base 1.4, 5.15).

use crate::{
    Memory,
    command::{Answer, Command},
    controller::Controller,
    firmware, sanitize,
    status::Status,
    transfer,
};

const PAGE: usize = 4096;

fn text(page: &mut [u8], range: std::ops::Range<usize>, text: &str) {
    let field = &mut page[range];
    field.fill(b' ');
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from;
    }
}

impl Controller {
    pub(crate) fn identify(&mut self, command: &Command, memory: &dyn Memory) -> Result<Answer, Status> {
        let structure = command.dword(10).to_le_bytes()[0];
        let id = command.namespace();
        let page = match structure {
            0x00 => self.identify_namespace(id)?,
            0x01 => self.identify_controller(),
            0x02 => self.active_namespaces(id)?,
            0x03 => self.identification_descriptors(id)?,
            _ => return Err(Status::INVALID_FIELD),
        };
        let segments = transfer::segments(memory, command, PAGE as u64)?;
        transfer::to_host(memory, &segments, &page)?;
        Ok(Answer::success(0))
    }

    /// Figure 247.
    fn identify_controller(&self) -> Vec<u8> {
        let config = &self.config;
        let mut page = vec![0; PAGE];
        page[0..2].copy_from_slice(&config.vendor.to_le_bytes());
        page[2..4].copy_from_slice(&config.vendor.to_le_bytes());
        text(&mut page, 4..24, &config.serial);
        text(&mut page, 24..64, &config.model);
        page[64..72].copy_from_slice(&self.firmware.revision());
        page[77] = config.mdts;
        page[78] = 1;
        page[80..84].copy_from_slice(&0x0001_0400_u32.to_le_bytes());
        // Events: namespace attribute notices.
        page[92..96].copy_from_slice(&(1_u32 << 8).to_le_bytes());
        // Host identifiers of 128 bits are not supported; I/O controller.
        page[111] = 1;
        // Security Send and Receive; Format NVM; firmware download; Doorbell Buffer Config.
        let managed = u16::from(config.management);
        let optional = managed | 1 << 1 | managed << 2 | u16::from(config.shadow_doorbells) << 8;
        page[256..258].copy_from_slice(&optional.to_le_bytes());
        // Abort command limit, event request limit: four of each.
        page[258] = 3;
        page[259] = 3;
        // Firmware slots, the first read only; another image is in force after a reset.
        page[260] = if config.management { firmware::SLOTS } else { 1 } << 1 | 1;
        // Firmware update granularity: 4 KiB.
        page[319] = u8::from(config.management);
        // Error log of one entry; one power state.
        page[262] = 0;
        // Temperatures, in kelvin.
        page[266..268].copy_from_slice(&343_u16.to_le_bytes());
        page[268..270].copy_from_slice(&353_u16.to_le_bytes());
        let sanitizes = if config.management {
            sanitize::CAPABILITIES
        } else {
            0
        };
        page[328..332].copy_from_slice(&sanitizes.to_le_bytes());
        // Entry sizes: 64 and 16 bytes, no others.
        page[512] = 0x66;
        page[513] = 0x44;
        page[514..516].copy_from_slice(&0_u16.to_le_bytes());
        let namespaces = self.namespaces.keys().last().copied().unwrap_or(0);
        page[516..520].copy_from_slice(&namespaces.to_le_bytes());
        // Compare, Write Uncorrectable, Dataset Management, Write Zeroes, Reservations, Timestamp, Verify.
        let commands: u16 = 1 | 1 << 1 | u16::from(config.thin) << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7;
        page[520..522].copy_from_slice(&commands.to_le_bytes());
        // Fused compare and write.
        page[522..524].copy_from_slice(&1_u16.to_le_bytes());
        page[524] = 0;
        // A volatile write cache; Flush of all namespaces is supported.
        page[525] = u8::from(config.write_cache) | 3 << 1;
        page[536..540].copy_from_slice(&u32::from(config.sgls).to_le_bytes());
        let name = format!("nqn.2014.08.org.nvmexpress:ferroport:{}", config.serial);
        for (to, from) in page[768..1023].iter_mut().zip(name.bytes()) {
            *to = from;
        }
        // Power state 0: 10 W.
        page[2048..2050].copy_from_slice(&1000_u16.to_le_bytes());
        page
    }

    /// Figure 245.
    fn identify_namespace(&self, id: u32) -> Result<Vec<u8>, Status> {
        let mut page = vec![0; PAGE];
        if id == u32::MAX {
            // Capabilities that all have in common.
            Self::formats(&mut page);
            return Ok(page);
        }
        let known = self.namespaces.get(&id).ok_or(Status::INVALID_NAMESPACE)?;
        if !known.attached {
            return Ok(page);
        }
        let blocks = known.blocks().to_le_bytes();
        page[0..8].copy_from_slice(&blocks);
        page[8..16].copy_from_slice(&blocks);
        page[16..24].copy_from_slice(&blocks);
        // Thin provisioning: deallocation is taken as advice.
        page[24] = u8::from(self.config.thin);
        Self::formats(&mut page);
        page[26] = u8::from(known.shift == 12);
        // Reservations: every type, and persistence through power loss.
        page[31] = 0x7f;
        // Deallocated blocks read as zeroes.
        page[33] = 1;
        page[120..128].copy_from_slice(&known.eui64.to_be_bytes());
        Ok(page)
    }

    /// Two formats: 512 and 4096 bytes, no metadata.
    fn formats(page: &mut [u8]) {
        page[25] = 1;
        page[128..132].copy_from_slice(&(9_u32 << 16).to_le_bytes());
        page[132..136].copy_from_slice(&(12_u32 << 16).to_le_bytes());
    }

    fn active_namespaces(&self, after: u32) -> Result<Vec<u8>, Status> {
        if after >= u32::MAX - 1 {
            return Err(Status::INVALID_NAMESPACE);
        }
        let mut page = vec![0; PAGE];
        let active = self
            .namespaces
            .range(after + 1..)
            .filter(|(_, namespace)| namespace.attached);
        for (place, (id, _)) in page.chunks_exact_mut(4).zip(active) {
            place.copy_from_slice(&id.to_le_bytes());
        }
        Ok(page)
    }

    /// Figure 249.
    fn identification_descriptors(&self, id: u32) -> Result<Vec<u8>, Status> {
        let known = self.namespace(id)?;
        let mut page = vec![0; PAGE];
        // EUI-64.
        page[0] = 1;
        page[1] = 8;
        page[4..12].copy_from_slice(&known.eui64.to_be_bytes());
        Ok(page)
    }
}
