#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "ptutils/tensor/tensor.h"

/// NumPy's .npy format, versions 1 to 3; private to formats.
namespace ptutils::detail {

struct NpyHeader {
  DType dtype = DType::kF32;
  Dims shape;
  bool fortran = false;
  bool swapped = false;  ///< big-endian: its tensor is a copy
  /// A block of ours follows the data (npy_header with `marked`).
  bool marked = false;
  std::size_t data_offset = 0;  ///< where the elements begin
  std::size_t data_bytes = 0;
};

bool is_npy(std::string_view bytes);

/// Checked against the bytes that are there; Kind::kFormat, naming the dtype,
/// for what has no Tensor (objects, text, structures, dates).
NpyHeader parse_npy(std::string_view bytes, std::string_view prefix);

/// The same of the first bytes alone: whether the data is there is not looked
/// at.
NpyHeader parse_npy_header(std::string_view bytes, std::string_view prefix);

/// The array in `storage` whose header was parsed at `offset`; Origin::kNumpy.
Tensor npy_tensor(const std::shared_ptr<Storage>& storage, std::size_t offset,
                  const NpyHeader& header, std::string_view prefix);

/// Version 1.0, a multiple of 64 bytes long; bf16, which NumPy lacks, as u2.
/// `marked`: a tab closes its padding, to tell a reader that a block of ours
/// follows (without which a truncated one would go unnoticed).
std::string npy_header(DType dtype, const Dims& shape, bool marked = false);

}  // namespace ptutils::detail
