//! Rules that no driver of the zoo breaks, and why.

/// What is said of a rule that was forgotten: nobody's reason.
pub const UNWRITTEN: &str = "no driver has been written for it";

/// Why a rule has no driver.
const REASONS: &[(&str, &str)] = &[(
    "not-modelled",
    "the lab says it of itself: a call that it cannot judge, not a rule of the DDI",
)];

/// The reason for a rule, or that there is none.
#[must_use]
pub fn why(rule: &str) -> &'static str {
    REASONS
        .iter()
        .find(|(id, _)| *id == rule)
        .map_or(UNWRITTEN, |(_, why)| why)
}
