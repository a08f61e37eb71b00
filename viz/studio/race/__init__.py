"""The server's side of a race: who learns by compiled C beside a page that learns by WebAssembly."""
