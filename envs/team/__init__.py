"""Teams: several roles answer one question in turn, and only the last answer is graded."""
