#include "ptutils/database/detail/raw.h"

namespace ptutils::detail {
namespace {

void bind_value(Cursor& cursor, int index, const Value& value) {
  switch (value.type()) {
    case Value::Type::kNull:
      cursor.bind_null(index);
      return;
    case Value::Type::kBool:
      cursor.bind(index, std::int64_t{value.as_bool()});
      return;
    case Value::Type::kInt:
      cursor.bind(index, value.as_int());
      return;
    case Value::Type::kDouble:
      sqlite3_bind_double(cursor.handle(), index, value.as_double());
      return;
    case Value::Type::kString:
      cursor.bind(index, value.as_string());
      return;
    case Value::Type::kBytes:
      cursor.bind(index, std::as_bytes(std::span(value.as_bytes().data)));
      return;
    default:
      fail(Kind::kType, "SQLiteInterface.execute", "parameter ", index,
           ": SQL takes null, bool, int, double, string and bytes, not ",
           value.repr());
  }
}

void bind_list(Cursor& cursor, const List& params) {
  int count = sqlite3_bind_parameter_count(cursor.handle());
  if (static_cast<std::size_t>(count) != params.items.size())
    fail(Kind::kValue, "SQLiteInterface.execute", "the statement has ", count,
         " parameters, ", params.items.size(), " are given");
  for (int i = 0; i < count; ++i)
    bind_value(cursor, i + 1, params.items[static_cast<std::size_t>(i)]);
}

void bind_dict(Cursor& cursor, const Dict& params) {
  int count = sqlite3_bind_parameter_count(cursor.handle());
  for (int i = 1; i <= count; ++i) {
    const char* name = sqlite3_bind_parameter_name(cursor.handle(), i);
    if (!name || *name == '?')
      fail(Kind::kValue, "SQLiteInterface.execute", "parameter ", i,
           " has no name; give a list, or write :name in the statement");
    bind_value(cursor, i, params.at(name + 1));
  }
}

Value column_value(const Cursor& cursor, int column) {
  switch (sqlite3_column_type(cursor.handle(), column)) {
    case SQLITE_INTEGER:
      return cursor.integer(column);
    case SQLITE_FLOAT:
      return sqlite3_column_double(cursor.handle(), column);
    case SQLITE_TEXT:
      return cursor.text(column);
    case SQLITE_BLOB: {
      auto bytes = cursor.bytes(column);
      return Bytes{std::string(reinterpret_cast<const char*>(bytes.data()),
                               bytes.size())};
    }
    default:
      return nullptr;
  }
}

}  // namespace

Value execute_raw(Connection& db, const std::string& sql, const Value& params) {
  const List none;  // what is bound must outlive the steps: no copies
  Cursor cursor = db.query_once(sql);
  if (params.is_dict())
    bind_dict(cursor, params.as_dict());
  else
    bind_list(cursor, params.is_null() ? none : params.as_list("params"));
  List rows;
  while (cursor.step()) {
    Dict row;
    for (int i = 0; i < sqlite3_column_count(cursor.handle()); ++i)
      row.set(std::string(sqlite3_column_name(cursor.handle(), i)),
              column_value(cursor, i));
    rows.items.push_back(std::move(row));
  }
  return rows;
}

}  // namespace ptutils::detail
