#include "ptutils/data/detail/sample_error.h"

#include <exception>
#include <stdexcept>
#include <typeinfo>

#include "ptutils/common/error.h"

namespace ptutils::data::detail {
namespace {

/// The kind for an exact class of the standard library.
bool standard_kind(const std::exception& e, Kind& kind) {
  if (typeid(e) == typeid(std::runtime_error)) {
    kind = Kind::kState;
  } else if (typeid(e) == typeid(std::out_of_range)) {
    kind = Kind::kIndex;
  } else if (typeid(e) == typeid(std::invalid_argument)) {
    kind = Kind::kValue;
  } else {
    return false;
  }
  return true;
}

[[noreturn]] void throw_noted(const Error& e, const std::string& note) {
  Error noted(e.kind(), e.what() + note);
  if (auto* nested = dynamic_cast<const std::nested_exception*>(&e)) {
    try {
      nested->rethrow_nested();
    } catch (...) {
      std::throw_with_nested(noted);
    }
  }
  throw noted;
}

}  // namespace

void rethrow_noted(const std::string& note) {
  try {
    throw;
  } catch (const Error& e) {
    if (e.kind() == Kind::kInterrupted || e.kind() == Kind::kMemory) throw;
    throw_noted(e, note);
  }
}

void rethrow_in_sample(std::int64_t index) {
  try {
    throw;
  } catch (const Error& e) {
    throw_noted(e, str(" (in sample ", index, ")"));
  } catch (const std::exception& e) {
    Kind kind{};
    if (!standard_kind(e, kind)) throw;
    throw Error(kind, str("[Dataset] ", e.what(), " (in sample ", index, ")"));
  }
}

}  // namespace ptutils::data::detail
