#include "ptutils/formats/detail/hdf5/attributes.h"

#include <algorithm>
#include <optional>

#include "ptutils/formats/detail/hdf5/texts.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail::hdf5 {

namespace {

constexpr std::size_t kLargestAttribute = std::size_t{32} << 10;

std::vector<std::string> attribute_names(hid_t object, std::string_view where) {
  Names found;
  const herr_t status = H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr,
                                    &Names::note<H5A_info_t>, &found);
  std::vector<std::string> out =
      found.take(status, where, "its attributes cannot be listed");
  for (const std::string& name : out)
    if (!valid_utf8(name))
      malformed(where, "the name of an attribute is not UTF-8");
  return out;
}

/// A number where Value has that very type, else a NumPy scalar.
Value scalar(Tensor tensor) {
  switch (tensor.dtype()) {
    case DType::kBool:
      return *tensor.data<bool>();
    case DType::kI64:
      return *tensor.data<std::int64_t>();
    case DType::kF64:
      return *tensor.data<double>();
    case DType::kC128:
      return *tensor.data<std::complex<double>>();
    default:
      tensor.numpy_scalar = tensor.origin == Origin::kNumpy;
      return tensor;
  }
}

/// Nothing for one that is left out.
std::optional<Value> read_attribute(OpenFile& file, hid_t attribute,
                                    std::string_view where) {
  const Handle type =
      open(H5Aget_type(attribute), where, "its type cannot be read");
  if (holds_references(type.get())) return {};
  const Handle space =
      open(H5Aget_space(attribute), where, "its shape cannot be read");
  const ElementType element = element_type(type.get(), where);
  const auto shape = shape_of(space.get(), where);
  if (!shape) return Value();
  if (element.kind == ElementType::Kind::kText)
    return texts_of_attribute(file, attribute, element, *shape, where);
  if (element.kind != ElementType::Kind::kTensor)
    malformed(where, "holds ", element.description,
              ", for which there is no tensor; delete it or make it numbers or "
              "text, with h5py");
  const std::size_t bytes = data_bytes(*shape, element.dtype, where);
  file.claim(bytes, where);
  Tensor out = Tensor::empty(*shape, element.dtype);
  if (bytes > 0)
    check(H5Aread(attribute, element.memory.get(), out.bytes()), where,
          "it cannot be read");
  out.origin = origin_of(element.dtype);
  for (std::size_t i = 0; element.dtype == DType::kBool && i < bytes; ++i)
    if (out.bytes()[i] > std::byte{1})
      malformed(where, "damaged: a bool is neither 0 nor 1");
  return shape->empty() ? scalar(std::move(out)) : Value(std::move(out));
}

// Writing.

bool is_text(const Value& value) {
  return value.is_string() && value.as_string().find('\0') == std::string::npos;
}

void write_one(hid_t object, const std::string& name, hid_t type,
               const Dims& shape, const void* content,
               std::string_view prefix) {
  const std::vector<hsize_t> sizes(shape.begin(), shape.end());
  const std::string what = str("the attribute '", name, "' cannot be written");
  const Handle space =
      shape.empty() ? Handle(H5Screate(H5S_SCALAR))
                    : Handle(H5Screate_simple(static_cast<int>(sizes.size()),
                                              sizes.data(), nullptr));
  const Handle properties(H5Pcreate(H5P_ATTRIBUTE_CREATE));
  H5Pset_char_encoding(properties.get(), H5T_CSET_UTF8);
  const Handle attribute =
      open(H5Acreate2(object, name.c_str(), type, space.get(), properties.get(),
                      H5P_DEFAULT),
           prefix, what);
  check(H5Awrite(attribute.get(), type, content), prefix, what);
}

template <class T>
void write_scalar(hid_t object, const std::string& name, DType dtype, T value,
                  std::string_view prefix) {
  write_one(object, name, type_of(dtype).get(), {}, &value, prefix);
}

void write_texts(hid_t object, const std::string& name, const List& texts,
                 std::string_view prefix) {
  std::vector<const char*> pointers;
  for (const Value& one : texts.items)
    pointers.push_back(one.as_string().c_str());
  if (pointers.empty() || pointers.size() * 16 > kLargestAttribute) return;
  write_one(object, name, text_type().get(),
            {static_cast<std::int64_t>(pointers.size())}, pointers.data(),
            prefix);
}

void write_tensor(hid_t object, const std::string& name, const Tensor& tensor,
                  std::string_view prefix) {
  if (tensor.nbytes() > kLargestAttribute || tensor.dim() > H5S_MAX_RANK)
    return;
  const Tensor whole = tensor.to_contiguous();
  write_one(object, name, type_of(tensor.dtype()).get(), tensor.shape(),
            whole.bytes(), prefix);
}

}  // namespace

Dict read_attributes(OpenFile& file, hid_t object, std::string_view path) {
  Dict out;
  const Locked locked;
  const std::string owner = file.where("object", path);
  for (const std::string& name : attribute_names(object, owner)) {
    const std::string where =
        file.where(str("attribute '", name, "' of"), path);
    const Handle attribute = open(H5Aopen(object, name.c_str(), H5P_DEFAULT),
                                  where, "it cannot be opened");
    if (auto value = read_attribute(file, attribute.get(), where))
      out.set(name, *std::move(value));
  }
  return out;
}

void write_attributes(hid_t object, const Dict& attributes,
                      std::string_view prefix) {
  for (const auto& [key, value] : attributes) {
    const auto* name = std::get_if<std::string>(&key);
    if (!name || name->empty() || name->find('\0') != std::string::npos)
      continue;
    if (value.is_bool())
      write_scalar(object, *name, DType::kBool, value.as_bool(), prefix);
    else if (value.is_int())
      write_scalar(object, *name, DType::kI64, value.as_int(), prefix);
    else if (value.is_double())
      write_scalar(object, *name, DType::kF64, value.as_double(), prefix);
    else if (value.is_complex())
      write_scalar(object, *name, DType::kC128, value.as_complex(), prefix);
    else if (value.is_tensor())
      write_tensor(object, *name, value.as_tensor(), prefix);
    else if (is_text(value)) {
      const char* text = value.as_string().c_str();
      write_one(object, *name, text_type().get(), {}, &text, prefix);
    } else if (value.is_list() &&
               std::all_of(value.as_list().items.begin(),
                           value.as_list().items.end(), is_text))
      write_texts(object, *name, value.as_list(), prefix);
  }
}

}  // namespace ptutils::detail::hdf5
