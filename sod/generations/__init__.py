"""Student-teacher generations: label, select, learn, judge, and teach the next generation."""
