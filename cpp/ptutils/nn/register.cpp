#include "ptutils/nn/layers.h"
#include "ptutils/nn/optim.h"

namespace ptutils::nn {

namespace {

std::vector<ModulePtr> layers_of(const Arguments& args) {
  std::vector<ModulePtr> out;
  Value layers = args.get("layers");
  if (layers.is_null()) return out;
  std::string where = args.where() + ".layers";
  const auto& items = layers.as_list(where).items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ModulePtr layer = module_in(items[i]);
    if (!layer)
      fail(Kind::kType, str(where, "[", i, "]"),
           "a layer is a dict with \"func\", such as {func: ReLU}, not ",
           items[i].repr());
    out.push_back(std::move(layer));
  }
  return out;
}

CrossEntropyOptions cross_entropy_options(const Arguments& args) {
  CrossEntropyOptions out;
  if (Value weight = args.get("weight"); !weight.is_null()) {
    std::string where = args.where() + ".weight";
    for (const Value& item : weight.as_list(where).items)
      out.weight.push_back(item.as_double(where));
  }
  out.ignore_index = args.integer("ignore_index", out.ignore_index);
  out.reduction = reduction_of(args.text("reduction", "mean"), args.where());
  out.label_smoothing = args.number("label_smoothing", out.label_smoothing);
  return out;
}

}  // namespace

void register_nn(Registry& registry) {
  registry.add({"ptutils.nn.Linear",
                {"in_features", "out_features", "bias"},
                [](const Arguments& args) {
                  return std::make_shared<Linear>(args.integer("in_features"),
                                                  args.integer("out_features"),
                                                  args.flag("bias", true));
                }});
  registry.add({"ptutils.nn.ReLU", {}, [](const Arguments&) {
                  return std::make_shared<ReLU>();
                }});
  registry.add({"ptutils.nn.Flatten",
                {"start_dim", "end_dim"},
                [](const Arguments& args) {
                  return std::make_shared<Flatten>(args.integer("start_dim", 1),
                                                   args.integer("end_dim", -1));
                }});
  registry.add({"ptutils.nn.Dropout", {"p"}, [](const Arguments& args) {
                  return std::make_shared<Dropout>(args.number("p", 0.5));
                }});
  registry.add({"ptutils.nn.Sequential", {"layers"}, [](const Arguments& args) {
                  return std::make_shared<Sequential>(layers_of(args));
                }});
  registry.add({"ptutils.nn.CrossEntropyLoss",
                {"weight", "ignore_index", "reduction", "label_smoothing"},
                [](const Arguments& args) {
                  return std::make_shared<CrossEntropyLoss>(
                      cross_entropy_options(args));
                }});
}

}  // namespace ptutils::nn

namespace ptutils::optim {

namespace {

/// The parameters of the net that it is built for come by set_parameters.
ModulePtr make_sgd(const Arguments& args) {
  SGD::Options options;
  options.lr = args.number("lr", options.lr);
  options.momentum = args.number("momentum", options.momentum);
  options.dampening = args.number("dampening", options.dampening);
  options.weight_decay = args.number("weight_decay", options.weight_decay);
  options.nesterov = args.flag("nesterov", options.nesterov);
  return std::make_shared<SGD>(std::vector<nn::Variable>{}, options);
}

ModulePtr make_adam(const Arguments& args) {
  Adam::Options options;
  options.lr = args.number("lr", options.lr);
  options.eps = args.number("eps", options.eps);
  options.weight_decay = args.number("weight_decay", options.weight_decay);
  if (Value betas = args.get("betas"); !betas.is_null()) {
    std::string where = args.where() + ".betas";
    const auto& items = betas.as_list(where).items;
    if (items.size() != 2)
      fail(Kind::kValue, where, "two numbers, such as [0.9, 0.999], not ",
           betas.repr());
    options.beta1 = items[0].as_double(where + "[0]");
    options.beta2 = items[1].as_double(where + "[1]");
  }
  return std::make_shared<Adam>(std::vector<nn::Variable>{}, options);
}

}  // namespace

void register_optim(Registry& registry) {
  registry.add({"ptutils.optim.SGD",
                {"lr", "momentum", "dampening", "weight_decay", "nesterov"},
                make_sgd});
  registry.add({"ptutils.optim.Adam",
                {"lr", "betas", "eps", "weight_decay"},
                make_adam});
}

}  // namespace ptutils::optim
