#include "row_kernels.cuh"

LARGE_ROW_KERNELS(F32, f32)
