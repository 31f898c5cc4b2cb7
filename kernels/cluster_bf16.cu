#include "row_kernels.cuh"

CLUSTER_ROW_KERNELS(Bf16, bf16)
