"""How much hypothesis tries: `fixed` (the default, the same examples each time, for CI) or `long`.

python -m pytest --hypothesis-profile=long
"""

from hypothesis import settings

settings.register_profile(
    "fixed", max_examples=25, deadline=None, derandomize=True, database=None, print_blob=False
)
settings.register_profile("long", max_examples=2000, deadline=None, database=None, print_blob=True)
settings.load_profile("fixed")
