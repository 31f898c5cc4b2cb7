#include "row_kernels.cuh"

LARGE_ROW_KERNELS(Bf16, bf16)
