//! SCSI commands by name (SPC-5 and SBC-4, the lists of operation codes).

/// The command's name; the operation code in hexadecimal if it is not listed.
#[must_use]
pub fn name(cdb: &[u8]) -> String {
    let Some(&code) = cdb.first() else {
        return String::from("SCSI command");
    };
    let service = match (code, cdb.get(1).map(|byte| byte & 0x1f)) {
        (0x9e, Some(0x10)) => Some("READ CAPACITY(16)"),
        (0x9e, Some(0x12)) => Some("GET LBA STATUS"),
        (0xa3, Some(0x0c)) => Some("REPORT SUPPORTED OPERATION CODES"),
        (0xa3, Some(0x0d)) => Some("REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS"),
        _ => None,
    };
    service
        .or_else(|| of_code(code))
        .map_or_else(|| format!("SCSI command {code:#04x}"), str::to_owned)
}

fn of_code(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "TEST UNIT READY",
        0x03 => "REQUEST SENSE",
        0x08 => "READ(6)",
        0x0a => "WRITE(6)",
        0x12 => "INQUIRY",
        0x15 => "MODE SELECT(6)",
        0x1a => "MODE SENSE(6)",
        0x1b => "START STOP UNIT",
        0x1c => "RECEIVE DIAGNOSTIC RESULTS",
        0x1d => "SEND DIAGNOSTIC",
        0x25 => "READ CAPACITY(10)",
        0x28 => "READ(10)",
        0x2a => "WRITE(10)",
        0x2e => "WRITE AND VERIFY(10)",
        0x2f => "VERIFY(10)",
        0x35 => "SYNCHRONIZE CACHE(10)",
        0x3b => "WRITE BUFFER",
        0x3c => "READ BUFFER",
        0x41 => "WRITE SAME(10)",
        0x42 => "UNMAP",
        0x48 => "SANITIZE",
        0x4d => "LOG SENSE",
        0x55 => "MODE SELECT(10)",
        0x5a => "MODE SENSE(10)",
        0x5e => "PERSISTENT RESERVE IN",
        0x5f => "PERSISTENT RESERVE OUT",
        0x85 => "ATA PASS-THROUGH(16)",
        0x88 => "READ(16)",
        0x8a => "WRITE(16)",
        0x8f => "VERIFY(16)",
        0x91 => "SYNCHRONIZE CACHE(16)",
        0x93 => "WRITE SAME(16)",
        0xa0 => "REPORT LUNS",
        0xa1 => "ATA PASS-THROUGH(12)",
        0xa2 => "SECURITY PROTOCOL IN",
        0xa8 => "READ(12)",
        0xaa => "WRITE(12)",
        0xb5 => "SECURITY PROTOCOL OUT",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn commands_have_the_standards_names() {
        assert_eq!(name(&[0x28, 0, 0, 0]), "READ(10)");
        assert_eq!(name(&[0x9e, 0x10]), "READ CAPACITY(16)");
        assert_eq!(name(&[0xee]), "SCSI command 0xee");
        assert_eq!(name(&[]), "SCSI command");
    }
}
