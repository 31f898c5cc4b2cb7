#include "row_kernels.cuh"

SMALL_ROW_KERNELS(F16, f16)
