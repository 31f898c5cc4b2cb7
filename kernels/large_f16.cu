#include "row_kernels.cuh"

LARGE_ROW_KERNELS(F16, f16)
