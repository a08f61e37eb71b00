"""What a training leaves on disk, of which nothing is lost.

files.py names the files of a run and reads them; arrays.py packs arrays into a file, and reads one
without trust; lock.py keeps two processes apart; checkpoints.py writes and reads the state that a
training goes on from; folder.py writes the rest; open.py makes a new run or opens one to go on.
"""

__all__: list[str] = []
