"""The server's side of a race: it learns by compiled C beside a page that learns by WebAssembly."""
