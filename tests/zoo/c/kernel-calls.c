/*
 * Odd, but right: it calls the kernel around Storport, as many published miniports do, and is built with stack cookies and control flow
 * guard. A lock of its own for its statistics, text by _snprintf, trace events, the version of the system, a routine by name.
 * Sources: Microsoft Learn, wdm.h; PE Format, "The Load Configuration Structure".
 *
 * zoo: rule=none
 * build: -fstack-protector-strong -Xclang -cfguard -- /guard:cf
 */
#define ANIMAL              \
    KSPIN_LOCK Lock;        \
    ULONG64 Commands;       \
    REGHANDLE Trace;        \
    VOID (*Count)(struct _ADAPTER *A);
#define STARTING(A, Srb)      (A)->Count(A)
#define INITIALIZE(A)         Begin(A)
#define PASSIVE_INITIALIZE(A) Prepare(A)
#define PNP(A, Srb)           End(A)

struct _ADAPTER;
static unsigned char Begin(struct _ADAPTER *A);
static unsigned char Prepare(struct _ADAPTER *A);
static void End(struct _ADAPTER *A);

#include "ram_disk.h"
#include "stack_cookie.h"

NTKERNELAPI ULONG NTAPI KeQueryActiveProcessorCountEx(USHORT Group);
NTKERNELAPI NTSTATUS NTAPI RtlGetVersion(PRTL_OSVERSIONINFOW Information);
int _snprintf(char *Buffer, SIZE_T Count, const char *Format, ...);

static VOID Counted(ADAPTER *A)
{
    KIRQL Old = KeAcquireSpinLockRaiseToDpc(&A->Lock);
    A->Commands++;
    KeReleaseSpinLock(&A->Lock, Old);
}

static BOOLEAN Begin(ADAPTER *A)
{
    KeInitializeSpinLock(&A->Lock);
    A->Commands = 0;
    A->Count = Counted;
    return TRUE;
}

static BOOLEAN Prepare(ADAPTER *A)
{
    static const GUID Provider = {0x6f1b2c3d, 0x1111, 0x4222, {1, 2, 3, 4, 5, 6, 7, 8}};
    static const EVENT_DESCRIPTOR Event = {1, 0, 0, 4, 0, 0, 1};
    RTL_OSVERSIONINFOW Version = {0};
    UNICODE_STRING Name;
    LARGE_INTEGER Interval, Frequency;
    ULONGLONG Before;
    char Text[64];
    PVOID Pool;

    Version.dwOSVersionInfoSize = sizeof Version;
    if (RtlGetVersion(&Version) != STATUS_SUCCESS || Version.dwMajorVersion < 10)
        return FALSE;
    KeQueryPerformanceCounter(&Frequency);
    Before = KeQueryInterruptTime();
    Interval.QuadPart = -10000;
    KeDelayExecutionThread(KernelMode, FALSE, &Interval);
    if (KeQueryInterruptTime() <= Before)
        return FALSE;
    RtlInitUnicodeString(&Name, L"KeGetCurrentIrql");
    _snprintf(Text, sizeof Text, "build %lu, %u processors, %p, %lld Hz", Version.dwBuildNumber,
        KeQueryActiveProcessorCountEx(0), MmGetSystemRoutineAddress(&Name) ? (PVOID)1 : NULL, Frequency.QuadPart);
    DbgPrintEx(0, 3, "kernel-calls: %s\n", Text);
    Pool = ExAllocatePoolWithTag(NonPagedPool, 128, 'ooZ ');
    if (!Pool)
        return FALSE;
    RtlFillMemory(Pool, 128, 0x5A);
    ExFreePoolWithTag(Pool, 'ooZ ');
    if (EtwRegister(&Provider, NULL, NULL, &A->Trace) != STATUS_SUCCESS)
        return FALSE;
    return EtwWrite(A->Trace, &Event, NULL, 0, NULL) == STATUS_SUCCESS;
}

static VOID End(ADAPTER *A)
{
    if (A->Trace) {
        EtwUnregister(A->Trace);
        A->Trace = 0;
    }
}
