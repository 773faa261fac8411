//! `sg3_utils` decodes the driver's answers, and what it reads is compared with what the standards want of such a disk.

use std::{fs, path::Path, time::Duration};

use serde::Deserialize;

use crate::{
    child,
    report::Row,
    served::{Bench, ServedError},
    windows::Nature,
};

const PATIENCE: Duration = Duration::from_mins(1);

/// An answer, as `portlab ask` writes it.
#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
    outcome: String,
    /// In hexadecimal.
    data: String,
}

/// Which disks a line is expected of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    All,
    Thin,
    /// Those of which the controller says so.
    SaysThin,
}

/// A question, who decodes the answer, and the parts of lines that must be there.
struct Decoding {
    test: &'static str,
    /// CDB in hexadecimal, and the allocation length.
    question: &'static str,
    decoder: &'static [&'static str],
    expected: &'static [(Of, &'static str)],
}

use Of::{All, SaysThin, Thin};

/// The answers. SPC-4 6.4.2 (INQUIRY), 7.8 (VPD pages), 7.3 (log pages); SBC-3 6.6 (VPD pages B0h, B1h, B2h), 5.6.
const DECODINGS: &[Decoding] = &[
    Decoding {
        test: "standard INQUIRY data (SPC-4 6.4.2)",
        question: "120000006000:96",
        decoder: &["sg_inq", "--inhex"],
        expected: &[
            (All, "PQual=0"),
            (All, "PDT=0"),
            (All, "RMB=0"),
            (All, "Resp_data_format=2"),
            (All, "CmdQue=1"),
            (All, "Vendor identification: NVMe"),
            (All, "Product identification:"),
            (All, "Product revision level:"),
        ],
    },
    Decoding {
        test: "VPD page 00h (SPC-4 7.8.10)",
        question: "12010000ff00:255",
        decoder: &["sg_vpd", "--page=sv", "--inhex"],
        expected: &[
            (All, "Supported VPD pages"),
            (All, "Unit serial number"),
            (All, "Device identification"),
            (All, "Extended inquiry data"),
            (All, "Block limits"),
            (All, "Block device characteristics"),
            (All, "Logical block provisioning"),
        ],
    },
    Decoding {
        test: "VPD page 80h (SPC-4 7.8.15)",
        question: "12018000ff00:255",
        decoder: &["sg_vpd", "--page=sn", "--inhex"],
        expected: &[(All, "Unit serial number:")],
    },
    Decoding {
        test: "VPD page 83h (SPC-4 7.8.6)",
        question: "12018300ff00:255",
        decoder: &["sg_vpd", "--page=di", "--inhex"],
        expected: &[
            (All, "Addressed logical unit:"),
            (All, "designator type:"),
            (All, "code set:"),
        ],
    },
    Decoding {
        test: "VPD page 86h (SPC-4 7.8.7)",
        question: "12018600ff00:255",
        decoder: &["sg_vpd", "--page=ei", "--inhex"],
        expected: &[(All, "SIMPSUP=1"), (All, "V_SUP=")],
    },
    Decoding {
        test: "VPD page B0h (SBC-3 6.6.4)",
        question: "1201b000ff00:255",
        decoder: &["sg_vpd", "--page=bl", "--inhex"],
        expected: &[
            (All, "Maximum transfer length:"),
            (Thin, "Maximum unmap LBA count:"),
            (Thin, "Maximum unmap block descriptor count:"),
        ],
    },
    Decoding {
        test: "VPD page B1h (SBC-3 6.6.2)",
        question: "1201b100ff00:255",
        decoder: &["sg_vpd", "--page=bdc", "--inhex"],
        expected: &[(All, "Non-rotating medium")],
    },
    Decoding {
        test: "VPD page B2h (SBC-3 6.6.5)",
        question: "1201b200ff00:255",
        decoder: &["sg_vpd", "--page=lbpv", "--inhex"],
        expected: &[
            (Thin, "Unmap command supported (LBPU): 1"),
            (SaysThin, "thin provisioned"),
        ],
    },
    Decoding {
        test: "log page 00h (SPC-4 7.3.15)",
        question: "4d004000000000020000:512",
        decoder: &["sg_logs", "--in"],
        expected: &[(All, "Supported log pages"), (All, "0x0d"), (All, "0x2f")],
    },
    Decoding {
        test: "log page 0Dh (SPC-4 7.3.20)",
        question: "4d004d00000000020000:512",
        decoder: &["sg_logs", "--in"],
        expected: &[(All, "Temperature page"), (All, "Current temperature =")],
    },
    Decoding {
        test: "log page 2Fh (SPC-4 7.3.8)",
        question: "4d006f00000000020000:512",
        decoder: &["sg_logs", "--in"],
        expected: &[(All, "Informational Exceptions page"), (All, "IE asc = 0x0")],
    },
];

/// Offset in the page, mask, value.
type Bytes = &'static [(usize, u8, u8)];

/// MODE SENSE answers: no decoder reads them from a file, so their fixed bytes are compared (SPC-4 7.5, SBC-3 6.5).
const MODES: &[(&str, &str, Bytes)] = &[
    // Offset after the header and block descriptors, mask, value.
    (
        "mode page 08h (SBC-3 6.5.5)",
        "1a080800c000:192",
        &[(0, 0x3f, 0x08), (1, 0xff, 0x12)],
    ),
    (
        "mode page 0Ah (SPC-4 7.5.8)",
        "1a080a00c000:192",
        &[(0, 0x3f, 0x0a), (1, 0xff, 0x0a)],
    ),
    (
        "mode page 1Ah (SPC-4 7.5.13)",
        "1a081a00c000:192",
        &[(0, 0x3f, 0x1a), (1, 0xfd, 0x24)],
    ),
    (
        "mode page 1Ch (SPC-4 7.5.11)",
        "1a081c00c000:192",
        &[(0, 0x3f, 0x1c), (1, 0xff, 0x0a)],
    ),
];

/// READ CAPACITY(16) and (10): block length (SBC-3 5.15, 5.16).
const CAPACITY_16: &str = "9e100000000000000000000000200000:32";

/// Asks everything, and has it decoded.
pub(crate) fn judge(bench: &Bench, nature: Nature, row: &mut Row) -> Result<(), ServedError> {
    let questions = DECODINGS
        .iter()
        .map(|decoding| decoding.question)
        .chain(MODES.iter().map(|(_, question, _)| *question))
        .chain([CAPACITY_16]);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("answers.json");
    let mut command = child::command(&bench.portlab);
    command
        .arg("ask")
        .arg(&bench.driver)
        .args(["--device", &bench.device, "--json"])
        .arg(&path)
        .args(questions);
    let finished = child::run(&mut command, PATIENCE)?;
    let text = fs::read_to_string(&path).map_err(|_| ServedError::Lab {
        front_end: "ask",
        words: child::last_line(&finished.output).to_owned(),
    })?;
    let mut answers = serde_json::from_str::<Vec<Answer>>(&text)?.into_iter();
    for (decoding, answer) in DECODINGS.iter().zip(answers.by_ref()) {
        row.judge(decoding.test, decode(decoding, &answer, nature, folder.path()));
    }
    for ((test, _, bytes), answer) in MODES.iter().zip(answers.by_ref()) {
        row.judge(*test, mode(&answer, bytes));
    }
    if let Some(answer) = answers.next() {
        row.judge("READ CAPACITY(16) (SBC-3 5.16.2)", capacity(&answer, nature));
    }
    Ok(())
}

fn bytes(answer: &Answer) -> Result<Vec<u8>, String> {
    if !answer.ok {
        return Err(answer.outcome.clone());
    }
    let (pairs, _) = answer.data.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        u8::from_str_radix(&String::from_utf8_lossy(pair), 16).map_err(|error| error.to_string())
    };
    pairs.iter().map(byte).collect()
}

fn decode(decoding: &Decoding, answer: &Answer, nature: Nature, folder: &Path) -> Result<(), String> {
    let bytes = bytes(answer)?;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let file = folder.join("answer.hex");
    fs::write(&file, hex.join(" ")).map_err(|error| error.to_string())?;
    let [program, options @ ..] = decoding.decoder else {
        return Err("no decoder".to_owned());
    };
    let mut command = child::command(program);
    let [options @ .., last] = options else {
        return Err("no options".to_owned());
    };
    command
        .env("LC_ALL", "C")
        .args(options)
        .arg(format!("{last}={}", file.display()));
    let finished = child::run(&mut command, PATIENCE).map_err(|error| error.to_string())?;
    let output = finished.good(program)?;
    let missing: Vec<&str> = decoding
        .expected
        .iter()
        .filter(|(of, _)| match of {
            All => true,
            Thin => nature.thin,
            SaysThin => nature.thin && nature.says_so,
        })
        .map(|(_, words)| *words)
        .filter(|words| !output.contains(words))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{program} does not say {missing:?} but {:?}",
            output.trim()
        ))
    }
}

fn mode(answer: &Answer, expected: &[(usize, u8, u8)]) -> Result<(), String> {
    let bytes = bytes(answer)?;
    let start = 4 + usize::from(*bytes.get(3).ok_or("no header")?);
    if bytes.first().map(|length| usize::from(*length) + 1) != Some(bytes.len()) {
        return Err(format!("mode data length does not fit {} bytes", bytes.len()));
    }
    for (offset, mask, value) in expected {
        let byte = bytes.get(start + offset).ok_or("the page is cut off")?;
        if byte & mask != *value {
            return Err(format!("byte {offset} of the page is {byte:02x}h"));
        }
    }
    Ok(())
}

fn capacity(answer: &Answer, nature: Nature) -> Result<(), String> {
    let bytes = bytes(answer)?;
    let block = bytes
        .get(8..12)
        .and_then(|tail| tail.first_chunk())
        .map(|bytes| u32::from_be_bytes(*bytes));
    let managed = bytes.get(14).map(|byte| byte & 0x80 != 0);
    if (block, managed) == (Some(nature.block), Some(nature.thin)) {
        Ok(())
    } else {
        Err(format!("block length {block:?}, LBPME {managed:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATURE: Nature = Nature {
        block: 512,
        thin: true,
        says_so: true,
    };

    fn answer(data: &str) -> Answer {
        Answer {
            ok: true,
            outcome: String::new(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn a_capacity_of_the_wrong_kind_is_noticed() {
        let right = answer("000000000000ffff0000020000008000");
        assert_eq!(capacity(&right, NATURE), Ok(()));
        assert!(capacity(&answer("000000000000ffff0000020000000000"), NATURE).is_err());
        assert!(capacity(&answer("00"), NATURE).is_err());
    }

    #[test]
    fn a_short_mode_page_is_noticed() {
        let expected = &[(0, 0x3f, 0x1c), (1, 0xff, 0x0a)][..];
        assert_eq!(
            mode(&answer("0f0000001c0a00000000000000000000"), expected),
            Ok(())
        );
        assert!(mode(&answer("0f0000001c09000000000000000000"), expected).is_err());
        assert!(mode(&answer(""), expected).is_err());
    }
}
