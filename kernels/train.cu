#include "train/layers.cuh"
#include "train/multiply.cuh"
#include "train/rows.cuh"

OPERATION(vary, 256) { vary(o); }
OPERATION(multiply_plain, MULTIPLY_THREADS) { multiply<false, false>(o); }
OPERATION(multiply_left_transposed, MULTIPLY_THREADS) { multiply<true, false>(o); }
OPERATION(multiply_right_transposed, MULTIPLY_THREADS) { multiply<false, true>(o); }
OPERATION(bias_relu, 256) { bias_relu(o); }
OPERATION(relu_backward, 256) { relu_backward(o); }
OPERATION(column_sums, 256) { column_sums(o); }
OPERATION(sgd, 256) { sgd(o); }
OPERATION(adamw, 256) { adamw(o); }
OPERATION(absolute_error, 256) { absolute_error(o); }
OPERATION(gather, 256) { gather(o); }
OPERATION(gather_columns, 256) { gather_columns(o); }
OPERATION(add_columns, 256) { add_columns(o); }
OPERATION(hits, 256) { hits(o); }
OPERATION(influence, 256) { influence(o); }
