#include "ptutils/formats/detail/hdf5/types.h"

#include <memory>

#include "ptutils/formats/detail/where.h"

namespace ptutils::detail::hdf5 {

namespace {

Handle half_type() {
  Handle type(H5Tcopy(H5T_IEEE_F32LE));
  H5Tset_fields(type.get(), 15, 10, 5, 0, 10);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 15);
  return type;
}

Handle bool_type() {
  Handle type(H5Tenum_create(H5T_STD_I8LE));
  signed char value = 0;
  H5Tenum_insert(type.get(), "FALSE", &value);
  value = 1;
  H5Tenum_insert(type.get(), "TRUE", &value);
  return type;
}

Handle complex_type(hid_t part) {
  const std::size_t size = H5Tget_size(part);
  Handle type(H5Tcreate(H5T_COMPOUND, 2 * size));
  H5Tinsert(type.get(), "r", 0, part);
  H5Tinsert(type.get(), "i", size, part);
  return type;
}

std::optional<DType> integer_dtype(hid_t type) {
  constexpr DType kSigned[] = {DType::kI8, DType::kI16, DType::kI32,
                               DType::kI64};
  constexpr DType kUnsigned[] = {DType::kU8, DType::kU16, DType::kU32,
                                 DType::kU64};
  const bool with_sign = H5Tget_sign(type) == H5T_SGN_2;
  // Bits that are not there, which newer libraries refuse.
  const int offset = H5Tget_offset(type);
  if (offset < 0 || static_cast<std::size_t>(offset) + H5Tget_precision(type) >
                        8 * H5Tget_size(type))
    return {};
  for (int i = 0; i < 4; ++i)
    if (H5Tget_size(type) == std::size_t{1} << i)
      return with_sign ? kSigned[i] : kUnsigned[i];
  return {};
}

/// By its layout, of either order of bytes.
std::optional<DType> float_dtype(hid_t type) {
  struct Layout {
    DType dtype;
    std::size_t size, exponent_at, exponent, mantissa, bias;
  };
  constexpr Layout kKnown[] = {{DType::kF16, 2, 10, 5, 10, 15},
                               {DType::kBF16, 2, 7, 8, 7, 127},
                               {DType::kF32, 4, 23, 8, 23, 127},
                               {DType::kF64, 8, 52, 11, 52, 1023}};
  std::size_t sign_at = 0;
  std::size_t exponent_at = 0;
  std::size_t exponent = 0;
  std::size_t mantissa_at = 0;
  std::size_t mantissa = 0;
  const std::size_t size = H5Tget_size(type);
  if (H5Tget_fields(type, &sign_at, &exponent_at, &exponent, &mantissa_at,
                    &mantissa) < 0 ||
      H5Tget_order(type) > H5T_ORDER_BE || H5Tget_offset(type) != 0)
    return {};
  for (const Layout& known : kKnown)
    if (size == known.size && sign_at + 1 == 8 * size && mantissa_at == 0 &&
        exponent_at == known.exponent_at && exponent == known.exponent &&
        mantissa == known.mantissa && H5Tget_ebias(type) == known.bias &&
        H5Tget_norm(type) == H5T_NORM_IMPLIED)
      return known.dtype;
  return {};
}

/// A name that the library allocated.
std::string taken(char* text) {
  std::string out = text ? text : "";
  H5free_memory(text);
  return out;
}

std::optional<DType> complex_dtype(hid_t type) {
  if (H5Tget_nmembers(type) != 2 || taken(H5Tget_member_name(type, 0)) != "r" ||
      taken(H5Tget_member_name(type, 1)) != "i")
    return {};
  const Handle real(H5Tget_member_type(type, 0));
  const Handle imaginary(H5Tget_member_type(type, 1));
  if (H5Tget_class(real.get()) != H5T_FLOAT ||
      H5Tequal(real.get(), imaginary.get()) <= 0)
    return {};
  const auto part = float_dtype(real.get());
  if (part == DType::kF32) return DType::kC64;
  if (part == DType::kF64) return DType::kC128;
  return {};
}

std::string describe(hid_t type, H5T_class_t kind) {
  switch (kind) {
    case H5T_COMPOUND:
      return str("a compound of ", H5Tget_nmembers(type), " members");
    case H5T_REFERENCE:
      return "references";
    case H5T_OPAQUE:
      return "opaque bytes";
    case H5T_VLEN:
      return "lists of varying length";
    case H5T_ARRAY:
      return "arrays as elements";
    case H5T_FLOAT:
      return str("a float of ", 8 * H5Tget_size(type), " bits");
    case H5T_INTEGER:
    case H5T_ENUM:
    case H5T_BITFIELD:
      return str("an integer of ", 8 * H5Tget_size(type), " bits");
    default:
      return "times";
  }
}

void set_dtype(ElementType& out, hid_t type, H5T_class_t kind) {
  std::optional<DType> dtype;
  if (kind == H5T_FLOAT) dtype = float_dtype(type);
  if (kind == H5T_COMPOUND) dtype = complex_dtype(type);
  if (kind == H5T_INTEGER || kind == H5T_BITFIELD) dtype = integer_dtype(type);
  if (kind == H5T_ENUM) {  // any other than bool: its integers
    const Handle base(H5Tget_super(type));
    dtype = H5Tequal(type, bool_type().get()) > 0 ? DType::kBool
                                                  : integer_dtype(base.get());
  }
  if (!dtype) return;
  out.kind = ElementType::Kind::kTensor;
  out.dtype = *dtype;
  // Enumerations and bit fields are converted to their own kind only.
  const bool own = kind == H5T_ENUM || kind == H5T_BITFIELD;
  out.memory =
      own ? Handle(H5Tget_native_type(type, H5T_DIR_ASCEND)) : type_of(*dtype);
  if (kind == H5T_FLOAT && *dtype == DType::kBF16) {
    out.memory = Handle(H5Tcopy(type));
    H5Tset_order(out.memory.get(), H5T_ORDER_LE);
  }
  out.direct = H5Tequal(type, out.memory.get()) > 0;
}

}  // namespace

Handle type_of(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return bool_type();
    case DType::kU8:
      return Handle(H5Tcopy(H5T_STD_U8LE));
    case DType::kU16:
    case DType::kBF16:
      return Handle(H5Tcopy(H5T_STD_U16LE));
    case DType::kU32:
      return Handle(H5Tcopy(H5T_STD_U32LE));
    case DType::kU64:
      return Handle(H5Tcopy(H5T_STD_U64LE));
    case DType::kI8:
      return Handle(H5Tcopy(H5T_STD_I8LE));
    case DType::kI16:
      return Handle(H5Tcopy(H5T_STD_I16LE));
    case DType::kI32:
      return Handle(H5Tcopy(H5T_STD_I32LE));
    case DType::kI64:
      return Handle(H5Tcopy(H5T_STD_I64LE));
    case DType::kF16:
      return half_type();
    case DType::kF32:
      return Handle(H5Tcopy(H5T_IEEE_F32LE));
    case DType::kF64:
      return Handle(H5Tcopy(H5T_IEEE_F64LE));
    case DType::kC64:
      return complex_type(H5T_IEEE_F32LE);
    case DType::kC128:
      return complex_type(H5T_IEEE_F64LE);
  }
  fail(Kind::kValue, "hdf5", "an unknown dtype");
}

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

ElementType element_type(hid_t type, std::string_view prefix) {
  ElementType out;
  const H5T_class_t kind = H5Tget_class(type);
  check(static_cast<int>(kind), prefix, "its type cannot be read");
  out.description = describe(type, kind);
  out.stored = Handle(H5Tcopy(type));
  if (kind == H5T_STRING) {
    out.kind = ElementType::Kind::kText;
    out.memory = Handle(H5Tcopy(type));
  } else if (kind == H5T_VLEN) {
    const Handle base(H5Tget_super(type));
    set_dtype(out, base.get(), H5Tget_class(base.get()));
    if (out.kind == ElementType::Kind::kTensor) {
      out.kind = ElementType::Kind::kArrays;
      out.memory = Handle(H5Tvlen_create(out.memory.get()));
    }
  } else {
    set_dtype(out, type, kind);
  }
  if (out.kind == ElementType::Kind::kTensor &&
      H5Tget_size(out.memory.get()) != item_size(out.dtype))
    fail_call(prefix, "its type cannot be read");
  return out;
}

bool holds_references(hid_t type) {
  return H5Tdetect_class(type, H5T_REFERENCE) > 0;
}

std::optional<Dims> shape_of(hid_t space, std::string_view prefix) {
  const H5S_class_t kind = H5Sget_simple_extent_type(space);
  if (kind == H5S_NULL) return {};
  const int rank = check(H5Sget_simple_extent_ndims(space), prefix,
                         "its shape cannot be read");
  std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
  std::vector<hsize_t> most(sizes.size());
  check(H5Sget_simple_extent_dims(space, sizes.data(), most.data()), prefix,
        "its shape cannot be read");
  for (std::size_t d = 0; d < sizes.size(); ++d)
    if (most[d] != H5S_UNLIMITED && sizes[d] > most[d])
      malformed(prefix, "damaged: ", sizes[d], " along dimension ", d,
                ", of which ", most[d], " are possible");
  return Dims(sizes.begin(), sizes.end());
}

}  // namespace ptutils::detail::hdf5
