// A stand-in libcuda.so.1: the driver's functions that the crate calls, over the emulator. Host code
// runs on it unchanged: loading modules, launch geometry, the order of arguments, copies, graphs.
//
// It is strict where a real driver is kind or silent: device memory starts as NaN, writing beyond an
// allocation stops the program when it is freed, and during a capture allocation, synchronisation and
// copies to the host fail and spoil the capture. So does loading a module, unless the capture is a relaxed
// one, or a kernel, which cuFuncLoad does or else its first launch. There are two devices, which share their
// memory; what belongs to a context wants it to be current, and streams take the kernels of theirs.
//
// Environment: SIMT_LOG=FILE appends one line per call; SIMT_NO_DEVICE; SIMT_DRIVER_VERSION=11000;
// SIMT_CAPABILITY=75; SIMT_PROCESSORS=2; SIMT_CLUSTERS=1, how many run at the same time; SIMT_SHARED=101376,
// the shared memory that a block may have; SIMT_PTX_ISA=70, the newest PTX that is understood;
// SIMT_FAIL=alloc:3 or launch:1, the call that fails.
#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "machine/params.cuh"
#include "simt.h"
#include "train/operation.cuh"

namespace {

enum Result {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  UNSUPPORTED_PTX_VERSION = 222,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  LAUNCH_FAILED = 719,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
};

// Kernels of the row program and of features take two blocks of arguments, the harness's one.
using RowKernel = void (*)(RowParams, Buffers);
using OperationKernel = void (*)(Operation);

struct Function {
  std::string name;
  void* kernel;
  bool is_operation;
  unsigned max_threads;
  void* context;
  unsigned max_shared = 48 << 10;  // of the launch's choosing
  bool loaded = false;
};

struct Module {
  std::string ptx;
  void* context;
  std::map<std::string, Function> functions;
};

struct Launch {
  dim3 grid, block;
  unsigned cluster, shared;
  std::function<void()> kernel;  // with its arguments, as they were at the call
};

// CUlaunchConfig and CUlaunchAttribute.
struct Attribute {
  int id;
  alignas(8) unsigned value[16];
};
struct Config {
  unsigned grid[3], block[3], shared;
  void* stream;
  const Attribute* attributes;
  unsigned attribute_count;
};
static_assert(sizeof(Attribute) == 72 && sizeof(Config) == 56);
constexpr int CLUSTER_DIMENSION = 4;
constexpr int RELAXED = 2;  // of CUstreamCaptureMode
constexpr unsigned MOST_BLOCKS = 8;  // of a cluster, on every device that has them

struct Graph {
  std::vector<Launch> launches;
};

struct Stream {
  void* context = nullptr;  // of the default stream, the current one
  bool capturing = false, spoilt = false, relaxed = false;
  Graph* graph = nullptr;
};

constexpr size_t NAN_BYTES = size_t(1) << 30;
constexpr size_t FENCE = 256;  // bytes before and after each allocation, all 0xff as NaN is

std::mutex mutex;
std::map<uintptr_t, size_t> allocations;
std::atomic<int> allocated{0}, launched{0};
Stream default_stream;
using Clock = std::chrono::steady_clock;
using Moment = Clock::time_point;
constexpr int DEVICES = 2;
int contexts[DEVICES];  // their primary contexts
thread_local void* current_context = nullptr;
thread_local Stream* captured = nullptr;  // what this thread captures
thread_local uint64_t seed = 0;

int number(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

void log(const char* format, ...) {
  const char* path = std::getenv("SIMT_LOG");
  if (!path) return;
  const std::lock_guard lock(mutex);
  FILE* file = std::fopen(path, "a");
  if (!file) return;
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(file, format, arguments);
  std::fputc('\n', file);
  std::fclose(file);
}

// Bytes of shared memory that a block may have.
int most_shared() { return number("SIMT_SHARED", 227 << 10); }

int processors() { return number("SIMT_PROCESSORS", 2); }

// The compute capability, 10 times the major number and the minor one.
int capability() { return number("SIMT_CAPABILITY", 90); }

// Whether SIMT_FAIL names this call, the `count`-th of its kind.
bool shall_fail(const char* kind, int count) {
  const char* text = std::getenv("SIMT_FAIL");
  return text && text == std::string(kind) + ":" + std::to_string(count);
}

Stream& stream_of(void* handle) { return handle ? *static_cast<Stream*>(handle) : default_stream; }

// What must not happen while this thread captures a stream, be it on that stream or beside it.
Result outside_capture(const char* what) {
  if (!captured) return SUCCESS;
  log("%s during a capture", what);
  captured->spoilt = true;
  return CAPTURE_UNSUPPORTED;
}

// The same for what loads code, which a relaxed capture allows.
Result outside_strict_capture(const char* what) {
  return captured && captured->relaxed ? SUCCESS : outside_capture(what);
}

Result allocate(uintptr_t* out, size_t bytes) {
  if (!current_context) return INVALID_CONTEXT;
  if (bytes == 0) return INVALID_VALUE;
  if (shall_fail("alloc", ++allocated)) return OUT_OF_MEMORY;
  auto* memory = static_cast<char*>(::operator new(bytes + 2 * FENCE, std::align_val_t(256)));
  // Of what is very large only the pages that a test touches shall cost memory.
  std::memset(memory, 0xff, FENCE);
  if (bytes <= NAN_BYTES) std::memset(memory + FENCE, 0xff, bytes);
  std::memset(memory + FENCE + bytes, 0xff, FENCE);
  *out = reinterpret_cast<uintptr_t>(memory + FENCE);
  const std::lock_guard lock(mutex);
  allocations[*out] = bytes;
  return SUCCESS;
}

Result release(uintptr_t at) {
  const std::lock_guard lock(mutex);
  const auto found = allocations.find(at);
  if (found == allocations.end()) return INVALID_VALUE;
  const auto* memory = reinterpret_cast<unsigned char*>(at);
  for (size_t i = 0; i < FENCE; ++i) {
    if (memory[-1 - static_cast<long>(i)] == 0xff && memory[found->second + i] == 0xff) continue;
    std::fprintf(stderr, "simt: a kernel wrote beyond an allocation of %zu bytes\n", found->second);
    std::abort();
  }
  ::operator delete(reinterpret_cast<char*>(at) - FENCE, std::align_val_t(256));
  allocations.erase(found);
  return SUCCESS;
}

bool is_device(uintptr_t at, size_t bytes) {
  const std::lock_guard lock(mutex);
  auto found = allocations.upper_bound(at);
  if (found == allocations.begin()) return false;
  --found;
  return at + bytes <= found->first + found->second;
}

void run(const Launch& launch) {
  simt::launch(launch.grid, launch.block, launch.shared, seed, launch.kernel, launch.cluster);
}

// The kernel with copies of its arguments.
std::function<void()> bound(const Function& function, void** arguments) {
  if (function.is_operation) {
    const auto kernel = reinterpret_cast<OperationKernel>(function.kernel);
    return [kernel, o = *static_cast<Operation*>(arguments[0])] { kernel(o); };
  }
  const auto kernel = reinterpret_cast<RowKernel>(function.kernel);
  return [kernel, params = *static_cast<RowParams*>(arguments[0]), buffers = *static_cast<Buffers*>(arguments[1])] {
    kernel(params, buffers);
  };
}

// A function of this library by its name: the kernels are compiled into it.
void* kernel_named(const char* name) {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&kernel_named), &info)) return nullptr;
  void* self = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  return self ? dlsym(self, name) : nullptr;
}

// The number after `key` in the entry's text, or `otherwise`.
unsigned after(const std::string& text, const std::string& key, unsigned otherwise) {
  const size_t at = text.find(key);
  return at == std::string::npos ? otherwise : std::strtoul(text.c_str() + at + key.size(), nullptr, 10);
}

}  // namespace

#define DRIVER extern "C" __attribute__((visibility("default"))) Result

// Of the stand-in alone: the order in which this thread's launches schedule their threads.
extern "C" __attribute__((visibility("default"))) void simt_set_seed(uint64_t value) { seed = value; }

// Of the stand-in alone: bytes of logits read, and of gradients written, by this thread's launches since
// the last call.
extern "C" __attribute__((visibility("default"))) void simt_moved(uint64_t* read, uint64_t* written) {
  const simt::Moved moved = simt::moved();
  *read = moved.read;
  *written = moved.written;
}

DRIVER cuInit(unsigned) { return std::getenv("SIMT_NO_DEVICE") ? NO_DEVICE : SUCCESS; }
DRIVER cuDriverGetVersion(int* version) {
  *version = number("SIMT_DRIVER_VERSION", 13000);
  return SUCCESS;
}
DRIVER cuDeviceGetCount(int* count) {
  *count = DEVICES;
  return SUCCESS;
}
DRIVER cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return ordinal >= 0 && ordinal < DEVICES ? SUCCESS : INVALID_DEVICE;
}
DRIVER cuDeviceGetName(char* name, int length, int) {
  std::snprintf(name, static_cast<size_t>(length), "emulated device");
  return SUCCESS;
}
DRIVER cuDeviceGetAttribute(int* value, int attribute, int) {
  switch (attribute) {
    case 16: *value = processors(); break;
    case 75: *value = capability() / 10; break;
    case 76: *value = capability() % 10; break;
    case 97: *value = most_shared(); break;
    case 115: *value = 1; break;  // memory pools
    default: *value = 0;
  }
  return SUCCESS;
}
DRIVER cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = size_t(1) << 32;
  return SUCCESS;
}
DRIVER cuDevicePrimaryCtxRetain(void** context, int device) {
  *context = &contexts[device];
  return SUCCESS;
}
DRIVER cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
DRIVER cuCtxGetCurrent(void** context) {
  *context = current_context;
  return SUCCESS;
}
DRIVER cuCtxSetCurrent(void* context) {
  current_context = context;
  return SUCCESS;
}
DRIVER cuCtxSynchronize() { return outside_capture("cuCtxSynchronize"); }

DRIVER cuModuleLoadData(void** out, const void* image) {
  const std::string ptx = static_cast<const char*>(image);
  const size_t version = ptx.find(".version ");
  if (version == std::string::npos) return INVALID_IMAGE;
  int major = 0, minor = 0;
  std::sscanf(ptx.c_str() + version, ".version %d.%d", &major, &minor);
  if (10 * major + minor > number("SIMT_PTX_ISA", 90)) return UNSUPPORTED_PTX_VERSION;
  if (static_cast<int>(after(ptx, ".target sm_", 0)) > capability()) return NO_BINARY_FOR_GPU;
  log("cuModuleLoadData %zu", ptx.size());
  if (!current_context) return INVALID_CONTEXT;
  if (const Result refused = outside_strict_capture("cuModuleLoadData")) return refused;
  *out = new Module{ptx, current_context, {}};
  return SUCCESS;
}
DRIVER cuModuleUnload(Module* module) {
  delete module;
  return SUCCESS;
}
DRIVER cuModuleGetFunction(void** out, Module* module, const char* name) {
  const size_t at = module->ptx.find(std::string(".entry ") + name + "(");
  if (at == std::string::npos) return NOT_FOUND;
  const std::string entry = module->ptx.substr(at, module->ptx.find('{', at) - at);
  const std::string param = std::string(name) + "_param_";
  const unsigned first = after(entry, param + "0[", 0), second = after(entry, param + "1[", 0);
  const bool is_operation = first == sizeof(Operation) && second == 0;
  void* kernel = kernel_named(name);
  if (!kernel || !(is_operation || (first == sizeof(RowParams) && second == sizeof(Buffers)))) {
    std::fprintf(stderr, "simt: the PTX of %s and the emulated kernel differ\n", name);
    return NOT_FOUND;
  }
  // Threads share a module; who found the function first has filled it in.
  const std::lock_guard lock(mutex);
  const unsigned max_threads = after(entry, ".maxntid ", 1024);
  const auto found = module->functions.try_emplace(name, Function{name, kernel, is_operation, max_threads, module->context});
  *out = &found.first->second;
  return SUCCESS;
}
DRIVER cuFuncLoad(Function* function) {
  const std::lock_guard lock(mutex);
  if (function->loaded) return SUCCESS;
  if (captured && !captured->relaxed) return captured->spoilt = true, CAPTURE_UNSUPPORTED;
  function->loaded = true;
  return SUCCESS;
}
DRIVER cuLaunchKernelEx(const Config* config, Function* function, void** arguments, void** extra) {
  const auto [gx, gy, gz] = config->grid;
  const auto [bx, by, bz] = config->block;
  if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || gx > 0x7fffffffu) return INVALID_VALUE;
  const unsigned threads = bx * by * bz, shared = config->shared;
  if (threads == 0 || threads > function->max_threads || shared > function->max_shared || extra) return INVALID_VALUE;
  unsigned cluster = 1;
  for (unsigned i = 0; i < config->attribute_count; ++i) {
    const Attribute& attribute = config->attributes[i];
    if (attribute.id != CLUSTER_DIMENSION || capability() < 90) return INVALID_VALUE;
    cluster = attribute.value[0];
    if (cluster == 0 || cluster > MOST_BLOCKS || attribute.value[1] != 1 || attribute.value[2] != 1) return INVALID_VALUE;
  }
  if (gx % cluster != 0) return INVALID_VALUE;
  log("cuLaunchKernel %s %u x %u in clusters of %u", function->name.c_str(), gx, bx, cluster);
  if (shall_fail("launch", ++launched)) return LAUNCH_FAILED;
  if (current_context != function->context) return INVALID_CONTEXT;
  if (config->stream && stream_of(config->stream).context != current_context) return INVALID_HANDLE;
  if (stream_of(config->stream).spoilt) return CAPTURE_INVALIDATED;
  if (const Result refused = cuFuncLoad(function)) return refused;
  const Launch launch{{gx, gy, gz}, {bx, by, bz}, cluster, shared, bound(*function, arguments)};
  Stream& target = stream_of(config->stream);
  if (target.capturing) {
    target.graph->launches.push_back(launch);
  } else {
    run(launch);
  }
  return SUCCESS;
}
DRIVER cuLaunchKernel(Function* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                      unsigned bz, unsigned shared, void* stream, void** arguments, void** extra) {
  const Config config{{gx, gy, gz}, {bx, by, bz}, shared, stream, nullptr, 0};
  return cuLaunchKernelEx(&config, function, arguments, extra);
}
DRIVER cuOccupancyMaxActiveClusters(int* count, Function*, const Config* config) {
  if (config->attribute_count != 1) return INVALID_VALUE;
  const int together = processors() / static_cast<int>(config->attributes[0].value[0]);
  *count = number("SIMT_CLUSTERS", together > 0 ? together : 1);
  return SUCCESS;
}
DRIVER cuFuncSetAttribute(Function* function, int attribute, int value) {
  if (attribute != 8 || value < 0 || value > most_shared()) return INVALID_VALUE;
  function->max_shared = static_cast<unsigned>(value);
  return SUCCESS;
}
DRIVER cuFuncGetAttribute(int* value, int, Function*) {
  *value = 0;
  return SUCCESS;
}

DRIVER cuMemAlloc_v2(uintptr_t* out, size_t bytes) {
  log("cuMemAlloc %zu", bytes);
  const Result refused = outside_capture("cuMemAlloc");
  return refused ? refused : allocate(out, bytes);
}
DRIVER cuMemAllocAsync(uintptr_t* out, size_t bytes, void*) {
  log("cuMemAllocAsync %zu", bytes);
  const Result refused = outside_capture("cuMemAllocAsync");
  return refused ? refused : allocate(out, bytes);
}
DRIVER cuMemFree_v2(uintptr_t at) { return release(at); }
DRIVER cuMemFreeAsync(uintptr_t at, void*) { return release(at); }
DRIVER cuMemcpyHtoDAsync_v2(uintptr_t to, const void* from, size_t bytes, void*) {
  log("cuMemcpyHtoDAsync %zu", bytes);
  const Result refused = outside_capture("cuMemcpyHtoDAsync");
  if (refused) return refused;
  if (!is_device(to, bytes)) return INVALID_VALUE;
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return SUCCESS;
}
DRIVER cuMemcpyDtoHAsync_v2(void* to, uintptr_t from, size_t bytes, void*) {
  log("cuMemcpyDtoHAsync %zu", bytes);
  const Result refused = outside_capture("cuMemcpyDtoHAsync");
  if (refused) return refused;
  if (!is_device(from, bytes)) return INVALID_VALUE;
  std::memcpy(to, reinterpret_cast<void*>(from), bytes);
  return SUCCESS;
}
DRIVER cuMemcpyDtoDAsync_v2(uintptr_t to, uintptr_t from, size_t bytes, void*) {
  log("cuMemcpyDtoDAsync %zu", bytes);
  const Result refused = outside_capture("cuMemcpyDtoDAsync");  // not that it could not be captured
  if (refused) return refused;
  if (!is_device(from, bytes) || !is_device(to, bytes)) return INVALID_VALUE;
  std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes);
  return SUCCESS;
}
DRIVER cuMemsetD8Async(uintptr_t to, unsigned char value, size_t bytes, void*) {
  const Result refused = outside_capture("cuMemsetD8Async");  // not that it could not be captured
  if (refused) return refused;
  if (!is_device(to, bytes)) return INVALID_VALUE;
  std::memset(reinterpret_cast<void*>(to), value, bytes);
  return SUCCESS;
}

DRIVER cuStreamCreate(void** stream, unsigned) {
  if (!current_context) return INVALID_CONTEXT;
  *stream = new Stream{current_context};
  return SUCCESS;
}
DRIVER cuStreamDestroy_v2(Stream* stream) {
  delete stream;
  return SUCCESS;
}
DRIVER cuStreamSynchronize(void*) {
  log("cuStreamSynchronize");
  return outside_capture("cuStreamSynchronize");
}
DRIVER cuStreamWaitEvent(void*, void*, unsigned) { return SUCCESS; }
DRIVER cuStreamBeginCapture_v2(void* stream, int mode) {
  Stream& target = stream_of(stream);
  if (!stream || target.capturing) return CAPTURE_UNSUPPORTED;  // the default stream cannot
  target = {target.context, true, false, mode == RELAXED, new Graph};
  captured = &target;
  return SUCCESS;
}
DRIVER cuStreamEndCapture(void* stream, void** graph) {
  Stream& target = stream_of(stream);
  if (!target.capturing) return INVALID_VALUE;
  captured = nullptr;
  const bool spoilt = target.spoilt;
  target.capturing = target.spoilt = false;
  *graph = spoilt ? nullptr : target.graph;
  return spoilt ? CAPTURE_INVALIDATED : SUCCESS;
}
DRIVER cuStreamIsCapturing(void* stream, int* status) {
  *status = stream_of(stream).capturing;
  return SUCCESS;
}
DRIVER cuGraphInstantiateWithFlags(void** out, Graph* graph, unsigned long long) {
  log("cuGraphInstantiate of %zu", graph->launches.size());
  *out = new Graph(*graph);
  return SUCCESS;
}
DRIVER cuGraphLaunch(Graph* graph, void*) {
  log("cuGraphLaunch of %zu", graph->launches.size());
  for (const Launch& launch : graph->launches) run(launch);
  return SUCCESS;
}
DRIVER cuGraphDestroy(Graph* graph) {
  delete graph;
  return SUCCESS;
}
DRIVER cuGraphExecDestroy(Graph* graph) {
  delete graph;
  return SUCCESS;
}

// Calls end before they return, so that the time of a record is that of the work before it.
DRIVER cuEventCreate(void** event, unsigned) {
  *event = new Moment{};
  return SUCCESS;
}
DRIVER cuEventRecord(Moment* event, void*) {
  *event = Clock::now();
  return SUCCESS;
}
DRIVER cuEventDestroy_v2(Moment* event) {
  delete event;
  return SUCCESS;
}
DRIVER cuEventSynchronize(void*) { return outside_capture("cuEventSynchronize"); }
DRIVER cuEventQuery(void*) { return SUCCESS; }
DRIVER cuEventElapsedTime(float* milliseconds, Moment* start, Moment* end) {
  *milliseconds = std::chrono::duration<float, std::milli>(*end - *start).count();
  return SUCCESS;
}

DRIVER cuGetErrorName(Result result, const char** name) {
  static const std::map<Result, const char*> NAMES = {
      {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
      {NO_DEVICE, "CUDA_ERROR_NO_DEVICE"},
      {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
      {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"},
      {UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
      {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"},
      {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
      {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
  };
  const auto found = NAMES.find(result);
  *name = found == NAMES.end() ? "CUDA_ERROR_(emulated)" : found->second;
  return SUCCESS;
}
DRIVER cuGetErrorString(Result result, const char** text) { return cuGetErrorName(result, text); }
