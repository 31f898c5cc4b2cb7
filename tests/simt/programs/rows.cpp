// Every kernel on tiny batches, in memory of exactly their size, in three orders of scheduling: the
// sanitizers look at it, and the bits have to be the same in each order, apart and in place.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "batch.cu"
#include "features.cu"
#include "rows.cu"

ANY_ROWS()
ALL_ROWS(F32, f32)
ALL_ROWS(Bf16, bf16)
ANY_FEATURES()
FEATURES(F32, f32)
FEATURES(Bf16, bf16)
#ifndef SIMT_QUICK
ALL_ROWS(F16, f16)
FEATURES(F16, f16)
#endif

namespace {

using Kernel = void (*)(RowParams, Buffers);

struct Shape {
  const char* name;
  std::vector<Kernel> kernels;  // one after the other
  Format student, teacher;
  unsigned threads, classes;
  unsigned ring = 0;  // blocks that hold a row together
};

bool is_feature(const Shape& shape) { return shape.name[0] == 'f'; }
bool is_split(const Shape& shape) { return shape.kernels.size() > 1; }

// Blocks that share a split row.
constexpr unsigned PARTS = 3;

// The last of the divergences, or distances, that a kernel has.
unsigned last_divergence(const Shape& shape) {
  if (is_feature(shape)) return COSINE;
  return shape.kernels[0] == row_any ? DECOUPLED : FORWARD_KL;
}

unsigned last_revision(const Shape& shape) {
  if (is_feature(shape)) return NO_REVISION;
  if (is_split(shape)) return LABEL_REVISION;
  return shape.kernels[0] == row_any ? LABEL_SMOOTHING : PROBABILITY_SHIFT;
}

unsigned bytes_of(Format format) { return format == IS_F32 ? 4 : 2; }

void put(std::vector<char>& matrix, Format format, size_t i, float x) {
  const unsigned bits = format == IS_F32   ? __float_as_uint(x)
                        : format == IS_F16 ? narrow_f16(x)
                                           : narrow_bf16(x);
  std::memcpy(&matrix[i * bytes_of(format)], &bits, bytes_of(format));
}

bool is_number(const std::vector<char>& matrix, Format format, size_t i) {
  unsigned bits = 0;
  std::memcpy(&bits, &matrix[i * bytes_of(format)], bytes_of(format));
  return !is_nan(format == IS_F32 ? __uint_as_float(bits) : format == IS_F16 ? widen_f16(bits) : widen_bf16(bits, false));
}

void launch(Kernel kernel, dim3 blocks, unsigned threads, uint64_t seed, const RowParams& params,
            const Buffers& buffers, unsigned shared = 0, unsigned cluster = 1) {
  simt::launch(blocks, threads, shared, seed, [&] { kernel(params, buffers); }, cluster);
}

// What a ring's blocks need: chunks of both rows, and one vector more per warp.
unsigned shared_bytes(const Shape& shape) {
  if (!shape.ring) return 0;
  const unsigned per_vector = 16 / bytes_of(shape.student), lanes = shape.ring * shape.threads;
  const unsigned vectors = (shape.classes - 1 + per_vector - 1) / per_vector + 1;
  const unsigned chunks = (vectors + lanes - 1) / lanes * shape.threads;
  return 16 * (2 * chunks + chunks / 32);
}

// What a run leaves: gradient, records, shares.
struct Outcome {
  std::vector<char> gradient;
  std::vector<RowStats> stats;
  std::vector<float> losses;
  float total;

  bool operator==(const Outcome& other) const {
    return gradient == other.gradient && losses.size() == other.losses.size() &&
           std::memcmp(stats.data(), other.stats.data(), stats.size() * sizeof(RowStats)) == 0 &&
           std::memcmp(losses.data(), other.losses.data(), losses.size() * 4) == 0 &&
           std::memcmp(&total, &other.total, 4) == 0;
  }
};

struct Batch {
  RowParams params{};
  std::vector<char> student, teacher;
  std::vector<int> labels;
  std::vector<float> weight, tau;

  Batch(const Shape& shape, std::mt19937& random, unsigned divergence, unsigned revision) {
    const unsigned v = shape.classes, rows = 5, stride = v + random() % 3;
    params.rows = rows;
    params.classes = v;
    params.student_stride = params.gradient_stride = stride;
    params.teacher_stride = v + random() % 3;
    params.stats_level = FULL_STATS;
    params.revision = revision;
    params.revision_parameter = 0.8f;
    params.temperature = divergence == DECOUPLED ? STANDARDISED : PER_ROW;
    params.tau = 2.0f;
    params.temperature_squared = 1;
    params.right_divergence = params.wrong_divergence = divergence;
    params.right_alpha = params.wrong_alpha = 1.0f;
    params.right_beta = params.wrong_beta = 0.5f;
    params.right_lambda_kd = params.wrong_lambda_kd = 0.9f;
    params.right_lambda_ce = params.wrong_lambda_ce = 0.1f;
    params.gamma = 1.0f;
    params.tau0 = 10.0f;
    params.bias = 40.0f;
    params.normalise = 1;
    params.tau_min = 1.0f;
    const size_t elements = size_t(rows - 1) * (v + 2) + v;
    student.resize((size_t(rows - 1) * stride + v) * bytes_of(shape.student));
    teacher.resize((size_t(rows - 1) * params.teacher_stride + v) * bytes_of(shape.teacher));
    std::normal_distribution<float> normal(0.0f, 3.0f);
    for (size_t i = 0; i < elements; ++i) {
      const bool mask = i % 11 == 3 && v > 4 && !is_feature(shape);
      const float s = mask && i % 2 ? -INFINITY : normal(random);
      const float t = mask && i % 3 ? -INFINITY : normal(random);
      if (i * bytes_of(shape.student) < student.size()) put(student, shape.student, i, s);
      if (i * bytes_of(shape.teacher) < teacher.size()) put(teacher, shape.teacher, i, t);
    }
    for (unsigned b = 0; b < rows; ++b) {
      labels.push_back(b == 3 ? IGNORE : b == 4 ? static_cast<int>(v) : static_cast<int>(random() % v));
      weight.push_back(b == 2 ? 0.0f : 1.0f);
      tau.push_back(1.0f + float(b));
    }
    put(student, shape.student, size_t(2) * stride, NAN);  // a nonfinite row
  }

  Outcome run(const Shape& shape, uint64_t seed, bool in_place) const {
    std::vector<char> logits = student;
    Outcome out{std::vector<char>(student.size()), std::vector<RowStats>(params.rows),
                std::vector<float>(params.rows), 0.0f};
    std::vector<unsigned> marks(params.rows);
    std::vector<float> omegas(params.rows), temperatures(params.rows);
    std::vector<unsigned> parts(params.rows * PARTS * PART_WORDS, ~0u);
    Scale scale{};
    Buffers buffers{};
    buffers.student = logits.data();
    buffers.teacher = teacher.data();
    buffers.labels = labels.data();
    buffers.weight = weight.data();
    buffers.tau = tau.data();
    buffers.gradient = in_place ? logits.data() : out.gradient.data();
    buffers.stats = out.stats.data();
    buffers.losses = out.losses.data();
    buffers.omegas = omegas.data();
    buffers.temperatures = temperatures.data();
    buffers.marks = marks.data();
    buffers.scale_out = &scale;
    buffers.total = &out.total;
    buffers.parts = parts.data();
    buffers.known.upstream = 2.0f;
    buffers.reduction = MEAN_PER_GROUP;
    buffers.student_format = shape.student;
    buffers.teacher_format = shape.teacher;
    if (!in_place) {
      // What lies between rows is nobody's to write.
      out.gradient = logits;
    }
    launch(batch_groups, 2, 64, seed, params, buffers);
    launch(batch_scale, 1, 64, seed, params, buffers);
    launch(batch_omegas, 2, 64, seed, params, buffers);
    launch(batch_temperatures, 1, 64, seed, params, buffers);
    buffers.scale = &scale;
    const unsigned cluster = std::max(shape.ring, 1u);
    const dim3 blocks(2 * cluster, is_split(shape) ? PARTS : 1);
    for (Kernel kernel : shape.kernels) {
      launch(kernel, blocks, shape.threads, seed, params, buffers, shared_bytes(shape), cluster);
    }
    launch(batch_total, 1, 64, seed, params, buffers);
    if (in_place) out.gradient = logits;
    return out;
  }
};

#define OF_TYPE(type, format)                              \
  {"row_group8_" #type, {row_group8_##type}, format, format, 64, 10}, \
  {"row_group16_" #type, {row_group16_##type}, format, format, 64, 31}, \
  {"row_warp_" #type, {row_warp_##type}, format, format, 64, 131}, \
  {"row_block_" #type, {row_block_##type}, format, format, 96, 333}, \
  {"row_stream_" #type, {row_stream_##type}, format, format, 96, 333}, \
  {"row_split_" #type, {row_split_extremes_##type, row_split_sums_##type, row_split_gradient_##type, \
                        row_split_record_##type}, format, format, 64, 1203}, \
  {"row_ring_" #type, {row_ring_##type}, format, format, 64, 1203, 1}, \
  {"row_cluster_" #type, {row_cluster_##type}, format, format, 64, 1203, 2}, \
  {"feature_group8_" #type, {feature_group8_##type}, format, format, 64, 10}, \
  {"feature_group16_" #type, {feature_group16_##type}, format, format, 64, 31}, \
  {"feature_warp_" #type, {feature_warp_##type}, format, format, 64, 131}, \
  {"feature_block_" #type, {feature_block_##type}, format, format, 96, 333}, \
  {"feature_stream_" #type, {feature_stream_##type}, format, format, 96, 333}

const Shape SHAPES[] = {
    OF_TYPE(f32, IS_F32),
#ifndef SIMT_QUICK
    OF_TYPE(f16, IS_F16),
#endif
    OF_TYPE(bf16, IS_BF16),
    // With two warps a block and three chunks a lane, and with one where the last blocks have no chunk.
    {"row_cluster_f32", {row_cluster_f32}, IS_F32, IS_F32, 64, 3001, 4},
    {"row_cluster_bf16", {row_cluster_bf16}, IS_BF16, IS_BF16, 32, 1203, 8},
    {"row_any", {row_any}, IS_F32, IS_BF16, 64, 77},
    {"row_any", {row_any}, IS_F16, IS_F32, 32, 3},
    {"feature_any", {feature_any}, IS_F32, IS_BF16, 64, 77},
};

}  // namespace

// `rows once` runs each batch once and compares nothing: for ThreadSanitizer, which is slow and does
// not care about the order.
int main(int count, char** arguments) {
  const bool once = count > 1 && std::string(arguments[1]) == "once";
  std::mt19937 random(1);
  int wrong = 0, runs = 0;
  for (const Shape& shape : SHAPES) {
    for (unsigned divergence = 0; divergence <= last_divergence(shape); ++divergence) {
      for (unsigned revision = 0; revision <= last_revision(shape); ++revision) {
        // Each divergence but the first with one revision alone.
        if (!is_feature(shape) && divergence > 0 && revision != divergence % 4) continue;
        const Batch batch(shape, random, divergence, revision);
        if (once) {
          batch.run(shape, 1, true);
          runs += 1;
          continue;
        }
        const Outcome outcome = batch.run(shape, 0, false);
        bool finite = outcome.stats[0].flags & INFINITE || std::isfinite(outcome.stats[0].loss);
        for (unsigned c = 0; c < shape.classes; ++c) finite &= is_number(outcome.gradient, shape.student, c);
        const bool same = outcome == batch.run(shape, 1, false) && outcome == batch.run(shape, 2, true);
        runs += 3;
        if (same && finite) continue;
        std::fprintf(stderr, "%s, divergence %u, revision %u: the bits depend on the order\n", shape.name,
                     divergence, revision);
        wrong += 1;
      }
    }
  }
  std::printf("%d runs, %d wrong\n", runs, wrong);
  return wrong != 0;
}
