#pragma once

#include <string>
#include <string_view>

#include "ptutils/formats/detail/hdf5/open_file.h"
#include "ptutils/formats/detail/hdf5/types.h"
#include "ptutils/module/value.h"

namespace ptutils::detail::hdf5 {

/// Text, or lists of it in the shape's nesting; what is not UTF-8 is bytes.
/// Of Kind::kArrays: tensors of one dimension in its place.
Value texts_of_set(OpenFile& file, hid_t set, const ElementType& type,
                   const Dims& shape, std::string_view where);
/// Those of a selection, `shape` being its shape.
Value texts_of_rows(OpenFile& file, hid_t set, hid_t memory_space,
                    hid_t file_space, const ElementType& type,
                    const Dims& shape, std::string_view where);
/// Of bytes that the file has: text (bytes where it is not UTF-8).
Value text_of(std::string_view content);
Value texts_of_attribute(OpenFile& file, hid_t attribute,
                         const ElementType& type, const Dims& shape,
                         std::string_view where);

}  // namespace ptutils::detail::hdf5
