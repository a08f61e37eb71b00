"""The studio's page without a server: `python -m viz export`, for any static host, or as one file.

Low to high: grid.py reads which networks the page is to train; tree.py makes the files of the API,
the GET tree of the server; site.py and single.py make of them and of the page a folder and a file;
command.py is the command. In the page, ask.js finds in those files what else a server is asked for,
inside.js finds them in a page of one file; worker.js keeps them for when there is no network, which
offline.js asks it to.
"""
