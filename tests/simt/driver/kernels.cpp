// Every kernel of the crate, for the emulator: the same sources that become PTX.
#include "batch.cu"
#include "features.cu"
#include "rows.cu"
#include "train.cu"

ANY_ROWS()
ALL_ROWS(F32, f32)
ALL_ROWS(F16, f16)
ALL_ROWS(Bf16, bf16)
ANY_FEATURES()
FEATURES(F32, f32)
FEATURES(F16, f16)
FEATURES(Bf16, bf16)
