#pragma once

#include <cstdint>
#include <exception>
#include <string>

namespace ptutils::data::detail {

/// Thrown around the exception that says why there is no worker process: no
/// sample's fault.
class NoWorker : public std::exception {};

/// Rethrows the Error being handled with a note added, its kind and nested
/// cause kept; as it is where nobody is at fault (Kind::kInterrupted, kMemory).
[[noreturn]] void rethrow_noted(const std::string& note);

/// Rethrows the exception being handled with " (in sample N)" added, its kind
/// and nested cause kept. Exceptions of another language pass as they are:
/// their own layer adds the note, and asking them for text may need its lock.
[[noreturn]] void rethrow_in_sample(std::int64_t index);

}  // namespace ptutils::data::detail
