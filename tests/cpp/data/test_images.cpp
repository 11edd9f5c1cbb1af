#include "ptutils/data/detail/idx_files.h"
#include "support.h"

using namespace test;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;

namespace {

const fs::path kDebian = "/usr/share/datasets/fashion-mnist";

bool has_debian_package() {
  bool there = fs::exists(kDebian / "train-images-idx3-ubyte.gz");
  if (!there) MESSAGE("dataset-fashion-mnist is not installed: skipped");
  return there;
}

/// A small data set of the same layout: image i is i everywhere, label i % 10.
void write_images(const Folder& folder, const std::string& where,
                  const std::string& split, int n) {
  std::string images{0, 0, 8, 3}, labels{0, 0, 8, 1};
  for (std::string* out : {&images, &labels})
    *out += {0, 0, static_cast<char>(n >> 8), static_cast<char>(n)};
  images += {0, 0, 0, 28, 0, 0, 0, 28};
  for (int i = 0; i < n; ++i) {
    images.append(784, static_cast<char>(i));
    labels += static_cast<char>(i % 10);
  }
  folder.write(where + split + "-images-idx3-ubyte", images);
  folder.write(where + split + "-labels-idx1-ubyte", labels);
}

MNIST::Options in(const Folder& folder, bool train = true) {
  MNIST::Options o;
  o.root = folder.path().string();
  o.train = train;
  return o;
}

struct FetcherGuard {
  ~FetcherGuard() { set_fetcher(nullptr); }
};

}  // namespace

TEST_CASE("images come as f32 in [0, 1], labels as i64") {
  Folder folder;
  write_images(folder, "MNIST/raw/", "train", 256);
  MNIST data(in(folder));
  REQUIRE(data.size() == 256);
  std::vector<std::int64_t> all(256);
  for (std::int64_t i = 0; i < 256; ++i) all[i] = 255 - i;
  Value batch = data.get_batch(all, {}, {});
  const Tensor& images = batch.as_list().items[0].as_tensor();
  const Tensor& labels = batch.as_list().items[1].as_tensor();
  CHECK(images.shape() == Dims{256, 1, 28, 28});
  CHECK(labels.dtype() == DType::kI64);
  for (std::int64_t i = 0; i < 256; ++i) {
    // Exactly what a division gives.
    float wanted = static_cast<float>(255 - i) / 255.0F;
    CHECK(images.data<float>()[i * 784] == wanted);
    CHECK(images.data<float>()[i * 784 + 783] == wanted);
    CHECK(labels.data<std::int64_t>()[i] == (255 - i) % 10);
    Value sample = data.get(i, Random());
    CHECK(sample.as_list().items[0].as_tensor().shape() == Dims{1, 28, 28});
    CHECK(sample.as_list().items[0].as_tensor().data<float>()[5] ==
          static_cast<float>(i) / 255.0F);
    CHECK(sample.as_list().items[1].as_int() == i % 10);
  }
  CHECK_FAILS(data.get(256, Random()), Kind::kIndex, "no sample 256");
}

TEST_CASE("files are looked for in root before root/NAME/raw") {
  Folder folder;
  write_images(folder, "MNIST/raw/", "t10k", 3);
  CHECK(MNIST(in(folder, false)).size() == 3);
  write_images(folder, "", "t10k", 5);
  CHECK(MNIST(in(folder, false)).size() == 5);
}

TEST_CASE("missing data: where it looked and what to do") {
  Folder folder;
  CHECK_FAILS(MNIST(in(folder)), Kind::kIO, "MNIST/raw");
  CHECK_FAILS(MNIST(in(folder)), Kind::kIO, "download=True");
  write_images(folder, "", "train", 3);
  fs::remove(folder.path() / "train-labels-idx1-ubyte");
  CHECK_FAILS(MNIST(in(folder)), Kind::kIO, "train-labels-idx1-ubyte");
  write_images(folder, "", "train", 3);
  fs::copy_file(folder.path() / "train-labels-idx1-ubyte",
                folder.path() / "train-images-idx3-ubyte",
                fs::copy_options::overwrite_existing);
  CHECK_FAILS(MNIST(in(folder)), Kind::kFormat, "not (n, 28, 28) u8");
}

TEST_CASE("a download that is not the published file leaves nothing") {
  Folder folder;
  FetcherGuard guard;
  auto o = in(folder);
  o.download = true;
  set_fetcher(nullptr);
  CHECK_FAILS(MNIST(o), Kind::kState, "cannot download; put https://");
  std::vector<std::string> urls;
  set_fetcher([&](const std::string& url, const fs::path& to) {
    urls.push_back(url);
    std::ofstream(to) << "<html>not here</html>";
  });
  CHECK_FAILS(MNIST(o), Kind::kFormat, "not the published file");
  CHECK(urls.size() == 2);  // both mirrors
  o.url = "http://localhost:1/x";
  set_fetcher([](const std::string& url, const fs::path& to) {
    std::ofstream(to) << "half";
    ptutils::fail(Kind::kIO, "fetch", "refused: ", url);
  });
  CHECK_FAILS(MNIST(o), Kind::kIO,
              "http://localhost:1/x/train-images-idx3-ubyte.gz");
  CHECK(fs::is_empty(folder.path() / "MNIST" / "raw"));
}

TEST_CASE("the real Fashion-MNIST of the Debian package") {
  if (!has_debian_package()) return;
  Folder folder;
  FashionMNIST::Options o;
  o.root = folder.path().string();
  FashionMNIST train(o);
  o.train = false;
  FashionMNIST test(o);
  CHECK(train.size() == 60000);
  CHECK(test.size() == 10000);
  CHECK(train.labels().data<std::uint8_t>()[0] == 9);  // an ankle boot
  CHECK(test.labels().data<std::uint8_t>()[0] == 9);
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < train.images().numel(); ++i)
    sum += train.images().data<std::uint8_t>()[i];
  CHECK(static_cast<double>(sum) / (60000.0 * 784) ==
        doctest::Approx(72.9403522));  // its published mean, 0.2860 of 255
  Value config = train.to_config();
  CHECK(config.as_dict().at("func").as_string() == "ptutils.data.FashionMNIST");
  CHECK(config.as_dict().at("root").as_string() == o.root);
}

TEST_CASE("published files are fetched once, into root/NAME/raw") {
  if (!has_debian_package()) return;
  // Debian packed the published content again: only what is inside is equal.
  FetcherGuard guard;
  std::vector<std::string> urls;
  set_fetcher([&](const std::string& url, const fs::path& to) {
    urls.push_back(url);
    fs::copy_file(kDebian / url.substr(url.rfind('/') + 1), to);
  });
  Folder folder;
  auto source = ptutils::data::detail::idx_source("FashionMNIST");
  source.debian_folder = "";
  auto find = [&] {
    return find_idx_files(source, folder.path().string(), false, true,
                          "http://localhost/mirror");
  };
  auto files = find();
  CHECK(files.images ==
        folder.path() / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte.gz");
  CHECK(urls == std::vector<std::string>{
                    "http://localhost/mirror/t10k-images-idx3-ubyte.gz",
                    "http://localhost/mirror/t10k-labels-idx1-ubyte.gz"});
  find();
  CHECK(urls.size() == 2);
  fs::remove(files.labels);
  find();
  CHECK(urls.size() == 3);
  CHECK(read_idx(files.images).shape() == Dims{10000, 28, 28});
  fs::remove(files.labels);
  set_fetcher([&](const std::string&, const fs::path& to) {
    fs::copy_file(kDebian / "train-labels-idx1-ubyte.gz", to);  // another one
  });
  CHECK_FAILS(find(), Kind::kFormat, "not the published file");
  CHECK(!fs::exists(files.labels));
}
