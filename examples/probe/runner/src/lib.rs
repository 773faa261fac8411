//! Runs the probe miniport in the lab, row by row, and compares what it observes with the DDI's pages; then makes the
//! lab's model wrong, one answer at a time, and looks whether the row notices.
//!
//! It proves that the lab and the crate `storport` agree on the codes, and that the comparison bites. That Windows
//! agrees too it cannot prove: both sides are made from the same pages.
//!
//! | module | idea |
//! | --- | --- |
//! | [`life`] | one life of the probe, in which rows are observed |
//! | [`observation`] | what was seen, and whether it is what the row says |
//! | [`mutations`] | the ways in which the model is made wrong, from the same table |
//! | [`report`] | the table and the JSON |
#![cfg(target_os = "linux")]

pub mod life;
pub mod mutations;
pub mod observation;
pub mod report;

use std::path::Path;

use portlab::model::Mutation;
use probe_rows::{ROWS, Row, Way};

use crate::{
    life::{Life, LifeError},
    mutations::Mutant,
    observation::Observation,
    report::{MutantResult, RowResult},
};

/// Observes all rows in one life of the probe, against a model that is right, or wrong throughout.
///
/// # Errors
/// If the probe cannot be brought to life. Whatever it does wrong later is in the results.
pub fn observe_rows(driver: &Path, wrong: Option<&Mutation>) -> Result<Vec<RowResult>, LifeError> {
    let mut life = Life::begin(driver)?;
    let mut last = None;
    let mut results: Vec<RowResult> = Vec::new();
    for row in ROWS {
        let observation = match row.way {
            Way::Unreachable(_) => None,
            Way::Reached(reach) if life::ends_the_life(reach.case) => {
                last = Some(results.len());
                None
            }
            Way::Reached(reach) => Some(life.observe(row, &reach, wrong, life::PATIENT)),
        };
        results.push(RowResult::new(row, observation));
    }
    if let Some(index) = last
        && let (Some(result), Some(row)) = (results.get_mut(index), ROWS.get(index))
    {
        let mut observation = life.observe_removal(wrong);
        // What a call left behind that was answered wrongly on purpose is not the removal's fault.
        if wrong.is_none() {
            observation.trouble = observation.trouble.or_else(|| life.left_behind());
        }
        *result = RowResult::new(row, Some(observation));
    }
    Ok(results)
}

/// Makes the model wrong for one row, in a life of its own.
///
/// # Errors
/// If the probe cannot be brought to life.
pub fn observe_mutant(driver: &Path, mutant: &Mutant) -> Result<MutantResult, LifeError> {
    let mut life = Life::begin(driver)?;
    let reach = mutant.reach;
    let observation = if life::ends_the_life(reach.case) {
        life.observe_removal(Some(&mutant.mutation))
    } else {
        life.observe(mutant.row, &reach, Some(&mutant.mutation), life::HASTY)
    };
    Ok(MutantResult::new(mutant, &observation, life.mutations_made() > 0))
}

/// Whether what was observed is what the row says.
#[must_use]
pub fn holds(row: &Row, observation: &Observation) -> bool {
    match row.way {
        Way::Unreachable(_) => false,
        Way::Reached(reach) => observation.is(row.answer, &reach),
    }
}
