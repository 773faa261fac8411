//! Where `unsafe` may be.

use std::path::Path;

/// What a place may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing unsafe.
    Forbidden,
    /// `unsafe`, each with its reason.
    Permitted {
        /// Why it is needed there.
        because: &'static str,
    },
    /// A driver that is unsafe on purpose: counted, not judged.
    Exempt {
        /// What it is for.
        because: &'static str,
    },
}

/// Places other than [`Rule::Forbidden`], by path from the root of the project. The longest that fits counts.
const PLACES: &[(&str, Rule)] = &[
    (
        "crates/storport",
        Rule::Permitted {
            because: "the boundary to the port driver",
        },
    ),
    (
        "crates/miniport-rt",
        Rule::Permitted {
            because: "what stands in for a run time: memory functions, the panic handler",
        },
    ),
    (
        "crates/portlab/src/pe",
        Rule::Permitted {
            because: "maps and binds the driver's image",
        },
    ),
    (
        "crates/portlab/src/abi",
        Rule::Permitted {
            because: "calls the driver and is called by it",
        },
    ),
    (
        "crates/portlab/src/trap",
        Rule::Permitted {
            because: "signal handlers, emulation, patching",
        },
    ),
    (
        "crates/portlab/src/engine",
        Rule::Permitted {
            because: "locks that are released by another call than took them",
        },
    ),
    (
        "crates/portlab/src/memory",
        Rule::Permitted {
            because: "memory that is the driver's",
        },
    ),
    (
        "crates/portlab/src/debugger",
        Rule::Permitted {
            because: "functions that a debugger finds by their names",
        },
    ),
    (
        "crates/portlab/src/model/tests",
        Rule::Permitted {
            because: "plays drivers: words that processors share, registers",
        },
    ),
    (
        "tests/twin",
        Rule::Exempt {
            because: "the twin that `storport` is measured against",
        },
    ),
    (
        "tests/injected",
        Rule::Exempt {
            because: "holds the flaws that the gates of the release flavour have to catch",
        },
    ),
    (
        "tests/zoo",
        Rule::Exempt {
            because: "wrong drivers have to be able to be wrong",
        },
    ),
    (
        "examples/probe",
        Rule::Exempt {
            because: "provokes what the types of `storport` forbid",
        },
    ),
];

/// The rule for a file, by its path from the root of the project.
#[must_use]
pub fn rule_for(file: &Path) -> Rule {
    PLACES
        .iter()
        .filter(|(place, _)| file.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .map_or(Rule::Forbidden, |(_, rule)| *rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_and_logic_may_hold_nothing_unsafe() {
        for file in [
            "src/io.rs",
            "crates/nvme-core/src/prp.rs",
            "crates/scsi-nvme/src/lib.rs",
            "crates/nvme/src/lib.rs",
            "crates/scsi/src/lib.rs",
            "examples/pvscsi/src/lib.rs",
            "crates/portlab/src/model/lab.rs",
            "crates/portlab/src/workload/cost.rs",
            "tests/rig.rs",
        ] {
            assert_eq!(rule_for(Path::new(file)), Rule::Forbidden, "{file}");
        }
    }

    #[test]
    fn a_place_is_a_directory_and_not_a_prefix_of_a_name() {
        assert_eq!(
            rule_for(Path::new("crates/storport-extra/src/lib.rs")),
            Rule::Forbidden
        );
        assert!(matches!(
            rule_for(Path::new("crates/storport/src/ffi.rs")),
            Rule::Permitted { .. }
        ));
        assert!(matches!(
            rule_for(Path::new("tests/twin/src/io.rs")),
            Rule::Exempt { .. }
        ));
    }
}
