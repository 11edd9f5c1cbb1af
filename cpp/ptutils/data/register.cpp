#include "ptutils/data/detail/register.h"

#include "ptutils/data/loader.h"

namespace ptutils::data {

void register_samplers(Registry& registry);  // samplers/register.cpp

namespace {

DataLoader::Options loader_options(const Arguments& args) {
  DataLoader::Options o;
  o.batched = !args.has("batch_size") || !args.get("batch_size").is_null();
  if (o.batched) o.batch_size = args.integer("batch_size", o.batch_size);
  if (!args.get("shuffle").is_null()) o.shuffle = args.flag("shuffle");
  o.sampler = args.module<Sampler>("sampler");
  o.batch_sampler = args.module<BatchSampler>("batch_sampler");
  if (!args.get("num_workers").is_null())
    o.num_workers = args.integer("num_workers");
  o.drop_last = args.flag("drop_last", o.drop_last);
  if (!args.get("prefetch_factor").is_null())
    o.prefetch_factor = args.integer("prefetch_factor");
  o.timeout = args.number("timeout", o.timeout);
  o.output = args.text("output", "");
  o.seed = static_cast<std::uint64_t>(args.integer("seed", 0));
  o.on_error = args.text("on_error", o.on_error);
  o.workers = args.text("workers", o.workers);
  if (!args.get("persistent_workers").is_null())
    o.persistent_workers = args.flag("persistent_workers");
  if (!args.get("lag").is_null()) o.lag = args.integer("lag");
  if (args.flag("pin_memory", false) || args.has("device"))
    fail(Kind::kValue, args.where(),
         "pin_memory and device are torch's, and only Python's DataLoader has "
         "them");
  return o;
}

std::vector<std::string> with_loader_options(std::vector<std::string> names) {
  for (const char* name :
       {"batch_size", "shuffle", "sampler", "num_workers", "drop_last",
        "prefetch_factor", "timeout", "output", "seed", "batch_sampler",
        "on_error", "persistent_workers", "pin_memory", "workers", "lag",
        "device"})
    names.emplace_back(name);
  return names;
}

template <class Images>
void add_images(Registry& registry, const char* name) {
  registry.add({name,
                {"root", "train", "download", "url", "preprocessor"},
                [](const Arguments& args) -> ModulePtr {
                  typename Images::Options o;
                  o.root = args.text("root", o.root);
                  o.train = args.flag("train", o.train);
                  o.download = args.flag("download", o.download);
                  o.url = args.text("url", "");
                  o.preprocessor = detail::preprocessor_of(
                      args.get("preprocessor"), args.where());
                  return std::make_shared<Images>(std::move(o));
                }});
}

ModulePtr make_loader(const Arguments& args) {
  auto dataset = args.module<Dataset>("dataset");
  if (!dataset)
    fail(Kind::kType, args.where(), "dataset: give the data set to load");
  return std::make_shared<DataLoader>(dataset, loader_options(args));
}

ModulePtr make_provider(const Arguments& args) {
  Value given = args.get("datasets");
  if (!given.is_dict() || given.as_dict().empty())
    fail(
        Kind::kType, args.where(),
        "datasets: give a dict of data sets by phase, {train: {func: …}}, not ",
        given.repr());
  std::vector<std::pair<std::string, std::shared_ptr<Dataset>>> datasets;
  for (const auto& [key, value] : given.as_dict()) {
    std::string phase = to_string(key);
    auto dataset = std::dynamic_pointer_cast<Dataset>(module_in(value));
    if (!dataset)
      fail(Kind::kType, args.where(), "datasets.", phase,
           ": a data set ({func: …}), not ", value.repr());
    datasets.emplace_back(phase, std::move(dataset));
  }
  return std::make_shared<DataProvider>(std::move(datasets),
                                        loader_options(args));
}

}  // namespace

void register_data(Registry& registry) {
  detail::register_files(registry);
  detail::register_transforms(registry);
  detail::register_wrappers(registry);
  add_images<FashionMNIST>(registry, "ptutils.data.FashionMNIST");
  add_images<MNIST>(registry, "ptutils.data.MNIST");
  register_samplers(registry);
  registry.add({"ptutils.data.DataLoader", with_loader_options({"dataset"}),
                make_loader});
  registry.add({"ptutils.data.DataProvider", with_loader_options({"datasets"}),
                make_provider});
}

}  // namespace ptutils::data
