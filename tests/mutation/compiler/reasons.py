"""The mutants of the compiler that no step kills, by the beginnings of their names: each with the
reason, nearly always that the numbers are the same, and the kernels, barriers and bytes no more.

A survivor that is not here fails the run, and so does an entry here of which none survives.
"""

IMPLIED = "implied by what is around it, and there for the reader or the type checker"
STORED = "what is stored and what is computed again gives the same numbers: a matter of speed"
ORDER = "the order of loops, and which of them is in lanes where any may be: a matter of speed"
NAMES = "only names, or their order"
ORDERED = "after all checks, or before the first: none stands at that very place"
FUSED = "what is fused where both would do: a matter of speed"
SAME = "computes the same"
CHECKED = "an entry of positions stands alone in its bound, so any and all are one"
TYPES = "a type, which nobody reads at run time"
SIZE = (
    "what lies behind an array that is gone is given out after its first bytes, which are "
    "waited for"
)
EMPTY = "of an array without entries no byte is touched"
FIRST = "any time will do: it is taken before all others, or kept to the end"
OTHERS = (
    "what no row of ours says (a user's may: test_new_rows.py), or what NumPy is left with all "
    "the same"
)
ONES = "an axis of length 1: its only position is 0 in any case"
FASTER = "a way that is quicker for the compiler itself, to the same loops"
CHUNKS = "where a long sum is cut: test_sums.py bounds its error"
COSTS = "what is told of costs, and from it how many shares a kernel has"
SHARES = "any number of shares is right, and whatever they are of: a matter of speed"
WRITES = "what is told to the C compiler of aliases; another statement says it too"
SYM = (
    "the total and what rounding lost of it are added in the end, whichever is which; operands "
    "commute"
)
FLAG = "any number but 0 says it; the first or the last of the step's memory, whoever takes it"
CUT = "how a product is cut, packed and lined up: a matter of speed"
RAISES = "raises then, which is taken for the same"
MEMO = "looked up or made anew, it is the same"
COPIES = "a copy more, in a kernel that is there"

_KEYS: dict[str, tuple[str, ...]] = {
    IMPLIED: (
        "plan._Building.inside: if reader == self",
        "plan._Planner._place: if kernel is None",
        "plan._Planner._joined: for place, own",
        "memory.Array.extent: return 1 + sum",
        "entries.viewing: if before.primitive is",
        "entries.viewing: views.append(number",
        "entries.reduced:",
        "nest.Nest._reduction: depth = max((self",
        "nest.Nest._reduction: self.scopes[depth",
        "plan._Planner._loads: reads.ops |= {view",
        "memory._Arranger.__init__: if op.primitive in LEAVES",
        "entries.viewed: if not graph.ops",
        "entries.bounds: marked = (definition",
        "nest.Nest.outside: del self.scopes",
        "nest.Nest.outside: self.scopes[depth",
        "nest.Nest._position: known = Affine",
        "plan._Planner._commit: self.home[copied",
        "lower.lower: if isinstance(kernel, Product",
    ),
    STORED: (
        "plan._Planner._roots: roots.add(source",
        "plan._Planner._roots: if self._mixes",
        "plan._Planner._is_columns:",
        "plan._Planner._mixes:",
        "plan._Planner._steady:",
        "plan._Planner._shared:",
        "plan._Planner._shallow:",
        "plan._Planner._cheap:",
        "entries.moves: return bool(op",
        "plan._Planner._reads:",
        "plan._Planner._repeats: if not self.ops",
    ),
    ORDER: (
        "plan._Planner._place: kernel.nested",
        "entries.Reads.computed: self.loops |= any",
        "nest.Nest._gathered: simple = by is",
        "nest.Nest._gathered: wide = simple and",
        "nest.Nest._gathered: mark = ('reduction', into",
        "nest.Nest._gathered: mark = ('reduction', out",
        "nest.nested: turns, mark =",
        "bodies.over: return For(name",
        "bodies.LoopBody.statements: mark = 'lanes'",
        "bodies.LoopBody.statements: body = [over(f",
        "bodies.LoopBody.statements: flat = not nest",
        "bodies.LoopBody._order:",
        "bodies.LoopBody._places:",
        "bodies.ColumnsBody.statements: body = [over(f",
        "bodies.ColumnsBody.statements: strips = For('first",
        "bodies.ColumnsBody._strip: mark = '' if scope",
        "bodies.ScatterBody.statements: flat = not (nest",
        "bodies.ScatterBody.statements: mark = 'lanes'",
        "bodies.ScatterBody._zero: for axis in reversed",
        "bodies.CheckBody.statements: for name in reversed",
        "product.ProductBody.statements: body = [For('panel",
        "product.ProductBody._tile: one = how.columns",
        "product.ProductBody._tile: mark = '' if inner",
        "product.PackBody.statements: for axis in reversed",
        "entries.Reads.__init__: self.loops = F",
        "lower.lower: bodies.insert(0",
    ),
    NAMES: (
        "plan._Planner._place: kernel = _Building",
        "plan._Planner._place: checks = [self",
        "nest.Nest.__init__: self.count = 0",
        "nest.Nest.open: return self.scopes",
        "expressions.Affine.__add__: terms = tuple(sorted",
        "plan._Planner._commit: kernel = _Building",
    ),
    ORDERED: (
        "plan._Planner._place: early = kernel",
        "plan._Planner._place: index = None if",
        "plan._Planner._commit: known = max(fails",
        "plan._Planner._commit: if home.position",
    ),
    FUSED: (
        "plan._Planner._joined: single = kernel",
        "plan._Planner._joined: if single or kernel",
    ),
    SAME: (
        "plan._Planner._joined: if n != 1 and lengths",
        "plan._Planner._joined: if factors !=",
        "memory._along: return tuple((place",
        "memory._along: place = {p.names",
        "entries._holds: if dtype.kind not",
        "entries.Reads.computed: shape = self.graph",
        "entries.Reads.computed: self.read(op.args",
        "entries.Reads.computed: if op.primitive.entr",
        "nest.Nest.resolved:",
        "nest.Nest._reduction: return self.let",
        "bodies.LoopBody.statements: return [*nest.scopes",
        "bodies.ColumnsBody.statements: return [*adding",
        "bodies.ScatterBody.statements: return [*nest.scopes",
        "bodies.CheckBody.statements: return [*nest.scopes",
        "product.ProductBody.statements: return [*nest.scopes",
        "indexing._unsliced:",
        "entries._weak: value = op.params",
        "entries._exact:",
        "indexing._position: return bounded",
        "indexing._source_index: index.append(_position",
    ),
    CHECKED: (
        "plan._Planner._look: if all((self._constant",
        "plan._Planner._look: if any((load in",
        "plan._Planner._constant: if op.primitive in L",
    ),
    TYPES: (
        "plan._Planner._readers: readers = defaultdict",
        "plan._Planner._finished: reads = dict[tuple",
        "lower.lower: segments = list",
    ),
    SIZE: ("memory.Array.size: return math.prod",),
    EMPTY: (
        "memory.Array.extent: return 0",
        "memory._Room.take: size = -(-max(size",
    ),
    FIRST: (
        "memory.arrange: arranger.pack(time, kernel, since=0",
        "memory._Arranger._flag: offset = self.room",
        "memory._Room.__init__: self.size = 0",
    ),
    OTHERS: (
        "entries.compiles:",
        "entries._reduces:",
        "entries.affine: if isinstance(position, Const",
        "entries.affine: if isinstance(position, int",
        "entries.affine: return Affine((), int(position.value",
        "entries.affine: return Affine((), int(position)",
        "bodies._asked:",
        "expressions.Affine.__add__: if not isinstance",
        "expressions.Affine.__add__: return op('+',",
        "expressions.Affine.__sub__: return self + other",
        "expressions.Affine.__mul__:",
        "expressions.Affine.renamed: total += names",
        "entries.Argument.__getitem__: at = index if isinstance",
        "entries.Argument.__getitem__: if len(at) != len",
        "entries._checked: if not isinstance",
        "lower.lower: if any((_foreign",
        "lower.lower: verify(runs[body",
    ),
    ONES: (
        "entries.affine: if n == 1",
        "nest.Nest._reduction: variables = {axis",
        "bodies.ColumnsBody.statements: *outer, last =",
        "bodies.ColumnsBody._gather: loops_ = [(f'k",
        "bodies.ScatterBody.statements: wide = [axis for",
        "bodies.ScatterBody._zero: if array.shape",
        "product.ProductBody.statements: body = [loop(f",
        "product.PackBody.statements: if how.batch[axis",
        "shapes._index_before_reshape: return tuple((ZERO if n == 1 else remainder",
        "joining._entry_of_parts: inside = select",
    ),
    FASTER: (
        "entries.Reads.read: if key in self",
        "entries.Reads.read: self.seen.add(key",
        "entries.entries: if isinstance(position",
        "entries._bounded: for part in walk",
        "nest.Nest.let: if isinstance(expr",
        "nest.Nest.let: return self.let",
        "nest.Nest._depth: return max((self",
        "nest._same: return part if",
        "product.ProductBody._rows: ragged = self.how",
        "product.ProductBody._rows: return [Let('rows",
        "product.ProductBody._ragged: if how.columns",
        "product.ProductBody._columns: if how.columns",
        "joining._entry_of_parts: if len(parts)",
        "joining._entry_of_parts: return convert",
        "joining._entry_of_parts: parts = [arg for",
    ),
    CHUNKS: (
        "nest.Nest._gathered: chunk = 8 * CHUNK",
        "nest.calls: values = [statement",
        "nest.calls: return any((getattr",
        "nest.nested: if around and turns",
        "nest.nested: turns = 1",
        "nest.nested: for name, n in",
        "nest.rounds: return by is add",
    ),
    COSTS: (
        "bodies.Body.__init__: self.work = 0",
        "bodies.LoopBody.statements: self.work = math",
        "bodies.ColumnsBody._gather: self.work = math",
        "bodies.ScatterBody.statements: self.additions",
        "bodies.ScatterBody.statements: self.work = 0 if",
        "bodies.CheckBody.statements: self.work = math",
        "product.ProductBody.flops:",
        "product.ProductBody.statements: self.work = math",
        "product.PackBody.flops:",
        "product.PackBody.statements: self.work = packed",
        "product.ProductBody.computed: ops |= {*viewing",
        "lower.lower: costs.append(_numpy_cost",
        "lower.lower: costs.append(_cost",
    ),
    SHARES: (
        "bodies.Body.shares:",
        "bodies.LoopBody.shares:",
        "bodies.ColumnsBody.cuts:",
        "bodies.ScatterBody.statements: shared = self._shared",
        "bodies.ScatterBody.cuts:",
        "bodies.ScatterBody._shared: return max(whole",
        "bodies.ScatterBody._shared: whole = [(n, at",
        "bodies.ScatterBody._zero: mine = shared is",
        "product.ProductBody.statements: rows = share(tiles",
        "product.ProductBody.statements: columns = (integer",
        "product.ProductBody._by_rows:",
        "product.ProductBody.cuts:",
    ),
    WRITES: (
        "bodies.Body.array: self.writes |=",
        "bodies.ScatterBody.statements: into = self.entry",
        "bodies.ScatterBody._zero: entry = self.entry",
    ),
    SYM: (
        "bodies.ColumnsBody._gather: body = self._strip(nest, [write(some",
        "bodies.ColumnsBody._gather: add_up = loop(",
        "bodies.ColumnsBody._gather: body = self._strip(nest, [write(sums",
    ),
    FLAG: ("bodies.CheckBody.statements: wrong = write(self",),
    CUT: (
        "product.ProductBody.statements: block = how.block",
        "product.ProductBody.statements: if self._left_far",
        "product.ProductBody.statements: self.local('left",
        "product.ProductBody._left_far:",
        "product.ProductBody._multiply: rows = integer",
        "tiling.Tiling.block:",
        "tiling.tiling: far = abs(down",
        "tiling.tiling: packs = along",
    ),
    RAISES: (
        "indexing._read: return None if",
        "entries.definition:",
    ),
    MEMO: ("plan._Planner._check: if number not in",),
    COPIES: ("plan._targets: if copied",),
}
REASONS = {key: reason for reason, keys in _KEYS.items() for key in keys}
