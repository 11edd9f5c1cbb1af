#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/module/module.h"

namespace ptutils {

/// The keyword arguments of a constructor, nested "func" already built
/// (ModuleHandle). Getters apply defaults and name the path in errors
/// ("model.optimizer.lr: a number, not 'abc'").
class PTUTILS_API Arguments {
 public:
  Arguments(Dict values, std::string where)
      : values_(std::move(values)), where_(std::move(where)) {}

  bool has(std::string_view name) const;
  /// The value, or null.
  Value get(std::string_view name) const;
  double number(std::string_view name,
                std::optional<double> fallback = {}) const;
  std::int64_t integer(std::string_view name,
                       std::optional<std::int64_t> fallback = {}) const;
  bool flag(std::string_view name, std::optional<bool> fallback = {}) const;
  std::string text(std::string_view name,
                   std::optional<std::string> fallback = {}) const;
  /// nullptr when absent or null; Kind::kType when it is not a T.
  template <class T = Module>
  std::shared_ptr<T> module(std::string_view name) const {
    ModulePtr found = any_module(name);
    if (!found) return nullptr;
    auto typed = std::dynamic_pointer_cast<T>(found);
    if (!typed) wrong_module(name, *found);
    return typed;
  }
  /// An error's message in which a class speaks of an argument ("[Adam] lr=-1
  /// is below 0"), with the argument's path: "[model.optimizer.lr] lr=-1 …".
  std::string located(std::string_view message) const;
  const Dict& values() const { return values_; }
  const std::string& where() const { return where_; }

 private:
  ModulePtr any_module(std::string_view name) const;
  [[noreturn]] void wrong_module(std::string_view name, Module& found) const;
  Dict values_;
  std::string where_;
};

/// A class that a configuration may name.
struct ClassInfo {
  std::string name;  ///< dotted: "ptutils.nn.Linear"
  /// Keyword names, for checks and errors; "**" among them takes any.
  std::vector<std::string> parameters;
  std::function<ModulePtr(const Arguments&)> make;
};

/// What a configuration is built for: where it stands and what is around it.
struct BuildContext {
  std::string path;      ///< "model.optimizer", for errors
  std::string slot;      ///< "optimizer": resolves bare names
  ModulePtr net;         ///< the net that criterion and optimizer go with
  bool trusted = false;  ///< the user named the file: any import is allowed
};

/// Classes of another language, found and built by the bindings.
class PTUTILS_API ForeignClasses {
 public:
  virtual ~ForeignClasses();
  /// A class that the user defined under this bare or dotted name for the slot,
  /// shadowing built-in ones.
  virtual bool shadows(const std::string& name, const BuildContext&) = 0;
  /// Builds it (importing under the trust rule); nullopt when there is none.
  virtual std::optional<Value> build(const std::string& name, const Dict& built,
                                     const BuildContext&) = 0;
  virtual std::vector<std::string> names(const std::string& slot) = 0;
};

/// Names of built-in classes -> how to make them. One per process, filled by
/// register_builtin; classes of another language come through `foreign`.
class PTUTILS_API Registry {
 public:
  void add(ClassInfo info);
  /// The bindings replace a maker by one that calls the Python type.
  void replace_maker(const std::string& name,
                     std::function<ModulePtr(const Arguments&)> make);
  const ClassInfo* find(std::string_view dotted) const;
  const std::vector<ClassInfo>& classes() const { return classes_; }
  /// Bare or dotted, by slot ("Adam" in "optimizer" -> ptutils.optim.Adam):
  /// exact, else case-insensitive if unique in the slot; nullptr.
  const ClassInfo* resolve(std::string_view name, std::string_view slot) const;
  /// Known bare names of a slot, for errors.
  std::vector<std::string> names(std::string_view slot) const;
  /// "MongoInterface" -> "needs … (built with -D…)": asked before "unknown".
  void add_unavailable(std::string name, std::string reason);
  std::optional<std::string> unavailable(std::string_view name) const;

  void set_foreign(std::shared_ptr<ForeignClasses> foreign);
  ForeignClasses* foreign() const { return foreign_.get(); }

 private:
  std::vector<ClassInfo> classes_;
  std::vector<std::pair<std::string, std::string>> unavailable_;
  std::shared_ptr<ForeignClasses> foreign_;
};
PTUTILS_API Registry& registry();

}  // namespace ptutils
