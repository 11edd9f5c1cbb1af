#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

/// Where the records of a file begin, kept in another file: "PTINDEX1", the
/// file's size and time of change (ns since 1970), the number of records, a
/// checksum (XXH3-64 of the rest), then a u64 a record; private to formats.
namespace ptutils::detail {

using Positions = std::vector<std::uint64_t>;

/// Those that were kept for the file as it is, if they pass `fit` (a file of
/// the same size and time may hold others); else what `scan` finds, which is
/// kept: in NAME.index beside it unless that is another program's, or in the
/// cache folder, or, where neither can be written, nowhere.
Positions indexed(const std::filesystem::path& file,
                  const std::function<Positions()>& scan,
                  const std::function<bool(const Positions&)>& fit);

}  // namespace ptutils::detail
