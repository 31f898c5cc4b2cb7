#include "row_kernels.cuh"

CLUSTER_ROW_KERNELS(F32, f32)
