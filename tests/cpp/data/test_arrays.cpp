#include <unistd.h>

#include "ptutils/data/wrappers.h"
#include "ptutils/formats/formats.h"
#include "ptutils/module/codec.h"
#include "ptutils/module/configuration.h"
#include "ptutils/tensor/ops.h"
#include "support.h"

using namespace test;  // NOLINT(google-build-using-namespace)

namespace {

Tensor counting(Dims shape, DType dtype = DType::kF32) {
  std::int64_t n = ptutils::count_elements(shape);
  return cast(ptutils::arange(n), dtype).reshape(std::move(shape));
}

Value two(Tensor a, Tensor b) { return Value::list({a, b}); }

Tensor batch_of(ArrayDataset& data, std::vector<std::int64_t> indices) {
  Value batch = data.get_batch(indices, {}, {});
  return batch.is_tensor() ? batch.as_tensor()
                           : batch.as_list().items[0].as_tensor();
}

}  // namespace

TEST_CASE("a batch is the rows of every array, of every dtype") {
  for (int d = 0; d < ptutils::kDTypeCount; ++d)
    for (std::int64_t width : {1, 2, 3, 5, 784}) {
      Tensor source = counting({9, width}, static_cast<DType>(d));
      ArrayDataset data(source);
      for (std::vector<std::int64_t> indices :
           {std::vector<std::int64_t>{4, 0, 8, 8, 3}, {2, 3, 4}, {-1, 0}}) {
        Tensor batch = batch_of(data, indices);
        Tensor wanted = index_select(
            source, 0,
            Tensor::from<std::int64_t>(
                indices, {static_cast<std::int64_t>(indices.size())}));
        CHECK(batch.identical(wanted));
      }
    }
}

TEST_CASE("rows of strided arrays are gathered as they are") {
  Tensor source = counting({6, 8});
  for (const Tensor& view : {source.transpose(0, 1), source.slice(0, 0, 6, 2),
                             source.slice(1, 0, 8, 3), source.slice(1, 2, 5),
                             source.select(0, 1).broadcast_to({4, 8})}) {
    ArrayDataset data(view);
    std::int64_t last = view.size(0) - 1;
    Tensor batch = batch_of(data, {last, 0, 1});
    CHECK(batch.select(0, 0).to_contiguous().identical(
        view.select(0, last).clone()));
    CHECK(batch.select(0, 2).to_contiguous().identical(
        view.select(0, 1).clone()));
  }
}

TEST_CASE("samples are rows in a tuple or a dict, batches alike") {
  Tensor x = counting({5, 2}), y = counting({5}, DType::kI64);
  ArrayDataset pair(two(x, y));
  CHECK(pair.size() == 5);
  Value sample = pair.get(-1, Random());
  CHECK(sample.as_list().tuple);
  CHECK(sample.as_list().items[1].as_tensor().item_i64() == 4);
  CHECK(pair.get_batch(std::vector<std::int64_t>{1}, {}, {}).as_list().tuple);
  ArrayDataset named(ptutils::Dict{{"x", x}, {"y", y}});
  CHECK(named.get(2, Random()).as_dict().at("y").as_tensor().item_i64() == 2);
  Value batch = named.get_batch(std::vector<std::int64_t>{3, 1}, {}, {});
  CHECK(batch.as_dict().keys() == std::vector<std::string>{"x", "y"});
  CHECK(batch.as_dict().at("y").as_tensor().data<std::int64_t>()[0] == 3);
}

TEST_CASE("arrays that do not go together are refused") {
  CHECK_FAILS(ArrayDataset(two(counting({5}), counting({4}))), Kind::kValue,
              "array 1 has 4 samples");
  CHECK_FAILS(ArrayDataset(two(counting({5}), counting({}))), Kind::kValue,
              "array 1 has no dimensions");
  CHECK_FAILS(ArrayDataset(Value::list({1, 2})), Kind::kType, "array 0 is a");
  CHECK_FAILS(ArrayDataset(Value::list({})), Kind::kValue, "no arrays");
  CHECK_FAILS(ArrayDataset(Value(3)), Kind::kType, "not int");
  ArrayDataset data(counting({5}));
  CHECK_FAILS(data.get(5, Random()), Kind::kIndex, "no sample 5");
  CHECK_FAILS(batch_of(data, {0, -6}), Kind::kIndex, "no sample -6");
}

TEST_CASE("a batch that somebody holds never changes") {
  constexpr std::int64_t kRows = 400;
  for (std::optional<std::int64_t> workers :
       {std::optional<std::int64_t>(0), std::optional<std::int64_t>(3),
        std::optional<std::int64_t>()}) {
    auto data = std::make_shared<ArrayDataset>(
        two(counting({kRows, 3}), counting({kRows}, DType::kI64)));
    DataLoader loader(data, options(8, true, workers));
    std::vector<std::pair<Value, Value>> held;
    Value batch;
    for (int epoch = 0; epoch < 4; ++epoch)
      for (int i = 0; loader.next(batch); ++i) {
        const auto& items = batch.as_list().items;
        for (std::int64_t row = 0; row < items[1].as_tensor().numel(); ++row)
          CHECK(items[0].as_tensor().data<float>()[row * 3] ==
                static_cast<float>(
                    3 * items[1].as_tensor().data<std::int64_t>()[row]));
        if (i % 3 == 0) held.emplace_back(batch, batch.clone());
        if (i % 3 == 1)  // a view of one of its tensors holds that one
          held.emplace_back(items[0].as_tensor().select(1, 0),
                            items[0].as_tensor().select(1, 0).clone());
      }
    for (const auto& [mine, copy] : held) {
      if (mine.is_tensor()) {
        CHECK(mine.as_tensor().clone().identical(copy.as_tensor()));
      } else {
        CHECK(mine.identical(copy));
      }
    }
  }
}

TEST_CASE("buffers of dropped batches are used again") {
  auto data = std::make_shared<ArrayDataset>(counting({64, 1000}));
  for (std::int64_t workers : {0, 2}) {
    DataLoader loader(data, options(4, true, workers));
    std::map<const void*, int> buffers;
    Value batch;
    for (int epoch = 0; epoch < 5; ++epoch)
      while (loader.next(batch)) ++buffers[batch.as_tensor().bytes()];
    CHECK(buffers.size() <= static_cast<std::size_t>(2 + 4 * workers));
  }
}

TEST_CASE("memory that a data set lends is never written over") {
  class Lender : public Dataset {
   public:
    std::int64_t size() const override { return 40; }
    Value get(std::int64_t, Random) override { return {}; }
    Value get_batch(std::span<const std::int64_t> indices,
                    const std::vector<Random>&, const Value& reuse) override {
      CHECK(reuse.is_null());
      auto storage =
          ptutils::Storage::wrap(memory_ + indices[0], 4 * 4, nullptr);
      return Tensor::view_bytes(storage, DType::kF32, {4});
    }
    float memory_[44] = {};
  };
  for (std::int64_t workers : {0, 2}) {
    DataLoader loader(std::make_shared<Lender>(), options(4, false, workers));
    Value batch;
    for (int epoch = 0; epoch < 3; ++epoch)
      while (loader.next(batch)) {
      }
  }
}

TEST_CASE("collate stacks numbers and tensors, and lists the rest") {
  auto tuple = [](std::vector<Value> items) {
    return Value::list(std::move(items), true);
  };
  std::vector<Value> samples;
  for (std::int64_t i = 0; i < 3; ++i)
    samples.push_back(
        tuple({counting({2}), Value(i), Value(0.5 * static_cast<double>(i)),
               Value(i == 1), Value("name"),
               Value(ptutils::Dict{{"k", Value(i)}}), Value()}));
  Value batch = collate(std::move(samples));
  const auto& items = batch.as_list().items;
  CHECK(batch.as_list().tuple);
  CHECK(items[0].as_tensor().shape() == Dims{3, 2});
  CHECK(items[1].as_tensor().dtype() == DType::kI64);
  CHECK(items[2].as_tensor().dtype() == DType::kF64);
  CHECK(items[2].as_tensor().data<double>()[2] == 1.0);
  CHECK(items[3].as_tensor().dtype() == DType::kBool);
  CHECK(items[4].as_list().items[2].as_string() == "name");
  CHECK(items[5].as_dict().at("k").as_tensor().shape() == Dims{3});
  CHECK(items[6].as_list().items.size() == 3);
}

TEST_CASE("collate says which sample is unlike the first") {
  auto list = [](std::vector<Value> items) {
    return Value::list(std::move(items));
  };
  CHECK_FAILS(collate({counting({2}), counting({3})}), Kind::kValue,
              "sample 1 of the batch: shape (3,)");
  CHECK_FAILS(collate({counting({2}), Value(1)}), Kind::kValue, "batch: int");
  CHECK_FAILS(collate({Value(1), Value("a")}), Kind::kValue, "batch: string");
  CHECK_FAILS(collate({list({1}), list({1, 2})}), Kind::kValue, "has 2 items");
  CHECK_FAILS(collate({ptutils::Dict{{"a", 1}}, ptutils::Dict{{"b", 1}}}),
              Kind::kValue, "has no 'a'");
  Value mixed = collate({Value(1), Value(2.5), Value(true)});
  CHECK(mixed.as_tensor().data<double>()[2] == 1.0);
}

TEST_CASE("data sets made of others are built from their configurations") {
  register_data(ptutils::registry());
  ptutils::register_formats();
  const auto path = std::filesystem::temp_directory_path() /
                    ("ptutils-rows-" + std::to_string(::getpid()) + ".npy");
  ptutils::save(path, Value(counting({6, 2})));
  auto rows =
      std::make_shared<Dataset>(Dataset::Options{{path.string()}, {}, {}, {}});
  auto part =
      std::make_shared<Subset>(rows, Tensor::of<std::int64_t>({4, 1}, {2}));
  const std::vector<std::shared_ptr<Dataset>> both{rows, rows};
  for (const std::shared_ptr<Dataset>& made :
       std::vector<std::shared_ptr<Dataset>>{
           part, std::make_shared<CachedDataset>(part, 99),
           std::make_shared<ZipDataset>(both)}) {
    const Value config = made->to_config();
    auto again = ptutils::configure_module(config, {});
    CHECK(again->class_name() == made->class_name());
    CHECK(again->to_config().repr() == config.repr());
  }
  std::filesystem::remove(path);
}
