#include <array>

#include "ptutils/data/dataset.h"
#include "ptutils/data/detail/batch_builder.h"
#include "ptutils/data/detail/buffers.h"
#include "ptutils/data/detail/idx_files.h"

namespace ptutils::data {
namespace {

constexpr std::int64_t kSide = 28;
constexpr std::size_t kPixels = kSide * kSide;

// x / 255 correctly rounded without a division: 1 / 255 in two parts, the first
// of 16 bits, so that its product with a byte is exact.
constexpr float kHigh = 257.0F / 65536.0F;
constexpr float kLow = static_cast<float>(1.0 / 255.0 - 257.0 / 65536.0);

void scale_row(const std::uint8_t* in, float* out) {
  for (std::size_t i = 0; i < kPixels; ++i) {
    auto x = static_cast<float>(in[i]);
    out[i] = x * kHigh + x * kLow;
  }
}

Value pair(Value first, Value second) {
  List out;
  out.tuple = true;
  out.items.reserve(2);
  out.items.push_back(std::move(first));
  out.items.push_back(std::move(second));
  return out;
}

std::string folder_hint(const std::filesystem::path& path) {
  return str(path.string(), "; get the file again");
}

}  // namespace

class IdxImages::Rows final : public Dataset {
 public:
  Rows(const std::string& name, const IdxImages::Options& options);
  std::int64_t size() const override { return images.size(0); }
  Value get(std::int64_t index, Random random) override;
  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override;
  bool draws_random() const override { return false; }
  Origin origin() const override { return Origin::kNumpy; }

  Tensor images, labels;

 private:
  std::string name_;
};

IdxImages::Rows::Rows(const std::string& name,
                      const IdxImages::Options& options)
    : name_(name) {
  auto files =
      detail::find_idx_files(detail::idx_source(name), options.root,
                             options.train, options.download, options.url);
  images = read_idx(files.images);
  labels = read_idx(files.labels);
  if (images.dtype() != DType::kU8 || images.dim() != 3 ||
      images.size(1) != kSide || images.size(2) != kSide)
    fail(Kind::kFormat, name_, "images are ", images.shape_str(), " ",
         ptutils::name(images.dtype()), ", not (n, 28, 28) u8, in ",
         folder_hint(files.images));
  if (labels.dtype() != DType::kU8 || labels.dim() != 1)
    fail(Kind::kFormat, name_, "labels are ", labels.shape_str(), " ",
         ptutils::name(labels.dtype()), ", not (n) u8, in ",
         folder_hint(files.labels));
  if (labels.size(0) != images.size(0))
    fail(Kind::kFormat, name_, labels.size(0), " labels for ", images.size(0),
         " images, in ", folder_hint(files.labels));
}

Value IdxImages::Rows::get(std::int64_t index, Random) {
  std::int64_t n = size();
  detail::check_indices({&index, 1}, n, name_);
  if (index < 0) index += n;
  Tensor image = Tensor::empty({1, kSide, kSide});
  scale_row(images.data<std::uint8_t>() + index * std::int64_t{kPixels},
            image.data<float>());
  image.origin = origin();
  std::int64_t label = labels.data<std::uint8_t>()[index];
  return pair(std::move(image), label);
}

Value IdxImages::Rows::get_batch(std::span<const std::int64_t> indices,
                                 const std::vector<Random>&,
                                 const Value& reuse) {
  std::int64_t n = size();
  detail::check_indices(indices, n, name_);
  auto count = static_cast<std::int64_t>(indices.size());
  Tensor pictures = detail::buffer(detail::item_of(&reuse, 0),
                                   {count, 1, kSide, kSide}, DType::kF32);
  Tensor numbers =
      detail::buffer(detail::item_of(&reuse, 1), {count}, DType::kI64);
  const auto* pixels = images.data<std::uint8_t>();
  const auto* classes = labels.data<std::uint8_t>();
  auto* to = pictures.data<float>();
  auto* label = numbers.data<std::int64_t>();
  for (std::int64_t index : indices) {
    if (index < 0) index += n;
    scale_row(pixels + index * std::int64_t{kPixels}, to);
    *label++ = classes[index];
    to += kPixels;
  }
  pictures.origin = numbers.origin = origin();
  return pair(std::move(pictures), std::move(numbers));
}

IdxImages::IdxImages(const std::string& name, Options options)
    : options_(std::move(options)),
      rows_(std::make_shared<Rows>(name, options_)) {
  Dataset::Options around;
  around.data_source = {options_.root};
  around.datasets = {rows_};
  around.preprocessor = options_.preprocessor;
  open(std::move(around));
}

Value IdxImages::get_batch(std::span<const std::int64_t> indices,
                           const std::vector<Random>& random,
                           const Value& reuse) {
  return chains().empty() ? rows_->get_batch(indices, random, reuse)
                          : Dataset::get_batch(indices, random, reuse);
}

bool IdxImages::shares_batches() const {
  return !chains().empty() && Dataset::shares_batches();
}

const Tensor& IdxImages::images() const { return rows_->images; }
const Tensor& IdxImages::labels() const { return rows_->labels; }

Value IdxImages::to_config() {
  Dict config{{"func", class_name()},
              {"root", options_.root},
              {"train", options_.train},
              {"download", options_.download}};
  if (!options_.url.empty()) config.set("url", options_.url);
  if (!chains().empty()) config.set("preprocessor", chains().to_config());
  return config;
}

std::vector<std::string> FashionMNIST::classes() const {
  return {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
}

std::vector<std::string> MNIST::classes() const {
  return {"0 - zero", "1 - one", "2 - two",   "3 - three", "4 - four",
          "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine"};
}

}  // namespace ptutils::data
