#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "ptutils/database/detail/connection.h"
#include "ptutils/database/detail/tensor_store.h"
#include "ptutils/database/query.h"
#include "ptutils/formats/flatten.h"

/// Documents in the tables of an open database. Private to this folder.
namespace ptutils::detail {

/// A document's field as its index has it: NULL, a text, or 0 for the rest.
using Indexed = std::variant<std::monostate, std::string, std::int64_t>;

/// A document ready to be stored: its arrays are the caller's memory.
struct Document {
  std::string id;
  Flat flat;
  Indexed exp_id, kind;
  std::size_t bytes() const;
};

/// Kind::kType for what is no document, Kind::kValue for a wrong _id; makes an
/// _id where there is none.
Document make_document(const Value& value, const std::string& where);

/// The document of a row (seq, skeleton, sum), its checksum compared.
Value parse_document(Connection& db, const Cursor& row, std::string_view id,
                     LazyTensors& tensors);

bool has_document(Connection& db, const std::string& id);

/// Stores it, in place of one with its _id. In a transaction.
void put_document(Connection& db, const Document& document);

/// False: no such id. In a transaction.
bool remove_document(Connection& db, const std::string& id);

/// DBInterface::update, in a transaction.
bool update_document(Connection& db, const Query& query, const std::string& id,
                     const Value& set, const std::vector<std::string>& unset);

/// A query with what the tables can tell beforehand: a superset of the matches.
struct Plan {
  explicit Plan(const Value& query);
  Query query;
  std::string where;               ///< " WHERE …" of documents
  std::vector<Indexed> arguments;  ///< bound to it
};

/// In a transaction, so that arrays are those of the documents.
std::vector<Value> find_documents(Connection& db, const Value& query,
                                  const FindOptions& options);
std::vector<std::string> find_ids(Connection& db, const Value& query);

}  // namespace ptutils::detail
