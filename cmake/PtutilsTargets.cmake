# One function a kind of target. Sources are found by pattern: a new file needs
# no edit here. A folder without sources makes no target.

set(PTUTILS_CPP_ROOT "${PROJECT_SOURCE_DIR}/cpp")
# Where the fuzzer sees which branches an input takes: what reads files.
set(PTUTILS_FUZZED_ROOMS formats data)

# ptutils_room(<folder> [library...])
#   OBJECT library ptutils_<folder> of every .cpp below cpp/ptutils/<folder>;
#   its objects become part of libptutils.so.
function(ptutils_room folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
       "${PTUTILS_CPP_ROOT}/ptutils/${folder}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/kernels/(level|.*\\.inc)\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "/formats/hdf5/") # ptutils_plugin
  if(NOT sources)
    return()
  endif()
  add_library(ptutils_${folder} OBJECT ${sources})
  ptutils_unity(ptutils_${folder} ${PTUTILS_UNITY_BATCH})
  # GCC takes a batch's sources for headers.
  target_compile_options(ptutils_${folder} PRIVATE
    "$<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>")
  ptutils_object_library(ptutils_${folder} ${ARGN})
  if(PTUTILS_FUZZ AND folder IN_LIST PTUTILS_FUZZED_ROOMS)
    target_compile_options(ptutils_${folder} PRIVATE
                           -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# ptutils_unity(<target> <count>): so many of its sources are compiled at once.
function(ptutils_unity target count)
  if(count GREATER 1)
    set_target_properties(${target} PROPERTIES
      UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${count})
  endif()
endfunction()

# ptutils_plugin(<name> <folder> [library...])
#   libptutils_<name>.so of every .cpp in cpp/ptutils/<folder>, beside
#   libptutils.so, which loads it when it is first needed: what its libraries
#   cost at the start of a process is paid by those who use them. Its one
#   symbol is ptutils_<name>_plugin.
function(ptutils_plugin name folder)
  set(symbols "${CMAKE_CURRENT_BINARY_DIR}/${name}.map")
  file(CONFIGURE OUTPUT "${symbols}" @ONLY
       CONTENT "{ global: ptutils_@name@_plugin; local: *; };\n")
  file(GLOB sources CONFIGURE_DEPENDS "${PTUTILS_CPP_ROOT}/ptutils/${folder}/*.cpp")
  add_library(ptutils_${name} MODULE ${sources})
  target_compile_features(ptutils_${name} PRIVATE cxx_std_20)
  target_link_libraries(ptutils_${name} PRIVATE ptutils Threads::Threads ${ARGN})
  target_link_options(ptutils_${name} PRIVATE -Wl,--as-needed
                      "-Wl,--version-script,${symbols}")
  set_target_properties(ptutils_${name} PROPERTIES LINK_DEPENDS "${symbols}")
  if(NOT PTUTILS_SANITIZE)
    target_link_options(ptutils_${name} PRIVATE -Wl,-z,defs)
  endif()
  ptutils_unity(ptutils_${name} ${PTUTILS_UNITY_BATCH})
  set_target_properties(ptutils_${name} PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY "${PTUTILS_PACKAGE_DIR}/lib"
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN")
endfunction()

# ptutils_kernels(<level> [compiler option...])
#   tensor/kernels/level.cpp compiled once more, for one instruction set. Its
#   symbols carry the level's name (Eigen's by a renamed namespace): an inline
#   function that two levels share would be merged by the linker, and run
#   instructions that the processor lacks.
function(ptutils_kernels level)
  set(source "${PTUTILS_CPP_ROOT}/ptutils/tensor/kernels/level.cpp")
  if(NOT EXISTS "${source}")
    return()
  endif()
  set(target ptutils_kernels_${level})
  add_library(${target} OBJECT "${source}")
  ptutils_object_library(${target} Eigen3::Eigen)
  target_compile_definitions(${target} PRIVATE PT_LEVEL=${level}
                             Eigen=Eigen_${level})
  if(PTUTILS_SANITIZE)
    target_compile_options(${target} PRIVATE -O1)
  else()
    target_compile_options(${target} PRIVATE -O3)
  endif()
  # No kernel reads errno or the floating point flags; without them more loops
  # become vector code. Values stay what IEEE says.
  target_compile_options(${target} PRIVATE ${ARGN} -fvisibility=hidden
                         -fno-math-errno -fno-trapping-math)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC's own AVX-512 headers make values from uninitialised ones.
    target_compile_options(${target} PRIVATE -fno-gnu-unique
                           -Wno-maybe-uninitialized -Wno-uninitialized)
  endif()
endfunction()

function(ptutils_object_library target)
  target_include_directories(${target} PRIVATE "${PTUTILS_CPP_ROOT}")
  target_compile_definitions(${target} PRIVATE
                             PTUTILS_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${target} PRIVATE Threads::Threads ${ARGN})
  set_property(GLOBAL APPEND PROPERTY PTUTILS_OBJECTS ${target})
  set_property(GLOBAL APPEND PROPERTY PTUTILS_LIBRARIES ${ARGN})
endfunction()

# ptutils_cpp_test(<folder>)
#   Executable test_<folder> of tests/cpp/<folder>/**/test_*.cpp, run by ctest.
function(ptutils_cpp_test folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
       "${PROJECT_SOURCE_DIR}/tests/cpp/${folder}/*.cpp")
  if(NOT sources OR NOT TARGET ptutils)
    return()
  endif()
  add_executable(test_${folder} ${sources}
                 $<TARGET_OBJECTS:ptutils_doctest_main>)
  target_include_directories(test_${folder} PRIVATE
                             "${PROJECT_SOURCE_DIR}/tests/cpp")
  target_link_libraries(test_${folder} PRIVATE ptutils doctest::doctest
                        Threads::Threads)
  # The optimiser takes half of the time of a test's compilation, more under a
  # sanitizer; it is the library that is to be quick.
  target_compile_options(test_${folder} PRIVATE -O0)
  ptutils_unity(test_${folder} ${PTUTILS_UNITY_BATCH})
  add_test(NAME ${folder} COMMAND test_${folder})
  if(folder IN_LIST PTUTILS_THREADED_ROOMS)
    add_dependencies(threaded_tests test_${folder})
  endif()
  set_tests_properties(${folder} PROPERTIES TIMEOUT 300 ENVIRONMENT
    "PTUTILS_TEST_DATA=${PROJECT_SOURCE_DIR}/tests/data")
endfunction()
