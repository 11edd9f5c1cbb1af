#include <doctest/doctest.h>

#include "module/check.h"
#include "ptutils/module/module.h"

using namespace ptutils;

namespace {

struct Leaf : Module {
  std::string class_name() const override { return "test.Leaf"; }
};

struct Everything : Module {
  bool flag = true;
  std::int64_t count = 3;
  double lr = .5;
  std::string name = "n";
  Value extra = Dict{{"a", 1}};
  Tensor weight = Tensor::of<float>({1, 2}, {2});
  std::shared_ptr<Leaf> leaf = std::make_shared<Leaf>();

  void fields(Fields& f) override {
    f("flag", flag);
    f("count", count);
    f("lr", lr);
    f("name", name);
    f("extra", extra);
    f("weight", weight);
    f("leaf", leaf);
    f(
        "twice", [this] { return Value(2 * count); },
        [this](const Value& v) { count = v.as_int("twice") / 2; });
  }
};

struct Reader : Fields {
  void child(std::string_view name, ChildSlot& slot) override {
    names.push_back(std::string(name));
    if (replace) slot.set(replacement);
  }
  void value(std::string_view name, ValueSlot& slot) override {
    names.push_back(std::string(name));
    values.set(std::string(name), slot.get());
    if (slot.fixed()) fixed.push_back(std::string(name));
    if (const Value* v = given.find(name)) slot.set(*v);
  }
  std::vector<std::string> names, fixed;
  Dict values, given;
  bool replace = false;
  ModulePtr replacement;
};

}  // namespace

TEST_CASE("a visitor sees the fields in declared order") {
  Everything m;
  Reader r;
  m.fields(r);
  CHECK(r.names == std::vector<std::string>{"flag", "count", "lr", "name",
                                            "extra", "weight", "leaf",
                                            "twice"});
  CHECK(r.values.at("count").as_int() == 3);
  CHECK(r.values.at("twice").as_int() == 6);
  CHECK(r.fixed == std::vector<std::string>{"weight"});
}

TEST_CASE("a visitor sets fields of every type") {
  Everything m;
  Reader r;
  Tensor given = Tensor::of<float>({7, 8}, {2});
  r.given = Dict{{"flag", false}, {"count", 9},       {"lr", 1},
                 {"name", "x"},   {"extra", nullptr}, {"weight", given}};
  std::byte* memory = m.weight.bytes();
  m.fields(r);
  CHECK(!m.flag);
  CHECK(m.count == 9);
  CHECK(m.lr == 1.0);
  CHECK(m.name == "x");
  CHECK(m.extra.is_null());
  CHECK(m.weight.bytes() == memory);  // copied into, not replaced
  CHECK(m.weight.data<float>()[1] == 8);
  given.data<float>()[1] = 0;
  CHECK(m.weight.data<float>()[1] == 8);
}

TEST_CASE("a loaded Value does not share the state's tensors") {
  Tensor shared = Tensor::zeros({1});
  Value out;
  detail::load(out, Dict{{"t", shared}}, "extra");
  shared.data<float>()[0] = 1;
  CHECK(out.find_path("t")->as_tensor().data<float>()[0] == 0);
}

TEST_CASE("a value of another type or shape is an error with its name") {
  bool flag = true;
  std::int64_t count = 0;
  std::string text;
  Tensor t = Tensor::zeros({2});
  CHECK_ERROR(detail::load(flag, 1, "m.flag"), Kind::kType,
              "[m.flag] true or false, not 1 (int)");
  CHECK_ERROR(detail::load(count, 1.5, "m.n"), Kind::kType, "[m.n] an integer");
  CHECK_ERROR(detail::load(text, 1, "m.s"), Kind::kType, "[m.s] a string");
  CHECK_ERROR(detail::load(t, 1, "m.w"), Kind::kType, "[m.w] a tensor, not 1");
  CHECK_ERROR(detail::load(t, Tensor::zeros({3}), "m.w"), Kind::kValue,
              "[m.w] shape (2,) f32, not (3,) f32");
  CHECK_ERROR(detail::load(t, Tensor::zeros({2}, DType::kF64), "m.w"),
              Kind::kValue, "not (2,) f64");
}

TEST_CASE("a child slot takes a module of its type, or nothing") {
  Everything m;
  Reader r;
  r.replace = true;
  auto other = std::make_shared<Leaf>();
  r.replacement = other;
  m.fields(r);
  CHECK(m.leaf == other);
  r.replacement = std::make_shared<Everything>();
  CHECK_ERROR(m.fields(r), Kind::kType, "another type");
  CHECK(m.leaf == other);
  r.replacement = nullptr;
  m.fields(r);
  CHECK(m.leaf == nullptr);
}
