#include "row_kernels.cuh"

SMALL_ROW_KERNELS(Bf16, bf16)
