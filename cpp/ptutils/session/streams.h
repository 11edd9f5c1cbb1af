#pragma once

#include <functional>
#include <string>

#include "ptutils/module/value.h"

namespace ptutils {

/// A source of random numbers whose state a session saves: ours, Python's,
/// NumPy's, torch's. `get` gives null while its library is not loaded.
struct RandomStream {
  std::string name;
  std::function<void(std::uint64_t seed)> seed;
  std::function<Value()> get;
  std::function<void(const Value&)> set;
};

/// Adds, or replaces the one of that name. "ptutils" is there from the start.
PTUTILS_API void add_random_stream(RandomStream stream);
/// Seeds every stream (each with the same number).
PTUTILS_API void seed_streams(std::uint64_t seed);
/// {name: state} of every loaded stream, and back. A state whose library is not
/// loaded is left alone.
PTUTILS_API Value save_streams();
PTUTILS_API void load_streams(const Value& state);

}  // namespace ptutils
