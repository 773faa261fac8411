//! Calendar dates and driver versions as a `DriverVer` directive writes them.
//!
//! Source: "INF `DriverVer` directive": `mm/dd/yyyy[,w.x.y.z]`, each of w, x, y, z below 65,536.

use std::{
    env, fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use der::DateTime;
use serde::{Deserialize, Serialize};

/// Why a date or version was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CivilError {
    /// Not a calendar date.
    #[error("'{0}' is not a date: write mm/dd/yyyy or yyyy-mm-dd, from 1970 on")]
    Date(String),
    /// Not a four-part version.
    #[error("'{0}' is not a driver version: write w.x.y.z, each from 0 to 65535 (missing parts are 0)")]
    Version(String),
    /// `SOURCE_DATE_EPOCH` is set but is not a number of seconds.
    #[error("SOURCE_DATE_EPOCH is '{0}', not a number of seconds since 1970: correct or unset it")]
    SourceDateEpoch(String),
}

/// The moment a package is made: the clock's, or `SOURCE_DATE_EPOCH` for reproducible packages.
///
/// # Errors
/// [`CivilError::SourceDateEpoch`] when that variable is set to anything but seconds.
pub fn now() -> Result<DateTime, CivilError> {
    let seconds = match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text
            .parse::<u64>()
            .map_err(|_| CivilError::SourceDateEpoch(text))?,
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs()),
    };
    DateTime::from_unix_duration(Duration::from_secs(seconds))
        .map_err(|_| CivilError::SourceDateEpoch(seconds.to_string()))
}

/// A calendar date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl From<DateTime> for Date {
    fn from(moment: DateTime) -> Self {
        Self {
            year: moment.year(),
            month: moment.month(),
            day: moment.day(),
        }
    }
}

impl FromStr for Date {
    type Err = CivilError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || CivilError::Date(text.to_owned());
        let american: Vec<&str> = text.split('/').collect();
        let iso: Vec<&str> = text.split('-').collect();
        let (year, month, day) = match (american.as_slice(), iso.as_slice()) {
            ([month, day, year], _) | (_, [year, month, day]) => (*year, *month, *day),
            _ => return Err(refused()),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(year) || !digits(month) || !digits(day) {
            return Err(refused());
        }
        let year = year.parse().map_err(|_| refused())?;
        let month = month.parse().map_err(|_| refused())?;
        let day = day.parse().map_err(|_| refused())?;
        DateTime::new(year, month, day, 0, 0, 0).map_err(|_| refused())?;
        Ok(Self { year, month, day })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}/{:02}/{:04}", self.month, self.day, self.year)
    }
}

/// A driver's four-part version, as in `DriverVer` and in a VERSIONINFO resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DriverVersion(pub [u16; 4]);

impl FromStr for DriverVersion {
    type Err = CivilError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || CivilError::Version(text.to_owned());
        let mut version = [0; 4];
        let mut parts = text.split('.');
        for (index, slot) in version.iter_mut().enumerate() {
            match parts.next() {
                Some(part) if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) => {
                    *slot = part.parse().map_err(|_| refused())?;
                }
                None if index > 0 => {}
                _ => return Err(refused()),
            }
        }
        if parts.next().is_some() {
            return Err(refused());
        }
        Ok(Self(version))
    }
}

impl TryFrom<String> for DriverVersion {
    type Error = CivilError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DriverVersion> for String {
    fn from(version: DriverVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, build, revision] = self.0;
        write!(f, "{major}.{minor}.{build}.{revision}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_both_forms_and_written_as_driver_ver_wants() {
        for text in ["11/23/2026", "2026-11-23"] {
            assert_eq!(text.parse::<Date>().unwrap().to_string(), "11/23/2026");
        }
        for text in [
            "",
            "11/23",
            "13/01/2026",
            "02/30/2026",
            "2026-1",
            "11/23/26x",
            "-1/2/2026",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_have_four_parts_of_sixteen_bits() {
        assert_eq!("0.1".parse::<DriverVersion>().unwrap().to_string(), "0.1.0.0");
        assert_eq!(
            "10.0.17763.65535".parse::<DriverVersion>().unwrap().0,
            [10, 0, 17763, 65535]
        );
        for text in ["", "1.2.3.4.5", "1..2", "1.65536", "-1.0", "1.2.x"] {
            assert!(text.parse::<DriverVersion>().is_err(), "{text}");
        }
    }
}
