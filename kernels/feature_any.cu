#include "feature.cuh"

ROW_KERNEL(feature_any, 512, 1, (features_of_blocks<Elements<Block>>))
