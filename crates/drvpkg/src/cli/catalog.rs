//! `drvpkg catalog`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use drvpkg::{
    authenticode::FileKind,
    catalog::{self, CatalogError},
    hex, pkcs7,
};
use serde::Serialize;

use super::{Answer, Outcome, print_json, read};

#[derive(Debug, Subcommand)]
pub(crate) enum Catalog {
    /// Print what a .cat file holds and whether its signature holds.
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The .cat file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A catalog could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}; give a version-2 .cat file")]
struct ShowError {
    path: String,
    source: CatalogError,
}

#[derive(Serialize)]
struct Shown {
    identifier: String,
    made: String,
    signature: String,
    signature_ok: bool,
    signed: bool,
    attributes: Vec<(String, String)>,
    members: Vec<ShownMember>,
}

#[derive(Serialize)]
struct ShownMember {
    algorithm: &'static str,
    hash: String,
    kind: &'static str,
    attributes: Vec<(String, String)>,
}

impl Catalog {
    pub(super) fn run(&self) -> Answer {
        let Self::Show(verb) = self;
        verb.run()
    }
}

impl Show {
    fn run(&self) -> Answer {
        let bytes = read(&self.file)?;
        let failed = |source| ShowError {
            path: self.file.display().to_string(),
            source,
        };
        let content = catalog::Catalog::read(&bytes).map_err(failed)?;
        let signed = pkcs7::signed_data(&bytes).is_ok_and(|data| !data.signer_infos.0.is_empty());
        let (signature_ok, signature) = match catalog::Catalog::verify(&bytes) {
            Ok((_, certificate)) => (true, certificate.tbs_certificate.subject.to_string()),
            Err(_) if !signed => (false, "not signed".to_owned()),
            Err(error) => (false, error.to_string()),
        };
        let shown = Shown {
            identifier: hex::encode(&content.identifier),
            made: content.made.to_string(),
            signature,
            signature_ok,
            signed,
            attributes: pairs(&content.attributes),
            members: content
                .members
                .iter()
                .map(|member| ShownMember {
                    algorithm: member.hash.algorithm(),
                    hash: hex::encode(member.hash.as_bytes()),
                    kind: match member.kind {
                        Some(FileKind::Image) => "image",
                        Some(FileKind::Flat) => "flat",
                        None => "other",
                    },
                    attributes: pairs(&member.attributes),
                })
                .collect(),
        };
        if self.json {
            print_json(&shown)?;
        } else {
            shown.print();
        }
        Ok(if signature_ok || !signed {
            Outcome::Done
        } else {
            Outcome::Refused
        })
    }
}

impl Shown {
    fn print(&self) {
        println!("identifier  {}", self.identifier);
        println!("made        {}", self.made);
        println!("signature   {}", self.signature);
        for (name, value) in &self.attributes {
            println!("attribute   {name} = {value}");
        }
        for member in &self.members {
            println!(
                "member      {} {} ({})",
                member.algorithm, member.hash, member.kind
            );
            for (name, value) in &member.attributes {
                println!("              {name} = {value}");
            }
        }
    }
}

fn pairs(attributes: &[catalog::Attribute]) -> Vec<(String, String)> {
    attributes
        .iter()
        .map(|attribute| (attribute.name.clone(), attribute.value.clone()))
        .collect()
}
