#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

#include "ptutils/common/file.h"
#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/data/detail/files.h"
#include "ptutils/data/encoded_image.h"
#include "ptutils/data/readers.h"

namespace ptutils::data {
namespace {

namespace fs = std::filesystem;

constexpr char kFolderWhere[] = "ImageFolder";
constexpr std::array<std::string_view, 9> kSuffixes = {
    ".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
    ".pgm", ".tif",  ".tiff", ".webp"};  // torchvision's

bool is_picture(const fs::path& path) {
  std::string suffix = path.extension().string();
  for (char& c : suffix)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(kSuffixes.begin(), kSuffixes.end(), suffix) !=
         kSuffixes.end();
}

/// A link to a folder that it is in itself.
bool leads_back(const fs::directory_entry& entry) {
  std::error_code error;
  if (!entry.is_symlink(error) || !entry.is_directory(error)) return false;
  const fs::path target = fs::canonical(entry.path(), error);
  const fs::path here = fs::canonical(entry.path().parent_path(), error);
  return std::mismatch(target.begin(), target.end(), here.begin(), here.end())
             .first == target.end();
}

/// Of a class, relative to the root: a folder's own before those of the folders
/// in it, as torchvision has them; links are followed.
std::vector<std::string> pictures_in(const fs::path& root,
                                     const std::string& name) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::recursive_directory_iterator entry(
      root / name, fs::directory_options::follow_directory_symlink, error);
  for (; !error && entry != fs::recursive_directory_iterator();
       entry.increment(error)) {
    std::error_code none;  // of a link to nowhere
    if (leads_back(*entry))
      entry.disable_recursion_pending();
    else if (entry->is_regular_file(none) && is_picture(entry->path()))
      found.push_back(entry->path().lexically_relative(root));
  }
  if (error)
    fail(Kind::kIO, kFolderWhere, (root / name).string(), ": ",
         error.message());
  const auto key = [](const fs::path& path) {
    return std::pair(path.parent_path().native(), path.filename().native());
  };
  std::sort(
      found.begin(), found.end(),
      [&](const fs::path& a, const fs::path& b) { return key(a) < key(b); });
  std::vector<std::string> out;
  out.reserve(found.size());
  for (const fs::path& path : found) out.push_back(path.string());
  return out;
}

/// The names of all pictures in one text, with where each ends: some forty
/// bytes a sample, without an object for each.
class FolderDataset final : public Dataset {
 public:
  FolderDataset(std::string root, bool dct_scaling)
      : root_(std::move(root)), dct_scaling_(dct_scaling) {
    classes_ = class_folders(root_);
    for (const std::string& name : classes_) {
      for (const std::string& file : pictures_in(root_, name)) {
        names_ += file;
        ends_.push_back(names_.size());
      }
      if (size() == (class_ends_.empty() ? 0 : class_ends_.back()))
        empty_.push_back(name);
      class_ends_.push_back(size());
    }
    if (ends_.empty())
      fail(Kind::kValue, kFolderWhere, root_, " holds ",
           classes_.empty() ? "no folders; give the folder that holds a folder "
                              "for each class"
                            : "folders without pictures (.jpg, .png, …)");
  }
  std::int64_t size() const override {
    return static_cast<std::int64_t>(ends_.size());
  }
  Value get(std::int64_t index, Random) override {
    const std::string path = path_of(index);
    List out;
    out.tuple = true;
    out.items.emplace_back(
        std::shared_ptr<Opaque>(std::make_shared<EncodedImage>(
            ptutils::read_file(path), path, dct_scaling_)));
    out.items.emplace_back(label_of(index));
    return out;
  }
  const std::vector<std::string>& empty_classes() const { return empty_; }
  std::vector<std::string> class_names() const override { return classes_; }
  std::string path_of(std::int64_t index) const {
    const auto at = static_cast<std::size_t>(index);
    const std::size_t begin = at == 0 ? 0 : ends_[at - 1];
    return str(root_, "/",
               std::string_view(names_).substr(begin, ends_[at] - begin));
  }
  std::int64_t label_of(std::int64_t index) const {
    return std::upper_bound(class_ends_.begin(), class_ends_.end(), index) -
           class_ends_.begin();
  }
  bool draws_random() const override { return false; }
  Origin origin() const override { return Origin::kNumpy; }
  std::vector<std::string> field_names() const override {
    return {"image", "label"};
  }

 private:
  std::string root_;
  bool dct_scaling_;
  std::string names_;
  std::vector<std::uint64_t> ends_;
  std::vector<std::int64_t> class_ends_;
  std::vector<std::string> classes_;
  std::vector<std::string> empty_;  // of them, those without pictures
};

}  // namespace

std::vector<std::string> class_folders(const std::string& root) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error))
    if (entry.is_directory() && !entry.path().filename().native().starts_with(
                                    '.'))  // .ipynb_checkpoints
      out.push_back(entry.path().filename().string());
  if (error)
    fail(Kind::kIO, kFolderWhere, root, ": ", error.message(),
         "; give the folder that holds a folder for each class");
  std::sort(out.begin(), out.end());
  return out;
}

std::shared_ptr<Dataset> ImageFolderReader::read(const std::string& source) {
  auto out = std::make_shared<FolderDataset>(source, dct_scaling_);
  if (!out->empty_classes().empty())
    log::warning("[", kFolderWhere, "] ", source,
                 ": no pictures of the classes ", join(out->empty_classes()),
                 ", which have labels all the same");
  return out;
}

Value ImageFolderReader::to_config() {
  Dict config{{"func", class_name()}};
  if (dct_scaling_) config.set("dct_scaling", true);
  return config;
}

ImageFolder::ImageFolder(const std::string& root, Preprocessor preprocessor,
                         bool dct_scaling) {
  open_folder(root, std::move(preprocessor), dct_scaling);
}

void ImageFolder::open_folder(const std::string& root,
                              Preprocessor preprocessor, bool dct_scaling) {
  class_folders(root);  // whose error says what root is to be
  root_ = root;
  dct_scaling_ = dct_scaling;
  open({{root},
        {},
        std::make_shared<ImageFolderReader>(dct_scaling),
        std::move(preprocessor)});
}

std::vector<std::pair<std::string, std::int64_t>> ImageFolder::samples() const {
  const FolderDataset now(root_, dct_scaling_);
  if (now.size() != size())
    fail(Kind::kState, kFolderWhere, root_, " holds ", now.size(),
         " pictures now, ", size(), " when it was opened; open it again");
  std::vector<std::pair<std::string, std::int64_t>> out;
  out.reserve(static_cast<std::size_t>(now.size()));
  for (std::int64_t i = 0; i < now.size(); ++i)
    out.emplace_back(now.path_of(i), now.label_of(i));
  return out;
}

Value ImageFolder::to_config() {
  Dict config{{"func", class_name()}, {"root", root_}};
  Value whole = Dataset::to_config();
  if (const Value* preprocessor = whole.as_dict().find("preprocessor"))
    config.set("preprocessor", *preprocessor);
  if (dct_scaling_) config.set("dct_scaling", true);
  return config;
}

}  // namespace ptutils::data
