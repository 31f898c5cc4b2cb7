// Small kernels, each healthy and with one defect: `defects NAME [healthy] [seed]`. The tests run
// them and expect the emulator, or a sanitizer, to say what is wrong.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "simt.h"

namespace {

bool healthy = false;
uint64_t seed = 0;
float out[256];
alignas(16) float in[256];

// 0 if out[i] is what `expected` says.
int check(unsigned count, float (*expected)(unsigned)) {
  for (unsigned i = 0; i < count; ++i) {
    if (out[i] != expected(i)) {
      std::fprintf(stderr, "out[%u] is %g\n", i, out[i]);
      return 1;
    }
  }
  return 0;
}

void divergent_barrier() {
  if (threadIdx.x < 40 || healthy) __syncthreads();
}

void barrier_after_return() {
  if (threadIdx.x >= 40 && !healthy) return;
  __syncthreads();
}

void two_barriers() {
  if (threadIdx.x < 32 && !healthy) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

void foreign_mask() {
  const unsigned mask = threadIdx.x < 16 ? 0x0000ffffu : healthy ? 0xffff0000u : 0x0000ffffu;
  out[threadIdx.x] = __shfl_xor_sync(mask, float(threadIdx.x), 1);
}

void lane_outside_mask() {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, 1.0f, healthy ? 8 : 16);
}

void returned_lane() {
  if (threadIdx.x >= 16 && !healthy) return;
  out[threadIdx.x] = __shfl_xor_sync(~0u, 1.0f, 1);
}

void deadlock() {
  const unsigned mask = healthy || threadIdx.x < 8 ? 0xffffffffu : 0xffffff00u;
  __syncwarp(mask);
}

void missing_barrier() {
  SIMT_SHARED(float[64], values);
  values[threadIdx.x] = float(threadIdx.x);
  if (healthy) __syncthreads();
  out[threadIdx.x] = values[63 - threadIdx.x];
}

void shuffle_is_no_barrier() {
  SIMT_SHARED(float[32], values);
  values[threadIdx.x] = float(threadIdx.x);
  if (healthy) {
    __syncwarp(~0u);
  } else {
    __shfl_xor_sync(~0u, 0, 1);
  }
  out[threadIdx.x] = values[31 - threadIdx.x];
}

void out_of_bounds() {
  SIMT_SHARED(float[64], values);
  values[threadIdx.x + (healthy ? 0 : 1)] = 1.0f;
  out[threadIdx.x] = 1.0f;
}

void unwritten() {
  SIMT_SHARED(float[64], values);
  if (threadIdx.x < 63 || healthy) values[threadIdx.x] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x];
}

void copy_read_early() {
  SIMT_SHARED(float[64], stage);
  simt::copy_async(&stage[4 * threadIdx.x], &in[4 * threadIdx.x], 16);
  simt::commit_copies();
  if (healthy) simt::wait_for_copies(0);
  for (unsigned i = 4 * threadIdx.x; i < 4 * threadIdx.x + 4; ++i) out[i] = stage[i];
  simt::wait_for_copies(0);
}

void copy_not_waited_for() {
  SIMT_SHARED(float[64], stage);
  simt::copy_async(&stage[4 * threadIdx.x], &in[4 * threadIdx.x], 16);
  simt::commit_copies();
  if (healthy) simt::wait_for_copies(0);
}

void stage_under_way() {
  SIMT_SHARED(float[64], stage);
  for (unsigned round = 0; round < 2; ++round) {
    simt::copy_async(&stage[4 * threadIdx.x], &in[64 * round + 4 * threadIdx.x], 16);
    simt::commit_copies();
    if (healthy) simt::wait_for_copies(0);
  }
  simt::wait_for_copies(0);
}

// Two rounds through one stage: the producer must wait until all have read the first.
void stage_reused_early() {
  SIMT_SHARED(float[64], stage);
  SIMT_SHARED(uint64_t, full);
  if (threadIdx.x == 0) simt::mbarrier_init(&full, 1);
  __syncthreads();
  float sum = 0.0f;
  for (unsigned round = 0; round < 2; ++round) {
    if (threadIdx.x == 0) {
      simt::mbarrier_arrive(&full, sizeof stage);
      simt::copy_bulk(stage, &in[64 * round], sizeof stage, &full);
    }
    simt::mbarrier_wait(&full, round & 1);
    sum += stage[63 - threadIdx.x];
    if (healthy) __syncthreads();
  }
  out[threadIdx.x] = sum;
}

void wrong_byte_count() {
  SIMT_SHARED(float[64], stage);
  SIMT_SHARED(uint64_t, full);
  if (threadIdx.x == 0) {
    simt::mbarrier_init(&full, 1);
    simt::mbarrier_arrive(&full, healthy ? 256 : 128);
    simt::copy_bulk(stage, in, sizeof stage, &full);
  }
  __syncthreads();
  simt::mbarrier_wait(&full, 0);
  out[threadIdx.x] = stage[threadIdx.x];
}

void bulk_read_early() {
  SIMT_SHARED(float[64], stage);
  SIMT_SHARED(uint64_t, full);
  if (threadIdx.x == 0) {
    simt::mbarrier_init(&full, 1);
    simt::mbarrier_arrive(&full, sizeof stage);
    simt::copy_bulk(stage, in, sizeof stage, &full);
  }
  __syncthreads();
  if (healthy) simt::mbarrier_wait(&full, 0);
  out[threadIdx.x] = stage[threadIdx.x];
  simt::mbarrier_wait(&full, 0);
}

// Two blocks of a cluster write to each other, and each looks at what it got.
void missing_cluster_barrier() {
  SIMT_SHARED(float[32], values);
  simt::sync_cluster("begin");
  static_cast<float*>(simt::of_peer(values, 1 - blockIdx.x))[threadIdx.x] = float(threadIdx.x);
  if (healthy) simt::sync_cluster("written");
  out[32 * blockIdx.x + threadIdx.x] = values[threadIdx.x];
  simt::sync_cluster("read");
}

// The same, before the other one may have begun.
void cluster_before_begin() {
  SIMT_SHARED(float[32], values);
  if (healthy) simt::sync_cluster("begin");
  static_cast<float*>(simt::of_peer(values, 1 - blockIdx.x))[threadIdx.x] = float(threadIdx.x);
  simt::sync_cluster("written");
  out[32 * blockIdx.x + threadIdx.x] = values[threadIdx.x];
}

// Each reads from the other, which must not leave before.
void block_leaves_early() {
  SIMT_SHARED(float[32], values);
  values[threadIdx.x] = float(threadIdx.x);
  simt::sync_cluster("written");
  out[32 * blockIdx.x + threadIdx.x] = static_cast<float*>(simt::of_peer(values, 1 - blockIdx.x))[threadIdx.x];
  if (healthy) simt::sync_cluster("read");
}

void divergent_cluster_barrier() {
  if (blockIdx.x == 0 || threadIdx.x < 8 || healthy) simt::sync_cluster("here");
  __syncwarp(~0u);
}

void cluster_barrier_after_return() {
  if (blockIdx.x == 1 && !healthy) return;
  simt::sync_cluster("here");
}

struct Program {
  unsigned threads;
  void (*kernel)();
  unsigned count;
  float (*expected)(unsigned);
  unsigned blocks = 1;  // one cluster of them
};

const std::map<std::string, Program> PROGRAMS = {
    {"divergent-barrier", {64, divergent_barrier, 0, nullptr}},
    {"barrier-after-return", {64, barrier_after_return, 0, nullptr}},
    {"two-barriers", {64, two_barriers, 0, nullptr}},
    {"foreign-mask", {32, foreign_mask, 32, [](unsigned i) { return float(i ^ 1); }}},
    {"lane-outside-mask", {32, lane_outside_mask, 16, [](unsigned) { return 1.0f; }}},
    {"returned-lane", {32, returned_lane, 32, [](unsigned) { return 1.0f; }}},
    {"deadlock", {32, deadlock, 0, nullptr}},
    {"missing-barrier", {64, missing_barrier, 64, [](unsigned i) { return float(63 - i); }}},
    {"shuffle-is-no-barrier", {32, shuffle_is_no_barrier, 32, [](unsigned i) { return float(31 - i); }}},
    {"out-of-bounds", {64, out_of_bounds, 64, [](unsigned) { return 1.0f; }}},
    {"unwritten", {64, unwritten, 64, [](unsigned) { return 1.0f; }}},
    {"copy-read-early", {16, copy_read_early, 64, [](unsigned i) { return float(i); }}},
    {"copy-not-waited-for", {16, copy_not_waited_for, 0, nullptr}},
    {"stage-under-way", {16, stage_under_way, 0, nullptr}},
    {"stage-reused-early", {64, stage_reused_early, 64, [](unsigned i) { return float(64 + 2 * (63 - i)); }}},
    {"wrong-byte-count", {64, wrong_byte_count, 64, [](unsigned i) { return float(i); }}},
    {"bulk-read-early", {64, bulk_read_early, 64, [](unsigned i) { return float(i); }}},
    {"missing-cluster-barrier", {32, missing_cluster_barrier, 64, [](unsigned i) { return float(i % 32); }, 2}},
    {"cluster-before-begin", {32, cluster_before_begin, 64, [](unsigned i) { return float(i % 32); }, 2}},
    {"block-leaves-early", {32, block_leaves_early, 64, [](unsigned i) { return float(i % 32); }, 2}},
    {"divergent-cluster-barrier", {32, divergent_cluster_barrier, 0, nullptr, 2}},
    {"cluster-barrier-after-return", {32, cluster_barrier_after_return, 0, nullptr, 2}},
};

}  // namespace

int main(int count, char** arguments) {
  const std::string name = count > 1 ? arguments[1] : "";
  healthy = count > 2 && std::string(arguments[2]) == "healthy";
  seed = count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 0;
  for (unsigned i = 0; i < 256; ++i) in[i] = float(i);
  const auto found = PROGRAMS.find(name);
  if (found == PROGRAMS.end()) {
    for (const auto& [each, _] : PROGRAMS) std::printf("%s\n", each.c_str());
    return 2;
  }
  const Program& program = found->second;
  simt::launch(program.blocks, program.threads, 0, seed, program.kernel, program.blocks);
  return check(program.count, program.expected);
}
