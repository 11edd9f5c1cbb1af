#include "ptutils/formats/detail/hdf5/tree.h"
#include "ptutils/formats/detail/hdf5_plugin.h"

extern "C" PTUTILS_API const ptutils::detail::Hdf5Plugin ptutils_hdf5_plugin;
const ptutils::detail::Hdf5Plugin ptutils_hdf5_plugin = {
    ptutils::detail::hdf5::read_file, ptutils::detail::hdf5::write_file,
    ptutils::detail::hdf5::open_rows};
