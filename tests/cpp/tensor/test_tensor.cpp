#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/check.h"

using namespace ptutils;

TEST_CASE("fresh memory is aligned, and a recycled block is the right size") {
  for (std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64},
        std::size_t{257}, std::size_t{4097}, std::size_t{1} << 20}) {
    for (int round = 0; round < 3; ++round) {
      auto a = Storage::allocate(bytes);
      auto b = Storage::allocate(bytes);
      CHECK(a->bytes() == bytes);
      CHECK(reinterpret_cast<std::uintptr_t>(a->data()) % 64 == 0);
      CHECK(a->data() != b->data());
      std::memset(a->data(), 1, bytes);
      std::memset(b->data(), 2, bytes);
      for (std::size_t i = 0; i < bytes; ++i)
        if (a->data()[i] != std::byte{1}) FAIL("blocks overlap");
    }
  }
}

TEST_CASE("an allocation that cannot be is Kind::kMemory") {
  CHECK_KIND(Storage::allocate(std::size_t{1} << 62), Kind::kMemory);
}

TEST_CASE("wrapped memory lives as long as its last view") {
  auto owner = std::make_shared<std::vector<float>>(6, 1.5f);
  std::weak_ptr<std::vector<float>> alive = owner;
  float* data = owner->data();
  Tensor row;
  {
    Tensor all =
        Tensor::view_bytes(Storage::wrap(data, 24, owner), DType::kF32, {2, 3});
    owner.reset();
    row = all.select(0, 1);
  }
  CHECK(row.data<float>() == data + 3);
  CHECK(!alive.expired());
  row = Tensor();
  CHECK(alive.expired());
}

TEST_CASE("memory without an owner is not freed") {
  static float numbers[2] = {1, 2};
  Tensor t =
      Tensor::view_bytes(Storage::wrap(numbers, 8, nullptr), DType::kF32, {2});
  CHECK(t.clone().data<float>()[1] == 2);
}

TEST_CASE("a default tensor has no elements") {
  Tensor t;
  CHECK(t.numel() == 0);
  CHECK(t.shape() == Dims{0});
  CHECK(t.dtype() == DType::kF32);
  CHECK(!t.read_only());
  CHECK(t.identical(Tensor::empty({0})));
}

TEST_CASE("zeros and full of every dtype") {
  for (DType dtype : every_dtype()) {
    Tensor z = Tensor::zeros({3, 5}, dtype);
    for (std::size_t i = 0; i < z.nbytes(); ++i)
      CHECK(z.bytes()[i] == std::byte{0});
    Tensor one = Tensor::full({7}, 1, dtype);
    if (!is_complex(dtype)) CHECK(one.select(0, 6).item_f64() == 1);
  }
  CHECK(Tensor::full({2}, 1, DType::kC64)
            .identical(Tensor::of<std::complex<float>>({1, 1}, {2})));
  CHECK(Tensor::full({}, -1, DType::kU8).item<int>() == 255);
  CHECK(
      Tensor::full({}, 0x1p63, DType::kU64)
          .identical(Tensor::scalar_of<std::uint64_t>(std::uint64_t{1} << 63)));
}

TEST_CASE("the number of elements must suit the shape") {
  CHECK_KIND(Tensor::of<float>({1, 2, 3}, {2, 2}), Kind::kValue);
}

TEST_CASE("a shape that overflows is an error, with a zero size too") {
  const std::int64_t big = std::int64_t{1} << 40;
  CHECK_KIND(count_elements(Dims{big, big}), Kind::kValue);
  CHECK_KIND(count_elements(Dims{big, 0, big}), Kind::kValue);
  CHECK_KIND(count_elements(Dims{std::int64_t{1} << 61}, 8), Kind::kValue);
  CHECK_KIND(count_elements(Dims{2, -1}), Kind::kValue);
  CHECK_KIND(count_elements(Dims(65, 1)), Kind::kValue);
  CHECK(count_elements(Dims{}) == 1);
  CHECK(count_elements(Dims{3, 0}) == 0);
  CHECK(count_elements(Dims{std::int64_t{1} << 59}, 8) == std::int64_t{1}
                                                              << 59);
}

TEST_CASE("a view must stay inside its storage") {
  auto storage = Storage::allocate(6 * 4);
  auto view = [&](Dims shape, Dims strides, std::int64_t offset) {
    return Tensor::view(storage, DType::kF32, shape, strides, offset);
  };
  CHECK(view({2, 3}, {3, 1}, 0).numel() == 6);
  CHECK(view({3}, {2}, 1).numel() == 3);
  CHECK(view({3}, {-1}, 2).numel() == 3);
  CHECK(view({0}, {1}, 6).numel() == 0);
  CHECK_KIND(view({2, 3}, {3, 1}, 1), Kind::kValue);
  CHECK_KIND(view({3}, {-1}, 1), Kind::kValue);
  CHECK_KIND(view({1}, {1}, -1), Kind::kValue);
  CHECK_KIND(view({0}, {1}, 7), Kind::kValue);
  CHECK_KIND(view({2}, {std::numeric_limits<std::int64_t>::max()}, 1),
             Kind::kValue);
  CHECK_KIND(view({2}, {1, 1}, 0), Kind::kValue);
  CHECK_KIND(Tensor::view_bytes(storage, DType::kF32, {6}, 1), Kind::kValue);
  CHECK_KIND(Tensor::view_bytes(storage, DType::kF32, {1}, ~std::size_t{0}),
             Kind::kValue);
  CHECK(Tensor::view_bytes(storage, DType::kF32, {5}, 1).numel() == 5);
}

TEST_CASE("data of another type is Kind::kType") {
  CHECK_KIND(Tensor::zeros({1}).data<double>(), Kind::kType);
}

TEST_CASE("item is exact for integers and refuses what is not one number") {
  const std::int64_t big = (std::int64_t{1} << 53) + 1;
  CHECK(Tensor::scalar_of(big).item<std::int64_t>() == big);
  CHECK(Tensor::scalar_of(3.7).item<int>() == 3);
  CHECK(Tensor::scalar_of(true).item_i64() == 1);
  CHECK(Tensor::scalar_of(f16(0.5f)).item_f64() == 0.5);
  CHECK(Tensor::scalar_of(bf16(-2.0f)).item<float>() == -2);
  CHECK_KIND(Tensor::zeros({2}).item_f64(), Kind::kValue);
  CHECK_KIND(Tensor::zeros({0}).item_i64(), Kind::kValue);
  CHECK_KIND(Tensor::scalar_of(~std::uint64_t{0}).item_i64(), Kind::kValue);
  CHECK_KIND(Tensor::scalar_of(std::nan("")).item_i64(), Kind::kValue);
  CHECK_KIND(Tensor::scalar_of(std::complex<float>(1)).item_f64(), Kind::kType);
}

TEST_CASE("unaligned data is read right") {
  std::vector<std::byte> raw(1 + 4 * sizeof(double));
  const double values[4] = {1, 2, 3, 4};
  std::memcpy(raw.data() + 1, values, sizeof values);
  auto storage = Storage::wrap(raw.data(), raw.size(), nullptr);
  Tensor t = Tensor::view_bytes(storage, DType::kF64, {2, 2}, 1);
  // The vector is 16-byte aligned, so byte 1 is not.
  CHECK(!t.aligned());
  CHECK(t.select(0, 1).select(0, 0).item_f64() == 3);
  Tensor u = t.transpose(0, 1);
  CHECK(same(u.clone(), {1, 3, 2, 4}));
  CHECK(t.to_contiguous().aligned());
}

TEST_CASE("identical looks at bits, origin and the scalar flag") {
  Tensor nan = Tensor::scalar_of(std::nanf("1"));
  CHECK(nan.identical(nan.clone()));
  CHECK(!nan.identical(Tensor::scalar_of(std::nanf("2"))));
  CHECK(!Tensor::scalar_of(0.0).identical(Tensor::scalar_of(-0.0)));
  Tensor t = Tensor::of<int>({1, 2, 3, 4}, {2, 2});
  CHECK(t.identical(t.clone()));
  CHECK(!t.identical(t.reshape({4})));
  CHECK(!t.identical(t.transpose(0, 1)));
  CHECK(t.transpose(0, 1).identical(Tensor::of<int>({1, 3, 2, 4}, {2, 2})));
  Tensor numpy = t.clone();
  numpy.origin = Origin::kNumpy;
  CHECK(!t.identical(numpy));
  CHECK(numpy.clone().identical(numpy));
  CHECK(numpy.select(0, 0).origin == Origin::kNumpy);
}

TEST_CASE("copy_from checks shape, dtype and read-only memory") {
  Tensor a = Tensor::zeros({2, 2});
  a.copy_from(Tensor::of<float>({1, 2, 3, 4}, {2, 2}).transpose(0, 1));
  CHECK(same(a, {1, 3, 2, 4}));
  CHECK_KIND(a.copy_from(Tensor::zeros({4})), Kind::kValue);
  CHECK_KIND(a.copy_from(Tensor::zeros({2, 2}, DType::kF64)), Kind::kType);
  static float fixed[1] = {1};
  Tensor locked = Tensor::view_bytes(Storage::wrap(fixed, 4, nullptr, true),
                                     DType::kF32, {1});
  CHECK(locked.read_only());
  CHECK_KIND(locked.copy_from(Tensor::zeros({1})), Kind::kValue);
}

TEST_CASE("copy_from an overlapping view copies what was there before") {
  Tensor a = counting({4, 4});
  Tensor before = a.clone();
  a.copy_from(a.transpose(0, 1));
  CHECK(a.identical(before.transpose(0, 1)));
  Tensor line = counting({6});
  line.slice(0, 1, 6).copy_from(line.slice(0, 0, 5));
  CHECK(same(line, {0, 0, 1, 2, 3, 4}));
}

TEST_CASE("clones of every layout and item size") {
  for (DType dtype : every_dtype()) {
    auto item = static_cast<std::int64_t>(item_size(dtype));
    Tensor raw = Tensor::empty({70, 3, 45 * item}, DType::kU8);
    for (std::int64_t i = 0; i < raw.numel(); ++i)
      raw.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    Tensor t = Tensor::view_bytes(raw.storage(), dtype, {70, 3, 45});
    for (Dims order : {Dims{0, 2, 1}, Dims{2, 1, 0}, Dims{2, 0, 1}}) {
      Tensor view = t.permute(order);
      Tensor copy = view.clone();
      CHECK(copy.contiguous());
      bool equal = true;
      for (std::int64_t i = 0; i < view.size(0); ++i)
        for (std::int64_t j = 0; j < view.size(1); ++j)
          for (std::int64_t k = 0; k < view.size(2); ++k) {
            Tensor x = view.select(0, i).select(0, j).select(0, k);
            std::int64_t at = (i * view.size(1) + j) * view.size(2) + k;
            equal &= std::memcmp(x.bytes(), copy.bytes() + at * item,
                                 static_cast<std::size_t>(item)) == 0;
            if (k > 3 && k < view.size(2) - 3) k += 5;
          }
      CHECK(equal);
    }
  }
}
