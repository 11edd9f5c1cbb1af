#include <algorithm>

#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/detail/register.h"
#include "ptutils/data/wrappers.h"

namespace ptutils::data::detail {
namespace {

std::shared_ptr<Dataset> dataset_argument(const Arguments& args) {
  auto out = args.module<Dataset>("dataset");
  if (!out)
    fail(Kind::kType, args.where(),
         "dataset: give the data set ({func: …}) that it is made of");
  return out;
}

ModulePtr make_zip(const Arguments& args) {
  const Value given = args.get("datasets");
  std::vector<std::shared_ptr<Dataset>> datasets;
  if (given.is_list())
    for (const Value& item : given.as_list().items)
      datasets.push_back(std::dynamic_pointer_cast<Dataset>(module_in(item)));
  if (datasets.empty() ||
      std::find(datasets.begin(), datasets.end(), nullptr) != datasets.end())
    fail(Kind::kType, args.where(),
         "datasets: a list of data sets ([{func: …}, …]), not ", given.repr());
  return std::make_shared<ZipDataset>(std::move(datasets));
}

ModulePtr make_map(const Arguments& args) {
  return std::make_shared<MapDataset>(
      dataset_argument(args),
      transforms::composed(chain_of(args.get("function"), args.where())));
}

ModulePtr make_cached(const Arguments& args) {
  std::optional<std::size_t> limit;
  if (!args.get("max_bytes").is_null()) {
    const std::int64_t given = args.integer("max_bytes");
    if (given < 0)
      fail(Kind::kValue, args.where(), "max_bytes is 1 or more, not ", given);
    limit = static_cast<std::size_t>(given);
  }
  return std::make_shared<CachedDataset>(dataset_argument(args), limit);
}

}  // namespace

void register_wrappers(Registry& registry) {
  registry.add({"ptutils.data.Subset",
                {"dataset", "indices"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<Subset>(
                      dataset_argument(args),
                      numbers_in(args, "indices", DType::kI64));
                }});
  registry.add({"ptutils.data.ZipDataset", {"datasets"}, make_zip});
  registry.add({"ptutils.data.MapDataset", {"dataset", "function"}, make_map});
  registry.add(
      {"ptutils.data.CachedDataset", {"dataset", "max_bytes"}, make_cached});
}

}  // namespace ptutils::data::detail
