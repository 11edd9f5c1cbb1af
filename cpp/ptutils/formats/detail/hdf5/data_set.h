#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ptutils/formats/detail/hdf5/chunks.h"
#include "ptutils/formats/detail/hdf5/types.h"
#include "ptutils/module/value.h"

namespace ptutils::detail::hdf5 {

/// A data set that is read.
class DataSet {
 public:
  /// `where` begins messages: "[hdf5] FILE: data set '/a/b': ". Kind::kFormat
  /// for what is no tensor and no text.
  DataSet(std::shared_ptr<OpenFile> file, Handle set, std::string where);

  /// Text, a tensor on the map, one that is read, or with `lazy` a Deferred;
  /// null for h5py.Empty.
  Value value(bool lazy) const;

 private:
  void check_sources();
  std::optional<Tensor> mapped() const;
  Tensor load() const;
  void read_through_library(Tensor& out) const;
  bool read_grid(Tensor& out) const;
  void convert(Tensor& out) const;
  Value deferred() const;
  Tensor finished(Tensor tensor) const;

  std::shared_ptr<OpenFile> file_;
  Handle set_;
  std::string where_;
  Handle properties_;
  H5D_layout_t layout_ = H5D_CONTIGUOUS;
  ElementType type_;
  std::optional<Dims> shape_;
  std::size_t bytes_ = 0;
};

}  // namespace ptutils::detail::hdf5
