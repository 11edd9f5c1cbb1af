#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ptutils/module/module.h"
#include "ptutils/tensor/random.h"

namespace ptutils::data {

class Dataset;

/// The indices of an epoch's samples, in order: a list of them, or a function
/// of the place, which takes no memory.
class PTUTILS_API Order {
 public:
  /// Writes the indices at the places begin, begin + 1, … to `out`; called from
  /// many threads at once.
  using Fill =
      std::function<void(std::int64_t begin, std::span<std::int64_t> out)>;
  Order() : Order(0, nullptr) {}
  Order(Tensor indices) : indices_(std::move(indices)) {}  ///< i64 (n)
  Order(std::int64_t size, Fill fill) : size_(size), fill_(std::move(fill)) {}
  std::int64_t size() const;
  void fill(std::int64_t begin, std::span<std::int64_t> out) const;
  /// The list; null where a function gives the indices.
  const std::optional<Tensor>& indices() const { return indices_; }
  Tensor tensor() const;  ///< all of them, i64 (size())
  /// Whether an index is there twice; a function's are all different.
  bool repeats() const { return repeats_; }
  void set_repeats(bool repeats) { repeats_ = repeats; }

 private:
  std::optional<Tensor> indices_;
  std::int64_t size_ = 0;
  Fill fill_;
  bool repeats_ = false;
};

/// 0 … n - 1 shuffled: a list, or, of more than 2^20, a function of the place.
PTUTILS_API Order shuffled(std::int64_t n, Random stream);

/// The order of samples of an epoch: a function of (seed, epoch) alone, so its
/// position is part of the loader's three integers.
class PTUTILS_API Sampler : public Module {
 public:
  std::string class_name() const override { return "ptutils.data.Sampler"; }
  std::string extra_repr() override;  // its arguments
  /// Samples an epoch gives of a data set of n.
  virtual std::int64_t count(std::int64_t n) const { return n; }
  /// The whole order of one epoch, of count(n) indices within [0, n).
  virtual Order order(std::int64_t n, std::uint64_t seed,
                      std::int64_t epoch) = 0;
  /// What a loader asks for: order() of the data set's size, unless the sampler
  /// looks at more of it.
  virtual Order order_of(const Dataset& dataset, std::uint64_t seed,
                         std::int64_t epoch);
};

class PTUTILS_API SequentialSampler : public Sampler {
 public:
  std::string class_name() const override {
    return "ptutils.data.SequentialSampler";
  }
  Order order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) override;
  Value to_config() override;
};

/// A permutation, or draws with replacement; num_samples: how many (empty:
/// all).
class PTUTILS_API RandomSampler : public Sampler {
 public:
  explicit RandomSampler(bool replacement = false,
                         std::optional<std::int64_t> num_samples = {});
  std::string class_name() const override {
    return "ptutils.data.RandomSampler";
  }
  std::int64_t count(std::int64_t n) const override;
  Order order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) override;
  Value to_config() override;

 private:
  bool replacement_;
  std::optional<std::int64_t> num_samples_;
};

/// The given samples, in a new order each epoch.
class PTUTILS_API SubsetRandomSampler : public Sampler {
 public:
  explicit SubsetRandomSampler(Tensor indices);  ///< i64 (count)
  std::string class_name() const override {
    return "ptutils.data.SubsetRandomSampler";
  }
  std::int64_t count(std::int64_t n) const override;
  Order order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) override;
  Value to_config() override;
  const Tensor& indices() const { return indices_; }

 private:
  Tensor indices_;
};

/// num_samples draws, each sample as often as its weight says. Without
/// replacement: those with the largest u^(1 / weight), u uniform (Efraimidis,
/// Spirakis 2006, algorithm A), the largest first.
class PTUTILS_API WeightedRandomSampler : public Sampler {
 public:
  /// weights: f64 (n), of any sum. Kind::kValue for one below 0 or not finite,
  /// and where more are asked for than have a weight.
  WeightedRandomSampler(Tensor weights, std::int64_t num_samples,
                        bool replacement = true);
  std::string class_name() const override {
    return "ptutils.data.WeightedRandomSampler";
  }
  std::int64_t count(std::int64_t n) const override;
  Order order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) override;
  Value to_config() override;
  const Tensor& weights() const { return weights_; }
  std::int64_t num_samples() const { return num_samples_; }
  bool replacement() const { return replacement_; }

 private:
  Tensor weights_;
  std::int64_t num_samples_;
  bool replacement_;
};

/// Every sample once an epoch, each run of batch_size samples with the classes
/// in the data set's proportion: of each class the quota, rounded up or down
/// (the last, shorter batch: of its own quota).
class PTUTILS_API StratifiedSampler : public Sampler {
 public:
  /// labels: i64 (n), any numbers. Give the loader the same batch_size.
  StratifiedSampler(const Tensor& labels, std::int64_t batch_size);
  std::string class_name() const override {
    return "ptutils.data.StratifiedSampler";
  }
  Order order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) override;
  Value to_config() override;
  const Tensor& labels() const { return labels_; }
  std::int64_t batch_size() const { return batch_size_; }

 private:
  Tensor labels_;
  std::vector<std::int64_t> class_of_;  // of each sample, from 0 on
  std::vector<std::int64_t> sizes_;     // of each class
  std::int64_t batch_size_;
};

/// Shuffles blocks of neighbours that a file decodes together, and then the
/// samples of each `window` blocks: a reader whose cache holds two windows (one
/// that threads end, one that they begin) decodes each block once an epoch.
class PTUTILS_API BlockShuffleSampler : public Sampler {
 public:
  /// block: samples a block; 0: as the data set says (Dataset::blocks).
  explicit BlockShuffleSampler(std::int64_t window = 8, std::int64_t block = 0);
  std::string class_name() const override {
    return "ptutils.data.BlockShuffleSampler";
  }
  /// Kind::kValue where block is 0: a number of samples has no blocks.
  Order order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) override;
  /// Kind::kValue where neither block nor the data set has blocks.
  Order order_of(const Dataset& dataset, std::uint64_t seed,
                 std::int64_t epoch) override;
  Value to_config() override;

 private:
  std::int64_t window_, block_;
};

/// The share of one of several processes: shares are disjoint and of one
/// length. Where the number of samples does not divide, some come twice, as
/// torch's does, or the rest is left out (drop_last).
class PTUTILS_API DistributedSampler : public Sampler {
 public:
  struct Options {
    /// Empty: of torch.distributed where it is initialised, else of the
    /// environment's WORLD_SIZE and RANK.
    std::optional<std::int64_t> num_replicas, rank;
    bool shuffle = true;
    bool drop_last = false;
    /// Empty: the loader's, which must then be the same in all processes.
    std::optional<std::uint64_t> seed;
  };
  explicit DistributedSampler(Options options);
  std::string class_name() const override {
    return "ptutils.data.DistributedSampler";
  }
  std::int64_t count(std::int64_t n) const override;
  Order order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) override;
  Value to_config() override;
  std::int64_t num_replicas() const { return num_replicas_; }
  std::int64_t rank() const { return rank_; }

 private:
  Options options_;
  std::int64_t num_replicas_ = 1, rank_ = 0;
};

/// (number of processes, own rank) of a library that runs several, if it does
/// (bindings: torch.distributed).
using World =
    std::function<std::optional<std::pair<std::int64_t, std::int64_t>>()>;
PTUTILS_API void set_world(World world);

/// An epoch's batches: its samples in order, and where each batch ends.
struct Batches {
  Order order;
  std::vector<std::int64_t> ends;
};

/// Which samples make each batch of an epoch: a function of (seed, epoch)
/// alone, in the place of a sampler and a batch size.
class PTUTILS_API BatchSampler : public Module {
 public:
  std::string class_name() const override {
    return "ptutils.data.BatchSampler";
  }
  /// Batches an epoch of a data set of n; < 0: batches() alone knows.
  virtual std::int64_t count(std::int64_t) const { return -1; }
  virtual Batches batches(std::int64_t n, std::uint64_t seed,
                          std::int64_t epoch) = 0;
};

/// Batches of samples of similar length: shuffles, sorts each `window` batches
/// by length, cuts, and shuffles the batches (Khomenko et al. 2016).
class PTUTILS_API BucketBatchSampler : public BatchSampler {
 public:
  struct Options {
    Tensor lengths;  ///< f64 (n)
    std::int64_t batch_size = 1;
    bool shuffle = true;  ///< false: windows and batches in the data's order
    bool drop_last = false;
    std::int64_t window = 100;
  };
  explicit BucketBatchSampler(Options options);
  std::string class_name() const override {
    return "ptutils.data.BucketBatchSampler";
  }
  std::int64_t count(std::int64_t n) const override;
  Batches batches(std::int64_t n, std::uint64_t seed,
                  std::int64_t epoch) override;
  Value to_config() override;
  const Options& options() const { return options_; }

 private:
  Options options_;
};

}  // namespace ptutils::data
