#include "ptutils/formats/formats.h"

#include <mutex>

#include "ptutils/formats/detail/codecs.h"

namespace ptutils {

void register_formats() {
  static std::once_flag once;
  std::call_once(once, [] {
    add_codec(detail::json_codec());
    add_codec(detail::yaml_codec());
    add_codec(detail::npy_codec());
    add_codec(detail::npz_codec());
    add_codec(detail::safetensors_codec());
    add_codec(detail::safetensors_index_codec());
    add_codec(detail::lmdb_codec());
    add_codec(detail::tfrecord_codec());
    add_codec(detail::csv_codec());
    add_codec(detail::hdf5_codec());
  });
}

}  // namespace ptutils
