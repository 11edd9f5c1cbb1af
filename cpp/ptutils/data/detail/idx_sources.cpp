#include "ptutils/common/error.h"
#include "ptutils/data/detail/idx_files.h"

namespace ptutils::data::detail {

const IdxSource& idx_source(std::string_view name) {
  // Xiao, Rasul, Vollgraf 2017,
  // https://github.com/zalandoresearch/fashion-mnist
  static const IdxSource fashion{
      "FashionMNIST",
      {"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"},
      {{{"train-images-idx3-ubyte", "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
         "f4a8712d7a061bf5bd6d2ca38dc4d50a"},
        {"train-labels-idx1-ubyte", "25c81989df183df01b3e8a0aad5dffbe",
         "9018921c3c673c538a1fc5bad174d6f9"},
        {"t10k-images-idx3-ubyte", "bef4ecab320f06d8554ea6380940ec79",
         "8181f5470baa50b63fa0f6fddb340f0a"},
        {"t10k-labels-idx1-ubyte", "bb300cfdad3c16e7a12a480ee83cd310",
         "15d484375f8d13e6eb1aabb0c3f46965"}}},
      "/usr/share/datasets/fashion-mnist",
      "dataset-fashion-mnist"};
  // LeCun, Cortes, Burges 1998
  static const IdxSource mnist{
      "MNIST",
      {"https://ossci-datasets.s3.amazonaws.com/mnist/",
       "http://yann.lecun.com/exdb/mnist/"},
      {{{"train-images-idx3-ubyte", "f68b3c2dcbeaaa9fbdd348bbdeb94873", ""},
        {"train-labels-idx1-ubyte", "d53e105ee54ea40749a09fcbcd1e9432", ""},
        {"t10k-images-idx3-ubyte", "9fb629c4189551a2d022fa330f9573f3", ""},
        {"t10k-labels-idx1-ubyte", "ec29112dd5afa0611ce80d1b7f02629c", ""}}},
      "",
      ""};
  if (name == fashion.name) return fashion;
  if (name == mnist.name) return mnist;
  fail(Kind::kKey, "IdxImages", "no published files are known for '", name,
       "'; known: FashionMNIST, MNIST");
}

}  // namespace ptutils::data::detail
