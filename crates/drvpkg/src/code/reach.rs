//! Why a miniport was not linked: which of its functions reach what must not be reached.
//!
//! Looks at an image that was linked all the same, with the refused symbols left unresolved (`/FORCE:UNRESOLVED`).

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
};

use super::{Branch, Code, CodeError, Symbols, Target};

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The function.
    pub function: String,
    /// The source file.
    pub file: String,
    /// The line in it.
    pub line: Option<u32>,
}

/// What must not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The panic handler.
    Panic,
    /// The drop of an SRB without a token.
    DroppedSrb,
    /// A symbol that no library has.
    Unresolved,
}

/// One place in the miniport's sources that reaches it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// What is reached.
    pub cause: Cause,
    /// The functions outside of the sources on the way, nearest first: `core::panicking::panic_bounds_check`, for example.
    pub by: Vec<String>,
    /// The place, innermost first; each is inlined into the next.
    pub places: Vec<Place>,
}

/// Finds the places below `sources` that reach an unresolved symbol, by calls or by taking a function's address.
///
/// # Errors
/// If the PDB cannot be used.
pub fn reached(code: &Code<'_>, symbols: &Symbols, sources: &Path) -> Result<Vec<Reached>, CodeError> {
    let graph = Graph::of(code);
    let mut found = BTreeSet::new();
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    // The sites to look at, why, and what they lead to.
    let mut waiting: VecDeque<Site> = graph
        .unresolved
        .iter()
        .map(|site| (*site, None, Vec::new()))
        .collect();
    while !waiting.is_empty() {
        let sites: Vec<Site> = waiting.drain(..).collect();
        let places = symbols.places(sites.iter().map(|(site, ..)| site))?;
        for ((site, cause, mut by), places) in sites.into_iter().zip(places) {
            let cause = cause.unwrap_or_else(|| cause_of(&places));
            let own: Vec<Place> = places
                .iter()
                .filter(|place| Path::new(&place.file).starts_with(sources))
                .filter(|place| !is_messenger(place))
                .cloned()
                .collect();
            let foreign = places
                .iter()
                .filter(|place| !is_messenger(place))
                .take_while(|place| !own.contains(place));
            for place in foreign {
                by.insert(0, place.function.clone());
            }
            if !own.is_empty() {
                found.insert(Reached {
                    cause,
                    by,
                    places: own,
                });
                continue;
            }
            let Some(function) = code.function_at(site) else {
                continue;
            };
            if !seen.insert(function.start) {
                continue;
            }
            for caller in graph.callers.get(&function.start).into_iter().flatten() {
                waiting.push_back((*caller, Some(cause), by.clone()));
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// An instruction to look at, what it leads to, and the foreign functions between, nearest first.
type Site = (u32, Option<Cause>, Vec<String>);

/// The functions that refer to the symbols that do not exist; who calls them is of interest, they are not.
fn is_messenger(place: &Place) -> bool {
    place.file.ends_with("miniport-rt/src/panic.rs") || is_lost_request(place)
}

fn is_lost_request(place: &Place) -> bool {
    place.function.contains("lost_request")
}

fn cause_of(places: &[Place]) -> Cause {
    if places.iter().any(is_lost_request) {
        Cause::DroppedSrb
    } else if places.iter().any(is_messenger) {
        Cause::Panic
    } else {
        Cause::Unresolved
    }
}

/// Who refers to whom.
struct Graph {
    callers: BTreeMap<u32, Vec<u32>>,
    unresolved: Vec<u32>,
}

impl Graph {
    fn of(code: &Code<'_>) -> Self {
        let mut graph = Self {
            callers: BTreeMap::new(),
            unresolved: Vec::new(),
        };
        for function in code.functions() {
            for Branch { from, to, .. } in code.branches(function) {
                match to {
                    Target::Function(to) => {
                        let target = code.function_at(to).map_or(to, |target| target.start);
                        if target != function.start {
                            graph.callers.entry(target).or_default().push(from);
                        }
                    }
                    Target::Unresolved => graph.unresolved.push(from),
                }
            }
        }
        graph
    }
}
