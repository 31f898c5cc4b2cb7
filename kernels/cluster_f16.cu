#include "row_kernels.cuh"

CLUSTER_ROW_KERNELS(F16, f16)
