#include "ptutils/data/detail/numbers.h"

namespace ptutils::data::detail {
namespace {

bool has_modules(const Value& argument) {
  if (argument.is_dict()) return true;
  if (!argument.is_list()) return false;
  const auto& items = argument.as_list().items;
  return std::any_of(items.begin(), items.end(), has_modules);
}

}  // namespace

std::string arguments_text(Module& module) {
  std::string out;
  try {
    const Value config = module.to_config();
    for (const auto& [name, argument] : config.as_dict()) {
      if (to_string(name) == "func" || argument.is_null() ||
          has_modules(argument))
        continue;
      out +=
          str(out.empty() ? "" : ", ", to_string(name), "=", argument.repr(40));
    }
  } catch (const std::exception&) {  // one that has no configuration
    return {};
  }
  return out;
}

void check_numbers(const Tensor& given, DType dtype, std::string_view where,
                   std::string_view name) {
  if (given.dim() != 1 || given.dtype() != dtype || !given.contiguous())
    fail(Kind::kType, where, name, " is a ", given.shape_str(), " ",
         ptutils::name(given.dtype()), ", not a contiguous 1-d ",
         ptutils::name(dtype), " tensor");
}

Value list_of(const Tensor& numbers) {
  List out;
  for (std::int64_t i = 0; i < numbers.numel(); ++i) {
    if (numbers.dtype() == DType::kI64)
      out.items.emplace_back(numbers.data<std::int64_t>()[i]);
    else
      out.items.emplace_back(numbers.data<double>()[i]);
  }
  return out;
}

Tensor numbers_in(const Arguments& args, const char* name, DType dtype) {
  const Value given = args.get(name);
  if (!given.is_list())
    fail(Kind::kType, args.where(), name, ": a list of numbers, not ",
         given.repr());
  const auto& items = given.as_list().items;
  Tensor out = Tensor::empty({static_cast<std::int64_t>(items.size())}, dtype);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string path = str(name, "[", i, "]");
    if (dtype == DType::kI64)
      ptutils::detail::load(out.data<std::int64_t>()[i], items[i], path);
    else
      ptutils::detail::load(out.data<double>()[i], items[i], path);
  }
  return out;
}

void check_count(const Tensor& numbers, std::int64_t n, std::string_view where,
                 std::string_view name) {
  if (numbers.numel() != n)
    fail(Kind::kValue, where, numbers.numel(), " ", name, " for a data set of ",
         n, " samples; give one for each");
}

}  // namespace ptutils::data::detail
