#include "ptutils/formats/detail/hdf5/texts.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>

#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail::hdf5 {

Value text_of(std::string_view content) {
  if (valid_utf8(content)) return content;
  return Bytes{std::string(content)};
}

namespace {

Value nested(const std::vector<Value>& flat, const Dims& shape, std::size_t d,
             std::size_t& at) {
  if (d == shape.size()) return flat[at++];
  List out;
  for (std::int64_t i = 0; i < shape[d]; ++i)
    out.items.push_back(nested(flat, shape, d + 1, at));
  return out;
}

/// How many there are; their Values are claimed. An empty shape makes a list of
/// lists all the same.
std::size_t claim_texts(OpenFile& file, const Dims& shape,
                        std::string_view where) {
  const std::size_t count = data_bytes(shape, DType::kU8, where);
  std::size_t lists = 1;
  for (std::int64_t size : shape) {
    if (size == 0) break;
    lists *= static_cast<std::size_t>(size);
  }
  constexpr std::size_t kMost = std::size_t{1} << 50;
  file.claim(std::min(kMost, std::max(lists, count)) * sizeof(Value), where);
  return count;
}

/// What the library allocates for texts, bounded: all of them may be one.
struct Allowance {
  OpenFile& file;
  std::string_view where;
  std::exception_ptr error;
  std::vector<std::unique_ptr<std::byte[]>> blocks;
};

void* allocate(std::size_t size, void* allowance) {
  auto& own = *static_cast<Allowance*>(allowance);
  try {
    own.file.claim(size, own.where);
    own.blocks.push_back(std::make_unique<std::byte[]>(size));
    return own.blocks.back().get();
  } catch (...) {
    own.error = std::current_exception();
    return nullptr;
  }
}

void release(void*, void*) {}  // with the Allowance

Value text_at(const char* pointer) {
  return text_of(pointer ? std::string_view(pointer) : "");
}

Tensor array_at(const hvl_t& found, DType dtype) {
  Tensor out = Tensor::empty({static_cast<std::int64_t>(found.len)}, dtype);
  if (found.len > 0) std::memcpy(out.bytes(), found.p, out.nbytes());
  out.origin = origin_of(dtype);
  return out;
}

/// Elements of any length, whose memory is bounded: `Item` is what the library
/// gives of each.
template <class Item, class Read, class Make>
std::vector<Value> varying(OpenFile& file, hid_t memory, std::size_t count,
                           std::string_view where, const Read& read,
                           const Make& make) {
  std::vector<Item> items(count);
  Allowance allowance{file, where, nullptr, {}};
  const Handle properties(H5Pcreate(H5P_DATASET_XFER));
  H5Pset_vlen_mem_manager(properties.get(), allocate, &allowance, release,
                          nullptr);
  const herr_t status = read(memory, properties.get(), items.data());
  if (allowance.error) std::rethrow_exception(allowance.error);
  check(status, where, "its elements of any length cannot be read");
  std::vector<Value> out;
  out.reserve(count);
  for (const Item& item : items) out.push_back(make(item));
  return out;
}

std::vector<Value> fixed(std::string_view bytes, std::size_t count,
                         hid_t type) {
  const std::size_t size = H5Tget_size(type);
  const H5T_str_t padding = H5Tget_strpad(type);
  std::vector<Value> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::string_view one = bytes.substr(i * size, size);
    if (padding == H5T_STR_NULLTERM) {
      one = one.substr(0, one.find('\0'));
    } else {
      const char pad = padding == H5T_STR_SPACEPAD ? ' ' : '\0';
      while (!one.empty() && one.back() == pad) one.remove_suffix(1);
    }
    out.push_back(text_of(one));
  }
  return out;
}

/// `read(type, properties, memory)` fills memory of the type's own layout.
template <class Read>
Value texts(OpenFile& file, const ElementType& type, const Dims& shape,
            std::string_view where, const Read& read) {
  const std::size_t count = claim_texts(file, shape, where);
  std::vector<Value> flat;
  const hid_t memory = type.memory.get();
  if (count > 0 && type.kind == ElementType::Kind::kArrays) {
    flat = varying<hvl_t>(file, memory, count, where, read,
                          [&](const hvl_t& found) -> Value {
                            return array_at(found, type.dtype);
                          });
  } else if (count > 0 && H5Tis_variable_str(memory) > 0) {
    flat = varying<const char*>(file, memory, count, where, read, text_at);
  } else if (count > 0) {
    const std::size_t size = H5Tget_size(memory);
    if (size > file.size())
      malformed(where, "damaged: texts of ", size, " bytes");
    file.claim(count * size, where);
    std::string bytes(count * size, '\0');
    check(read(memory, H5P_DEFAULT, bytes.data()), where,
          "its texts cannot be read");
    flat = fixed(bytes, count, memory);
  }
  std::size_t at = 0;
  return nested(flat, shape, 0, at);
}

}  // namespace

Value texts_of_rows(OpenFile& file, hid_t set, hid_t memory_space,
                    hid_t file_space, const ElementType& type,
                    const Dims& shape, std::string_view where) {
  const Locked locked;
  return texts(
      file, type, shape, where, [&](hid_t memory, hid_t properties, void* out) {
        return H5Dread(set, memory, memory_space, file_space, properties, out);
      });
}

Value texts_of_set(OpenFile& file, hid_t set, const ElementType& type,
                   const Dims& shape, std::string_view where) {
  return texts_of_rows(file, set, H5S_ALL, H5S_ALL, type, shape, where);
}

Value texts_of_attribute(OpenFile& file, hid_t attribute,
                         const ElementType& type, const Dims& shape,
                         std::string_view where) {
  const Locked locked;
  std::vector<char*> owned;  // no properties bound what an attribute takes
  Value out =
      texts(file, type, shape, where, [&](hid_t memory, hid_t, void* into) {
        const herr_t status = H5Aread(attribute, memory, into);
        if (status >= 0 && H5Tis_variable_str(memory) > 0) {
          const auto* first = static_cast<char**>(into);
          owned.assign(first, first + count_elements(shape));
        }
        return status;
      });
  for (char* one : owned) H5free_memory(one);
  return out;
}

}  // namespace ptutils::detail::hdf5
