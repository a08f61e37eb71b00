"""From the loop language to source text that another compiler reads."""
