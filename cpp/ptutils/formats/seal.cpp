#include "ptutils/formats/detail/seal.h"

#include <cstring>
#include <span>

#include "ptutils/common/hash.h"
#include "ptutils/common/thread_pool.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"

namespace ptutils {

namespace detail {

namespace {

constexpr std::string_view kOpen = R"({"version":3,"sum":")";
constexpr std::string_view kOpenBefore = R"({"version":2,"sum":")";
constexpr std::string_view kUnsealed = R"({"version":3,)";
constexpr std::size_t kSumDigits = 16;
constexpr std::size_t kOverlap = std::size_t{8} << 20;  // bytes worth a thread

thread_local std::uint64_t compared = 0;

std::size_t total_bytes(const Flat& flat) {
  std::size_t out = 0;
  for (const auto& [_, tensor] : flat.tensors) out += tensor.nbytes();
  return out;
}

}  // namespace

PendingSums::PendingSums(const Flat& flat) : sums_(flat.tensors.size()) {
  if (total_bytes(flat) < kOverlap || thread_budget() < 2)
    sums_ = checksums(flat);
  else
    made_ = std::async(std::launch::async,
                       [&flat] { return checksums(flat, Threads::kOne); });
}

const Checksums& PendingSums::get() {
  if (made_.valid()) sums_ = made_.get();
  return sums_;
}

std::uint64_t checksum(const Tensor& tensor) {
  const std::uint64_t seed =
      sum_of(str(name(tensor.dtype()), tensor.shape_str()));
  if (tensor.contiguous())
    return hash64({tensor.bytes(), tensor.nbytes()}, seed);
  Hash64 hash(seed);
  for_each_block(tensor, [&](auto block) { hash.update(block); });
  return hash.digest();
}

std::string sum_text(std::uint64_t sum) {
  std::string out(kSumDigits, '0');
  for (std::size_t i = kSumDigits; i-- > 0; sum >>= 4)
    out[i] = "0123456789abcdef"[sum & 15];
  return out;
}

std::uint64_t sum_of(std::string_view text) {
  return hash64(std::as_bytes(std::span(text)));
}

bool looks_sealed(std::string_view text) {
  return text.starts_with(kOpen) || text.starts_with(kOpenBefore);
}

std::optional<Checksums> read_seal(std::string_view skeleton,
                                   const Value& document,
                                   const std::string& prefix) {
  const Value* sums = document.as_dict().find("sums");
  if (!sums) return {};
  const std::size_t body = kOpen.size() + kSumDigits;
  if (!looks_sealed(skeleton) || skeleton.size() < body ||
      skeleton.substr(kOpen.size(), kSumDigits) !=
          sum_text(sum_of(skeleton.substr(body))))
    malformed(prefix, "damaged: the checksum of the skeleton differs");
  std::optional<std::string> bytes;
  if (sums->is_string()) bytes = base64_decode(sums->as_string());
  if (!bytes || bytes->size() % sizeof(std::uint64_t) != 0)
    malformed(prefix, "damaged: the checksums are no list of them");
  note_checksums_compared();
  Checksums out(bytes->size() / sizeof(std::uint64_t));
  if (!out.empty()) std::memcpy(out.data(), bytes->data(), bytes->size());
  return out;
}

}  // namespace detail

std::uint64_t checksums_compared() { return detail::compared; }
void note_checksums_compared() { ++detail::compared; }

std::vector<std::uint64_t> checksums(const Flat& flat, Threads threads) {
  constexpr std::int64_t kGrain = 64;  // tensors, unless they are large
  const auto count = static_cast<std::int64_t>(flat.tensors.size());
  const bool large = detail::total_bytes(flat) > flat.tensors.size() << 14;
  std::vector<std::uint64_t> out(flat.tensors.size());
  auto some = [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin);
         i < static_cast<std::size_t>(end); ++i)
      out[i] = detail::checksum(flat.tensors[i].second);
  };
  if (threads == Threads::kOne)
    some(0, count);
  else
    parallel_for(count, large ? 1 : kGrain, some);
  return out;
}

std::string sealed(const Flat& flat, const std::vector<std::uint64_t>& sums) {
  const std::string body = str(
      "\",\"sums\":\"", detail::base64_encode(std::as_bytes(std::span(sums))),
      "\",", std::string_view(flat.skeleton).substr(detail::kUnsealed.size()));
  return str(detail::kOpen, detail::sum_text(detail::sum_of(body)), body);
}

std::string sealed(const Flat& flat) { return sealed(flat, checksums(flat)); }

}  // namespace ptutils
