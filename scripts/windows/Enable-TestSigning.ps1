#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Lets Windows load test-signed drivers after the next restart.
.DESCRIPTION
Refuses while Secure Boot is on: the firmware's settings switch it off, and the boot option has no effect beside it.
Suspends BitLocker on the system drive for one restart, since the change of a boot option would ask for the recovery key.
#>
[CmdletBinding()]
param()
$ErrorActionPreference = 'Stop'

# Without UEFI, or with a UEFI that has no Secure Boot, the question itself fails. If it failed for another reason, bcdedit refuses.
$secureBoot = try { Confirm-SecureBootUEFI } catch { $false }
if ($secureBoot) { throw 'Secure Boot is on. Switch it off in the firmware settings, then run this again.' }

if (Get-Command -Name Get-BitLockerVolume -ErrorAction SilentlyContinue) {
    Get-BitLockerVolume -MountPoint $env:SystemDrive |
        Where-Object -Property ProtectionStatus -EQ -Value 'On' |
        Suspend-BitLocker -RebootCount 1 | Out-Null
}
bcdedit.exe /set '{current}' testsigning on
if ($LASTEXITCODE -ne 0) { throw "bcdedit failed with exit code $LASTEXITCODE." }
'Test signing is on after a restart: Restart-Computer'
