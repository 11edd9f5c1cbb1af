#include "ptutils/formats/detail/record_index.h"

#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "ptutils/common/error.h"
#include "ptutils/common/file.h"
#include "ptutils/common/hash.h"
#include "ptutils/common/log.h"

namespace ptutils::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexMagic = "PTINDEX1";

struct Head {
  std::array<char, 8> magic{};
  std::uint64_t bytes = 0;
  std::int64_t changed = 0;
  std::uint64_t count = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(Head) == 40);

/// Of the file as it is, for no records yet; nothing for what is no file.
std::optional<Head> head_of(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  Head out;
  std::memcpy(out.magic.data(), kIndexMagic.data(), kIndexMagic.size());
  out.bytes = static_cast<std::uint64_t>(info.st_size);
  out.changed = static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 +
                info.st_mtim.tv_nsec;
  return out;
}

std::uint64_t checksum_of(Head head, const Positions& positions) {
  head.checksum = 0;
  return hash64(std::as_bytes(std::span(positions)),
                hash64(std::as_bytes(std::span(&head, 1))));
}

enum class Found { kNone, kStale, kFits, kOthers };

Found load(const fs::path& index, const Head& file, Positions& positions) {
  std::error_code error;
  if (!fs::is_regular_file(index, error)) return Found::kNone;
  std::string text;
  try {
    text = read_file(index);
  } catch (const Error&) {
    return Found::kOthers;
  }
  if (!text.empty() && !text.starts_with(kIndexMagic)) return Found::kOthers;
  if (text.size() < sizeof(Head)) return Found::kStale;
  Head head;
  std::memcpy(&head, text.data(), sizeof head);
  const std::size_t count = (text.size() - sizeof head) / sizeof(std::uint64_t);
  if (head.bytes != file.bytes || head.changed != file.changed ||
      head.count != count || text.size() % sizeof(std::uint64_t) != 0)
    return Found::kStale;
  positions.resize(count);
  if (count > 0)  // else there is no place to copy to
    std::memcpy(positions.data(), text.data() + sizeof head,
                count * sizeof(std::uint64_t));
  if (checksum_of(head, positions) == head.checksum) return Found::kFits;
  positions.clear();
  return Found::kStale;
}

/// Not durable: what a crash leaves of it is seen by its checksum.
bool store(const fs::path& index, Head head, const Positions& positions) {
  try {
    head.count = positions.size();
    head.checksum = checksum_of(head, positions);
    AtomicFile file(index, false);
    file.write(std::as_bytes(std::span(&head, 1)));
    file.write(std::as_bytes(std::span(positions)));
    file.commit();
    return true;
  } catch (const Error& error) {
    log::debug("no index: ", error.what());
    return false;
  }
}

/// By the file's whole path, since names repeat; empty where there is no home.
fs::path in_cache(const fs::path& file) {
  fs::path folder;
  if (const char* given = std::getenv("PTUTILS_CACHE"); given && *given)
    folder = given;
  else if (const char* home = std::getenv("HOME"); home && *home)
    folder = fs::path(home) / ".cache" / "ptutils";
  else
    return {};
  std::error_code error;
  const std::string whole = fs::weakly_canonical(file, error).string();
  return folder / (hash_hex(std::as_bytes(std::span(whole))) + ".index");
}

}  // namespace

Positions indexed(const fs::path& file, const std::function<Positions()>& scan,
                  const std::function<bool(const Positions&)>& fit) {
  const std::optional<Head> head = head_of(file);
  if (!head) return scan();
  const fs::path beside = file.native() + ".index";
  const fs::path cached = in_cache(file);
  Positions positions;
  const Found found = load(beside, *head, positions);
  if (found == Found::kFits && fit(positions)) return positions;
  if (!cached.empty() && load(cached, *head, positions) == Found::kFits &&
      fit(positions))
    return positions;
  positions = scan();
  if (found != Found::kOthers && store(beside, *head, positions))
    return positions;
  if (cached.empty()) return positions;
  std::error_code error;
  fs::create_directories(cached.parent_path(), error);
  if (!error) store(cached, *head, positions);
  return positions;
}

}  // namespace ptutils::detail
