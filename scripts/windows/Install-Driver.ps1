#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Adds this package to the driver store and installs it on the devices that its INF names.
.DESCRIPTION
A restore point is made first where System Protection is on. Exit code 3010 means that a restart is needed.
#>
[CmdletBinding()]
param()
$ErrorActionPreference = 'Stop'

try { Checkpoint-Computer -Description 'Before a test driver' -RestorePointType DEVICE_DRIVER_INSTALL }
catch { Write-Warning "There is no restore point: $($_.Exception.Message)" }

$result = 0
foreach ($inf in Get-ChildItem -LiteralPath $PSScriptRoot -Filter '*.inf') {
    pnputil.exe /add-driver $inf.FullName /install
    switch ($LASTEXITCODE) {
        0 { "$($inf.Name) is installed." }
        259 { Write-Warning "$($inf.Name) is in the driver store, but no device here needs it, or a better driver has it." }
        { $_ -in 1641, 3010 } { $result = 3010; "$($inf.Name) is installed after a restart." }
        default { throw "pnputil failed with exit code $LASTEXITCODE; C:\Windows\INF\setupapi.dev.log says why." }
    }
}
exit $result
