//! INF files: losslessness, syntax, meaning, stamping.

use drvpkg::{
    civil::DriverVersion,
    inf::{
        Field, Inf, InfError, ItemKind, Stamp,
        query::Architecture,
        text::{self, Encoding, TextError},
    },
};
use proptest::prelude::*;

const FERRONVME: &[u8] = include_bytes!("../../../../inf/ferronvme.inx");
const FERRONVME_CLASS: &[u8] = include_bytes!("../../../../inf/ferronvme-class.inx");

fn read(text: &str) -> Inf {
    Inf::read(text.as_bytes()).unwrap()
}

/// The only entry of a text: key and values.
fn entry(text: &str) -> (Option<String>, Vec<String>) {
    let inf = read(text);
    let mut entries = inf.items().iter().filter_map(|item| item.entry());
    let entry = entries.next().unwrap();
    assert!(entries.next().is_none(), "{text:?} is more than one entry");
    (
        entry.key.as_ref().map(|field| field.text.clone()),
        entry.values.iter().map(|field| field.text.clone()).collect(),
    )
}

fn stamp() -> Stamp {
    Stamp {
        architecture: Architecture::Amd64,
        date: "11/23/2026".parse().unwrap(),
        version: DriverVersion([1, 2, 3, 4]),
        catalog: "sample.cat".to_owned(),
    }
}

#[test]
fn entries_have_keys_and_values() {
    let parts = |key: Option<&str>, values: &[&str]| {
        (
            key.map(str::to_owned),
            values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(entry("a = b, c ; d\n"), parts(Some("a"), &["b", "c"]));
    assert_eq!(entry("a,b = c"), parts(None, &["a", "b = c"]));
    assert_eq!(
        entry("HKR,,x,%T%,\"y;=,z\""),
        parts(None, &["HKR", "", "x", "%T%", "y;=,z"])
    );
    assert_eq!(entry("\"a=b\" = \" c \""), parts(Some("a=b"), &[" c "]));
    assert_eq!(entry("a = \"say \"\"hi\"\"\""), parts(Some("a"), &["say \"hi\""]));
    assert_eq!(entry("a = %12%\"\\x y\""), parts(Some("a"), &["%12%\\x y"]));
    assert_eq!(entry("a ="), parts(Some("a"), &[""]));
    assert_eq!(entry("a = \"\""), parts(Some("a"), &[""]));
}

#[test]
fn a_backslash_at_the_end_joins_lines_unless_quoted_or_followed() {
    let joined = "a = b, \\ ; why\r\n   c\r\n";
    assert_eq!(entry(joined).1, ["b", "c"]);
    assert_eq!(entry("a = b\\\nc").1, ["bc"]);
    assert_eq!(entry("a = \"b\\\"\n").1, ["b\\"]);
    assert_eq!(entry("a = b\\c\n").1, ["b\\c"]);
    assert_eq!(entry("a = b\\").1, ["b\\"], "nothing follows to be joined");
    let inf = read("[a]\\\nb = c\\ \\\n d\ne = f\n");
    assert_eq!(
        inf.items().iter().map(|item| item.line).collect::<Vec<_>>(),
        [1, 2, 4]
    );
}

#[test]
fn an_open_quote_ends_with_the_line_and_is_told() {
    let inf = read("a = \"b\nc = d\n");
    let fields: Vec<&Field> = inf
        .items()
        .iter()
        .filter_map(|item| item.entry())
        .map(|entry| &entry.values[0])
        .collect();
    assert_eq!(
        fields.iter().map(|field| field.unterminated).collect::<Vec<_>>(),
        [true, false]
    );
    assert!(!read("a = \"x\"\"y\"").items()[0].entry().unwrap().values[0].unterminated);
}

#[test]
fn sections_of_one_name_are_one_and_names_ignore_case() {
    let inf = read("[A]\nx = 1\n[b]\ny = 2\n[ a ] ; again\nX = 3\n[c\nz = 4\n");
    let keys: Vec<_> = inf
        .section("a")
        .map(|found| found.entry.key.clone().unwrap().text)
        .collect();
    assert_eq!(keys, ["x", "X"]);
    assert_eq!(inf.value("A", "x").unwrap(), "3", "the later entry overrides");
    assert!(
        inf.items()
            .iter()
            .any(|item| *item.kind() == ItemKind::BrokenSection && item.line == 7)
    );
    assert_eq!(inf.section("c").count(), 0);
}

#[test]
fn tokens_resolve_from_strings() {
    let inf = read("[S]\na = %x%%% %13%\\y %\nb = %none%\n[Strings]\nX = \"v w\"\n");
    assert_eq!(inf.value("s", "a").unwrap(), "v w% %13%\\y %");
    assert_eq!(
        inf.value("s", "b"),
        Err(InfError::UnknownString {
            line: 3,
            token: "none".to_owned()
        })
    );
    assert!(matches!(inf.value("s", "c"), Err(InfError::NoEntry { .. })));
}

#[test]
fn encodings_are_kept() {
    let text = "[Strings]\r\nä = \"ß\"\r\n";
    for encoding in [
        Encoding::Utf8,
        Encoding::Utf8Bom,
        Encoding::Utf16Le,
        Encoding::Ansi,
    ] {
        let bytes = text::encode(encoding, text);
        let inf = Inf::read(&bytes).unwrap();
        assert_eq!((inf.encoding(), inf.to_text().as_str()), (encoding, text));
        assert_eq!(inf.to_bytes(), bytes);
    }
    assert_eq!(Inf::read(&[0xFF, 0xFE, 0x00, 0xD8]), Err(TextError::Utf16(2)));
    assert_eq!(Inf::read(&[0xFF, 0xFE, 0x41]), Err(TextError::Utf16(2)));
    assert_eq!(Inf::read(&[0xFE, 0xFF, 0x00, 0x41]), Err(TextError::Utf16Be));
    assert_eq!(
        Inf::read(&[0xEF, 0xBB, 0xBF, 0x41, 0xFF]),
        Err(TextError::Utf8(4))
    );
}

#[test]
fn stamping_writes_what_stampinf_writes() {
    let mut inf = read(
        "; $ARCH$\n[Version]\nDriverVer = ; later\n\n[Manufacturer]\n%M% = D,NT$ARCH$.10.0\n[D.NT$ARCH$.10.0]\n",
    );
    stamp().apply(&mut inf).unwrap();
    let expected = "; $ARCH$\r\n[Version]\r\nCatalogFile = sample.cat\r\nDriverVer =11/23/2026,1.2.3.4 ; later\r\n\r\n\
                    [Manufacturer]\r\n%M% = D,NTamd64.10.0\r\n[D.NTamd64.10.0]\r\n";
    assert_eq!(inf.to_text(), expected);
    let mut bare = read("[Version]");
    stamp().apply(&mut bare).unwrap();
    assert_eq!(
        bare.to_text(),
        "[Version]\r\nDriverVer = 11/23/2026,1.2.3.4\r\nCatalogFile = sample.cat\r\n"
    );
    assert_eq!(
        stamp().apply(&mut read("[Ver]")),
        Err(InfError::NoSection("Version".to_owned()))
    );
}

/// What the driver's INFs must say, each by the page that asks for it.
#[test]
fn our_infs_say_what_a_storport_miniport_needs() {
    for (bytes, id) in [
        (FERRONVME, "PCI\\VEN_1B36&DEV_0010"),
        (FERRONVME_CLASS, "PCI\\CC_010802"),
    ] {
        let mut inf = Inf::read(bytes).unwrap();
        stamp().apply(&mut inf).unwrap();
        let version = |key: &str| inf.value("Version", key).unwrap();
        assert_eq!(version("Signature"), "$WINDOWS NT$");
        assert_eq!(version("Class"), "SCSIAdapter");
        assert_eq!(
            version("ClassGuid").to_lowercase(),
            "{4d36e97b-e325-11ce-bfc1-08002be10318}"
        );
        assert_eq!(version("PnpLockdown"), "1");
        assert_eq!(inf.value("DestinationDirs", "DefaultDestDir").unwrap(), "13");
        assert_eq!(inf.source_files().unwrap(), ["ferronvme.sys"]);
        assert_eq!(inf.architectures().unwrap(), [Architecture::Amd64]);

        let models = inf.models().unwrap();
        let ids: Vec<&str> = models
            .iter()
            .flat_map(|model| &model.ids)
            .map(String::as_str)
            .collect();
        assert_eq!(ids, [id]);
        assert_eq!(models[0].decoration, "NTamd64.10.0...17763");
        let install = format!("{}.NT", models[0].install_section);
        let service = inf.lookup(&format!("{install}.Services"), "AddService").unwrap();
        let service: Vec<&str> = service
            .entry
            .values
            .iter()
            .map(|field| field.text.as_str())
            .collect();
        assert_eq!(service[..2], ["ferronvme", "0x00000002"]);
        let setting = |key: &str| inf.value(service[2], key).unwrap();
        assert_eq!(setting("ServiceType"), "1");
        assert_eq!(setting("StartType"), "0");
        assert_eq!(setting("ServiceBinary"), "%13%\\ferronvme.sys");
        assert_eq!(setting("LoadOrderGroup"), "SCSI Miniport");

        let mut registry = Vec::new();
        let event_log = inf.value(service[3], "AddReg").unwrap();
        for section in [setting("AddReg"), event_log] {
            registry.extend(values(&inf, &section));
        }
        for field in &inf
            .lookup(&format!("{install}.HW"), "AddReg")
            .unwrap()
            .entry
            .values
        {
            registry.extend(values(&inf, &field.text));
        }
        let messages = "Interrupt Management\\MessageSignaledInterruptProperties";
        let affinity = "Interrupt Management\\Affinity Policy";
        let dword = "0x00010001";
        for expected in [
            ["HKR", "Parameters", "BusType", dword, "0x00000011"],
            ["HKR", "Parameters\\PnpInterface", "5", dword, "0x00000001"],
            ["HKR", "Parameters", "DmaRemappingCompatible", dword, "0x00000001"],
            ["HKR", "DMA Management", "RemappingSupported", dword, "0x00000001"],
            ["HKR", messages, "MSISupported", dword, "0x00000001"],
            ["HKR", messages, "MessageNumberLimit", dword, "0x00000100"],
            ["HKR", affinity, "DevicePolicy", dword, "0x00000005"],
            ["HKR", affinity, "GroupPolicy", dword, "0x00000001"],
            ["HKR", "", "TypesSupported", dword, "0x00000007"],
            [
                "HKR",
                "",
                "EventMessageFile",
                "0x00020000",
                "%SystemRoot%\\System32\\IoLogMsg.dll;%13%\\ferronvme.sys",
            ],
        ] {
            assert!(
                registry.iter().any(|line| *line == expected),
                "{expected:?} is not in {registry:?}"
            );
        }
        assert!(
            registry.iter().all(|line| line[0] == "HKR"),
            "an isolated driver writes relative keys only"
        );
    }
}

/// The lines of an `AddReg` section, resolved.
fn values(inf: &Inf, section: &str) -> Vec<Vec<String>> {
    inf.section(section)
        .map(|found| {
            found
                .entry
                .values
                .iter()
                .map(|field| inf.resolve(found.line, field).unwrap())
                .collect()
        })
        .collect()
}

/// Texts made of what INF syntax is made of.
fn inf_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[",
        "]",
        "[Version]",
        "=",
        ",",
        ";",
        "\"",
        "\"\"",
        "\\",
        "\\\n",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "a",
        "ü",
        "%",
        "%a%",
        "$ARCH$",
        "DriverVer",
        "CatalogFile=",
        "DriverVer = x,y",
        "[Strings]",
        "\u{FEFF}",
        "\0",
        "日",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn printing_gives_back_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(inf) = Inf::read(&bytes) {
            prop_assert_eq!(inf.to_bytes(), bytes);
        }
    }

    #[test]
    fn printing_gives_back_any_text(text in inf_text(), utf16 in any::<bool>()) {
        let encoding = if utf16 { Encoding::Utf16Le } else { Encoding::Utf8 };
        let bytes = text::encode(encoding, &text);
        prop_assert_eq!(Inf::read(&bytes).unwrap().to_bytes(), bytes);
    }

    #[test]
    fn fields_lie_in_their_item_in_order(text in inf_text()) {
        for item in read(&text).items() {
            let mut end = 0;
            if let Some(entry) = item.entry() {
                for field in entry.key.iter().chain(&entry.values) {
                    prop_assert!(end <= field.span.start && field.span.start <= field.span.end);
                    let raw = item.text().get(field.span.clone());
                    prop_assert!(raw.is_some(), "the span lies on character boundaries");
                    prop_assert!(field.quoted || raw.unwrap().contains('\\') || raw == Some(&field.text));
                    end = field.span.end;
                }
            }
        }
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does(text in inf_text()) {
        let inf = read(&text);
        let mut line = 1;
        for item in inf.items() {
            prop_assert_eq!(item.line, line);
            line += item.text().matches('\n').count();
        }
    }

    #[test]
    fn queries_never_panic(text in inf_text()) {
        let inf = read(&text);
        let _ = inf.models();
        let _ = inf.source_files();
        let _ = inf.architectures();
        let _ = inf.value("Version", "DriverVer");
    }

    #[test]
    fn stamping_a_stamped_inf_changes_nothing(text in inf_text()) {
        let mut inf = read(&format!("[Version]\n{text}"));
        stamp().apply(&mut inf).unwrap();
        let once = inf.to_bytes();
        let mut again = Inf::read(&once).unwrap();
        stamp().apply(&mut again).unwrap();
        prop_assert_eq!(String::from_utf8(again.to_bytes()), String::from_utf8(once));
    }

    #[test]
    fn a_stamp_is_read_back(text in inf_text()) {
        let mut inf = read(&format!("[Version]\n{text}"));
        stamp().apply(&mut inf).unwrap();
        prop_assert_eq!(inf.value("Version", "CatalogFile").unwrap(), "sample.cat");
        let found = inf.lookup("Version", "DriverVer").unwrap();
        let written: Vec<&str> = found.entry.values.iter().map(|field| field.text.as_str()).collect();
        prop_assert_eq!(written, ["11/23/2026", "1.2.3.4"]);
    }
}
