#include "feature.cuh"

FEATURE_KERNELS(Bf16, bf16)
