#include "row_kernels.cuh"

SMALL_ROW_KERNELS(F32, f32)
