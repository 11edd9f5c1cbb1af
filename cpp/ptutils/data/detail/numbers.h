#pragma once

#include <string_view>

#include "ptutils/module/registry.h"

namespace ptutils::data::detail {

/// "size=3, padding=1": the arguments of a module's configuration that are no
/// modules; empty where it has none.
std::string arguments_text(Module& module);

/// A contiguous 1-d tensor of that dtype; Kind::kType for another.
void check_numbers(const Tensor& given, DType dtype, std::string_view where,
                   std::string_view name);
/// Its elements, as a configuration has them.
Value list_of(const Tensor& numbers);
/// The other way round.
Tensor numbers_in(const Arguments& args, const char* name, DType dtype);
/// Kind::kValue unless a data set of n is what they were given for.
void check_count(const Tensor& numbers, std::int64_t n, std::string_view where,
                 std::string_view name);

}  // namespace ptutils::data::detail
