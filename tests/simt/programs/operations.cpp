// Every operation of the harness on small values, in memory of exactly their size, in three orders of
// scheduling: the sanitizers look at it, and the bits have to be the same in each order.
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "train.cu"

namespace {

// A kernel, its sizes, and how many values each of its buffers has.
struct Case {
  const char* name;
  void (*kernel)(Operation);
  unsigned blocks, threads, rows, columns, inner;
  unsigned a, b, indices, out, state;
};

#define CASE(name) #name, train_##name
const Case CASES[] = {
    {CASE(vary), 1, 256, 5, 0, 0, 0, 0, 0, 5, 0},
    {CASE(multiply_plain), 4, 128, 33, 35, 70, 33 * 70, 70 * 35, 0, 33 * 35, 0},
    {CASE(multiply_left_transposed), 4, 128, 33, 35, 70, 33 * 70, 70 * 35, 0, 33 * 35, 0},
    {CASE(multiply_right_transposed), 4, 128, 33, 35, 70, 33 * 70, 70 * 35, 0, 33 * 35, 0},
    {CASE(bias_relu), 2, 64, 9, 31, 0, 31, 0, 0, 9 * 31, 0},
    {CASE(relu_backward), 2, 64, 201, 0, 0, 201, 0, 0, 201, 0},
    {CASE(column_sums), 2, 256, 19, 37, 0, 19 * 37, 0, 0, 37, 0},
    {CASE(sgd), 2, 64, 201, 0, 0, 201, 0, 0, 201, 201},
    {CASE(adamw), 2, 64, 201, 0, 0, 201, 0, 0, 201, 201},
    {CASE(absolute_error), 1, 256, 601, 0, 0, 601, 0, 0, 601, 1},
    {CASE(gather), 2, 64, 7, 13, 11, 11 * 13, 0, 7, 7 * 13, 0},
    {CASE(gather_columns), 2, 64, 7, 3, 11, 7 * 11, 0, 3, 7 * 3, 0},
    {CASE(add_columns), 2, 64, 7, 3, 11, 7 * 3, 0, 3, 7 * 11, 0},
    {CASE(hits), 1, 256, 19, 37, 0, 19 * 37, 0, 19, 1, 0},
    {CASE(influence), 2, 64, 19, 37, 0, 19 * 37, 19 * 37, 19, 19, 0},
};

struct Values {
  std::vector<float> a, b, out, state[2];
  std::vector<int> indices;
  float varying[3] = {0.0f, 0.5f, 0.25f};  // `first` is 0

  explicit Values(const Case& of) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& values, unsigned n) {
      for (unsigned i = 0; i < n; ++i) values.push_back(normal(random));
    };
    fill(a, of.a);
    fill(b, of.b);
    fill(out, of.out);
    for (auto& values : state) fill(values, of.state);
    for (float& v : state[1]) v *= v;
    // All different, one beyond what there is.
    for (unsigned i = 0; i < of.indices; ++i) indices.push_back(static_cast<int>(i == 2 ? 1000 : i));
  }

  std::vector<float> run(const Case& of, uint64_t seed) {
    Operation o{a.data(), b.data(), indices.data(), varying, out.data(), {state[0].data(), state[1].data()},
                of.rows, of.columns, of.inner, 0, {1.0f, 0.9f, 0.999f, 0.1f}};
    simt::launch(of.blocks, of.threads, 0, seed, [&] { of.kernel(o); });
    std::vector<float> all = out;
    for (const auto& values : state) all.insert(all.end(), values.begin(), values.end());
    return all;
  }
};

}  // namespace

// `operations once` runs each once and compares nothing, for ThreadSanitizer.
int main(int count, char** arguments) {
  const bool once = count > 1 && std::string(arguments[1]) == "once";
  int wrong = 0;
  for (const Case& of : CASES) {
    const std::vector<float> first = Values(of).run(of, 1);
    if (once) continue;
    for (const uint64_t seed : {0, 2}) {
      const std::vector<float> again = Values(of).run(of, seed);
      if (std::memcmp(first.data(), again.data(), 4 * first.size()) == 0) continue;
      std::fprintf(stderr, "%s: the bits depend on the order\n", of.name);
      wrong += 1;
    }
  }
  return wrong != 0;
}
