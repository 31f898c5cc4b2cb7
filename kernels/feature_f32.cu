#include "feature.cuh"

FEATURE_KERNELS(F32, f32)
