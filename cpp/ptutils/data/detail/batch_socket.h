#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/data/dataset.h"
#include "ptutils/module/value.h"
#include "ptutils/tensor/random.h"

/// What a loader and a worker process say to each other.
namespace ptutils::data::detail {

/// One end of a stream socket. Kind::kState where the other end has gone.
class BatchSocket {
 public:
  explicit BatchSocket(int fd) : fd_(fd) {}
  /// From now on what is received also ends once `parent` is no more this
  /// process's parent: others may hold the other end open.
  void end_with_parent(std::int64_t parent);
  ~BatchSocket();
  BatchSocket(const BatchSocket&) = delete;
  BatchSocket& operator=(const BatchSocket&) = delete;

  void send(std::span<const std::byte> bytes);
  /// With a descriptor that the other end gets a copy of.
  void send_with(std::span<const std::byte> bytes, int descriptor);
  void receive(std::span<std::byte> bytes);
  /// And the descriptor that came with them, or -1.
  int receive_with(std::span<std::byte> bytes);
  /// False at the end of what the other end sends.
  bool receive_or_end(std::span<std::byte> bytes);
  /// Waits until there is something to receive; from time to time
  /// check_wanted().
  void wait_wanted();
  /// From any thread: both ends are told that it is over.
  void shut();
  /// From any thread: waits until either end has said so, or gone.
  void wait_over();
  bool is_over() const;

  template <class T>
  void send_items(std::span<const T> items) {
    if (!items.empty()) send(std::as_bytes(items));
  }
  template <class T>
  std::vector<T> receive_items(std::size_t n) {
    std::vector<T> out(n);
    if (n > 0) receive(std::as_writable_bytes(std::span(out)));
    return out;
  }

 private:
  int fd_;
  std::int64_t parent_ = 0;  // 0: not watched

  bool orphaned() const;
};

struct Request {
  BatchInfo info;
  std::vector<std::int64_t> indices;
  std::vector<Random> random;  // one each, or none
  std::vector<std::uint32_t> freed;
};
void send_request(BatchSocket& socket, const Request& request);
/// False where the loader has gone.
bool receive_request(BatchSocket& socket, Request& request);

/// Memory without a name in any file system, mapped here and in the worker.
class SharedBlock {
 public:
  static std::shared_ptr<SharedBlock> create(std::size_t bytes);
  /// Takes the descriptor.
  SharedBlock(int descriptor, std::size_t bytes);
  ~SharedBlock();
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;
  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  int descriptor() const { return fd_; }
  /// The map alone stays.
  void close_descriptor();

 private:
  int fd_;
  std::byte* data_ = nullptr;
  std::size_t bytes_;
};

/// A batch as a text and where its tensors lie in a block.
struct Layout {
  std::string text;
  std::size_t bytes = 0;  // of the block
};
Layout layout_of(const Value& batch, std::vector<Tensor>& tensors,
                 std::vector<std::size_t>& offsets);
/// The tensors of a layout to their places in memory of its bytes.
void put_tensors(std::span<std::byte> memory,
                 const std::vector<Tensor>& tensors,
                 const std::vector<std::size_t>& offsets);
/// The batch, its tensors being views of the storage.
Value batch_in(std::string_view text, const std::shared_ptr<Storage>& storage);

}  // namespace ptutils::data::detail
