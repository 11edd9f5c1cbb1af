#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/sampler.h"

namespace ptutils::data {

void register_samplers(Registry& registry);

namespace {

std::optional<std::int64_t> integer_or_none(const Arguments& args,
                                            const char* name) {
  if (args.get(name).is_null()) return {};
  return args.integer(name);
}

ModulePtr make_distributed(const Arguments& args) {
  DistributedSampler::Options o;
  o.num_replicas = integer_or_none(args, "num_replicas");
  o.rank = integer_or_none(args, "rank");
  o.shuffle = args.flag("shuffle", o.shuffle);
  o.drop_last = args.flag("drop_last", o.drop_last);
  if (!args.get("seed").is_null())
    o.seed = static_cast<std::uint64_t>(args.integer("seed"));
  return std::make_shared<DistributedSampler>(o);
}

ModulePtr make_buckets(const Arguments& args) {
  BucketBatchSampler::Options o;
  o.lengths = detail::numbers_in(args, "lengths", DType::kF64);
  o.batch_size = args.integer("batch_size");
  o.shuffle = args.flag("shuffle", o.shuffle);
  o.drop_last = args.flag("drop_last", o.drop_last);
  o.window = args.integer("window", o.window);
  return std::make_shared<BucketBatchSampler>(std::move(o));
}

}  // namespace

void register_samplers(Registry& registry) {
  registry.add(
      {"ptutils.data.SequentialSampler", {}, [](const Arguments&) -> ModulePtr {
         return std::make_shared<SequentialSampler>();
       }});
  registry.add({"ptutils.data.RandomSampler",
                {"replacement", "num_samples"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<RandomSampler>(
                      args.flag("replacement", false),
                      integer_or_none(args, "num_samples"));
                }});
  registry.add({"ptutils.data.SubsetRandomSampler",
                {"indices"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<SubsetRandomSampler>(
                      detail::numbers_in(args, "indices", DType::kI64));
                }});
  registry.add({"ptutils.data.WeightedRandomSampler",
                {"weights", "num_samples", "replacement"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<WeightedRandomSampler>(
                      detail::numbers_in(args, "weights", DType::kF64),
                      args.integer("num_samples"),
                      args.flag("replacement", true));
                }});
  registry.add({"ptutils.data.StratifiedSampler",
                {"labels", "batch_size"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<StratifiedSampler>(
                      detail::numbers_in(args, "labels", DType::kI64),
                      args.integer("batch_size"));
                }});
  registry.add({"ptutils.data.BlockShuffleSampler",
                {"window", "block"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<BlockShuffleSampler>(
                      args.integer("window", 8), args.integer("block", 0));
                }});
  registry.add({"ptutils.data.DistributedSampler",
                {"num_replicas", "rank", "shuffle", "drop_last", "seed"},
                make_distributed});
  registry.add({"ptutils.data.BucketBatchSampler",
                {"lengths", "batch_size", "shuffle", "drop_last", "window"},
                make_buckets});
}

}  // namespace ptutils::data
