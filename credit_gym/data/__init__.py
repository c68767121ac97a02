"""The data model: the table of columns, the Episode as it was played, and the EpisodeBatch that scorers read."""
