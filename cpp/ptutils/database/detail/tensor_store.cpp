#include "ptutils/database/detail/tensor_store.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "ptutils/common/hash.h"
#include "ptutils/database/detail/row_sum.h"

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

std::optional<Dims> parse_shape(std::string_view text) {
  Dims shape;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    std::int64_t size = -1;
    auto [next, error] = std::from_chars(at, end, size);
    if (error != std::errc() || size < 0 || (next != end && *next != ','))
      return std::nullopt;
    shape.push_back(size);
    at = next == end ? end : next + 1;
  }
  return shape;
}

// Of the text of a row as it is, before anything is made of it. A null blob's
// number is none that SQLite gives.
std::int64_t tensor_sum(std::int64_t document, std::string_view name,
                        std::string_view dtype, std::string_view shape,
                        std::optional<std::int64_t> blob,
                        std::span<const std::byte> bytes) {
  RowSum sum;
  sum.add(document).add(name).add(dtype).add(shape);
  return sum.add(blob.value_or(0)).add(bytes).value();
}

std::size_t bytes_of(const StoredTensor& stored) {
  return static_cast<std::size_t>(
             count_elements(stored.shape, item_size(stored.dtype))) *
         item_size(stored.dtype);
}

std::span<const std::byte> bytes_in(const Tensor& tensor) {
  return {tensor.bytes(), tensor.nbytes()};
}

}  // namespace

StoredTensors TensorStore::list(std::int64_t document, std::string_view id) {
  StoredTensors out;
  Cursor row = db_.query(
      db_.has_sums
          ? "SELECT name, dtype, shape, blob, bytes, sum FROM tensors "
            "WHERE document=?"
          : "SELECT name, dtype, shape, blob, bytes, NULL FROM tensors "
            "WHERE document=?");
  row.bind(1, document);
  while (row.step()) {
    auto damaged = [&](std::string_view what) {
      fail_damaged(db_, id, str("array '", row.text(0), "': ", what));
    };
    StoredTensor stored;
    if (!row.is_null(3)) stored.blob = row.integer(3);
    if (!row.is_null(5) &&
        row.integer(5) != tensor_sum(document, row.text(0), row.text(1),
                                     row.text(2), stored.blob, row.bytes(4)))
      damaged("its checksum does not fit");
    auto dtype = parse_dtype(row.text(1));
    if (!dtype) damaged(str("unknown dtype '", row.text(1), "'"));
    stored.dtype = *dtype;
    auto shape = parse_shape(row.text(2));
    if (!shape) damaged(str("its shape is '", row.text(2).substr(0, 60), "'"));
    stored.shape = *shape;
    const std::size_t size = bytes_of(stored);
    if (!stored.blob) {
      auto bytes = row.bytes(4);
      if (bytes.size() != size || size > kSmall) damaged("it has another size");
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
  std::span<const std::byte> bytes = bytes_in(stored.small);
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
      "INSERT INTO tensors(document, name, dtype, shape, blob, bytes, sum) "
      "VALUES(?, ?, ?, ?, ?, ?, ?)");
  row.bind(1, document).bind(2, name).bind(3, ptutils::name(stored.dtype));
  row.bind(4, shape);
  std::span<const std::byte> bytes;
  if (stored.blob) {
    row.bind(5, *stored.blob);
  } else {
    bytes = bytes_in(stored.small);
    row.bind(6, bytes);
  }
  row.bind(7, tensor_sum(document, name, ptutils::name(stored.dtype), shape,
                         stored.blob, bytes));
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

Tensor TensorStore::load(const StoredTensor& stored, std::string_view id) {
  if (!stored.blob) return stored.small.clone();
  const std::size_t size = bytes_of(stored);
  std::string hash;
  {
    // Before memory is taken: a damaged row may claim any shape.
    Cursor blob = db_.query(
        "SELECT hash, (SELECT total(length(bytes)) FROM chunks WHERE blob=?1) "
        "FROM blobs WHERE id=?1");
    blob.bind(1, *stored.blob);
    if (!blob.step() || blob.integer(1) != static_cast<std::int64_t>(size))
      fail_damaged(db_, id, "bytes of an array are missing or too many");
    hash = blob.text(0);
  }
  Tensor out = Tensor::empty(stored.shape, stored.dtype);
  BlobReader reader(db_, "chunks", "bytes");
  Cursor chunk = db_.query("SELECT id FROM chunks WHERE blob=? ORDER BY part");
  chunk.bind(1, *stored.blob);
  std::span<std::byte> rest(out.bytes(), size);
  while (chunk.step()) {
    std::size_t part = reader.open(chunk.integer(0));
    if (part > rest.size()) fail_damaged(db_, id, "an array has other bytes");
    reader.read(rest.first(part));
    rest = rest.subspan(part);
  }
  if (!rest.empty() || hash_hex(bytes_in(out)) != hash)
    fail_damaged(db_, id, "the bytes of an array are not those of their hash");
  return out;
}

Tensor Placeholders::make(const StoredTensor& stored) {
  if (!stored.blob) return stored.small;
  // The address is unique and valid, the size is only claimed.
  auto address = std::make_shared<std::max_align_t>();
  auto storage = Storage::wrap(address.get(), bytes_of(stored), address, true);
  entries_[storage.get()] = {stored, storage, std::nullopt};
  return Tensor::view_bytes(storage, stored.dtype, stored.shape);
}

const StoredTensor* Placeholders::find(const Tensor& tensor) const {
  auto entry = entries_.find(tensor.storage().get());
  return entry == entries_.end() ? nullptr : &entry->second.stored;
}

void Placeholders::fill(Value& value, std::string_view id, TensorStore& store) {
  if (value.is_list()) {
    for (Value& item : value.as_list().items) fill(item, id, store);
  } else if (value.is_dict()) {
    for (auto& [_, item] : value.as_dict()) fill(item, id, store);
  } else if (value.is_tensor()) {
    Tensor& tensor = value.as_tensor();
    auto entry = entries_.find(tensor.storage().get());
    if (entry == entries_.end()) return;
    auto& loaded = entry->second.loaded;
    if (!loaded) loaded = store.load(entry->second.stored, id);
    Tensor filled = *loaded;
    filled.origin = tensor.origin;
    filled.numpy_scalar = tensor.numpy_scalar;
    tensor = std::move(filled);
  }
}

Tensor LazyTensors::operator()(const std::string& name) {
  if (!listed_) stored_ = store_.list(document_, id_);
  listed_ = true;
  auto found = stored_.find(name);
  if (found == stored_.end())
    fail_damaged(store_.connection(), id_,
                 str("array '", name, "' is missing"));
  return placeholders_.make(found->second);
}

}  // namespace ptutils::detail
