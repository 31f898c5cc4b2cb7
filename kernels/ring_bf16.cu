#include "row_kernels.cuh"

RING_ROW_KERNELS(Bf16, bf16)
