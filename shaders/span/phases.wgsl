// The phases of the row program, each a sweep over the classes and a reduction, and the slots of their
// results.

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
const MASK_COUNTS = 2u;
const LABEL_LOGITS = 3u;
const CENTRES = 4u;
const VARIANCES = 5u;
const SUMS_OF_EXPONENTIALS = 6u;
const SUMS_OF_PRODUCTS = 7u;
const MEANS = 8u;
const PULLBACKS = 9u;
const VALUES = 10u;
