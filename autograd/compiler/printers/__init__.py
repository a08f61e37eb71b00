"""From loops to text that another compiler reads."""
