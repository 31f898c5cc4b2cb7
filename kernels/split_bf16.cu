#include "row_kernels.cuh"

SPLIT_ROW_KERNELS(Bf16, bf16)
