#include "feature.cuh"

FEATURE_KERNELS(F16, f16)
