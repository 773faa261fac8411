"""Reads a catalog and an image with signify and prints what it finds as JSON.

Judges, independently of drvpkg, whether the catalog's and the image's signatures hold with the given certificate as the
only trusted one, and which files the catalog names. Exit code 0 means that the files were read; the verdicts are in
the output.
"""

import argparse
import hashlib
import importlib.metadata
import json
import pathlib
import re
import warnings


def import_oscrypto():
    """oscrypto 1.3.0 finds OpenSSL's version by a pattern with one digit a part, and refuses 3.0.10 and later. Corrected
    upstream after that release; until there is another, widen that one pattern while the module is loaded."""
    narrow, wide = r"\b(\d\.\d\.\d[a-z]*)\b", r"\b(\d+\.\d+\.\d+[a-z]*)\b"
    search = re.search
    re.search = lambda pattern, text, flags=0: search(wide if pattern == narrow else pattern, text, flags)
    try:
        import oscrypto.asymmetric  # noqa: F401
    finally:
        re.search = search


import_oscrypto()
warnings.simplefilter("ignore")

from signify.authenticode import AuthenticodeFile, CertificateTrustList  # noqa: E402
from signify.x509 import Certificate, CertificateStore  # noqa: E402


def judgement(verify):
    """Calls a verification and tells how it ended. Any exception is a rejection: a tampered file may break anything."""
    try:
        verify()
    except Exception as error:
        return {"ok": False, "detail": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {"ok": True, "detail": "verified"}


def members(catalog):
    """The catalog's entries. One attribute type occurs several times in an entry, so its mapping does not serve."""
    for subject in catalog.subjects:
        entry = {"identifier": subject.identifier.hex(), "kind": None, "algorithm": None, "digest": None, "attributes": []}
        for attribute in subject.asn1["subject_attributes"]:
            kind = attribute["type"].native
            for value in attribute["values"].native:
                if kind == "microsoft_cat_namevalue":
                    entry["attributes"].append([value["refname"], value["value"]])
                elif kind == "microsoft_spc_indirect_data_content":
                    entry["kind"] = value["data"]["type"]
                    entry["algorithm"] = value["message_digest"]["digest_algorithm"]["algorithm"]
                    entry["digest"] = value["message_digest"]["digest"].hex()
        yield entry


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("catalog", "sys", "inf", "certificate"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    certificate = Certificate.from_der(arguments.certificate.read_bytes())
    store = CertificateStore([certificate], trusted=True)
    reading = {
        "version": importlib.metadata.version("signify"),
        "inf_sha256": hashlib.sha256(arguments.inf.read_bytes()).hexdigest(),
    }

    catalog = CertificateTrustList.from_stl_file(arguments.catalog)
    reading["is_catalog"] = catalog.is_catalog
    reading["catalog"] = judgement(lambda: catalog.verify(trusted_certificate_store=store))
    reading["members"] = list(members(catalog))

    with arguments.sys.open("rb") as file:
        image = AuthenticodeFile.from_stream(file)
        try:
            reading["image_sha256"] = image.get_fingerprint(hashlib.sha256).hex()
        except Exception:
            reading["image_sha256"] = None
        reading["image"] = judgement(lambda: image.verify(trusted_certificate_store=store))

    print(json.dumps(reading, indent=2))


main()
