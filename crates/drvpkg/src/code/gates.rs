//! Gates on the code of the release flavour.

use super::{Code, Frame, FrameSize, Function, Target};
use crate::pe::inspect::Gate;

/// What rustc's code calls for moving and comparing memory. LLVM may turn the loop inside one of them into a call of it.
const MEMORY_FUNCTIONS: [&str; 5] = ["memcpy", "memmove", "memset", "memcmp", "bcmp"];
/// Parts of the names of functions that only a panic needs.
const PANIC_FUNCTIONS: [&str; 3] = ["core::panicking::", "rust_begin_unwind", "miniport_rt_a_panic"];
/// Texts that only a panic needs: the messages of core, and the source files in which panics would happen.
const PANIC_TEXTS: [&str; 7] = [
    ".rs\0",
    ".rs:",
    "panicked at",
    "called `Option::",
    "called `Result::",
    "attempt to ",
    "out of range for",
];

/// The gates on an image's code: no frame above `max_frame` bytes, nothing left of panics, and memory functions that do not
/// call themselves. Names come from the PDB that the code was read with; without one only the frames are judged by function.
#[must_use]
pub fn gates(code: &Code<'_>, max_frame: u32) -> Vec<Gate> {
    vec![
        frame_gate(code, max_frame),
        panic_gate(code),
        recursion_gate(code),
    ]
}

fn frame_gate(code: &Code<'_>, max_frame: u32) -> Gate {
    let frames = code.frames();
    let text = |frame: &Frame| match frame.size {
        FrameSize::Bytes(bytes) => format!("{bytes} bytes in {}", frame.function),
        FrameSize::Unknown => format!("of unknown size in {}", frame.function),
    };
    let refused: Vec<String> = frames
        .iter()
        .take_while(|frame| !matches!(frame.size, FrameSize::Bytes(bytes) if bytes <= max_frame))
        .map(text)
        .collect();
    Gate {
        name: "frames",
        ok: refused.is_empty(),
        detail: if refused.is_empty() {
            frames.first().map_or_else(
                || "no function".to_owned(),
                |frame| format!("largest {}", text(frame)),
            )
        } else {
            format!("above {max_frame} bytes: {}", refused.join("; "))
        },
    }
}

fn panic_gate(code: &Code<'_>) -> Gate {
    let mut found: Vec<String> = code
        .functions()
        .iter()
        .filter(|function| {
            function
                .name
                .as_ref()
                .is_some_and(|name| PANIC_FUNCTIONS.iter().any(|part| name.contains(part)))
        })
        .map(Function::label)
        .collect();
    for section in &code.sections {
        for text in PANIC_TEXTS {
            if section
                .bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
            {
                found.push(format!("the text {text:?}"));
            }
        }
    }
    Gate {
        name: "no panic",
        ok: found.is_empty(),
        detail: if found.is_empty() {
            "neither function nor text of one".to_owned()
        } else {
            found.join("; ")
        },
    }
}

fn recursion_gate(code: &Code<'_>) -> Gate {
    let found: Vec<&Function> = code
        .functions()
        .iter()
        .filter(|function| is_memory_function(function))
        .collect();
    let recursive: Vec<String> = found
        .iter()
        .filter(|function| reaches_itself(code, function))
        .map(|function| function.label())
        .collect();
    Gate {
        name: "no recursion",
        ok: recursive.is_empty(),
        detail: if recursive.is_empty() {
            let names: Vec<String> = found.iter().map(|function| function.label()).collect();
            format!(
                "{} of memory functions in the image: {}",
                names.len(),
                names.join(", ")
            )
        } else {
            format!("calls itself: {}", recursive.join(", "))
        },
    }
}

fn is_memory_function(function: &Function) -> bool {
    function
        .name
        .as_deref()
        .and_then(|name| name.rsplit("::").next())
        .is_some_and(|name| MEMORY_FUNCTIONS.contains(&name))
}

fn reaches_itself(code: &Code<'_>, function: &Function) -> bool {
    let mut seen: Vec<u32> = Vec::new();
    let mut waiting = vec![function];
    while let Some(next) = waiting.pop() {
        for branch in code.branches(next) {
            let Target::Function(to) = branch.to else { continue };
            if (function.start..function.end).contains(&to) {
                return true;
            }
            if let Some(target) = code.function_at(to)
                && !seen.contains(&target.start)
            {
                seen.push(target.start);
                waiting.push(target);
            }
        }
    }
    false
}
