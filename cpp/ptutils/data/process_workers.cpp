#include "ptutils/data/process_workers.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "ptutils/common/fork.h"
#include "ptutils/common/interrupt.h"
#include "ptutils/data/detail/batch_scope.h"
#include "ptutils/data/detail/batch_socket.h"
#include "ptutils/data/detail/sample_error.h"
#include "ptutils/data/detail/spent.h"

namespace ptutils::data {
namespace {

using detail::BatchSocket;
using detail::Layout;
using detail::Request;
using detail::SharedBlock;

struct ReplyHead {
  std::uint64_t failed;  // then the text is the error
  std::uint64_t text_bytes;
  std::uint64_t block;      // number of the block, of this worker
  std::uint64_t new_bytes;  // of a block that comes with this answer, else 0
  detail::Ticks spent;      // what the worker spent on it
};

/// The blocks of one worker; batches hold it, and give theirs back.
class Blocks {
 public:
  /// What a batch holds of one.
  class Loan {
   public:
    Loan(std::shared_ptr<Blocks> blocks, std::shared_ptr<SharedBlock> block,
         std::uint64_t number)
        : blocks_(std::move(blocks)),
          block_(std::move(block)),
          number_(number) {}
    ~Loan() { blocks_->give_back(number_); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;

   private:
    std::shared_ptr<Blocks> blocks_;
    std::shared_ptr<SharedBlock> block_;
    std::uint64_t number_;
  };

  void add(std::uint64_t number, std::shared_ptr<SharedBlock> block) {
    std::lock_guard lock(mutex_);
    if (blocks_.size() <= number) blocks_.resize(number + 1);
    blocks_[number] = std::move(block);
  }
  /// Storage on the block; the block is free again once nobody holds it.
  static std::shared_ptr<Storage> lend(const std::shared_ptr<Blocks>& self,
                                       std::uint64_t number) {
    std::shared_ptr<SharedBlock> block;
    {
      std::lock_guard lock(self->mutex_);
      block = self->blocks_.at(number);
    }
    std::byte* data = block->data();
    const std::size_t bytes = block->bytes();
    return Storage::wrap(
        data, bytes, std::make_shared<Loan>(self, std::move(block), number));
  }
  std::vector<std::uint32_t> take_freed() {
    std::lock_guard lock(mutex_);
    return std::exchange(freed_, {});
  }

 private:
  void give_back(std::uint64_t number) {
    std::lock_guard lock(mutex_);
    freed_.push_back(static_cast<std::uint32_t>(number));
  }
  std::mutex mutex_;
  std::vector<std::shared_ptr<SharedBlock>> blocks_;
  std::vector<std::uint32_t> freed_;
};

/// One process, for one thread at a time.
struct Worker {
  std::unique_ptr<BatchSocket> socket;  // empty: not started
  std::shared_ptr<Blocks> blocks;
  std::int64_t pid = 0;
  bool busy = false;
};

class ProcessDataset final : public Dataset {
 public:
  ProcessDataset(std::shared_ptr<Dataset> like, int count, ProcessHooks hooks)
      : like_(std::move(like)),
        hooks_(std::move(hooks)),
        workers_(static_cast<std::size_t>(count)) {}
  ~ProcessDataset() override {
    if (generation_ != fork_generation()) return;  // the workers are another's
    for (Worker& worker : workers_)
      if (worker.socket) worker.socket->shut();
    for (Worker& worker : workers_) end(worker);
  }

  std::string class_name() const override { return like_->class_name(); }
  void fields(Fields& f) override { f("dataset", like_); }
  std::int64_t size() const override { return like_->size(); }
  Value get(std::int64_t index, Random random) override {
    return like_->get(index, random);
  }
  bool draws_random() const override { return like_->draws_random(); }
  bool is_python() const override { return like_->is_python(); }
  Origin origin() const override { return like_->origin(); }

  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random, const Value&) override {
    const std::size_t mine = acquire();
    struct Free {
      ProcessDataset& self;
      std::size_t mine;
      ~Free() { self.release(mine); }
    } free{*this, mine};
    Worker& worker = workers_[mine];
    if (worker.socket && worker.socket->is_over()) end(worker);  // killed idle
    if (!worker.socket) {
      try {
        start(worker, static_cast<int>(mine));
      } catch (...) {
        std::throw_with_nested(detail::NoWorker());
      }
    }
    std::string error;
    try {
      Value batch;
      if (ask(worker, indices, random, batch, error)) return batch;
    } catch (const Error& gone) {
      if (gone.kind() != Kind::kState) {
        end(worker);
        throw;
      }
      const std::string how = end(worker);  // the next batch starts another
      throw Error(gone.kind(),
                  str(gone.what(), how.empty() ? "" : ": ", how, " (worker ",
                      mine, ", pid ", worker.pid, ", a batch of ",
                      indices.size(), " from sample ", indices[0],
                      " on); the next batch starts it again"));
    } catch (...) {
      end(worker);  // in the middle of an answer
      throw;
    }
    hooks_.raise(error);
    fail(Kind::kState, "DataLoader", "a worker process failed");
  }

 private:
  std::size_t acquire() {
    std::unique_lock lock(mutex_);
    std::size_t found = 0;
    ptutils::wait(freed_, lock, [&] {
      for (std::size_t i = 0; i < workers_.size(); ++i)
        if (!workers_[i].busy) {
          found = i;
          return true;
        }
      return false;
    });
    workers_[found].busy = true;
    return found;
  }
  void release(std::size_t i) {
    {
      std::lock_guard lock(mutex_);
      workers_[i].busy = false;
    }
    freed_.notify_one();
  }

  void start(Worker& worker, int id) {
    const ProcessHooks::Started started = hooks_.start(id);
    worker.socket = std::make_unique<BatchSocket>(started.socket);
    worker.blocks = std::make_shared<Blocks>();
    worker.pid = started.pid;
  }

  std::string end(Worker& worker) {
    if (!worker.socket) return {};
    worker.socket->shut();
    worker.socket = nullptr;
    return hooks_.end(worker.pid);
  }

  /// False where the worker says that it failed.
  static bool ask(Worker& worker, std::span<const std::int64_t> indices,
                  const std::vector<Random>& random, Value& batch,
                  std::string& error) {
    BatchSocket& socket = *worker.socket;
    const BatchInfo* info = batch_info();
    detail::send_request(socket, {info ? *info : BatchInfo(),
                                  {indices.begin(), indices.end()},
                                  random,
                                  worker.blocks->take_freed()});
    ReplyHead head{};
    socket.wait_wanted();
    const int descriptor =
        socket.receive_with(std::as_writable_bytes(std::span(&head, 1)));
    if (head.new_bytes > 0) {
      auto block = std::make_shared<SharedBlock>(descriptor, head.new_bytes);
      block->close_descriptor();
      worker.blocks->add(head.block, std::move(block));
    }
    std::string text(head.text_bytes, '\0');
    socket.receive(std::as_writable_bytes(std::span(text)));
    if (head.failed) {
      error = std::move(text);
      return false;
    }
    detail::spent_ticks() += head.spent;
    batch = detail::batch_in(text, Blocks::lend(worker.blocks, head.block));
    return true;
  }

  std::shared_ptr<Dataset> like_;
  ProcessHooks hooks_;
  const std::uint64_t generation_ = fork_generation();
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Worker> workers_;
};

/// The worker's side of the blocks.
class OwnBlocks {
 public:
  void free(const std::vector<std::uint32_t>& numbers) {
    for (std::uint32_t number : numbers) busy_.at(number) = false;
  }
  /// One that is free and large enough; where there is none a new one, for
  /// which `fresh` is set.
  std::uint64_t take(std::size_t bytes, bool& fresh) {
    bytes = std::max<std::size_t>(bytes, 1);
    std::size_t spare = blocks_.size();
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      if (busy_[i]) continue;
      spare = i;
      if (blocks_[i]->bytes() < bytes) continue;
      busy_[i] = true;
      fresh = false;
      return i;
    }
    fresh = true;
    auto made = SharedBlock::create(bytes);
    if (spare == blocks_.size()) {
      blocks_.push_back(nullptr);
      busy_.push_back(false);
    }
    blocks_[spare] = std::move(made);  // a smaller one goes
    busy_[spare] = true;
    return spare;
  }
  SharedBlock& at(std::uint64_t number) { return *blocks_.at(number); }

 private:
  std::vector<std::shared_ptr<SharedBlock>> blocks_;
  std::vector<bool> busy_;
};

void send_batch(BatchSocket& socket, OwnBlocks& blocks, const Value& batch,
                const detail::Ticks& spent) {
  std::vector<Tensor> tensors;
  std::vector<std::size_t> offsets;
  const Layout layout = detail::layout_of(batch, tensors, offsets);
  bool fresh = false;
  const std::uint64_t number = blocks.take(layout.bytes, fresh);
  SharedBlock& block = blocks.at(number);
  detail::put_tensors({block.data(), block.bytes()}, tensors, offsets);
  const ReplyHead head{0, layout.text.size(), number, fresh ? block.bytes() : 0,
                       spent};
  const auto bytes = std::as_bytes(std::span(&head, 1));
  if (fresh) {
    socket.send_with(bytes, block.descriptor());
    block.close_descriptor();
  } else {
    socket.send(bytes);
  }
  socket.send(std::as_bytes(std::span(layout.text)));
}

/// Answers requests until there are no more.
void answer(BatchSocket& socket, const MakeBatch& make,
            const std::function<std::string()>& describe,
            const std::atomic<bool>& over) {
  OwnBlocks blocks;
  Request request;
  Value reuse;
  while (detail::receive_request(socket, request)) {
    blocks.free(request.freed);
    std::string error;
    try {
      const detail::BatchScope scope(request.info, /*awaited=*/false, &over);
      const detail::Ticks before = detail::spent_ticks();
      const Value batch = make(request.indices, request.random, reuse);
      send_batch(socket, blocks, batch, detail::spent_ticks() - before);
      reuse = batch;
      continue;
    } catch (...) {
      if (socket.is_over()) return;
      error = describe();
    }
    const ReplyHead head{1, error.size(), 0, 0, {}};
    socket.send(std::as_bytes(std::span(&head, 1)));
    socket.send(std::as_bytes(std::span(error)));
  }
}

}  // namespace

std::shared_ptr<Dataset> process_dataset(std::shared_ptr<Dataset> like,
                                         int count, ProcessHooks hooks) {
  return std::make_shared<ProcessDataset>(std::move(like), count,
                                          std::move(hooks));
}

void serve_batches(int fd, std::int64_t parent, const MakeBatch& make,
                   const std::function<std::string()>& describe) {
  BatchSocket socket(fd);
  if (parent) socket.end_with_parent(parent);
  std::atomic<bool> over{false};
  std::thread watch([&] {
    socket.wait_over();
    over = true;
  });
  struct Join {
    BatchSocket& socket;
    std::thread& watch;
    ~Join() {
      socket.shut();
      watch.join();
    }
  } join{socket, watch};
  try {
    answer(socket, make, describe, over);
  } catch (const Error&) {
    if (!socket.is_over()) throw;  // else nobody is left to tell
  }
}

}  // namespace ptutils::data
