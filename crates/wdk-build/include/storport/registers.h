/*
 * Register and port accessors of free builds on x86-64: volatile accesses, with a store fence after a write, no calls. A build with DBG or
 * DISABLE_INLINE_REGISTER_ACCESS calls the port driver instead; it has no 64-bit accessors then.
 */
#pragma once

#if !defined(DBG) && !defined(DISABLE_INLINE_REGISTER_ACCESS)

#define FERROPORT_READ(h, r, t) ((VOID)(h), *(volatile t *)(r))
#define FERROPORT_WRITE(h, r, t, v) ((VOID)(h), *(volatile t *)(r) = (v), __builtin_ia32_sfence())

#define StorPortReadRegisterUchar(h, r)      FERROPORT_READ(h, r, UCHAR)
#define StorPortReadRegisterUshort(h, r)     FERROPORT_READ(h, r, USHORT)
#define StorPortReadRegisterUlong(h, r)      FERROPORT_READ(h, r, ULONG)
#define StorPortReadRegisterUlong64(h, r)    FERROPORT_READ(h, r, ULONG64)
#define StorPortWriteRegisterUchar(h, r, v)  FERROPORT_WRITE(h, r, UCHAR, v)
#define StorPortWriteRegisterUshort(h, r, v) FERROPORT_WRITE(h, r, USHORT, v)
#define StorPortWriteRegisterUlong(h, r, v)  FERROPORT_WRITE(h, r, ULONG, v)
#define StorPortWriteRegisterUlong64(h, r, v) FERROPORT_WRITE(h, r, ULONG64, v)

/* Buffers: consecutive registers, as the kernel's READ_REGISTER_BUFFER_ULONG and its kin on x86-64. */
#define FERROPORT_READ_BUFFER(name, t)                                                                    \
    static __inline VOID name(PVOID Extension, volatile t *Register, t *Buffer, ULONG Count)              \
    {                                                                                                      \
        (VOID)Extension;                                                                                   \
        while (Count--)                                                                                    \
            *Buffer++ = *Register++;                                                                         \
    }
#define FERROPORT_WRITE_BUFFER(name, t)                                                                   \
    static __inline VOID name(PVOID Extension, volatile t *Register, const t *Buffer, ULONG Count)        \
    {                                                                                                      \
        (VOID)Extension;                                                                                   \
        while (Count--)                                                                                    \
            *Register++ = *Buffer++;                                                                         \
        __builtin_ia32_sfence();                                                                           \
    }
FERROPORT_READ_BUFFER(StorPortReadRegisterBufferUchar, UCHAR)
FERROPORT_READ_BUFFER(StorPortReadRegisterBufferUshort, USHORT)
FERROPORT_READ_BUFFER(StorPortReadRegisterBufferUlong, ULONG)
FERROPORT_WRITE_BUFFER(StorPortWriteRegisterBufferUchar, UCHAR)
FERROPORT_WRITE_BUFFER(StorPortWriteRegisterBufferUshort, USHORT)
FERROPORT_WRITE_BUFFER(StorPortWriteRegisterBufferUlong, ULONG)

/* Ports stay calls: a port access in line cannot be told from another program's. */

#define StorPortMoveMemory(to, from, length) __builtin_memmove((to), (from), (length))

#else

DECLSPEC_IMPORT VOID StorPortReadRegisterBufferUchar(PVOID HwDeviceExtension, PUCHAR Register, PUCHAR Buffer, ULONG Count);
DECLSPEC_IMPORT VOID StorPortReadRegisterBufferUshort(PVOID HwDeviceExtension, PUSHORT Register, PUSHORT Buffer, ULONG Count);
DECLSPEC_IMPORT VOID StorPortReadRegisterBufferUlong(PVOID HwDeviceExtension, PULONG Register, PULONG Buffer, ULONG Count);
DECLSPEC_IMPORT VOID StorPortWriteRegisterBufferUchar(PVOID HwDeviceExtension, PUCHAR Register, PUCHAR Buffer, ULONG Count);
DECLSPEC_IMPORT VOID StorPortWriteRegisterBufferUshort(PVOID HwDeviceExtension, PUSHORT Register, PUSHORT Buffer, ULONG Count);
DECLSPEC_IMPORT VOID StorPortWriteRegisterBufferUlong(PVOID HwDeviceExtension, PULONG Register, PULONG Buffer, ULONG Count);

#endif
