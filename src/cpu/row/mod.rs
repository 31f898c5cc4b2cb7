//! The row program's mathematics: no pointer, no format, no threshold. Every function is generic over a
//! [`Vector`](super::simd::Vector) and, where it goes over classes, over a [`Layout`](layout::Layout): one row
//! across the lanes, or rows side by side, one per lane.
//!
//! For student logits `s`, teacher logits `t`, a label `y` and a temperature `τ`:
//!
//! ```text
//! 1  extremes     max over c ≠ y, arg-max, the label's logit; of s and of t
//! 2  masks        how many classes are −∞, and whether a logit is NaN or +∞   (only where it may matter)
//! 3  sums         Σ e, Σ e at τ = 1, Σ e d, Σ e², Σ e_t (d_t − d_s) over c ≠ y, with e = exp(d/τ), d = z − max
//! 4  softmax      q = softmax(s/τ), p = softmax(t/τ), and both at τ = 1, from the sums in O(1)
//! 5  target       p' = p, revised where t_y < max t
//! 6  divergence   D(p', q), class by class, or from the sums where it is forward KL
//! 7  gradient     g_c = w [λ_kd kd_weight ∂D/∂s_c + λ_ce (q1_c − [c = y])] · upstream · inv_n
//! 8  scores       entropies, margins, confidences, EL2N: the record
//! ```
//!
//! Three structs pass between the steps: [`Inputs`](inputs::Inputs) → [`Facts`](inputs::Facts) (1 to 3) →
//! [`Outcome`](inputs::Outcome) (the record). Why the label stands apart: the sums are relative to the
//! largest *other* class, so that nothing cancels where the label is far ahead.
//!
//! | `∂D/∂z_c` with z = s/τ | rule |
//! |---|---|
//! | forward KL | `q − p'` |
//! | reverse KL | `q (h − Σ q h)`, `h = log q − log p'` |
//! | Jensen–Shannon β | `q (h − Σ q h)`, `h = (1−β)(log q − log m)`, `m = βp' + (1−β)q` |
//! | total variation | `q (h − Σ q h)`, `h = ½ sign(q − p')` |
//! | MSE of probabilities | `q (h − Σ q h)`, `h = q − p'` |
//! | MSE of logits | `s − t`, of s itself |
//! | decoupled α, β | label: `α (q_y − p'_y)`; others: `β (q̂ − p̂') − α (q_y − p'_y) q̂`, renormalised without y |
//!
//! - [`general`] runs all steps for any loss and any row, with [`rules`] for 6 and 7.
//! - [`forward_kl`] is step 4 to 8 for rows without masks under forward KL, as many at once as a vector has
//!   lanes: `g_c = a e_s + b e_t + c e1`, so that the exponentials of step 3 are all that the gradient needs.

pub(super) mod divergence;
pub(super) mod extremes;
pub(super) mod forward_kl;
pub(super) mod general;
pub(super) mod gradient;
pub(super) mod inputs;
pub(super) mod layout;
pub(super) mod masks;
pub(super) mod revise;
pub(super) mod rules;
pub(super) mod scores;
pub(super) mod softmax;
pub(super) mod standardise;
pub(super) mod sums;
pub(super) mod target;
