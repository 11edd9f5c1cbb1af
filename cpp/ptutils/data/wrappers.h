#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ptutils/data/dataset.h"
#include "ptutils/data/transforms.h"

/// Data sets made of others, which keep their samples' structure and streams.
/// (One after another, and with transforms: Dataset itself.)
namespace ptutils::data {

/// Some samples of a data set, in this order. Those in ascending order are in
/// its blocks.
class PTUTILS_API Subset : public Dataset {
 public:
  /// i64 or convertible, (n); Kind::kIndex names one that is not there.
  Subset(std::shared_ptr<Dataset> dataset, const Tensor& indices);
  std::string class_name() const override { return "ptutils.data.Subset"; }
  void fields(Fields& f) override;
  Meta meta() const override;
  Value to_config() override;
  std::int64_t size() const override { return indices_.numel(); }
  Value get(std::int64_t index, Random random) override;
  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override;
  bool draws_random() const override { return dataset_->draws_random(); }
  bool is_python() const override { return dataset_->is_python(); }
  Origin origin() const override { return dataset_->origin(); }
  std::vector<std::string> field_names() const override {
    return dataset_->field_names();
  }
  std::vector<std::int64_t> blocks() const override;
  std::vector<std::string> class_names() const override {
    return dataset_->class_names();
  }
  const std::shared_ptr<Dataset>& dataset() const { return dataset_; }
  const Tensor& indices() const { return indices_; }

 private:
  std::shared_ptr<Dataset> dataset_;
  Tensor indices_;
};

/// Parts of a data set in a random order that depends on the seed alone.
/// `shares` sum to 1 (or less), or are numbers of samples.
PTUTILS_API std::vector<std::shared_ptr<Subset>> random_split(
    const std::shared_ptr<Dataset>& dataset, const std::vector<double>& shares,
    std::uint64_t seed);

/// Sample i of each, as a tuple. Kind::kValue where the sizes differ.
class PTUTILS_API ZipDataset : public Dataset {
 public:
  explicit ZipDataset(std::vector<std::shared_ptr<Dataset>> datasets);
  std::string class_name() const override { return "ptutils.data.ZipDataset"; }
  void fields(Fields& f) override;
  Meta meta() const override;
  Value to_config() override;
  std::int64_t size() const override;
  Value get(std::int64_t index, Random random) override;
  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override;
  bool draws_random() const override;
  bool is_python() const override;
  Origin origin() const override { return datasets_[0]->origin(); }
  const std::vector<std::shared_ptr<Dataset>>& datasets() const {
    return datasets_;
  }

 private:
  std::vector<std::shared_ptr<Dataset>> datasets_;
};

/// What a transform makes of each whole sample: a tuple, a dict, a tensor. (Of
/// single fields: Dataset's preprocessor.)
class PTUTILS_API MapDataset : public Dataset {
 public:
  MapDataset(std::shared_ptr<Dataset> dataset,
             std::shared_ptr<Transform> function);
  std::string class_name() const override { return "ptutils.data.MapDataset"; }
  void fields(Fields& f) override;
  Meta meta() const override;
  Value to_config() override;
  std::int64_t size() const override { return dataset_->size(); }
  Value get(std::int64_t index, Random random) override;
  bool draws_random() const override;
  bool is_python() const override;
  Origin origin() const override { return dataset_->origin(); }
  std::vector<std::int64_t> blocks() const override {
    return dataset_->blocks();
  }
  const std::shared_ptr<Dataset>& dataset() const { return dataset_; }
  const std::shared_ptr<Transform>& function() const { return function_; }

 private:
  std::shared_ptr<Dataset> dataset_;
  std::shared_ptr<Transform> function_;
};

/// Keeps the samples that were asked for, as they came (encoded pictures stay
/// encoded), up to `max_bytes` (empty: no limit); those beyond are made each
/// time. What they draw at random depends on their index alone: put random
/// transforms after it.
class PTUTILS_API CachedDataset : public Dataset {
 public:
  explicit CachedDataset(std::shared_ptr<Dataset> dataset,
                         std::optional<std::size_t> max_bytes = {});
  std::string class_name() const override {
    return "ptutils.data.CachedDataset";
  }
  void fields(Fields& f) override;
  Meta meta() const override;
  Value to_config() override;
  std::int64_t size() const override { return dataset_->size(); }
  Value get(std::int64_t index, Random random) override;
  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override;
  bool draws_random() const override { return false; }
  bool is_python() const override { return dataset_->is_python(); }
  Origin origin() const override { return dataset_->origin(); }
  std::vector<std::int64_t> blocks() const override {
    return dataset_->blocks();
  }
  std::vector<std::string> field_names() const override {
    return dataset_->field_names();
  }
  std::vector<std::string> class_names() const override {
    return dataset_->class_names();
  }
  const std::shared_ptr<Dataset>& dataset() const { return dataset_; }
  std::optional<std::size_t> max_bytes() const { return max_bytes_; }
  std::size_t cached_bytes() const;

 private:
  std::shared_ptr<Dataset> dataset_;
  std::optional<std::size_t> max_bytes_;
  mutable std::mutex mutex_;
  std::vector<Value> samples_;  // null: not there
  std::size_t bytes_ = 0;
};

}  // namespace ptutils::data
