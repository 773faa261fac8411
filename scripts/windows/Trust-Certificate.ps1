#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Trusts this package's test certificate on this machine.
.DESCRIPTION
Root makes its chain valid, TrustedPublisher lets Plug and Play install without asking. Remove-Driver.ps1 takes it back.
#>
[CmdletBinding()]
param()
$ErrorActionPreference = 'Stop'

foreach ($certificate in Get-ChildItem -LiteralPath $PSScriptRoot -Filter '*.cer') {
    foreach ($store in 'Root', 'TrustedPublisher') {
        Import-Certificate -FilePath $certificate.FullName -CertStoreLocation "Cert:\LocalMachine\$store" |
            ForEach-Object { "$store trusts $($_.Subject), $($_.Thumbprint)" }
    }
}
