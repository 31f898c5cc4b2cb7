// Every kernel of the crate, for the emulator: the same sources that become PTX.
#include "any.cu"
#include "batch.cu"
#include "large_bf16.cu"
#include "large_f16.cu"
#include "large_f32.cu"
#include "small_bf16.cu"
#include "small_f16.cu"
#include "small_f32.cu"
