/*
 * Odd, but right: as many concurrent channels as Storport offers, a queue for each, a message's lock for each queue, and DPCs that Storport
 * may redirect. HwStorStartIo runs on several processors at once; what a channel's queue guards is the lock of the message that serves it.
 * Sources: Microsoft Learn, StorPortInitializePerfOpts, StorPortGetStartIoPerfParams, StorPortAcquireMSISpinLock.
 *
 * zoo: rule=none
 */
#define CHANNELS 8
#define DEPTH    64
#define ANIMAL                                            \
    ULONG Channels;                                       \
    ULONG Messages;                                       \
    struct {                                              \
        PVOID Srbs[DEPTH];                                \
        ULONG Head, Tail;                                 \
        STOR_DPC Dpc;                                     \
    } Queues[CHANNELS];
#define ANSWERED(A, Srb)      Queue(A, Srb)
#define MESSAGE(A, Number)    Serve(A, Number)
#define INITIALIZE(A)         Optimise(A)
#define PASSIVE_INITIALIZE(A) Prepare(A)
#define RESETTING(A)          DrainAll(A)

struct _ADAPTER;
static void Queue(struct _ADAPTER *A, void *Srb);
static void Serve(struct _ADAPTER *A, unsigned long Message);
static unsigned char Optimise(struct _ADAPTER *A);
static unsigned char Prepare(struct _ADAPTER *A);
static void DrainAll(struct _ADAPTER *A);

#include "ram_disk.h"

static ULONG MessageOf(ADAPTER *A, ULONG Channel) { return Channel % A->Messages; }

static BOOLEAN Optimise(ADAPTER *A)
{
    PERF_CONFIGURATION_DATA Data = {0};
    MESSAGE_INTERRUPT_INFORMATION Information;
    ULONG Wanted = STOR_PERF_CONCURRENT_CHANNELS | STOR_PERF_DPC_REDIRECTION;
    A->Messages = 0;
    while (A->Messages < CHANNELS && StorPortGetMSIInfo(A, A->Messages, &Information) == STOR_STATUS_SUCCESS)
        A->Messages++;
    if (!A->Messages)
        return FALSE;
    A->Channels = 1;
    Data.Version = STOR_PERF_VERSION;
    Data.Size = sizeof Data;
    if (StorPortInitializePerfOpts(A, TRUE, &Data) == STOR_STATUS_SUCCESS) {
        Data.Flags &= Wanted;
        if (Data.ConcurrentChannels > CHANNELS)
            Data.ConcurrentChannels = CHANNELS;
        if (StorPortInitializePerfOpts(A, FALSE, &Data) == STOR_STATUS_SUCCESS &&
            (Data.Flags & STOR_PERF_CONCURRENT_CHANNELS))
            A->Channels = Data.ConcurrentChannels;
    }
    return TRUE;
}

/* Completes what a channel's queue holds, one by one: never under its lock, since a completion may start another request. */
static VOID Drain(ADAPTER *A, ULONG Channel)
{
    ULONG Budget;
    for (Budget = 0; Budget < 2 * DEPTH; Budget++) {
        PVOID Srb = NULL;
        ULONG OldIrql;
        StorPortAcquireMSISpinLock(A, MessageOf(A, Channel), &OldIrql);
        if (A->Queues[Channel].Head != A->Queues[Channel].Tail)
            Srb = A->Queues[Channel].Srbs[A->Queues[Channel].Head++ % DEPTH];
        StorPortReleaseMSISpinLock(A, MessageOf(A, Channel), OldIrql);
        if (!Srb)
            return;
        Finish(A, Srb, SrbGetSrbStatus(Srb));
    }
}

static VOID DrainAll(ADAPTER *A)
{
    ULONG Channel;
    for (Channel = 0; Channel < A->Channels; Channel++)
        Drain(A, Channel);
}

static VOID Deferred(PSTOR_DPC Dpc, PVOID Extension, PVOID Unused1, PVOID Unused2)
{
    ADAPTER *A = Extension;
    ULONG Channel;
    UNREFERENCED_PARAMETER(Unused1);
    UNREFERENCED_PARAMETER(Unused2);
    for (Channel = 0; Channel < A->Channels; Channel++) {
        if (Dpc == &A->Queues[Channel].Dpc)
            Drain(A, Channel);
    }
}

static BOOLEAN Prepare(ADAPTER *A)
{
    ULONG Channel;
    for (Channel = 0; Channel < A->Channels; Channel++) {
        A->Queues[Channel].Head = A->Queues[Channel].Tail = 0;
        StorPortInitializeDpc(A, &A->Queues[Channel].Dpc, Deferred);
    }
    return TRUE;
}

static VOID Queue(ADAPTER *A, PVOID Srb)
{
    STARTIO_PERFORMANCE_PARAMETERS Parameters = {0};
    ULONG Channel = 0, OldIrql;
    BOOLEAN Queued = FALSE;
    Parameters.Version = 1;
    Parameters.Size = sizeof Parameters;
    if (StorPortGetStartIoPerfParams(A, (PSCSI_REQUEST_BLOCK)Srb, &Parameters) == STOR_STATUS_SUCCESS)
        Channel = Parameters.ChannelNumber % A->Channels;
    StorPortAcquireMSISpinLock(A, MessageOf(A, Channel), &OldIrql);
    if (A->Queues[Channel].Tail - A->Queues[Channel].Head < DEPTH) {
        A->Queues[Channel].Srbs[A->Queues[Channel].Tail++ % DEPTH] = Srb;
        Queued = TRUE;
    }
    StorPortReleaseMSISpinLock(A, MessageOf(A, Channel), OldIrql);
    if (Queued)
        Ring(A, MessageOf(A, Channel));
    else
        Finish(A, Srb, SrbGetSrbStatus(Srb));
}

/* In the routine of its message the lock is held already. */
static VOID Serve(ADAPTER *A, ULONG Message)
{
    ULONG Channel;
    for (Channel = Message; Channel < A->Channels; Channel += A->Messages)
        StorPortIssueDpc(A, &A->Queues[Channel].Dpc, NULL, NULL);
}
