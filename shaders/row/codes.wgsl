// The loss and the level of the records, as constants of the pipeline: codes of the parameter block.

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
