"""Many ranks: processes that run the same program on shares of the data, and add up gradients.

`join` says which of them this one is, `World.share` which examples are its own, and `average` makes
of each rank's gradients those of the whole batch, by one primitive, `all_reduce`. Started without
mpiexec there is one rank, to which everything belongs, and none of this computes anything.

What adds up over ranks is called by all of them, in the same order: also a gradient through it, and
a drawing of it, which computes gradients. One that calls it alone waits, until the watch ends that.
"""

from .joined import World, broadcast, gather, join, world
from .reduce import all_reduce, average, mean

__all__ = ["World", "all_reduce", "average", "broadcast", "gather", "join", "mean", "world"]
