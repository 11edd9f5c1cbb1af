#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ptutils/database/detail/connection.h"
#include "ptutils/module/value.h"

/// Private to this folder.
namespace ptutils::detail {

/// A tensor of a document as it is stored: small ones with their bytes.
struct StoredTensor {
  DType dtype = DType::kF32;
  Dims shape;
  std::optional<std::int64_t> blob;
  Tensor small;  ///< when there is no blob
};
using StoredTensors = std::map<std::string, StoredTensor, std::less<>>;

/// Tables tensors, blobs and chunks. Writing runs inside a transaction.
class TensorStore {
 public:
  explicit TensorStore(Connection& connection) : db_(connection) {}
  const Connection& connection() const { return db_; }

  /// `id`: what messages call the document.
  StoredTensors list(std::int64_t document, std::string_view id);
  /// Stores the bytes once: equal bytes share a blob.
  void put(std::int64_t document, const std::string& name,
           const Tensor& tensor);
  /// Another document's or name's row for what is stored already.
  void put(std::int64_t document, const std::string& name,
           const StoredTensor& stored);
  /// Removes the rows of a document (or one of them); the blobs they named
  /// stay until `collect`.
  void forget(std::int64_t document);
  void forget(std::int64_t document, const std::string& name);
  /// Deletes those forgotten blobs that nothing names any more.
  void collect();
  /// The bytes, as their hash says they were. `id`: the document that asks.
  Tensor load(const StoredTensor& stored, std::string_view id);

 private:
  std::int64_t put_blob(std::span<const std::byte> bytes);
  bool equals(std::int64_t blob, std::span<const std::byte> bytes);
  void put_row(std::int64_t document, const std::string& name,
               const StoredTensor& stored);
  Connection& db_;
  std::vector<std::int64_t> forgotten_;
};

/// Tensors that stand for stored ones while documents are matched, projected
/// and sorted, so that only what is asked for is read. They have dtype and
/// shape, but no memory: never to be looked into, never handed out.
class Placeholders {
 public:
  Tensor make(const StoredTensor& stored);
  /// What it stands for; nullptr for any other tensor.
  const StoredTensor* find(const Tensor& tensor) const;
  /// Reads those that are left in `value`, a document's, each once.
  void fill(Value& value, std::string_view id, TensorStore& store);

 private:
  struct Entry {
    StoredTensor stored;
    std::shared_ptr<Storage> storage;  // its address stays this one's
    std::optional<Tensor> loaded;
  };
  std::unordered_map<const Storage*, Entry> entries_;
};

/// Looks up the arrays of one document by name, as placeholders; its rows are
/// read when the first is asked for.
class LazyTensors {
 public:
  LazyTensors(TensorStore& store, std::int64_t document, std::string id,
              Placeholders& placeholders)
      : store_(store),
        document_(document),
        id_(std::move(id)),
        placeholders_(placeholders) {}

  Tensor operator()(const std::string& name);
  const StoredTensors& stored() const { return stored_; }

 private:
  TensorStore& store_;
  std::int64_t document_;
  std::string id_;
  Placeholders& placeholders_;
  bool listed_ = false;
  StoredTensors stored_;
};

}  // namespace ptutils::detail
