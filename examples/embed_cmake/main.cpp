// The experiment file that `ptutils run` takes, from a program with no Python
// in it:  embed [experiment.yaml [runs.db [predictions.npz]]]

#include <ptutils/ptutils.h>

#include <cstdlib>
#include <exception>
#include <string>

namespace pt = ptutils;

namespace {

/// Probabilities of every class, for every image of the validation set.
pt::Tensor predict(pt::nn::Module& net, pt::Session& session) {
  pt::nn::NoGrad no_grad;
  net.train(false);
  auto loader = session.dataprovider()->provide(pt::Value("val"));
  loader->rewind();
  std::vector<pt::Tensor> parts;
  pt::Value batch;
  while (loader->next(batch)) {
    auto [images, labels] = pt::split_batch(batch);
    parts.push_back(pt::softmax(net.call(images).as_tensor(), -1));
  }
  return pt::concat(parts, 0);
}

void run(const std::string& experiment, const std::string& database,
         const std::string& predictions) {
  setenv("PTUTILS_DB", database.c_str(), 1);
  auto session = pt::Session::from_file(experiment);
  session->callbacks().on(
      "end_of_training_step", pt::every(100, [](const pt::StepInfo& step) {
        pt::log::info("step ", step.index, ": ", step.loss.item<float>());
      }));
  session->run();  // goes on with what Python began, and the reverse

  auto best = pt::open(database)[session->exp_id()];
  auto net = best.load<pt::nn::Module>("model.net", pt::At::kBest);
  pt::save(predictions,
           pt::Value(pt::Dict{{"p", pt::Value(predict(*net, *session))}}));
  pt::log::info(best.exp_id(), ": ", best.status().summary(), ", best ",
                best.record().best.repr());
}

}  // namespace

int main(int argc, char** argv) {
  auto argument = [&](int i, const char* fallback) {
    return std::string(i < argc ? argv[i] : fallback);
  };
  try {
    run(argument(1, "experiment.yaml"), argument(2, "runs.db"),
        argument(3, "predictions.npz"));
  } catch (const pt::Error& error) {
    pt::log::error(error.what());
    return error.kind() == pt::Kind::kInterrupted ? 130 : 1;
  }
  return 0;
}
