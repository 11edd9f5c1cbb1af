#include <unistd.h>

#include <algorithm>
#include <span>

#include "ptutils/data/dataset.h"
#include "ptutils/data/detail/shuffle.h"
#include "ptutils/data/sampler.h"
#include "ptutils/data/wrappers.h"

namespace ptutils::data {
namespace {

constexpr char kBlocks[] = "BlockShuffleSampler";

/// The order is written down: 8 bytes a sample, and as many a block.
void check_memory(std::int64_t n) {
  const std::int64_t bytes =
      ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE);
  if (n > bytes / static_cast<std::int64_t>(sizeof(std::int64_t)))
    fail(Kind::kMemory, kBlocks, "no memory for the order of ", n,
         " samples, 8 bytes each; RandomSampler computes its own");
}

Tensor shuffled_blocks(const std::vector<std::int64_t>& begins, std::int64_t n,
                       std::int64_t window, Random stream) {
  std::vector<std::size_t> blocks(begins.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = i;
  detail::shuffle(blocks, stream);
  Tensor out = Tensor::empty({n}, DType::kI64);
  std::int64_t* place = out.data<std::int64_t>();
  std::int64_t* begin = place;  // of the window
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::size_t b = blocks[i];
    const std::int64_t end = b + 1 < begins.size() ? begins[b + 1] : n;
    for (std::int64_t sample = begins[b]; sample < end; ++sample)
      *place++ = sample;
    const bool full = static_cast<std::int64_t>(i + 1) % window == 0;
    if (!full && i + 1 < blocks.size()) continue;
    detail::shuffle(std::span(begin, place), stream);
    begin = place;
  }
  return out;
}

}  // namespace

BlockShuffleSampler::BlockShuffleSampler(std::int64_t window,
                                         std::int64_t block)
    : window_(window), block_(block) {
  if (window < 1)
    fail(Kind::kValue, kBlocks, "window=", window, "; give 1 or more blocks");
  if (block < 0)
    fail(Kind::kValue, kBlocks, "block=", block,
         "; give the samples of a block, or None for the data set's own");
}

Order BlockShuffleSampler::order(std::int64_t n, std::uint64_t seed,
                                 std::int64_t epoch) {
  if (block_ == 0)
    fail(Kind::kValue, kBlocks,
         "the data set says its blocks, and there is none here; give block=, "
         "or use it in a DataLoader");
  check_memory(n);
  std::vector<std::int64_t> begins;
  for (std::int64_t i = 0; i < n; i += block_) begins.push_back(i);
  return shuffled_blocks(
      begins, n, window_,
      Random::named(seed, "sampler").at(static_cast<std::uint64_t>(epoch)));
}

Order BlockShuffleSampler::order_of(const Dataset& dataset, std::uint64_t seed,
                                    std::int64_t epoch) {
  const std::int64_t n = dataset.size();
  if (block_ > 0) return order(n, seed, epoch);
  check_memory(n);
  const std::vector<std::int64_t> begins = dataset.blocks();
  if (begins.empty() && n > 0)
    fail(Kind::kValue, kBlocks, "the samples of ", dataset.class_name(),
         " are read one by one, not in blocks; give shuffle=True in its place, "
         "or block=",
         dynamic_cast<const Subset*>(&dataset)
             ? " (a Subset's in ascending order are in blocks: Subset(data, "
               "sorted(part.indices)))"
             : "");
  return shuffled_blocks(
      begins, n, window_,
      Random::named(seed, "sampler").at(static_cast<std::uint64_t>(epoch)));
}

Value BlockShuffleSampler::to_config() {
  Dict out{{"func", class_name()}, {"window", window_}};
  if (block_ > 0) out.set("block", block_);
  return out;
}

}  // namespace ptutils::data
