"""From traced steps to a WebAssembly module: its memory, its entries, its manifest."""
