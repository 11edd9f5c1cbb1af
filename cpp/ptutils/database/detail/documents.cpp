#include "ptutils/database/detail/documents.h"

#include "ptutils/common/process.h"
#include "ptutils/database/detail/row_sum.h"

namespace ptutils::detail {
namespace {

Indexed indexed(const Dict& document, std::string_view field) {
  const Value* value = document.find(field);
  if (!value) return std::monostate();
  if (value->is_string()) return value->as_string();
  return std::int64_t{0};
}

void bind(Cursor& cursor, int index, const Indexed& value) {
  if (auto* text = std::get_if<std::string>(&value))
    cursor.bind(index, *text);
  else if (auto* number = std::get_if<std::int64_t>(&value))
    cursor.bind(index, *number);
  else
    cursor.bind_null(index);
}

std::string checked_id(const Value& id, const std::string& where) {
  if (!id.is_string() || id.as_string().empty())
    fail(Kind::kValue, "SQLiteInterface", where,
         ": a document's _id is a string that is not empty, not ", id.repr());
  return id.as_string();
}

// exp_id and kind are only copies, for the indices.
std::int64_t row_sum(std::int64_t seq, std::string_view id,
                     std::string_view skeleton) {
  return RowSum().add(seq).add(id).add(skeleton).value();
}

void write_row(Connection& db, std::int64_t seq, const Document& document) {
  Cursor row = db.query(
      "UPDATE documents SET exp_id=?, kind=?, skeleton=?, sum=? WHERE seq=?");
  bind(row, 1, document.exp_id);
  bind(row, 2, document.kind);
  row.bind(3, document.flat.skeleton);
  row.bind(4, row_sum(seq, document.id, document.flat.skeleton));
  row.bind(5, seq).run();
}

std::int64_t add_row(Connection& db, const Document& document) {
  const std::int64_t seq =
      db.integer("SELECT ifnull(max(seq), 0) + 1 FROM documents");
  Cursor row = db.query(
      "INSERT INTO documents(seq, id, exp_id, kind, skeleton, sum) "
      "VALUES(?, ?, ?, ?, ?, ?)");
  row.bind(1, seq).bind(2, document.id);
  bind(row, 3, document.exp_id);
  bind(row, 4, document.kind);
  row.bind(5, document.flat.skeleton);
  row.bind(6, row_sum(seq, document.id, document.flat.skeleton)).run();
  return seq;
}

std::optional<std::int64_t> seq_of(Connection& db, const std::string& id) {
  Cursor row = db.query("SELECT seq FROM documents WHERE id=?");
  row.bind(1, id);
  if (!row.step()) return std::nullopt;
  return row.integer(0);
}

// The rows of tensors that an update changes; arrays it leaves alone are
// neither read nor written.
void update_tensors(TensorStore& store, std::int64_t seq, const Flat& flat,
                    const StoredTensors& before,
                    const Placeholders& placeholders) {
  auto unchanged = [&](const std::string& name, const Tensor& tensor) {
    auto old = before.find(name);
    if (old == before.end()) return false;
    if (const StoredTensor* stored = placeholders.find(tensor))
      return stored->blob == old->second.blob &&
             stored->dtype == old->second.dtype &&
             stored->shape == old->second.shape;
    return !old->second.blob && tensor.storage() == old->second.small.storage();
  };
  std::vector<const std::pair<std::string, Tensor>*> changed;
  StoredTensors gone = before;
  for (const auto& entry : flat.tensors) {
    if (unchanged(entry.first, entry.second))
      gone.erase(entry.first);
    else
      changed.push_back(&entry);
  }
  for (const auto& [name, _] : gone) store.forget(seq, name);
  for (const auto* entry : changed) {
    if (const StoredTensor* stored = placeholders.find(entry->second))
      store.put(seq, entry->first, *stored);
    else
      store.put(seq, entry->first, entry->second);
  }
  store.collect();
}

void apply_changes(Value& document, const std::string& id, const Value& set,
                   const std::vector<std::string>& unset,
                   const std::string& where) {
  for (const auto& [key, value] : set.as_dict("set"))
    document.set_path(to_string(key), value);
  for (const std::string& field : unset) remove_path(document, field);
  const Value* kept = document.as_dict().find("_id");
  if (!kept || !kept->is_string() || kept->as_string() != id)
    fail(Kind::kValue, "SQLiteInterface", where,
         ": update cannot change _id; save a new document and remove this one");
}

}  // namespace

std::size_t Document::bytes() const {
  std::size_t sum = flat.skeleton.size();
  for (const auto& [_, tensor] : flat.tensors) sum += tensor.nbytes();
  return sum;
}

Document make_document(const Value& value, const std::string& where) {
  if (!value.is_dict())
    fail(Kind::kType, "SQLiteInterface", where, ": save takes a dict, not ",
         value.repr());
  const Dict& dict = value.as_dict();
  Document out;
  out.exp_id = indexed(dict, "exp_id");
  out.kind = indexed(dict, "kind");
  if (const Value* id = dict.find("_id")) {
    out.id = checked_id(*id, where);
    out.flat = flatten(value, where);
    return out;
  }
  out.id = new_id();
  Dict with_id;
  with_id.kind = dict.kind;
  with_id.set("_id", out.id);
  for (const auto& [key, item] : dict) with_id.set(key, item);
  out.flat = flatten(with_id, where);
  return out;
}

Value parse_document(Connection& db, const Cursor& row, std::string_view id,
                     LazyTensors& tensors) {
  if (!row.is_null(2) &&
      row.integer(2) != row_sum(row.integer(0), id, row.text(1)))
    fail_damaged(db, id, "its checksum does not fit");
  return unflatten(row.text(1), std::ref(tensors), db.label());
}

bool has_document(Connection& db, const std::string& id) {
  return seq_of(db, id).has_value();
}

void put_document(Connection& db, const Document& document) {
  TensorStore store(db);
  auto seq = seq_of(db, document.id);
  // New rows before old blobs are collected: what stays is not written again.
  if (seq) {
    store.forget(*seq);
    write_row(db, *seq, document);
  } else {
    seq = add_row(db, document);
  }
  for (const auto& [name, tensor] : document.flat.tensors)
    store.put(*seq, name, tensor);
  store.collect();
}

bool remove_document(Connection& db, const std::string& id) {
  auto seq = seq_of(db, id);
  if (!seq) return false;
  TensorStore store(db);
  store.forget(*seq);
  db.query("DELETE FROM documents WHERE seq=?").bind(1, *seq).run();
  store.collect();
  return true;
}

bool update_document(Connection& db, const Query& query, const std::string& id,
                     const Value& set, const std::vector<std::string>& unset) {
  TensorStore store(db);
  Placeholders placeholders;
  Cursor row = db.query("SELECT seq, skeleton, sum FROM documents WHERE id=?");
  row.bind(1, id);
  if (!row.step()) return false;
  const std::int64_t seq = row.integer(0);
  LazyTensors tensors(store, seq, id, placeholders);
  Value document = parse_document(db, row, id, tensors);
  if (!query.matches(document)) return false;
  apply_changes(document, id, set, unset, db.label());
  Document changed = make_document(document, db.label());
  write_row(db, seq, changed);
  if (!tensors.stored().empty() || !changed.flat.tensors.empty())
    update_tensors(store, seq, changed.flat, tensors.stored(), placeholders);
  return true;
}

}  // namespace ptutils::detail
