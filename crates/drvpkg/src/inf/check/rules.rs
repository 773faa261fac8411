//! The rules an INF is held to, in one table.
//!
//! Sentences are ours; where `InfVerif` documents a number for the same fault, the number stands beside it. The numbers come from
//! "INF Validation Errors and Warnings"; a rule without one is demanded by the page that it cites.

use serde::Serialize;

/// How bad a breach is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The package is not accepted, or does not install as it reads.
    Error,
    /// Allowed, but seldom meant.
    Warning,
}

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable name.
    pub id: &'static str,
    /// `InfVerif`'s number for it, where documented.
    pub infverif: Option<u16>,
    /// How bad a breach is.
    pub severity: Severity,
    /// What it demands.
    pub sentence: &'static str,
    /// Title of the documentation page that demands it.
    pub reference: &'static str,
}

macro_rules! rules {
    ($( $name:ident = $id:literal, $number:expr, $severity:ident, $sentence:literal, $reference:literal; )+) => {
        $(
            #[doc = concat!("Rule `", $id, "`.")]
            pub static $name: Rule = Rule {
                id: $id, infverif: $number, severity: Severity::$severity, sentence: $sentence, reference: $reference,
            };
        )+

        /// All of them.
        pub static RULES: &[&Rule] = &[ $( &$name, )+ ];
    };
}

rules! {
    BROKEN_SECTION = "broken-section", None, Error,
        "A section's name stands between brackets.", "General Syntax Rules for INF Files";
    OPEN_QUOTE = "open-quote", None, Error,
        "A quoted string ends on the line that it begins on.", "General Syntax Rules for INF Files";
    STRAY_ENTRY = "stray-entry", None, Error,
        "Every entry belongs to a section.", "General Syntax Rules for INF Files";
    TOO_LONG = "too-long", None, Error,
        "A field has at most 4,095 characters, before and after its strings are put in; a section's name 255.", "General Syntax Rules for INF Files";
    STRING_UNDEFINED = "string-undefined", Some(1235), Error,
        "Each %token% is defined in [Strings]; a percent sign is written %%.", "INF Strings Section";

    VERSION_MISSING = "version-missing", None, Error,
        "There is a [Version] section.", "INF Version Section";
    SIGNATURE = "signature", None, Error,
        "Signature is $Windows NT$ or $Chicago$.", "INF Version Section";
    CLASS = "class", None, Error,
        "Class and ClassGuid name the device setup class, and the same one.", "INF Version Section";
    PROVIDER = "provider", None, Error,
        "Provider says whose package this is.", "INF Version Section";
    PROVIDER_MICROSOFT = "provider-microsoft", Some(1204), Error,
        "Provider is not Microsoft.", "INF Validation Errors and Warnings";
    CATALOG = "catalog", Some(1233), Error,
        "CatalogFile names the catalog that is signed.", "INF Version Section";
    DRIVER_VERSION = "driver-version", Some(1217), Error,
        "DriverVer is mm/dd/yyyy,w.x.y.z, each part of the version below 65,536.", "INF DriverVer Directive";
    PNP_LOCKDOWN = "pnp-lockdown", None, Warning,
        "PnpLockdown is 1: nobody but Plug and Play changes the files.", "INF Version Section";
    REFLECT_OFFLINE = "dont-reflect-offline", None, Error,
        "DontReflectOffline is for Microsoft's own INFs.", "INF Version Section";

    SECTION_MISSING = "section-missing", Some(1203), Error,
        "A section that is named exists.", "INF Validation Errors and Warnings";
    SECTION_UNUSED = "section-unused", Some(2083), Warning,
        "A section that exists is named by something.", "INF Validation Errors and Warnings";
    SECTION_SHARED = "section-shared", Some(1205), Warning,
        "A section serves directives of one kind.", "INF Validation Errors and Warnings";
    DEFAULT_INSTALL = "default-install", Some(1212), Error,
        "An INF with [Manufacturer] has no [DefaultInstall].", "INF DefaultInstall Section";
    CLASS_INSTALL = "class-install", Some(1285), Error,
        "An INF of a class that Windows defines does not install the class.", "INF ClassInstall32 Section";
    LEGACY_SECTION = "legacy-section", Some(1300), Error,
        "Sections of co-installers, log configurations and factory defaults are not declarative.", "Using a Universal INF File";
    LEGACY_DIRECTIVE = "legacy-directive", Some(1301), Error,
        "Directives that delete, rename, register or edit are not declarative.", "Using a Universal INF File";
    PRODUCT_DECORATION = "product-decoration", None, Error,
        "A TargetOSVersion decoration names no product type and no suite.", "Using a Universal INF File";
    ARCHITECTURE = "architecture", None, Error,
        "A models section says its architecture: NTamd64, NTarm64.", "INF Manufacturer Section";
    NO_DEVICE = "no-device", Some(1297), Error,
        "A device's INF installs on some device.", "INF Models Section";
    CLASS_MATCH = "class-match", None, Warning,
        "A match by PCI class code takes over every device of the class, the boot disk's controller included.", "How Windows Selects a Driver Package for a Device";
    SYNTAX_TOO_NEW = "syntax-too-new", Some(1199), Error,
        "What needs a newer Windows stands behind a decoration that asks for it: directory 13 needs build 16299.", "INF Manufacturer Section";
    NEEDS_EXTENSION = "needs-extension", Some(1310), Error,
        "Needs in a section with an extension names a section with the same one.", "INF Needs Directive";
    NEEDS_INCLUDE = "needs-include", Some(1313), Error,
        "Needs of another INF's section stands beside its Include.", "INF Include Directive";

    SOURCE_FILE = "source-file", Some(1230), Error,
        "[SourceDisksFiles] lists every file that is copied.", "INF SourceDisksFiles Section";
    SOURCE_DISK = "source-disk", None, Error,
        "[SourceDisksNames] lists every disk that a file is on.", "INF SourceDisksNames Section";
    FILE_MOVED = "file-moved", Some(1100), Error,
        "A file keeps its name and its folder in the driver store.", "Driver Package Isolation";
    FILE_TWICE = "file-twice", None, Error,
        "No two files of a package have the same name.", "Driver Package Isolation";
    DESTINATION = "destination", None, Error,
        "[DestinationDirs] says where the files of each section go.", "INF DestinationDirs Section";
    NOT_IN_STORE = "not-in-store", Some(1306), Error,
        "Files stay in the driver store: directory 13.", "Driver Package Isolation";

    SERVICE_MISSING = "service-missing", Some(1296), Error,
        "Each install section has a .Services section.", "INF DDInstall.Services Section";
    SERVICE_ASSOCIATED = "service-associated", None, Error,
        "Exactly one service is the device's function driver (flag 2).", "INF AddService Directive";
    SERVICE_ENTRY = "service-entry", None, Error,
        "A service has ServiceType, StartType, ErrorControl and ServiceBinary.", "INF AddService Directive";
    SERVICE_START = "service-start", None, Error,
        "A Plug and Play driver (type 1) starts at boot, with the system or on demand: 0, 1 or 3.", "INF AddService Directive";
    SERVICE_BINARY = "service-binary", None, Error,
        "ServiceBinary is a file of this package in the driver store: %13%.", "Driver Package Isolation";
    EVENT_LOG = "event-log", None, Error,
        "The event-log section of a service has AddReg directives; what is registered stands in the sections that they name.", "INF AddService Directive";
    SERVICE_STATE = "service-state", None, Error,
        "A service's values lie under its Parameters key.", "Driver Package Isolation";

    REGISTRY_ROOT = "registry-root", Some(1304), Error,
        "Registry entries are relative: HKR.", "INF AddReg Directive";
    SERVICES_KEY = "services-key", Some(1221), Error,
        "The key of a service is reached by HKR, not by its path.", "INF Validation Errors and Warnings";
    CO_INSTALLER = "co-installer", Some(1303), Error,
        "No co-installer is registered.", "INF Validation Errors and Warnings";
    REGISTRY_APPEND = "registry-append", Some(1305), Error,
        "Nothing is appended to a list of strings and no value is deleted.", "INF AddReg Directive";
    REGISTRY_FLAGS = "registry-flags", None, Error,
        "The flags of a registry entry are a number of documented bits.", "INF AddReg Directive";
    REGISTRY_NUMBER = "registry-number", None, Error,
        "A REG_DWORD has one value, a number of 32 bits.", "INF AddReg Directive";
    REGISTRY_CONFLICT = "registry-conflict", Some(1331), Error,
        "One value of one key is set to one thing.", "INF Validation Errors and Warnings";
    MESSAGE_LIMIT = "message-limit", None, Error,
        "MSISupported is 0 or 1, MessageNumberLimit from 1 to 2,048.", "Enabling Message-Signaled Interrupts in the Registry";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::RULES;

    #[test]
    fn ids_are_unique_and_sentences_end() {
        let mut ids = HashSet::new();
        for rule in RULES {
            assert!(ids.insert(rule.id), "{} twice", rule.id);
            assert!(rule.sentence.ends_with('.'), "{}", rule.id);
            assert!(!rule.reference.is_empty(), "{}", rule.id);
        }
    }
}
