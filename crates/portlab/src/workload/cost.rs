//! What a driver's callbacks cost, from what the lab counted of them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    model::{Callback, Counts},
    pe::SourceFrame,
};

/// What one kind of callback cost in a workload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CallbackCost {
    /// How often it ran.
    pub invocations: u64,
    /// Instructions of the image, all runs together.
    pub instructions: u64,
    /// Instructions of a run, and how many runs took that many; the most frequent first.
    pub distribution: Vec<Runs>,
    /// Calls into the port driver and the kernel by name, all runs together.
    pub port_calls: BTreeMap<String, u64>,
    /// Register reads, all runs together.
    pub register_reads: u64,
    /// Register writes, all runs together: the doorbells, on the way of a request.
    pub register_writes: u64,
    /// Instructions by function, all runs together; the largest first. An inlined function counts as itself, but one of
    /// Rust's own library as the function that it was inlined into.
    pub functions: Vec<FunctionCost>,
}

/// Runs of the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// Instructions of each.
    pub instructions: u64,
    /// How many there were.
    pub runs: u64,
}

/// What one function cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionCost {
    /// Its name in the PDB; empty if that knows none.
    pub function: String,
    /// Instructions.
    pub instructions: u64,
    /// By source line, the largest first.
    pub lines: Vec<LineCost>,
}

/// What one source line cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineCost {
    /// File and line.
    pub place: String,
    /// Instructions.
    pub instructions: u64,
}

impl CallbackCost {
    /// Instructions of a run, if all runs took as many.
    #[must_use]
    pub fn constant(&self) -> Option<u64> {
        match self.distribution.as_slice() {
            [only] => Some(only.instructions),
            _ => None,
        }
    }
}

/// Sums up by callback.
#[must_use]
pub fn summarise(counts: &Counts) -> BTreeMap<Callback, CallbackCost> {
    let mut costs: BTreeMap<Callback, CallbackCost> = BTreeMap::new();
    let mut runs: BTreeMap<(Callback, u64), u64> = BTreeMap::new();
    for invocation in &counts.invocations {
        let cost = costs.entry(invocation.callback).or_default();
        cost.invocations += 1;
        cost.instructions += invocation.instructions;
        cost.register_reads += invocation.register_reads;
        cost.register_writes += invocation.register_writes;
        for (name, calls) in &invocation.port_calls {
            *cost.port_calls.entry(name.clone()).or_default() += calls;
        }
        *runs
            .entry((invocation.callback, invocation.instructions))
            .or_default() += 1;
    }
    for ((callback, instructions), runs) in runs {
        if let Some(cost) = costs.get_mut(&callback) {
            cost.distribution.push(Runs { instructions, runs });
        }
    }
    for (callback, cost) in &mut costs {
        cost.distribution.sort_by_key(|runs| std::cmp::Reverse(runs.runs));
        cost.functions = functions(counts, *callback);
    }
    costs
}

/// The innermost function that is not of Rust's own library.
fn owner(source: &[SourceFrame]) -> Option<&SourceFrame> {
    let of_library = |frame: &&SourceFrame| {
        let file = frame.file.as_deref().unwrap_or("").replace('\\', "/");
        ["/library/core/", "/library/alloc/", "/zerocopy-"]
            .iter()
            .any(|part| file.contains(part))
    };
    source
        .iter()
        .find(|frame| !of_library(frame))
        .or_else(|| source.first())
}

/// The last two components of a path.
fn file_name(path: &str) -> &str {
    let mut separators = path.rmatch_indices(['/', '\\']).map(|(index, _)| index + 1);
    let _ = separators.next();
    separators
        .next()
        .and_then(|start| path.get(start..))
        .unwrap_or(path)
}

/// A name of a PDB without types of parameters and without generic arguments: `storport::cell::SetOnce::get` for
/// `storport::cell::SetOnce<ferronvme::memory::Memory>::get()`.
fn plain_name(name: &str) -> String {
    // A method of an enumeration is that of its layout type: `enum2$<crate::Type>::method`.
    let name = name
        .strip_prefix("enum2$<")
        .and_then(|rest| rest.split_once(">::"))
        .map_or_else(|| name.to_owned(), |(owner, method)| format!("{owner}::{method}"));
    let mut plain = String::new();
    let mut depth = 0_u32;
    for character in name.chars() {
        match character {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            '(' if depth == 0 => break,
            _ if depth == 0 => plain.push(character),
            _ => {}
        }
    }
    plain
}

/// Instructions of a callback by function and line.
fn functions(counts: &Counts, callback: Callback) -> Vec<FunctionCost> {
    let mut by_function: BTreeMap<String, (u64, BTreeMap<String, u64>)> = BTreeMap::new();
    for executed in counts.instructions.iter().filter(|one| one.callback == callback) {
        let frame = owner(&executed.source);
        let name = frame.and_then(|frame| frame.function.as_deref()).unwrap_or("");
        let place = match frame {
            Some(frame) => format!(
                "{}:{}",
                frame.file.as_deref().map_or("?", file_name),
                frame.line.unwrap_or(0)
            ),
            None => String::from("?"),
        };
        let entry = by_function.entry(plain_name(name)).or_default();
        entry.0 += executed.times;
        *entry.1.entry(place).or_default() += executed.times;
    }
    let mut functions: Vec<FunctionCost> = by_function
        .into_iter()
        .map(|(function, (instructions, lines))| {
            let mut lines: Vec<LineCost> = lines
                .into_iter()
                .map(|(place, instructions)| LineCost { place, instructions })
                .collect();
            lines.sort_by_key(|line| std::cmp::Reverse(line.instructions));
            FunctionCost {
                function,
                instructions,
                lines,
            }
        })
        .collect();
    functions.sort_by_key(|function| std::cmp::Reverse(function.instructions));
    functions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Executed, Invocation};

    fn invocation(instructions: u64) -> Invocation {
        Invocation {
            callback: Callback::StartIo,
            instructions,
            port_calls: BTreeMap::from([(String::from("StorPortBusy"), 1)]),
            register_reads: 0,
            register_writes: 2,
        }
    }

    #[test]
    fn runs_of_the_same_length_are_put_together() {
        let counts = Counts {
            invocations: vec![invocation(7), invocation(9), invocation(7)],
            instructions: vec![Executed {
                callback: Callback::StartIo,
                offset: 16,
                times: 3,
                source: Vec::new(),
            }],
        };
        let costs = summarise(&counts);
        let cost = &costs[&Callback::StartIo];
        assert_eq!((cost.invocations, cost.instructions), (3, 23));
        assert_eq!((cost.register_writes, cost.port_calls["StorPortBusy"]), (6, 3));
        assert_eq!(
            cost.distribution[0],
            Runs {
                instructions: 7,
                runs: 2
            }
        );
        assert_eq!(cost.constant(), None);
        assert_eq!(cost.functions[0].instructions, 3);
    }

    #[test]
    fn names_lose_what_differs_between_instances() {
        for (name, plain) in [
            ("memcpy", "memcpy"),
            (
                "storport::cell::SetOnce<a::B<c::D> >::get()",
                "storport::cell::SetOnce::get",
            ),
            (
                "enum2$<storport::srb::view::View>::cdb(enum2$<storport::srb::view::View>)",
                "storport::srb::view::View::cdb",
            ),
            (
                "storport::srb::request::impl$4::segments(u32)",
                "storport::srb::request::impl$4::segments",
            ),
        ] {
            assert_eq!(plain_name(name), plain);
        }
    }

    #[test]
    fn what_the_library_does_is_its_callers() {
        let frame = |function: &str, file: &str| SourceFrame {
            function: Some(function.to_owned()),
            file: Some(file.to_owned()),
            line: Some(1),
        };
        let source = [
            frame("core::num::checked_add", "/rustc/1/library/core/src/num/mod.rs"),
            frame("mine", "/home/me/src/io.rs"),
        ];
        assert_eq!(
            owner(&source).and_then(|frame| frame.function.as_deref()),
            Some("mine")
        );
        assert_eq!(owner(&source[..1]), source.first());
        assert_eq!(file_name("/home/me/src/io.rs"), "src/io.rs");
        assert_eq!(file_name("io.rs"), "io.rs");
    }

    #[test]
    fn runs_that_all_have_one_length_are_constant() {
        let counts = Counts {
            invocations: vec![invocation(7), invocation(7)],
            instructions: Vec::new(),
        };
        assert_eq!(summarise(&counts)[&Callback::StartIo].constant(), Some(7));
    }
}
