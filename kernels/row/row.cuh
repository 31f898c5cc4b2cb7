// The row program for one row: extremes, sums, revise, divergence, gradient, record.
#pragma once
#include "row/forward_kl.cuh"
#include "row/scores.cuh"

// What a row comes with besides its logits.
struct Inputs {
  int label;
  float weight, kd_weight, tau;
  unsigned flags;

  DEVICE Inputs(const RowParams& params, const Buffers& buffers, unsigned row) {
    label = buffers.labels[row];
    weight = buffers.weight ? buffers.weight[row] : 1.0f;
    kd_weight = buffers.kd_weight ? buffers.kd_weight[row] : 1.0f;
    const bool own_tau = params.temperature == PER_ROW || params.temperature == DTD;
    tau = own_tau ? buffers.tau[row] : params.tau;
    const bool no_class = label != IGNORE && unsigned(label) >= params.classes;
    const bool legal = is_weight(weight) && is_weight(kd_weight) && tau > 0.0f && tau < infinity();
    flags = (label == IGNORE ? IGNORED : 0u) | (no_class ? LABEL_OUT_OF_RANGE : 0u) |
            (legal ? 0u : BAD_PARAMETER) | (weight == 0.0f ? OFF : 0u) |
            (kd_weight == 0.0f ? UNSELECTED : 0u);
  }

  DEVICE bool refused() const { return flags & (LABEL_OUT_OF_RANGE | BAD_PARAMETER); }
  DEVICE bool labelled() const { return label != IGNORE; }
};

// upstream · 1/N of the row's group.
DEVICE float scale_of(const Buffers& buffers, bool wrong) {
  const Scale scale = buffers.scale ? *buffers.scale : buffers.known;
  const float upstream = buffers.upstream ? *buffers.upstream : buffers.known.upstream;
  return upstream * (wrong ? scale.inverse_wrong : scale.inverse_right);
}

// Where the row's record is written; null in all lanes but one, and where no record is asked for.
template <class Lanes>
DEVICE RowStats* record_of(const RowParams& params, const Buffers& buffers, unsigned row, const Lanes&) {
  return params.stats_level != NO_STATS && Lanes::WRITES_RECORD && Lanes::lane() == 0 ? buffers.stats + row : nullptr;
}

// Stores the row's part of the total.
template <class Lanes>
DEVICE void store_loss(const Buffers& buffers, unsigned row, const Lanes&, float value) {
  if (buffers.losses && Lanes::WRITES_RECORD && Lanes::lane() == 0) buffers.losses[row] = value;
}

// Fills the whole gradient with one value.
template <class Rows, class Lanes>
DEVICE void fill(const Rows& rows, const Lanes&, float value) {
  if (!rows.has_gradient() || !Lanes::WRITES_RECORD) return;
#pragma unroll 1
  for (long c = Lanes::lane(); c < rows.classes(); c += Lanes::lanes()) rows.store(static_cast<int>(c), value);
}

// Writes the record of a row that is refused or nonfinite: `value` in every float that the level has.
template <class Lanes>
DEVICE void write_uncomputed(const RowParams& params, const Buffers& buffers, unsigned row, const Lanes& lanes,
                             float value, float loss, unsigned flags) {
  store_loss(buffers, row, lanes, loss);
  const float v = params.stats_level == FULL_STATS ? value : 0.0f;
  RowStats* out = record_of(params, buffers, row, lanes);
  if (out) {
    *out = {loss, value, value, value, value, {v, v, v, v, v, v, v, v}, NO_TOP, NO_TOP, flags};
  }
}

// ANY: every specification; otherwise forward KL on both sides, no standardised logits and no label
// smoothing.
template <bool ANY, class Span>
DEVICE void row(const RowParams& params, const Buffers& buffers, unsigned index, const Inputs& inputs,
                Span& span) {
  const Extremes extremes_ = extremes<ANY>(span, inputs.labelled());
  if (!span.lanes.enter_next_phase()) return;
  const Side &of_s = extremes_.student, &of_t = extremes_.teacher;
  // In place, no lane may write before all have read the label's logit.
  span.lanes.sync();
  if (of_s.nonfinite || of_t.nonfinite) {
    const float value = inputs.weight == 0.0f ? 0.0f : not_a_number();
    fill(span, span.lanes, value);
    write_uncomputed(params, buffers, index, span.lanes, not_a_number(), value, inputs.flags | NONFINITE);
    return;
  }

  // Sums.
  const bool labelled = inputs.labelled();
  const bool wrong = labelled && of_t.label < of_t.max;
  const bool full = params.stats_level == FULL_STATS;
  const bool shifted = Span::HAS_PROBABILITY_SHIFT && wrong && params.revision == PROBABILITY_SHIFT;
  const bool is_standardised = ANY && params.temperature == STANDARDISED;
  unsigned unmasked[2] = {};
  if (is_standardised || (ANY && params.revision == LABEL_SMOOTHING)) count_unmasked(span, unmasked);
  Standardised standardised[2];
  float k[2] = {1.0f / inputs.tau, 1.0f / inputs.tau};
  if (is_standardised) {
    const float n[2] = {static_cast<float>(unmasked[0] + (of_s.label > masked())),
                        static_cast<float>(unmasked[1] + (of_t.label > masked()))};
    standardise(span, extremes_, n, standardised);
    k[0] *= standardised[0].inverse;
    k[1] *= standardised[1].inverse;
  }
  const UnitExp unit_exp(inputs.tau, is_standardised);
  const Sums sums_ = sums(span, extremes_, k, unit_exp, full);
  if (!span.lanes.enter_next_phase()) return;
  const Softmax unit(1.0f, of_s.shift(), sums_.unit[0], labelled, of_s.label);
  const float ce = negative_log(unit, of_s);
  RowStats* const out = record_of(params, buffers, index, span.lanes);
  // Written now, so that the scores need no registers during the last sweep.
  if (out) out->scores = scores(extremes_, unit, sums_, labelled && params.classes > 1, full);
  const Softmax student(k[0], of_s.shift(), sums_.tempered[0], labelled, of_s.label);

  // Revise. Probability shift is an exchange of two logits: the label takes the maximum.
  float target_label = of_t.label, target_max = of_t.max, target_shift = of_t.shift();
  float target_sum = sums_.tempered[1];
  OnlyMasked only = extremes_.only;
  if (shifted) {
    span.exchange_logits(static_cast<int>(of_t.top), of_t.label);
    target_label = of_t.max;
    target_max = exchanged_extremes<ANY>(span, only);
    target_shift = target_max == masked() ? target_label : target_max;
    target_sum = exchanged_sum(span, k[1], target_shift);
  }
  const Softmax tempered(k[1], target_shift, target_sum, labelled, target_label);
  const Target<ANY> target(tempered, target_label, wrong, params.revision, params.revision_parameter, unmasked[1]);

  // Divergence and gradient.
  unsigned divergence = ANY ? (wrong ? params.wrong_divergence : params.right_divergence) : FORWARD_KL;
  // Rows without a label have no class to decouple.
  if (divergence == DECOUPLED && !labelled) divergence = FORWARD_KL;
  const float alpha = wrong ? params.wrong_alpha : params.right_alpha;
  const float beta = wrong ? params.wrong_beta : params.right_beta;
  const float lambda_kd = wrong ? params.wrong_lambda_kd : params.right_lambda_kd;
  const float lambda_ce = wrong ? params.wrong_lambda_ce : params.right_lambda_ce;
  const auto classes = static_cast<float>(params.classes);
  const auto [value_factor, slope] = factors(divergence, params.temperature_squared != 0, inputs.tau, classes);
  const float kd_factor = inputs.weight * lambda_kd * inputs.kd_weight;
  const float ce_factor = inputs.weight * lambda_ce;
  const float scale = scale_of(buffers, wrong);
  const bool t_y = of_t.label > masked();
  const Masks masks{of_s.label > masked(),
                    t_y || (wrong && params.revision != NO_REVISION),
                    of_s.max > masked(),
                    target_max > masked(),
                    only.student,
                    only.teacher};
  const bool infinite = masks.infinite(divergence, alpha, beta);
  // Reverse KL has no gradient where it is infinite; the others keep their formula.
  const bool dead = infinite && divergence == REVERSE_KL;
  const Gradient<ANY> gradient{student,
                               target,
                               unit,
                               labelled,
                               of_s.label,
                               is_standardised,
                               standardised[0],
                               {dead ? 0.0f : scale * kd_factor * slope, labelled ? scale * ce_factor : 0.0f}};
  float value;
  if constexpr (!ANY) {
    const TextbookKl textbook(student, target, sums_.contrast);
    if (!shifted && textbook.exact) {
      value = textbook.value;
      if (span.has_gradient()) write_forward_kl(gradient, unit_exp, span);
    } else {
      value = gradient.run(ForwardKl(), span);
    }
  } else {
    const bool decoupled = divergence == DECOUPLED;
    const float beta_of_others = !decoupled || (masks.s_others && masks.p_others) ? beta : 0.0f;
    const AnyRule rule{divergence, alpha, beta_of_others, student.y, target.label};
    value = (decoupled ? gradient.without_label(unmasked[1]) : gradient).run(rule, span);
  }

  // Record.
  if (!span.lanes.enter_next_phase()) return;
  const float kd = infinite ? infinity() : value_factor * value;
  const float loss = times(kd_factor, kd) + times(ce_factor, ce);
  store_loss(buffers, index, span.lanes, is_nan(loss) ? loss : times(scale, loss));
  if (!out) return;
  out->loss = loss;
  out->kd = kd;
  out->ce = ce;
  out->tau = inputs.tau;
  out->beta = target.beta;
  out->teacher_top = of_t.top;
  out->student_top = of_s.top;
  out->flags = inputs.flags | (wrong ? WRONG : 0u) | (of_t.top == of_s.top ? AGREE : 0u) |
               (max_of(kd, ce) == infinity() ? INFINITE : 0u);
}

// One row, from its inputs on, in a span of this kind.
template <bool ANY, class Span>
DEVICE void row_of(const RowParams& params, const Buffers& buffers, unsigned index, typename Span::Lanes& lanes) {
  const Inputs inputs(params, buffers, index);
  const typename Span::Rows rows(params, buffers, index, inputs.labelled() ? inputs.label : -1);
  if (inputs.refused()) {
    // In place, the gradient must not overwrite logits whose copies are still in flight.
    lanes.sync();
    fill(rows, lanes, 0.0f);
    write_uncomputed(params, buffers, index, lanes, 0.0f, 0.0f, inputs.flags);
    return;
  }
  Span span(lanes, rows);
  row<ANY>(params, buffers, index, inputs, span);
}
