//! Guarded memory for the driver, DMA memory shared with the device.
