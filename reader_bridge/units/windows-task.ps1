# Windows, as administrator: the bridge as a task that starts with the PC, under SYSTEM.
# Enrol first, in this same window, with the key in a file: another user's key store is closed to
# SYSTEM. The folder (C:\ProgramData\SuperAppReaderBridge) is then open to SYSTEM, administrators and
# whoever enrolled, to nobody else.
#   reader-bridge enrol --server https://... --key-in-file
param([string]$Program = "C:\reader-bridge\Scripts\reader-bridge.exe")
$ErrorActionPreference = "Stop"
if (-not (Test-Path $Program)) { throw "not there: $Program" }
# Windows stops its own card service with the last reader and starts it with the next one; the
# bridge waits for it. It must only not be disabled.
Set-Service -Name SCardSvr -StartupType Automatic
$action = New-ScheduledTaskAction -Execute $Program -Argument "run"
$trigger = New-ScheduledTaskTrigger -AtStartup
$who = New-ScheduledTaskPrincipal -UserId "SYSTEM" -LogonType ServiceAccount
$how = New-ScheduledTaskSettingsSet -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) `
    -ExecutionTimeLimit ([TimeSpan]::Zero) -MultipleInstances IgnoreNew `
    -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
Register-ScheduledTask -TaskName "ReaderBridge" -Action $action -Trigger $trigger `
    -Principal $who -Settings $how -Force | Out-Null
Start-ScheduledTask -TaskName "ReaderBridge"
Write-Output "ReaderBridge started; look: reader-bridge status, reader-bridge doctor"
