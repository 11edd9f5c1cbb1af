#include "ptutils/data/detail/register.h"
#include "ptutils/data/detail/rows_dataset.h"
#include "ptutils/data/readers.h"

namespace ptutils::data::detail {
namespace {

std::shared_ptr<Transform> transform_of(const Value& given,
                                        const std::string& where) {
  auto out = std::dynamic_pointer_cast<Transform>(module_in(given));
  if (!out)
    fail(Kind::kType, where, "a transform ({func: Resize, …}), not ",
         given.repr());
  return out;
}

std::vector<std::string> paths_of(const Value& given,
                                  const std::string& where) {
  if (given.is_string()) return {given.as_string()};
  std::vector<std::string> out;
  if (given.is_list())
    for (const Value& item : given.as_list().items)
      if (item.is_string()) out.push_back(item.as_string());
  if (!given.is_list() || out.size() != given.as_list().items.size())
    fail(Kind::kType, where, "data_source: a path, or a list of paths, not ",
         given.repr());
  return out;
}

FieldChoice fields_argument(const Arguments& args) {
  return field_choice(args.get("fields"), args.where());
}

void add_record_readers(Registry& registry) {
  registry.add({"ptutils.data.TFRecordReader",
                {"features", "fields"},
                [](const Arguments& args) -> ModulePtr {
                  const Value features = args.get("features");
                  if (!features.is_null() && !features.is_dict())
                    fail(Kind::kType, args.where(),
                         "features: a dict of what each becomes, not ",
                         features.repr());
                  return std::make_shared<TFRecordReader>(
                      features.is_null() ? Dict() : features.as_dict(),
                      fields_argument(args));
                }});
  registry.add({"ptutils.data.LMDBReader",
                {"decode", "keys"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<LMDBReader>(args.get("decode"),
                                                      args.flag("keys", false));
                }});
  registry.add({"ptutils.data.JSONLinesReader",
                {"fields"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<JSONLinesReader>(
                      fields_argument(args));
                }});
}

template <class T>
ModulePtr make_dataset(const Arguments& args) {
  return std::make_shared<T>(Dataset::Options{
      paths_of(args.get("data_source"), args.where()),
      {},
      args.module<DataReader>("data_reader"),
      preprocessor_of(args.get("preprocessor"), args.where())});
}

ModulePtr make_folder(const Arguments& args) {
  return std::make_shared<ImageFolder>(
      args.text("root"),
      preprocessor_of(args.get("preprocessor"), args.where()),
      args.flag("dct_scaling", false));
}

}  // namespace

Chain chain_of(const Value& given, const std::string& where) {
  Chain out;
  if (given.is_null()) return out;
  if (!given.is_list()) {
    out.push_back(transform_of(given, where));
    return out;
  }
  for (const Value& item : given.as_list().items)
    out.push_back(transform_of(item, where));
  return out;
}

Preprocessor preprocessor_of(const Value& given, const std::string& where) {
  Preprocessor out;
  if (given.is_null()) return out;
  if (!given.is_dict()) {
    out.emplace_back("", chain_of(given, where));
    return out;
  }
  for (const auto& [field, chain] : given.as_dict())
    out.emplace_back(to_string(field), chain_of(chain, where));
  return out;
}

void register_files(Registry& registry) {
  add_record_readers(registry);
  registry.add({"ptutils.data.HDF5Reader",
                {"fields", "group", "cache_bytes"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<HDF5Reader>(
                      fields_argument(args), args.text("group", ""),
                      static_cast<std::size_t>(args.integer("cache_bytes", 0)));
                }});
  registry.add({"ptutils.data.ArrayReader",
                {"fields"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<ArrayReader>(fields_argument(args));
                }});
  registry.add({"ptutils.data.ImageFolderReader",
                {"dct_scaling"},
                [](const Arguments& args) -> ModulePtr {
                  return std::make_shared<ImageFolderReader>(
                      args.flag("dct_scaling", false));
                }});
  registry.add({"ptutils.data.Dataset",
                {"data_source", "data_reader", "preprocessor"},
                make_dataset<Dataset>});
  registry.add({"ptutils.data.IterableDataset",
                {"data_source", "data_reader", "preprocessor"},
                make_dataset<IterableDataset>});
  registry.add({"ptutils.data.ImageFolder",
                {"root", "preprocessor", "dct_scaling"},
                make_folder});
}

}  // namespace ptutils::data::detail
