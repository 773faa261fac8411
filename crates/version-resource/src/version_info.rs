//! The resource itself: `VS_VERSIONINFO` and its children.
//!
//! Source: Microsoft, "`VS_VERSIONINFO` structure", "`StringFileInfo` structure", "`VarFileInfo` structure",
//! "`VS_FIXEDFILEINFO` structure (verrsrc.h)". Every structure starts with its length in bytes, the length of
//! its value and its kind, then its key in UTF-16 with a terminator; value and children start at multiples of
//! four bytes.

use thiserror::Error;

/// Why a resource cannot be made.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A key or value holds the character that ends it.
    #[error("{0:?} contains a NUL character")]
    Nul(String),
    /// A structure is longer than its 16-bit length can say.
    #[error("the version resource is longer than 65535 bytes")]
    TooLong,
}

/// A version as Windows shows it: major, minor, build, revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub [u16; 4]);

impl Version {
    /// The dotted form, `1.2.3.4`.
    #[must_use]
    pub fn dotted(self) -> String {
        let [major, minor, build, revision] = self.0;
        format!("{major}.{minor}.{build}.{revision}")
    }

    fn most_significant(self) -> u32 {
        let [major, minor, ..] = self.0;
        u32::from(major) << 16 | u32::from(minor)
    }

    fn least_significant(self) -> u32 {
        let [.., build, revision] = self.0;
        u32::from(build) << 16 | u32::from(revision)
    }
}

/// What the resource says about a driver. Language: US English, UTF-16.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionInfo {
    /// Version of file and product.
    pub version: Version,
    /// Built with debugging aids (`VS_FF_DEBUG`).
    pub debug: bool,
    /// Keys and values of the string table, in order: `FileDescription`, `ProductName` and so on.
    pub strings: Vec<(String, String)>,
}

/// US English, UTF-16: the string table's key and the translation that announces it.
const LANGUAGE: u16 = 0x0409;
const CODE_PAGE: u16 = 0x04B0;

const VS_FFI_SIGNATURE: u32 = 0xFEEF_04BD;
const VS_FFI_STRUCVERSION: u32 = 0x0001_0000;
const VS_FFI_FILEFLAGSMASK: u32 = 0x3F;
const VS_FF_DEBUG: u32 = 1;
const VOS_NT_WINDOWS32: u32 = 0x0004_0004;
const VFT_DRV: u32 = 3;
const VFT2_DRV_SYSTEM: u32 = 7;

/// `wType` of a structure.
#[derive(Clone, Copy)]
enum Kind {
    Binary = 0,
    Text = 1,
}

impl VersionInfo {
    /// The resource's bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Nul`] if a string contains NUL, [`Error::TooLong`] if the whole exceeds 65535 bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let strings = self
            .strings
            .iter()
            .map(|(key, value)| string(key, value))
            .collect::<Result<Vec<_>, _>>()?;
        let table = structure(
            &format!("{LANGUAGE:04x}{CODE_PAGE:04x}"),
            Kind::Text,
            &[],
            0,
            &strings,
        )?;
        let string_file_info = structure("StringFileInfo", Kind::Text, &[], 0, &[table])?;
        let translation = [LANGUAGE.to_le_bytes(), CODE_PAGE.to_le_bytes()].concat();
        let var = structure("Translation", Kind::Binary, &translation, 4, &[])?;
        let var_file_info = structure("VarFileInfo", Kind::Text, &[], 0, &[var])?;
        let fixed = self.fixed_file_info();
        structure(
            "VS_VERSION_INFO",
            Kind::Binary,
            &fixed,
            52,
            &[string_file_info, var_file_info],
        )
    }

    /// `VS_FIXEDFILEINFO`: 13 little-endian words of 32 bits.
    fn fixed_file_info(&self) -> Vec<u8> {
        let version = [self.version.most_significant(), self.version.least_significant()];
        let mut words = vec![VS_FFI_SIGNATURE, VS_FFI_STRUCVERSION];
        words.extend(version.into_iter().chain(version));
        words.extend([VS_FFI_FILEFLAGSMASK, if self.debug { VS_FF_DEBUG } else { 0 }]);
        words.extend([VOS_NT_WINDOWS32, VFT_DRV, VFT2_DRV_SYSTEM]);
        // No date: it would differ from build to build.
        words.extend([0, 0]);
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }
}

/// `String`: the value's length counts UTF-16 units, its terminator included.
fn string(key: &str, value: &str) -> Result<Vec<u8>, Error> {
    let bytes = utf16(value)?;
    let units = u16::try_from(bytes.len() / 2).map_err(|_| Error::TooLong)?;
    structure(key, Kind::Text, &bytes, units, &[])
}

fn structure(
    key: &str,
    kind: Kind,
    value: &[u8],
    value_length: u16,
    children: &[Vec<u8>],
) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; 2];
    bytes.extend(value_length.to_le_bytes());
    bytes.extend((kind as u16).to_le_bytes());
    bytes.extend(utf16(key)?);
    align(&mut bytes);
    bytes.extend(value);
    for child in children {
        align(&mut bytes);
        bytes.extend(child);
    }
    let length = u16::try_from(bytes.len()).map_err(|_| Error::TooLong)?;
    bytes[..2].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// UTF-16 with a terminator.
fn utf16(text: &str) -> Result<Vec<u8>, Error> {
    if text.contains('\0') {
        return Err(Error::Nul(text.to_owned()));
    }
    Ok(text
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect())
}

fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}
