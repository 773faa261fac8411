/*
 * The same miniport as a checked build, or a kit before Windows 8.1, makes it: registers are accessed by calls.
 *
 * zoo: rule=none device=lab:nvme,size=4M,interrupts=line engine=parallel
 */
#define DISABLE_INLINE_REGISTER_ACCESS
#include "line-nvme.c"
