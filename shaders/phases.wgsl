// The phases of the row program, each a sweep over the classes and a reduction, and the slots of
// what they leave behind.

const EXTREMES = 1u;
const CENTRE = 2u;    // standardised logits only
const VARIANCE = 3u;  // standardised logits only
const SUMS = 4u;
const MEAN = 5u;      // divergences whose gradient is q (h − Σ q h)
const PULLBACK = 6u;  // standardised logits only
const GRADIENT = 7u;
const FINISH = 8u;

const STUDENT_TOPS = 0u;
const TEACHER_TOPS = 1u;
const COUNTS = 2u;
const LABEL_LOGITS = 3u;
const CENTRES = 4u;
const VARIANCES = 5u;
const SUMS_AT_TAU = 6u;
const SUMS_AT_ONE = 7u;
const MEANS = 8u;
const PULLBACKS = 9u;
const VALUES = 10u;

// Codes of the parameter block, as constants of the pipeline.
override RIGHT_DIVERGENCE: u32 = 0u;
override WRONG_DIVERGENCE: u32 = 0u;
override REVISION: u32 = 0u;
override TEMPERATURE: u32 = 0u;
override STATS_LEVEL: u32 = 2u;

const LABEL_REVISION = 1u;
const PROBABILITY_SHIFT = 2u;
const LABEL_SMOOTHING = 3u;

const TAU_PER_ROW = 1u;
const TAU_DTD = 2u;
const STANDARDISED = 3u;

const FORWARD_KL = 0u;
const REVERSE_KL = 1u;
const JENSEN_SHANNON = 2u;
const TOTAL_VARIATION = 3u;
const MSE_PROBS = 4u;
const MSE_LOGITS = 5u;
const DECOUPLED = 6u;

const LEVEL_NONE = 0u;
const LEVEL_FULL = 2u;
