#pragma once

#include <complex>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ptutils/tensor/tensor.h"

namespace ptutils {

class Value;

/// A dictionary's key: a string, or an integer (as in torch's optimizer state).
using Key = std::variant<std::string, std::int64_t>;
/// "name" or "3".
PTUTILS_API std::string to_string(const Key& key);

/// Raw bytes (Python's bytes); a std::string in a Value is UTF-8 text.
struct Bytes {
  std::string data;
  bool operator==(const Bytes&) const = default;
};

/// An integer outside int64, as canonical decimal text
/// ("-9223372036854775809").
struct BigInt {
  std::string digits;
  bool operator==(const BigInt&) const = default;
};

/// A date and time of day as written on its own clock, with that clock's offset
/// from UTC when it has one (Python's datetime, naive or aware).
struct Time {
  std::int64_t microseconds = 0;  ///< since 1970-01-01T00:00:00 on that clock
  std::optional<std::int32_t> utc_offset;  ///< seconds
  bool fold = false;  ///< the second of two equal times, when clocks go back
  bool operator==(const Time&) const = default;
};

/// An object of another language or a built Module inside a Value: carried, not
/// understood; no codec takes it (Opaque in a save is an error with the path).
class PTUTILS_API Opaque {
 public:
  virtual ~Opaque();
  virtual std::string type_name() const = 0;
  /// What to do where it cannot be saved.
  virtual std::string advice() const { return "leave it out"; }
};

/// An ordered sequence; `tuple` tells Python's tuple from its list.
struct List {
  std::vector<Value> items;
  bool tuple = false;
};

/// Which dict type it is in Python; no difference in C++.
enum class DictKind : std::uint8_t {
  kPlain,
  kState,
  kConfiguration,
  kOrdered,  ///< collections.OrderedDict
  kCounter   ///< collections.Counter
};

/// An ordered dictionary: insertion order is kept and is part of equality.
/// Look-ups are linear up to 8 entries, indexed above (the index is built on
/// the first look-up; concurrent const look-ups want one first).
class PTUTILS_API Dict {
 public:
  using Entry = std::pair<Key, Value>;
  Dict();
  Dict(std::initializer_list<std::pair<std::string_view, Value>> entries);
  Dict(const Dict&);
  Dict(Dict&&) noexcept;
  Dict& operator=(const Dict&);
  Dict& operator=(Dict&&) noexcept;
  ~Dict();

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  /// nullptr when absent.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  // By Key exactly: a literal or a std::string would fit both forms.
  template <std::same_as<Key> K>
  const Value* find(const K& key) const {
    return find_key(key);
  }
  template <std::same_as<Key> K>
  Value* find(const K& key) {
    return const_cast<Value*>(std::as_const(*this).find_key(key));
  }
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  /// Kind::kKey with the nearest names when absent.
  const Value& at(std::string_view key) const;
  /// Finds, or appends null.
  Value& operator[](std::string_view key);
  template <std::same_as<Key> K>
  Value& operator[](const K& key) {
    return find_or_append(key);
  }
  void set(Key key, Value value);  ///< replaces in place, or appends
  bool erase(std::string_view key);
  template <std::same_as<Key> K>
  bool erase(const K& key) {
    return erase_key(key);
  }
  std::vector<std::string> keys() const;  ///< as text
  void reserve(std::size_t size);         ///< entries to come

  // Order of insertion.
  std::vector<Entry>::const_iterator begin() const;
  std::vector<Entry>::const_iterator end() const;
  std::vector<Entry>::iterator begin();
  std::vector<Entry>::iterator end();

  DictKind kind = DictKind::kPlain;

 private:
  struct Index;
  template <class K>
  const Value* look_up(const K& key) const;
  const Value* find_key(const Key& key) const;
  Value& find_or_append(const Key& key);
  bool erase_key(const Key& key);
  void append(Key key, Value value);

  std::vector<Entry> entries_;
  mutable std::unique_ptr<Index> index_;  // above 8 entries, after a look-up
};

/// The one dynamic type of the core: what a state, a configuration, a document
/// or a request is made of. A value type: copies are deep, but a Tensor is a
/// handle (its memory is shared; clone() makes it separate).
class PTUTILS_API Value {
 public:
  enum class Type : std::uint8_t {
    kNull,
    kBool,
    kInt,
    kDouble,
    kComplex,
    kString,
    kBytes,
    kBigInt,
    kTime,
    kTensor,
    kList,
    kDict,
    kOpaque,
  };

  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool v) : data_(v) {}
  template <class T>
  requires(std::is_integral_v<T> && !std::same_as<T, bool>) Value(T v) {
    set_integer(static_cast<std::int64_t>(v), !std::is_signed_v<T>);
  }
  Value(double v) : data_(v) {}
  Value(std::complex<double> v) : data_(v) {}
  Value(const char* v) : data_(std::string(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(std::string_view v) : data_(std::string(v)) {}
  Value(Bytes v) : data_(std::move(v)) {}
  Value(BigInt v) : data_(std::move(v)) {}
  Value(Time v) : data_(v) {}
  Value(Tensor v);
  Value(List v);
  Value(Dict v);
  Value(std::shared_ptr<Opaque> v) : data_(std::move(v)) {}
  /// A list: Value::list({1, "two", 3.0}).
  static Value list(std::vector<Value> items, bool tuple = false);

  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();

  Type type() const { return static_cast<Type>(data_.index()); }
  std::string_view type_name() const;  ///< "null", "int", "dict" …
  bool is_null() const { return type() == Type::kNull; }
  bool is_bool() const { return type() == Type::kBool; }
  bool is_int() const { return type() == Type::kInt; }
  bool is_double() const { return type() == Type::kDouble; }
  bool is_number() const { return is_int() || is_double(); }
  bool is_complex() const { return type() == Type::kComplex; }
  bool is_string() const { return type() == Type::kString; }
  bool is_bytes() const { return type() == Type::kBytes; }
  bool is_bigint() const { return type() == Type::kBigInt; }
  bool is_time() const { return type() == Type::kTime; }
  bool is_tensor() const { return type() == Type::kTensor; }
  bool is_list() const { return type() == Type::kList; }
  bool is_dict() const { return type() == Type::kDict; }
  bool is_opaque() const { return type() == Type::kOpaque; }

  // Kind::kType naming `where` (a path such as "model.lr") and the value.
  bool as_bool(std::string_view where = "Value") const;
  std::int64_t as_int(std::string_view where = "Value") const;
  double as_double(std::string_view where = "Value") const;  ///< int too
  std::complex<double> as_complex(std::string_view where = "Value") const;
  const std::string& as_string(std::string_view where = "Value") const;
  const Bytes& as_bytes(std::string_view where = "Value") const;
  const BigInt& as_bigint(std::string_view where = "Value") const;
  const Time& as_time(std::string_view where = "Value") const;
  const Tensor& as_tensor(std::string_view where = "Value") const;
  Tensor& as_tensor(std::string_view where = "Value");
  const List& as_list(std::string_view where = "Value") const;
  List& as_list(std::string_view where = "Value");
  const Dict& as_dict(std::string_view where = "Value") const;
  Dict& as_dict(std::string_view where = "Value");
  const std::shared_ptr<Opaque>& as_opaque(
      std::string_view where = "Value") const;

  /// The value at a dotted path ("model.optimizer.lr", "callbacks.0.func"):
  /// through dicts (the longest key that fits, so keys with dots are found)
  /// and list positions; nullptr when there is none.
  const Value* find_path(std::string_view dotted) const;
  /// Sets it, making dicts on the way; Kind::kType when a step is neither.
  void set_path(std::string_view dotted, Value value);

  /// The same types, order, bits (NaN payloads included), origins and flags;
  /// Opaque by address.
  bool identical(const Value& other) const;
  /// One line for messages and reprs, cut at about `limit` characters.
  std::string repr(std::size_t limit = 120) const;
  /// What it is, for messages: "shape (2, 3) f32", else the type.
  std::string summary() const;
  /// Deep copy with tensors cloned.
  Value clone() const;

 private:
  template <class T>
  class Box {  // a deep-copying pointer: keeps Value at 40 bytes
   public:
    explicit Box(T v) : p_(std::make_unique<T>(std::move(v))) {}
    Box(const Box& o) : p_(std::make_unique<T>(*o.p_)) {}
    Box(Box&&) noexcept = default;
    Box& operator=(const Box& o) {
      p_ = std::make_unique<T>(*o.p_);
      return *this;
    }
    Box& operator=(Box&&) noexcept = default;
    T& operator*() const { return *p_; }

   private:
    std::unique_ptr<T> p_;
  };
  void set_integer(std::int64_t v, bool is_unsigned);

  std::variant<std::monostate, bool, std::int64_t, double, std::complex<double>,
               std::string, Bytes, BigInt, Time, Box<Tensor>, Box<List>,
               Box<Dict>, std::shared_ptr<Opaque>>
      data_;
};

}  // namespace ptutils
