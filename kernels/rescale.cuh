// Multiplies a gradient by a factor that is known only later, such as PyTorch's grad_output.
#pragma once
#include "machine/params.cuh"
#include "span/logits.cuh"

// Threads of a block that share a row: a power of two, at least as many as it has vectors if the block has
// so many.
DEVICE unsigned threads_of_row(unsigned vectors) {
  unsigned threads = 1;
  while (threads < vectors && threads < blockDim.x) threads *= 2;
  return threads;
}

// Goes over the vectors of each row, and one by one over the elements before the first and behind the last.
// Elements between rows are not touched.
template <class E>
DEVICE void rescale(const RowParams& params, const Buffers& buffers, float factor) {
  using Bits = typename E::Bits;
  constexpr unsigned N = E::PER_VECTOR;
  const unsigned threads = threads_of_row((params.classes + N - 1) / N), rows = blockDim.x / threads;
  const unsigned lane = blockIdx.y * threads + threadIdx.x % threads, lanes = gridDim.y * threads;
  for (unsigned b = blockIdx.x * rows + threadIdx.x / threads; b < params.rows; b += gridDim.x * rows) {
    Bits* row = static_cast<Bits*>(buffers.gradient) + static_cast<long>(b) * params.gradient_stride;
    const auto to_boundary = static_cast<unsigned>((-reinterpret_cast<unsigned long>(row) & 15) / sizeof(Bits));
    const unsigned head = to_boundary < params.classes ? to_boundary : params.classes;
    const unsigned vectors = (params.classes - head) / N, singles = params.classes - vectors * N;
    auto* vector = reinterpret_cast<uint4*>(row + head);
    for (unsigned i = lane; i < vectors; i += lanes) {
      const Packed<E, N> in = Logits<E>::packed(load_vector(vector + i));
      float g[N];
#pragma unroll
      for (unsigned k = 0; k < N; ++k) g[k] = product(in[k], factor);
      const auto out = Packed<E, N>::of(g);
      store_streaming(vector + i, {out.words[0], out.words[1], out.words[2], out.words[3]});
    }
    for (unsigned i = lane; i < singles; i += lanes) {
      Bits* at = row + (i < head ? i : i + vectors * N);
      store_element(at, E::narrow(product(E::widen(load_element(at)), factor)));
    }
  }
}

// Multiplies in f32 and rounds to nearest, ties to even; a factor of 1 changes no bit.
DEVICE void scale_unless_one(const RowParams& params, const Buffers& buffers) {
  const float factor = *buffers.upstream;
  if (factor == 1.0f) return;
  if (buffers.student_format == IS_F32) {
    rescale<F32>(params, buffers, factor);
  } else if (buffers.student_format == IS_F16) {
    rescale<F16>(params, buffers, factor);
  } else {
    rescale<Bf16>(params, buffers, factor);
  }
}
