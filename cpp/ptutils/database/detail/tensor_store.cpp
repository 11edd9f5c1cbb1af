#include "ptutils/database/detail/tensor_store.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "ptutils/common/hash.h"

namespace ptutils::detail {
namespace {

// Smaller tensors are not worth a blob; every NumPy scalar is among them, so
// that a query can compare it.
constexpr std::size_t kSmall = 64;
// Statements copy what is bound, pages are written as they fill: pieces of this
// size stay in the cache, and a tensor may exceed SQLite's 1 GB.
constexpr std::size_t kChunk = 1 << 20;

std::string shape_text(const Dims& shape) {
  std::string out;
  for (std::int64_t size : shape) out += str(out.empty() ? "" : ",", size);
  return out;
}

Dims parse_shape(std::string_view text, const std::string& where) {
  Dims shape;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    std::int64_t size = -1;
    auto [next, error] = std::from_chars(at, end, size);
    if (error != std::errc() || size < 0 || (next != end && *next != ','))
      fail(Kind::kFormat, "SQLiteInterface", where, ": a tensor's shape is '",
           text.substr(0, 60), "'; the file is damaged");
    shape.push_back(size);
    at = next == end ? end : next + 1;
  }
  return shape;
}

[[noreturn]] void damaged(const Connection& db, std::string_view what) {
  fail(Kind::kFormat, "SQLiteInterface", db.label(), ": ", what,
       "; the file is damaged");
}

}  // namespace

StoredTensors TensorStore::list(std::int64_t document) {
  StoredTensors out;
  Cursor row = db_.query(
      "SELECT name, dtype, shape, blob, bytes FROM tensors WHERE document=?");
  row.bind(1, document);
  while (row.step()) {
    StoredTensor stored;
    auto dtype = parse_dtype(row.text(1));
    if (!dtype) damaged(db_, str("unknown dtype '", row.text(1), "'"));
    stored.dtype = *dtype;
    stored.shape = parse_shape(row.text(2), db_.label());
    std::size_t size = static_cast<std::size_t>(
                           count_elements(stored.shape, item_size(*dtype))) *
                       item_size(*dtype);
    if (!row.is_null(3)) {
      stored.blob = row.integer(3);
    } else {
      auto bytes = row.bytes(4);
      if (bytes.size() != size || size > kSmall)
        damaged(db_, "a small tensor has another size");
      stored.small = Tensor::empty(stored.shape, stored.dtype);
      if (size) std::memcpy(stored.small.bytes(), bytes.data(), size);
    }
    out.emplace(row.text(0), std::move(stored));
  }
  return out;
}

void TensorStore::put(std::int64_t document, const std::string& name,
                      const Tensor& tensor) {
  StoredTensor stored{tensor.dtype(), tensor.shape(), std::nullopt,
                      tensor.to_contiguous()};
  std::span<const std::byte> bytes(stored.small.bytes(), tensor.nbytes());
  if (bytes.size() > kSmall) stored.blob = put_blob(bytes);
  put_row(document, name, stored);
}

void TensorStore::put(std::int64_t document, const std::string& name,
                      const StoredTensor& stored) {
  put_row(document, name, stored);
}

void TensorStore::put_row(std::int64_t document, const std::string& name,
                          const StoredTensor& stored) {
  std::string shape = shape_text(stored.shape);
  Cursor row = db_.query(
      "INSERT INTO tensors(document, name, dtype, shape, blob, bytes) "
      "VALUES(?, ?, ?, ?, ?, ?)");
  row.bind(1, document).bind(2, name).bind(3, ptutils::name(stored.dtype));
  row.bind(4, shape);
  if (stored.blob)
    row.bind(5, *stored.blob);
  else
    row.bind(6, std::span<const std::byte>(stored.small.bytes(),
                                           stored.small.nbytes()));
  row.run();
}

bool TensorStore::equals(std::int64_t blob, std::span<const std::byte> bytes) {
  BlobReader reader(db_, "chunks", "bytes");
  Cursor chunk = db_.query("SELECT id FROM chunks WHERE blob=? ORDER BY part");
  chunk.bind(1, blob);
  std::vector<std::byte> buffer;
  std::size_t at = 0;
  while (chunk.step()) {
    std::size_t size = reader.open(chunk.integer(0));
    if (size > bytes.size() - at) return false;
    buffer.resize(size);
    reader.read(buffer);
    if (std::memcmp(buffer.data(), bytes.data() + at, size) != 0) return false;
    at += size;
  }
  return at == bytes.size();
}

std::int64_t TensorStore::put_blob(std::span<const std::byte> bytes) {
  std::string hash = hash_hex(bytes);
  auto size = static_cast<std::int64_t>(bytes.size());
  {
    // The hash only finds candidates: different bytes never share a blob.
    Cursor same = db_.query("SELECT id FROM blobs WHERE hash=? AND size=?");
    same.bind(1, hash).bind(2, size);
    while (same.step())
      if (equals(same.integer(0), bytes)) return same.integer(0);
  }
  Cursor blob = db_.query("INSERT INTO blobs(hash, size) VALUES(?, ?)");
  blob.bind(1, hash).bind(2, size).run();
  std::int64_t id = db_.last_id();
  std::int64_t part = 0;
  for (std::size_t at = 0; at < bytes.size(); at += kChunk, ++part) {
    Cursor chunk =
        db_.query("INSERT INTO chunks(blob, part, bytes) VALUES(?, ?, ?)");
    chunk.bind(1, id).bind(2, part);
    chunk.bind(3, bytes.subspan(at, std::min(kChunk, bytes.size() - at))).run();
  }
  return id;
}

void TensorStore::forget(std::int64_t document) {
  {
    Cursor row = db_.query(
        "SELECT DISTINCT blob FROM tensors WHERE document=? AND blob NOTNULL");
    row.bind(1, document);
    while (row.step()) forgotten_.push_back(row.integer(0));
  }
  db_.query("DELETE FROM tensors WHERE document=?").bind(1, document).run();
}

void TensorStore::forget(std::int64_t document, const std::string& name) {
  {
    Cursor row = db_.query(
        "SELECT blob FROM tensors WHERE document=? AND name=? AND "
        "blob NOTNULL");
    row.bind(1, document).bind(2, name);
    while (row.step()) forgotten_.push_back(row.integer(0));
  }
  Cursor row = db_.query("DELETE FROM tensors WHERE document=? AND name=?");
  row.bind(1, document).bind(2, name).run();
}

void TensorStore::collect() {
  for (std::int64_t blob : forgotten_) {
    Cursor gone = db_.query(
        "DELETE FROM blobs WHERE id=?1 AND "
        "NOT EXISTS(SELECT 1 FROM tensors WHERE blob=?1)");
    gone.bind(1, blob).run();
    if (db_.changes() == 0) continue;
    db_.query("DELETE FROM chunks WHERE blob=?").bind(1, blob).run();
  }
  forgotten_.clear();
}

Tensor TensorStore::load(const StoredTensor& stored) {
  if (!stored.blob) return stored.small.clone();
  std::int64_t items = count_elements(stored.shape, item_size(stored.dtype));
  std::size_t size = static_cast<std::size_t>(items) * item_size(stored.dtype);
  {
    // Before memory is taken: a damaged row may claim any shape.
    Cursor sum =
        db_.query("SELECT total(length(bytes)) FROM chunks WHERE blob=?");
    sum.bind(1, *stored.blob);
    if (!sum.step() || sum.integer(0) != static_cast<std::int64_t>(size))
      damaged(db_, "a tensor's bytes are missing or too many");
  }
  Tensor out = Tensor::empty(stored.shape, stored.dtype);
  BlobReader reader(db_, "chunks", "bytes");
  Cursor chunk = db_.query("SELECT id FROM chunks WHERE blob=? ORDER BY part");
  chunk.bind(1, *stored.blob);
  std::span<std::byte> rest(out.bytes(), size);
  while (chunk.step()) {
    std::size_t part = reader.open(chunk.integer(0));
    if (part > rest.size()) damaged(db_, "a tensor has too many bytes");
    reader.read(rest.first(part));
    rest = rest.subspan(part);
  }
  return out;
}

Tensor Placeholders::make(const StoredTensor& stored) {
  if (!stored.blob) return stored.small;
  // The address is unique and valid, the size is only claimed.
  auto address = std::make_shared<std::max_align_t>();
  std::size_t size = static_cast<std::size_t>(count_elements(
                         stored.shape, item_size(stored.dtype))) *
                     item_size(stored.dtype);
  auto storage = Storage::wrap(address.get(), size, address, true);
  entries_[storage.get()] = {stored, storage, std::nullopt};
  return Tensor::view_bytes(storage, stored.dtype, stored.shape);
}

const StoredTensor* Placeholders::find(const Tensor& tensor) const {
  auto entry = entries_.find(tensor.storage().get());
  return entry == entries_.end() ? nullptr : &entry->second.stored;
}

void Placeholders::fill(Value& value, TensorStore& store) {
  if (value.is_list()) {
    for (Value& item : value.as_list().items) fill(item, store);
  } else if (value.is_dict()) {
    for (auto& [_, item] : value.as_dict()) fill(item, store);
  } else if (value.is_tensor()) {
    Tensor& tensor = value.as_tensor();
    auto entry = entries_.find(tensor.storage().get());
    if (entry == entries_.end()) return;
    auto& loaded = entry->second.loaded;
    if (!loaded) loaded = store.load(entry->second.stored);
    Tensor filled = *loaded;
    filled.origin = tensor.origin;
    filled.numpy_scalar = tensor.numpy_scalar;
    tensor = std::move(filled);
  }
}

Tensor LazyTensors::operator()(const std::string& name) {
  if (!listed_) stored_ = store_.list(document_);
  listed_ = true;
  auto found = stored_.find(name);
  if (found == stored_.end())
    fail(Kind::kFormat, "SQLiteInterface", "array '", name, "' of document ",
         document_, " is not in the file; it is damaged");
  return placeholders_.make(found->second);
}

}  // namespace ptutils::detail
