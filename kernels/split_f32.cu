#include "row_kernels.cuh"

SPLIT_ROW_KERNELS(F32, f32)
