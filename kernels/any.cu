#include "row_kernels.cuh"

ROW_KERNEL(row_any, 512, 1, (rows_of_blocks<true, Elements<Block>>))
