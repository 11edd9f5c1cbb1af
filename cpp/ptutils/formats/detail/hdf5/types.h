#pragma once

#include <optional>
#include <string>

#include "ptutils/formats/detail/hdf5/library.h"
#include "ptutils/tensor/tensor.h"

namespace ptutils::detail::hdf5 {

/// The type of elements in our files and in memory, as h5py has them: bool is
/// an enumeration, complex a compound {r, i}, bf16 (which has none) u16.
Handle type_of(DType dtype);
/// Text of any length, UTF-8.
Handle text_type();

/// What elements of a file become.
struct ElementType {
  /// kArrays: each a list of numbers of dtype, of any length.
  enum class Kind { kTensor, kText, kArrays, kOther };
  Kind kind = Kind::kOther;
  DType dtype = DType::kU8;
  /// In the file as in memory: no conversion.
  bool direct = false;
  Handle stored;            ///< in the file
  Handle memory;            ///< what it is read as, through the library
  std::string description;  ///< for messages: "a compound of 3 members"
};
ElementType element_type(hid_t type, std::string_view prefix);

/// Whose arrays those of a file are: NumPy's, but for bf16, which it has not.
inline Origin origin_of(DType dtype) {
  return dtype == DType::kBF16 ? Origin::kNative : Origin::kNumpy;
}

/// Whether it points into the file (a reference, or something made of them).
bool holds_references(hid_t type);

/// The shape of a data space; nothing for the empty one (h5py.Empty).
std::optional<Dims> shape_of(hid_t space, std::string_view prefix);

}  // namespace ptutils::detail::hdf5
