//! `--report`: a run as one page that needs nothing else: no network, no other file.
//!
//! | file | idea |
//! | --- | --- |
//! | `sections` | what the page says, in the order in which one wants to know it |
//! | `plot` | histogram and throughput as SVG |
//! | `page.css`, `page.js` | how it looks; the search in the event list |
//!
//! Strings of a driver or a device are hostile: everything goes through `maud`, which escapes, and a content security policy lets
//! no script run but the page's own.

mod plot;
mod sections;
#[cfg(test)]
mod tests;

use base64ct::{Base64, Encoding as _};
use drvpkg::manifest::Flavour;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use portlab::observe::record::Record;
use sha2::{Digest as _, Sha256};

use super::report::Observed;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page is about.
pub(super) struct Page<'a> {
    /// The driver's file.
    pub(super) driver: String,
    /// SHA-256 of it, in hexadecimal.
    pub(super) sha256: String,
    /// Flavour, if the driver is an image.
    pub(super) flavour: Option<Flavour>,
    /// The device, as the command line names it.
    pub(super) device: String,
    /// `parallel` or `deterministic`.
    pub(super) engine: &'static str,
    pub(super) processors: u32,
    pub(super) seed: u64,
    /// What to type to run it again.
    pub(super) command: String,
    /// Why the run failed, if it did for another reason than a broken rule.
    pub(super) failure: Option<String>,
    pub(super) observed: &'a Observed,
    pub(super) record: &'a Record,
}

impl Page<'_> {
    /// The page.
    pub(super) fn render(&self) -> String {
        let name = self.driver.rsplit('/').next().unwrap_or_default();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy());
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (name) " in portlab" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.body(name))
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }

    fn body(&self, name: &str) -> Markup {
        html! {
            header { (self.verdict(name)) (self.facts()) }
            main {
                (self.figures())
                (self.violations())
                (self.plots())
                (self.events())
                (self.startup())
                (self.counters())
                (self.output())
            }
            footer {
                "portlab says “breaks no documented rule that we model”. It does not say “passes Driver Verifier”."
            }
        }
    }
}

/// Nothing is loaded, and no script runs but ours.
fn policy() -> String {
    let hash = Base64::encode_string(&Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    )
}
