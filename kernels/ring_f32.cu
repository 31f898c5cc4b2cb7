#include "row_kernels.cuh"

RING_ROW_KERNELS(F32, f32)
