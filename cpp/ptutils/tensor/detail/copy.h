#pragma once

#include <string_view>

#include "ptutils/tensor/tensor.h"

/// Private to this folder.
namespace ptutils::detail {

/// 0 <= result < dims; Kind::kIndex names the caller and the bad dimension.
std::int64_t wrap_dim(std::int64_t dim, std::int64_t dims,
                      std::string_view where);

/// The storages overlap (the views need not).
bool share_memory(const Tensor& a, const Tensor& b);

/// Elements of `source` into `target`: same shape and dtype, any strides, any
/// alignment. Contiguous ones may overlap.
void copy_elements(const Tensor& source, const Tensor& target);

/// `n` elements that are `step` bytes apart into a contiguous block, and back.
void gather(const std::byte* from, std::int64_t step, std::int64_t n,
            std::size_t item, std::byte* block);
void scatter(const std::byte* block, std::byte* to, std::int64_t step,
             std::int64_t n, std::size_t item);

/// One element of `dtype`: `value` as static_cast has it (integers wrap).
struct Element {
  alignas(16) std::byte bytes[16];
};
Element element_of(double value, DType dtype);

/// The element everywhere; `target` has any strides and alignment.
void fill_elements(const Tensor& target, const Element& element);

void fill_zero(std::byte* data, std::size_t bytes);

}  // namespace ptutils::detail
