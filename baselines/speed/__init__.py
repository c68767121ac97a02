"""What is measured against what: the lines of the speed table."""
