//! The README.txt of a package: how to install it on a test machine and how to go back.

use crate::manifest::Manifest;

/// What the text needs to name.
pub(crate) struct Names<'text> {
    pub(crate) sys: &'text str,
    pub(crate) inf: &'text str,
    pub(crate) certificate: &'text str,
    /// Scripts of WinDbg.
    pub(crate) debugger: &'text [String],
}

/// The text, lines ended as Windows does.
pub(crate) fn text(manifest: &Manifest, names: &Names<'_>) -> String {
    let Names {
        sys,
        inf,
        certificate,
        debugger,
    } = names;
    let Manifest {
        name,
        flavour,
        version,
        date,
        certificate_thumbprint: thumbprint,
        ..
    } = manifest;
    let ids = manifest.hardware_ids.join(
        "
  ",
    );
    let look_inside = match debugger.join(", ") {
        scripts if scripts.is_empty() => String::new(),
        scripts => format!(
            "LOOK INSIDE
  In WinDbg, with this folder in the symbol path, in a live system or a dump; the script's first lines list its commands:
      .scriptload {scripts}

"
        ),
    };
    format!(
        "{name} {version} ({flavour} flavour, {date})

THIS PACKAGE HAS NOT BEEN RUN ON WINDOWS. It was built and test-signed on Linux, where {sys} meets a model of
Windows' storage stack, not Windows. Use a virtual machine or a spare computer, never one whose data you need.

It is signed with a test certificate, which Windows accepts in test-signing mode only. It installs on:
  {ids}

Commands are for an elevated command prompt in this folder. Each part is also a script, to be read before it is run:
  powershell -ExecutionPolicy Bypass -File Trust-Certificate.ps1
  powershell -ExecutionPolicy Bypass -File Enable-TestSigning.ps1    (then restart)
  powershell -ExecutionPolicy Bypass -File Install-Driver.ps1
  powershell -ExecutionPolicy Bypass -File Save-Logs.ps1
  powershell -ExecutionPolicy Bypass -File Remove-Driver.ps1         (goes back; then restart)

INSTALL
 1. BitLocker: suspend it, or the change of boot settings asks for the recovery key:
      manage-bde -protectors -get C:                      (the 48 digits below \"Password\": write them down)
      manage-bde -protectors -disable C: -RebootCount 2   (for two restarts: the firmware's settings, then test signing)
 2. Secure Boot: switch it off in the firmware's settings; test signing cannot be on beside it:
      shutdown /r /fw /t 0
 3. Trust the test certificate on this machine:
      certutil -addstore Root {certificate}
      certutil -addstore TrustedPublisher {certificate}
 4. Switch test signing on, then restart:
      bcdedit /set testsigning on
 5. Install:
      pnputil /add-driver {inf} /install

GO BACK
 0. BitLocker, as above: manage-bde -protectors -disable C: -RebootCount 2
 1. Find the package's published name (oemNN.inf) and remove it; Windows' own driver takes over:
      pnputil /enum-drivers
      pnputil /delete-driver oemNN.inf /uninstall
 2. Switch test signing off and forget the certificate:
      bcdedit /set testsigning off
      certutil -delstore TrustedPublisher {thumbprint}
      certutil -delstore Root {thumbprint}
 3. Restart into the firmware's settings, switch Secure Boot on, and see that the disk is protected again:
      shutdown /r /fw /t 0
      manage-bde -protectors -enable C:                   (afterwards; harmless if it is on already)
      manage-bde -status C:

{look_inside}IF WINDOWS NO LONGER STARTS
  In the recovery environment's command prompt, where D: stands for the Windows drive:
      dism /image:D:\\ /get-drivers
      dism /image:D:\\ /remove-driver /driver:oemNN.inf
"
    )
    .replace('\n', "\r\n")
}
