"""Pillow's bilinear resize as ONNX operators that every runtime computes alike.

ONNX has an operator for it, Resize with antialias; OpenVINO's differs from Pillow by tens of grey
levels. Here each axis is a matrix product, rounded to whole grey levels as Pillow does.
"""

__all__ = ["resizing"]


def resizing(size: int, opset: int, ir_version: int) -> str:
    """A model in ONNX's text format: photographs, uint8 [B h w 3], to images, uint8 [B s s 3].

    Args:
        size: s, pixels.
        opset: version of the operators, 18 or later.
        ir_version: of the format.
    """
    return f"""
<ir_version: {ir_version}, opset_import: ["": {opset}]>
resize (uint8[B, h, w, 3] photographs) => (uint8[B, {size}, {size}, 3] images) {{
    zero = Constant<value_int = 0>()
    one = Constant<value_int = 1>()
    size = Constant<value_int = {size}>()
    size_float = Constant<value_float = {size}.0>()
    unit = Constant<value_float = 1.0>()
    half = Constant<value_float = 0.5>()
    column = Constant<value_ints = [-1, 1]>()
    along_row = Constant<value_ints = [1]>()
    numbers = Range(zero, size, one)
    numbers_float = Cast<to = 1>(numbers)
    middles = Add(numbers_float, half)
    middles_column = Reshape(middles, column)
    {_interpolation("h", 1)}
    {_interpolation("w", 2)}
    w_turned = Transpose<perm = [1, 0]>(w_weights)
    channels_first = Transpose<perm = [0, 3, 1, 2]>(photographs)
    values = Cast<to = 1>(channels_first)
    narrow = MatMul(values, w_turned)
    narrow_up = Add(narrow, half)
    narrow_whole = Floor(narrow_up)
    small = MatMul(h_weights, narrow_whole)
    small_up = Add(small, half)
    small_whole = Floor(small_up)
    channels_last = Transpose<perm = [0, 2, 3, 1]>(small_whole)
    images = Cast<to = 2>(channels_last)
}}
"""


def _interpolation(name: str, axis: int) -> str:
    """The weights max(0, 1 - |distance| / support) of an axis, [s length], rows of sum 1."""
    return f"""
    {name}_ = Shape<start = {axis}, end = {axis + 1}>(photographs)
    {name}_length = Squeeze({name}_)
    {name}_float = Cast<to = 1>({name}_length)
    {name}_scale = Div({name}_float, size_float)
    {name}_support = Max({name}_scale, unit)
    {name}_centres = Mul(middles_column, {name}_scale)
    {name}_numbers = Range(zero, {name}_length, one)
    {name}_numbers_float = Cast<to = 1>({name}_numbers)
    {name}_places = Add({name}_numbers_float, half)
    {name}_difference = Sub({name}_places, {name}_centres)
    {name}_distance = Abs({name}_difference)
    {name}_relative = Div({name}_distance, {name}_support)
    {name}_triangle = Sub(unit, {name}_relative)
    {name}_positive = Relu({name}_triangle)
    {name}_sum = ReduceSum({name}_positive, along_row)
    {name}_weights = Div({name}_positive, {name}_sum)
    """
