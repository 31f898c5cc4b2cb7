#include "row_kernels.cuh"

RING_ROW_KERNELS(F16, f16)
