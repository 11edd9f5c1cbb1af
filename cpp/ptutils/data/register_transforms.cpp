#include "ptutils/data/detail/register.h"
#include "ptutils/data/transforms.h"

namespace ptutils::data::detail {
namespace {

namespace t = transforms;

std::int64_t whole(const Value& v, const std::string& where) {
  if (v.is_int()) return v.as_int();
  fail(Kind::kType, where, "a whole number, not ", v.repr());
}

t::Size size_of_argument(const Arguments& args) {
  const Value given = args.get("size");
  if (!given.is_list()) return {args.integer("size"), {}};
  const auto& items = given.as_list().items;
  if (items.size() != 2)
    fail(Kind::kType, args.where(), "size: a number, or [height, width], not ",
         given.repr());
  return {whole(items[0], args.where()), whole(items[1], args.where())};
}

std::vector<double> numbers(const Arguments& args, const char* name) {
  const Value given = args.get(name);
  if (!given.is_list()) return {args.number(name)};
  std::vector<double> out;
  for (const Value& item : given.as_list().items) {
    if (!item.is_int() && !item.is_double())
      fail(Kind::kType, args.where(), name, ": numbers, not ", given.repr());
    out.push_back(item.is_int() ? static_cast<double>(item.as_int())
                                : item.as_double());
  }
  return out;
}

t::RandomResizedCrop::Range range(const Arguments& args, const char* name,
                                  t::RandomResizedCrop::Range fallback) {
  if (args.get(name).is_null()) return fallback;
  const std::vector<double> both = numbers(args, name);
  if (both.size() != 2)
    fail(Kind::kType, args.where(), name, ": two numbers, not ",
         args.get(name).repr());
  return {both[0], both[1]};
}

/// A strength, or a range.
t::ColorJitter::Range jitter(const Arguments& args, const char* name) {
  if (args.get(name).is_list()) return range(args, name, {});
  return t::ColorJitter::of_strength(args.number(name, 0),
                                     std::string_view(name) == "hue");
}

t::RandomCrop::Padding padding_argument(const Arguments& args) {
  using Padding = t::RandomCrop::Padding;
  if (!args.get("padding").is_list())
    return *Padding::of({args.integer("padding", 0)});
  const Value given = args.get("padding");
  std::vector<std::int64_t> sides;
  for (const Value& side : given.as_list().items)
    sides.push_back(whole(side, args.where()));
  const auto padding = Padding::of(sides);
  if (padding && sides.size() > 1) return *padding;
  fail(Kind::kType, args.where(),
       "padding: a number, or a list of two or four, not ",
       args.get("padding").repr());
}

/// `make` gives a shared_ptr of the class.
template <class Make>
void add(Registry& registry, const char* name,
         std::vector<std::string> parameters, Make make) {
  registry.add(
      {str("ptutils.data.transforms.", name), std::move(parameters),
       [make](const Arguments& args) -> ModulePtr { return make(args); }});
}

DType dtype_argument(const Arguments& args) {
  const std::string text = args.text("dtype");
  if (const auto dtype = parse_dtype(text)) return *dtype;
  fail(Kind::kValue, args.where(), "dtype: no '", text,
       "'; give float32, int64, …");
}

/// A file of words, or the words.
std::vector<std::string> words_argument(const Arguments& args) {
  const Value given = args.get("words");
  if (given.is_string()) return t::read_vocabulary(given.as_string());
  std::vector<std::string> out;
  for (const Value& word : given.as_list(args.where()).items)
    out.push_back(word.as_string(args.where()));
  return out;
}

void add_geometry(Registry& registry) {
  add(registry, "Resize", {"size"}, [](const Arguments& args) {
    return std::make_shared<t::Resize>(size_of_argument(args));
  });
  add(registry, "CenterCrop", {"size"}, [](const Arguments& args) {
    return std::make_shared<t::CenterCrop>(size_of_argument(args));
  });
  add(registry, "RandomCrop", {"size", "padding"}, [](const Arguments& args) {
    return std::make_shared<t::RandomCrop>(size_of_argument(args),
                                           padding_argument(args));
  });
  add(registry, "RandomResizedCrop", {"size", "scale", "ratio"},
      [](const Arguments& args) {
        return std::make_shared<t::RandomResizedCrop>(
            size_of_argument(args), range(args, "scale", {.08, 1}),
            range(args, "ratio", {3. / 4, 4. / 3}));
      });
  add(registry, "RandomHorizontalFlip", {"p"}, [](const Arguments& args) {
    return std::make_shared<t::RandomHorizontalFlip>(args.number("p", .5));
  });
}

}  // namespace

void register_transforms(Registry& registry) {
  add(registry, "DecodeImage", {"dct_scaling"}, [](const Arguments& args) {
    return std::make_shared<t::DecodeImage>(args.flag("dct_scaling", false));
  });
  add(registry, "ToCHW", {},
      [](const Arguments&) { return std::make_shared<t::ToCHW>(); });
  add(registry, "ToFloat", {"scale"}, [](const Arguments& args) {
    return std::make_shared<t::ToFloat>(args.number("scale", 1));
  });
  add(registry, "Normalize", {"mean", "std"}, [](const Arguments& args) {
    return std::make_shared<t::Normalize>(numbers(args, "mean"),
                                          numbers(args, "std"));
  });
  add(registry, "Cast", {"dtype"}, [](const Arguments& args) {
    return std::make_shared<t::Cast>(dtype_argument(args));
  });
  add(registry, "OneHot", {"num_classes"}, [](const Arguments& args) {
    return std::make_shared<t::OneHot>(args.integer("num_classes"));
  });
  add_geometry(registry);
  add(registry, "ColorJitter", {"brightness", "contrast", "saturation", "hue"},
      [](const Arguments& args) {
        return std::make_shared<t::ColorJitter>(
            jitter(args, "brightness"), jitter(args, "contrast"),
            jitter(args, "saturation"), jitter(args, "hue"));
      });
  add(registry, "Cutout", {"size", "value", "p"}, [](const Arguments& args) {
    return std::make_shared<t::Cutout>(
        args.integer("size"), args.number("value", 0), args.number("p", 1));
  });
  add(registry, "Branch", {"branches"}, [](const Arguments& args) {
    t::Branch::Branches branches;
    for (const auto& [name, chain] : args.get("branches").as_dict(args.where()))
      branches.emplace_back(to_string(name), chain_of(chain, args.where()));
    return std::make_shared<t::Branch>(std::move(branches));
  });
  add(registry, "Vocabulary", {"words", "length", "unknown", "padding"},
      [](const Arguments& args) {
        return std::make_shared<t::Vocabulary>(
            words_argument(args),
            t::Vocabulary::Options{args.integer("length", 0),
                                   args.text("unknown", "<unk>"),
                                   args.text("padding", "<pad>")});
      });
  add(registry, "Compose", {"transforms"}, [](const Arguments& args) {
    return std::make_shared<t::Compose>(
        chain_of(args.get("transforms"), args.where()));
  });
}

}  // namespace ptutils::data::detail
