#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ptutils/module/callbacks.h"
#include "ptutils/module/registry.h"

/// Classes under ptutils' names that a test registers, and a stand-in for the
/// classes of another language.
namespace test {

using namespace ptutils;

/// Says what it was made with.
struct Part : Module {
  Part(std::string name, Dict values)
      : name(std::move(name)), values(std::move(values)) {}
  std::string class_name() const override { return name; }
  std::string name;
  Dict values;
};

struct Counter : Callback {
  explicit Counter(std::string name = "ptutils.callbacks.Counter",
                   std::vector<std::string> triggers = {"end_of_epoch"})
      : name(std::move(name)), wanted(std::move(triggers)) {
    ++alive;
  }
  ~Counter() override { --alive; }
  std::string class_name() const override { return name; }
  std::vector<std::string> triggers() const override { return wanted; }
  void handle(const Event& event) override {
    told.push_back(std::string(event.trigger));
    if (then) then(event);
  }
  std::string name;
  std::vector<std::string> wanted;
  std::vector<std::string> told;
  std::function<void(const Event&)> then;
  static inline int alive = 0;
};

class FakeForeign : public ForeignClasses {
 public:
  bool shadows(const std::string& name, const BuildContext&) override {
    return shadowing.contains(name);
  }
  std::optional<Value> build(const std::string& name, const Dict& built,
                             const BuildContext& context) override {
    asked.push_back(context.slot + ":" + name);
    if (auto it = shadowing.find(name); it != shadowing.end())
      return handle(it->second(built));
    if (auto it = importable.find(name); it != importable.end())
      return handle(it->second(built));
    return {};
  }
  std::vector<std::string> names(const std::string&) override {
    std::vector<std::string> out;
    for (const auto& [name, make] : shadowing) out.push_back(name);
    return out;
  }
  using Maker = std::function<ModulePtr(const Dict&)>;
  std::map<std::string, Maker> shadowing, importable;
  std::vector<std::string> asked;
};

/// Sets the other language's classes for one test.
struct WithForeign {
  WithForeign() : classes(std::make_shared<FakeForeign>()) {
    registry().set_foreign(classes);
  }
  ~WithForeign() { registry().set_foreign(nullptr); }
  std::shared_ptr<FakeForeign> classes;
};

inline void add_part(const std::string& name,
                     std::vector<std::string> parameters) {
  registry().add({name, std::move(parameters), [name](const Arguments& a) {
                    return std::make_shared<Part>(name, a.values());
                  }});
}

/// The classes that the tests of this folder know.
inline void register_classes() {
  add_part("ptutils.nn.TestNet", {"width", "layers"});
  add_part("ptutils.nn.TestLoss", {});
  add_part("ptutils.optim.TestAdam", {"lr", "betas"});
  add_part("ptutils.session.TestModel", {"net", "criterion", "optimizer"});
  add_part("ptutils.TestModel", {"other"});
  add_part("ptutils.data.TestDigits", {"root", "train", "transform"});
  add_part("ptutils.nn.Twin", {});
  add_part("ptutils.data.Twin", {});
  add_part("ptutils.nn.TestFree", {"**"});
  registry().add({"ptutils.callbacks.NaNWatcher",
                  {"every"},
                  [](const Arguments&) -> ModulePtr {
                    return std::make_shared<Counter>(
                        "ptutils.callbacks.NaNWatcher");
                  }});
  registry().add(
      {"ptutils.callbacks.Quiet", {}, [](const Arguments&) -> ModulePtr {
         return std::make_shared<Counter>("ptutils.callbacks.Quiet",
                                          std::vector<std::string>{});
       }});
}

}  // namespace test
