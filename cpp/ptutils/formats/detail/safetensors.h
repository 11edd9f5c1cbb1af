#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/tensor_set.h"
#include "ptutils/module/codec.h"

/// What single and sharded safetensors files have in common; private to
/// formats.
namespace ptutils::detail {

using NamedTensors = std::span<const std::pair<std::string, Tensor>>;

/// Of one file, mapped. With `lazy` a tensor of a dtype that there is none of
/// here is an error once it is asked for.
TensorSet read_safetensors(const std::filesystem::path& path,
                           const std::string& prefix, bool lazy = false);
/// Its text, without ours (names that begin with "__ptutils_").
Dict safetensors_metadata(const std::filesystem::path& path,
                          const std::string& prefix, bool ours = false);

/// The option "metadata": texts by name; Kind::kType else.
Dict metadata_option(const WriteOptions& options, const std::string& prefix);

/// The bytes of a file after its 8 of length. As long for any text as long.
std::string safetensors_header(NamedTensors tensors, const Dict& metadata);
void write_safetensors(FileWriter& file, NamedTensors tensors,
                       const Dict& metadata, const std::string& prefix);

}  // namespace ptutils::detail
