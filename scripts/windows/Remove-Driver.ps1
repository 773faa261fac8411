#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Goes back: removes this package, its certificate, and test signing.
.DESCRIPTION
Windows' own driver takes the devices over. Restart afterwards, then switch Secure Boot on again.
.PARAMETER KeepTestSigning
Leaves test signing on.
#>
[CmdletBinding()]
param([switch] $KeepTestSigning)
$ErrorActionPreference = 'Stop'

foreach ($inf in Get-ChildItem -LiteralPath $PSScriptRoot -Filter '*.inf') {
    # The INF's own name for whom it is from: another vendor's package may have a file of the same name.
    $provider = Select-String -LiteralPath $inf.FullName -Pattern '^\s*Provider\s*=\s*"([^"]*)"' |
        ForEach-Object { $_.Matches[0].Groups[1].Value }
    Get-WindowsDriver -Online |
        Where-Object { (Split-Path -Leaf $_.OriginalFileName) -eq $inf.Name -and $_.ProviderName -eq $provider } |
        ForEach-Object {
            pnputil.exe /delete-driver $_.Driver /uninstall
            if ($LASTEXITCODE -notin 0, 3010) { throw "pnputil could not remove $($_.Driver): exit code $LASTEXITCODE." }
        }
}
foreach ($file in Get-ChildItem -LiteralPath $PSScriptRoot -Filter '*.cer') {
    $thumbprint = (Get-PfxCertificate -FilePath $file.FullName).Thumbprint
    foreach ($store in 'TrustedPublisher', 'Root') {
        Remove-Item -Path "Cert:\LocalMachine\$store\$thumbprint" -ErrorAction SilentlyContinue
    }
}
if (-not $KeepTestSigning) {
    bcdedit.exe /set '{current}' testsigning off
    if ($LASTEXITCODE -ne 0) { throw "bcdedit failed with exit code $LASTEXITCODE." }
}
'Restart to finish: Restart-Computer'
