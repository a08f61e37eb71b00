"""The mutants of the compiler that no step kills, by the beginnings of their names: each with the
reason, nearly always that the numbers are the same, and the kernels, barriers and bytes no more.

A survivor that is not here fails the run, and so does an entry here of which none survives.
"""

IMPLIED = "implied by what is around it, and there for the reader or the type checker"
STORED = "what is materialized or computed again gives the same numbers: a matter of speed"
ORDER = "the order of loops, and which of them is in lanes where any may be: a matter of speed"
NAMES = "only names, or their order"
ORDERED = "the kernel at that very position in the order is no check"
FUSED = "what is fused where both would do: a matter of speed"
SAME = "computes the same"
CHECKED = "a bound has one entry of positions, so any and all are one"
TYPES = "a type, which nobody reads at run time"
SIZE = (
    "what lies behind an array that is dead is allocated after its first bytes, which are "
    "waited for"
)
EMPTY = "of an array without entries no byte is touched"
FIRST = "any time will do: it is taken before all others, or kept to the end"
OTHERS = (
    "what no primitive of ours says (a user's may: test_new_primitives.py), or what is left "
    "to NumPy in any case"
)
ONES = "an axis of length 1: its only position is 0 in any case"
FASTER = "a way that is quicker for the compiler itself, to the same loops"
CHUNKS = "where a long sum is cut: test_sums.py bounds its error"
COSTS = "what is told of costs, and from it how many parts a kernel has"
PARTS = "any number of parts is right, and whatever they are of: a matter of speed"
WRITES = "what is told to the C compiler of aliases; another statement says it too"
SYM = (
    "the total and what rounding lost of it are added in the end, whichever is which; operands "
    "commute"
)
FLAG = "any number but 0 says it; it may lie anywhere in the scratch"
TILING = "how a product is tiled and packed: a matter of speed"
RAISES = "raises then, which is taken for the same"
MEMO = "looked up or made anew, it is the same"
COPIES = "a copy more, in a kernel that is there"

_KEYS: dict[str, tuple[str, ...]] = {
    IMPLIED: (
        "plan._KernelBuilder.in_domain: if reader == self",
        "plan._Planner._schedule: if kernel is None",
        "plan._Planner._joined_index: for position, own",
        "memory.Array.extent: return 1 + sum",
        "entries.view_chain: if before.primitive is",
        "entries.view_chain: views.append(number",
        "entries.reduction_index:",
        "nest.LoopNest._reduction: depth = max((self",
        "nest.LoopNest._reduction: self.scopes[depth",
        "plan._Planner._loads: reads.ops |= {view",
        "memory._Arranger.__init__: if op.primitive in LEAVES",
        "entries.view_of: if not graph.ops",
        "entries.bounds: marked = (definition",
        "nest.LoopNest.outside: del self.scopes",
        "nest.LoopNest.outside: self.scopes[depth",
        "nest.LoopNest._position: known = Affine",
        "plan._Planner._defer_writes: self.kernel_of[copied",
        "lower.lower: if isinstance(kernel, Product",
    ),
    STORED: (
        "materialize.materialize: chosen.add(view_base",
        "materialize.materialize: if _is_strideless_view(graph",
        "entries.is_column_reduction:",
        "materialize._is_strideless_view:",
        "materialize._is_leaf_view:",
        "materialize._with_shared:",
        "materialize._with_deep:",
        "materialize._is_cheap:",
        "entries.only_indexes: return bool(op",
        "plan._Planner._reads:",
        "plan._Planner._is_repeated: if not self.ops",
    ),
    ORDER: (
        "plan._Planner._schedule: kernel.inner_loops",
        "entries.Reads.add_arguments: self.inner_loops |= any",
        "nest.LoopNest._reduction_loops: in_lanes = reducer is",
        "nest.LoopNest._reduction_loops: vectorized = in_lanes and",
        "nest.LoopNest._reduction_loops: mark = ('reduction', part",
        "nest.LoopNest._reduction_loops: mark = ('reduction', out",
        "nest.nest_loops: iterations, mark =",
        "nest.axis_loop: return For(name",
        "emitters.LoopEmitter.statements: mark = 'lanes'",
        "emitters.LoopEmitter.statements: body = [axis_loop(f",
        "emitters.LoopEmitter.statements: flat = not nest",
        "emitters.LoopEmitter._axis_order:",
        "emitters.LoopEmitter._offsets:",
        "emitters.ColumnEmitter.statements: body = [axis_loop(f",
        "emitters.ColumnEmitter.statements: strips = For('first",
        "emitters.ColumnEmitter._strip_loop: mark = '' if scope",
        "emitters.ScatterEmitter.statements: flat = not (nest",
        "emitters.ScatterEmitter.statements: mark = 'lanes'",
        "emitters.ScatterEmitter._zero_fill: for axis in reversed",
        "emitters.CheckEmitter.statements: for name in reversed",
        "product.ProductEmitter.statements: body = [For('panel",
        "product.ProductEmitter._tile: one = how.columns",
        "product.ProductEmitter._tile: mark = '' if inner",
        "product.PackEmitter.statements: for axis in reversed",
        "entries.Reads.__init__: self.inner_loops = F",
        "lower.lower: emitters.insert(0",
    ),
    NAMES: (
        "plan._Planner._schedule: kernel = _KernelBuilder",
        "plan._Planner._schedule: checks = [self",
        "nest.LoopNest.__init__: self.count = 0",
        "nest.LoopNest.open: return self.scopes",
        "expressions.Affine.__add__: terms = tuple(sorted",
        "plan._Planner._defer_writes: copy = _KernelBuilder",
    ),
    ORDERED: (
        "plan._Planner._schedule: new = kernel",
        "plan._Planner._schedule: index = None if",
        "plan._Planner._defer_writes: if kernel.order",
    ),
    FUSED: (
        "plan._Planner._joined_index: single = kernel",
        "plan._Planner._joined_index: if single or issubclass",
    ),
    SAME: (
        "plan._Planner._joined_index: if n != 1 and lengths",
        "plan._Planner._joined_index: if factors !=",
        "memory._dense_strides: return tuple((stride",
        "memory._dense_strides: stride = {p.names",
        "entries._holds: if dtype.kind not",
        "entries.Reads.add_arguments: shape = self.graph",
        "entries.Reads.add_arguments: self.add(op.args",
        "entries.Reads.add_arguments: if op.primitive.entr",
        "nest.LoopNest.resolved:",
        "nest.LoopNest._reduction: if reducer is",
        "nest.LoopNest._reduction: entry = combined",
        "emitters.LoopEmitter.statements: return [*nest.scopes",
        "emitters.ColumnEmitter.statements: return [*rows_nest",
        "emitters.ScatterEmitter.statements: return [*nest.scopes",
        "emitters.CheckEmitter.statements: return [*nest.scopes",
        "product.ProductEmitter.statements: return [*nest.scopes",
        "indexing._unsliced:",
        "entries._weak: value = op.params",
        "entries._compares_exactly:",
        "indexing._position: return bounded",
        "indexing._source_index: index.append(_position",
    ),
    CHECKED: (
        "plan._Planner._check: if all((self._is_constant",
        "plan._Planner._check: if any((load in",
        "plan._Planner._is_constant: if op.primitive in L",
    ),
    TYPES: (
        "plan._Planner._readers: readers = defaultdict",
        "plan._Planner._built: reads = dict[tuple",
        "lower.lower: segments = list",
    ),
    SIZE: ("memory.Array.size: return math.prod",),
    EMPTY: (
        "memory.Array.extent: return 0",
        "memory._Scratch.allocate: size = -(-max(size",
    ),
    FIRST: (
        "memory.arrange: arranger.pack(time, kernel, since=0",
        "memory._Arranger._flag: offset = self.scratch",
        "memory._Scratch.__init__: self.size = 0",
    ),
    OTHERS: (
        "entries.compiles:",
        "entries._can_reduce:",
        "entries.as_affine: if isinstance(position, Const",
        "entries.as_affine: if isinstance(position, int",
        "entries.as_affine: return Affine((), int(position.value",
        "entries.as_affine: return Affine((), int(position)",
        "entries.data_variables:",
        "expressions.Affine.__add__: if not isinstance",
        "expressions.Affine.__add__: return op('+',",
        "expressions.Affine.__sub__: return self + other",
        "expressions.Affine.__mul__:",
        "expressions.Affine.renamed: total += names",
        "entries.Argument.__getitem__: at = index if isinstance",
        "entries.Argument.__getitem__: if len(at) != len",
        "entries._checked: if not isinstance",
        "lower.lower: if any((_says_where",
        "lower.lower: verify(runs[emitter",
    ),
    ONES: (
        "entries.as_affine: if n == 1",
        "nest.LoopNest._reduction: variables = {axis",
        "emitters.ColumnEmitter.statements: *outer, last =",
        "emitters.ColumnEmitter._reduce_rows: loops = [(f'k",
        "emitters.ScatterEmitter.statements: axes = [axis for",
        "emitters.ScatterEmitter._zero_fill: if array.shape",
        "product.ProductEmitter.statements: body = [loop(f",
        "product.PackEmitter.statements: if how.batch[axis",
        "shapes._index_before_reshape: return tuple((ZERO if n == 1 else remainder",
        "joining._entry_of_parts: inside = select",
    ),
    FASTER: (
        "entries.Reads.add: if key in self",
        "entries.Reads.add: self.seen.add(key",
        "entries.entries: if isinstance(position",
        "entries._bounded: for part in walk",
        "nest.LoopNest.let: if isinstance(expr",
        "nest.LoopNest.let: return self.let",
        "nest.LoopNest._depth: return max((self",
        "nest._with_args: return part if",
        "product.ProductEmitter._rows: ragged = self.tiling",
        "product.ProductEmitter._rows: return [Let('rows",
        "product.ProductEmitter._ragged: if how.columns",
        "product.ProductEmitter._columns: if how.columns",
        "joining._entry_of_parts: if len(parts)",
        "joining._entry_of_parts: return convert",
        "joining._entry_of_parts: parts = [arg for",
    ),
    CHUNKS: (
        "nest.LoopNest._reduction_loops: chunk = 8 * CHUNK",
        "nest.has_calls: values = [statement",
        "nest.has_calls: return any((getattr",
        "nest.nest_loops: if around and iterations",
        "nest.nest_loops: iterations = 1",
        "nest.nest_loops: for name, n in",
        "nest.is_long_sum: return reducer is add",
    ),
    COSTS: (
        "emitters.Emitter.__init__: self.work = 0",
        "emitters.LoopEmitter.statements: self.work = math",
        "emitters.ColumnEmitter._reduce_rows: self.work = math",
        "emitters.ScatterEmitter.statements: self.additions",
        "emitters.ScatterEmitter.statements: self.work = 0 if",
        "emitters.CheckEmitter.statements: self.work = math",
        "product.ProductEmitter.flops:",
        "product.ProductEmitter.statements: self.work = math",
        "product.PackEmitter.flops:",
        "product.PackEmitter.statements: self.work = packed",
        "product.ProductEmitter.computed: ops |= {*view_chain",
        "lower.lower: costs.append(_numpy_cost",
        "lower.lower: costs.append(_cost",
    ),
    PARTS: (
        "emitters.Emitter.parts:",
        "emitters.LoopEmitter.parts:",
        "emitters.ColumnEmitter.max_parts:",
        "emitters.ScatterEmitter.statements: split = self._split_axis",
        "emitters.ScatterEmitter.max_parts:",
        "emitters.ScatterEmitter._split_axis: return max(whole",
        "emitters.ScatterEmitter._split_axis: whole = [(n, at",
        "emitters.ScatterEmitter._zero_fill: is_split = split is",
        "product.ProductEmitter.statements: rows = part_bounds(tiles",
        "product.ProductEmitter.statements: columns = (integer",
        "product.ProductEmitter._splits_rows:",
        "product.ProductEmitter.max_parts:",
    ),
    WRITES: (
        "emitters.Emitter.array: self.writes |=",
        "emitters.ScatterEmitter.statements: into = self.entry",
        "emitters.ScatterEmitter._zero_fill: entry = self.entry",
    ),
    SYM: (
        "emitters.ColumnEmitter._reduce_rows: body = self._strip_loop(nest, [write(some",
        "emitters.ColumnEmitter._reduce_rows: add_up = loop(",
        "emitters.ColumnEmitter._reduce_rows: body = self._strip_loop(nest, [write(sums",
    ),
    FLAG: ("emitters.CheckEmitter.statements: wrong = write(self",),
    TILING: (
        "product.ProductEmitter.statements: block = how.block",
        "product.ProductEmitter.statements: if self._packs_left",
        "product.ProductEmitter.statements: self.local('left",
        "product.ProductEmitter._packs_left:",
        "product.ProductEmitter._multiply: rows = integer",
        "tiling.Tiling.block:",
        "tiling.tiling: page_per_row = abs(down",
        "tiling.tiling: part_of_line",
        "tiling.tiling: packs = along",
    ),
    RAISES: (
        "indexing._read: return None if",
        "entries.definition:",
    ),
    MEMO: ("plan._Planner._last_check: if number not in",),
    COPIES: ("plan._targets: if copied",),
}
REASONS = {key: reason for reason, keys in _KEYS.items() for key in keys}
