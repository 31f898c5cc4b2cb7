// The row program: stats → revise → gradient, for one row.
#pragma once
#include "row/forward_kl.cuh"

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

// Where the row's record goes; null in all lanes but one, and where none is asked for.
template <class Lanes>
DEVICE RowStats* record(const RowParams& params, const Buffers& buffers, unsigned row, const Lanes&) {
  return params.stats_level != NO_STATS && Lanes::FINISHES && Lanes::lane() == 0 ? buffers.stats + row : nullptr;
}

// The row's share of the total.
template <class Lanes>
DEVICE void share(const Buffers& buffers, unsigned row, const Lanes&, float value) {
  if (buffers.losses && Lanes::FINISHES && Lanes::lane() == 0) buffers.losses[row] = value;
}

// One value in the whole gradient.
template <class Rows, class Lanes>
DEVICE void fill(const Rows& rows, const Lanes&, float value) {
  if (!rows.has_gradient() || !Lanes::FINISHES) return;
#pragma unroll 1
  for (long c = Lanes::lane(); c < rows.classes(); c += Lanes::lanes()) rows.store(static_cast<int>(c), value);
}

// A row that is not computed: `value` in every float of the record that the level has.
template <class Lanes>
DEVICE void stopped(const RowParams& params, const Buffers& buffers, unsigned row, const Lanes& lanes,
                    float value, float loss, unsigned flags) {
  share(buffers, row, lanes, loss);
  const float v = params.stats_level == FULL_STATS ? value : 0.0f;
  RowStats* out = record(params, buffers, row, lanes);
  if (out) {
    *out = {loss, value, value, value, value, {v, v, v, v, v, v, v, v}, NO_TOP, NO_TOP, flags};
  }
}

// Whether D = +∞: decided on masks after revision, never on probabilities that underflowed.
struct Masks {
  // Whether the label's class, and any other, is unmasked in the student and in the target.
  bool s_y, p_y, s_others, p_others;
  // Whether only one of the two masks some other class.
  bool student_only, target_only;

  DEVICE bool infinite(unsigned divergence, float alpha, float beta) const {
    switch (divergence) {
      case FORWARD_KL: return student_only || (p_y && !s_y);
      case REVERSE_KL: return target_only || (s_y && !p_y);
      case MSE_LOGITS: return student_only || target_only || p_y != s_y;
      case DECOUPLED: {
        const bool label = (p_y && !s_y) || (p_others && !s_others);
        return (alpha != 0.0f && label) || (beta != 0.0f && s_others && student_only);
      }
      default: return false;
    }
  }
};

// ANY: every specification; otherwise forward KL on both sides, no standardised logits and no label
// smoothing.
template <bool ANY, class Span>
DEVICE void row(const RowParams& params, const Buffers& buffers, unsigned index, const Inputs& inputs,
                Span& span) {
  const Extremes extremes_ = extremes<ANY>(span, inputs.labelled());
  if (!span.lanes.goes_on()) return;
  const Side &of_s = extremes_.student, &of_t = extremes_.teacher;
  // In place, nobody may write before all have read the label's logit.
  span.lanes.order();
  if (of_s.nonfinite || of_t.nonfinite) {
    const float value = inputs.weight == 0.0f ? 0.0f : not_a_number();
    fill(span, span.lanes, value);
    stopped(params, buffers, index, span.lanes, not_a_number(), value, inputs.flags | NONFINITE);
    return;
  }

  // Stats.
  const bool labelled = inputs.labelled();
  const bool wrong = labelled && of_t.label < of_t.max;
  const bool full = params.stats_level == FULL_STATS;
  const bool shifted = Span::SHIFTS && wrong && params.revision == PROBABILITY_SHIFT;
  const bool standard = ANY && params.temperature == STANDARDISED;
  unsigned unmasked[2] = {};
  if (standard || (ANY && params.revision == LABEL_SMOOTHING)) count_unmasked(span, unmasked);
  Standardised standardised[2];
  float k[2] = {1.0f / inputs.tau, 1.0f / inputs.tau};
  if (standard) {
    const float n[2] = {static_cast<float>(unmasked[0] + (of_s.label > masked())),
                        static_cast<float>(unmasked[1] + (of_t.label > masked()))};
    standardise(span, extremes_, n, standardised);
    k[0] *= standardised[0].inverse;
    k[1] *= standardised[1].inverse;
  }
  const Raise raise(inputs.tau, standard);
  const Sums sums_ = sums(span, extremes_, k, raise, full);
  if (!span.lanes.goes_on()) return;
  const Softmax raw(1.0f, of_s.shift(), sums_.student.ones, labelled, of_s.label);
  const float ce = negative_log(raw, of_s);
  RowStats* const out = record(params, buffers, index, span.lanes);
  // Written now, so that nothing has to hold them through the last sweep.
  if (out) out->scores = scores(extremes_, raw, sums_, labelled && params.classes > 1, full);
  const Softmax student(k[0], of_s.shift(), sums_.student.tempered, labelled, of_s.label);

  // Revise. Probability shift is an exchange of two logits: the label takes the maximum.
  float target_label = of_t.label, target_max = of_t.max, target_shift = of_t.shift();
  float target_sum = sums_.teacher.tempered;
  OnlyMasked only = extremes_.only;
  if (shifted) {
    span.shift(static_cast<int>(of_t.top), of_t.label);
    target_label = of_t.max;
    target_max = shifted_extremes<ANY>(span, only);
    target_shift = target_max == masked() ? target_label : target_max;
    target_sum = shifted_sum(span, k[1], target_shift);
  }
  const Softmax tempered(k[1], target_shift, target_sum, labelled, target_label);
  const Target<ANY> target(tempered, target_label, wrong, params.revision, params.revision_parameter, unmasked[1]);

  // Divergence and gradient.
  unsigned divergence = ANY ? (wrong ? params.wrong_divergence : params.right_divergence) : FORWARD_KL;
  if (divergence == DECOUPLED && !labelled) divergence = FORWARD_KL;
  const float alpha = wrong ? params.wrong_alpha : params.right_alpha;
  const float beta = wrong ? params.wrong_beta : params.right_beta;
  const float lambda_kd = wrong ? params.wrong_lambda_kd : params.right_lambda_kd;
  const float lambda_ce = wrong ? params.wrong_lambda_ce : params.right_lambda_ce;
  const auto classes = static_cast<float>(params.classes);
  const Factors factor = factors(divergence, params.temperature_squared != 0, inputs.tau, classes);
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
                          raw,
                          labelled,
                          of_s.label,
                          standard,
                          standardised[0],
                          dead ? 0.0f : scale * kd_factor * factor.slope,
                          labelled ? scale * ce_factor : 0.0f};
  float value;
  if constexpr (!ANY) {
    const Textbook textbook(student, target, sums_.contrast);
    if (!shifted && textbook.exact) {
      value = textbook.value;
      if (span.has_gradient()) blend(gradient, raise, span);
    } else {
      value = gradient.run(ForwardKl(), span);
    }
  } else {
    const bool decoupled = divergence == DECOUPLED;
    const float beta_of_others = !decoupled || (masks.s_others && masks.p_others) ? beta : 0.0f;
    const AnyRule rule{divergence, alpha, beta_of_others, student.y, target.label};
    value = (decoupled ? gradient.without_label(unmasked[1]) : gradient).run(rule, span);
  }

  if (!span.lanes.goes_on()) return;
  const float kd = infinite ? infinity() : factor.value * value;
  const float loss = times(kd_factor, kd) + times(ce_factor, ce);
  share(buffers, index, span.lanes, is_nan(loss) ? loss : times(scale, loss));
  if (!out) return;
  out->loss = loss;
  out->kd = kd;
  out->ce = ce;
  out->tau = inputs.tau;
  out->beta = target.beta;
  out->teacher_top = of_t.top;
  out->student_top = of_s.top;
  out->flags = inputs.flags | (wrong ? WRONG : 0u) | (of_t.top == of_s.top ? AGREE : 0u) |
               (greater(kd, ce) == infinity() ? INFINITE : 0u);
}

// One row, from its inputs on, with a span of this kind.
template <bool ANY, class Span>
DEVICE void row_of(const RowParams& params, const Buffers& buffers, unsigned index, typename Span::Lanes& lanes) {
  const Inputs inputs(params, buffers, index);
  const typename Span::Rows rows(params, buffers, index, inputs.labelled() ? inputs.label : -1);
  if (inputs.refused()) {
    // In place, what is copied meanwhile is not written over.
    lanes.order();
    fill(rows, lanes, 0.0f);
    stopped(params, buffers, index, lanes, 0.0f, 0.0f, inputs.flags);
    return;
  }
  Span span(lanes, rows);
  row<ANY>(params, buffers, index, inputs, span);
}
