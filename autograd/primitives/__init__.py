"""What a primitive is, and those that change shapes and read entries. The others: ../ops.py."""
