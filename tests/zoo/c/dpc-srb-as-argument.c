/*
 * Hands a finished request to its DPC as an argument, as drivers have done. A DPC that is queued already ignores another request, arguments
 * included: the second request of a burst is lost. This one keeps a list besides, so that nothing else goes wrong.
 * Source: Microsoft Learn, StorPortIssueDpc.
 *
 * zoo: rule=dpc-arguments-lost
 */
#define ANIMAL            \
    STOR_DPC Dpc;         \
    PVOID Finished[64];
#define ANSWERED(A, Srb)           Later(A, Srb)
#define PASSIVE_INITIALIZE(A)      Prepare(A)
#define RESETTING(A)               Drain(A)

struct _ADAPTER;
static void Later(struct _ADAPTER *A, void *Srb);
static unsigned char Prepare(struct _ADAPTER *A);
static void Drain(struct _ADAPTER *A);

#include "ram_disk.h"

static VOID Drain(ADAPTER *A)
{
    ULONG Index;
    for (Index = 0; Index < 64; Index++) {
        PVOID Srb = InterlockedExchangePointer(&A->Finished[Index], NULL);
        if (Srb)
            Finish(A, Srb, SrbGetSrbStatus(Srb));
    }
}

static VOID FinishLater(PSTOR_DPC Dpc, PVOID Extension, PVOID Srb, PVOID Unused)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Srb);
    UNREFERENCED_PARAMETER(Unused);
    Drain(Extension);
}

static BOOLEAN Prepare(ADAPTER *A)
{
    StorPortInitializeDpc(A, &A->Dpc, FinishLater);
    return TRUE;
}

static VOID Later(ADAPTER *A, PVOID Srb)
{
    ULONG Index;
    for (Index = 0; Index < 64; Index++) {
        if (!InterlockedCompareExchangePointer(&A->Finished[Index], Srb, NULL)) {
            StorPortIssueDpc(A, &A->Dpc, Srb, NULL);
            return;
        }
    }
    Finish(A, Srb, SRB_STATUS_BUSY);
}
