/*
 * A timer that its own callback frees: Storport is still in it. It is requested once, when the adapter starts.
 * Source: Microsoft Learn, StorPortFreeTimer ([I]: the page does not allow it, and says nothing of how long the callback runs).
 *
 * zoo: rule=timer-freed-in-callback
 */
#define ANIMAL PVOID Timer;
#define PASSIVE_INITIALIZE(A) Prepare(A)

struct _ADAPTER;
static unsigned char Prepare(struct _ADAPTER *A);

#include "ram_disk.h"

static VOID Fired(PVOID Extension, PVOID Timer)
{
    StorPortFreeTimer(Extension, Timer);
}

static BOOLEAN Prepare(ADAPTER *A)
{
    if (StorPortInitializeTimer(A, &A->Timer) != STOR_STATUS_SUCCESS)
        return FALSE;
    return StorPortRequestTimer(A, A->Timer, Fired, A->Timer, 500, 0) == STOR_STATUS_SUCCESS;
}
