// Rows of almost 2³¹ classes, chunk by chunk at both ends: places plus a vector leave the ints there. Only
// the pages at the ends have memory. The pages beside them are forbidden, so that a read or a write beyond
// a matrix ends the program.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "span/span.cuh"

namespace {

constexpr unsigned LIMIT = 1u << 31;

int wrong = 0;

void check(bool right, const char* what, const char* type, int offset, unsigned classes, int first,
           int i) {
  if (right) return;
  wrong += 1;
  if (wrong <= 20) {
    std::fprintf(stderr, "%s: %s, %u classes from %d within a vector on: class %d + %d\n", what, type, classes,
                 offset, first, i);
  }
}

float value(int c) { return static_cast<float>(c % 7 + 1); }

// One row, which begins `offset` elements behind a vector boundary; it ends where a page does if
// classes + offset is 2³¹.
template <class E>
struct Row {
  using Bits = typename E::Bits;
  // Elements at each end that have memory and a value.
  static constexpr unsigned FILLED = 4 * E::PER_VECTOR;
  const size_t page = sysconf(_SC_PAGESIZE), bytes;
  char* reserved;
  Bits* start;

  Row(int offset, unsigned classes) : bytes((size_t(LIMIT) + 2 * E::PER_VECTOR) * sizeof(Bits) + 3 * page) {
    void* at = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) std::abort();
    reserved = static_cast<char*>(at);
    start = reinterpret_cast<Bits*>(reserved + page) + offset;
    for (const unsigned first : {0u, classes - FILLED}) {
      permit(start + first);
      permit(start + first + FILLED - 1);
      for (unsigned c = first; c < first + FILLED; ++c) start[c] = E::narrow(value(static_cast<int>(c)));
    }
  }
  Row(const Row&) = delete;
  ~Row() { munmap(reserved, bytes); }

  // The page of an element.
  void permit(const Bits* at) {
    char* const from = reserved + (reinterpret_cast<const char*>(at) - reserved) / page * page;
    if (mprotect(from, page, PROT_READ | PROT_WRITE) != 0) std::abort();
  }
};

template <class E>
void rows_of(const char* type, int offset, int of_teacher, unsigned classes) {
  constexpr int N = E::PER_VECTOR;
  Row<E> student(offset, classes), teacher(of_teacher, classes), gradient(offset, classes);
  RowParams params{};
  params.rows = 1;
  params.classes = params.student_stride = params.teacher_stride = params.gradient_stride = classes;
  Buffers buffers{};
  buffers.student = student.start;
  buffers.teacher = teacher.start;
  buffers.gradient = gradient.start;
  const int last = static_cast<int>(classes) - 1;
  const auto of_last = static_cast<int>((long(last) + offset) / N * N - offset);
  for (const int y : {-1, 0, 1, last - 1, last}) {
    const Vectors<E> rows(params, buffers, 0, y);
    for (const int first : {-offset, N - offset, of_last - N, of_last}) {
      auto pair = rows.load(first);
      for (int i = 0; i < N; ++i) {
        const bool outside = first + long(i) < 0 || first + long(i) > last || first + long(i) == y;
        const float expected = outside ? masked() : value(first + i);
        check(pair.s[i] == expected, "student", type, offset, classes, first, i);
        check(pair.t[i] == expected, "teacher", type, of_teacher, classes, first, i);
      }
      Vectors<E>::exchange(first, pair, last, 99.0f);
      const bool has_last = first == of_last;
      check(!has_last || pair.t[last - first] == 99.0f, "exchange", type, of_teacher, classes, first, 0);
      float g[N];
      for (int i = 0; i < N; ++i) g[i] = static_cast<float>(i + 10);
      rows.store(first, g);
      for (int i = 0; i < N; ++i) {
        if (first + long(i) < 0 || first + long(i) > last) continue;
        const auto written = E::widen(gradient.start[first + i]);
        check(written == g[i], "gradient", type, offset, classes, first, i);
      }
    }
  }
}

template <class E>
void all(const char* type) {
  constexpr int N = E::PER_VECTOR;
  for (int offset = 0; offset < N; ++offset) {
    for (int of_teacher = 0; of_teacher < N; ++of_teacher) {
      rows_of<E>(type, offset, of_teacher, LIMIT - 1);
      rows_of<E>(type, offset, of_teacher, LIMIT - (offset > 1 ? offset : 1));
      rows_of<E>(type, offset, of_teacher, LIMIT - (of_teacher > 1 ? of_teacher : 1));
      rows_of<E>(type, offset, of_teacher, LIMIT - 2 * N);
    }
  }
}

}  // namespace

int main() {
  all<F32>("f32");
  all<F16>("f16");
  all<Bf16>("bf16");
  std::printf("%d wrong\n", wrong);
  return wrong != 0;
}
