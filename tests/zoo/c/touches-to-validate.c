/*
 * Finds out whether a pointer is good by touching it under __try. A fault at a kernel address cannot be caught: on Windows this is
 * PAGE_FAULT_IN_NONPAGED_AREA, whatever the handler says.
 * Source: Microsoft Learn, "Handling Exceptions": only invalid user-mode addresses raise exceptions that a driver can handle.
 *
 * zoo: rule=guard-page-hit also=not-modelled+bug-check
 */
#define PASSIVE_INITIALIZE(A) Prepare(A)

struct _ADAPTER;
static unsigned char Prepare(struct _ADAPTER *A);

#include "ram_disk.h"

static BOOLEAN IsReadable(volatile UCHAR *Address)
{
    BOOLEAN Readable = TRUE;
    __try {
        (VOID)*Address;
    } __except (1) {
        Readable = FALSE;
    }
    return Readable;
}

static BOOLEAN Prepare(ADAPTER *A)
{
    if (IsReadable((PUCHAR)(ULONG_PTR)0xFFFF8000DEAD0000))
        A->Disk.Cache = FALSE;
    return TRUE;
}
