"""From text to a step that runs: build, bind, call, measure."""
