# Third-party libraries (licences: THIRD_PARTY.md). No public header includes
# one of them, so that those who link to ptutils need none.
find_package(Threads REQUIRED)

# ptutils_find(VARIABLE header package description)
#   Include folder of a library without a CMake package of its own.
function(ptutils_find_header variable header package)
  find_path(${variable} ${header})
  mark_as_advanced(${variable})
  if(NOT ${variable})
    message(FATAL_ERROR "ptutils needs ${header}: "
            "apt-get install ${package} (Debian, Ubuntu)")
  endif()
endfunction()

function(ptutils_find_package name package)
  find_package(${name} QUIET)
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "ptutils needs ${name}: "
            "apt-get install ${package} (Debian, Ubuntu)")
  endif()
  set(${name}_FOUND ${${name}_FOUND} PARENT_SCOPE)
endfunction()

# True in `result` where every object of a static archive may go into a shared
# library (compiled with -fPIC).
function(ptutils_archive_is_pic archive result)
  file(WRITE "${CMAKE_BINARY_DIR}/pic/empty.cpp" "")
  execute_process(
    COMMAND "${CMAKE_CXX_COMPILER}" -shared -o "${CMAKE_BINARY_DIR}/pic/probe.so"
            "${CMAKE_BINARY_DIR}/pic/empty.cpp" -Wl,--whole-archive "${archive}"
            -Wl,--no-whole-archive
    RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  file(REMOVE "${CMAKE_BINARY_DIR}/pic/probe.so")
  if(status EQUAL 0)
    set(${result} TRUE CACHE INTERNAL "Static archive usable in libptutils.so")
  else()
    set(${result} FALSE CACHE INTERNAL "Static archive usable in libptutils.so")
  endif()
endfunction()

# Eigen: included by tensor/kernels only.
ptutils_find_package(Eigen3 libeigen3-dev)

# JSON: simdjson for what is well-formed, nlohmann::json to say what is not.
ptutils_find_package(simdjson libsimdjson-dev)
ptutils_find_package(nlohmann_json nlohmann-json3-dev)

# yaml-cpp: the target's name changed with version 0.8.
ptutils_find_package(yaml-cpp libyaml-cpp-dev)
add_library(ptutils_yaml INTERFACE)
if(TARGET yaml-cpp::yaml-cpp)
  target_link_libraries(ptutils_yaml INTERFACE yaml-cpp::yaml-cpp)
else()
  target_link_libraries(ptutils_yaml INTERFACE yaml-cpp)
endif()

# libdeflate: into libptutils.so where the archive allows it.
ptutils_find_header(PTUTILS_DEFLATE_INCLUDE libdeflate.h libdeflate-dev)
find_library(PTUTILS_DEFLATE_STATIC libdeflate.a)
find_library(PTUTILS_DEFLATE_SHARED deflate REQUIRED)
mark_as_advanced(PTUTILS_DEFLATE_STATIC PTUTILS_DEFLATE_SHARED)
if(PTUTILS_DEFLATE_STATIC AND NOT DEFINED PTUTILS_DEFLATE_PIC)
  ptutils_archive_is_pic("${PTUTILS_DEFLATE_STATIC}" PTUTILS_DEFLATE_PIC)
endif()
add_library(ptutils_deflate INTERFACE)
target_include_directories(ptutils_deflate SYSTEM INTERFACE
                           "${PTUTILS_DEFLATE_INCLUDE}")
if(PTUTILS_DEFLATE_PIC)
  target_link_libraries(ptutils_deflate INTERFACE "${PTUTILS_DEFLATE_STATIC}")
else()
  target_link_libraries(ptutils_deflate INTERFACE "${PTUTILS_DEFLATE_SHARED}")
endif()

# xxHash: header only, in .cpp files.
ptutils_find_header(PTUTILS_XXHASH_INCLUDE xxhash.h libxxhash-dev)
add_library(ptutils_xxhash INTERFACE)
target_include_directories(ptutils_xxhash SYSTEM INTERFACE
                           "${PTUTILS_XXHASH_INCLUDE}")
target_compile_definitions(ptutils_xxhash INTERFACE XXH_INLINE_ALL)

# PCRE2: regular expressions, in one .cpp file.
ptutils_find_header(PTUTILS_PCRE2_INCLUDE pcre2.h libpcre2-dev)
find_library(PTUTILS_PCRE2_LIBRARY pcre2-8 REQUIRED)
mark_as_advanced(PTUTILS_PCRE2_LIBRARY)
add_library(ptutils_pcre2 INTERFACE)
target_include_directories(ptutils_pcre2 SYSTEM INTERFACE
                           "${PTUTILS_PCRE2_INCLUDE}")
target_link_libraries(ptutils_pcre2 INTERFACE "${PTUTILS_PCRE2_LIBRARY}")

# SQLite: always the system's shared library. A second copy in one process
# (Python's sqlite3 has the first) breaks POSIX locks: closing a file in one
# copy drops the locks that the other holds on it.
find_package(SQLite3 QUIET)
if(NOT SQLite3_FOUND)
  message(FATAL_ERROR "ptutils needs SQLite: "
          "apt-get install libsqlite3-dev (Debian, Ubuntu)")
endif()

# JPEG (libjpeg-turbo) and PNG: pictures, in data/detail only.
find_package(JPEG QUIET)
find_package(PNG QUIET)
if(NOT JPEG_FOUND OR NOT PNG_FOUND)
  message(FATAL_ERROR "ptutils needs libjpeg-turbo and libpng: "
          "apt-get install libjpeg-dev libpng-dev (Debian, Ubuntu)")
endif()

# HDF5: the serial library, in a plugin of its own. Debian keeps it apart from
# the parallel ones; elsewhere it lies where everything lies.
find_path(PTUTILS_HDF5_INCLUDE hdf5.h PATH_SUFFIXES hdf5/serial)
find_library(PTUTILS_HDF5_LIBRARY NAMES hdf5_serial hdf5
             PATH_SUFFIXES hdf5/serial)
mark_as_advanced(PTUTILS_HDF5_INCLUDE PTUTILS_HDF5_LIBRARY)
if(NOT PTUTILS_HDF5_INCLUDE OR NOT PTUTILS_HDF5_LIBRARY)
  message(FATAL_ERROR "ptutils needs HDF5 1.10.8 or newer: "
          "apt-get install libhdf5-dev (Debian, Ubuntu)")
endif()
add_library(ptutils_hdf5_library INTERFACE)
target_include_directories(ptutils_hdf5_library SYSTEM INTERFACE
                           "${PTUTILS_HDF5_INCLUDE}")
target_compile_definitions(ptutils_hdf5_library INTERFACE H5_USE_110_API)
target_link_libraries(ptutils_hdf5_library INTERFACE "${PTUTILS_HDF5_LIBRARY}")
