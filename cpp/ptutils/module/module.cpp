#include "ptutils/module/module.h"

#include <set>
#include <unordered_set>

#include "ptutils/module/callbacks.h"
#include "ptutils/module/nesting.h"
#include "ptutils/module/state_visit.h"

namespace ptutils {

namespace detail {

namespace {
constexpr int kMaxNesting = 500;
thread_local int nesting = 0;
}  // namespace

Nesting::Nesting(const Module& module) {
  if (nesting >= kMaxNesting)
    fail(Kind::kValue, module.class_name(), "modules nested deeper than ",
         kMaxNesting, ": does it contain itself?");
  ++nesting;
}
Nesting::~Nesting() { --nesting; }

}  // namespace detail

namespace {

class ChildCollector final : public Fields {
 public:
  void child(std::string_view name, ChildSlot& slot) override {
    if (slot.get()) out.emplace_back(std::string(name), slot.share());
  }
  void value(std::string_view, ValueSlot&) override {}
  std::vector<std::pair<std::string, ModulePtr>> out;
};

void collect_modules(Module& module, const std::string& prefix,
                     std::unordered_set<const Module*>& seen,
                     std::vector<std::pair<std::string, ModulePtr>>& out) {
  detail::Nesting guard(module);
  for (auto& [name, child] : module.named_children()) {
    if (!seen.insert(child.get()).second) continue;
    std::string full = prefix.empty() ? name : prefix + "." + name;
    out.emplace_back(full, child);
    collect_modules(*child, full, seen, out);
  }
}

void repr_tree(Module& module, const std::string& name, int depth,
               std::unordered_set<const Module*>& seen, std::string& out) {
  detail::Nesting guard(module);
  out += std::string(static_cast<std::size_t>(depth) * 2, ' ');
  if (!name.empty()) out += name + ": ";
  std::string type = module.class_name();
  out += type.substr(type.rfind('.') + 1);
  if (!seen.insert(&module).second) {
    out += " (above)\n";
    return;
  }
  if (const std::string extra = module.extra_repr(); !extra.empty())
    out += "(" + extra + ")";
  out += "\n";
  for (auto& [child_name, child] : module.named_children())
    repr_tree(*child, child_name, depth + 1, seen, out);
}

}  // namespace

Module::~Module() = default;
ModuleHandle::~ModuleHandle() = default;

std::string ModuleHandle::type_name() const {
  return module ? module->class_name() : "Module";
}

Value handle(ModulePtr module) {
  return Value(std::shared_ptr<Opaque>(
      std::make_shared<ModuleHandle>(std::move(module))));
}

ModulePtr module_in(const Value& value) {
  if (!value.is_opaque()) return nullptr;
  auto found = std::dynamic_pointer_cast<ModuleHandle>(value.as_opaque());
  return found ? found->module : nullptr;
}

void Module::visit(Fields& f) {
  fields(f);
  dynamic_fields(f);
  if (!callbacks_) return;
  std::set<std::string> used;
  callbacks_->visit([&](ChildSlot& slot) {
    if (!slot.get()) return;
    std::string type = slot.get()->class_name();
    std::string base = "callbacks." + type.substr(type.rfind('.') + 1);
    std::string name = base;
    for (int n = 2; !used.insert(name).second; ++n) name = str(base, "_", n);
    f.child(name, slot);
  });
}

Value Module::call(const Value&) {
  fail(Kind::kNotImplemented, class_name(),
       "is not callable: define __call__ in the class");
}

Value Module::to_config() {
  fail(Kind::kState, class_name(),
       "cannot say its configuration: define to_config in the class");
}

std::vector<std::pair<std::string, ModulePtr>> Module::named_children() {
  ChildCollector collector;
  visit(collector);
  return std::move(collector.out);
}

std::vector<std::pair<std::string, ModulePtr>> Module::named_modules() {
  std::unordered_set<const Module*> seen{this};
  std::vector<std::pair<std::string, ModulePtr>> out;
  collect_modules(*this, "", seen, out);
  return out;
}

void Module::apply(const std::function<void(Module&)>& f) {
  auto modules = named_modules();
  for (auto it = modules.rbegin(); it != modules.rend(); ++it) f(*it->second);
}

void Module::train(bool mode) {
  if (detail::Active::has(this)) return;
  detail::Active guard(this);
  training_ = mode;
  for (auto& [name, child] : named_children()) child->train(mode);
}

Callbacks& Module::callbacks() {
  if (!callbacks_) callbacks_ = std::make_shared<Callbacks>();
  return *callbacks_;
}

std::string Module::repr() {
  std::string out;
  std::unordered_set<const Module*> seen;
  repr_tree(*this, "", 0, seen, out);
  out.pop_back();
  return out;
}

}  // namespace ptutils
