"""Trainings of any model, and what they leave on disk.

run_files.py names the files of a run and reads them; lock.py keeps two processes apart;
checkpoints.py writes and reads the state that a training goes on from; run_folder.py writes the
rest and loses nothing of it.
"""

__all__: list[str] = []
