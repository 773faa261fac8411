//! What is checked in about other people's tests: failures that a standard permits, and reasons to skip.

/// A failure that is known.
struct Permit {
    test: String,
    /// Part of the device's name; empty for all.
    device: String,
    /// Part of the complaint.
    complaint: String,
    clause: String,
}

/// `tables/permitted.tsv`.
pub(crate) struct Permits(Vec<Permit>);

/// `tables/skips.tsv`.
pub(crate) struct Skips(Vec<String>);

/// A table that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{table}, line {line}: {fields} columns, separated by tabs, none but the device empty")]
pub(crate) struct TableError {
    table: &'static str,
    line: usize,
    fields: usize,
}

fn rows<const N: usize>(table: &'static str, text: &str) -> Result<Vec<[String; N]>, TableError> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let fields: Vec<String> = line.split('\t').map(|field| field.trim().to_owned()).collect();
            fields.try_into().map_err(|_| TableError {
                table,
                line: index + 1,
                fields: N,
            })
        })
        .collect()
}

impl Permits {
    /// The table that is checked in.
    pub(crate) fn read() -> Result<Self, TableError> {
        Self::parse(include_str!("../tables/permitted.tsv"))
    }

    fn parse(text: &str) -> Result<Self, TableError> {
        let rows = rows("tables/permitted.tsv", text)?;
        let permits = rows.into_iter().map(|[test, device, complaint, clause]| Permit {
            test,
            device,
            complaint,
            clause,
        });
        let permits: Vec<_> = permits.collect();
        let unfounded = |permit: &Permit| {
            permit.test.is_empty() || permit.complaint.is_empty() || permit.clause.is_empty()
        };
        match permits.iter().position(unfounded) {
            Some(line) => Err(TableError {
                table: "tables/permitted.tsv (rows only)",
                line: line + 1,
                fields: 4,
            }),
            None => Ok(Self(permits)),
        }
    }

    /// The clause that permits a failure.
    pub(crate) fn clause(&self, test: &str, device: &str, complaint: &str) -> Option<&str> {
        let permits = |permit: &&Permit| {
            permit.test == test && device.contains(&permit.device) && complaint.contains(&permit.complaint)
        };
        self.0.iter().find(permits).map(|permit| permit.clause.as_str())
    }
}

impl Skips {
    /// The table that is checked in.
    pub(crate) fn read() -> Result<Self, TableError> {
        let rows = rows::<2>("tables/skips.tsv", include_str!("../tables/skips.tsv"))?;
        Ok(Self(rows.into_iter().map(|[reason, _]| reason).collect()))
    }

    /// Whether a disk may lack that.
    pub(crate) fn is_known(&self, reason: &str) -> bool {
        self.0.iter().any(|known| reason.starts_with(known.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_well_formed() {
        Permits::read().expect("permitted.tsv");
        let skips = Skips::read().expect("skips.tsv");
        assert!(!skips.is_known("Something new. Skipping test"));
        assert!(!skips.is_known(""));
    }

    #[test]
    fn a_permit_is_for_one_complaint() {
        let permits = Permits::parse("A.B.C\tqemu\tsense 5\tSPC-4 1.2\n").expect("one row");
        assert_eq!(
            permits.clause("A.B.C", "qemu thick", "got sense 5/24"),
            Some("SPC-4 1.2")
        );
        assert_eq!(permits.clause("A.B.C", "lab thick", "got sense 5/24"), None);
        assert_eq!(permits.clause("A.B.C", "qemu thick", "timed out"), None);
        assert!(Permits::parse("A.B.C\t\tx\t\n").is_err(), "no clause");
        assert!(Permits::parse("A.B.C\tx\n").is_err());
    }
}
