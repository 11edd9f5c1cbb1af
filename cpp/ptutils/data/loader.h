#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ptutils/data/dataset.h"
#include "ptutils/data/report.h"
#include "ptutils/data/sampler.h"

namespace ptutils::data {

/// The tensors of a batch go out as this library's.
PTUTILS_API void set_origin(Value& batch, Origin origin);

/// Batches of one epoch after another; its position is state.
class PTUTILS_API Loader : public Module {
 public:
  std::string class_name() const override { return "ptutils.data.Loader"; }
  /// The next batch of the epoch, or false at its end (the next call begins the
  /// next epoch).
  virtual bool next(Value& batch) = 0;
  /// Batches an epoch; < 0 unknown.
  virtual std::int64_t length() const { return -1; }
  /// Those of the epoch that are still to come; < 0 unknown.
  virtual std::int64_t remaining() const { return -1; }
  /// Ends a begun epoch without counting it (position back to its start).
  virtual void rewind() {}
  virtual void close() {}
  /// It was told as whose arrays its batches go out.
  virtual bool says_output() const { return false; }
  /// What the batches from a later one on are to answer, where they are made
  /// for it (DataLoader). Kind::kState elsewhere.
  virtual void request(const Value& request);
};

/// sampler -> batches of indices -> worker threads -> recycled buffers -> the
/// consumer, in order. State: seed, epoch, batches and samples given in it, of
/// how many samples, the state of a stream of them, and what was requested.
/// Loaded with another batch size, it goes on behind the last sample that was
/// given; with another number of samples the epoch begins again (a warning says
/// so). Batches of a batch_sampler are counted alone (given is null). States
/// without these two load as well. A batch is a Value with the sample's
/// structure, tensors stacked; its buffers are used again once nobody holds
/// them. An error of a sample ("… (in sample 37)") does not advance the
/// position: the next call tries that batch again. Several threads may draw
/// from it, each batch goes to one of them (next_of); its position may be read
/// and set, and it may be closed, meanwhile.
class PTUTILS_API DataLoader : public Loader {
 public:
  struct Options {
    std::int64_t batch_size = 1;
    /// Empty: no; of a DataProvider: its train phase. (true: that one too.)
    std::optional<bool> shuffle;
    std::shared_ptr<Sampler> sampler;  ///< excludes shuffle
    /// Excludes batch_size, shuffle, sampler and drop_last.
    std::shared_ptr<BatchSampler> batch_sampler;
    /// false: the samples one by one, as the data set gives them.
    bool batched = true;
    /// 0: the caller loads. Empty: it begins so, and threads (by the budget; 1
    /// for a Python data set) take over when batches take long to load.
    std::optional<std::int64_t> num_workers;
    bool drop_last = false;
    /// Batches ahead per worker. Empty: one, and 2 at least; of more than 8 MB
    /// that take long, which all threads make together, one in all.
    std::optional<std::int64_t> prefetch_factor;
    double timeout = 0;  ///< seconds a batch may take; 0: no limit
    std::string output;  ///< "native" | "numpy" | "torch"; empty: by data set
    std::uint64_t seed = 0;
    /// "raise", or "skip": a sample that fails is left out of its batch, logged
    /// and counted (a batch of which none is left is passed over).
    std::string on_error = "raise";
    /// false: the threads end with each epoch. Empty: they persist.
    std::optional<bool> persistent_workers;
    /// Called on each thread, with its number from 0 on, before its first
    /// batch.
    std::function<void(int)> worker_init;
    /// "thread", or "process": num_workers processes, each asked by a thread of
    /// its own, for data sets that are bound by Python (or another language
    /// with one lock). They are started by the language's binding.
    std::string workers = "thread";
    std::string start_method;  ///< "fork", "forkserver", "spawn"; empty: best
    /// A request acts after so many batches more; 0 is slow: none is loaded
    /// ahead. Empty: 2, or prefetch_factor. At most what is loaded ahead.
    std::optional<std::int64_t> lag;
    /// Page-locked batches: for a language's binding, which makes them so.
    bool pin_memory = false;
    /// Where batches go, of another library's ("cuda:0"): likewise.
    std::string device;
  };
  DataLoader(std::shared_ptr<Dataset> dataset, Options options);
  ~DataLoader() override;
  std::string class_name() const override { return "ptutils.data.DataLoader"; }
  void fields(Fields& f) override;  // seed, epoch, batch, given, samples
  Meta meta() const override;       // data set and sampler are not its state
  void check_state(const Value& state, const std::string& prefix, bool strict,
                   Mismatch& out) override;
  void load_partial(const Value& state) override;
  Value to_config() override;
  bool next(Value& batch) override;
  /// One way through an epoch that several threads share.
  struct Pass {
    std::atomic<bool> ended = false;
    std::uint64_t failed = 0;  // the thread that got an error may try again
  };
  /// next() for threads that share `pass`: all of them see its end; an error
  /// goes to one, and the others see an end too.
  bool next_of(Pass& pass, Value& batch);
  std::int64_t length() const override;
  std::int64_t remaining() const override;
  void rewind() override;
  void close() override;  ///< stops the threads; next() starts them again
  /// Code that makes samples sees it as batch_info()->request, from the batch
  /// on that is `lag` after the next (not beyond the epoch: then from the next
  /// one's first on). Part of the state. One that is equal to the last changes
  /// nothing.
  void request(const Value& request) override;

  const std::shared_ptr<Dataset>& dataset() const;
  const Options& options() const;
  int workers() const;  ///< threads in use
  std::int64_t epoch() const;
  std::int64_t batch() const;  ///< batches given of this epoch
  std::pair<std::int64_t, std::int64_t> position() const;  ///< both
  /// What messages call its data set: the phase.
  void set_label(std::string label);
  /// The indices of the samples of an epoch, in order, i64.
  Tensor order(std::int64_t epoch) const;
  /// The batches of an epoch that begins at its start.
  Batches batches(std::int64_t epoch) const;
  std::int64_t skipped() const;  ///< samples left out so far
  LoaderReport report() const;
  void set_position(std::int64_t epoch, std::int64_t batch);
  void set_seed(std::uint64_t seed);
  void set_output(const std::string& output);
  bool says_output() const override;
  /// How worker processes are had (bindings): the data set whose batches
  /// `count` of them make, collated.
  using ProcessFactory = std::function<std::shared_ptr<Dataset>(
      const std::shared_ptr<Dataset>& dataset, int count)>;
  void set_process_factory(ProcessFactory factory);
  /// Replaces how samples become a batch (bindings: collate_fn).
  void set_collate(std::function<Value(std::vector<Value>&&)> collate);
  void set_worker_init(std::function<void(int)> init);

 private:
  struct Impl;
  class DatasetSlot;
  std::unique_ptr<Impl> impl_;
};

/// Stacks samples: tensors on a new first dimension, numbers to i64 / f32 (as
/// torch: Python floats to f64), strings and others to a list.
PTUTILS_API Value collate(std::vector<Value>&& samples,
                          const Value& reuse = {});

/// Data sets by phase and the loaders over them. provide({"phase": "train"})
/// -> a loader (kept: the same phase gives the same loader, with its position);
/// of several phases, {"phase": ["labelled", "unlabelled"]}, a JoinedLoader.
/// What else a request says goes to the loader (Loader::request).
class PTUTILS_API DataProvider : public Module {
 public:
  using Datasets =
      std::vector<std::pair<std::string, std::shared_ptr<Dataset>>>;
  DataProvider();  ///< without phases: assign() or set_loader() give them
  DataProvider(Datasets datasets, DataLoader::Options options);
  /// Replaces all phases and options.
  void assign(Datasets datasets, DataLoader::Options options);
  std::string class_name() const override {
    return "ptutils.data.DataProvider";
  }
  /// The loaders' positions by phase. Shuffling and a given sampler are for the
  /// phase "train" alone, the other options for all.
  void fields(Fields& f) override;
  Value to_config() override;
  /// Kind::kKey with the known phases. Overridable.
  virtual std::shared_ptr<Loader> provide(const Value& request);
  /// Where makes_requests(), the session asks before its first step and after
  /// each step what to provide for the next; the answer is part of the state.
  /// An epoch is then that of the loader in use. Default: "train".
  virtual Value request(Module& session);
  virtual bool makes_requests() const { return false; }
  std::shared_ptr<Loader> get_dataloader(const Value& request) {
    return provide(request);
  }
  std::vector<std::string> phases() const;
  /// Whose stream orders the data: set by the session before the first step.
  void set_seed(std::uint64_t seed);
  void set_output(const std::string& output);  ///< where none was given
  /// A loader of the user's for a phase (torch's, wrapped).
  void set_loader(const std::string& phase, std::shared_ptr<Loader> loader);

 private:
  std::shared_ptr<Loader> joined(
      std::vector<std::pair<std::string, std::shared_ptr<Loader>>> parts);
  struct Impl;
  std::unique_ptr<Impl> impl_;

 public:
  ~DataProvider() override;
};

/// How a DataProvider makes its loaders (bindings: objects that have their
/// Python side). Empty: plain DataLoaders.
using LoaderFactory = std::function<std::shared_ptr<DataLoader>(
    std::shared_ptr<Dataset>, DataLoader::Options)>;
PTUTILS_API void set_loader_factory(LoaderFactory factory);

/// What another language's exception says, for on_error="skip"; nothing for one
/// that no sample may be left out for (an interrupt).
using ErrorText =
    std::function<std::optional<std::string>(const std::exception& error)>;
PTUTILS_API void set_error_text(ErrorText text);

PTUTILS_API void register_data(Registry& registry);

}  // namespace ptutils::data
