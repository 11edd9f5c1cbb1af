#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <utility>

namespace ptutils {

/// Sizes or strides of a tensor, in elements; empty for a 0-d one. As
/// std::vector<std::int64_t>, but up to kInline of them are kept in place, so
/// that to copy a tensor's handle, or to take a view, allocates nothing.
class Dims {
 public:
  using value_type = std::int64_t;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = value_type&;
  using const_reference = const value_type&;
  using iterator = value_type*;
  using const_iterator = const value_type*;
  static constexpr size_type kInline = 4;

  Dims() {}
  explicit Dims(size_type size, value_type value = 0) {
    std::fill_n(grow(size), size, value);
  }
  Dims(std::initializer_list<value_type> values)
      : Dims(values.begin(), values.end()) {}
  template <std::forward_iterator I>
  Dims(I first, I last) {
    std::copy(first, last,
              grow(static_cast<size_type>(std::distance(first, last))));
  }
  Dims(const Dims& other) : Dims(other.begin(), other.end()) {}
  Dims(Dims&& other) noexcept { take(other); }
  Dims& operator=(const Dims& other) {
    if (this != &other) assign(other.begin(), other.end());
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept {
    if (this == &other) return *this;
    release();
    take(other);
    return *this;
  }
  ~Dims() { release(); }

  size_type size() const { return size_; }
  bool empty() const { return size_ == 0; }
  value_type* data() { return heaped() ? heap_ : inline_; }
  const value_type* data() const { return heaped() ? heap_ : inline_; }
  iterator begin() { return data(); }
  iterator end() { return data() + size_; }
  const_iterator begin() const { return data(); }
  const_iterator end() const { return data() + size_; }
  reference operator[](size_type i) { return data()[i]; }
  const_reference operator[](size_type i) const { return data()[i]; }
  reference front() { return data()[0]; }
  const_reference front() const { return data()[0]; }
  reference back() { return data()[size_ - 1]; }
  const_reference back() const { return data()[size_ - 1]; }

  void clear() { size_ = 0; }
  void reserve(size_type size) {
    if (size <= capacity_) return;
    size = std::max<size_type>(size, size_type{2} * capacity_);
    auto* moved = new value_type[size];
    std::copy(begin(), end(), moved);
    release();
    heap_ = moved;
    capacity_ = static_cast<std::uint32_t>(size);
  }
  void resize(size_type size, value_type value = 0) {
    const size_type before = size_;
    grow(size);
    if (size > before) std::fill(begin() + before, end(), value);
  }
  /// The values may not be this one's own.
  template <std::forward_iterator I>
  void assign(I first, I last) {
    clear();
    std::copy(first, last,
              grow(static_cast<size_type>(std::distance(first, last))));
  }
  void push_back(value_type value) {
    grow(size_type{size_} + 1);
    back() = value;
  }
  void pop_back() { --size_; }
  iterator insert(const_iterator at, value_type value) {
    return insert(at, &value, &value + 1);
  }
  iterator insert(const_iterator at, std::initializer_list<value_type> values) {
    return insert(at, values.begin(), values.end());
  }
  /// The values may not be this one's own.
  template <std::forward_iterator I>
  iterator insert(const_iterator at, I first, I last) {
    const std::ptrdiff_t where = at - begin();
    const std::ptrdiff_t before = end() - begin();
    grow(size_ + static_cast<size_type>(std::distance(first, last)));
    std::copy_backward(begin() + where, begin() + before, end());
    std::copy(first, last, begin() + where);
    return begin() + where;
  }
  iterator erase(const_iterator at) {
    auto* hole = begin() + (at - begin());
    std::copy(hole + 1, end(), hole);
    pop_back();
    return hole;
  }

  friend bool operator==(const Dims& a, const Dims& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }
  friend auto operator<=>(const Dims& a, const Dims& b) {
    return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(),
                                                  b.end());
  }

 private:
  bool heaped() const { return capacity_ > kInline; }
  /// To `size`, what is new being uninitialised.
  value_type* grow(size_type size) {
    reserve(size);
    size_ = static_cast<std::uint32_t>(size);
    return data();
  }
  void release() {
    if (heaped()) delete[] heap_;
    capacity_ = kInline;
  }
  /// This one holds nothing; `other` will be empty.
  void take(Dims& other) {
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, kInline);
    if (heaped())
      heap_ = other.heap_;
    else
      std::copy_n(other.inline_, kInline, inline_);
  }

  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = kInline;
  union {
    value_type inline_[kInline] = {};
    value_type* heap_;
  };
};

}  // namespace ptutils
