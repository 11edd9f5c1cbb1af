#include "ptutils/module/configuration.h"
#include "support.h"

using namespace test;  // NOLINT(google-build-using-namespace)
using ptutils::Dict;

namespace {

std::unique_ptr<DataProvider> provider(DataLoader::Options o = {}) {
  o.batch_size = 4;
  std::vector<std::pair<std::string, std::shared_ptr<Dataset>>> datasets{
      {"train", std::make_shared<Numbers>(30)},
      {"val", std::make_shared<Numbers>(10)}};
  return std::make_unique<DataProvider>(std::move(datasets), o);
}

bool sequential(Loader& loader) {
  std::int64_t next = 0;
  bool in_order = true;
  for (const Seen& batch : epoch_of(loader))
    for (std::int64_t index : batch.indices)
      in_order = in_order && index == next++;
  return in_order;
}

}  // namespace

TEST_CASE("a phase gives its loader, the same each time") {
  auto data = provider();
  auto train = data->provide("train");
  CHECK(data->provide(Dict{{"phase", "train"}}) == train);
  CHECK(data->get_dataloader("val") != train);
  CHECK(data->phases() == std::vector<std::string>{"train", "val"});
  CHECK_FAILS(data->provide("trian"), Kind::kKey, "train");
  CHECK_FAILS(data->provide(Dict{{"fase", "train"}}), Kind::kKey, "phase");
  CHECK_FAILS(data->provide(3), Kind::kType, "a request is a phase");
}

TEST_CASE("train is shuffled unless said otherwise, other phases are not") {
  auto data = provider();
  CHECK(!sequential(*data->provide("train")));
  CHECK(sequential(*data->provide("val")));
  DataLoader::Options o;
  o.shuffle = false;
  CHECK(sequential(*provider(o)->provide("train")));
  o.shuffle = true;
  CHECK(sequential(*provider(o)->provide("val")));
}

TEST_CASE("positions of all phases are the provider's state") {
  auto data = provider();
  data->set_seed(5);
  Value batch;
  for (int i = 0; i < 3; ++i) REQUIRE(data->provide("train")->next(batch));
  REQUIRE(data->provide("val")->next(batch));
  Value state = data->state_dict();
  auto other = provider();
  other->load_state_dict(state);
  CHECK(epoch_of(*other->provide("train")) ==
        epoch_of(*data->provide("train")));
  CHECK(epoch_of(*other->provide("val")) == epoch_of(*data->provide("val")));
}

TEST_CASE("one seed orders each phase by a stream of its own") {
  auto order = [](std::uint64_t seed) {
    auto data = provider();
    data->set_seed(seed);
    return epoch_of(*data->provide("train"));
  };
  CHECK(order(1) == order(1));
  CHECK(order(1) != order(2));
}

TEST_CASE("a loader set by hand is the phase's") {
  auto data = provider();
  DataLoader::Options o;
  auto mine = std::make_shared<DataLoader>(std::make_shared<Numbers>(3), o);
  data->set_loader("extra", mine);
  CHECK(data->provide("extra") == mine);
  CHECK_FAILS(data->set_loader("a.b", mine), Kind::kValue, "without dots");
  CHECK_FAILS(data->set_loader("x", nullptr), Kind::kType, "no loader");
}

TEST_CASE("a configuration builds a provider, and the provider gives it") {
  static ptutils::Registry registry;
  register_data(registry);
  for (const char* name : {"FashionMNIST", "MNIST", "SequentialSampler",
                           "RandomSampler", "DataLoader", "DataProvider"})
    CHECK(registry.find(std::string("ptutils.data.") + name) != nullptr);
  const auto* info = registry.find("ptutils.data.DataProvider");
  class Configured : public Numbers {
   public:
    Configured() : Numbers(12) {}
    Value to_config() override { return Dict{{"func", "Configured"}}; }
  };
  Dict datasets;
  datasets.set(std::string("train"),
               ptutils::handle(std::make_shared<Configured>()));
  Dict arguments{{"datasets", Value(datasets)},
                 {"batch_size", 5},
                 {"num_workers", 2},
                 {"drop_last", true}};
  auto made = std::dynamic_pointer_cast<DataProvider>(
      info->make(ptutils::Arguments(arguments, "dataprovider")));
  REQUIRE(made);
  CHECK(made->provide("train")->length() == 2);
  Value config = made->to_config();
  CHECK(config.find_path("datasets.train.func")->as_string() == "Configured");
  CHECK(config.as_dict().keys() ==
        std::vector<std::string>{"func", "datasets", "batch_size",
                                 "num_workers", "drop_last"});
  CHECK_FAILS(info->make(ptutils::Arguments(
                  Dict{{"datasets", Value(Dict{{"train", 3}})}}, "dp")),
              Kind::kType, "datasets.train");
  CHECK_FAILS(info->make(ptutils::Arguments(Dict{}, "dp")), Kind::kType,
              "datasets");
}
