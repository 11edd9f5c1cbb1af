#include "tensor/check.h"

using namespace ptutils;

TEST_CASE("views share memory") {
  Tensor t = counting({2, 3});
  t.transpose(0, 1).select(0, 2).data<float>()[0] = 9;
  CHECK(same(t, {0, 1, 9, 3, 4, 5}));
  CHECK(t.reshape({3, 2}).bytes() == t.bytes());
  CHECK(t.flatten().storage() == t.storage());
}

TEST_CASE("reshape infers one size, and copies only when it must") {
  Tensor t = counting({2, 3, 4});
  CHECK(t.reshape({-1}).shape() == Dims{24});
  CHECK(t.reshape({4, -1}).shape() == Dims{4, 6});
  CHECK(t.reshape({6, 2, 2}).storage() == t.storage());
  Tensor u = t.transpose(0, 1);  // (3, 2, 4)
  CHECK(u.reshape({3, 2, 2, 2}).storage() == t.storage());
  CHECK(u.reshape({3, 1, 2, 4}).storage() == t.storage());
  CHECK(u.reshape({6, 4}).storage() != t.storage());
  CHECK(same(u.reshape({6, 4}).select(0, 1), {12, 13, 14, 15}));
  CHECK(same(u.reshape({3, 2, 2, 2}).select(0, 1).select(0, 1),
             {16, 17, 18, 19}));
  Tensor flat = t.transpose(1, 2).reshape({24});
  CHECK(same(flat.slice(0, 0, 4), {0, 4, 8, 1}));
  CHECK_KIND(t.reshape({5, -1}), Kind::kValue);
  CHECK_KIND(t.reshape({-1, -1}), Kind::kValue);
  CHECK_KIND(t.reshape({25}), Kind::kValue);
  CHECK_KIND(Tensor::zeros({0, 3}).reshape({-1, 0}), Kind::kValue);
  CHECK(Tensor::zeros({0, 3}).reshape({-1, 3}).shape() == Dims{0, 3});
  CHECK(Tensor::scalar_of(1.0).reshape({1, 1}).shape() == Dims{1, 1});
  CHECK(counting({1, 1}).reshape({}).dim() == 0);
}

TEST_CASE("reshape of a broadcast view keeps the repeated elements") {
  Tensor t = counting({2, 1}).broadcast_to({2, 3});
  CHECK(same(t.reshape({6}), {0, 0, 0, 1, 1, 1}));
  CHECK(same(t.transpose(0, 1).reshape({6}), {0, 1, 0, 1, 0, 1}));
}

TEST_CASE("flatten from a dimension") {
  CHECK(counting({2, 3, 4}).flatten(1).shape() == Dims{2, 12});
  CHECK(counting({2, 3, 4}).flatten(-1).shape() == Dims{2, 3, 4});
  CHECK(Tensor::scalar_of(1.0).flatten().shape() == Dims{1});
  CHECK_KIND(counting({2}).flatten(1), Kind::kIndex);
}

TEST_CASE("slice follows Python") {
  Tensor t = counting({10});
  CHECK(same(t.slice(0, 2, 5), {2, 3, 4}));
  CHECK(same(t.slice(0, -3, 10), {7, 8, 9}));
  CHECK(same(t.slice(0, 0, -8), {0, 1}));
  CHECK(same(t.slice(0, 1, 100, 4), {1, 5, 9}));
  CHECK(t.slice(0, 5, 2).numel() == 0);
  CHECK(t.slice(0, 50, 60).numel() == 0);
  CHECK(same(t.slice(0, -50, 1), {0}));
  CHECK(same(t.slice(0, 3, 9, std::int64_t{1} << 62), {3}));
  CHECK_KIND(t.slice(0, 0, 5, 0), Kind::kValue);
  CHECK_KIND(t.slice(1, 0, 5), Kind::kIndex);
  CHECK(same(counting({3, 4}).slice(1, 1, 4, 2), {1, 3, 5, 7, 9, 11}));
}

TEST_CASE("select drops a dimension") {
  Tensor t = counting({2, 3});
  CHECK(same(t.select(0, -1), {3, 4, 5}));
  CHECK(same(t.select(-1, 1), {1, 4}));
  CHECK_KIND(t.select(0, 2), Kind::kIndex);
  CHECK_KIND(t.select(0, -3), Kind::kIndex);
  CHECK_KIND(t.select(2, 0), Kind::kIndex);
  CHECK(Tensor::zeros({3, 0}).select(0, 2).shape() == Dims{0});
}

TEST_CASE("permute, squeeze and unsqueeze") {
  Tensor t = counting({2, 1, 3});
  CHECK(t.permute({2, 0, 1}).shape() == Dims{3, 2, 1});
  CHECK(t.permute({-1, 0, 1}).shape() == Dims{3, 2, 1});
  CHECK_KIND(t.permute({0, 0, 1}), Kind::kValue);
  CHECK_KIND(t.permute({0, 1}), Kind::kValue);
  CHECK(t.squeeze(1).shape() == Dims{2, 3});
  CHECK(t.squeeze(0).shape() == Dims{2, 1, 3});
  CHECK(t.unsqueeze(-1).shape() == Dims{2, 1, 3, 1});
  CHECK(t.unsqueeze(0).shape() == Dims{1, 2, 1, 3});
  CHECK(t.unsqueeze(1).contiguous());
  CHECK_KIND(t.unsqueeze(5), Kind::kIndex);
  CHECK(t.size(-1) == 3);
  CHECK_KIND(t.size(3), Kind::kIndex);
}

TEST_CASE("broadcasting") {
  CHECK(broadcast_shapes({3, 1}, {4}) == Dims{3, 4});
  CHECK(broadcast_shapes({}, {2, 0}) == Dims{2, 0});
  CHECK(broadcast_shapes({1}, {0}) == Dims{0});
  CHECK_KIND(broadcast_shapes({2}, {3}), Kind::kValue);
  CHECK_KIND(broadcast_shapes({2, 3}, {3, 3}), Kind::kValue);
  Tensor t = counting({3, 1});
  CHECK(same(t.broadcast_to({2, 3, 2}), {0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2}));
  CHECK(t.broadcast_to({2, 3, 2}).storage() == t.storage());
  CHECK_KIND(t.broadcast_to({2, 2}), Kind::kValue);
  CHECK_KIND(t.broadcast_to({3}), Kind::kValue);
}
