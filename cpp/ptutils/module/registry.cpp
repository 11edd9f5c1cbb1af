#include "ptutils/module/registry.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ptutils/common/names.h"

namespace ptutils {
namespace {

struct SlotPrefixes {
  std::string_view slot;
  std::vector<std::string_view> prefixes;
  /// Whether a bare name under the prefixes is worth a proposal.
  bool (*fits)(std::string_view) = [](std::string_view) { return true; };
};

bool is_batch_sampler(std::string_view name) {
  return name.ends_with("BatchSampler");
}
bool is_sampler(std::string_view name) {
  return name.ends_with("Sampler") && !is_batch_sampler(name);
}
bool is_reader(std::string_view name) { return name.ends_with("Reader"); }
bool is_dataset(std::string_view name) {
  return !name.ends_with("Sampler") && !is_reader(name) &&
         name != "DataLoader" && name != "DataProvider";
}

const std::vector<SlotPrefixes>& slots() {
  static const std::vector<SlotPrefixes> kSlots = {
      {"net", {"ptutils.nn."}},
      {"criterion", {"ptutils.nn."}},
      {"optimizer", {"ptutils.optim."}},
      {"model", {"ptutils.session.", "ptutils."}},
      {"trainer", {"ptutils.session.", "ptutils."}},
      {"looper", {"ptutils.session.", "ptutils."}},
      {"session", {"ptutils.session.", "ptutils."}},
      {"dataprovider", {"ptutils.data."}},
      {"datasets", {"ptutils.data."}, is_dataset},
      {"sampler", {"ptutils.data."}, is_sampler},
      {"batch_sampler", {"ptutils.data."}, is_batch_sampler},
      {"dataset", {"ptutils.data."}, is_dataset},
      {"train", {"ptutils.data."}, is_dataset},
      {"val", {"ptutils.data."}, is_dataset},
      {"test", {"ptutils.data."}, is_dataset},
      {"data", {"ptutils.data."}, is_dataset},
      {"data_reader", {"ptutils.data."}, is_reader},
      {"preprocessor", {"ptutils.data.transforms."}},
      {"transforms", {"ptutils.data.transforms."}},
      {"dbinterface", {"ptutils.database."}},
      {"callbacks", {"ptutils.callbacks."}},
  };
  return kSlots;
}

const SlotPrefixes* find_slot(std::string_view slot) {
  for (const SlotPrefixes& entry : slots())
    if (entry.slot == slot) return &entry;
  return nullptr;
}

std::string_view bare(std::string_view dotted) {
  auto dot = dotted.rfind('.');
  return dot == std::string_view::npos ? dotted : dotted.substr(dot + 1);
}

bool same_letters(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

/// Whether a class stands directly under one of the slot's prefixes; a slot
/// that nobody named takes all.
bool in_slot(std::string_view dotted, const SlotPrefixes* slot) {
  if (!slot) return true;
  std::string_view prefix = dotted;
  prefix.remove_suffix(bare(dotted).size());
  return std::find(slot->prefixes.begin(), slot->prefixes.end(), prefix) !=
         slot->prefixes.end();
}

}  // namespace

ForeignClasses::~ForeignClasses() = default;

void Registry::add(ClassInfo info) {
  for (ClassInfo& known : classes_)
    if (known.name == info.name) {
      known = std::move(info);
      return;
    }
  classes_.push_back(std::move(info));
}

void Registry::replace_maker(const std::string& name,
                             std::function<ModulePtr(const Arguments&)> make) {
  for (ClassInfo& known : classes_)
    if (known.name == name) {
      known.make = std::move(make);
      return;
    }
  std::vector<std::string> all;
  for (const ClassInfo& known : classes_) all.push_back(known.name);
  fail(Kind::kNotFound, "Registry", "no class '", name, "'",
       did_you_mean(name, all));
}

const ClassInfo* Registry::find(std::string_view dotted) const {
  for (const ClassInfo& known : classes_)
    if (known.name == dotted) return &known;
  return nullptr;
}

const ClassInfo* Registry::resolve(std::string_view name,
                                   std::string_view slot) const {
  if (name.find('.') != std::string_view::npos) return find(name);
  const SlotPrefixes* known = find_slot(slot);
  if (known)  // in order: ptutils.session.Model before ptutils.Model
    for (std::string_view prefix : known->prefixes)
      if (const ClassInfo* found = find(str(prefix, name))) return found;
  const ClassInfo *exact = nullptr, *alike = nullptr;
  int exact_count = 0, alike_count = 0;
  for (const ClassInfo& info : classes_) {
    if (!in_slot(info.name, known)) continue;
    if (bare(info.name) == name) exact = &info, ++exact_count;
    if (same_letters(bare(info.name), name)) alike = &info, ++alike_count;
  }
  if (exact_count > 0) return exact_count == 1 ? exact : nullptr;
  return alike_count == 1 ? alike : nullptr;
}

std::vector<std::string> Registry::names(std::string_view slot) const {
  const SlotPrefixes* known = find_slot(slot);
  std::vector<std::string> out;
  for (const ClassInfo& info : classes_) {
    std::string name(bare(info.name));
    if (in_slot(info.name, known) && (!known || known->fits(name)) &&
        std::find(out.begin(), out.end(), name) == out.end())
      out.push_back(std::move(name));
  }
  return out;
}

void Registry::add_unavailable(std::string name, std::string reason) {
  unavailable_.emplace_back(std::move(name), std::move(reason));
}

std::optional<std::string> Registry::unavailable(std::string_view name) const {
  for (const auto& [known, reason] : unavailable_)
    if (same_letters(bare(known), bare(name))) return reason;
  return {};
}

void Registry::set_foreign(std::shared_ptr<ForeignClasses> foreign) {
  foreign_ = std::move(foreign);
}

Registry& registry() {
  // Never destroyed: makers may hold classes of another language.
  static auto& one = *new Registry();
  return one;
}

}  // namespace ptutils
