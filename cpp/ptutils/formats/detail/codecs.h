#pragma once

#include <memory>

#include "ptutils/module/codec.h"

/// One codec a file; formats.cpp registers them.
namespace ptutils::detail {

std::shared_ptr<Codec> json_codec();
std::shared_ptr<Codec> yaml_codec();
std::shared_ptr<Codec> npy_codec();
std::shared_ptr<Codec> npz_codec();
std::shared_ptr<Codec> safetensors_codec();
std::shared_ptr<Codec> safetensors_index_codec();
std::shared_ptr<Codec> lmdb_codec();
std::shared_ptr<Codec> tfrecord_codec();
std::shared_ptr<Codec> csv_codec();
std::shared_ptr<Codec> hdf5_codec();

}  // namespace ptutils::detail
