"""The race of training steps in a browser: `python -m tests.benchmarks.browser`.

`__main__.py` says who runs and prints the table; `ours.py` makes our modules, `npm.py` fetches the
peers, `page.py` serves it all and opens the page. In the page, `worker.js` gives each contestant
its turns: `chainrule.js`, `jax.js`, `tensorflow.js`.
"""
