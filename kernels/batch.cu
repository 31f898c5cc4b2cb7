#include "batch.cuh"
#include "rescale.cuh"
#include "row_kernels.cuh"

ROW_KERNEL(batch_groups, 512, 1, groups)
ROW_KERNEL(batch_omegas, 512, 1, omegas)
ROW_KERNEL(batch_scale, 512, 1, scale)
ROW_KERNEL(batch_scale_unless_one, 256, 1, scale_unless_one)
ROW_KERNEL(batch_temperatures, 512, 1, temperatures)
ROW_KERNEL(batch_total, 512, 1, total)
