#include "module/check.h"
#include "module/classes.h"
#include "ptutils/module/module.h"

// A module's state: taken, checked, loaded whole or in part; its tree.

using namespace ptutils;

namespace {

Tensor floats(std::initializer_list<float> values) {
  std::vector<float> all(values);
  return Tensor::from<float>(all, {static_cast<std::int64_t>(all.size())});
}

struct ModuleLeaf : Module {
  explicit ModuleLeaf(Tensor w) : weight(std::move(w)) {}
  std::string class_name() const override { return "test.Leaf"; }
  void fields(Fields& f) override {
    f("weight", weight);
    f("count", count);
  }
  Tensor weight;
  std::int64_t count = 0;
};

struct Tree : Module {
  std::string class_name() const override { return "test.Tree"; }
  void fields(Fields& f) override {
    f("left", left);
    f("right", right);
    f("items.0", first);
    f("items.1", second);
    f("name", name);
    f("secret", secret);
    f("back", back);
  }
  Meta meta() const override {
    Meta m;
    m.exclude = {"secret"};
    return m;
  }
  std::shared_ptr<ModuleLeaf> left =
      std::make_shared<ModuleLeaf>(floats({1, 2}));
  std::shared_ptr<ModuleLeaf> right = std::make_shared<ModuleLeaf>(floats({3}));
  std::shared_ptr<ModuleLeaf> first = std::make_shared<ModuleLeaf>(floats({4}));
  std::shared_ptr<ModuleLeaf> second =
      std::make_shared<ModuleLeaf>(floats({5}));
  std::string name = "oak", secret = "hidden";
  ModulePtr back;
};

}  // namespace

TEST_CASE("A state holds the fields and the children's states, in order") {
  Tree tree;
  Value state = tree.state_dict();
  CHECK(state.as_dict().kind == DictKind::kState);
  CHECK(state.as_dict().keys() ==
        std::vector<std::string>{"left", "right", "items", "name"});
  CHECK(state.find_path("items.1.weight")->as_tensor().item<float>() == 5);
}

TEST_CASE("A state stays what it was; without a copy it follows the module") {
  Tree tree;
  Value kept = tree.state_dict(), alias = tree.state_dict(false);
  tree.left->weight.data<float>()[0] = 9;
  CHECK(kept.find_path("left.weight")->as_tensor().data<float>()[0] == 1);
  CHECK(alias.find_path("left.weight")->as_tensor().data<float>()[0] == 9);
  float* memory = tree.left->weight.data<float>();
  tree.load_state_dict(kept);
  CHECK(tree.left->weight.data<float>() == memory);  // in place
  CHECK(memory[0] == 1);
}

TEST_CASE("Nested and flat states load alike") {
  Tree tree, other;
  tree.left->count = 7;
  tree.second->weight.data<float>()[0] = 8;
  Value nested = tree.state_dict();
  Dict flat;
  for (const char* leaf : {"left", "right", "items.0", "items.1"})
    for (const char* field : {"weight", "count"}) {
      std::string name = str(leaf, ".", field);
      flat.set(name, *nested.find_path(name));
    }
  flat.set("name", "elm");
  other.load_state_dict(Value(flat));
  CHECK(other.left->count == 7);
  CHECK(other.second->weight.data<float>()[0] == 8);
  CHECK(other.name == "elm");
}

TEST_CASE("One error lists all that does not fit, and nothing is changed") {
  Tree tree;
  Value state = tree.state_dict();
  state.set_path("left.weight", Value(floats({1, 2, 3})));
  state.as_dict()["right"].as_dict().erase("count");
  state.as_dict()["right"].as_dict().set("cuont", Value(1));
  state.set_path("items.2", Value(Dict{{"weight", 1}}));
  state.set_path("name", Value("elm"));
  CHECK_ERROR(tree.load_state_dict(state), Kind::kState,
              "missing in the state: right.count (the state has right.cuont)");
  CHECK_ERROR(tree.load_state_dict(state), Kind::kState, "items.2.weight");
  CHECK_ERROR(tree.load_state_dict(state), Kind::kState,
              "left.weight: shape (3");
  CHECK(tree.name == "oak");
}

TEST_CASE("Parts load by names, by expression and under other names") {
  Tree tree, other;
  tree.left->weight.data<float>()[0] = 10;
  tree.right->weight.data<float>()[0] = 11;
  tree.name = "elm";
  Value state = tree.state_dict();
  LoadOptions only;
  only.only_names = {{"left"}};
  other.load_state_dict(state, only);
  CHECK(other.left->weight.data<float>()[0] == 10);
  CHECK(other.right->weight.data<float>()[0] == 3);
  LoadOptions regex;
  regex.only_regex = "^right\\.";
  other.load_state_dict(state, regex);
  CHECK(other.right->weight.data<float>()[0] == 11);
  CHECK(other.name == "oak");
  LoadOptions remap;
  remap.remap = {{"right", "items.0"}};
  remap.only_names = {{"items.0"}};
  Value right(Dict{{"right", *state.find_path("right")}});
  other.load_state_dict(right, remap);
  CHECK(other.first->weight.data<float>()[0] == 11);
}

TEST_CASE("A part that the state lacks, or a bad expression, is an error") {
  Tree tree;
  Value state = tree.state_dict();
  LoadOptions only;
  only.only_names = {{"lefft"}};
  CHECK_ERROR(tree.load_state_dict(state, only), Kind::kKey, "lefft");
  LoadOptions regex;
  regex.only_regex = "(";
  CHECK_ERROR(tree.load_state_dict(state, regex), Kind::kValue,
              "not a regular expression");
}

TEST_CASE("strict=false leaves other names alone, but not other shapes") {
  Tree tree;
  LoadOptions loose;
  loose.strict = false;
  tree.load_state_dict(Value(Dict{{"name", "elm"}, {"bark", 3}}), loose);
  CHECK(tree.name == "elm");
  Value bad(Dict{{"left", Dict{{"weight", floats({1})}}}});
  CHECK_ERROR(tree.load_state_dict(bad, loose), Kind::kState, "left.weight");
}

TEST_CASE("A child that is its own ancestor is left out") {
  auto tree = std::make_shared<Tree>();
  tree->back = tree;
  Value state = tree->state_dict();
  CHECK(!state.as_dict().contains("back"));
  tree->load_state_dict(state);
  tree->train(false);
  CHECK(!tree->left->training());
  CHECK(tree->repr().find("(above)") != std::string::npos);
  tree->back = nullptr;  // else it would own itself for ever
}

TEST_CASE("The tree: children, modules once each, apply from the leaves") {
  Tree tree;
  tree.back = tree.left;  // shared
  std::vector<std::string> names, applied;
  for (auto& [name, child] : tree.named_children()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"left", "right", "items.0", "items.1",
                                          "back"});
  names.clear();
  for (auto& [name, module] : tree.named_modules()) names.push_back(name);
  CHECK(names ==
        std::vector<std::string>{"left", "right", "items.0", "items.1"});
  tree.apply([&](Module& m) { applied.push_back(m.class_name()); });
  CHECK(applied.size() == 4);
  CHECK(tree.repr().starts_with("Tree\n  left: Leaf\n"));
}

TEST_CASE("The bare base class is not callable and has no configuration") {
  Module module;
  CHECK_ERROR(module.call(Value()), Kind::kNotImplemented, "ptutils.Module");
  CHECK_ERROR(module.to_config(), Kind::kState, "ptutils.Module");
}

TEST_CASE("Callbacks are children, and their absence is no mismatch") {
  Tree tree;
  Value before = tree.state_dict();
  tree.callbacks().add(std::make_shared<test::Counter>());
  tree.callbacks().add(std::make_shared<test::Counter>());
  std::vector<std::string> names;
  for (auto& [name, child] : tree.named_children())
    if (name.starts_with("callbacks.")) names.push_back(name);
  CHECK(names ==
        std::vector<std::string>{"callbacks.Counter", "callbacks.Counter_2"});
  tree.load_state_dict(before);
}

TEST_CASE("A handle carries a module through a Value") {
  auto leaf = std::make_shared<ModuleLeaf>(floats({1}));
  Value value = handle(leaf);
  CHECK(module_in(value) == leaf);
  CHECK(module_in(Value(3)) == nullptr);
  CHECK(std::string(value.as_opaque()->type_name()) == "test.Leaf");
}

TEST_CASE("Globs, a suggested remap and a cast, from C++") {
  Tree tree, other;
  tree.left->weight.data<float>()[0] = 10;
  Value state = tree.state_dict();
  LoadOptions globs;
  globs.only_names = {{"*ft.weight", "items.[0-9]"}};
  CHECK(other.load_state_dict(state, globs).missing.empty());
  CHECK(other.left->weight.data<float>()[0] == 10);
  state.set_path("left.weight",
                 Value(Tensor::from<double>(std::vector<double>{7, 8}, {2})));
  LoadOptions options;
  options.suggested = options.cast = true;
  Loaded left = other.load_state_dict(Value(Dict{{"old", state}}), options);
  CHECK((left.missing.empty() && left.unexpected.empty()));
  CHECK(other.left->weight.data<float>()[1] == 8);
}

TEST_CASE("A value that its member cannot hold is found before a change") {
  Tree tree;
  Value state = tree.state_dict();
  state.set_path("left.weight", Value(floats({8, 9})));
  state.set_path("items.1.count", Value("many"));
  CHECK_ERROR(tree.load_state_dict(state), Kind::kState, "items.1.count: ");
  CHECK(tree.left->weight.data<float>()[0] == 1);
}
