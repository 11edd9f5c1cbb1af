#include <algorithm>

#include "ptutils/common/names.h"
#include "ptutils/data/detail/loader_impl.h"
#include "ptutils/data/joined_loader.h"
#include "ptutils/data/loader.h"
#include "ptutils/module/configuration.h"

namespace ptutils::data {
namespace {

constexpr char kProvider[] = "DataProvider";
constexpr char kTrain[] = "train";

void check_phase(const std::string& phase) {
  if (phase.empty() || phase.find('.') != std::string::npos)
    fail(Kind::kValue, kProvider, "a phase cannot be named '", phase,
         "'; give a name without dots");
}

/// The phases that a request names.
std::vector<std::string> phases_in(const Value& request) {
  const Value* phase = &request;
  if (request.is_dict()) {
    phase = request.as_dict().find("phase");
    if (!phase)  // a misspelt one, most often
      check_keys(request.as_dict(), {"phase"}, kProvider);
  }
  if (phase && phase->is_string()) return {phase->as_string()};
  std::vector<std::string> out;
  if (phase && phase->is_list())
    for (const Value& item : phase->as_list().items)
      if (item.is_string()) out.push_back(item.as_string());
  if (!out.empty() && out.size() == phase->as_list().items.size()) return out;
  fail(Kind::kType, kProvider,
       "a request is a phase ('train'), a list of them, or a dict {'phase': "
       "'train', …}, not ",
       request.repr(80));
}

LoaderFactory& loader_factory() {
  static auto* factory = new LoaderFactory;  // set once, before any provider
  return *factory;
}

}  // namespace

struct DataProvider::Impl {
  struct Phase {
    std::string name;
    std::shared_ptr<Loader> loader;  // owns the data set
  };
  Phase* find(std::string_view name) {
    auto found = std::find_if(phases.begin(), phases.end(),
                              [&](const Phase& p) { return p.name == name; });
    return found == phases.end() ? nullptr : &*found;
  }
  std::vector<Phase> phases;
  std::vector<std::weak_ptr<JoinedLoader>> joined;  // that are in use
  DataLoader::Options options;                      // as given
};

void set_loader_factory(LoaderFactory factory) {
  loader_factory() = std::move(factory);
}

DataProvider::DataProvider() : impl_(std::make_unique<Impl>()) {}

DataProvider::DataProvider(Datasets datasets, DataLoader::Options options)
    : DataProvider() {
  assign(std::move(datasets), std::move(options));
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): each is handed on
void DataProvider::assign(Datasets datasets, DataLoader::Options options) {
  auto made = std::make_unique<Impl>();
  made->options = options;
  // Where nothing is called train, all of them may be trained on.
  const bool trains =
      std::any_of(datasets.begin(), datasets.end(),
                  [](const auto& each) { return each.first == kTrain; });
  if (!trains && datasets.size() > 1 &&
      (options.sampler || options.batch_sampler))
    fail(Kind::kValue, kProvider, options.sampler ? "sampler" : "batch_sampler",
         "= is the phase 'train''s, and there is none; give loaders: phase="
         "DataLoader(data, …)");
  for (auto& [phase, dataset] : datasets) {
    check_phase(phase);
    if (made->find(phase))
      fail(Kind::kValue, kProvider, "the phase '", phase, "' was given twice");
    if (!dataset)
      fail(Kind::kType, kProvider, "the phase '", phase, "' has no data set");
    DataLoader::Options mine = options;
    if (phase != kTrain && trains) {
      mine.shuffle = {};
      mine.sampler = nullptr;
      mine.batch_sampler = nullptr;
    } else if (mine.batch_sampler) {
      mine.batch_size = 1;  // the other phases'
      mine.drop_last = false;
    } else if (dataset->is_iterable()) {
      if (!trains) mine.shuffle = {};
    } else if (trains && !mine.sampler && !mine.shuffle) {
      mine.shuffle = true;
    }
    const LoaderFactory& make = loader_factory();
    made->phases.push_back(
        {phase, make ? make(std::move(dataset), std::move(mine))
                     : std::make_shared<DataLoader>(std::move(dataset),
                                                    std::move(mine))});
  }
  impl_ = std::move(made);
  for (Impl::Phase& phase : impl_->phases)
    if (auto loader = std::dynamic_pointer_cast<DataLoader>(phase.loader))
      loader->set_label("data set '" + phase.name + "'");
  set_seed(options.seed);
}

DataProvider::~DataProvider() = default;

void DataProvider::fields(Fields& f) {
  for (Impl::Phase& phase : impl_->phases) f(phase.name, phase.loader);
}

Value DataProvider::to_config() {
  Dict datasets;
  for (Impl::Phase& phase : impl_->phases) {
    auto loader = std::dynamic_pointer_cast<DataLoader>(phase.loader);
    if (!loader)
      fail(Kind::kState, kProvider, "the loader of '", phase.name, "' (",
           phase.loader->class_name(),
           ") was set by hand; a configuration names data sets");
    datasets.set(phase.name, loader->dataset()->to_config());
  }
  Dict config{{"func", class_name()}, {"datasets", std::move(datasets)}};
  detail::put_options(impl_->options, config);
  return config;
}

std::shared_ptr<Loader> DataProvider::provide(const Value& request) {
  JoinedLoader::Parts parts;
  for (const std::string& wanted : phases_in(request)) {
    Impl::Phase* phase = impl_->find(wanted);
    if (!phase)
      fail(Kind::kKey, kProvider, "no data for the phase '", wanted, "'",
           did_you_mean(wanted, phases()));
    parts.emplace_back(wanted, phase->loader);
  }
  std::shared_ptr<Loader> out =
      parts.size() == 1 ? parts[0].second : joined(std::move(parts));
  if (request.is_dict() && request.as_dict().size() > 1) {
    Dict rest = request.as_dict();
    rest.erase("phase");
    out->request(std::move(rest));
  }
  return out;
}

std::shared_ptr<Loader> DataProvider::joined(
    std::vector<std::pair<std::string, std::shared_ptr<Loader>>> parts) {
  std::erase_if(impl_->joined, [](const auto& each) { return each.expired(); });
  for (const auto& each : impl_->joined)
    if (auto known = each.lock(); known && known->parts() == parts)
      return known;
  auto made = std::make_shared<JoinedLoader>(std::move(parts));
  impl_->joined.push_back(made);
  return made;
}

Value DataProvider::request(Module&) { return kTrain; }

std::vector<std::string> DataProvider::phases() const {
  std::vector<std::string> out;
  for (const Impl::Phase& phase : impl_->phases) out.push_back(phase.name);
  return out;
}

void DataProvider::set_seed(std::uint64_t seed) {
  impl_->options.seed = seed;
  for (Impl::Phase& phase : impl_->phases)
    if (auto loader = std::dynamic_pointer_cast<DataLoader>(phase.loader)) {
      // 63 bits: an integer of every codec.
      std::uint64_t key =
          Random::named(seed, str("dataprovider.", phase.name)).key();
      loader->set_seed(key >> 1);
    }
}

void DataProvider::set_output(const std::string& output) {
  if (!impl_->options.output.empty()) return;
  for (Impl::Phase& phase : impl_->phases)
    if (auto loader = std::dynamic_pointer_cast<DataLoader>(phase.loader))
      loader->set_output(output);
}

void DataProvider::set_loader(const std::string& phase,
                              std::shared_ptr<Loader> loader) {
  check_phase(phase);
  if (!loader)
    fail(Kind::kType, kProvider, "no loader was given for '", phase, "'");
  impl_->joined.clear();
  if (Impl::Phase* known = impl_->find(phase)) {
    known->loader = std::move(loader);
  } else {
    impl_->phases.push_back({phase, std::move(loader)});
  }
}

}  // namespace ptutils::data
