"""What a primitive is, and those that change shapes, join arrays and read entries. The others are
in ../ops.py."""
