#include "row_kernels.cuh"

SPLIT_ROW_KERNELS(F16, f16)
