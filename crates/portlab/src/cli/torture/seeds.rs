//! A range of seeds on the command line.

use std::{fmt, str::FromStr};

/// Seeds, the last one excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seeds {
    pub(super) first: u64,
    pub(super) end: u64,
}

impl Seeds {
    /// How many.
    pub(super) const fn count(self) -> u64 {
        self.end.saturating_sub(self.first)
    }
}

impl FromStr for Seeds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (first, end) = text.split_once("..")?;
            Some((first.parse().ok()?, end.parse().ok()?))
        };
        match parse() {
            Some((first, end)) if first < end => Ok(Self { first, end }),
            _ => Err("give a range of seeds such as 0..2000"),
        }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::Seeds;

    #[test]
    fn seeds_are_a_range() {
        let seeds: Seeds = "3..7".parse().expect("a range");
        assert_eq!((seeds.first, seeds.end, seeds.count()), (3, 7, 4));
        for text in ["7..3", "3", "..", "a..b", "3..3"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }
}
