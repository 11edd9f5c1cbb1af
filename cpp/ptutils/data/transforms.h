#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ptutils/data/pending.h"
#include "ptutils/module/module.h"
#include "ptutils/tensor/random.h"

/// What is done to a sample on its way into the batch. Images are (C, H, W);
/// what a transform draws comes from `random`, a stream of the sample's own.
namespace ptutils::data {

class PTUTILS_API Transform : public Module {
 public:
  std::string extra_repr() override;  // its arguments
  std::string class_name() const override {
    return "ptutils.data.transforms.Transform";
  }
  virtual void apply(Pending& sample, Random random) = 0;
  virtual bool draws_random() const { return false; }
  /// It calls Python, whose lock it takes.
  virtual bool is_python() const { return false; }
  /// Of one value, by itself; what it draws comes from the default stream.
  Value call(const Value& arguments) override;
};

using Chain = std::vector<std::shared_ptr<Transform>>;
/// One after another, transform i with stream random.at(i).
PTUTILS_API void apply_chain(const Chain& chain, Pending& sample,
                             const Random& random);

namespace transforms {

/// A chain as one transform: its own, where there is one.
PTUTILS_API std::shared_ptr<Transform> composed(Chain chain);

class PTUTILS_API Compose : public Transform {
 public:
  explicit Compose(Chain chain) : chain_(std::move(chain)) {}
  std::string class_name() const override {
    return "ptutils.data.transforms.Compose";
  }
  void apply(Pending& sample, Random random) override;
  bool draws_random() const override;
  bool is_python() const override;
  void fields(Fields& f) override;
  Value to_config() override;
  const Chain& chain() const { return chain_; }

 private:
  Chain chain_;
};

/// The bytes of a picture file (bytes, or u8 (n)) to the picture, u8 (3, H, W),
/// decoded no further than later transforms want it. `dct_scaling`: see
/// EncodedImage. Kind::kFormat for what is no picture.
class PTUTILS_API DecodeImage : public Transform {
 public:
  explicit DecodeImage(bool dct_scaling = false) : dct_scaling_(dct_scaling) {}
  std::string class_name() const override {
    return "ptutils.data.transforms.DecodeImage";
  }
  void apply(Pending& sample, Random random) override;
  Value to_config() override;
  bool dct_scaling() const { return dct_scaling_; }

 private:
  bool dct_scaling_;
};

/// (H, W, C) -> (C, H, W): a view, no copy.
class PTUTILS_API ToCHW : public Transform {
 public:
  std::string class_name() const override {
    return "ptutils.data.transforms.ToCHW";
  }
  void apply(Pending& sample, Random random) override;
  Value to_config() override;
};

/// x * scale, as f32. 1/255 brings bytes to [0, 1].
class PTUTILS_API ToFloat : public Transform {
 public:
  explicit ToFloat(double scale = 1);
  std::string class_name() const override {
    return "ptutils.data.transforms.ToFloat";
  }
  void apply(Pending& sample, Random random) override;
  Value to_config() override;

 private:
  double scale_;
};

/// (x - mean) / std, as f32; one value, or one a channel.
class PTUTILS_API Normalize : public Transform {
 public:
  Normalize(std::vector<double> mean, std::vector<double> std);
  std::string class_name() const override {
    return "ptutils.data.transforms.Normalize";
  }
  void apply(Pending& sample, Random random) override;
  Value to_config() override;

 private:
  std::vector<double> mean_, std_;
  std::vector<float> factors_, offsets_;
};

/// To another dtype (values as ptutils::cast gives them).
class PTUTILS_API Cast : public Transform {
 public:
  explicit Cast(DType dtype) : dtype_(dtype) {}
  std::string class_name() const override {
    return "ptutils.data.transforms.Cast";
  }
  void apply(Pending& sample, Random random) override;
  Value to_config() override;

 private:
  DType dtype_;
};

/// Labels 0 <= i < classes to f32 rows of zeros with a one.
class PTUTILS_API OneHot : public Transform {
 public:
  explicit OneHot(std::int64_t classes);
  std::string class_name() const override {
    return "ptutils.data.transforms.OneHot";
  }
  void apply(Pending& sample, Random random) override;
  Value to_config() override;

 private:
  std::int64_t classes_;
};

/// A size: one number is both sides, of Resize the shorter one.
struct Size {
  std::int64_t height = 0;
  std::optional<std::int64_t> width;
};

/// Bilinear with antialiasing; one number: the shorter side becomes that long,
/// the other in proportion (torchvision's rule).
class PTUTILS_API Resize : public Transform {
 public:
  explicit Resize(Size size);
  std::string class_name() const override {
    return "ptutils.data.transforms.Resize";
  }
  void apply(Pending& sample, Random random) override;
  Value to_config() override;

 private:
  Size size_;
};

/// The middle; an image that is smaller gets zeros around it.
class PTUTILS_API CenterCrop : public Transform {
 public:
  explicit CenterCrop(Size size);
  std::string class_name() const override {
    return "ptutils.data.transforms.CenterCrop";
  }
  void apply(Pending& sample, Random random) override;
  Value to_config() override;

 private:
  Size size_;
};

/// A part anywhere, each place equally likely, after zeros were put around.
class PTUTILS_API RandomCrop : public Transform {
 public:
  struct Padding {
    std::int64_t left = 0, top = 0, right = 0, bottom = 0;
    /// One for all sides; (left and right, top and bottom); or all four.
    /// Nothing for another number of them.
    static std::optional<Padding> of(const std::vector<std::int64_t>& sides);
  };
  explicit RandomCrop(Size size) : RandomCrop(size, Padding{}) {}
  RandomCrop(Size size, Padding padding);
  std::string class_name() const override {
    return "ptutils.data.transforms.RandomCrop";
  }
  void apply(Pending& sample, Random random) override;
  bool draws_random() const override { return true; }
  Value to_config() override;

 private:
  Size size_;
  Padding padding_;
};

/// A part of random area and aspect ratio, resized (Szegedy et al. 2015;
/// torchvision's rule: area uniform in `scale` of the whole, the logarithm of
/// the ratio uniform in `ratio`; ten tries, then the middle).
class PTUTILS_API RandomResizedCrop : public Transform {
 public:
  using Range = std::pair<double, double>;
  explicit RandomResizedCrop(Size size, Range scale = {.08, 1},
                             Range ratio = {3. / 4, 4. / 3});
  std::string class_name() const override {
    return "ptutils.data.transforms.RandomResizedCrop";
  }
  void apply(Pending& sample, Random random) override;
  bool draws_random() const override { return true; }
  Value to_config() override;

 private:
  Size size_;
  Range scale_, ratio_;
};

/// Left and right exchanged, with probability p.
class PTUTILS_API RandomHorizontalFlip : public Transform {
 public:
  explicit RandomHorizontalFlip(double p = .5);
  std::string class_name() const override {
    return "ptutils.data.transforms.RandomHorizontalFlip";
  }
  void apply(Pending& sample, Random random) override;
  bool draws_random() const override { return true; }
  Value to_config() override;

 private:
  double p_;
};

/// Brightness, contrast and saturation times a number of these ranges, the hue
/// turned by a part of the circle of its range, in a random order
/// (torchvision's ColorJitter). (3, H, W), u8 or f32 in [0, 1].
class PTUTILS_API ColorJitter : public Transform {
 public:
  using Range = std::pair<double, double>;
  explicit ColorJitter(Range brightness = {1, 1}, Range contrast = {1, 1},
                       Range saturation = {1, 1}, Range hue = {0, 0});
  /// [max(0, 1 - strength), 1 + strength]; of a hue [-strength, strength].
  /// Kind::kValue below 0.
  static Range of_strength(double strength, bool hue = false);
  std::string class_name() const override {
    return "ptutils.data.transforms.ColorJitter";
  }
  void apply(Pending& sample, Random random) override;
  bool draws_random() const override { return true; }
  Value to_config() override;

 private:
  std::array<Range, 4> ranges_;
};

/// A square of `size` pixels, its centre anywhere, set to `value` (DeVries,
/// Taylor 2017), with probability p.
class PTUTILS_API Cutout : public Transform {
 public:
  explicit Cutout(std::int64_t size, double value = 0, double p = 1);
  std::string class_name() const override {
    return "ptutils.data.transforms.Cutout";
  }
  void apply(Pending& sample, Random random) override;
  bool draws_random() const override { return true; }
  Value to_config() override;

 private:
  std::int64_t size_;
  double value_, p_;
};

/// Several results of one value, as a dict by name: an image is decoded once,
/// for models that want it in different sizes, or for two views of it. Branch i
/// draws from random.at(i).
class PTUTILS_API Branch : public Transform {
 public:
  using Branches = std::vector<std::pair<std::string, Chain>>;
  explicit Branch(Branches branches);
  std::string class_name() const override {
    return "ptutils.data.transforms.Branch";
  }
  void apply(Pending& sample, Random random) override;
  bool draws_random() const override;
  bool is_python() const override;
  void fields(Fields& f) override;
  Value to_config() override;
  const Branches& branches() const { return branches_; }

 private:
  Branches branches_;
};

/// A text (its words, apart by white space), or a list of words, to ids: i64
/// (words), or (length), cut or padded. A word that is not there has the id of
/// `unknown`; Kind::kKey where that is no word either.
class PTUTILS_API Vocabulary : public Transform {
 public:
  struct Options {
    std::int64_t length = 0;  ///< 0: as many ids as words
    std::string unknown = "<unk>";
    std::string padding = "<pad>";
  };
  /// Word i has id i. Kind::kValue for one that is there twice.
  Vocabulary(std::vector<std::string> words, Options options);
  std::string class_name() const override {
    return "ptutils.data.transforms.Vocabulary";
  }
  void apply(Pending& sample, Random random) override;
  Value to_config() override;
  std::int64_t id(const std::string& word) const;
  bool contains(const std::string& word) const;
  const std::vector<std::string>& words() const { return words_; }
  const Options& options() const { return options_; }

 private:
  std::vector<std::string> words_;
  Options options_;
  std::unordered_map<std::string, std::int64_t> ids_;
};
/// The words of a file: one a line; of a .json a list of them, or a dict from
/// word to id.
PTUTILS_API std::vector<std::string> read_vocabulary(const std::string& path);

}  // namespace transforms
}  // namespace ptutils::data
