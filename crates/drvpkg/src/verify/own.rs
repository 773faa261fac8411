//! This crate's own verification.

use std::{fs, path::Path, time::SystemTime};

use const_oid::db::rfc5280::ID_KP_CODE_SIGNING;
use der::Decode;
use x509_cert::{
    Certificate,
    ext::pkix::{ExtendedKeyUsage, KeyUsage},
};

use super::{Check, Files, Subject};
use crate::{
    authenticode::{self, FileKind},
    catalog::{Catalog, File},
    hex,
    inf::Inf,
    manifest::Manifest,
    pe, pkcs7,
};

const JUDGE: &str = "drvpkg";

pub(super) fn checks(package: &Path, manifest: &Manifest, files: &Files) -> Vec<Check> {
    let check = |subject, name, found: Result<String, String>| Check::new(JUDGE, subject, name, found);
    vec![
        check(Subject::Package, "files", recorded_files(package, manifest)),
        check(Subject::Package, "INF", inf(manifest, files)),
        check(Subject::Package, "certificate", certificate(files)),
        check(Subject::Signature, "checksum", checksum(files)),
        check(Subject::Signature, "embedded signature", embedded(files)),
        check(Subject::Catalog, "catalog", catalog(files)),
    ]
}

fn recorded_files(package: &Path, manifest: &Manifest) -> Result<String, String> {
    for file in &manifest.files {
        let bytes = fs::read(package.join(&file.name)).map_err(|error| format!("{}: {error}", file.name))?;
        if hex::sha256(&bytes) != file.sha256 {
            return Err(format!(
                "{} is not the file that was packaged; make the package again",
                file.name
            ));
        }
    }
    Ok(format!("{} files as recorded", manifest.files.len()))
}

fn inf(manifest: &Manifest, files: &Files) -> Result<String, String> {
    let inf = Inf::read(&files.inf).map_err(|error| error.to_string())?;
    let value = |key| inf.value("Version", key).map_err(|error| error.to_string());
    let catalog = value("CatalogFile")?;
    if !catalog.eq_ignore_ascii_case(&files.names.catalog) {
        return Err(format!(
            "CatalogFile is {catalog}, the catalog is {}",
            files.names.catalog
        ));
    }
    let listed = inf.source_files().map_err(|error| error.to_string())?;
    if !listed
        .iter()
        .any(|name| name.eq_ignore_ascii_case(&files.names.sys))
    {
        return Err(format!("[SourceDisksFiles] does not list {}", files.names.sys));
    }
    let found = inf.lookup("Version", "DriverVer").ok_or("DriverVer is missing")?;
    let stamp: Vec<&str> = found
        .entry
        .values
        .iter()
        .map(|field| field.text.as_str())
        .collect();
    let expected = [manifest.date.clone(), manifest.version.to_string()];
    if stamp != expected {
        return Err(format!(
            "DriverVer is {}, the package is {}",
            stamp.join(","),
            expected.join(",")
        ));
    }
    let models = inf.models().map_err(|error| error.to_string())?;
    Ok(format!(
        "DriverVer {}, {} model(s)",
        expected.join(","),
        models.len()
    ))
}

fn certificate(files: &Files) -> Result<String, String> {
    let certificate = Certificate::from_der(&files.certificate).map_err(|error| error.to_string())?;
    let tbs = &certificate.tbs_certificate;
    pkcs7::verify_self_signed(&certificate).map_err(|error| format!("not self-signed: {error}"))?;
    let usage = tbs.get::<ExtendedKeyUsage>().map_err(|error| error.to_string())?;
    if !usage.is_some_and(|(_, usage)| usage.0.contains(&ID_KP_CODE_SIGNING)) {
        return Err("it is not for code signing (extended key usage 1.3.6.1.5.5.7.3.3)".to_owned());
    }
    let usage = tbs.get::<KeyUsage>().map_err(|error| error.to_string())?;
    if !usage.is_some_and(|(_, usage)| usage.digital_signature()) {
        return Err("its key usage lacks digitalSignature".to_owned());
    }
    let now = SystemTime::now();
    let validity = &tbs.validity;
    if now < validity.not_before.to_system_time() || now > validity.not_after.to_system_time() {
        return Err(format!(
            "it is valid from {} to {} only",
            validity.not_before, validity.not_after
        ));
    }
    Ok(format!(
        "{}, code signing, until {}",
        tbs.subject, validity.not_after
    ))
}

fn checksum(files: &Files) -> Result<String, String> {
    let recorded = pe::recorded_checksum(&files.sys).map_err(|error| error.to_string())?;
    let expected = pe::checksum(&files.sys).map_err(|error| error.to_string())?;
    if recorded == expected {
        Ok(format!("{recorded:#010x}"))
    } else {
        Err(format!("{recorded:#010x}, expected {expected:#010x}"))
    }
}

fn embedded(files: &Files) -> Result<String, String> {
    let signature = authenticode::verify_image(&files.sys).map_err(|error| error.to_string())?;
    same_certificate(&signature.certificate, files)?;
    Ok(format!("sha256 {}", hex::encode(&signature.digest)))
}

fn catalog(files: &Files) -> Result<String, String> {
    let (catalog, certificate) = Catalog::verify(&files.catalog).map_err(|error| error.to_string())?;
    same_certificate(&certificate, files)?;
    let expected = [
        File {
            name: &files.names.sys,
            kind: FileKind::Image,
            bytes: &files.sys,
        },
        File {
            name: &files.names.inf,
            kind: FileKind::Flat,
            bytes: &files.inf,
        },
    ];
    for file in &expected {
        let member = catalog.find(file).map_err(|error| error.to_string())?;
        let member = member.ok_or_else(|| format!("{} is not in it, or was changed", file.name))?;
        if member.attribute("File") != Some(file.name) || member.attribute("OSAttr").is_none() {
            return Err(format!(
                "the member for {} lacks its File or OSAttr attribute",
                file.name
            ));
        }
    }
    Ok(format!(
        "{} entries for {} files",
        catalog.members.len(),
        expected.len()
    ))
}

fn same_certificate(signer: &Certificate, files: &Files) -> Result<(), String> {
    let packaged = Certificate::from_der(&files.certificate).map_err(|error| error.to_string())?;
    if *signer == packaged {
        Ok(())
    } else {
        Err("signed with another certificate than the .cer".to_owned())
    }
}
