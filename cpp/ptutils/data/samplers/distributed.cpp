#include <charconv>
#include <cstdlib>
#include <cstring>

#include "ptutils/data/sampler.h"

namespace ptutils::data {
namespace {

constexpr char kDistributed[] = "DistributedSampler";

World& world_of() {
  static auto* world = new World;  // set once, at start
  return *world;
}

/// A number of the environment (torchrun and others set it), or nothing.
std::optional<std::int64_t> variable(const char* name) {
  const char* text = std::getenv(name);
  if (!text || !*text) return {};
  std::int64_t number = 0;
  const char* end = text + std::strlen(text);
  auto [stop, error] = std::from_chars(text, end, number);
  if (error != std::errc() || stop != end)
    fail(Kind::kValue, kDistributed, "the environment has ", name, "='", text,
         "', not a number");
  return number;
}

}  // namespace

void set_world(World world) { world_of() = std::move(world); }

DistributedSampler::DistributedSampler(Options options) : options_(options) {
  auto replicas = options.num_replicas, rank = options.rank;
  if (!replicas || !rank) {
    std::optional<std::pair<std::int64_t, std::int64_t>> world;
    if (world_of()) world = world_of()();
    if (!replicas) replicas = world ? world->first : variable("WORLD_SIZE");
    if (!rank) rank = world ? world->second : variable("RANK");
  }
  if (!replicas || !rank)
    fail(Kind::kValue, kDistributed,
         "torch.distributed is not initialised, and the environment has no "
         "WORLD_SIZE and RANK; give num_replicas and rank");
  if (*replicas < 1 || *rank < 0 || *rank >= *replicas)
    fail(Kind::kValue, kDistributed, "rank=", *rank,
         " of num_replicas=", *replicas, "; ranks are 0 to num_replicas - 1");
  num_replicas_ = *replicas;
  rank_ = *rank;
}

std::int64_t DistributedSampler::count(std::int64_t n) const {
  const bool more = n % num_replicas_ != 0 && !options_.drop_last;
  return n / num_replicas_ + (more ? 1 : 0);
}

Order DistributedSampler::order(std::int64_t n, std::uint64_t seed,
                                std::int64_t epoch) {
  const auto all =
      options_.shuffle
          ? shuffled(n, Random::named(options_.seed.value_or(seed), "sampler")
                            .at(static_cast<std::uint64_t>(epoch)))
          : SequentialSampler().order(n, seed, epoch);
  const std::int64_t step = num_replicas_, first = rank_;
  return {count(n), [=](std::int64_t begin, std::span<std::int64_t> out) {
            for (std::int64_t& index : out)
              all.fill((first + begin++ * step) % n, {&index, 1});
          }};
}

Value DistributedSampler::to_config() {
  const Options& o = options_;
  Dict out{{"func", class_name()},
           {"shuffle", o.shuffle},
           {"drop_last", o.drop_last}};
  if (o.num_replicas) out.set("num_replicas", *o.num_replicas);
  if (o.rank) out.set("rank", *o.rank);
  if (o.seed) out.set("seed", *o.seed);
  return out;
}

}  // namespace ptutils::data
