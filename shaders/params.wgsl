// What the host shares with every kernel of a batch: the parameter block, byte for byte, and constants of
// the pipeline.

// Same layout as `RowParams` in src/spec/params.rs, which explains the fields.
struct RowParams {
  rows: u32,
  classes: u32,
  student_stride: u32,
  teacher_stride: u32,
  gradient_stride: u32,
  present: u32,
  stats_level: u32,
  revision: u32,
  revision_parameter: f32,
  temperature: u32,
  tau: f32,
  temperature_squared: u32,
  right_divergence: u32,
  right_alpha: f32,
  right_beta: f32,
  right_lambda_kd: f32,
  right_lambda_ce: f32,
  wrong_divergence: u32,
  wrong_alpha: f32,
  wrong_beta: f32,
  wrong_lambda_kd: f32,
  wrong_lambda_ce: f32,
  omega: u32,
  gamma: f32,
  tau0: f32,
  bias: f32,
  normalise: u32,
  tau_min: f32,
  first_row: u32,
  student_offset: u32,
  teacher_offset: u32,
  gradient_offset: u32,
}

// 1/N of right and of wrong rows, and what total and gradient are multiplied by.
struct Scale {
  inverse_right: f32,
  inverse_wrong: f32,
  upstream: f32,
  reserved: u32,
}

@group(0) @binding(0) var<uniform> params: RowParams;

// Bits of `present`.
const GRADIENT_PRESENT = 1u;
const WEIGHT_PRESENT = 2u;
const KD_WEIGHT_PRESENT = 4u;
const TAU_PRESENT = 8u;
const TOTAL_CONTINUES = 16u;
const UPSTREAM_PRESENT = 32u;

// Invocations per workgroup, and how many of them share a row: a power of two that divides it.
override WORKGROUP: u32 = 256u;
override LANES: u32 = 256u;

fn is_present(what: u32) -> bool {
  return (params.present & what) != 0u;
}
