#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Collects what a report about the driver needs into one zip file.
.DESCRIPTION
Event log, installation log, drivers and their devices, boot options, registry keys of the service, and the latest small crash
dumps. Look through it before you send it: an event log names the machine and its users.
.PARAMETER Path
The zip file; one with the date in the current folder by default.
#>
[CmdletBinding()]
param([string] $Path = "storage-logs-$(Get-Date -Format yyyyMMdd-HHmmss).zip")
$ErrorActionPreference = 'Continue'

$folder = Join-Path -Path $env:TEMP -ChildPath "storage-logs-$PID"
New-Item -ItemType Directory -Path $folder | Out-Null
try {
    wevtutil.exe export-log System (Join-Path $folder 'System.evtx')
    Copy-Item -Path "$env:SystemRoot\INF\setupapi.dev.log" -Destination $folder
    pnputil.exe /enum-drivers | Out-File (Join-Path $folder 'drivers.txt')
    Get-PnpDevice -Class 'SCSIAdapter', 'DiskDrive' | Get-PnpDeviceProperty | Format-List | Out-File (Join-Path $folder 'devices.txt')
    Get-PhysicalDisk | Format-List -Property * | Out-File (Join-Path $folder 'disks.txt')
    bcdedit.exe /enum '{current}' | Out-File (Join-Path $folder 'boot.txt')
    foreach ($inf in Get-ChildItem -LiteralPath $PSScriptRoot -Filter '*.inf') {
        # The service need not have the INF's name.
        Select-String -LiteralPath $inf.FullName -Pattern '^\s*AddService\s*=\s*([^\s,;]+)' | ForEach-Object {
            $service = $_.Matches[0].Groups[1].Value
            reg.exe export "HKLM\SYSTEM\CurrentControlSet\Services\$service" (Join-Path $folder "$service.reg") /y
        }
    }
    Get-ChildItem -Path "$env:SystemRoot\Minidump" -Filter '*.dmp' -ErrorAction SilentlyContinue |
        Sort-Object -Property LastWriteTime -Descending | Select-Object -First 3 | Copy-Item -Destination $folder
    Compress-Archive -Path (Join-Path $folder '*') -DestinationPath $Path -Force
    "Saved $Path"
}
finally { Remove-Item -LiteralPath $folder -Recurse -Force }
