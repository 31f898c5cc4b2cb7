// Normalised distances of features, and their gradient: magnitudes → norms → distance → gradient, for one
// row. A row's features take the place of logits, and its record is the distance. The kernels are in
// features.cu.
#pragma once
#include "row_kernels.cuh"

// `right_divergence` of the parameter block.
enum Distance : unsigned { L1, SQUARED_L2, COSINE };

// Elements outside a row count as 0, which contributes nothing anywhere.
template <class E>
struct Padded : E {
  static constexpr unsigned MASKED = 0;
};

// ‖x‖ as a power of two and a factor near 1, so that no square leaves the range of f32.
struct Norm {
  float power;    // 2^−⌊log₂ max|x|⌋
  float inverse;  // 1/(‖x‖ · power); 0 for a zero vector

  DEVICE float unit(float x) const { return product(x * power, inverse); }
};

// The power, from the exponent of the largest magnitude; clamped, so that it is a normal number.
DEVICE float power_of(float largest) {
  const unsigned exponent = __float_as_uint(largest) >> 23;
  return __uint_as_float((254 - (exponent < 1 ? 1 : exponent > 253 ? 253 : exponent)) << 23);
}

// Two sums over all pairs of features, to which `add` adds one pair. Each chunk is summed by itself first,
// so that long rows lose no more than short ones.
template <class Span, class F>
DEVICE void sum(Span& span, float (&all)[2], const F& add) {
  span.each([&](const auto& chunk) {
    float of_chunk[2] = {};
#pragma unroll
    for (int i = 0; i < chunk.SIZE; ++i) add(of_chunk, chunk.s[i], chunk.t[i]);
    all[0] += of_chunk[0];
    all[1] += of_chunk[1];
  });
  span.lanes.template reduce<Sum>(all);
}

// The slope at a difference: its sign for L1, else the difference itself.
DEVICE float slope(unsigned distance, float d) {
  return distance != L1 ? d : float(d > 0.0f) - float(d < 0.0f);
}

template <class Span>
DEVICE void feature(const RowParams& params, const Buffers& buffers, unsigned index, Span& span) {
  const unsigned kind = params.right_divergence;
  const float weight = buffers.weight ? buffers.weight[index] : 1.0f;
  float largest[2] = {};
  span.each([&](const auto& chunk) {
#pragma unroll
    for (int i = 0; i < chunk.SIZE; ++i) {
      largest[0] = max_or_nan(largest[0], fabsf(chunk.s[i]));
      largest[1] = max_or_nan(largest[1], fabsf(chunk.t[i]));
    }
  });
  span.lanes.template reduce<MaxOrNan>(largest);
  const bool uncomputed = !(largest[0] < infinity() && largest[1] < infinity() && is_weight(weight));

  Norm of_x{power_of(largest[0]), 0.0f}, of_y{power_of(largest[1]), 0.0f};
  float squares[2] = {};
  sum(span, squares, [&](float (&all)[2], float x, float y) {
    all[0] += x * of_x.power * (x * of_x.power);
    all[1] += y * of_y.power * (y * of_y.power);
  });
  if (squares[0] > 0.0f) of_x.inverse = 1.0f / sqrtf(squares[0]);
  if (squares[1] > 0.0f) of_y.inverse = 1.0f / sqrtf(squares[1]);

  // Σ |x̂ − ŷ| or Σ (x̂ − ŷ)², and Σ slope(x̂ − ŷ) x̂.
  float sums[2] = {};
  sum(span, sums, [&](float (&all)[2], float x, float y) {
    const float unit = of_x.unit(x), d = unit - of_y.unit(y);
    all[0] += kind == L1 ? fabsf(d) : d * d;
    all[1] += slope(kind, d) * unit;
  });

  const float width = static_cast<float>(params.classes);
  // 1 − ⟨x̂, ŷ⟩ without the cancellation.
  const float cosine = of_x.inverse == 0.0f || of_y.inverse == 0.0f ? 1.0f : 0.5f * sums[0];
  const float computed = kind == COSINE ? cosine : sums[0] / width;
  const float distance = uncomputed ? not_a_number() : computed;
  const float scale = params.right_lambda_kd * scale_of(buffers, false) * weight;
  // A row of weight 0 adds nothing to the total and has gradient 0, whatever is in it.
  store_loss(buffers, index, span.lanes, weight == 0.0f ? 0.0f : scale * distance);
  if (buffers.stats && span.lanes.lane() == 0) reinterpret_cast<float*>(buffers.stats)[index] = distance;
  if (!span.has_gradient()) return;

  const float a = kind == COSINE ? 1.0f : kind == L1 ? 1.0f / width : 2.0f / width;
  const float factor = scale * a * of_x.inverse;
  span.each([&](const auto& chunk) {
    float g[chunk.SIZE];
#pragma unroll
    for (int i = 0; i < chunk.SIZE; ++i) {
      const float unit = of_x.unit(chunk.s[i]), d = unit - of_y.unit(chunk.t[i]);
      const float of_unit = slope(kind, d) - unit * sums[1];
      // The power comes last: a tiny ‖x‖ may have a gradient beyond the range of f32.
      const float value = of_unit * factor * of_x.power;
      g[i] = weight == 0.0f ? 0.0f : uncomputed ? not_a_number() : value;
    }
    span.store(chunk.first, g);
  });
}

template <class Span>
DEVICE void feature_of(const RowParams& params, const Buffers& buffers, unsigned index, typename Span::Lanes& lanes) {
  Span span(lanes, typename Span::Rows(params, buffers, index, -1));
  feature(params, buffers, index, span);
}

template <class Span>
DEVICE void features_of_groups(const RowParams& params, const Buffers& buffers) {
  typename Span::Lanes lanes;
  for (unsigned row = lanes.index(); row < params.rows; row += lanes.count()) {
    feature_of<Span>(params, buffers, row, lanes);
  }
}

template <class Span>
DEVICE void features_of_blocks(const RowParams& params, const Buffers& buffers) {
  SHARED(Block::Partials, partials);
  Block lanes(partials);
  for (unsigned row = lanes.index(); row < params.rows; row += lanes.count()) {
    feature_of<Span>(params, buffers, row, lanes);
  }
}
